//! One of several accounts is not reached when the guard begins: the others are watched, everybody who
//! looks sees it, and it is taken up when it answers. What is wrong with the configuration is said at
//! once. The embedded server stands behind both accounts, so nothing outside is needed.

#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use faults::{Answer, Fault, FaultProxy, Moment, TcpProxy};
use hyper::StatusCode;
use sandbox::estate::{self, Person};
use serde_json::{Value, json};
use support::{Folder, Setup};

/// Two accounts, at these endpoints.
fn setup(folder: &Folder, endpoints: [&str; 2], listen: &str, secret: Option<&str>) -> Setup {
    let key = Person::Guard.key().unwrap();
    let account = |id: &str, endpoint: &str| {
        format!(
            "[[account]]\nid = \"{id}\"\nendpoint-url = \"{endpoint}\"\nregion = \"us-east-1\"\n\
             access-key-id = \"{}\"\nsecret-access-key = \"env:GUARD_SECRET\"\n",
            key.id
        )
    };
    let config = format!(
        "[store]\npath = \"{}\"\n[server]\nlisten = \"{listen}\"\n[log]\nformat = \"json\"\n{}{}",
        folder.path().join("guard.db").display(),
        account("here", endpoints[0]),
        account("there", endpoints[1]),
    );
    let environment: Vec<(&str, &str)> = secret
        .map(|secret| ("GUARD_SECRET", secret))
        .into_iter()
        .collect();
    Setup::new(folder, &config, &environment)
}

fn get(authority: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(authority).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, body.to_owned())
}

/// What the status says of an account.
fn covered(setup: &Setup, account: &str) -> Value {
    let status = setup.json(&["status"]);
    let coverage = status["coverage"].as_array().unwrap();
    let own = coverage.iter().find(|own| own["account"] == account);
    own.cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_not_reached_is_taken_up_later() {
    let sandbox = estate::start(0).await.unwrap();
    let endpoint = sandbox.endpoint();
    let upstream = endpoint.strip_prefix("http://").unwrap().parse().unwrap();
    let proxy = TcpProxy::start(upstream).await.unwrap();
    proxy.refuse().await.unwrap();
    let there = format!("http://{}", proxy.address());
    let folder = Folder::new("accounts");
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = free.local_addr().unwrap().to_string();
    drop(free);
    let secret = Person::Guard.key().unwrap().secret;
    let setup = setup(&folder, [&endpoint, &there], &listen, Some(secret));

    let serve = setup.serve();
    // Said at once, with what to do, and again with each attempt.
    serve.wait_for_log(&["ERROR", "there", "is not reached", "hint"], 1);
    serve.wait_for_log(&["\"watching\""], 1);
    serve.wait_for_log(&["\"swept\"", "\"account\":\"here\""], 1);
    serve.wait_for_log(&["still not reached", "there"], 1);
    let (status, ready) = get(&listen, "/readyz");
    assert_eq!(status, 503);
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!(ready["reasons"][0]["what"], json!("account there"));
    assert_eq!(get(&listen, "/healthz").0, 200);
    let (_, metrics) = get(&listen, "/metrics");
    assert!(
        metrics.contains("portcullis_account_up{account=\"here\"} 1"),
        "{metrics}"
    );
    assert!(
        metrics.contains("portcullis_account_up{account=\"there\"} 0"),
        "{metrics}"
    );
    // Its sweep was tried, and what came of it is kept.
    serve.wait_for_log(&["the sweep is repeated", "sweep there"], 1);
    let gap = covered(&setup, "there");
    let why = gap["error"].as_str().unwrap_or_default();
    assert!(why.contains("cannot reach"), "{gap}");
    assert_eq!(covered(&setup, "here")["error"], Value::Null);

    proxy.come_back().await.unwrap();
    serve.wait_for_log(&["the account is reached", "there"], 1);
    serve.wait_for_log(&["\"swept\"", "\"account\":\"there\""], 1);
    let covered = covered(&setup, "there");
    assert_eq!(covered["error"], Value::Null, "{covered}");
    let (status, ready) = get(&listen, "/readyz");
    assert_eq!(
        (status, ready.contains("account there")),
        (200, false),
        "{ready}"
    );
    let (_, metrics) = get(&listen, "/metrics");
    assert!(
        metrics.contains("portcullis_account_up{account=\"there\"} 1"),
        "{metrics}"
    );
    let (ended, log) = serve.stop();
    assert!(ended.success(), "{log}");
    sandbox.stop().await;
}

#[test]
fn a_wrong_account_is_said_at_once() {
    let folder = Folder::new("accounts");
    let nobody = "http://127.0.0.1:9";
    for (endpoints, secret, said) in [
        ([nobody, "localhost:9000"], Some("x"), "endpoint-url"),
        ([nobody, nobody], None, "GUARD_SECRET"),
    ] {
        let output = setup(&folder, endpoints, "", secret).run(&["serve"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(said), "{error}");
    }
}

/// An account of AWS whose S3 and STS are on this machine, as the AWS configuration says.
fn at_aws(folder: &Folder, s3: &str, sts: &str, listen: &str) -> Setup {
    let aws = folder.path().join("aws-config");
    let key = Person::Guard.key().unwrap();
    let own = format!(
        "[default]\nregion = us-east-1\naws_access_key_id = {}\naws_secret_access_key = {}\n\
         services = here\n[services here]\ns3 =\n  endpoint_url = {s3}\nsts =\n  endpoint_url = {sts}\n\
         s3_control =\n  endpoint_url = {s3}\niam =\n  endpoint_url = {s3}\n",
        key.id, key.secret
    );
    std::fs::write(&aws, own).unwrap();
    let config = format!(
        "[store]\npath = \"{}\"\n[server]\nlisten = \"{listen}\"\n[log]\nformat = \"json\"\n\
         [recorder]\nsweep-interval = \"10s\"\n\
         [[account]]\nid = \"{OURS}\"\ncall-timeout = \"2s\"\ncall-attempts = 1\n",
        folder.path().join("guard.db").display(),
    );
    let aws = aws.display().to_string();
    let environment = [
        ("AWS_CONFIG_FILE", aws.as_str()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    Setup::new(folder, &config, &environment)
}

/// The account's number in the configuration.
const OURS: &str = "111122223333";

fn is_of(account: &str) -> Fault {
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <GetCallerIdentityResult><Account>{account}</Account></GetCallerIdentityResult>\
         </GetCallerIdentityResponse>"
    );
    Fault::Answer(Answer::new(StatusCode::OK, "text/xml", body))
}

#[tokio::test(flavor = "multi_thread")]
async fn while_sts_alone_is_silent_the_account_is_watched_and_compared_later() {
    for (account, ours) in [(OURS, true), ("444455556666", false)] {
        let sandbox = estate::start(0).await.unwrap();
        let sts = FaultProxy::start(&sandbox.endpoint()).await.unwrap();
        let silent = Fault::NeverAnswer(Moment::BeforeForwarding);
        sts.on(|_| true).always(silent);
        let folder = Folder::new("accounts");
        let listen = format!("127.0.0.1:{}", support::free_port());
        let setup = at_aws(&folder, &sandbox.endpoint(), &sts.endpoint(), &listen);

        let serve = setup.serve();
        serve.wait_for_log(&["does not tell whose the credentials are", OURS], 1);
        serve.wait_for_log(&["\"swept\"", OURS], 1);
        assert_eq!(covered(&setup, OURS)["error"], Value::Null);
        sts.clear();
        sts.on(|_| true).always(is_of(account));
        if ours {
            serve.wait_for_log(&["the credentials are this account's"], 1);
            let seen = serve.count_log(&["\"swept\"", OURS]);
            serve.wait_for_log(&["\"swept\"", OURS], seen + 1);
            let (status, ready) = get(&listen, "/readyz");
            assert_eq!(status, 200, "{ready}");
        } else {
            serve.wait_for_log(&["the account is another one", account, OURS], 1);
            serve.wait_for_log(&["the sweep is repeated", account], 1);
            let seen = serve.count_log(&["\"swept\""]);
            serve.wait_for_log(&["the sweep is repeated", account], 2);
            assert_eq!(serve.count_log(&["\"swept\""]), seen, "nothing is seen");
            let error = covered(&setup, OURS)["error"].to_string();
            assert!(error.contains(account), "{error}");
            let (status, ready) = get(&listen, "/readyz");
            assert_eq!(status, 503, "{ready}");
            assert!(ready.contains(account), "{ready}");
            let (_, metrics) = get(&listen, "/metrics");
            let down = format!("portcullis_account_up{{account=\"{OURS}\"}} 0");
            assert!(metrics.contains(&down), "{metrics}");
        }
        let (ended, log) = serve.stop();
        assert!(ended.success(), "{log}");
        sandbox.stop().await;
    }
}
