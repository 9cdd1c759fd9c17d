//! Functions of custom rules, asked by `portcullis serve`: on a schedule, and about what was recorded before
//! they were configured; through a kill, and when they fail. A server in the test stands for them, and the
//! embedded server for S3, so nothing outside is needed.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use sandbox::estate::{self, Person};
use serde_json::{Value, json};
use support::{Folder, Setup};

/// The invoking events that came, each with its path.
type Asked = Mutex<Vec<(String, Value)>>;

/// A server of functions, and what it was asked.
#[derive(Clone, Default)]
struct Functions {
    asked: Arc<(Asked, Condvar)>,
}

impl Functions {
    /// Starts it; gives its address.
    fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let own = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), own) = (stream, own.clone()) else {
                    break;
                };
                // Whoever hangs up has asked nothing.
                std::thread::spawn(move || own.answer(stream));
            }
        });
        address
    }

    fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            if header.trim().is_empty() {
                break;
            }
            let (name, value) = header.split_once(':')?;
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let event: Value = serde_json::from_slice(&body).ok()?;
        let invoking: Value = serde_json::from_str(event["invokingEvent"].as_str()?).ok()?;
        let evaluation = |kind: &str, id: &str, said: &str| json!({"ComplianceResourceType": kind, "ComplianceResourceId": id, "ComplianceType": said});
        let bucket = "AWS::S3::Bucket";
        let answer = match path.as_str() {
            "/hourly" => json!({"Evaluations": [
                evaluation(bucket, "invoices", "NON_COMPLIANT"),
                evaluation(bucket, "of-somebody-else", "NON_COMPLIANT"),
                evaluation("AWS::IAM::User", "root", "COMPLIANT"),
            ]}),
            "/on-change" => {
                let id = invoking["configurationItem"]["resourceId"].as_str()?;
                json!([evaluation(bucket, id, "COMPLIANT")])
            }
            _ => json!({"errorMessage": "KeyError: 'bucket'"}),
        };
        self.asked.0.lock().unwrap().push((path, invoking));
        self.asked.1.notify_all();
        let answer = answer.to_string();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
            answer.len()
        )
        .ok()
    }

    /// Waits until a function was asked about a bucket.
    fn wait_until_asked_about(&self, bucket: &str) {
        let (asked, changed) = &*self.asked;
        let is_about = |event: &Value| event["configurationItem"]["resourceId"] == bucket;
        let (asked, timeout) = changed
            .wait_timeout_while(asked.lock().unwrap(), Duration::from_secs(90), |asked| {
                !asked.iter().any(|(_, event)| is_about(event))
            })
            .unwrap();
        assert!(!timeout.timed_out(), "not asked about {bucket}: {asked:?}");
    }

    /// The invoking events that came to a path.
    fn asked(&self, path: &str) -> Vec<Value> {
        let asked = self.asked.0.lock().unwrap();
        let own = asked.iter().filter(|(to, _)| to == path);
        own.map(|(_, event)| event.clone()).collect()
    }
}

fn setup(folder: &Folder, endpoint: &str, rules: &str) -> Setup {
    let key = Person::Guard.key().unwrap();
    let config = format!(
        "[store]\npath = \"{}\"\n[server]\nlisten = \"\"\n[log]\nformat = \"json\"\n\
         [[account]]\nid = \"{}\"\nendpoint-url = \"{endpoint}\"\nregion = \"us-east-1\"\n\
         access-key-id = \"{}\"\nsecret-access-key = \"env:GUARD_SECRET\"\n{rules}",
        folder.path().join("guard.db").display(),
        estate::OWNER,
        key.id
    );
    Setup::new(folder, &config, &[("GUARD_SECRET", key.secret)])
}

fn rule(name: &str, functions: &str, more: &str) -> String {
    format!(
        "[[rule]]\nname = \"{name}\"\nsource = \"lambda\"\nlambda = \"{functions}/{name}\"\n{more}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_asked_on_a_schedule_and_about_what_is_recorded() {
    let sandbox = estate::start(0).await.unwrap();
    let folder = Folder::new("functions");
    let functions = Functions::default();
    let address = functions.start();
    let hourly = rule("hourly", &address, "frequency = \"1h\"");
    let setup_with = |rules: &str| setup(&folder, &sandbox.endpoint(), rules);

    // What it says of recorded buckets counts, and the rest is shown.
    let setup = setup_with(&hourly);
    let serve = setup.serve();
    serve.wait_for_log(&["a custom rule answered", "hourly"], 1);
    serve.wait_for_log(
        &[
            "not recorded here",
            "of-somebody-else",
            "AWS::IAM::User root",
        ],
        1,
    );
    assert_eq!(setup.compliance("invoices", "hourly"), ["NON_COMPLIANT"]);
    assert_eq!(
        functions.asked("/hourly")[0]["messageType"],
        json!("ScheduledNotification")
    );
    assert_eq!(
        functions.asked("/hourly")[0]["awsAccountId"],
        json!(estate::OWNER)
    );
    let own = setup.json(&["status"])["functions"][0].clone();
    assert_eq!(
        (&own["resources"], &own["unknown"]),
        (&json!(1), &json!(2)),
        "{own}"
    );
    assert_eq!(own["failing_since"], Value::Null, "{own}");
    let text = String::from_utf8(setup.run(&["status"]).stdout).unwrap();
    assert!(
        text.contains("about 2 that are not recorded here"),
        "{text}"
    );
    serve.kill();

    // Another is configured: it judges what is recorded. The first waits for its next hour.
    let on_change = rule(
        "on-change",
        &address,
        "resource-types = [\"AWS::S3::Bucket\"]",
    );
    let setup = setup_with(&format!("{hourly}{on_change}"));
    let serve = setup.serve();
    serve.wait_for_log(&["new functions judge what is recorded", "on-change"], 1);
    functions.wait_until_asked_about("invoices");
    // Work that has begun is finished.
    let (status, log) = serve.stop();
    assert!(status.success(), "{log}");
    assert_eq!(setup.compliance("invoices", "on-change"), ["COMPLIANT"]);
    let buckets = functions.asked("/on-change");
    assert!(
        buckets
            .iter()
            .all(|event| event["messageType"] == "ConfigurationItemChangeNotification"),
        "{buckets:?}"
    );
    assert_eq!(functions.asked("/hourly").len(), 1);

    // One that fails is said, and asked again.
    let broken = rule("broken", &address, "frequency = \"1h\"");
    let setup = setup_with(&broken);
    let serve = setup.serve();
    serve.wait_for_log(&["a custom rule is asked again", "KeyError: 'bucket'"], 2);
    let own = setup.json(&["status"])["functions"][0].clone();
    assert_ne!(own["failing_since"], Value::Null, "{own}");
    assert!(
        own["error"]
            .as_str()
            .unwrap()
            .contains("the function failed: KeyError"),
        "{own}"
    );
    let text = String::from_utf8(setup.run(&["status"]).stdout).unwrap();
    assert!(text.contains("FAILS since"), "{text}");
    let (status, log) = serve.stop();
    assert!(status.success(), "{log}");
}
