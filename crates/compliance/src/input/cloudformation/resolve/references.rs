//! What a template refers to: parameters, pseudo parameters, resources and their attributes.

use std::collections::HashSet;

use crate::input::node::{Kind, Node};

use super::{DEPLOYING_REGION, Resolver, Unresolved, Use, call, unresolved};

impl Resolver<'_> {
    /// `Ref`: a pseudo parameter, a parameter, or a resource's physical name.
    pub(super) fn reference(
        &self,
        name: &str,
        place: &Node,
        address: &str,
        used: Use,
    ) -> Result<Node, Unresolved> {
        let pseudo = match name {
            "AWS::AccountId" => Some(self.account.as_str()),
            "AWS::Partition" => Some(self.partition.as_str()),
            "AWS::Region" => Some(DEPLOYING_REGION),
            "AWS::StackName" => Some("stack"),
            "AWS::URLSuffix" if self.partition == "aws-cn" => Some("amazonaws.com.cn"),
            "AWS::URLSuffix" => Some("amazonaws.com"),
            _ => None,
        };
        if let Some(value) = pseudo {
            return Ok(Node::text_at(value, place));
        }
        let parameter = self.template.get("Parameters").and_then(|p| p.get(name));
        if let Some(parameter) = parameter {
            let kind = parameter.get_str("Type").unwrap_or("String");
            let ssm = kind.starts_with("AWS::SSM::");
            return match parameter.get("Default").and_then(Node::scalar_text) {
                Some(default) if !ssm && kind.contains("List") => {
                    let parts = default.split(',').map(|p| Node::text_at(p.trim(), place));
                    Ok(Node {
                        kind: Kind::Sequence(parts.collect()),
                        ..Node::text_at("", place)
                    })
                }
                Some(default) if !ssm => Ok(Node::text_at(default, place)),
                _ if used == Use::Name || self.in_names.contains(name) => {
                    Ok(Node::text_at(name.to_ascii_lowercase(), place))
                }
                _ => Err(unresolved(address, &format!("the parameter {name}"))),
            };
        }
        if let Some(bucket) = self.buckets.get(name) {
            return Ok(Node::text_at(bucket.clone(), place));
        }
        if self.resources().iter().any(|(id, _)| id == name) {
            // A physical name that AWS assigns or the template's author chose: fixed either way.
            return Ok(Node::text_at(name, place));
        }
        Err(unresolved(address, name))
    }

    /// `Fn::GetAtt`, where the answer is one fixed text whatever AWS assigns.
    pub(super) fn attribute(&self, id: &str, attribute: &str) -> Option<String> {
        let (partition, account) = (&self.partition, &self.account);
        if let Some(bucket) = self.buckets.get(id) {
            return match attribute {
                "Arn" => Some(format!("arn:{partition}:s3:::{bucket}")),
                "DomainName" => Some(format!("{bucket}.s3.amazonaws.com")),
                "RegionalDomainName" => {
                    Some(format!("{bucket}.s3.{DEPLOYING_REGION}.amazonaws.com"))
                }
                _ => None,
            };
        }
        let resource = self.resources().iter().find(|(name, _)| name == id)?;
        let kind = resource.1.get_str("Type")?;
        match (kind, attribute) {
            ("AWS::IAM::Role", "Arn") => Some(format!("arn:{partition}:iam::{account}:role/{id}")),
            ("AWS::IAM::User", "Arn") => Some(format!("arn:{partition}:iam::{account}:user/{id}")),
            ("AWS::IAM::Role", "RoleId") => Some(format!("AROA{}", id.to_ascii_uppercase())),
            ("AWS::CloudFront::CloudFrontOriginAccessIdentity", "S3CanonicalUserId") => {
                Some(format!("canonical-user-of-{id}"))
            }
            (kind, attribute) if attribute == "Arn" || attribute.ends_with("Arn") => {
                let service = kind.split("::").nth(1)?.to_ascii_lowercase();
                Some(format!(
                    "arn:{partition}:{service}:{DEPLOYING_REGION}:{account}:{id}"
                ))
            }
            (_, "Id" | "VpcId" | "VpcEndpointId") => Some(id.to_owned()),
            _ => None,
        }
    }

    pub(super) fn substitute(
        &self,
        argument: &Node,
        address: &str,
        used: Use,
    ) -> Result<String, Unresolved> {
        let (template, own) = match argument.elements() {
            [] => (argument.as_str(), None),
            [template] => (template.as_str(), None),
            [template, own, ..] => (template.as_str(), Some(own)),
        };
        let Some(mut rest) = template else {
            return Err(unresolved(address, "Fn::Sub"));
        };
        let mut out = String::new();
        while let Some(start) = rest.find("${") {
            out.push_str(&rest[..start]);
            let Some(length) = rest[start..].find('}') else {
                break;
            };
            let name = rest[start + 2..start + length].trim();
            let value = if let Some(literal) = name.strip_prefix('!') {
                // `${!Literal}` stands for `${Literal}`: so policies write their own variables.
                format!("${{{literal}}}")
            } else if let Some(own) = own.and_then(|own| own.get(name)) {
                self.value(own, address, used)?
                    .and_then(|value| value.scalar_text())
                    .ok_or_else(|| unresolved(address, name))?
            } else if let Some((id, attribute)) = name.split_once('.') {
                self.attribute(id, attribute)
                    .ok_or_else(|| unresolved(address, name))?
            } else {
                self.reference(name, argument, address, used)?
                    .scalar_text()
                    .ok_or_else(|| unresolved(address, name))?
            };
            out.push_str(&value);
            rest = &rest[start + length + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// The names that a value refers to.
pub(super) fn referred(node: &Node, names: &mut HashSet<String>) {
    if let Some((function, argument)) = call(node) {
        match (function, argument.as_str()) {
            ("Ref", Some(name)) => {
                names.insert(name.to_owned());
            }
            ("Fn::Sub", Some(template)) => substituted(template, names),
            // Only what stands in the name as it is: not what a condition or a map is asked by.
            ("Fn::Join", None) => {
                let parts = argument.elements().get(1).map(Node::elements);
                for part in parts.unwrap_or_default() {
                    referred(part, names);
                }
            }
            ("Fn::Sub", None) => {
                let [template, own] = argument.elements() else {
                    return;
                };
                let mut inside = HashSet::new();
                substituted(template.as_str().unwrap_or_default(), &mut inside);
                // What the map gives a value to is the map's, not a parameter.
                names.extend(inside.into_iter().filter(|name| own.get(name).is_none()));
                for (_, value) in own.members() {
                    referred(value, names);
                }
            }
            _ => {}
        }
    }
}

/// The names in the `${…}` of `Fn::Sub`.
pub(super) fn substituted(template: &str, names: &mut HashSet<String>) {
    let inside = template.split("${").skip(1);
    names.extend(
        inside
            .filter_map(|rest| rest.split_once('}'))
            .map(|(name, _)| name.trim().to_owned()),
    );
}
