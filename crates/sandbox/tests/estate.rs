//! The example estate is what it says: open where it says open, closed where it says closed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use sandbox::estate::{self, Example, Person};

async fn answer(example: &Example, endpoint: &str) -> (u16, bool, Option<String>) {
    let answer = example.outsider.send(endpoint).await.unwrap();
    let shows = answer.text().contains(example.outsider.shows);
    (answer.status.as_u16(), shows, answer.error_code())
}

#[tokio::test]
async fn every_bucket_is_as_open_as_it_says() {
    let sandbox = estate::start(0).await.unwrap();
    let endpoint = sandbox.endpoint();
    let refused = (403, false, Some("AccessDenied".to_owned()));
    for example in estate::open() {
        assert_eq!(
            answer(&example, &endpoint).await,
            (200, true, None),
            "{}",
            example.name
        );
    }
    for example in estate::closed() {
        assert_eq!(
            answer(&example, &endpoint).await,
            refused,
            "{}",
            example.name
        );
    }
    for example in estate::later() {
        assert_eq!(
            answer(&example, &endpoint).await,
            refused,
            "{}",
            example.name
        );
        example.configure(&endpoint).await.unwrap();
        assert_eq!(
            answer(&example, &endpoint).await,
            (200, true, None),
            "{}",
            example.name
        );
    }
    for example in estate::open()
        .iter()
        .chain(&estate::closed())
        .chain(&estate::later())
    {
        for kept in &example.keeps {
            let answer = kept.send(&endpoint).await.unwrap();
            assert_eq!(answer.status.as_u16(), 200, "{} {kept:?}", example.name);
            assert!(answer.text().contains(kept.shows), "{}", example.name);
        }
    }
    let anonymous = estate::open()
        .iter()
        .filter(|e| e.outsider.person == Person::Anonymous)
        .count();
    assert!(anonymous >= 6, "{anonymous}");
}
