//! Custom rules that are functions: asked on a schedule, and about everything when they are new.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use compliance::item::BUCKET;
use compliance::notice::NoticeKind;
use compliance::rules::configured::{LambdaTarget, RuleConfig, RuleSet};
use guard::clock::{Clock, ManualClock};
use guard::deliver::{Courier, SendError, Sending};
use guard::functions::FunctionStatus;
use guard::repository::Repository;
use guard::state::{Coverage, Finish, JobKind, NewJob};
use guard::watch::Settings;
use jiff::SignedDuration;
use serde_json::{Value, json};
use support::power::Power;
use support::repository::Disk;
use support::watching::{ACCOUNT, Looks, Watching, claimed, ended, enforcing, watching};
use support::{State, private_acl};

type Answer = Result<Value, SendError>;
type Function = Box<dyn FnMut(&Value) -> Answer + Send>;

/// A function, and what it was asked.
struct Functions {
    function: Mutex<Function>,
    asked: Mutex<Vec<Value>>,
}

impl Functions {
    fn answering(function: impl FnMut(&Value) -> Answer + Send + 'static) -> Functions {
        Functions {
            function: Mutex::new(Box::new(function)),
            asked: Mutex::default(),
        }
    }

    /// What was asked since the last time, as the invoking events.
    fn asked(&self) -> Vec<Value> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.iter().map(invoking).collect()
    }

    /// The ids of the resources that it was asked about since the last time.
    fn asked_about(&self) -> Vec<String> {
        let mut asked: Vec<String> = self
            .asked()
            .iter()
            .map(|event| {
                event["configurationItem"]["resourceId"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        asked.sort();
        asked
    }
}

impl Courier for Functions {
    async fn send(&self, _: &Sending) -> Result<(), SendError> {
        Ok(())
    }

    async fn ask(&self, _: &LambdaTarget, event: &Value) -> Answer {
        self.asked.lock().unwrap().push(event.clone());
        (self.function.lock().unwrap())(event)
    }
}

fn invoking(event: &Value) -> Value {
    serde_json::from_str(event["invokingEvent"].as_str().unwrap()).unwrap()
}

fn evaluation(id: &str, compliance: &str) -> Value {
    json!({
        "ComplianceResourceType": BUCKET,
        "ComplianceResourceId": id,
        "ComplianceType": compliance,
        "Annotation": format!("it is {compliance}"),
        "OrderingTimestamp": "2026-01-01T00:00:00Z",
    })
}

fn of_type(resource_type: &str, id: &str) -> Value {
    let mut evaluation = evaluation(id, "NON_COMPLIANT");
    evaluation["ComplianceResourceType"] = json!(resource_type);
    evaluation
}

/// A rule whose function the schedule triggers, and changes as well if it is about a type.
fn rule(name: &str, members: &Value) -> RuleConfig {
    let mut rule = json!({
        "name": name,
        "source": "lambda",
        "lambda": "arn:aws:lambda:eu-central-1:111122223333:function:judge",
    });
    for (member, value) in members.as_object().unwrap() {
        rule[member] = value.clone();
    }
    serde_json::from_value(rule).unwrap()
}

fn hourly() -> RuleConfig {
    rule("hourly", &json!({"frequency": "1h"}))
}

fn on_change(parameters: &Value) -> RuleConfig {
    let types = [BUCKET];
    rule(
        "on-change",
        &json!({"resource-types": types, "parameters": parameters}),
    )
}

fn with(rules: Vec<RuleConfig>) -> Settings {
    Settings {
        rules: RuleSet::new(rules).unwrap(),
        ..enforcing()
    }
}

fn closed() -> State {
    State {
        acl: private_acl(),
        ..State::default()
    }
}

/// Three buckets, each looked at once.
async fn recorded(settings: Settings) -> Looks {
    let looks = Looks::new(
        [("a", closed()), ("b", closed()), ("c", closed())],
        settings,
    );
    for bucket in ["a", "b", "c"] {
        looks.ask(bucket).await;
        looks.look().await.unwrap();
    }
    swept(&looks, 3).await;
    looks
}

/// Notes that a sweep saw so many buckets.
async fn swept(looks: &Looks, buckets: u64) {
    let coverage = Coverage {
        last_sweep_at: Some(looks.clock.now()),
        swept: buckets,
        ..Coverage::of(ACCOUNT, "*")
    };
    looks.guard.repository.cover(&coverage).await.unwrap();
}

/// Does the work of the schedule that is due, which asks for the functions' work.
async fn schedule(guard: &Watching) {
    let now = guard.clock.now();
    let due = guard.schedules_due(now).await.unwrap();
    guard.repository.request(&due, now).await.unwrap();
    while let Some(job) = claimed(guard, JobKind::Periodic, None).await {
        let did = guard.evaluate_on_schedule(&job).await;
        ended(guard, &job, did).await;
    }
}

/// Does the next of the functions' work that is due: how it ended. `None`: none is due.
async fn ask(guard: &Watching, functions: &Functions) -> Option<Option<Finish>> {
    let job = claimed(guard, JobKind::Evaluate, None).await?;
    let did = guard.ask_function(functions, &job).await;
    Some(ended(guard, &job, did).await)
}

/// Does all of it, whenever it is due.
async fn ask_all(looks: &Looks, functions: &Functions) {
    loop {
        while ask(&looks.guard, functions).await.is_some() {}
        let due = {
            let disk = looks.disk();
            let jobs = disk.jobs.values().filter(|row| !row.dead);
            let mine = jobs.filter(|row| row.job.kind == JobKind::Evaluate);
            mine.map(|row| row.job.due_at).min()
        };
        let Some(due) = due else { return };
        looks.clock.advance(due.duration_since(looks.clock.now()));
    }
}

/// What a rule says of each bucket.
fn said(disk: &Disk, rule: &str) -> BTreeMap<String, String> {
    let mut said = BTreeMap::new();
    for record in disk.resources.values() {
        for evaluation in &record.evaluations {
            if evaluation.rule_name == rule {
                let id = record.item.key.resource_id.clone();
                said.insert(id, evaluation.compliance_type.as_str().to_owned());
            }
        }
    }
    said
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = pairs
        .iter()
        .map(|(id, said)| ((*id).to_owned(), (*said).to_owned()));
    owned.collect()
}

async fn status(looks: &Looks) -> FunctionStatus {
    let repository = &*looks.guard.repository;
    FunctionStatus::of(repository, "hourly", ACCOUNT)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_schedule_asks_about_the_account_and_takes_what_is_said() {
    let looks = recorded(with(vec![hourly()])).await;
    let looked_at = looks.clock.now();
    let functions = Functions::answering(|_| {
        Ok(json!({"Evaluations": [evaluation("a", "NON_COMPLIANT"), evaluation("b", "COMPLIANT")]}))
    });
    looks.clock.advance(SignedDuration::from_secs(90));
    schedule(&looks.guard).await;
    let reviews = |disk: &Disk| {
        let mut jobs = disk.jobs.values();
        jobs.any(|row| row.job.kind == JobKind::Review)
    };
    assert!(!reviews(&looks.disk()), "no function needs a look");
    assert_eq!(
        ask(&looks.guard, &functions).await,
        Some(Some(Finish::Done))
    );
    let events = std::mem::take(&mut *functions.asked.lock().unwrap());
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["configRuleName"], json!("hourly"));
    assert_eq!(
        invoking(&events[0]),
        json!({
            "messageType": "ScheduledNotification",
            "awsAccountId": ACCOUNT,
            "notificationCreationTime": "2026-01-01T00:01:30.000Z",
            "recordVersion": "1.0",
        })
    );
    let first = texts(&[("a", "NON_COMPLIANT"), ("b", "COMPLIANT")]);
    assert_eq!(said(&looks.disk(), "hourly"), first);
    assert_eq!(looks.told(), [(NoticeKind::Opened, "a".to_owned())]);
    for record in looks.disk().resources.values() {
        assert_eq!(record.observed_at, looked_at, "nobody looked at it");
    }
    let changes = looks.guard.repository.bus_events(10).await.unwrap();
    assert_eq!(changes.len(), 4, "two, each in both shapes");

    // An hour later, and not before. What it does not speak of stands.
    looks.clock.advance(SignedDuration::from_mins(59));
    schedule(&looks.guard).await;
    assert_eq!(ask(&looks.guard, &functions).await, None);
    looks.clock.advance(SignedDuration::from_mins(1));
    *functions.function.lock().unwrap() =
        Box::new(|_| Ok(json!({"Evaluations": [evaluation("c", "COMPLIANT")]})));
    schedule(&looks.guard).await;
    assert_eq!(
        ask(&looks.guard, &functions).await,
        Some(Some(Finish::Done))
    );
    let second = texts(&[
        ("a", "NON_COMPLIANT"),
        ("b", "COMPLIANT"),
        ("c", "COMPLIANT"),
    ]);
    assert_eq!(said(&looks.disk(), "hourly"), second);
    assert_eq!(looks.told().len(), 1);

    // A look at the bucket takes nothing of it away, and the function itself does.
    looks.ask("a").await;
    looks.look().await.unwrap();
    assert_eq!(said(&looks.disk(), "hourly"), second);
    *functions.function.lock().unwrap() =
        Box::new(|_| Ok(json!([evaluation("a", "NOT_APPLICABLE")])));
    looks.clock.advance(SignedDuration::from_hours(1));
    schedule(&looks.guard).await;
    assert_eq!(
        ask(&looks.guard, &functions).await,
        Some(Some(Finish::Done))
    );
    assert_eq!(said(&looks.disk(), "hourly")["a"], "NOT_APPLICABLE");
    assert_eq!(looks.told().last().unwrap().0, NoticeKind::Resolved);
}

/// What an answer makes: what is said of buckets then, and how many others it spoke of.
struct Case {
    name: &'static str,
    answer: Answer,
    said: BTreeMap<String, String>,
    unknown: u64,
}

#[tokio::test]
async fn only_what_is_recorded_is_taken_and_the_rest_is_counted() {
    let taken = |name, evaluations: Value, said: &[(&str, &str)], unknown| Case {
        name,
        answer: Ok(json!({"Evaluations": evaluations})),
        said: texts(said),
        unknown,
    };
    let only_a = [("a", "NON_COMPLIANT")];
    let a = || evaluation("a", "NON_COMPLIANT");
    let at = |id: &str, said: &str, at: &str| {
        let mut evaluation = evaluation(id, said);
        evaluation["OrderingTimestamp"] = json!(at);
        evaluation
    };
    let cases = [
        taken("nothing", json!([]), &[], 0),
        taken(
            "a bucket that nobody knows",
            json!([evaluation("z", "NON_COMPLIANT"), a()]),
            &only_a,
            1,
        ),
        taken(
            "a type that is not recorded",
            json!([of_type("AWS::IAM::User", "root"), a()]),
            &only_a,
            1,
        ),
        taken(
            "another account",
            json!([of_type("AWS::::Account", "444455556666"), a()]),
            &only_a,
            1,
        ),
        taken(
            "a bucket's id of another type",
            json!([of_type("AWS::EC2::Volume", "b"), a()]),
            &only_a,
            1,
        ),
        taken(
            "what no id is",
            json!([
                of_type(BUCKET, "b\0"),
                of_type(BUCKET, &"b".repeat(769)),
                a()
            ]),
            &only_a,
            2,
        ),
        taken(
            "what is gone, and said so",
            json!([evaluation("z", "NOT_APPLICABLE"), a()]),
            &only_a,
            0,
        ),
        taken(
            "a bucket twice: the later counts, wherever it stands",
            json!([
                at("a", "NON_COMPLIANT", "2026-01-01T02:00:00Z"),
                at("a", "COMPLIANT", "2026-01-01T01:00:00Z"),
                evaluation("b", "COMPLIANT"),
                evaluation("b", "NON_COMPLIANT"),
            ]),
            &[("a", "NON_COMPLIANT"), ("b", "NON_COMPLIANT")],
            0,
        ),
        taken(
            "more than one call of PutEvaluations takes",
            Value::from(vec![a(); 1000]),
            &only_a,
            0,
        ),
        Case {
            name: "in test mode",
            answer: Ok(json!({"Evaluations": [a()], "TestMode": true})),
            said: BTreeMap::new(),
            unknown: 0,
        },
    ];
    for case in cases {
        let looks = recorded(with(vec![hourly()])).await;
        let before = looks.disk().resources.len();
        let answer = Mutex::new(Some(case.answer));
        let functions = Functions::answering(move |_| answer.lock().unwrap().take().unwrap());
        schedule(&looks.guard).await;
        let did = ask(&looks.guard, &functions).await;
        assert_eq!(did, Some(Some(Finish::Done)), "{}", case.name);
        assert_eq!(said(&looks.disk(), "hourly"), case.said, "{}", case.name);
        let status = status(&looks).await;
        assert_eq!(status.unknown, case.unknown, "{}", case.name);
        assert_eq!(status.examples.len() as u64, case.unknown, "{}", case.name);
        assert!(
            status
                .examples
                .iter()
                .all(|name| name.len() < 300 && !name.contains('\0')),
            "{}: {:?}",
            case.name,
            status.examples
        );
        assert_eq!(status.resources, case.said.len() as u64, "{}", case.name);
        assert_eq!(status.failing_since, None, "{}", case.name);
        assert_eq!(looks.disk().resources.len(), before, "{}", case.name);
    }
}

#[tokio::test]
async fn a_function_that_gives_no_answer_is_asked_again() {
    let not_taken = |answer: Value| Ok(answer);
    let mut insufficient = evaluation("a", "COMPLIANT");
    insufficient["ComplianceType"] = json!("INSUFFICIENT_DATA");
    let failures: [(Answer, &str); 9] = [
        (
            Err(SendError::Passing {
                detail: "connection refused".to_owned(),
                retry_after: None,
            }),
            "connection refused",
        ),
        (
            Err(SendError::Refused {
                detail: "lambda:InvokeFunction is denied".to_owned(),
            }),
            "lambda:InvokeFunction is denied",
        ),
        (
            Err(SendError::Gone {
                detail: "no such function".to_owned(),
            }),
            "no such function",
        ),
        (
            not_taken(json!({"errorMessage": "KeyError"})),
            "the function failed: KeyError",
        ),
        (
            not_taken(Value::Null),
            "the function returned no evaluations",
        ),
        (
            not_taken(json!({"Evaluations": [{"ComplianceType": 7}]})),
            "evaluation 0",
        ),
        (
            not_taken(json!([evaluation("a", "COMPLIANT"), insufficient])),
            "INSUFFICIENT_DATA",
        ),
        (
            not_taken(
                json!({"Evaluations": [evaluation("a", "COMPLIANT")], "ResultToken": "another"}),
            ),
            "ResultToken",
        ),
        (
            not_taken(Value::from(vec![evaluation("a", "COMPLIANT"); 10_001])),
            "at most 10000 are taken",
        ),
    ];
    for (failure, why) in failures {
        let looks = recorded(with(vec![hourly()])).await;
        let began = looks.clock.now();
        let again = failure.clone();
        let functions = Functions::answering(move |_| again.clone());
        schedule(&looks.guard).await;
        let mut waits = Vec::new();
        for _ in 0..12 {
            let now = looks.clock.now();
            let did = ask(&looks.guard, &functions).await;
            let Some(Some(Finish::Again {
                due_at,
                error: Some(error),
            })) = did
            else {
                unreachable!("{why}: {did:?}");
            };
            assert!(error.contains(why), "{why}: {error}");
            waits.push(due_at.duration_since(now).as_secs());
            looks.clock.advance(due_at.duration_since(now));
        }
        assert_eq!(waits[..4], [1, 2, 4, 8], "{why}");
        assert_eq!(waits[11], 600, "{why}");
        let failing = status(&looks).await;
        assert_eq!(failing.failing_since, Some(began), "{why}");
        assert!(failing.error.unwrap().contains(why), "{why}");
        assert!(said(&looks.disk(), "hourly").is_empty(), "{why}");

        *functions.function.lock().unwrap() =
            Box::new(|_| Ok(json!({"Evaluations": [evaluation("a", "COMPLIANT")]})));
        assert_eq!(
            ask(&looks.guard, &functions).await,
            Some(Some(Finish::Done)),
            "{why}"
        );
        let well = status(&looks).await;
        assert_eq!((well.failing_since, well.error), (None, None), "{why}");
        assert_eq!(well.answered_at, Some(looks.clock.now()), "{why}");
    }
}

/// At the very first everything happens at once. What a function says of a bucket that is not recorded yet
/// would count for nothing until its next time.
#[tokio::test]
async fn a_function_is_asked_when_its_account_is_recorded() {
    let looks = Looks::new([("a", closed()), ("b", closed())], with(vec![hourly()]));
    let functions = Functions::answering(|_| Ok(json!([evaluation("a", "COMPLIANT")])));
    let waits = async |why: &str| {
        let did = ask(&looks.guard, &functions).await;
        let Some(Some(Finish::Again {
            due_at,
            error: Some(error),
        })) = did
        else {
            unreachable!("{why}: {did:?}");
        };
        assert_eq!(error, "the account is not recorded yet", "{why}");
        let wait = due_at.duration_since(looks.clock.now());
        assert!(wait <= SignedDuration::from_secs(30), "{why}: {wait}");
        looks.clock.advance(wait);
    };
    schedule(&looks.guard).await;
    waits("no sweep").await;
    swept(&looks, 2).await;
    waits("no bucket of two").await;
    looks.ask("a").await;
    looks.look().await.unwrap();
    waits("one bucket of two").await;
    assert!(functions.asked().is_empty());
    looks.ask("b").await;
    looks.look().await.unwrap();
    assert_eq!(
        ask(&looks.guard, &functions).await,
        Some(Some(Finish::Done))
    );
    assert_eq!(said(&looks.disk(), "hourly"), texts(&[("a", "COMPLIANT")]));
    assert_eq!(functions.asked().len(), 1);

    // One that cannot be recorded keeps the function from being asked for a while, and not for ever.
    swept(&looks, 3).await;
    looks.clock.advance(SignedDuration::from_hours(1));
    schedule(&looks.guard).await;
    waits("two of three").await;
    looks.clock.advance(SignedDuration::from_mins(15));
    assert_eq!(
        ask(&looks.guard, &functions).await,
        Some(Some(Finish::Done))
    );
    assert_eq!(functions.asked().len(), 1);
}

/// A function that both trigger said something of a change while it was asked by its schedule.
#[tokio::test]
async fn what_was_said_later_is_not_written_over() {
    let both = rule(
        "hourly",
        &json!({"frequency": "1h", "resource-types": [BUCKET]}),
    );
    let looks = recorded(with(vec![both])).await;
    let of_change = Functions::answering(|event| {
        let item = &invoking(event)["configurationItem"];
        let id = item["resourceId"].as_str().unwrap();
        Ok(json!([evaluation(id, "COMPLIANT")]))
    });
    ask_all(&looks, &of_change).await;
    assert_eq!(of_change.asked_about(), ["a", "b", "c"]);

    let repository = Arc::clone(&looks.guard.repository);
    let clock = Arc::clone(&looks.clock);
    let of_schedule = Functions::answering(move |_| {
        clock.advance(SignedDuration::from_secs(5));
        let later = clock.now();
        repository.disk.send_modify(|disk| {
            for record in disk.resources.values_mut() {
                if record.item.key.resource_id == "b" {
                    record.version += 1;
                    record.evaluations[0].evaluated_at = later;
                }
            }
        });
        Ok(json!([
            evaluation("a", "NON_COMPLIANT"),
            evaluation("b", "NON_COMPLIANT")
        ]))
    });
    schedule(&looks.guard).await;
    ask_all(&looks, &of_schedule).await;
    let expected = texts(&[
        ("a", "NON_COMPLIANT"),
        ("b", "COMPLIANT"),
        ("c", "COMPLIANT"),
    ]);
    assert_eq!(said(&looks.disk(), "hourly"), expected);
}

/// The process is killed at any call to the store: whoever comes after has the same said, and told once.
#[tokio::test]
async fn a_schedule_survives_a_kill_at_any_call() {
    let looks = recorded(with(vec![hourly()])).await;
    let disk = looks.disk();
    let answer = || {
        Functions::answering(|_| {
            Ok(json!([
                evaluation("a", "NON_COMPLIANT"),
                evaluation("b", "COMPLIANT"),
                evaluation("z", "COMPLIANT")
            ]))
        })
    };
    let mut kills = 0;
    for call in 1.. {
        let mut was_killed = false;
        for after in [false, true] {
            let clock = Arc::new(ManualClock::at(looks.clock.now()));
            let power = Power::fails_at(call, after);
            let guard = watching(
                &looks.memory,
                &clock,
                disk.clone(),
                &power,
                with(vec![hourly()]),
            );
            let functions = answer();
            let working = async {
                schedule(&guard).await;
                while ask(&guard, &functions).await.is_some() {}
            };
            let killed = tokio::select! {
                biased;
                () = working => false,
                () = power.failed() => true,
            };
            was_killed |= killed;
            kills += u32::from(killed);
            let left = guard.repository.disk.borrow().clone();
            // Leases run out, and the next begins.
            clock.advance(SignedDuration::from_secs(20));
            let guard = watching(
                &looks.memory,
                &clock,
                left,
                &Power::endless(),
                with(vec![hourly()]),
            );
            schedule(&guard).await;
            while ask(&guard, &functions).await.is_some() {}
            let disk = guard.repository.disk.borrow().clone();
            let name = format!("killed at {call}, after: {after}");
            let expected = texts(&[("a", "NON_COMPLIANT"), ("b", "COMPLIANT")]);
            assert_eq!(said(&disk, "hourly"), expected, "{name}");
            assert_eq!(disk.notices.len(), 1, "{name}");
            assert_eq!(disk.bus.len(), 4, "{name}");
            let kept = FunctionStatus::of(&*guard.repository, "hourly", ACCOUNT)
                .await
                .unwrap();
            assert_eq!((kept.resources, kept.unknown), (2, 1), "{name}");
        }
        if !was_killed {
            break;
        }
    }
    assert!(kills > 20, "{kills} kills");
}

/// What a start asks for because of new functions.
async fn start(guard: &Watching) -> Vec<NewJob> {
    let now = guard.clock.now();
    let jobs = guard.functions_to_ask(now).await.unwrap();
    guard.repository.request(&jobs, now).await.unwrap();
    jobs
}

#[tokio::test]
async fn a_new_function_judges_what_is_recorded_once() {
    let judging = || {
        Functions::answering(|event| {
            let item = &invoking(event)["configurationItem"];
            let id = item["resourceId"].as_str().unwrap();
            Ok(json!([evaluation(
                id,
                if id == "b" {
                    "NON_COMPLIANT"
                } else {
                    "COMPLIANT"
                }
            )]))
        })
    };
    let functions = judging();
    let other = || rule("other", &json!({"resource-types": [BUCKET]}));
    let tagged = || {
        rule(
            "on-change",
            &json!({"resource-types": [BUCKET], "tag-key": "team"}),
        )
    };
    let disabled = || RuleConfig {
        enabled: false,
        ..on_change(&json!({}))
    };
    let all = ["a", "b", "c"];
    let none: [&str; 0] = [];
    // Each start with what it changes, and whom that asks about.
    let starts: [(&str, Vec<RuleConfig>, &[&str]); 11] = [
        ("no function", vec![], &none),
        ("a function is new", vec![on_change(&json!({}))], &all),
        ("it is as it was", vec![on_change(&json!({}))], &none),
        (
            "its parameters differ",
            vec![on_change(&json!({"limit": 3}))],
            &all,
        ),
        (
            "another is new",
            vec![on_change(&json!({"limit": 3})), other()],
            &all,
        ),
        ("one is gone", vec![other()], &none),
        (
            "it is there again",
            vec![on_change(&json!({"limit": 3})), other()],
            &all,
        ),
        ("one is switched off", vec![disabled(), other()], &none),
        ("it is on again", vec![on_change(&json!({})), other()], &all),
        (
            "its scope differs, and nothing has the tag",
            vec![tagged(), other()],
            &none,
        ),
        ("a schedule is no change", vec![other(), hourly()], &none),
    ];
    let mut looks = recorded(with(vec![])).await;
    for (name, rules, asked) in starts {
        looks = looks.restart(with(rules));
        start(&looks.guard).await;
        ask_all(&looks, &functions).await;
        assert_eq!(functions.asked_about(), asked, "{name}");
        assert_eq!(start(&looks.guard).await.len(), 0, "{name}: once");
    }
    let expected = texts(&[
        ("a", "COMPLIANT"),
        ("b", "NON_COMPLIANT"),
        ("c", "COMPLIANT"),
    ]);
    assert_eq!(said(&looks.disk(), "other"), expected);
    let told = looks.told();
    assert!(
        told.contains(&(NoticeKind::Opened, "b".to_owned())),
        "{told:?}"
    );
}

/// Killed while it asks for all that: what was asked for is asked once, and nothing is left out.
#[tokio::test]
async fn asking_about_everything_survives_a_kill_at_any_call() {
    let looks = recorded(with(vec![])).await;
    let disk = looks.disk();
    let settings = || with(vec![on_change(&json!({}))]);
    for call in 1.. {
        let power = Power::fails_at(call, call % 2 == 0);
        let guard = watching(
            &looks.memory,
            &looks.clock,
            disk.clone(),
            &power,
            settings(),
        );
        let functions = Functions::answering(|event| {
            let item = &invoking(event)["configurationItem"];
            Ok(json!([evaluation(
                item["resourceId"].as_str().unwrap(),
                "COMPLIANT"
            )]))
        });
        let working = async {
            start(&guard).await;
            ask(&guard, &functions).await
        };
        let killed = tokio::select! {
            biased;
            _ = working => false,
            () = power.failed() => true,
        };
        let left: Disk = guard.repository.disk.borrow().clone();
        looks.clock.advance(SignedDuration::from_secs(20));
        let after = Looks {
            memory: Arc::clone(&looks.memory),
            clock: Arc::clone(&looks.clock),
            guard: watching(
                &looks.memory,
                &looks.clock,
                left,
                &Power::endless(),
                settings(),
            ),
        };
        start(&after.guard).await;
        ask_all(&after, &functions).await;
        assert_eq!(functions.asked_about(), ["a", "b", "c"], "killed at {call}");
        assert_eq!(
            said(&after.disk(), "on-change").len(),
            3,
            "killed at {call}"
        );
        if !killed {
            return;
        }
    }
}
