//! Starts the sources of events.

use std::path::PathBuf;
use std::sync::Arc;

use guard::intake::{EventSink, EventSource, Form};
use guard::ports::{BucketAddress, ReadBuckets};
use intake::ops_log::{self, Nudge, OpsLogSettings};
use intake::queue::{PollSettings, poll};
use intake::sources::Sources;
use jiff::Timestamp;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use super::accounts::Connected;
use super::clock::SystemClock;
use super::two_roles::TwoRoles;
use crate::config::{Config, Source, SourceKind};
use crate::exit::Failure;
use crate::live::failure;

/// Starts every source that is read from. They end when `stop` turns true.
pub(super) fn start<S: EventSink>(
    config: &Config,
    connected: &Connected,
    sources: &Sources,
    sink: &Arc<S>,
    stop: &watch::Receiver<bool>,
    loops: &mut JoinSet<()>,
) -> Result<(), Failure> {
    for source in &config.source {
        let account = config.account.iter().find(|account| {
            let name = source.account.as_deref();
            name.is_none_or(|name| account.is_called(name))
        });
        // The configuration was checked: the account is there.
        let Some(account) = account else { continue };
        let form = match source.kind {
            SourceKind::Sqs => Form::Message,
            SourceKind::OpsLog => Form::OpsLog,
        };
        let watch = sources.add(
            EventSource {
                name: source.name.clone(),
                form,
                account: Some(account.id.clone()),
            },
            Timestamp::now(),
        );
        let (sink, stop, clock) = (Arc::clone(sink), stop.clone(), Arc::new(SystemClock));
        match source.kind {
            SourceKind::Sqs => {
                let queue = Arc::new(queue(source, connected, &account.id)?);
                loops.spawn(poll(
                    queue,
                    sink,
                    watch,
                    clock,
                    PollSettings::default(),
                    stop,
                ));
            }
            SourceKind::OpsLog => {
                let settings =
                    OpsLogSettings::new(source.socket.clone().unwrap_or_else(PathBuf::new));
                let Some(watched) = connected.accounts.get(&account.id) else {
                    continue;
                };
                let nudge = Arc::new(AskForAcl {
                    store: Arc::clone(watched.store()),
                    bucket: Mutex::new(None),
                });
                loops.spawn(ops_log::read(settings, sink, watch, clock, nudge, stop));
            }
        }
    }
    Ok(())
}

fn queue(source: &Source, connected: &Connected, account: &str) -> Result<aws::Queue, Failure> {
    let url = source.queue_url.as_deref().unwrap_or_default();
    let services = connected
        .services_of(account, source.endpoint_url.as_deref())
        .map_err(failure)?;
    aws::Queue::at(services, url).map_err(failure)
}

/// Makes a gateway write what it holds back: it logs the reading of an ACL.
struct AskForAcl {
    store: Arc<TwoRoles>,
    /// A bucket that is there.
    bucket: Mutex<Option<BucketAddress>>,
}

impl Nudge for AskForAcl {
    async fn nudge(&self) -> bool {
        let mut bucket = self.bucket.lock().await;
        if bucket.is_none() {
            let page = self.store.buckets(None, None).await;
            *bucket = page.ok().and_then(|page| page.entries.into_iter().next());
        }
        let Some(at) = bucket.as_ref() else {
            return false;
        };
        let asked = self.store.acl(at).await.is_ok();
        if !asked {
            // It may be gone: another one is taken the next time.
            *bucket = None;
        }
        asked
    }
}
