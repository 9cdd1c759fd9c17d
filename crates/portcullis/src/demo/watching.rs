//! Changes arrive as events; what they opened is closed.

use std::pin::Pin;
use std::time::Duration;

use guard::gather::{Depth, Lost};
use guard::ports::BucketAddress;
use guard::sweep::judge_one;
use sandbox::Change;
use sandbox::estate::{self, Example, Person};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Demo;
use super::closing::{self, Since};
use super::screen::Paint;
use crate::exit::Failure;
use crate::live::failure;

/// How long the demo waits for one event. It comes within milliseconds, or something is broken.
const EVENT_PATIENCE: Duration = Duration::from_secs(20);

impl Demo {
    /// Somebody opens some more; each change arrives as an event.
    pub(super) async fn watch(&mut self, changes: &mut Receiver<Change>) -> Result<(), Failure> {
        self.screen.heading("Watch");
        self.screen.say(
            "Now a developer, dana, opens some more. Each change arrives as an event, and the bucket is",
        );
        self.screen.say("read again before anything is decided.");
        self.screen.say("");
        self.screen.pause(1500).await;
        // What has happened so far was dealt with by the scan.
        while changes.try_recv().is_ok() {}
        for example in estate::later() {
            self.screen.say(&format!(
                "dana:   {}",
                self.screen.paint(Paint::Bold, &example.command())
            ));
            let before = self.closed.len();
            example.configure(&self.endpoint).await.map_err(|error| {
                Failure::incomplete(format!("dana cannot open {}: {error}", example.name))
            })?;
            self.hear(&example, before, changes).await?;
            self.screen.say("");
            self.screen.pause(1800).await;
        }
        Ok(())
    }

    /// Reacts to events until the bucket was closed, or patience ends.
    async fn hear(
        &mut self,
        example: &Example,
        before: usize,
        changes: &mut Receiver<Change>,
    ) -> Result<(), Failure> {
        let deadline = tokio::time::Instant::now() + EVENT_PATIENCE;
        while self.closed.len() == before {
            match tokio::time::timeout_at(deadline, changes.recv()).await {
                Ok(Ok(change)) => self.react(&change).await?,
                Ok(Err(RecvError::Lagged(_))) => {}
                Ok(Err(RecvError::Closed)) | Err(_) => {
                    self.breaks(format!("no event led to the closing of {}", example.name));
                    break;
                }
            }
        }
        Ok(())
    }

    /// Reads the bucket of an event again, and closes it if it is open. The event itself is believed
    /// in nothing else, so that our own changes need no special treatment: they find a closed bucket.
    async fn react(&mut self, change: &Change) -> Result<(), Failure> {
        let Some(name) = &change.bucket else {
            return Ok(());
        };
        let address = BucketAddress {
            name: name.clone(),
            region: None,
            owner: None,
            created: None,
        };
        match judge_one(&self.live.gatherer, address, Depth::Verdict).await {
            Ok(one) if closing::is_open(&one) => {
                self.close(&one, Since::Event(change.clone()), "event")
                    .await
            }
            // It is closed, or gone again.
            Ok(_) | Err(Lost::Gone) => Ok(()),
            Err(Lost::Hopeless(hopeless)) => Err(failure(hopeless)),
        }
    }

    /// How to go on by hand.
    pub(super) fn invite(&mut self) {
        let Some(key) = Person::Developer.key() else {
            return;
        };
        let endpoint = self.endpoint.clone();
        let us = our_command();
        let journal = self.journal.path().display().to_string();
        self.screen.heading("Try it");
        self.screen.say(
            "The sandbox stays up, and what is opened is closed, until Ctrl-C. In another terminal:",
        );
        self.screen.say("");
        for line in [
            format!("export AWS_ENDPOINT_URL={endpoint} AWS_DEFAULT_REGION=us-east-1"),
            format!(
                "export AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}",
                key.id, key.secret
            ),
        ] {
            self.screen.say(&format!("  {line}"));
        }
        self.screen.say("");
        for (command, what) in [
            (
                "aws s3api put-bucket-acl --bucket invoices --acl public-read".to_owned(),
                "watch it being closed here",
            ),
            (
                "aws s3api get-bucket-acl --bucket access-logs".to_owned(),
                "the grants to others are still there",
            ),
            (format!("curl -i {endpoint}/invoices"), "403 AccessDenied"),
            (format!("{us} scan"), "everything is closed"),
            (
                format!("{us} explain hr-records"),
                "it looks open, and why it is not",
            ),
            (
                format!("{us} undo --journal {journal} ID"),
                "with an ID from above: open again, and closed again",
            ),
        ] {
            let what = self.screen.paint(Paint::Dim, &format!("# {what}"));
            self.screen.say(&format!("  {command:<60} {what}"));
        }
        self.screen.say("");
        self.screen.say(&format!(
            "The keys are good for this sandbox only. A partner signs with {}, a stranger with {}.",
            written(Person::Partner),
            written(Person::Stranger)
        ));
        self.screen.say("");
    }

    /// Reacts to events until `stop`.
    pub(super) async fn stay(
        &mut self,
        changes: &mut Receiver<Change>,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), Failure> {
        while !self.screen.is_gone() {
            let change = tokio::select! {
                biased;
                () = &mut stop => break,
                change = changes.recv() => change,
            };
            match change {
                Ok(change) => {
                    let before = self.closed.len();
                    self.react(&change).await?;
                    if self.closed.len() > before {
                        self.screen.say("");
                    }
                }
                Err(RecvError::Lagged(missed)) => {
                    self.screen.say(&format!(
                        "{missed} events were missed; `portcullis scan` sees what they told"
                    ));
                }
                Err(RecvError::Closed) => break,
            }
        }
        self.screen.say(&format!(
            "\nStopped. {} buckets were closed.",
            self.closed.len()
        ));
        Ok(())
    }
}

/// How this program is called from where it was started.
fn our_command() -> String {
    let here = std::env::current_dir();
    match (std::env::current_exe(), here) {
        (Ok(us), Ok(here)) => us.strip_prefix(here).unwrap_or(&us).display().to_string(),
        _ => "portcullis".to_owned(),
    }
}

fn written(person: Person) -> String {
    person
        .key()
        .map_or_else(String::new, |key| format!("{}:{}", key.id, key.secret))
}
