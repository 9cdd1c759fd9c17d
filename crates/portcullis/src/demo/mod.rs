//! `portcullis demo`: open buckets found and closed on an embedded S3 endpoint.
//!
//! The endpoint is the `sandbox` crate's and really enforces; it is seeded with [`sandbox::estate`]. From
//! there on the demo knows no more than a customer's Portcullis: it scans, plans, applies and verifies
//! with the code of `scan` and `fix`. Beside that it sends the witness as a real request before and
//! after, and looks at everything that must not change through the owner's and the partner's eyes.

mod closing;
mod keeping;
mod proof;
mod screen;
mod summary;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use guard::gather::Depth;
use guard::journal::FileJournal;
use guard::ports::BucketAddress;
use guard::sweep::{SweepOptions, Told, judge_one, sweep};
use sandbox::estate::{self, Example, Person};
use sandbox::{Change, Sandbox};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use self::closing::{Closed, Since};
use self::keeping::Keeping;
use self::screen::{Paint, Screen};
use crate::exit::{ExitStatus, Failure};
use crate::live::{Live, block_on, interrupted, random};

/// How long the demo waits for one event. It comes within milliseconds, or something is broken.
const EVENT_PATIENCE: Duration = Duration::from_secs(20);

/// Arguments of `portcullis demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// End when everything has been shown: with 0 if all that was promised held, else with 1.
    #[arg(long)]
    once: bool,

    /// The port of the sandbox on 127.0.0.1; any free one by default.
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,

    /// As text to read along, or as one JSON document at the end.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs the command.
pub(crate) fn run(args: &DemoArgs) -> Result<ExitStatus, Failure> {
    block_on(demo(args))
}

/// The demo under way.
struct Demo {
    screen: Screen,
    endpoint: String,
    live: Live,
    journal: FileJournal,
    closed: Vec<Closed>,
    /// What was promised and did not hold.
    broken: Vec<String>,
}

async fn demo(args: &DemoArgs) -> Result<ExitStatus, Failure> {
    let sandbox = estate::start(args.port).await.map_err(|error| {
        Failure::usage(format!(
            "the sandbox cannot listen on port {}: {error}",
            args.port
        ))
        .hint("another program may use the port; leave --port out to take any that is free")
    })?;
    let folder = journal_folder();
    let done = show(args, &sandbox, folder.join("journal.jsonl")).await;
    // The way back leads into a sandbox that is gone with this process.
    let _ = std::fs::remove_dir_all(&folder);
    sandbox.stop().await;
    done
}

async fn show(args: &DemoArgs, sandbox: &Sandbox, journal: PathBuf) -> Result<ExitStatus, Failure> {
    let endpoint = sandbox.endpoint();
    let mut changes = sandbox.changes();
    let mut demo = Demo {
        screen: Screen::new(args.format == Format::Json, args.once),
        live: Live::with_key(&endpoint, guards_key()).await?,
        journal: FileJournal::at(journal),
        endpoint,
        closed: Vec::new(),
        broken: Vec::new(),
    };
    let stages = tokio::select! {
        done = demo.stages(&mut changes) => Some(done?),
        () = interrupted() => None,
    };
    if stages.is_none() {
        return Err(Failure::incomplete("interrupted"));
    }
    let summary = demo.summary();
    match args.format {
        Format::Text => summary.print(&mut demo.screen),
        Format::Json => println!("{}", summary.json(&demo.endpoint)),
    }
    let status = if demo.broken.is_empty() {
        ExitStatus::Closed
    } else {
        ExitStatus::Open
    };
    if !args.once {
        demo.invite();
        demo.stay(&mut changes).await?;
    }
    Ok(status)
}

impl Demo {
    /// All that is shown, from the first word to the last check.
    async fn stages(&mut self, changes: &mut Receiver<Change>) -> Result<(), Failure> {
        self.introduce().await;
        let keeping = Keeping::look(&self.endpoint).await?;
        self.find_and_close().await?;
        self.watch(changes).await?;
        self.check(&keeping).await
    }

    async fn introduce(&mut self) {
        let buckets = estate::open().len() + estate::closed().len() + estate::later().len();
        let title = self.screen.paint(Paint::Bold, "portcullis demo");
        self.screen.say(&title);
        self.screen.say("");
        self.screen.say(&format!(
            "A sandbox now listens on {}: an S3 endpoint that enforces policies, ACLs and",
            self.endpoint
        ));
        self.screen.say(&format!(
            "Block Public Access as S3 does. It holds {buckets} buckets of an example company. Nothing leaves",
        ));
        self.screen.say("this machine.");
        self.screen.say("");
        self.screen.say(
            "Enforcement is switched on for the sandbox: public grants are stripped from ACLs, public",
        );
        self.screen.say(
            "statements are removed from policies. On a real account Portcullis changes nothing until it",
        );
        self.screen.say(
            "is told to (`portcullis fix --apply`, and `--policy remove-statement` for policies).",
        );
        self.screen.pause(2500).await;
    }

    /// Scans, then closes what is open.
    async fn find_and_close(&mut self) -> Result<(), Failure> {
        self.screen.heading("Find");
        let begun = Instant::now();
        let options = SweepOptions {
            depth: Depth::Verdict,
            ask_store: false,
            concurrency: usize::from(self.live.args.concurrency),
            prefix: None,
        };
        let mut judged = Vec::new();
        let swept = sweep(
            Arc::clone(&self.live.gatherer),
            &options,
            |_| true,
            interrupted(),
            |told| {
                if let Told::Judged(one) = told {
                    judged.push(*one);
                }
            },
        )
        .await;
        if let Some(end) = &swept.ended_by {
            return Err(crate::live::ended(end));
        }
        let took = begun.elapsed();
        let calls: u32 = judged.iter().map(|one| one.calls).sum();
        let undecided = judged
            .iter()
            .filter(|one| {
                let verdict = &one.assessment.verdict;
                verdict.read.is_undecided() || verdict.write.is_undecided()
            })
            .count();
        let all = judged.len();
        judged.retain(closing::is_open);
        judged.sort_by(|a, b| a.address.name.cmp(&b.address.name));
        self.screen.say(&format!(
            "{all} buckets judged in {} with {calls} calls: {}, {}, {undecided} undecided.",
            summary::milliseconds(took),
            self.screen
                .paint(Paint::Open, &format!("{} open", judged.len())),
            self.screen.paint(
                Paint::Closed,
                &format!("{} closed", all - judged.len() - undecided)
            ),
        ));
        self.expect_found(
            &judged
                .iter()
                .map(|one| one.address.name.as_str())
                .collect::<Vec<_>>(),
        );
        self.screen.pause(1500).await;

        self.screen.heading("Explain, prove, close, verify");
        let count = judged.len();
        for (index, one) in judged.into_iter().enumerate() {
            let place = format!("{} of {count}", index + 1);
            self.close(&one, Since::Found(Instant::now()), &place)
                .await?;
            self.screen.say("");
            self.screen.pause(1800).await;
        }
        Ok(())
    }

    /// The scan must find exactly what is open.
    fn expect_found(&mut self, found: &[&str]) {
        for example in estate::open() {
            if !found.contains(&example.name) {
                self.broken
                    .push(format!("{} is open and was not found", example.name));
            }
        }
        for example in estate::closed().iter().chain(&estate::later()) {
            if found.contains(&example.name) {
                self.broken
                    .push(format!("{} is closed and was called open", example.name));
            }
        }
    }

    /// Somebody opens some more; each change arrives as an event.
    async fn watch(&mut self, changes: &mut Receiver<Change>) -> Result<(), Failure> {
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
                    self.broken
                        .push(format!("no event led to the closing of {}", example.name));
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
        };
        match judge_one(&self.live.gatherer, address, Depth::Verdict).await {
            Ok(one) if closing::is_open(&one) => {
                self.close(&one, Since::Event(change.clone()), "event")
                    .await
            }
            // It is closed, or gone again.
            Ok(_) | Err(guard::gather::Lost::Gone) => Ok(()),
            Err(guard::gather::Lost::Hopeless(hopeless)) => Err(crate::live::failure(hopeless)),
        }
    }

    /// Compares with what was before, and asks the open buckets' visitors once more.
    async fn check(&mut self, keeping: &Keeping) -> Result<(), Failure> {
        self.screen.heading("What must not change");
        let now = Keeping::look(&self.endpoint).await?;
        let lines = keeping.compare(&now);
        for line in lines {
            match line {
                Ok(kept) => self.screen.say(&format!(
                    "{}  {kept}",
                    self.screen.paint(Paint::Closed, "ok")
                )),
                Err(lost) => {
                    self.screen.say(&format!(
                        "{}  {lost}",
                        self.screen.paint(Paint::Open, "BROKEN")
                    ));
                    self.broken.push(lost);
                }
            }
        }
        // The estate's own idea of an outsider, which no verdict had a part in.
        for example in estate::open().iter().chain(&estate::later()) {
            let answer = example
                .outsider
                .send(&self.endpoint)
                .await
                .map_err(|error| {
                    Failure::incomplete(format!("the sandbox does not answer: {error}"))
                })?;
            let outcome = proof::Outcome::of(&answer);
            if !outcome.is_refusal() {
                self.broken.push(format!(
                    "{} still answers an outsider with {}",
                    example.name,
                    outcome.summary()
                ));
            }
        }
        self.screen.pause(1500).await;
        Ok(())
    }

    /// How to go on by hand.
    fn invite(&mut self) {
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

    /// Reacts to events until Ctrl-C.
    async fn stay(&mut self, changes: &mut Receiver<Change>) -> Result<(), Failure> {
        let mut stop = std::pin::pin!(interrupted());
        while !self.screen.is_gone() {
            let change = tokio::select! {
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

fn guards_key() -> aws::Credentials {
    let (id, secret) = Person::Guard
        .key()
        .map_or(("", ""), |key| (key.id, key.secret));
    aws::Credentials::new(id, secret, None, None, "the sandbox")
}

/// A folder of our own for the journal.
fn journal_folder() -> PathBuf {
    std::env::temp_dir().join(format!(
        "portcullis-demo-{}-{:x}",
        std::process::id(),
        random()
    ))
}
