//! The root user that `xtask/peers/moto_server.py` gives to an account of moto's.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

// Each is a world of its own, and no other test uses this one.
const ACCOUNT: &str = "600000000001";

async fn send(request: &str, body: &str) -> String {
    let endpoint = std::env::var("PORTCULLIS_TEST_MOTO").unwrap_or_else(|_| {
        panic!("PORTCULLIS_TEST_MOTO is not set: this test needs moto; run cargo xtask test")
    });
    let address = endpoint.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).await.unwrap();
    let text = format!(
        "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nX-Moto-Account-Id: {ACCOUNT}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=AKIDTEST/20260131/us-east-1/iam/aws4_request, \
         SignedHeaders=host, Signature=0\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn iam(action: &str) -> String {
    send("POST /", &format!("Action={action}&Version=2010-05-08")).await
}

/// A number of the account's summary.
async fn summary(name: &str) -> Option<u32> {
    let answer = iam("GetAccountSummary").await;
    let (_, rest) = answer.split_once(&format!("<key>{name}</key>"))?;
    let (_, value) = rest.split_once("<value>")?;
    value.split('<').next()?.parse().ok()
}

/// The columns of a user in the credential report, by their names.
async fn reported(user: &str, column: &str) -> Option<String> {
    iam("GenerateCredentialReport").await;
    let answer = iam("GetCredentialReport").await;
    let (_, rest) = answer.split_once("<Content>").unwrap();
    let content = rest.split('<').next().unwrap().replace('\n', "");
    let report = String::from_utf8(STANDARD.decode(content).unwrap()).unwrap();
    let mut rows = report.lines().map(|row| row.split(',').collect::<Vec<_>>());
    let header = rows.next().unwrap();
    let at = header.iter().position(|name| *name == column).unwrap();
    let row = rows.find(|row| row[0] == user)?;
    assert_eq!(row.len(), header.len());
    Some(row[at].to_owned())
}

#[tokio::test]
#[ignore = "needs moto: run cargo xtask test"]
async fn an_account_has_the_root_user_that_a_test_gives_it() {
    let route = format!("/portcullis-tests/root-user/{ACCOUNT}");
    assert_eq!(summary("AccountMFAEnabled").await, Some(0));
    assert_eq!(reported("<root_account>", "mfa_active").await, None);

    let root = r#"{
        "summary": {"AccountMFAEnabled": 1, "AccountPasswordPresent": 1, "AccountAccessKeysPresent": null},
        "report": {"mfa_active": "false"},
        "virtual_mfa": true,
        "organizations_features": ["RootSessions"]
    }"#;
    let put = send(&format!("PUT {route}"), root).await;
    assert!(put.starts_with("HTTP/1.1 204 "), "{put}");
    assert_eq!(summary("AccountMFAEnabled").await, Some(1));
    assert_eq!(summary("AccountPasswordPresent").await, Some(1));
    assert_eq!(summary("AccountAccessKeysPresent").await, None);
    let column = |column| reported("<root_account>", column);
    assert_eq!(column("mfa_active").await.as_deref(), Some("false"));
    assert_eq!(column("password_enabled").await.as_deref(), Some("true"));
    assert_eq!(
        column("arn").await.as_deref(),
        Some("arn:aws:iam::600000000001:root")
    );
    let devices = iam("ListVirtualMFADevices&AssignmentStatus=Assigned").await;
    assert!(
        devices.contains(":mfa/root-account-mfa-device<"),
        "{devices}"
    );
    let devices = iam("ListVirtualMFADevices&AssignmentStatus=Unassigned").await;
    assert!(!devices.contains("root-account-mfa-device"), "{devices}");
    let features = iam("ListOrganizationsFeatures").await;
    assert!(features.contains(">RootSessions<"), "{features}");

    let wrong = send(&format!("PUT {route}"), r#"{"sumary": {}}"#).await;
    assert!(wrong.starts_with("HTTP/1.1 400 "), "{wrong}");
    let deleted = send(&format!("DELETE {route}"), "").await;
    assert!(deleted.starts_with("HTTP/1.1 204 "), "{deleted}");
    assert_eq!(summary("AccountMFAEnabled").await, Some(0));
    assert_eq!(reported("<root_account>", "mfa_active").await, None);
}
