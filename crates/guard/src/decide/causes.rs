//! What is wrong with a resource, cause by cause.

use compliance::item::object_acls::ObjectAcls;
use compliance::report::request_json;
use compliance::rules::{ComplianceType, S3ObjectAclPublicAccessProhibited};
use policy::action::AccessClass;
use policy::public::{Access, Answer};
use serde_json::Value;

use super::Seen;

/// The identifiers of the rules that speak of ways in; their failures are told by cause.
const PUBLIC_ACCESS: [(&str, AccessClass); 2] = [
    ("S3_BUCKET_PUBLIC_READ_PROHIBITED", AccessClass::Read),
    ("S3_BUCKET_PUBLIC_WRITE_PROHIBITED", AccessClass::Write),
];

/// The bucket's ACL lets somebody in.
pub const ACL: &str = "acl";
/// The bucket policy lets somebody in.
pub const POLICY: &str = "policy";
/// An access point lets somebody in.
pub const ACCESS_POINT: &str = "access-point";
/// ACLs of single objects let somebody in to them.
pub const OBJECT_ACL: &str = "object-acl";
/// Whether somebody gets in could not be decided.
pub const UNDECIDED: &str = "undecided";

/// The answer of one mechanism.
type Part = fn(&Access) -> &Answer;

/// The ways in: the cause, its subject in Config's annotations, and its answer.
const MECHANISMS: [(&str, &str, Part); 3] = [
    (ACL, "S3 bucket ACL", |access| &access.acl),
    (POLICY, "S3 bucket policy", |access| &access.policy),
    (ACCESS_POINT, "S3 bucket's access point", |access| {
        &access.access_points
    }),
];

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// `acl`, `policy`, `access-point`, `object-acl`, `undecided`, or the name of a rule.
    pub name: String,
    /// Names of the rules that fail by it.
    pub rule_names: Vec<String>,
    /// Why, for people.
    pub annotation: String,
    /// The classes of access, if it is a way in.
    pub classes: Vec<String>,
    /// The request that shows it.
    pub witness: Option<Value>,
    /// Whether somebody can get in by it, with a witness.
    pub is_exposure: bool,
}

/// Whether a cause is about who gets in, rather than a rule about something else.
pub(crate) fn is_way_in(cause: &str) -> bool {
    cause == OBJECT_ACL || is_way_into_bucket(cause)
}

/// Whether a cause is about who gets in to the bucket as such: what exceptions and fingerprints are about.
pub(crate) fn is_way_into_bucket(cause: &str) -> bool {
    [ACL, POLICY, ACCESS_POINT, UNDECIDED].contains(&cause)
}

/// What is wrong, in a fixed order.
pub fn causes(seen: &Seen<'_>) -> Vec<Cause> {
    if seen.item.status.is_deleted() {
        return Vec::new();
    }
    let answers = answers(seen);
    let mut causes = ways_in(seen, &answers);
    causes.extend(public_objects(seen, &answers));
    for answer in &answers {
        if answer.class().is_some() || answer.is_about_objects() {
            continue;
        }
        match answer.compliance_type {
            ComplianceType::NonCompliant => {
                let why = answer.annotation.unwrap_or("The rule is not met.");
                causes.push(failed_rule(answer.rule_name, why.to_owned()));
            }
            // Counts as open, as whatever is not decided.
            ComplianceType::InsufficientData => {
                let why = answer.annotation.unwrap_or("something could not be read");
                let why = format!("Whether the rule is met is not decided: {why}");
                causes.push(failed_rule(answer.rule_name, why));
            }
            ComplianceType::Compliant | ComplianceType::NotApplicable => {}
        }
    }
    causes
}

/// What one rule says, now or since it was asked last.
struct RuleAnswer<'a> {
    rule_name: &'a str,
    identifier: &'a str,
    compliance_type: ComplianceType,
    annotation: Option<&'a str>,
}

impl RuleAnswer<'_> {
    /// The class of access, if it is a rule about public access.
    fn class(&self) -> Option<AccessClass> {
        PUBLIC_ACCESS
            .iter()
            .find(|(identifier, _)| *identifier == self.identifier)
            .map(|(_, class)| *class)
    }

    /// Whether it is the rule about ACLs of single objects.
    fn is_about_objects(&self) -> bool {
        self.identifier == S3ObjectAclPublicAccessProhibited::IDENTIFIER
    }
}

fn answers<'a>(seen: &Seen<'a>) -> Vec<RuleAnswer<'a>> {
    let now = seen.evaluations.iter().map(|evaluation| RuleAnswer {
        rule_name: &evaluation.rule_name,
        identifier: &evaluation.identifier,
        compliance_type: evaluation.compliance_type,
        annotation: evaluation.annotation.as_ref().map(|text| text.as_str()),
    });
    let standing = seen.standing.iter().map(|record| RuleAnswer {
        rule_name: &record.rule_name,
        identifier: &record.identifier,
        compliance_type: record.compliance_type,
        annotation: record.annotation.as_deref(),
    });
    now.chain(standing).collect()
}

fn failed_rule(name: &str, annotation: String) -> Cause {
    Cause {
        name: name.to_owned(),
        rule_names: vec![name.to_owned()],
        annotation,
        classes: Vec::new(),
        witness: None,
        is_exposure: false,
    }
}

/// Why it is not known whether a way in that was open for these classes still is; `None`: it is closed.
pub(super) fn undecided(seen: &Seen<'_>, cause: &str, classes: &[String]) -> Option<String> {
    let (_, subject, part) = MECHANISMS.iter().find(|(name, ..)| *name == cause)?;
    if seen.item.status.is_deleted() {
        return None;
    }
    let not_decided = |why: &str| {
        format!(
            "The {subject} allowed public access when it could last be decided. Now that is not decided: {why}"
        )
    };
    let Some(assessment) = seen.assessment else {
        return Some(not_decided("the bucket could not be judged"));
    };
    [AccessClass::Read, AccessClass::Write]
        .into_iter()
        .filter(|class| classes.is_empty() || classes.iter().any(|it| it == class.as_str()))
        .find_map(|class| match part(assessment.verdict.access(class)) {
            Answer::Undecided(reasons) => Some(not_decided(&reasons.join("; "))),
            Answer::Open(_) | Answer::Closed(_) => None,
        })
}

fn ways_in(seen: &Seen<'_>, answers: &[RuleAnswer<'_>]) -> Vec<Cause> {
    let Some(assessment) = seen.assessment else {
        return Vec::new();
    };
    let verdict = &assessment.verdict;
    let classes = [AccessClass::Read, AccessClass::Write];
    let mut causes = Vec::new();
    for (name, subject, part) in MECHANISMS {
        let open: Vec<AccessClass> = classes
            .into_iter()
            .filter(|class| part(verdict.access(*class)).witness().is_some())
            .collect();
        let Some(first) = open.first() else { continue };
        let words: Vec<&str> = open.iter().map(|class| class.as_str()).collect();
        causes.push(Cause {
            name: name.to_owned(),
            rule_names: failing(answers, &open),
            annotation: format!(
                "The {subject} allows public {} access.",
                words.join(" and ")
            ),
            classes: words.iter().map(|word| (*word).to_owned()).collect(),
            witness: part(verdict.access(*first)).witness().map(request_json),
            is_exposure: true,
        });
    }
    let undecided: Vec<AccessClass> = classes
        .into_iter()
        .filter(|class| verdict.access(*class).is_undecided())
        .collect();
    if !undecided.is_empty() {
        let mut reasons: Vec<&str> = undecided
            .iter()
            .map(|class| verdict.access(*class))
            .flat_map(|access| [&access.policy, &access.acl, &access.access_points])
            .filter_map(|answer| match answer {
                Answer::Undecided(reasons) => Some(reasons),
                Answer::Open(_) | Answer::Closed(_) => None,
            })
            .flatten()
            .map(String::as_str)
            .collect();
        reasons.dedup();
        causes.push(Cause {
            name: UNDECIDED.to_owned(),
            rule_names: failing(answers, &undecided),
            annotation: format!(
                "Whether it is public is not decided: {}",
                reasons.join("; ")
            ),
            classes: undecided
                .iter()
                .map(|class| class.as_str().to_owned())
                .collect(),
            witness: None,
            is_exposure: false,
        });
    }
    causes
}

/// Objects that are public by ACLs of their own: one cause, however many they are.
fn public_objects(seen: &Seen<'_>, answers: &[RuleAnswer<'_>]) -> Option<Cause> {
    let failing: Vec<&RuleAnswer<'_>> = answers
        .iter()
        .filter(|answer| answer.is_about_objects())
        .filter(|answer| {
            matches!(
                answer.compliance_type,
                ComplianceType::NonCompliant | ComplianceType::InsufficientData
            )
        })
        .collect();
    let first = failing.first()?;
    let objects = seen
        .assessment
        .map(|assessment| ObjectAcls::of_item(seen.item).judge(&assessment.bucket))
        .unwrap_or_default();
    let open = |class: AccessClass| {
        let mut answers = objects.iter().map(|object| object.access.access(class));
        answers.find_map(Answer::witness)
    };
    let classes = [AccessClass::Read, AccessClass::Write];
    let witness = classes.into_iter().find_map(open);
    let why = first.annotation.unwrap_or_default();
    Some(Cause {
        name: OBJECT_ACL.to_owned(),
        rule_names: failing
            .iter()
            .map(|rule| rule.rule_name.to_owned())
            .collect(),
        annotation: match first.compliance_type {
            ComplianceType::NonCompliant => why.to_owned(),
            _ => format!("Whether objects are public by their own ACLs is not decided: {why}"),
        },
        classes: classes
            .into_iter()
            .filter(|class| open(*class).is_some())
            .map(|class| class.as_str().to_owned())
            .collect(),
        is_exposure: witness.is_some(),
        witness: witness.map(request_json),
    })
}

/// Names of the rules about these classes that are not met.
fn failing(answers: &[RuleAnswer<'_>], classes: &[AccessClass]) -> Vec<String> {
    answers
        .iter()
        .filter(|answer| answer.class().is_some_and(|class| classes.contains(&class)))
        .filter(|answer| answer.compliance_type != ComplianceType::Compliant)
        .map(|answer| answer.rule_name.to_owned())
        .collect()
}
