//! ACLs between the wire and the model: canned ACLs, grant headers, XML.
//!
//! Amazon S3 user guide, "Access control list (ACL) overview": which canned ACL grants what, how grant
//! headers are written, and that an ACL holds at most 100 grants.

use policy::bucket::{
    ALL_USERS, ANONYMOUS_CANONICAL_ID, AUTHENTICATED_USERS, Acl, Grant, Grantee, LOG_DELIVERY,
    Permission,
};
use s3s::{S3Result, dto, s3_error};

use crate::state::private_acl;

const MOST_GRANTS: usize = 100;
/// The account of Amazon EC2's image service, which `aws-exec-read` names.
const EC2_CANONICAL_ID: &str = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c";

/// Whose ACL it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of<'a> {
    /// A bucket's, with its owner.
    Bucket { owner: &'a str },
    /// An object's, with its owner and the owner of its bucket.
    Object {
        owner: &'a str,
        bucket_owner: &'a str,
    },
}

impl<'a> Of<'a> {
    fn owner(self) -> &'a str {
        match self {
            Of::Bucket { owner } | Of::Object { owner, .. } => owner,
        }
    }
}

/// The three ways in which a request can give an ACL.
#[derive(Debug, Default)]
pub(crate) struct Given<'a> {
    pub(crate) canned: Option<&'a str>,
    /// Permission and header value.
    pub(crate) headers: Vec<(Permission, &'a str)>,
    pub(crate) document: Option<&'a dto::AccessControlPolicy>,
}

impl Given<'_> {
    /// The ACL that is given; `None` if none is.
    pub(crate) fn acl(&self, of: Of<'_>) -> S3Result<Option<Acl>> {
        let ways = [
            self.canned.is_some(),
            !self.headers.is_empty(),
            self.document.is_some(),
        ];
        if ways.iter().filter(|given| **given).count() > 1 {
            return Err(s3_error!(
                InvalidRequest,
                "Specifying both Canned ACLs and Header Grants is not allowed"
            ));
        }
        let acl = if let Some(name) = self.canned {
            canned(name, of)?
        } else if let Some(document) = self.document {
            from_document(document, of)?
        } else if self.headers.is_empty() {
            return Ok(None);
        } else {
            from_headers(&self.headers, of)?
        };
        if acl.grants.len() > MOST_GRANTS {
            return Err(s3_error!(
                MalformedACLError,
                "The ACL holds more than {} grants",
                MOST_GRANTS
            ));
        }
        Ok(Some(acl))
    }
}

/// Whether the ACL is public by AWS's rule: any grant to AllUsers or AuthenticatedUsers.
pub(crate) fn is_public(acl: &Acl) -> bool {
    acl.grants.iter().any(|g| g.grantee.is_public_group())
}

/// Whether the ACL gives anything to anybody but its owner.
pub(crate) fn reaches_others(acl: &Acl, owner: &str) -> bool {
    acl.grants
        .iter()
        .any(|g| !matches!(&g.grantee, Grantee::CanonicalUser(id) if id == owner))
}

/// The ACL as far as it is in force.
pub(crate) fn effective(acl: &Acl, ignore_public: bool) -> Acl {
    Acl {
        owner: acl.owner.clone(),
        grants: acl
            .grants
            .iter()
            .filter(|g| !(ignore_public && g.grantee.is_untrusted()))
            .cloned()
            .collect(),
    }
}

fn canned(name: &str, of: Of<'_>) -> S3Result<Acl> {
    let mut acl = private_acl(of.owner());
    let group = |uri: &str| Grantee::Group(uri.to_owned());
    let user = |id: &str| Grantee::CanonicalUser(id.to_owned());
    let more: Vec<(Grantee, Permission)> = match (name, of) {
        ("private", _) => vec![],
        ("public-read", _) => vec![(group(ALL_USERS), Permission::Read)],
        ("public-read-write", _) => vec![
            (group(ALL_USERS), Permission::Read),
            (group(ALL_USERS), Permission::Write),
        ],
        ("authenticated-read", _) => vec![(group(AUTHENTICATED_USERS), Permission::Read)],
        ("aws-exec-read", _) => vec![(user(EC2_CANONICAL_ID), Permission::Read)],
        ("log-delivery-write", Of::Bucket { .. }) => vec![
            (group(LOG_DELIVERY), Permission::Write),
            (group(LOG_DELIVERY), Permission::ReadAcp),
        ],
        // On buckets S3 ignores the two that are about the bucket's owner.
        ("bucket-owner-read" | "bucket-owner-full-control", Of::Bucket { .. }) => vec![],
        ("bucket-owner-read", Of::Object { bucket_owner, .. }) => {
            vec![(user(bucket_owner), Permission::Read)]
        }
        ("bucket-owner-full-control", Of::Object { bucket_owner, .. }) => {
            vec![(user(bucket_owner), Permission::FullControl)]
        }
        _ => return Err(s3_error!(InvalidArgument, "Unknown canned ACL: {}", name)),
    };
    acl.grants.extend(
        more.into_iter()
            .filter(|(grantee, _)| *grantee != user(of.owner()))
            .map(|(grantee, permission)| Grant {
                grantee,
                permission,
            }),
    );
    Ok(acl)
}

/// Reads `x-amz-grant-…` headers: `id="…", uri="…"`.
fn from_headers(headers: &[(Permission, &str)], of: Of<'_>) -> S3Result<Acl> {
    let mut grants = Vec::new();
    for (permission, value) in headers {
        for part in value.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (kind, name) = part
                .split_once('=')
                .ok_or_else(|| s3_error!(InvalidArgument, "Argument format not recognized"))?;
            let name = name.trim().trim_matches('"');
            let grantee = match kind.trim().to_ascii_lowercase().as_str() {
                "id" => canonical_user(name)?,
                "uri" => group(name)?,
                "emailaddress" => return Err(unresolvable()),
                _ => {
                    return Err(s3_error!(InvalidArgument, "Argument format not recognized"));
                }
            };
            grants.push(Grant {
                grantee,
                permission: *permission,
            });
        }
    }
    Ok(Acl {
        owner: Some(of.owner().to_owned()),
        grants,
    })
}

fn from_document(document: &dto::AccessControlPolicy, of: Of<'_>) -> S3Result<Acl> {
    let owner = document
        .owner
        .as_ref()
        .and_then(|owner| owner.id.as_deref());
    if owner.is_some_and(|owner| owner != of.owner()) {
        return Err(s3_error!(AccessDenied, "Access Denied"));
    }
    let mut grants = Vec::new();
    for grant in document.grants.iter().flatten() {
        let malformed = || {
            s3_error!(
                MalformedACLError,
                "The XML you provided was not well-formed"
            )
        };
        let permission = grant.permission.as_ref().ok_or_else(malformed)?;
        let permission = Permission::parse(permission.as_str()).ok_or_else(malformed)?;
        let grantee = grant.grantee.as_ref().ok_or_else(malformed)?;
        let grantee = match (&grantee.id, &grantee.uri, &grantee.email_address) {
            (Some(id), None, None) => canonical_user(id)?,
            (None, Some(uri), None) => group(uri)?,
            (None, None, Some(_)) => return Err(unresolvable()),
            _ => return Err(malformed()),
        };
        grants.push(Grant {
            grantee,
            permission,
        });
    }
    Ok(Acl {
        owner: Some(of.owner().to_owned()),
        grants,
    })
}

fn canonical_user(id: &str) -> S3Result<Grantee> {
    let looks_right = id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
    if !looks_right && id != ANONYMOUS_CANONICAL_ID {
        return Err(s3_error!(InvalidArgument, "Invalid id"));
    }
    Ok(Grantee::CanonicalUser(id.to_owned()))
}

fn group(uri: &str) -> S3Result<Grantee> {
    if ![ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY].contains(&uri) {
        return Err(s3_error!(InvalidArgument, "Invalid group uri"));
    }
    Ok(Grantee::Group(uri.to_owned()))
}

fn unresolvable() -> s3s::S3Error {
    s3_error!(
        UnresolvableGrantByEmailAddress,
        "The e-mail address you provided does not match any account on record."
    )
}

/// The owner as S3 prints it.
pub(crate) fn owner_element(id: &str) -> dto::Owner {
    dto::Owner {
        display_name: None,
        id: Some(id.to_owned()),
    }
}

/// The grants as S3 prints them.
pub(crate) fn grant_elements(acl: &Acl) -> Vec<dto::Grant> {
    acl.grants
        .iter()
        .map(|grant| {
            let mut grantee = dto::Grantee {
                display_name: None,
                email_address: None,
                id: None,
                type_: dto::Type::from_static(dto::Type::CANONICAL_USER),
                uri: None,
            };
            match &grant.grantee {
                Grantee::CanonicalUser(id) => grantee.id = Some(id.clone()),
                Grantee::Group(uri) => {
                    grantee.type_ = dto::Type::from_static(dto::Type::GROUP);
                    grantee.uri = Some(uri.clone());
                }
                Grantee::Email(address) => {
                    grantee.type_ = dto::Type::from_static(dto::Type::AMAZON_CUSTOMER_BY_EMAIL);
                    grantee.email_address = Some(address.clone());
                }
            }
            dto::Grant {
                grantee: Some(grantee),
                permission: Some(dto::Permission::from_static(grant.permission.as_str())),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const OWNER: &str = "1111111111111111111111111111111111111111111111111111111111111111";
    const OTHER: &str = "2222222222222222222222222222222222222222222222222222222222222222";

    fn grants(given: &Given<'_>, of: Of<'_>) -> Result<Vec<String>, String> {
        match given.acl(of) {
            Ok(acl) => Ok(acl
                .unwrap()
                .grants
                .iter()
                .map(|g| {
                    let grantee = match &g.grantee {
                        Grantee::CanonicalUser(id) => id[..1].to_owned(),
                        Grantee::Group(uri) => uri.rsplit('/').next().unwrap().to_owned(),
                        Grantee::Email(address) => address.clone(),
                    };
                    format!("{grantee} {}", g.permission.as_str())
                })
                .collect()),
            Err(error) => Err(error.code().as_str().to_owned()),
        }
    }

    fn by_name(name: &str, of: Of<'_>) -> Result<Vec<String>, String> {
        grants(
            &Given {
                canned: Some(name),
                ..Given::default()
            },
            of,
        )
    }

    #[test]
    fn canned_acls_grant_what_the_user_guide_says() {
        let bucket = Of::Bucket { owner: OWNER };
        let object = Of::Object {
            owner: OTHER,
            bucket_owner: OWNER,
        };
        for (name, of, expected) in [
            ("private", bucket, vec!["1 FULL_CONTROL"]),
            (
                "public-read",
                bucket,
                vec!["1 FULL_CONTROL", "AllUsers READ"],
            ),
            (
                "public-read-write",
                bucket,
                vec!["1 FULL_CONTROL", "AllUsers READ", "AllUsers WRITE"],
            ),
            (
                "authenticated-read",
                object,
                vec!["2 FULL_CONTROL", "AuthenticatedUsers READ"],
            ),
            (
                "log-delivery-write",
                bucket,
                vec![
                    "1 FULL_CONTROL",
                    "LogDelivery WRITE",
                    "LogDelivery READ_ACP",
                ],
            ),
            (
                "bucket-owner-full-control",
                object,
                vec!["2 FULL_CONTROL", "1 FULL_CONTROL"],
            ),
            (
                "bucket-owner-read",
                object,
                vec!["2 FULL_CONTROL", "1 READ"],
            ),
        ] {
            assert_eq!(by_name(name, of).unwrap(), expected, "{name}");
        }
        assert_eq!(
            by_name("log-delivery-write", object).unwrap_err(),
            "InvalidArgument"
        );
        assert_eq!(by_name("public", bucket).unwrap_err(), "InvalidArgument");
    }

    #[test]
    fn grant_headers_are_lists() {
        let value = format!("id=\"{OTHER}\", uri=\"{ALL_USERS}\"");
        let given = Given {
            headers: vec![(Permission::Read, value.as_str())],
            ..Given::default()
        };
        assert_eq!(
            grants(&given, Of::Bucket { owner: OWNER }).unwrap(),
            ["2 READ", "AllUsers READ"]
        );
        for (value, code) in [
            ("everybody", "InvalidArgument"),
            ("id=short", "InvalidArgument"),
            ("uri=http://example.com/group", "InvalidArgument"),
            (
                "emailAddress=a@example.com",
                "UnresolvableGrantByEmailAddress",
            ),
        ] {
            let given = Given {
                headers: vec![(Permission::Read, value)],
                ..Given::default()
            };
            assert_eq!(
                grants(&given, Of::Bucket { owner: OWNER }).unwrap_err(),
                code,
                "{value}"
            );
        }
    }

    #[test]
    fn one_way_at_a_time_and_a_hundred_grants_at_most() {
        let both = Given {
            canned: Some("private"),
            headers: vec![(Permission::Read, "id=x")],
            document: None,
        };
        assert_eq!(
            grants(&both, Of::Bucket { owner: OWNER }).unwrap_err(),
            "InvalidRequest"
        );
        let value = vec![format!("id={OTHER}"); 101].join(",");
        let many = Given {
            headers: vec![(Permission::Read, value.as_str())],
            ..Given::default()
        };
        assert_eq!(
            grants(&many, Of::Bucket { owner: OWNER }).unwrap_err(),
            "MalformedACLError"
        );
    }
}
