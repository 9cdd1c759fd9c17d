//! Keys that are renewed where they are kept, while calls are made with them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use aws::{AssumedRole, Credentials, KeptKey, Store, connect_with_key};
use guard::error::{CallError, Hopeless};
use guard::pace::{Pace, PaceSettings};
use guard::ports::ReadBuckets;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const OLD: &str = "AKIDOLDOLDOLDOLDOLD0";
const NEW: &str = "AKIDNEWNEWNEWNEWNEW0";

/// Where the key is kept, and the store that it is for: both as the test says at the moment.
#[derive(Clone)]
struct World(Arc<Mutex<State>>);

struct State {
    kept: Result<&'static str, &'static str>,
    /// The key that the store knows. The sessions of another end with it.
    known: &'static str,
    /// When sessions end by themselves.
    sessions_end: &'static str,
    /// How often a role was assumed.
    assumed: usize,
}

impl World {
    fn new() -> World {
        World(Arc::new(Mutex::new(State {
            kept: Ok(OLD),
            known: OLD,
            sessions_end: "2200-01-01T00:00:00Z",
            assumed: 0,
        })))
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap());
    }

    async fn store(&self, role: Option<&AssumedRole>) -> Store {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let world = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let world = world.clone();
                tokio::spawn(async move { world.answer(stream).await });
            }
        });
        let world = self.clone();
        let key = KeptKey::new(move || match world.0.lock().unwrap().kept {
            Ok(id) => Ok(Credentials::new(id, "its-secret", None, None, "tests")),
            Err(why) => Err(why.to_owned()),
        });
        let pace = Pace::new(PaceSettings::default(), 1);
        connect_with_key(&endpoint, "us-east-1", key, role, &pace)
            .await
            .unwrap()
    }

    async fn answer(&self, mut stream: TcpStream) {
        let mut request = String::new();
        let is_whole = |request: &str| {
            let Some((head, body)) = request.split_once("\r\n\r\n") else {
                return false;
            };
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse().unwrap_or(0))
            });
            body.len() >= length.unwrap_or(0)
        };
        while !is_whole(&request) {
            let mut part = [0; 4096];
            match stream.read(&mut part).await {
                Ok(0) | Err(_) => return,
                Ok(count) => request.push_str(&String::from_utf8_lossy(&part[..count])),
            }
        }
        let (status, body) = self.says(&request);
        let answer = format!(
            "HTTP/1.1 {status} As Planned\r\nserver: MinIO\r\ncontent-type: application/xml\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let _ = stream.write_all(answer.as_bytes()).await;
    }

    fn says(&self, request: &str) -> (u16, String) {
        let (_, signed) = request.split_once("Credential=").unwrap();
        let (id, _) = signed.split_once('/').unwrap();
        let mut state = self.0.lock().unwrap();
        if request.contains("Action=AssumeRole") {
            if id != state.known {
                let code = "InvalidClientTokenId";
                let body = format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message>\
                     </Error></ErrorResponse>"
                );
                return (403, body);
            }
            state.assumed += 1;
            let body = format!(
                "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>SESSION-OF-{id}\
                 </AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token\
                 </SessionToken><Expiration>{}</Expiration></Credentials></AssumeRoleResult>\
                 </AssumeRoleResponse>",
                state.sessions_end
            );
            return (200, body);
        }
        if id.trim_start_matches("SESSION-OF-") != state.known {
            let body = "<Error><Code>InvalidAccessKeyId</Code><Message>unknown</Message></Error>";
            return (403, body.to_owned());
        }
        let body = "<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>";
        (200, body.to_owned())
    }
}

fn role() -> AssumedRole {
    AssumedRole {
        arn: "arn:aws:iam::111122223333:role/reader".to_owned(),
        external_id: None,
        session: "tests".to_owned(),
    }
}

async fn is_refused(store: &Store) -> String {
    match store.buckets(None, None).await {
        Err(CallError::Hopeless(Hopeless::WrongCredentials { detail })) => detail,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_refused_key_is_read_again_for_the_next_call() {
    let world = World::new();
    let store = world.store(None).await;
    // The store has another one already, and nobody has put it where it is kept.
    world.change(|state| state.known = NEW);
    is_refused(&store).await;
    is_refused(&store).await;
    world.change(|state| state.kept = Ok(NEW));
    store.buckets(None, None).await.unwrap();
    assert_eq!(store.renewal_trouble(), None);
}

#[tokio::test]
async fn what_cannot_be_read_leaves_the_key_before_in_use_and_is_said() {
    let world = World::new();
    let store = world.store(None).await;
    world.change(|state| {
        state.kept = Err("secret.txt: no such file");
        state.known = NEW;
    });
    is_refused(&store).await;
    let why = is_refused(&store).await;
    assert!(why.contains("secret.txt: no such file"), "{why}");
    // It was the store that erred.
    world.change(|state| state.known = OLD);
    store.buckets(None, None).await.unwrap();
    let trouble = store.renewal_trouble().unwrap();
    assert!(trouble.contains("secret.txt: no such file"), "{trouble}");
    world.change(|state| {
        state.kept = Ok(NEW);
        state.known = NEW;
    });
    is_refused(&store).await;
    store.buckets(None, None).await.unwrap();
    assert_eq!(store.renewal_trouble(), None);
}

#[tokio::test]
async fn a_role_is_assumed_again_when_its_session_is_refused() {
    let world = World::new();
    let store = world.store(Some(&role())).await;
    store.buckets(None, None).await.unwrap();
    world.change(|state| {
        assert_eq!(state.assumed, 1, "one session serves many calls");
        state.known = NEW;
        state.kept = Ok(NEW);
    });
    is_refused(&store).await;
    // The role is assumed with the key before, which is refused, and at once with the new one.
    store.buckets(None, None).await.unwrap();
    store.buckets(None, None).await.unwrap();
    world.change(|state| assert_eq!(state.assumed, 2));
}

#[tokio::test]
async fn a_session_that_ends_is_followed_by_one_of_the_new_key() {
    let world = World::new();
    world.change(|state| state.sessions_end = "2020-01-01T00:00:00Z");
    let store = world.store(Some(&role())).await;
    world.change(|state| {
        state.known = NEW;
        state.kept = Ok(NEW);
    });
    store.buckets(None, None).await.unwrap();
}
