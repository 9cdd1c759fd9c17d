//! The proxy before an HTTP server, over real connections.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::ErrorKind;

use faults::{Answer, Fault, FaultProxy, Gate, Moment, Outcome};
use hyper::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server that gives one answer: a proxy that never forwards.
async fn server(body: &'static str) -> FaultProxy {
    let server = FaultProxy::start("http://127.0.0.1:1").await.unwrap();
    let answer = Answer::new(StatusCode::OK, "text/plain", body).header("x-kept", "yes");
    server.on(|_| true).always(Fault::Answer(answer));
    server
}

async fn before(server: &FaultProxy) -> FaultProxy {
    FaultProxy::start(&server.endpoint()).await.unwrap()
}

async fn connect(proxy: &FaultProxy) -> TcpStream {
    let address = proxy.endpoint();
    TcpStream::connect(address.strip_prefix("http://").unwrap())
        .await
        .unwrap()
}

/// Sends one request on a connection of its own.
async fn send(proxy: &FaultProxy, head: &str, body: &str) -> TcpStream {
    let mut connection = connect(proxy).await;
    let request = format!(
        "{head} HTTP/1.1\r\nHost: signed.test\r\nX-Sent: {head}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    connection
}

/// Everything up to the end of the connection.
async fn read(mut connection: TcpStream) -> std::io::Result<String> {
    let mut text = String::new();
    connection.read_to_string(&mut text).await?;
    Ok(text)
}

async fn status(proxy: &FaultProxy, head: &str) -> String {
    let answer = read(send(proxy, head, "").await).await.unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn without_a_plan_nothing_changes() {
    let server = server("hello").await;
    let proxy = before(&server).await;
    let answer = read(send(&proxy, "PUT /b/k%20x?acl&n=%2F", "body").await)
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("x-kept: yes\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");

    let got = server.wait_for(|all| all.len() == 1).await.unwrap();
    assert_eq!(got[0].method(), "PUT");
    assert_eq!(got[0].path(), "/b/k%20x");
    assert_eq!(got[0].bucket(), Some("b"));
    assert!(got[0].is("PUT", "acl") && got[0].has_query("n") && !got[0].has_query("policy"));
    assert_eq!(got[0].header("host"), Some("signed.test"));
    assert_eq!(got[0].header("x-sent"), Some("PUT /b/k%20x?acl&n=%2F"));
    assert_eq!(got[0].body(), b"body");
    assert_eq!(proxy.requests().all()[0].outcome(), &Outcome::Answered(200));
}

#[tokio::test]
async fn each_kind_of_request_has_its_own_plan() {
    let server = server("").await;
    let proxy = before(&server).await;
    proxy.on(|r| r.is("PUT", "acl")).sequence([
        Fault::slow_down(),
        Fault::Pass,
        Fault::expired_token(),
    ]);
    proxy
        .on(|r| r.is("PUT", "acl"))
        .once(Fault::request_time_too_skewed());
    proxy
        .on(|r| r.method() == "GET")
        .always(Fault::internal_error());

    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(status(&proxy, "PUT /b?acl").await);
        seen.push(status(&proxy, "GET /b?acl").await);
        seen.push(status(&proxy, "PUT /b?policy").await);
    }
    let puts: Vec<&String> = seen.iter().step_by(3).collect();
    assert_eq!(puts, ["503", "200", "400", "403", "200"]);
    assert!(seen.iter().skip(1).step_by(3).all(|s| s == "500"));
    assert!(seen.iter().skip(2).step_by(3).all(|s| s == "200"));
    // What the proxy answered by itself has not reached the server.
    assert_eq!(server.requests().count(|r| r.is("PUT", "acl")), 2);
    assert_eq!(server.requests().count(|r| r.method() == "GET"), 0);
    assert_eq!(proxy.requests().count(|r| r.is("PUT", "acl")), 5);

    proxy.clear();
    assert_eq!(status(&proxy, "GET /b?acl").await, "200");
}

#[tokio::test]
async fn a_request_waits_before_the_server_hears_of_it() {
    let server = server("late").await;
    let proxy = before(&server).await;
    let gate = Gate::shut();
    let hold = Fault::Hold(Moment::BeforeForwarding, gate.clone());
    proxy.on(|_| true).once(hold);
    let connection = send(&proxy, "GET /", "").await;
    gate.arrived(1).await;
    assert_eq!(server.requests().all().len(), 0);
    assert_eq!(proxy.requests().all()[0].outcome(), &Outcome::InProgress);
    gate.open();
    assert!(read(connection).await.unwrap().ends_with("late"));
    assert_eq!(server.requests().all().len(), 1);
}

#[tokio::test]
async fn an_answer_waits_after_the_server_has_done_its_part() {
    let server = server("done").await;
    let proxy = before(&server).await;
    let gate = Gate::shut();
    let hold = Fault::Hold(Moment::AfterForwarding, gate.clone());
    proxy.on(|_| true).once(hold);
    let mut connection = send(&proxy, "DELETE /b?policy", "").await;
    gate.arrived(1).await;
    assert_eq!(server.requests().all().len(), 1);
    // Nothing has come yet: the socket has nothing to read.
    let nothing = connection.try_read(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    gate.open();
    let mut text = String::new();
    connection.read_to_string(&mut text).await.unwrap();
    assert!(text.ends_with("done"), "{text}");
}

#[tokio::test]
async fn a_client_that_gives_up_is_noticed() {
    for (moment, reached) in [(Moment::BeforeForwarding, 0), (Moment::AfterForwarding, 1)] {
        let server = server("").await;
        let proxy = before(&server).await;
        proxy.on(|_| true).once(Fault::NeverAnswer(moment));
        let connection = send(&proxy, "GET /", "").await;
        server.wait_for(|all| all.len() == reached).await.unwrap();
        proxy.wait_for(|all| all.len() == 1).await.unwrap();
        drop(connection);
        proxy
            .wait_for(|all| *all[0].outcome() == Outcome::NotAnswered)
            .await
            .unwrap();
        assert_eq!(server.requests().all().len(), reached);
    }
}

#[tokio::test]
async fn a_connection_is_reset_before_or_after() {
    for (moment, reached) in [(Moment::BeforeForwarding, 0), (Moment::AfterForwarding, 1)] {
        let server = server("never read").await;
        let proxy = before(&server).await;
        proxy.on(|_| true).once(Fault::Reset(moment));
        let error = read(send(&proxy, "PUT /b?acl", "").await)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(server.requests().all().len(), reached);
        proxy
            .wait_for(|all| *all[0].outcome() == Outcome::NotAnswered)
            .await
            .unwrap();
        assert_eq!(status(&proxy, "PUT /b?acl").await, "200");
    }
}

#[tokio::test]
async fn an_answer_breaks_off_in_the_middle() {
    let server = server("0123456789").await;
    let proxy = before(&server).await;
    proxy.on(|_| true).times(50, Fault::HalfAnswer);
    for _ in 0..50 {
        let answer = read(send(&proxy, "GET /", "").await).await.unwrap();
        assert!(answer.contains("content-length: 10\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n01234"), "{answer}");
    }
    assert!(
        read(send(&proxy, "GET /", "").await)
            .await
            .unwrap()
            .ends_with("0123456789")
    );
}

#[tokio::test]
async fn an_answer_without_a_body_does_not_come_at_all() {
    let server = server("").await;
    let proxy = before(&server).await;
    proxy.on(|_| true).once(Fault::HalfAnswer);
    assert_eq!(read(send(&proxy, "PUT /", "").await).await.unwrap(), "");
    assert_eq!(server.requests().all().len(), 1);
}

#[tokio::test]
async fn a_server_is_gone_and_back() {
    let server = server("back").await;
    let proxy = before(&server).await;
    let endpoint = proxy.endpoint();
    proxy
        .on(|_| true)
        .once(Fault::NeverAnswer(Moment::BeforeForwarding));
    let in_progress = send(&proxy, "GET /", "").await;
    proxy.wait_for(|all| all.len() == 1).await.unwrap();
    proxy.refuse().await.unwrap();
    assert_eq!(proxy.requests().all()[0].outcome(), &Outcome::NotAnswered);
    assert!(read(in_progress).await.unwrap_or_default().is_empty());
    let refused = TcpStream::connect(endpoint.strip_prefix("http://").unwrap())
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    proxy.come_back().await.unwrap();
    assert_eq!(proxy.endpoint(), endpoint);
    assert_eq!(status(&proxy, "GET /").await, "200");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said() {
    let server = server("").await;
    server.refuse().await.unwrap();
    let proxy = before(&server).await;
    assert_eq!(status(&proxy, "GET /").await, "502");
    assert!(matches!(
        proxy.requests().all()[0].outcome(),
        Outcome::Unreachable(_)
    ));
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let server = server("x").await;
    let proxy = before(&server).await;
    let mut connection = connect(&proxy).await;
    for count in 1..=3 {
        connection
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nx") {
            answer.push(connection.read_u8().await.unwrap());
        }
        assert_eq!(proxy.requests().all().len(), count);
    }
}

#[tokio::test]
async fn operations_of_other_protocols_are_named() {
    let server = server("{}").await;
    let proxy = before(&server).await;
    proxy
        .on(|r| r.operation().as_deref() == Some("ReceiveMessage"))
        .once(Fault::Answer(Answer::json_error(
            StatusCode::BAD_REQUEST,
            "ThrottlingException",
            "slower",
        )));
    proxy
        .on(|r| r.operation().as_deref() == Some("Publish"))
        .once(Fault::Answer(Answer::query_error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            "broken",
        )));
    let mut json = connect(&proxy).await;
    json.write_all(
        b"POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n\
          Content-Length: 2\r\nConnection: close\r\n\r\n{}",
    )
    .await
    .unwrap();
    let answer = read(json).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(
        answer.contains(r#""__type":"ThrottlingException""#),
        "{answer}"
    );
    let query = send(&proxy, "POST /", "Version=2010-03-31&Action=Publish").await;
    let answer = read(query).await.unwrap();
    assert!(
        answer.contains("<Type>Receiver</Type><Code>InternalError"),
        "{answer}"
    );
    assert_eq!(server.requests().all().len(), 0);
}

#[tokio::test]
async fn only_an_url_of_a_plain_server_is_taken() {
    for wrong in [
        "https://127.0.0.1:1",
        "127.0.0.1:1",
        "http://127.0.0.1:1/path",
        "",
    ] {
        let error = FaultProxy::start(wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{wrong}");
    }
}
