//! The AWS Security Finding Format: a list to hand to `aws securityhub batch-import-findings
//! --findings file://…` (at most 100 at a time), as a custom product of the importing account.

use policy::action::AccessClass;
use serde_json::{Value, json};

use super::Report;
use super::describe::json_text;
use super::finding::{Finding, findings};
use crate::rules::ComplianceType;

/// Stands where the input does not name the account; Security Hub takes only findings of real ones.
const UNKNOWN_ACCOUNT: &str = "000000000000";

pub(super) fn render(report: &Report<'_>) -> String {
    let list: Vec<Value> = findings(report)
        .map(|finding| asff(report, &finding))
        .collect();
    json_text(&list)
}

fn asff(report: &Report<'_>, finding: &Finding<'_>) -> Value {
    let assessment = finding.assessment;
    let bucket = &assessment.bucket;
    let account = bucket.owner_account.as_deref().unwrap_or(UNKNOWN_ACCOUNT);
    let region = assessment
        .region
        .as_deref()
        .unwrap_or(match bucket.partition.as_str() {
            "aws-cn" => "cn-north-1",
            "aws-us-gov" => "us-gov-west-1",
            _ => "us-east-1",
        });
    let partition = &bucket.partition;
    let at = report.at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
    let severity = match (finding.evaluation.compliance_type, finding.class) {
        (ComplianceType::NonCompliant, AccessClass::Write) => "CRITICAL",
        (ComplianceType::NonCompliant, AccessClass::Read) => "HIGH",
        (ComplianceType::InsufficientData, _) => "MEDIUM",
        _ => "INFORMATIONAL",
    };
    let status = match finding.evaluation.compliance_type {
        ComplianceType::NonCompliant => "FAILED",
        ComplianceType::InsufficientData => "WARNING",
        _ => "PASSED",
    };
    let mut types = vec!["Software and Configuration Checks/AWS Security Best Practices"];
    if finding.evaluation.compliance_type == ComplianceType::NonCompliant {
        types.push("Effects/Data Exposure");
    }
    let mut details = json!({"Name": bucket.name, "OwnerAccountId": account});
    if let Some(block) = bucket.public_access_block.bucket.present() {
        details["PublicAccessBlockConfiguration"] = json!({
            "BlockPublicAcls": block.block_public_acls,
            "BlockPublicPolicy": block.block_public_policy,
            "IgnorePublicAcls": block.ignore_public_acls,
            "RestrictPublicBuckets": block.restrict_public_buckets,
        });
    }
    let mut asff = json!({
        "SchemaVersion": "2018-10-08",
        "Id": finding.id(),
        "ProductArn": format!("arn:{partition}:securityhub:{region}:{account}:product/{account}/default"),
        "ProductName": "Portcullis",
        "CompanyName": "Portcullis",
        "GeneratorId": format!("portcullis/{}", finding.rule.name()),
        "AwsAccountId": account,
        "Region": region,
        "Types": types,
        "CreatedAt": at,
        "UpdatedAt": at,
        "Severity": {"Label": severity},
        "Title": cut(&finding.title(), 256),
        "Description": cut(&finding.message(), 1024),
        "Resources": [{
            "Type": "AwsS3Bucket",
            "Id": finding.arn(),
            "Partition": partition,
            "Region": region,
            "Details": {"AwsS3Bucket": details},
        }],
        "Compliance": {"Status": status},
        "RecordState": "ACTIVE",
        "Workflow": {"Status": workflow(finding)},
    });
    if finding.fails()
        && let Some(text) = finding.remediation()
    {
        asff["Remediation"] = json!({"Recommendation": {"Text": cut(&text, 512)}});
    }
    asff
}

fn workflow(finding: &Finding<'_>) -> &'static str {
    if !finding.fails() {
        "RESOLVED"
    } else if finding.is_accepted() {
        "SUPPRESSED"
    } else {
        "NEW"
    }
}

/// A text of at most so many characters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most - 1).collect();
    cut.push('…');
    cut
}
