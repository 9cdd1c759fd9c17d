//! Conditions that let in, or keep out, others than they seem to.

use ipnet::IpNet;

use super::contradiction::contradiction;
use super::resources::variable_in_old_version;
use super::{Linter, keys};
use crate::condition::{Condition, Operator, SetOperator, Value};
use crate::document::{Effect, Severity, Statement, Version};
use crate::json::Shown;
use crate::pattern::Pattern;

pub(super) fn lint(linter: &mut Linter<'_>, statement: &Statement) {
    for condition in &statement.conditions {
        if linter.is_full() {
            return;
        }
        values(linter, condition);
        for_all_values(linter, statement, condition);
        for_any_value(linter, statement, condition);
        if condition.key == "aws:sourceip" {
            source_ip(linter, statement, condition);
        }
        forgeable(linter, statement, condition);
        keys::lint(linter, statement, condition);
    }
    if let Some((path, message)) = contradiction(&statement.conditions) {
        linter.say(
            Severity::Warning,
            "contradictory-conditions",
            path.to_owned(),
            message,
            "the statement never applies: did you mean two statements?".to_owned(),
        );
    }
}

/// Wildcards and variables where they are plain text.
fn values(linter: &mut Linter<'_>, condition: &Condition) {
    let old = linter.policy.version == Version::V2008;
    let literal = match condition.operator {
        Operator::StringEquals | Operator::StringEqualsIgnoreCase => Some("StringLike"),
        Operator::StringNotEquals | Operator::StringNotEqualsIgnoreCase => Some("StringNotLike"),
        _ => None,
    };
    for (index, value) in condition.values.iter().enumerate() {
        let Value::Pattern(pattern) = value else {
            continue;
        };
        if old && pattern.text().contains("${") {
            let path = linter.entry(&condition.path, index);
            variable_in_old_version(linter, pattern.text(), path);
        }
        if let Some(instead) = literal.filter(|_| has_bare_wildcard(pattern)) {
            let path = linter.entry(&condition.path, index);
            linter.say(
                Severity::Warning,
                "wildcard-in-literal",
                path,
                format!(
                    "{} takes the wildcard in `{}` literally",
                    condition.operator.as_str(),
                    Shown(pattern.text())
                ),
                format!("write {instead} if it is meant as a wildcard"),
            );
        }
    }
}

/// Whether a text has `*` or `?` other than as `${*}` and `${?}`.
fn has_bare_wildcard(pattern: &Pattern) -> bool {
    let text = pattern.text().replace("${*}", "").replace("${?}", "");
    text.contains(['*', '?'])
}

fn for_all_values(linter: &mut Linter<'_>, statement: &Statement, condition: &Condition) {
    let asks_for_presence = |other: &Condition| {
        other.key == condition.key
            && match other.operator {
                Operator::Null => other.values.iter().all(|v| matches!(v, Value::Bool(false))),
                operator => {
                    other.set != Some(SetOperator::ForAllValues)
                        && !other.if_exists
                        && (other.set.is_some() || !operator.is_negated())
                }
            }
    };
    if statement.effect == Effect::Allow
        && condition.set == Some(SetOperator::ForAllValues)
        && !statement.conditions.iter().any(asks_for_presence)
    {
        linter.say(
            Severity::Warning,
            "for-all-values-in-allow",
            condition.path.clone(),
            format!(
                "ForAllValues is also true for requests without `{}`",
                Shown(&condition.written_key)
            ),
            format!(
                "add \"Null\": {{\"{}\": \"false\"}}",
                Shown(&condition.written_key)
            ),
        );
    }
}

/// A Deny of all but some values spares the requests that have none.
fn for_any_value(linter: &mut Linter<'_>, statement: &Statement, condition: &Condition) {
    if statement.effect == Effect::Deny
        && condition.set == Some(SetOperator::ForAnyValue)
        && condition.operator.is_negated()
        && !condition.if_exists
    {
        linter.say(
            Severity::Warning,
            "for-any-value-in-deny",
            condition.path.clone(),
            format!(
                "ForAnyValue is false for requests without `{}`: they are not refused",
                Shown(&condition.written_key)
            ),
            format!(
                "use ForAllValues:{}, which is true for them",
                condition.operator.as_str()
            ),
        );
    }
}

/// Ranges that no request to S3 over the internet comes from.
const PRIVATE: &[&str] = &[
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

fn source_ip(linter: &mut Linter<'_>, statement: &Statement, condition: &Condition) {
    let blocks = |value: &Value| match value {
        Value::Cidr(block) => Some(*block),
        _ => None,
    };
    let (allow, negated) = (
        statement.effect == Effect::Allow,
        condition.operator.is_negated(),
    );
    for (index, block) in condition
        .values
        .iter()
        .enumerate()
        .filter_map(|(i, v)| Some((i, blocks(v)?)))
    {
        let private = PRIVATE.iter().filter_map(|range| range.parse().ok());
        if private
            .into_iter()
            .any(|range: IpNet| range.contains(&block))
        {
            let path = linter.entry(&condition.path, index);
            linter.say(
                Severity::Warning,
                "private-source-ip",
                path,
                format!("no request has `{block}` as its aws:SourceIp: it is the public address, and absent through a VPC endpoint"),
                "use aws:VpcSourceIp together with aws:SourceVpc or aws:SourceVpce".to_owned(),
            );
        }
        if block.prefix_len() == 0 && !negated {
            let family = if matches!(block, IpNet::V4(_)) {
                "IPv4"
            } else {
                "IPv6"
            };
            let (what, help) = if allow {
                (
                    "restricts nothing",
                    "name the addresses that may, or remove the condition",
                )
            } else {
                (
                    "spares requests through VPC endpoints, which have no aws:SourceIp",
                    "remove the condition to deny every request",
                )
            };
            let path = linter.entry(&condition.path, index);
            linter.say(
                Severity::Warning,
                "source-ip-everybody",
                path,
                format!("`{block}` is every {family} address: the condition {what}"),
                help.to_owned(),
            );
        }
    }
    let only_v4 = condition
        .values
        .iter()
        .all(|v| matches!(v, Value::Cidr(IpNet::V4(_))));
    if only_v4 && !allow && !negated {
        linter.say(
            Severity::Note,
            "deny-only-ipv4",
            condition.path.clone(),
            "the Deny names only IPv4 addresses: it refuses no request over IPv6".to_owned(),
            "add the IPv6 ranges".to_owned(),
        );
    }
    if only_v4 && allow && negated {
        linter.say(
            Severity::Warning,
            "allow-every-ipv6",
            condition.path.clone(),
            "NotIpAddress with only IPv4 addresses lets every request over IPv6 in, and every one through a VPC endpoint".to_owned(),
            "name the addresses that may with IpAddress".to_owned(),
        );
    }
}

/// Headers that clients write as they like; the IAM user guide warns of `aws:Referer` for that.
fn forgeable(linter: &mut Linter<'_>, statement: &Statement, condition: &Condition) {
    let header = match condition.key.as_str() {
        "aws:referer" => "Referer",
        "aws:useragent" => "User-Agent",
        _ => return,
    };
    let protects = match statement.effect {
        Effect::Allow => !condition.operator.is_negated() && condition.operator != Operator::Null,
        Effect::Deny => condition.operator.is_negated(),
    };
    if protects {
        linter.say(
            Severity::Warning,
            "forgeable-key",
            condition.path.clone(),
            format!("anybody can send the header {header}: this protects nothing"),
            "serve the content through CloudFront or with presigned URLs".to_owned(),
        );
    }
}
