//! Reads `Principal` and `NotPrincipal` (IAM user guide, "AWS JSON policy elements: Principal").

use super::read::{Place, Reader};
use super::statements::Clause;
use super::{Principal, PrincipalClause};
use crate::bucket::ANONYMOUS_CANONICAL_ID;
use crate::json::{Json, Member, Path, Shown};
use crate::spelling::did_you_mean;

const KINDS: &[&str] = &["AWS", "Service", "Federated", "CanonicalUser"];

impl Reader<'_> {
    pub(super) fn principals(
        &mut self,
        members: &[Member<'_>],
        statement: Place<'_>,
    ) -> PrincipalClause {
        let before = self.doubted();
        let mut negated = false;
        let mut entries = Vec::new();
        if let Some(clause) = self.clause(members, ["Principal", "NotPrincipal"], statement) {
            negated = clause.negated;
            self.principal_entries(&clause, statement.path.key(clause.name), &mut entries);
        }
        // In doubt it could be anybody.
        if self.doubted() > before {
            negated = false;
            entries = vec![Principal::Everyone];
        }
        PrincipalClause { negated, entries }
    }

    fn principal_entries(
        &mut self,
        clause: &Clause<'_>,
        path: Path<'_>,
        entries: &mut Vec<Principal>,
    ) {
        let place = Place {
            path,
            at: clause.node.span.start,
        };
        let kinds = match &clause.node.value {
            Json::String(text) if text == "*" => {
                entries.push(Principal::Everyone);
                return;
            }
            Json::Object(kinds) => kinds,
            Json::String(text) => {
                let help = format!("write {{\"AWS\": \"{}\"}}", Shown(text));
                let message = format!(
                    "`{}` is `*` or an object, not the text `{}`",
                    clause.name,
                    Shown(text)
                );
                self.doubt("wrong-type", message, Some(help), place);
                return;
            }
            other => {
                let message = format!(
                    "`{}` is `*` or an object, this is {}",
                    clause.name,
                    other.kind()
                );
                let help = "write \"*\", or an object such as {\"AWS\": [\"111122223333\"]}";
                self.doubt("wrong-type", message, Some(help.to_owned()), place);
                return;
            }
        };
        if kinds.is_empty() {
            let message = format!("`{}` names nobody", clause.name);
            if clause.negated {
                self.doubt("empty-list", message, None, place);
            } else {
                self.note("empty-list", message, None, place);
            }
        }
        for (index, member) in kinds.iter().enumerate() {
            let Some(kind) = KINDS.iter().find(|kind| **kind == member.key) else {
                let help = did_you_mean(&member.key, KINDS.iter().copied())
                    .map(|name| format!("did you mean `{name}`?"));
                self.doubt(
                    "unknown-principal-type",
                    format!("unknown kind of principal `{}`", Shown(&member.key)),
                    help,
                    Place {
                        path: path.key(&member.key),
                        at: member.key_span.start,
                    },
                );
                continue;
            };
            // There are four kinds, so a repetition shows within the first five members.
            if kinds[..index].iter().any(|earlier| earlier.key == *kind) {
                self.repeated(member, path);
                break;
            }
            let named = Clause {
                negated: clause.negated,
                name: kind,
                node: &member.value,
            };
            for (text, at) in self.texts(&named, path.key(kind)).unwrap_or_default() {
                let place = Place {
                    path: path.key(kind),
                    at,
                };
                entries.push(self.principal(kind, text, clause.negated, place));
            }
        }
    }

    fn principal(&mut self, kind: &str, text: &str, negated: bool, place: Place<'_>) -> Principal {
        let name = text.to_owned();
        match kind {
            "Service" => Principal::Service(name),
            "Federated" => {
                if text == "*" {
                    self.doubt(
                        "wildcard-provider",
                        "`*` is no identity provider".to_owned(),
                        Some("name the provider, such as `accounts.google.com`".to_owned()),
                        place,
                    );
                }
                Principal::Federated(name)
            }
            "CanonicalUser" => {
                if text == ANONYMOUS_CANONICAL_ID {
                    self.doubt(
                        "anonymous-canonical-user",
                        "this canonical user id stands for unsigned requests in ACLs; whether it does in policies is not documented".to_owned(),
                        Some("write \"*\" for everybody, or remove it".to_owned()),
                        place,
                    );
                }
                Principal::CanonicalUser(name)
            }
            _ => match aws_principal(text) {
                Ok(principal) => principal,
                Err(help) => {
                    let message = format!("`{}` names no principal", Shown(text));
                    let help = Some(help.to_owned());
                    // In `NotPrincipal` a name that misses its target turns on everybody.
                    if negated {
                        self.doubt("invalid-principal", message, help, place);
                    } else {
                        self.note("invalid-principal", message, help, place);
                    }
                    Principal::Nobody(name)
                }
            },
        }
    }
}

/// Reads an entry of `"AWS"`. The error says what to write instead.
fn aws_principal(text: &str) -> Result<Principal, &'static str> {
    if text == "*" {
        return Ok(Principal::Everyone);
    }
    if is_account_id(text) {
        return Ok(Principal::Account(text.to_owned()));
    }
    if is_unique_id(text) {
        return Ok(Principal::UniqueId(text.to_owned()));
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, _, account, name] = parts[..] else {
        return Err("write `*`, an account's twelve digits, or the ARN of a user, role or session");
    };
    if text.contains(['*', '?']) {
        return Err(
            "wildcards match no part of a principal: name the account, and narrow it by a condition on `aws:PrincipalArn`",
        );
    }
    if arn != "arn" || !partition.starts_with("aws") || !matches!(service, "iam" | "sts") {
        return Err("the ARN of a principal starts with `arn:aws:iam::` or `arn:aws:sts::`");
    }
    if name.starts_with("group/") {
        return Err("a group is no principal: name its users, or a role that they assume");
    }
    if name == "root" && is_account_id(account) {
        return Ok(Principal::Account(account.to_owned()));
    }
    Ok(Principal::Arn(text.to_owned()))
}

fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a text is a unique id as the IAM user guide shows them ("IAM identifiers"): a prefix of
/// four letters that starts with `A`, then letters and digits, all capital.
fn is_unique_id(text: &str) -> bool {
    (16..=128).contains(&text.len())
        && text.starts_with('A')
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}
