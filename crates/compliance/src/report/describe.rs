//! Verdicts in words.

use std::borrow::Cow;
use std::fmt::Write;
use std::io;

use policy::bucket::{Bucket, Grant, Grantee};
use policy::public::{Access, Answer, NotConsidered, Reason, Via, Why, Witness};
use policy::request::Caller;

use crate::assessment::Assessment;

/// One of the three ways into a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    Policy,
    Acl,
    AccessPoint,
}

impl Mechanism {
    pub(crate) const ALL: [Mechanism; 3] =
        [Mechanism::Policy, Mechanism::Acl, Mechanism::AccessPoint];

    /// The name in the JSON output.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Mechanism::Policy => "policy",
            Mechanism::Acl => "acl",
            Mechanism::AccessPoint => "access_point",
        }
    }

    /// The name in sentences.
    pub(super) fn phrase(self) -> &'static str {
        match self {
            Mechanism::Policy => "the bucket policy",
            Mechanism::Acl => "the ACL",
            Mechanism::AccessPoint => "an access point",
        }
    }

    pub(crate) fn answer(self, access: &Access) -> &Answer {
        match self {
            Mechanism::Policy => &access.policy,
            Mechanism::Acl => &access.acl,
            Mechanism::AccessPoint => &access.access_points,
        }
    }
}

/// The mechanisms that are open.
pub(super) fn open_mechanisms(access: &Access) -> Vec<Mechanism> {
    Mechanism::ALL
        .into_iter()
        .filter(|mechanism| mechanism.answer(access).witness().is_some())
        .collect()
}

/// Why a class of access is undecided, mechanism by mechanism.
pub(super) fn undecided_reasons(access: &Access) -> Vec<&str> {
    let mut reasons: Vec<&str> = Vec::new();
    for mechanism in Mechanism::ALL {
        if let Answer::Undecided(why) = mechanism.answer(access) {
            for reason in why {
                if !reasons.contains(&reason.as_str()) {
                    reasons.push(reason);
                }
            }
        }
    }
    reasons
}

/// Who a caller is, for people.
pub(super) fn caller(caller: &Caller) -> String {
    match caller {
        Caller::Anonymous => "anyone, unsigned".to_owned(),
        Caller::Principal(_) => "any AWS account".to_owned(),
        Caller::Service(name) => format!("any AWS account, through {name}"),
        Caller::Federated(name) => format!("anyone who signs in with {name}"),
    }
}

/// `statement 2 ("PublicRead")`.
pub(super) fn statement(bucket: &Bucket, at: usize) -> String {
    let sid = bucket
        .policy
        .present()
        .and_then(|policy| policy.statements.get(at))
        .and_then(|statement| statement.sid.as_deref());
    match sid {
        Some(sid) => format!("statement {at} ({sid:?})"),
        None => format!("statement {at}"),
    }
}

/// `READ for AllUsers`.
pub(crate) fn grant(bucket: &Bucket, at: usize) -> String {
    match bucket.acl.present().and_then(|acl| acl.grants.get(at)) {
        Some(grant) => format!("grant {at} ({})", granted(grant)),
        None => format!("grant {at}"),
    }
}

/// `READ to AllUsers`
pub(crate) fn granted(grant: &Grant) -> String {
    format!(
        "{} to {}",
        grant.permission.as_str(),
        grantee(&grant.grantee)
    )
}

fn grantee(grantee: &Grantee) -> &str {
    match grantee {
        Grantee::Group(uri) => uri.rsplit('/').next().unwrap_or(uri),
        Grantee::CanonicalUser(id) | Grantee::Email(id) => id,
    }
}

/// What admits a witness's request: statements or grants, by name.
pub(super) fn admitted_by(bucket: &Bucket, mechanism: Mechanism, witness: &Witness) -> String {
    let names: Vec<String> = witness
        .admitted_by
        .iter()
        .map(|&at| match mechanism {
            Mechanism::Policy => statement(bucket, at),
            Mechanism::Acl => grant(bucket, at),
            Mechanism::AccessPoint => match &witness.via {
                Via::AccessPoint(arn) => format!("statement {at} of {arn}"),
                _ => format!("statement {at}"),
            },
        })
        .collect();
    names.join(", ")
}

/// The subject of a reason: a statement, a grant, an access point, or the whole layer.
pub(super) fn subject(bucket: &Bucket, mechanism: Mechanism, index: Option<usize>) -> String {
    match (mechanism, index) {
        (_, None) => mechanism.phrase().to_owned(),
        (Mechanism::Policy, Some(at)) => statement(bucket, at),
        (Mechanism::Acl, Some(at)) => grant(bucket, at),
        (Mechanism::AccessPoint, Some(at)) => {
            let points = bucket.access_points.present();
            match points.and_then(|points| points.get(at)) {
                Some(point) => format!("access point {}", point.arn),
                None => format!("access point {at}"),
            }
        }
    }
}

/// A stable name for why something lets nobody in.
pub(super) fn code(why: &Why) -> &'static str {
    match why {
        Why::NothingGrants => "nothing_grants",
        Why::NamesOnlyTrusted => "names_only_trusted",
        Why::NoActionOfThisClass => "no_action_of_this_class",
        Why::ResourceDoesNotFit => "resource_does_not_fit",
        Why::OwnerOnlyActions => "owner_only_actions",
        Why::ConditionUnsatisfiable(_) => "condition_unsatisfiable",
        Why::ConditionsExcludeEachOther => "conditions_exclude_each_other",
        Why::NarrowSourceAddress => "narrow_source_address",
        Why::Denied(_) => "denied",
        Why::RestrictPublicBuckets => "restrict_public_buckets",
        Why::IgnorePublicAcls => "ignore_public_acls",
        Why::BucketOwnerEnforced => "bucket_owner_enforced",
        Why::ResourceControlPolicy => "resource_control_policy",
        Why::VpcOrigin => "vpc_origin",
    }
}

/// Why something lets nobody untrusted in, as the end of a sentence that starts with its subject.
pub(super) fn why(bucket: &Bucket, mechanism: Mechanism, reason: &Reason) -> String {
    match &reason.why {
        Why::NothingGrants => "grants nothing".to_owned(),
        Why::NamesOnlyTrusted => "names only trusted principals".to_owned(),
        Why::NoActionOfThisClass => "grants no action of this class".to_owned(),
        Why::ResourceDoesNotFit => {
            "names no resource of this bucket that fits its actions".to_owned()
        }
        Why::OwnerOnlyActions => {
            "grants only what S3 refuses to everybody outside the account".to_owned()
        }
        Why::ConditionUnsatisfiable(at) => {
            let condition = reason.index.and_then(|statement| {
                let policy = bucket.policy.present()?;
                policy.statements.get(statement)?.conditions.get(*at)
            });
            match condition.filter(|_| mechanism == Mechanism::Policy) {
                Some(condition) => format!(
                    "has a condition that no outsider can meet: {} on {}",
                    condition.operator.as_str(),
                    condition.written_key
                ),
                None => "has a condition that no outsider can meet".to_owned(),
            }
        }
        Why::ConditionsExcludeEachOther => {
            "has conditions that no outsider can meet together".to_owned()
        }
        Why::NarrowSourceAddress => "grants only to narrow source addresses".to_owned(),
        Why::Denied(by) => {
            let mut text = "is refused by ".to_owned();
            for (n, at) in by.iter().enumerate() {
                let _ = write!(
                    text,
                    "{}{}",
                    if n > 0 { ", " } else { "" },
                    statement(bucket, *at)
                );
            }
            text
        }
        Why::RestrictPublicBuckets => "is cut off by RestrictPublicBuckets".to_owned(),
        Why::IgnorePublicAcls => "is ignored through IgnorePublicAcls".to_owned(),
        Why::BucketOwnerEnforced => {
            "has no effect: Object Ownership is BucketOwnerEnforced".to_owned()
        }
        Why::ResourceControlPolicy => "is refused by a resource control policy".to_owned(),
        Why::VpcOrigin => "answers only requests from one VPC".to_owned(),
    }
}

/// Who gets in and how, or why nobody does, in one line.
pub(super) fn story(assessment: &Assessment) -> String {
    let verdict = &assessment.verdict;
    let witness = verdict.read.witness().or(verdict.write.witness());
    if let Some(witness) = witness {
        let mut ways: Vec<&str> = Vec::new();
        for access in [&verdict.read, &verdict.write] {
            for mechanism in open_mechanisms(access) {
                if !ways.contains(&mechanism.phrase()) {
                    ways.push(mechanism.phrase());
                }
            }
        }
        let mut actions = vec![witness.request.action.as_str()];
        if let Some(write) = verdict.write.witness().filter(|write| *write != witness) {
            actions.push(&write.request.action);
        }
        return format!(
            "{}: {} through {}",
            caller(&witness.request.caller),
            actions.join(", "),
            ways.join(" and ")
        );
    }
    let undecided = [&verdict.read, &verdict.write]
        .into_iter()
        .flat_map(undecided_reasons)
        .next();
    match undecided {
        Some(reason) => reason.to_owned(),
        None => closed_story(assessment),
    }
}

/// What keeps a closed bucket closed, if something does beyond nothing being granted.
pub(super) fn closed_story(assessment: &Assessment) -> String {
    let bucket = &assessment.bucket;
    for access in [&assessment.verdict.read, &assessment.verdict.write] {
        for mechanism in Mechanism::ALL {
            let Answer::Closed(reasons) = mechanism.answer(access) else {
                continue;
            };
            let telling = reasons.iter().find(|reason| {
                !matches!(
                    code(&reason.why),
                    "nothing_grants" | "no_action_of_this_class"
                )
            });
            if let Some(reason) = telling {
                let subject = subject(bucket, mechanism, reason.index);
                let why = why(bucket, mechanism, reason);
                return format!("{subject} {why}");
            }
        }
    }
    "nothing grants anybody access".to_owned()
}

/// A layer that was not considered: its name in the JSON output, and in sentences.
pub(super) fn layer(layer: NotConsidered) -> (&'static str, &'static str) {
    match layer {
        NotConsidered::BucketPolicy => ("policy", "the bucket policy"),
        NotConsidered::BucketAcl => ("acl", "the bucket's ACL"),
        NotConsidered::BucketPublicAccessBlock => {
            ("bpa.bucket", "the bucket's Block Public Access")
        }
        NotConsidered::AccountPublicAccessBlock => {
            ("bpa.account", "the account's Block Public Access")
        }
        NotConsidered::OrganizationPublicAccessBlock => {
            ("bpa.organization", "the organization's Block Public Access")
        }
        NotConsidered::ObjectOwnership => ("ownership", "Object Ownership"),
        NotConsidered::ObjectAcls => ("object_acls", "ACLs of single objects"),
        NotConsidered::AccessPoints => ("access_points", "access points"),
        NotConsidered::ResourceControlPolicies => {
            ("resource_control_policies", "resource control policies")
        }
    }
}

/// Whether a character does not show as what it is: it controls a terminal, is not seen, or changes
/// the direction of writing.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A value as indented JSON that is safe on a terminal: whatever does not show as what it is, is
/// escaped. JSON lets some of it through, such as the control characters from U+007F to U+009F.
pub(super) fn json_text(value: &impl serde::Serialize) -> String {
    let mut bytes = Vec::new();
    // What the reports hold always serializes (texts, numbers, and lists and objects of them), and
    // memory takes every byte.
    let _ = write_json(value, &mut bytes);
    String::from_utf8(bytes).unwrap_or_default()
}

/// The same, written as it comes: a large estate's output never stands in memory as a whole.
pub(super) fn write_json(value: &impl serde::Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    let mut visible = VisibleJson(out);
    serde_json::to_writer_pretty(&mut visible, value)?;
    out.write_all(b"\n")
}

/// Escapes hidden characters on their way out.
struct VisibleJson<'w>(&'w mut dyn io::Write);

impl io::Write for VisibleJson<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        // The serializer writes whole characters: pieces of texts between ASCII escapes.
        let text = str::from_utf8(bytes).map_err(io::Error::other)?;
        // Outside texts the only hidden character is the line feed of the layout.
        let hidden = |c: char| c != '\n' && hidden(c);
        let mut rest = text;
        let mut units = [0; 2];
        while let Some(at) = rest.find(hidden) {
            let (plain, after) = rest.split_at(at);
            self.0.write_all(plain.as_bytes())?;
            let mut chars = after.chars();
            if let Some(c) = chars.next() {
                for unit in c.encode_utf16(&mut units) {
                    write!(self.0, "\\u{unit:04x}")?;
                }
            }
            rest = chars.as_str();
        }
        self.0.write_all(rest.as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A text with everything made visible that a terminal or a reader would not show as it is: control
/// characters, and the marks that change the direction of writing.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if hidden(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_made_visible() {
        assert_eq!(visible("plain-bücket"), "plain-bücket");
        assert_eq!(visible("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\u{a}");
        assert_eq!(visible("a\u{202e}b"), "a\\u{202e}b");
        let text = "\u{1b}\u{7f}\u{9b}\u{202e}é";
        let json = json_text(&[text]);
        assert!(!json.contains(|c| c != '\n' && hidden(c)), "{json:?}");
        assert_eq!(
            serde_json::from_str::<[String; 1]>(&json).ok(),
            Some([text.to_owned()])
        );
    }
}
