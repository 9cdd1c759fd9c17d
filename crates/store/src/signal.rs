//! Telling workers that there is work.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::Failure;
use crate::sql::{Dialect, Session, query};

/// PostgreSQL's channel.
const CHANNEL: &str = "portcullis_work";

/// Who waits for work hears of it here.
#[derive(Debug)]
pub(crate) struct Signal {
    sender: watch::Sender<u64>,
    listener: Option<JoinHandle<()>>,
}

impl Signal {
    /// Heard within this process only.
    pub(crate) fn within_process() -> Signal {
        Signal {
            sender: watch::Sender::new(0),
            listener: None,
        }
    }

    /// Heard from other processes too.
    pub(crate) fn listening(pool: PgPool) -> Signal {
        let sender = watch::Sender::new(0);
        let heard = sender.clone();
        Signal {
            sender,
            listener: Some(tokio::spawn(listen(pool, heard))),
        }
    }

    /// Work was asked for and committed, here.
    pub(crate) fn raise(&self) {
        raise(&self.sender);
    }

    /// Ready once work was asked for after this call, not after the first poll.
    pub(crate) fn wait(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut receiver = self.sender.subscribe();
        async move {
            if receiver.changed().await.is_err() {
                // The store is gone: nobody asks for work any more.
                std::future::pending::<()>().await;
            }
        }
    }

    pub(crate) fn stop(&self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        self.stop();
    }
}

fn raise(sender: &watch::Sender<u64>) {
    sender.send_modify(|count| *count = count.wrapping_add(1));
}

/// Tells the other processes, when the transaction is committed.
pub(crate) async fn notify(session: &mut Session) -> Result<(), Failure> {
    if session.dialect() == Dialect::Postgres {
        session
            .rows(query("jobs", "SELECT CAST(pg_notify($1, '') AS TEXT) AS notified").bind(CHANNEL))
            .await?;
    }
    Ok(())
}

/// Listens as long as the store is open, and connects again when the connection breaks.
async fn listen(pool: PgPool, heard: watch::Sender<u64>) {
    const FIRST: Duration = Duration::from_millis(100);
    const MOST: Duration = Duration::from_secs(5);
    let mut wait = FIRST;
    loop {
        if let Ok(mut listener) = PgListener::connect_with(&pool).await
            && listener.listen(CHANNEL).await.is_ok()
        {
            wait = FIRST;
            listener.eager_reconnect(false);
            // What was told while nobody listened is not told again.
            raise(&heard);
            // `None`: the connection broke. It is made anew here, so that the loss is known.
            while let Ok(Some(_)) = listener.try_recv().await {
                raise(&heard);
            }
        }
        if pool.is_closed() {
            return;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(MOST);
    }
}
