//! The proxy that does not read along, over real connections.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};

use faults::{ConnectionFault, Direction, End, Gate, TcpProxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server that sends back what it gets, until the client has ended.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

async fn connect(proxy: &TcpProxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn through(connection: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    connection.write_all(text).await?;
    let mut back = vec![0; text.len()];
    connection.read_exact(&mut back).await?;
    Ok(back)
}

#[tokio::test]
async fn without_a_plan_everything_goes_both_ways() {
    let proxy = TcpProxy::start(echo().await).await.unwrap();
    let mut connection = connect(&proxy).await;
    let text = b"0123456789abcdef".repeat(10_000);
    let (mut from, mut to) = connection.split();
    let mut back = Vec::new();
    let (sent, got) = tokio::join!(
        async {
            to.write_all(&text).await?;
            to.shutdown().await
        },
        from.read_to_end(&mut back)
    );
    sent.unwrap();
    got.unwrap();
    assert!(back == text);
    let ended = proxy.wait_for(|all| all[0].ended).await.unwrap();
    assert_eq!(ended[0].to_server, 160_000);
    assert_eq!(ended[0].to_client, 160_000);
}

#[tokio::test]
async fn a_connection_ends_after_so_many_bytes() {
    let proxy = TcpProxy::start(echo().await).await.unwrap();
    let cut = |direction| ConnectionFault::Cut(direction, 4, End::Close);
    proxy.next(1, &cut(Direction::ToClient));
    proxy.next(1, &cut(Direction::ToServer));

    let mut connection = connect(&proxy).await;
    assert_eq!(through(&mut connection, b"ab").await.unwrap(), b"ab");
    connection.write_all(b"cdef").await.unwrap();
    let mut rest = Vec::new();
    connection.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"cd");

    let mut connection = connect(&proxy).await;
    assert_eq!(through(&mut connection, b"ab").await.unwrap(), b"ab");
    connection.write_all(b"cd").await.unwrap();
    // What comes back of it is a race; that it ends is none.
    let _ = connection.read_to_end(&mut rest).await;
    let ended = proxy.wait_for(|all| all[1].ended).await.unwrap();
    assert_eq!((ended[0].to_server, ended[0].to_client), (6, 4));
    assert_eq!(ended[1].to_server, 4);

    // Nothing is planned any more.
    let mut connection = connect(&proxy).await;
    assert_eq!(
        through(&mut connection, b"abcdef").await.unwrap(),
        b"abcdef"
    );
}

#[tokio::test]
async fn a_connection_is_reset() {
    let proxy = TcpProxy::start(echo().await).await.unwrap();
    proxy.next(1, &ConnectionFault::Reset);
    proxy.next(1, &ConnectionFault::Cut(Direction::ToClient, 2, End::Reset));

    let mut connection = connect(&proxy).await;
    let error = connection.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);

    let mut connection = connect(&proxy).await;
    connection.write_all(b"abcd").await.unwrap();
    let error = connection.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_connection_waits_or_is_never_served() {
    let proxy = TcpProxy::start(echo().await).await.unwrap();
    let gate = Gate::shut();
    proxy.next(1, &ConnectionFault::Hold(gate.clone()));
    let mut held = connect(&proxy).await;
    held.write_all(b"ab").await.unwrap();
    gate.arrived(1).await;
    assert_eq!(proxy.connections().all()[0].to_server, 0);
    gate.open();
    let mut back = [0; 2];
    held.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"ab");

    proxy.always(ConnectionFault::Silence);
    let mut silent = connect(&proxy).await;
    silent.write_all(b"ab").await.unwrap();
    silent.shutdown().await.unwrap();
    // It ends because the client has, and not a byte went anywhere.
    assert_eq!(silent.read(&mut back).await.unwrap(), 0);
    let ended = proxy.wait_for(|all| all[1].ended).await.unwrap();
    assert_eq!((ended[1].to_server, ended[1].to_client), (0, 0));
}

#[tokio::test]
async fn a_server_is_gone_and_back() {
    let proxy = TcpProxy::start(echo().await).await.unwrap();
    let mut connection = connect(&proxy).await;
    through(&mut connection, b"a").await.unwrap();
    proxy.disconnect().await.unwrap();
    assert!(through(&mut connection, b"b").await.is_err());
    let mut connection = connect(&proxy).await;
    through(&mut connection, b"c").await.unwrap();
    proxy.refuse().await.unwrap();
    assert!(through(&mut connection, b"d").await.is_err());
    let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    proxy.come_back().await.unwrap();
    through(&mut connect(&proxy).await, b"e").await.unwrap();
    assert_eq!(proxy.connections().count(|c| c.ended), 2);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run cargo xtask test"]
async fn a_database_is_reached_through_it() {
    let url = std::env::var("PORTCULLIS_TEST_POSTGRES").unwrap_or_else(|_| {
        panic!(
            "PORTCULLIS_TEST_POSTGRES is not set: this test needs PostgreSQL; run cargo xtask test"
        )
    });
    let address = url
        .split(['@', '/'])
        .find(|part| part.starts_with("127.0.0.1:"));
    let proxy = TcpProxy::start(address.unwrap().parse().unwrap())
        .await
        .unwrap();
    let mut connection = connect(&proxy).await;
    // SSLRequest: <https://www.postgresql.org/docs/15/protocol-message-formats.html>
    connection
        .write_all(&[0, 0, 0, 8, 4, 210, 22, 47])
        .await
        .unwrap();
    let answer = connection.read_u8().await.unwrap();
    assert!(answer == b'S' || answer == b'N', "{answer}");
}

#[tokio::test]
async fn connections_fall_silent_and_new_ones_do_not() {
    let proxy = TcpProxy::start(echo().await).await.unwrap();
    let mut old = connect(&proxy).await;
    assert_eq!(through(&mut old, b"before").await.unwrap(), b"before");
    proxy.silence();
    old.write_all(b"after").await.unwrap();
    let mut new = connect(&proxy).await;
    assert_eq!(through(&mut new, b"new").await.unwrap(), b"new");
    let nothing = old.try_read(&mut [0]).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock, "open, and silent");
    drop(old);
    let ended = proxy.wait_for(|all| all[0].ended).await.unwrap();
    assert_eq!(ended[0].to_server, 6, "nothing came through any more");
}
