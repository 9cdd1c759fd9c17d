//! One bucket in full: which layer decides, witness or proof, what would close it.

use std::fmt::Write;

use policy::action::AccessClass;
use policy::bucket::{Bucket, Enforcement, PublicAccessBlock};
use policy::document::Diagnostic;
use policy::observed::Observed;
use policy::public::{Answer, Witness};

use super::describe::{self, Mechanism, visible};
use super::request::to_try;
use super::table::{Paint, Style};
use super::{remedy, statement};
use crate::assessment::Assessment;
use crate::fingerprint;

/// What the explanation may say beyond the assessment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setting<'a> {
    /// How the text is to look.
    pub style: Style,
    /// The endpoint of an S3-compatible store, for the requests to try.
    pub endpoint: Option<&'a str>,
    /// What the lint of the policy says.
    pub diagnostics: &'a [Diagnostic],
}

/// The whole story of one bucket.
pub fn render(assessment: &Assessment, setting: Setting<'_>) -> String {
    let mut page = Page {
        assessment,
        setting,
        out: String::new(),
    };
    page.head();
    page.layers();
    for class in [AccessClass::Read, AccessClass::Write] {
        page.class(class);
    }
    page.remedies();
    page.remarks();
    page.out
}

struct Page<'a> {
    assessment: &'a Assessment,
    setting: Setting<'a>,
    out: String,
}

impl Page<'_> {
    fn bucket(&self) -> &Bucket {
        &self.assessment.bucket
    }

    fn line(&mut self, text: impl AsRef<str>) {
        self.out.push_str(text.as_ref());
        self.out.push('\n');
    }

    fn title(&mut self, text: &str) {
        let text = self.setting.style.paint(Paint::Bold, text);
        self.line("");
        self.line(text);
    }

    fn head(&mut self) {
        let bucket = self.bucket();
        let mut text = self
            .setting
            .style
            .paint(Paint::Bold, &visible(&bucket.name));
        if let Some(account) = &bucket.owner_account {
            let _ = write!(text, "  account {}", visible(account));
        }
        if let Some(region) = &self.assessment.region {
            let _ = write!(text, "  {}", visible(region));
        }
        if let Some(source) = &self.assessment.source {
            let _ = write!(text, "  {}", visible(&source.file));
            if let Some(line) = source.line {
                let _ = write!(text, ":{line}");
            }
            if let Some(path) = &source.path {
                let _ = write!(text, "  {}", visible(path));
            }
        }
        self.line(text);
        let verdict = &self.assessment.verdict;
        for (what, access) in [("reading", &verdict.read), ("writing", &verdict.write)] {
            let (word, paint) = if access.is_open() {
                ("OPEN", Paint::Red)
            } else if access.is_undecided() {
                ("UNDECIDED (counts as open)", Paint::Yellow)
            } else {
                ("closed", Paint::Green)
            };
            let word = self.setting.style.paint(paint, word);
            self.line(format!("  {what}  {word}"));
        }
        if let Some(id) = &self.assessment.exception {
            let text = format!("  covered by exception {}", visible(id));
            self.line(self.setting.style.paint(Paint::Blue, &text));
        }
    }

    fn layers(&mut self) {
        self.title("Layers");
        let bucket = self.bucket();
        let levels = &bucket.public_access_block;
        let rows = [
            (
                "policy",
                observed(&bucket.policy, |policy| {
                    let count = policy.statements.len();
                    format!("{count} statement{}", if count == 1 { "" } else { "s" })
                }),
            ),
            (
                "ACL",
                observed(&bucket.acl, |acl| {
                    let public = acl
                        .grants
                        .iter()
                        .filter(|g| g.grantee.is_untrusted())
                        .count();
                    match acl.grants.len() {
                        0 => "no grant".to_owned(),
                        1 => format!("1 grant, {public} public"),
                        several => format!("{several} grants, {public} public"),
                    }
                }),
            ),
            (
                "Object Ownership",
                observed(&bucket.ownership, |o| o.as_str().to_owned()),
            ),
            ("block on the bucket", observed(&levels.bucket, block)),
            ("block on the account", observed(&levels.account, block)),
            (
                "block by organization",
                observed(&levels.organization, block),
            ),
            (
                "access points",
                observed(&bucket.access_points, |points| points.len().to_string()),
            ),
        ];
        let verdict = &self.assessment.verdict;
        let say = |answer: Option<bool>| match answer {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not known",
        };
        let aws = format!(
            "policy {}, ACL {}",
            say(verdict.aws_is_public),
            say(verdict.acl_is_public)
        );
        for (name, text) in rows {
            self.line(format!("  {name:<22}{}", visible(&text)));
        }
        self.line(format!("  {:<22}{aws}", "public in AWS's sense"));
        if self.assessment.bucket.enforcement == Enforcement::CephRgw {
            self.line("  The store is a Ceph RADOS gateway: it keeps RestrictPublicBuckets but does not enforce it.");
        }
    }

    fn class(&mut self, class: AccessClass) {
        let word = match class {
            AccessClass::Read => "Reading",
            AccessClass::Write => "Writing",
        };
        let assessment = self.assessment;
        let access = assessment.verdict.access(class);
        if access.is_open() || access.is_undecided() {
            for mechanism in Mechanism::ALL {
                match mechanism.answer(access) {
                    Answer::Open(witness) => {
                        self.title(&format!("{word} is open through {}", mechanism.phrase()));
                        self.witness(mechanism, witness);
                    }
                    Answer::Undecided(reasons) => {
                        self.title(&format!(
                            "{word} through {} is undecided",
                            mechanism.phrase()
                        ));
                        for reason in reasons {
                            self.line(format!("  {}", visible(reason)));
                        }
                    }
                    Answer::Closed(_) => {}
                }
            }
            return;
        }
        self.title(&format!("{word} is closed"));
        for mechanism in Mechanism::ALL {
            let Answer::Closed(reasons) = mechanism.answer(access) else {
                continue;
            };
            for reason in reasons {
                let bucket = &assessment.bucket;
                let subject = describe::subject(bucket, mechanism, reason.index);
                let why = describe::why(bucket, mechanism, reason);
                self.line(format!("  {}", visible(&format!("{subject} {why}"))));
            }
        }
    }

    fn witness(&mut self, mechanism: Mechanism, witness: &Witness) {
        let assessment = self.assessment;
        let bucket = &assessment.bucket;
        let request = &witness.request;
        self.line(format!(
            "  who      {}",
            visible(&describe::caller(&request.caller))
        ));
        if request.caller != policy::request::Caller::Anonymous {
            self.line(format!(
                "           such as {}",
                visible(request.caller.as_str())
            ));
        }
        self.line(format!(
            "  request  {} on {}",
            visible(&request.action),
            visible(&request.resource)
        ));
        for (key, values) in request.context.iter() {
            self.line(format!(
                "           {} = {}",
                visible(key),
                visible(&values.join(", "))
            ));
        }
        if let Some(from) = witness.from {
            self.line(format!("  from     {from} on"));
        }
        if witness.class == AccessClass::Read && !witness.reaches_data {
            self.line("  reach    metadata, not content");
        }
        let by = describe::admitted_by(bucket, mechanism, witness);
        self.line(format!("  by       {}", visible(&by)));
        if mechanism == Mechanism::Policy {
            for at in &witness.admitted_by {
                self.statement(*at, witness);
            }
        }
        let attempt = to_try(
            bucket,
            assessment.region.as_deref(),
            self.setting.endpoint,
            witness,
        );
        if let Some(attempt) = attempt {
            self.line(format!("  try      {}", attempt.command));
            for note in attempt.notes {
                self.line(format!("           {}", visible(&note)));
            }
        }
    }

    /// The statement's text; the lines that let the witness in stand behind `>`.
    fn statement(&mut self, at: usize, witness: &Witness) {
        let Some(policy) = self.assessment.bucket.policy.present() else {
            return;
        };
        let Some(written) = statement::written(policy, at, Some(witness)) else {
            return;
        };
        if let Some((line, path)) = self.place(at) {
            self.line(format!("           {path}, line {line}"));
        }
        let mut start = 0;
        for line in written.text.lines() {
            let end = start + line.len();
            let guilty = written
                .guilty
                .iter()
                .any(|r| r.start < end && start < r.end);
            let shown = visible(line);
            if guilty {
                let text = format!("         > {shown}");
                self.line(self.setting.style.paint(Paint::Red, &text));
            } else {
                self.line(format!("         | {shown}"));
            }
            start = end + 1;
        }
    }

    /// The line in the file and the JSON path of a statement.
    fn place(&self, at: usize) -> Option<(usize, String)> {
        self.assessment.statement_line(at)
    }

    fn remedies(&mut self) {
        let remedies = remedy::remedies(self.assessment);
        if remedies.is_empty() {
            return;
        }
        self.title("What would close it");
        for remedy in remedies {
            let extent = if remedy.closes_all {
                ""
            } else {
                " (closes a part)"
            };
            self.line(format!("  - {}{extent}", visible(&remedy.text)));
            if let Some(caution) = remedy.caution {
                self.line(format!("    {caution}"));
            }
        }
    }

    fn remarks(&mut self) {
        let assessment = self.assessment;
        let verdict = &assessment.verdict;
        if !verdict.advisories.is_empty() {
            self.title("Advice");
            for advisory in &verdict.advisories {
                let place = advisory.path.as_deref().unwrap_or_default();
                self.line(format!(
                    "  {}: {}{}{}",
                    advisory.code,
                    visible(&advisory.message),
                    if place.is_empty() { "" } else { " at " },
                    visible(place)
                ));
            }
        }
        if !self.setting.diagnostics.is_empty() {
            self.title("The policy's text");
            for diagnostic in self.setting.diagnostics {
                self.line(format!(
                    "  {}: {} (at {})",
                    diagnostic.code,
                    visible(&diagnostic.message),
                    visible(&diagnostic.path)
                ));
                if let Some(help) = &diagnostic.help {
                    self.line(format!("    {}", visible(help)));
                }
            }
        }
        if !verdict.not_considered.is_empty() {
            self.title("Not considered");
            let layers = verdict.not_considered.iter();
            let layers: Vec<&str> = layers.map(|layer| describe::layer(*layer).1).collect();
            self.line(format!("  {}", layers.join(", ")));
        }
        if let Some(fingerprint) = fingerprint::of(&assessment.bucket, verdict) {
            self.title("Fingerprint of what is open");
            self.line(format!("  {fingerprint}"));
        }
    }
}

fn observed<T>(observed: &Observed<T>, show: impl FnOnce(&T) -> String) -> String {
    match observed {
        Observed::Present(value) => show(value),
        Observed::Absent => "none".to_owned(),
        Observed::Unknown(unread) => unread.to_string(),
    }
}

fn block(block: &PublicAccessBlock) -> String {
    let on: Vec<&str> = [
        ("BlockPublicAcls", block.block_public_acls),
        ("IgnorePublicAcls", block.ignore_public_acls),
        ("BlockPublicPolicy", block.block_public_policy),
        ("RestrictPublicBuckets", block.restrict_public_buckets),
    ]
    .into_iter()
    .filter(|(_, on)| *on)
    .map(|(name, _)| name)
    .collect();
    match on.len() {
        0 => "all four off".to_owned(),
        4 => "all four on".to_owned(),
        _ => on.join(", "),
    }
}
