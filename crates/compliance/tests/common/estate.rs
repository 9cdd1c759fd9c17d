//! Judged buckets of every kind, for tests of reports.

use compliance::assessment::Assessment;
use compliance::exceptions::Exceptions;
use compliance::input::{self, InputBucket, Problem};
use compliance::report::Report;

use super::options;

/// What the reports of the tests show: every standing, hostile texts, and problems.
pub(crate) struct Estate {
    pub(crate) assessments: Vec<Assessment>,
    pub(crate) problems: Vec<Problem>,
}

/// Names and texts that try to break out of each format.
pub(crate) const HOSTILE: &str =
    "=cmd|' /C calc'!A0 <script>alert(1)</script> \"&amp; ]]> \u{1b}[31m";

const CORPUS: &str = include_str!("../../../policy/tests/data/bucket-cases.json");

impl Estate {
    /// The labelled corpus.
    pub(crate) fn corpus() -> Estate {
        Estate::of(CORPUS, "corpus.json")
    }

    /// Few buckets, one of each standing, with hostile texts.
    pub(crate) fn small() -> Estate {
        let hostile = serde_json::Value::from(HOSTILE);
        let text = format!(
            r#"[
  {{"bucket": "site", "owner_account": "111122223333", "region": "eu-west-1", "bpa": {{"bucket": null, "account": null}}, "acl": [], "ownership": "BucketOwnerEnforced",
   "policy": {{
     "Version": "2012-10-17",
     "Statement": [
       {{
         "Sid": "PublicRead",
         "Effect": "Allow",
         "Principal": "*",
         "Action": ["s3:GetObject", "s3:PutObject"],
         "Resource": "arn:aws:s3:::site/*"
       }}
     ]
   }}}},
  {{"bucket": "drop", "owner_account": "111122223333", "acl": [{{"grantee": "AuthenticatedUsers", "permission": "WRITE"}}], "policy": null, "ownership": "ObjectWriter"}},
  {{"bucket": {hostile}, "id": {hostile}, "acl": [{{"grantee": "AllUsers", "permission": "READ"}}],
   "policy": {{"Version": "2012-10-17", "Statement": [{{"Sid": {hostile}, "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*", "Condition": {{"StringEquals": {{"aws:Referer": {hostile}}}}}}}]}}}},
  {{"bucket": "later", "owner_account": "111122223333", "policy": "unknown", "acl": [], "bpa": {{"bucket": {{"IgnorePublicAcls": true}}}}}},
  {{"bucket": "intended", "acl": [{{"grantee": "AllUsers", "permission": "READ"}}], "policy": null}},
  {{"bucket": "closed", "owner_account": "444455556666", "acl": [], "policy": {{"Statement": [{{"Effect": "Allow", "Principal": {{"AWS": "777788889999"}}, "Action": "s3:*", "Resource": "arn:aws:s3:::closed/*"}}]}}}},
  {{"bucket": "damaged", "policy": {{"Statement": 7}}, "acl": []}}
]"#
        );
        let mut estate = Estate::of(&text, "estate.json");
        let intended = &estate.assessments[4];
        let fingerprint = compliance::fingerprint::of(&intended.bucket, &intended.verdict);
        let exceptions = Exceptions::parse(&format!(
            "[[exception]]\nid = \"downloads\"\nbucket = \"intended\"\nowner = \"web\"\nreason = \"public\"\n\
             expires = 2027-01-01\nfingerprint = \"{}\"\n",
            fingerprint.expect("it is open")
        ))
        .expect("an exceptions file");
        for assessment in &mut estate.assessments {
            exceptions.apply(assessment, options().now);
        }
        estate
    }

    pub(crate) fn of(text: &str, file: &str) -> Estate {
        let reading = input::read(text.as_bytes(), file, &options()).expect("a document");
        Estate {
            assessments: reading
                .buckets
                .into_iter()
                .map(InputBucket::assess)
                .collect(),
            problems: reading.problems,
        }
    }

    pub(crate) fn report(&self) -> Report<'_> {
        Report {
            assessments: &self.assessments,
            problems: &self.problems,
            baseline: None,
            command: "check",
            version: "0.1.0",
            at: options().now,
            full: false,
        }
    }
}
