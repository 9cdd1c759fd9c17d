//! The documented JSON output (`docs/output.schema.json`).
//!
//! `null` means "not read and not needed for the verdicts that are given", never "no".

use std::collections::BTreeMap;
use std::io;

use policy::observed::{Observed, Unread};
use policy::public::{Answer, Literal, Verdict, Witness};
use serde::{Serialize, Serializer};

use super::describe::{self, Mechanism};
use super::{Report, Summary};
use crate::assessment::Assessment;
use crate::{fingerprint, rules};

/// The version of the output's shape.
pub const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Output<'a> {
    schema_version: u32,
    summary: Summary,
    #[serde(serialize_with = "one_by_one")]
    buckets: &'a Report<'a>,
    problems: Vec<ProblemOutput<'a>>,
}

#[derive(Serialize)]
struct BucketOutput<'a> {
    bucket: &'a str,
    account: Option<&'a str>,
    region: Option<&'a str>,
    public_read: bool,
    public_write: bool,
    aws_is_public: Option<bool>,
    acl_is_public: Option<bool>,
    literal: LiteralOutput,
    undecided: Vec<&'static str>,
    not_read: Vec<NotRead>,
    not_considered: Vec<&'static str>,
    objects_may_be_public: Option<bool>,
    exception: Option<&'a str>,
    mechanism_read: Vec<&'static str>,
    mechanism_write: Vec<&'static str>,
    witnesses: Witnesses,
    reasons: Vec<ReasonOutput>,
    advisories: Vec<AdvisoryOutput<'a>>,
    rules: Vec<RuleOutput>,
    id: Option<&'a str>,
    fingerprint: Option<String>,
    standing: &'static str,
    source: Option<SourceOutput<'a>>,
}

#[derive(Serialize)]
struct LiteralOutput {
    anonymous_read: Option<bool>,
    anonymous_write: Option<bool>,
    stranger_read: Option<bool>,
    stranger_write: Option<bool>,
}

#[derive(Serialize)]
struct NotRead {
    part: &'static str,
    reason: &'static str,
    action: Option<String>,
    message: String,
}

#[derive(Serialize)]
struct Witnesses {
    read: Option<RequestOutput>,
    write: Option<RequestOutput>,
}

#[derive(Serialize)]
struct RequestOutput {
    principal: String,
    via: &'static str,
    action: String,
    resource: String,
    context: BTreeMap<String, Values>,
    admitted_by: Vec<usize>,
    reaches_data: bool,
    from: Option<String>,
}

/// One value as a text, several as a list.
#[derive(Serialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Several(Vec<String>),
}

#[derive(Serialize)]
struct ReasonOutput {
    access: &'static str,
    mechanism: &'static str,
    answer: &'static str,
    index: Option<usize>,
    code: &'static str,
    message: String,
}

#[derive(Serialize)]
struct AdvisoryOutput<'a> {
    code: &'static str,
    message: &'a str,
    path: Option<&'a str>,
}

#[derive(Serialize)]
struct RuleOutput {
    identifier: &'static str,
    compliance_type: &'static str,
    annotation: Option<String>,
}

#[derive(Serialize)]
struct SourceOutput<'a> {
    file: &'a str,
    line: Option<usize>,
    path: Option<&'a str>,
}

#[derive(Serialize)]
struct ProblemOutput<'a> {
    file: &'a str,
    line: Option<usize>,
    bucket: Option<&'a str>,
    message: &'a str,
}

pub(super) fn write(report: &Report<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let output = Output {
        schema_version: SCHEMA_VERSION,
        summary: report.summary(),
        buckets: report,
        problems: report
            .problems
            .iter()
            .map(|problem| ProblemOutput {
                file: &problem.file,
                line: problem.line,
                bucket: problem.bucket.as_deref(),
                message: &problem.message,
            })
            .collect(),
    };
    describe::write_json(&output, out)
}

/// Each bucket is shaped when its turn comes, and forgotten.
fn one_by_one<S: Serializer>(report: &&Report<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(report.assessments.iter().map(|one| bucket(report, one)))
}

fn bucket<'a>(report: &Report<'_>, assessment: &'a Assessment) -> BucketOutput<'a> {
    let (bucket, verdict) = (&assessment.bucket, &assessment.verdict);
    let classes = [("read", &verdict.read), ("write", &verdict.write)];
    let mechanisms = |access| {
        let open = describe::open_mechanisms(access);
        let mut names: Vec<&str> = open.into_iter().map(Mechanism::as_str).collect();
        names.sort_unstable();
        names
    };
    BucketOutput {
        bucket: &bucket.name,
        account: bucket.owner_account.as_deref(),
        region: assessment.region.as_deref(),
        public_read: verdict.read.counts_as_open(),
        public_write: verdict.write.counts_as_open(),
        aws_is_public: verdict.aws_is_public,
        acl_is_public: verdict.acl_is_public,
        literal: literal(&verdict.literal),
        undecided: classes
            .iter()
            .filter(|(_, access)| access.is_undecided())
            .map(|(class, _)| *class)
            .collect(),
        not_read: not_read(assessment),
        not_considered: verdict
            .not_considered
            .iter()
            .map(|layer| describe::layer(*layer).0)
            .collect(),
        objects_may_be_public: verdict.objects_may_be_public,
        exception: assessment.exception.as_deref(),
        mechanism_read: mechanisms(&verdict.read),
        mechanism_write: mechanisms(&verdict.write),
        witnesses: Witnesses {
            read: verdict.read.witness().map(request),
            write: verdict.write.witness().map(request),
        },
        reasons: reasons(assessment, verdict),
        advisories: verdict
            .advisories
            .iter()
            .map(|advisory| AdvisoryOutput {
                code: advisory.code,
                message: &advisory.message,
                path: advisory.path.as_deref(),
            })
            .collect(),
        rules: rules::evaluate(assessment)
            .into_iter()
            .map(|evaluation| RuleOutput {
                identifier: evaluation.identifier,
                compliance_type: evaluation.compliance_type.as_str(),
                annotation: evaluation.annotation.map(|text| text.to_string()),
            })
            .collect(),
        id: assessment.id.as_deref(),
        fingerprint: fingerprint::of(bucket, verdict),
        standing: report.standing(assessment).as_str(),
        source: assessment.source.as_ref().map(|source| SourceOutput {
            file: &source.file,
            line: source.line,
            path: source.path.as_deref(),
        }),
    }
}

fn literal(literal: &Literal) -> LiteralOutput {
    LiteralOutput {
        anonymous_read: literal.anonymous_read,
        anonymous_write: literal.anonymous_write,
        stranger_read: literal.stranger_read,
        stranger_write: literal.stranger_write,
    }
}

/// A witness's request in the shape of `check --format json`, for whoever keeps or shows it elsewhere.
pub fn request_json(witness: &Witness) -> serde_json::Value {
    // The members are texts and maps of texts: writing them as a value cannot fail.
    serde_json::to_value(request(witness)).unwrap_or_default()
}

fn request(witness: &Witness) -> RequestOutput {
    use policy::public::Via;
    let request = &witness.request;
    RequestOutput {
        principal: request.caller.as_str().to_owned(),
        via: match &witness.via {
            Via::Policy => Mechanism::Policy,
            Via::Acl => Mechanism::Acl,
            Via::AccessPoint(_) => Mechanism::AccessPoint,
        }
        .as_str(),
        action: request.action.clone(),
        resource: request.resource.clone(),
        context: request
            .context
            .iter()
            .map(|(key, values)| {
                let values = match values {
                    [one] => Values::One(one.clone()),
                    several => Values::Several(several.to_vec()),
                };
                (key.to_owned(), values)
            })
            .collect(),
        admitted_by: witness.admitted_by.clone(),
        reaches_data: witness.reaches_data,
        from: witness.from.map(|from| from.to_string()),
    }
}

/// The parts that could not be read or were not needed. What the input does not have at all is not
/// considered, and listed there.
fn not_read(assessment: &Assessment) -> Vec<NotRead> {
    let bucket = &assessment.bucket;
    let levels = &bucket.public_access_block;
    let mut list = Vec::new();
    let mut add = |part, unread: Option<&Unread>| {
        let Some(unread) = unread else { return };
        let (reason, action) = match unread {
            Unread::NotGiven => return,
            Unread::NotNeeded => ("not_needed", None),
            Unread::SaidUnknown => ("said_unknown", None),
            Unread::AccessDenied { action } => ("access_denied", Some(action.clone())),
            Unread::KnownLater { .. } => ("known_later", None),
            Unread::Unsupported { .. } => ("unsupported", None),
            Unread::Passing(_) | Unread::Failed(_) => ("failed", None),
        };
        list.push(NotRead {
            part,
            reason,
            action,
            message: unread.to_string(),
        });
    };
    add("policy", bucket.policy.unread());
    add("acl", bucket.acl.unread());
    add("bpa.bucket", levels.bucket.unread());
    add("bpa.account", levels.account.unread());
    add("bpa.organization", levels.organization.unread());
    add("ownership", bucket.ownership.unread());
    add("access_points", bucket.access_points.unread());
    add(
        "resource_control_policies",
        bucket.resource_control_policies.unread(),
    );
    if let Observed::Present(points) = &bucket.access_points {
        for point in points {
            add("access_points", point.policy.unread());
            add("access_points", point.public_access_block.unread());
        }
    }
    list
}

fn reasons(assessment: &Assessment, verdict: &Verdict) -> Vec<ReasonOutput> {
    let mut list = Vec::new();
    for (class, access) in [("read", &verdict.read), ("write", &verdict.write)] {
        for mechanism in Mechanism::ALL {
            match mechanism.answer(access) {
                Answer::Open(_) => {}
                Answer::Undecided(why) => list.extend(why.iter().map(|why| ReasonOutput {
                    access: class,
                    mechanism: mechanism.as_str(),
                    answer: "undecided",
                    index: None,
                    code: "undecided",
                    message: why.clone(),
                })),
                Answer::Closed(reasons) => list.extend(reasons.iter().map(|reason| {
                    let bucket = &assessment.bucket;
                    ReasonOutput {
                        access: class,
                        mechanism: mechanism.as_str(),
                        answer: "closed",
                        index: reason.index,
                        code: describe::code(&reason.why),
                        message: format!(
                            "{} {}",
                            describe::subject(bucket, mechanism, reason.index),
                            describe::why(bucket, mechanism, reason)
                        ),
                    }
                })),
            }
        }
    }
    list
}
