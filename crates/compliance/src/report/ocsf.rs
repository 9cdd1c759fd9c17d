//! OCSF 1.5.0, class Compliance Finding (2003), with the cloud profile: a list of events, one for
//! each rule and bucket.

use policy::action::AccessClass;
use serde_json::{Value, json};

use super::Report;
use super::describe::json_text;
use super::finding::{Finding, findings};
use crate::rules::ComplianceType;

pub(super) fn render(report: &Report<'_>) -> String {
    let events: Vec<Value> = findings(report)
        .map(|finding| event(report, &finding))
        .collect();
    json_text(&events)
}

fn event(report: &Report<'_>, finding: &Finding<'_>) -> Value {
    let assessment = finding.assessment;
    let bucket = &assessment.bucket;
    let time = report.at.as_millisecond();
    let (severity_id, severity) = match (finding.evaluation.compliance_type, finding.class) {
        (ComplianceType::NonCompliant, AccessClass::Write) => (5, "Critical"),
        (ComplianceType::NonCompliant, AccessClass::Read) => (4, "High"),
        (ComplianceType::InsufficientData, _) => (3, "Medium"),
        _ => (1, "Informational"),
    };
    let (status_id, status) = if finding.fails() && finding.is_accepted() {
        (3, "Suppressed")
    } else {
        (1, "New")
    };
    let (compliance_id, compliance) = match finding.evaluation.compliance_type {
        ComplianceType::NonCompliant => (3, "Fail"),
        ComplianceType::InsufficientData => (2, "Warning"),
        _ => (1, "Pass"),
    };
    let mut resource = json!({
        "uid": finding.arn(),
        "name": bucket.name,
        "type": "AWS::S3::Bucket",
        "cloud_partition": bucket.partition,
    });
    let mut cloud = json!({"provider": "AWS"});
    if let Some(account) = &bucket.owner_account {
        cloud["account"] = json!({"uid": account, "type_id": 10, "type": "AWS Account"});
    }
    if let Some(region) = &assessment.region {
        resource["region"] = region.as_str().into();
        cloud["region"] = region.as_str().into();
    }
    let mut event = json!({
        "activity_id": 1,
        "activity_name": "Create",
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2003,
        "class_name": "Compliance Finding",
        "type_uid": 200301,
        "type_name": "Compliance Finding: Create",
        "time": time,
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status_id,
        "status": status,
        "message": finding.message(),
        "metadata": {
            "version": "1.5.0",
            "profiles": ["cloud"],
            "event_code": finding.rule.identifier(),
            "product": {"name": "Portcullis", "vendor_name": "Portcullis", "version": report.version},
        },
        "finding_info": {
            "uid": finding.id(),
            "title": finding.title(),
            "desc": finding.message(),
            "created_time": time,
        },
        "compliance": {
            "control": finding.rule.name(),
            "requirements": [finding.rule.identifier()],
            "standards": ["AWS Config managed rules"],
            "status_id": compliance_id,
            "status": compliance,
        },
        "resources": [resource],
        "cloud": cloud,
    });
    if finding.fails() {
        if finding.is_accepted() {
            event["status_detail"] = finding.acceptance().into();
        }
        if let Some(text) = finding.remediation() {
            event["remediation"] = json!({"desc": text});
        }
    }
    if let Some(witness) = assessment.verdict.access(finding.class).witness() {
        let context: serde_json::Map<String, Value> = witness
            .request
            .context
            .iter()
            .map(|(key, values)| (key.to_owned(), json!(values)))
            .collect();
        event["evidences"] = json!([{"data": {
            "principal": witness.request.caller.as_str(),
            "action": witness.request.action,
            "resource": witness.request.resource,
            "context": context,
        }}]);
    }
    event
}
