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
mod watching;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};
use guard::gather::Depth;
use guard::journal::FileJournal;
use guard::sweep::{SweepOptions, Told, sweep};
use sandbox::estate::{self, Person};
use sandbox::{Change, Sandbox};
use tokio::sync::broadcast::Receiver;

use self::closing::{Closed, Since};
use self::keeping::Keeping;
use self::screen::{Paint, Screen};
use crate::exit::{ExitStatus, Failure};
use crate::live::{Live, block_on, interrupted, random};
use crate::output::Color;

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

    /// When to use colours
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
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

impl Demo {
    /// Notes, and says, that something promised did not hold.
    fn breaks(&mut self, what: String) {
        let word = self.screen.paint(Paint::Open, "BROKEN");
        self.screen.say(&format!("        {word}  {what}"));
        self.broken.push(what);
    }
}

async fn demo(args: &DemoArgs) -> Result<ExitStatus, Failure> {
    let sandbox = estate::start(args.port)
        .await
        .map_err(|error| cannot_start(args.port, &error))?;
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
        screen: Screen::new(args.color, args.format == Format::Json, args.once),
        live: Live::with_key(&endpoint, guards_key()).await?,
        journal: FileJournal::at(journal),
        endpoint,
        closed: Vec::new(),
        broken: Vec::new(),
    };
    // One ear from here to the end, polled first: a Ctrl-C between two that listen would be lost.
    let mut stop = std::pin::pin!(interrupted());
    let stages = tokio::select! {
        biased;
        () = &mut stop => None,
        done = demo.stages(&mut changes) => Some(done?),
    };
    if stages.is_none() {
        return Err(Failure::incomplete("interrupted"));
    }
    let summary = demo.summary();
    match args.format {
        Format::Text => summary.print(&mut demo.screen),
        Format::Json => {
            // Where nobody reads the document, the exit code still tells.
            let _ = screen::write(&summary.json(&demo.endpoint).to_string());
        }
    }
    let status = if demo.broken.is_empty() {
        ExitStatus::Closed
    } else {
        ExitStatus::Open
    };
    if !args.once {
        demo.invite();
        demo.stay(&mut changes, stop).await?;
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
            // Whoever runs the stages listens for Ctrl-C.
            std::future::pending(),
            |told| {
                if let Told::Judged(one) = told {
                    judged.push(*one);
                }
                std::future::ready(())
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
                self.breaks(format!("{} is open and was not found", example.name));
            }
        }
        for example in estate::closed().iter().chain(&estate::later()) {
            if found.contains(&example.name) {
                self.breaks(format!("{} is closed and was called open", example.name));
            }
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
                Err(lost) => self.breaks(lost),
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
                self.breaks(format!(
                    "{} still answers an outsider with {}",
                    example.name,
                    outcome.summary()
                ));
            }
        }
        self.screen.pause(1500).await;
        Ok(())
    }
}

fn cannot_start(port: u16, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => {
            Failure::usage(format!("the sandbox cannot listen on port {port}: {error}"))
                .hint("leave --port out to take any port that is free")
        }
        _ => Failure::incomplete(format!("the sandbox cannot be set up: {error}")),
    }
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
