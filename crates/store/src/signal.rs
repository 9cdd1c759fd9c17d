//! Telling workers that there is work.

use std::time::Duration;

use sqlx::Executor;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

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
    pub(crate) fn listening(options: PgConnectOptions, patience: Duration) -> Signal {
        let sender = watch::Sender::new(0);
        let heard = sender.clone();
        Signal {
            sender,
            listener: Some(tokio::spawn(listen(options, patience, heard))),
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

/// How long nothing may be heard before the server is asked whether it is still there. Where the way to
/// it fell silent, nothing would tell of that; work is looked for all the same, only later.
const SILENCE: Duration = Duration::from_secs(30);

/// Listens as long as the store is open, and connects again when the connection breaks.
async fn listen(options: PgConnectOptions, patience: Duration, heard: watch::Sender<u64>) {
    const FIRST: Duration = Duration::from_millis(100);
    const MOST: Duration = Duration::from_secs(5);
    let mut wait = FIRST;
    loop {
        // A connection beside the others: one that hangs when it is given back takes none of theirs.
        let own = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(patience)
            .connect_lazy_with(options.clone());
        if let Ok(mut listener) = PgListener::connect_with(&own).await
            && let Ok(Ok(())) = timeout(patience, listener.listen(CHANNEL)).await
        {
            wait = FIRST;
            listener.eager_reconnect(false);
            // What was told while nobody listened is not told again.
            raise(&heard);
            while is_told(&mut listener, patience).await {
                raise(&heard);
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(MOST);
    }
}

/// Waits until something is told. `false`: the connection broke, or does not answer any more; it is made
/// anew by whoever listens, so that the loss is known.
async fn is_told(listener: &mut PgListener, patience: Duration) -> bool {
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(told) => return matches!(told, Ok(Some(_))),
            Err(_) => {
                let asked = timeout(patience, (&mut *listener).execute("SELECT 1")).await;
                if !matches!(asked, Ok(Ok(_))) {
                    return false;
                }
            }
        }
    }
}
