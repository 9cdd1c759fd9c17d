//! One rule's answer about one bucket, as the formats for other tools carry it.

use policy::action::AccessClass;
use sha2::{Digest, Sha256};

use super::describe::{self, Mechanism};
use super::{Report, Standing, remedy};
use crate::assessment::Assessment;
use crate::fingerprint;
use crate::rules::{self, ComplianceType, Evaluation, PublicAccessRule};

/// One rule's answer about one bucket.
pub(super) struct Finding<'a> {
    pub(super) assessment: &'a Assessment,
    pub(super) rule: &'static dyn PublicAccessRule,
    pub(super) class: AccessClass,
    pub(super) evaluation: Evaluation,
    /// How the bucket stands; `Known` and `Excepted` accept what is found.
    pub(super) standing: Standing,
}

/// Every rule's answer about every bucket.
pub(super) fn findings<'a>(report: &Report<'a>) -> impl Iterator<Item = Finding<'a>> {
    let baseline = report.baseline;
    report.assessments.iter().flat_map(move |assessment| {
        let standing = Standing::of(assessment, baseline);
        rules::PUBLIC_ACCESS.iter().map(move |rule| Finding {
            assessment,
            rule: *rule,
            class: rule.class(),
            evaluation: rule.assess(assessment),
            standing,
        })
    })
}

impl Finding<'_> {
    /// Whether the bucket is open or undecided in this rule's sense.
    pub(super) fn fails(&self) -> bool {
        !matches!(
            self.evaluation.compliance_type,
            ComplianceType::Compliant | ComplianceType::NotApplicable
        )
    }

    /// Whether it is undecided.
    pub(super) fn is_undecided(&self) -> bool {
        self.evaluation.compliance_type == ComplianceType::InsufficientData
    }

    /// Whether an exception or the baseline accepts it.
    pub(super) fn is_accepted(&self) -> bool {
        matches!(self.standing, Standing::Known | Standing::Excepted)
    }

    /// Why it is accepted.
    pub(super) fn acceptance(&self) -> String {
        match &self.assessment.exception {
            Some(id) => format!("covered by exception {id}"),
            None => "open in the baseline already".to_owned(),
        }
    }

    /// The bucket's ARN.
    pub(super) fn arn(&self) -> String {
        let bucket = &self.assessment.bucket;
        format!("arn:{}:s3:::{}", bucket.partition, bucket.name)
    }

    /// A stable id: the same bucket and rule have the same one in every run.
    pub(super) fn id(&self) -> String {
        let bucket = &self.assessment.bucket;
        let account = bucket.owner_account.as_deref().unwrap_or("-");
        let mut id = format!("{account}/{}/{}", bucket.name, self.rule.name());
        if let Some(own) = self
            .assessment
            .id
            .as_deref()
            .filter(|own| *own != bucket.name)
        {
            id.push('/');
            id.push_str(own);
        }
        id
    }

    /// What tells this finding's cause from another on the same bucket.
    pub(super) fn cause(&self) -> String {
        let bucket = &self.assessment.bucket;
        let grant = fingerprint::of(bucket, &self.assessment.verdict).unwrap_or_default();
        let digest = Sha256::digest(format!("{}\n{grant}", self.id()));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A few words.
    pub(super) fn title(&self) -> String {
        let name = &self.assessment.bucket.name;
        let class = self.class.as_str();
        match self.evaluation.compliance_type {
            ComplianceType::NonCompliant => {
                format!("S3 bucket {name} allows public {class} access")
            }
            ComplianceType::InsufficientData => {
                format!("S3 bucket {name} may allow public {class} access")
            }
            _ => format!("S3 bucket {name} allows no public {class} access"),
        }
    }

    /// The whole finding in one sentence or two.
    pub(super) fn message(&self) -> String {
        let access = self.assessment.verdict.access(self.class);
        let bucket = &self.assessment.bucket;
        if let Some(witness) = access.witness() {
            let ways: Vec<String> = describe::open_mechanisms(access)
                .into_iter()
                .filter_map(|mechanism| {
                    let witness = mechanism.answer(access).witness()?;
                    let by = describe::admitted_by(bucket, mechanism, witness);
                    Some(format!("{} ({by})", mechanism.phrase()))
                })
                .collect();
            let mut who = describe::caller(&witness.request.caller);
            if let Some(first) = who.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            return format!(
                "{who}: {} on {} is allowed through {}.",
                witness.request.action,
                witness.request.resource,
                ways.join(" and ")
            );
        }
        let undecided = describe::undecided_reasons(access);
        if !undecided.is_empty() {
            return format!("Not decided, so counted as open: {}.", undecided.join("; "));
        }
        "No untrusted request is allowed.".to_owned()
    }

    /// The best way to close it.
    pub(super) fn remediation(&self) -> Option<String> {
        let first = remedy::remedies(self.assessment).into_iter().next()?;
        Some(match first.caution {
            Some(caution) => format!("{} Note: {caution}.", first.text),
            None => first.text,
        })
    }

    /// The line in the file where what lets the witness in stands, or where the bucket does.
    pub(super) fn line(&self) -> Option<usize> {
        let access = self.assessment.verdict.access(self.class);
        let statement = Mechanism::Policy
            .answer(access)
            .witness()
            .and_then(|witness| witness.admitted_by.first());
        statement
            .and_then(|at| self.assessment.statement_line(*at))
            .map(|(line, _)| line)
            .or(self.assessment.source.as_ref()?.line)
    }
}
