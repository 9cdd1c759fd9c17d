//! The engine against the SMT encoding, on thousands of generated policies.
//!
//! The documents are the same on every run. `PORTCULLIS_SMT_DOCUMENTS` sets how many there are,
//! `PORTCULLIS_SMT_SEED` starts elsewhere. What the engine leaves undecided and what the solver
//! cannot tell is counted and must stay rare.

#![expect(clippy::expect_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

use oracle::generate::{Document, Richness, document};
use oracle::smt::{Answer, Question, answers};
use policy::bucket::Bucket;
use policy::public::{Access, Verdict, judge};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Each solver call; most take a few milliseconds.
const MILLISECONDS: u32 = 200;

/// Documents over which the solver does not brood for long. `PORTCULLIS_SMT_VARIABLES=0` leaves out
/// policy variables.
fn richness() -> Richness {
    Richness {
        statements: 3,
        tests: 2,
        variables: setting("PORTCULLIS_SMT_VARIABLES", 1) != 0,
    }
}

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("a whole number"),
        Err(_) => default,
    }
}

fn runner(seed: u64, document: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&document.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(Config::default(), rng)
}

/// What the engine says to a question; `None` if it is undecided.
fn engine(verdict: &Verdict, question: Question) -> Option<bool> {
    let of = |access: &Access| (!access.is_undecided()).then(|| access.is_open());
    match question {
        Question::Public(class) => of(verdict.access(class)),
        Question::Anonymous(class) => match class.as_str() {
            "read" => verdict.literal.anonymous_read,
            _ => verdict.literal.anonymous_write,
        },
        Question::Stranger(class) => match class.as_str() {
            "read" => verdict.literal.stranger_read,
            _ => verdict.literal.stranger_write,
        },
        Question::AwsIsPublic => verdict.aws_is_public,
    }
}

/// The verdict; `None` if the engine is lost in its search, so that the document is reported and not
/// only a test that never ends.
fn judge_or_give_up(bucket: &Bucket) -> Option<Verdict> {
    let (sender, receiver) = mpsc::channel();
    let bucket = bucket.clone();
    std::thread::spawn(move || {
        // Nobody listens any more once it was given up.
        let _ = sender.send(judge(&bucket));
    });
    receiver.recv_timeout(Duration::from_secs(20)).ok()
}

/// The definition does not say whether AWS would count these: what the bucket's account is when
/// every key is free, and everything but S3's actions.
fn not_defined(document: &Document, question: Question) -> bool {
    let text = document.to_json().to_string().to_lowercase();
    question == Question::AwsIsPublic
        && (text.contains("aws:resourceaccount") || text.contains("notaction"))
}

#[derive(Debug, Default)]
struct Tally {
    agreed: u64,
    open: u64,
    undecided: u64,
    unknown: u64,
}

/// What a share of the documents showed.
#[derive(Default)]
struct Findings {
    tallies: BTreeMap<Question, Tally>,
    wrong: Vec<String>,
}

impl Findings {
    fn examine(&mut self, document: &Document) {
        let json = document.to_json();
        let bucket = document.bucket().expect("generated documents parse");
        let Some(verdict) = judge_or_give_up(&bucket) else {
            self.wrong.push(format!("no answer:\n{json}"));
            return;
        };
        for (question, solver) in answers(document, MILLISECONDS) {
            if not_defined(document, question) {
                continue;
            }
            let tally = self.tallies.entry(question).or_default();
            let Some(engine) = engine(&verdict, question) else {
                tally.undecided += 1;
                continue;
            };
            if solver == Answer::Unknown {
                tally.unknown += 1;
                continue;
            }
            tally.open += u64::from(engine);
            if engine == (solver != Answer::No) {
                tally.agreed += 1;
            } else {
                let said = format!("{question:?}: engine {engine}, solver {solver:?}\n{json}");
                self.wrong.push(said);
            }
        }
    }

    fn merge(&mut self, other: Findings) {
        self.wrong.extend(other.wrong);
        for (question, more) in other.tallies {
            let tally = self.tallies.entry(question).or_default();
            tally.agreed += more.agreed;
            tally.open += more.open;
            tally.undecided += more.undecided;
            tally.unknown += more.unknown;
        }
    }
}

#[test]
#[ignore = "needs Z3: run cargo xtask test"]
fn the_engine_and_the_solver_agree() {
    let documents = setting("PORTCULLIS_SMT_DOCUMENTS", 2_000);
    let seed = setting("PORTCULLIS_SMT_SEED", 1);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let shares: Vec<_> = (0..threads)
        .map(|thread| {
            std::thread::spawn(move || {
                let mut findings = Findings::default();
                for index in (thread..documents).step_by(threads as usize) {
                    let mut runner = runner(seed, index);
                    let document = document(richness())
                        .new_tree(&mut runner)
                        .expect("the strategy refuses nothing")
                        .current();
                    findings.examine(&document);
                }
                findings
            })
        })
        .collect();
    let mut findings = Findings::default();
    for share in shares {
        findings.merge(share.join().expect("a share was examined"));
    }
    println!("{:#?}", findings.tallies);
    assert!(
        findings.wrong.is_empty(),
        "{} disagreements:\n{}",
        findings.wrong.len(),
        findings.wrong.join("\n")
    );
    for (question, tally) in findings.tallies {
        let share = |count: u64| count * 100 / documents;
        assert!(share(tally.undecided) <= 3, "{question:?}: {tally:?}");
        assert!(share(tally.unknown) <= 10, "{question:?}: {tally:?}");
        assert!(share(tally.open) >= 10, "{question:?}: {tally:?}");
    }
}
