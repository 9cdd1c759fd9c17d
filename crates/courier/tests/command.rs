//! Programs as targets: their input, their end, and that nothing of them stays.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::ffi::OsString;
use std::time::Duration;

use courier::{Command, CommandError, Outcome};

fn shell(script: &str, timeout: Duration) -> Command {
    let arguments = ["-c", script].map(OsString::from);
    let environment = [("STAGE".to_owned(), OsString::from("test"))];
    Command::new("/bin/sh", arguments, environment, timeout).unwrap()
}

async fn run(script: &str, input: &[u8]) -> Outcome {
    shell(script, Duration::from_secs(60)).run(input).await
}

#[tokio::test]
async fn a_program_reads_the_event_and_its_end_decides() {
    assert_eq!(
        run("cat", b"{\"a\": 1}").await,
        Outcome::Accepted {
            answer: "{\"a\": 1}".to_owned()
        }
    );
    let outcome = run("echo no >&2; exit 65", b"").await;
    assert_eq!(
        outcome,
        Outcome::Refused {
            why: "/bin/sh: exit status: 65: no".to_owned(),
            gone: false
        }
    );
    for script in ["exit 1", "exit 75", "kill -9 $$"] {
        let outcome = run(script, b"").await;
        assert!(
            matches!(outcome, Outcome::Passing { .. }),
            "{script}: {outcome:?}"
        );
    }
    // Who does not read is not forced to.
    assert_eq!(
        run("exit 0", &vec![b'x'; 1_000_000]).await,
        Outcome::Accepted {
            answer: String::new()
        }
    );
}

#[tokio::test]
async fn nothing_of_ours_is_handed_down() {
    let outcome = run("env", b"").await;
    let Outcome::Accepted { answer } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(answer.contains("STAGE=test"), "{answer}");
    assert!(std::env::var("HOME").is_ok() || std::env::var("CARGO").is_ok());
    assert!(
        !answer.contains("CARGO") && !answer.contains("HOME="),
        "{answer}"
    );
}

#[tokio::test]
async fn output_without_end_is_read_and_dropped() {
    let outcome = run("i=0; while [ $i -lt 20000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done", b"").await;
    let Outcome::Accepted { answer } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(answer.chars().count() <= 301, "{}", answer.len());
}

#[tokio::test]
async fn what_takes_too_long_is_killed() {
    let command = shell("exec sleep 1000", Duration::from_millis(200));
    let outcome = command.run(b"").await;
    let Outcome::Passing { why, .. } = &outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(why, "/bin/sh did not end within 0.2 s and was killed");
}

#[tokio::test]
async fn nothing_that_a_program_started_outlives_it() {
    let file = std::env::temp_dir().join(format!("portcullis-courier-{}", std::process::id()));
    let script = format!(
        "sleep 1000 & echo $! > {file}.new; mv {file}.new {file}; wait",
        file = file.display()
    );
    let command = shell(&script, Duration::from_secs(1000));
    let started = async {
        loop {
            if let Ok(text) = std::fs::read_to_string(&file) {
                break text.trim().parse::<i32>().unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    let sleeper = tokio::select! {
        outcome = command.run(b"") => panic!("{outcome:?}"),
        sleeper = started => sleeper,
    };
    std::fs::remove_file(&file).unwrap();
    // The signal is on its way; a deadline so that the test fails where none was sent.
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while lives(sleeper) {
        assert!(std::time::Instant::now() < deadline, "{sleeper} lives");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_program_has_a_whole_path() {
    for program in ["sh", "./sh", ""] {
        let wrong = Command::new(program, [], [], Duration::from_secs(1));
        assert!(matches!(wrong, Err(CommandError::NotAbsolute(_))));
    }
    let missing = Command::new("/nowhere/program", [], [], Duration::from_secs(1)).unwrap();
    let outcome = missing.run(b"").await;
    assert!(matches!(outcome, Outcome::Passing { .. }), "{outcome:?}");
}

/// Whether a process runs: it is there, and not only waiting for its parent to take notice.
fn lives(pid: i32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = state.rsplit(')').next().unwrap_or_default().trim();
    !state.is_empty() && !state.starts_with(['Z', 'X'])
}
