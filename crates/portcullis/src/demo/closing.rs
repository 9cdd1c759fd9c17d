//! One open bucket: explained, proved, closed, verified.

use std::time::{Duration, Instant};

use compliance::remediation::diff;
use compliance::remediation::{AclRemedy, PolicyRemedy, RemediationOptions, Step, plan};
use guard::gather::Depth;
use guard::operation::Operation;
use guard::ports::ReadBuckets;
use guard::remediate::{AskedFor, Notes, apply};
use guard::sweep::{Judged, judge_one};
use jiff::Timestamp;
use policy::bucket::{Bucket, Grantee};
use policy::public::{Via, Witness};
use policy::request::Caller;
use sandbox::Change;
use sandbox::estate::{self, Person};

use super::Demo;
use super::proof::{LEFT_BEHIND, Outcome, Proof};
use super::screen::Paint;
use super::summary::milliseconds;
use crate::exit::Failure;
use crate::live::{failure, random};

/// From when the time to close counts.
#[derive(Clone, Debug)]
pub(super) enum Since {
    /// The scan found it, and it was taken in hand at that moment.
    Found(Instant),
    /// Somebody made this change.
    Event(Change),
}

/// A bucket that was closed.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    pub(super) bucket: String,
    /// `scan`, or the operation of the event.
    pub(super) found_by: &'static str,
    /// `acl` or `policy`.
    pub(super) through: &'static str,
    /// Who could do what, and what let him.
    pub(super) explanation: String,
    /// The command line of the proof.
    pub(super) command: String,
    pub(super) caller: &'static str,
    pub(super) before: Outcome,
    pub(super) after: Outcome,
    /// The API operations that closed it.
    pub(super) by: Vec<&'static str>,
    pub(super) took: Duration,
    pub(super) id: String,
}

/// Whether a witness exists for either class.
pub(super) fn is_open(one: &Judged) -> bool {
    one.assessment.verdict.read.is_open() || one.assessment.verdict.write.is_open()
}

impl Demo {
    /// Closes one open bucket and shows each step.
    pub(super) async fn close(
        &mut self,
        found: &Judged,
        since: Since,
        place: &str,
    ) -> Result<(), Failure> {
        let name = found.address.name.clone();
        let verdict = &found.assessment.verdict;
        let witness = verdict.read.witness().or(verdict.write.witness());
        let Some(witness) = witness else {
            return Ok(());
        };
        let classes = match (verdict.read.is_open(), verdict.write.is_open()) {
            (true, true) => "OPEN to read and write",
            (true, false) => "OPEN to read",
            _ => "OPEN to write",
        };
        let explanation = explain(&found.assessment.bucket, witness);
        let heading = format!("{:<8}{}", place, self.screen.paint(Paint::Bold, &name));
        self.screen.say(&format!(
            "{heading}  {}",
            self.screen.paint(Paint::Open, classes)
        ));
        if let (Since::Found(_), Some(story)) = (&since, story(&name)) {
            let story = self.screen.paint(Paint::Dim, story);
            self.screen.say(&format!("        {story}"));
        }
        self.screen.say(&format!("        {explanation}"));

        let key = self.some_key(found).await?;
        let policy = found.assessment.bucket.policy.present();
        let proofs: Vec<Proof> = [verdict.read.witness(), verdict.write.witness()]
            .into_iter()
            .flatten()
            .filter_map(|witness| Proof::of(witness, policy, &name, &key))
            .collect();
        let Some(proof) = proofs.first() else {
            self.breaks(format!("{name}: no request can prove the witness"));
            return Ok(());
        };
        let mut before = Vec::new();
        for proof in &proofs {
            let outcome = proof.send(&self.endpoint).await?;
            self.tell(proof, &outcome);
            before.push(outcome);
        }

        // A remediation starts from everything, not only from what the verdict needed.
        let full = judge_one(&self.live.gatherer, found.address.clone(), Depth::Full)
            .await
            .map_err(|lost| match lost {
                guard::gather::Lost::Gone => Failure::incomplete(format!("{name} is gone")),
                guard::gather::Lost::Hopeless(hopeless) => failure(hopeless),
            })?;
        let options = RemediationOptions {
            acl: AclRemedy::Strip,
            policy: PolicyRemedy::RemoveStatement,
            ..RemediationOptions::default()
        };
        let plan = plan(&full.assessment.bucket, &full.assessment.verdict, &options);
        let by: Vec<&'static str> = plan.steps.iter().map(operation).collect();
        let id = format!("d{:06x}", random() & 0xff_ffff);
        let applied = apply(
            &self.live.gatherer,
            &plan,
            &full.address,
            self.live.place(&full.address),
            &AskedFor,
            Notes {
                journal: &mut self.journal,
                id: &id,
                now: &Timestamp::now,
            },
        )
        .await;
        let (took, found_by) = match &since {
            Since::Found(at) => (at.elapsed(), "scan"),
            Since::Event(change) => (
                Duration::try_from(Timestamp::now().duration_since(change.time))
                    .unwrap_or_default(),
                change.operation,
            ),
        };
        self.screen.diff(&diff::lines(&plan));
        match applied {
            Err(error) => self.breaks(error.to_string()),
            Ok(after) if after.verdict.read.is_open() || after.verdict.write.is_open() => {
                self.breaks(format!("{name} is still open by its verdict"));
            }
            Ok(_) => {
                let word = self.screen.paint(Paint::Closed, "CLOSED");
                let since = match &since {
                    Since::Found(_) => "in",
                    Since::Event(_) => "after the change, in",
                };
                self.screen.say(&format!(
                    "        {word} {since} {} by {}; read back and judged closed; undo {id}",
                    milliseconds(took),
                    by.join(" and "),
                ));
            }
        }
        let mut after = Vec::new();
        for proof in &proofs {
            let outcome = proof.send(&self.endpoint).await?;
            self.tell(proof, &outcome);
            after.push(outcome);
        }
        if proofs.iter().any(Proof::writes) {
            self.clean_up(&name).await?;
        }
        for outcome in before.iter().filter(|outcome| outcome.status != 200) {
            self.breaks(format!(
                "{name} was called open, and the witness got {}",
                outcome.summary()
            ));
        }
        for outcome in after.iter().filter(|outcome| !outcome.is_refusal()) {
            self.breaks(format!(
                "{name} was closed, and the same request got {}",
                outcome.summary()
            ));
        }
        self.closed.push(Closed {
            bucket: name,
            found_by,
            through: match witness.via {
                Via::Acl => "acl",
                Via::Policy | Via::AccessPoint(_) => "policy",
            },
            explanation,
            command: proof.command(&self.endpoint),
            caller: proof.caller(),
            before: before.swap_remove(0),
            after: after.swap_remove(0),
            by,
            took,
            id,
        });
        Ok(())
    }

    /// The name of some object of the bucket, as the owner sees it.
    async fn some_key(&self, found: &Judged) -> Result<String, Failure> {
        let keys = self
            .live
            .gatherer
            .pace()
            .call(Operation::ListObjects, || {
                self.live.store().sample_keys(&found.address, 1)
            })
            .await
            .map_err(|error| Failure::incomplete(format!("{}: {error}", found.address.name)))?;
        Ok(keys.into_iter().next().unwrap_or_default())
    }

    /// Removes what a proof of writing left behind.
    async fn clean_up(&self, bucket: &str) -> Result<(), Failure> {
        let target = format!("/{bucket}/{LEFT_BEHIND}");
        Person::Developer
            .client(&self.endpoint)
            .send("DELETE", &target, &[], "")
            .await
            .map(|_| ())
            .map_err(|error| Failure::incomplete(format!("the sandbox does not answer: {error}")))
    }

    /// A request and what it got, each on a line.
    fn tell(&mut self, proof: &Proof, outcome: &Outcome) {
        let command = proof.command(&self.endpoint);
        self.screen.say(&format!(
            "        {}",
            self.screen.paint(Paint::Dim, &format!("$ {command}"))
        ));
        let (paint, shown) = if outcome.status == 200 {
            (Paint::Open, format!("  {}", outcome.shown()))
        } else {
            (Paint::Closed, String::new())
        };
        let status = self.screen.paint(paint, &outcome.summary());
        self.screen.say(&format!("          {status}{shown}"));
    }
}

fn operation(step: &Step) -> &'static str {
    match step {
        Step::PutAcl(_) => "PutBucketAcl",
        Step::PutBlock(_) => "PutPublicAccessBlock",
        Step::PutPolicy(_) => "PutBucketPolicy",
        Step::DeletePolicy => "DeleteBucketPolicy",
    }
}

/// How it came about that a bucket of the estate is open.
fn story(bucket: &str) -> Option<&'static str> {
    let example = estate::open()
        .into_iter()
        .find(|example| example.name == bucket)?;
    Some(example.story)
}

/// Who may do what, and what lets him, in one line.
fn explain(bucket: &Bucket, witness: &Witness) -> String {
    let who = match &witness.request.caller {
        Caller::Anonymous => "Anybody, unsigned,",
        Caller::Principal(_) => "Any AWS account",
        Caller::Service(_) | Caller::Federated(_) => "Any account through a service",
    };
    let first = witness.admitted_by.first().copied();
    let what = match &witness.via {
        Via::Acl => {
            let grant = first.and_then(|index| bucket.acl.present()?.grants.get(index));
            grant.map_or_else(
                || "the ACL".to_owned(),
                |grant| {
                    let to = match &grant.grantee {
                        Grantee::Group(uri) => uri.rsplit('/').next().unwrap_or_default(),
                        Grantee::CanonicalUser(id) | Grantee::Email(id) => id,
                    };
                    format!("the ACL's grant of {} to {to}", grant.permission.as_str())
                },
            )
        }
        Via::Policy | Via::AccessPoint(_) => {
            let sid = first.and_then(|index| {
                let statement = bucket.policy.present()?.statements.get(index)?;
                Some(
                    statement
                        .sid
                        .clone()
                        .unwrap_or_else(|| (index + 1).to_string()),
                )
            });
            sid.map_or_else(
                || "the policy".to_owned(),
                |sid| format!("the policy's statement {sid}"),
            )
        }
    };
    let mut text = format!("{who} may {} by {what}", witness.request.action);
    let choices: Vec<String> = witness
        .request
        .context
        .iter()
        .filter(|(name, _)| matches!(*name, "aws:referer" | "aws:useragent" | "s3:prefix"))
        .filter_map(|(name, values)| Some(format!("{name} = {}", values.first()?)))
        .collect();
    if !choices.is_empty() {
        text.push_str(&format!(", sending {}", choices.join(", ")));
    }
    diff::visible(&text)
}
