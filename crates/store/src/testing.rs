//! Tests that look inside, on both databases.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

#[path = "../tests/suite/place.rs"]
pub(crate) mod place;
#[path = "../tests/suite/samples.rs"]
pub(crate) mod samples;

/// Each test, given the address of a database of its own, on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($($test:ident,)+) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                let place = crate::testing::place::Place::sqlite();
                super::$test(&place.address()).await;
                place.remove().await;
            })+
        }

        mod postgres {
            $(#[tokio::test]
            #[ignore = "needs PostgreSQL: run cargo xtask test"]
            async fn $test() {
                let place = crate::testing::place::Place::postgres().await;
                super::$test(&place.address()).await;
                place.remove().await;
            })+
        }
    };
}

pub(crate) use on_both;
