//! What arrived events asked to be looked at, and what they ask for now.

use compliance::item::BUCKET;
use guard::arrive::{ALL, Watched, arrive, read_again, was_cut};
use guard::record::Recorder;
use guard::repository::{EventFilter, Repository};
use guard::state::EventRecord;
use serde_json::{Value, json};

use super::super::failed;
use super::super::page::moment;
use super::{Difference, Outcome, Replay};
use crate::config::settings::recorder;
use crate::exit::Failure;

/// How many events are read at once.
const PAGE: u32 = 500;

/// An event that would ask for something else.
pub(super) struct OtherLook {
    event: EventRecord,
    why: String,
    /// What it asks for now instead: resources by account, type and id.
    now: Vec<(String, String, String)>,
}

impl Replay<'_> {
    pub(super) async fn arrivals(&self) -> Result<Outcome<OtherLook>, Failure> {
        let config = &self.loaded.config;
        let recorder = recorder(config);
        let watched = Watched {
            accounts: config.account.iter().map(|own| own.id.clone()).collect(),
        };
        let mut outcome = Outcome::default();
        let mut filter = EventFilter {
            resource_id: self.args.resource.clone(),
            since: self.args.since,
            limit: PAGE,
            ..EventFilter::default()
        };
        loop {
            let page = self.store.events(&filter).await.map_err(failed)?;
            let Some(last) = page.last() else {
                return Ok(outcome);
            };
            filter.after = Some((last.arrived_at, last.id.clone()));
            for mut event in page {
                if was_cut(&event) {
                    if !self.args.verify {
                        outcome.skipped += 1;
                        continue;
                    }
                    outcome.differences.push(OtherLook {
                        why: "it was too large to be kept".to_owned(),
                        now: Vec::new(),
                        event,
                    });
                    continue;
                }
                match ask_again(&event, &watched, &recorder) {
                    Ok(()) => outcome.same += 1,
                    Err((why, now)) => {
                        // What is shown does not need it, and there may be many.
                        event.detail = Value::Null;
                        outcome.differences.push(OtherLook { event, why, now });
                    }
                }
            }
        }
    }
}

type Asked = Vec<(String, String, String)>;

/// Whether an event asks for the same look again, or why not, and for what instead.
fn ask_again(
    event: &EventRecord,
    watched: &Watched,
    recorder: &Recorder,
) -> Result<(), (String, Asked)> {
    let none = |why: String| Err((why, Vec::new()));
    if !watched.accounts.contains(&event.account) {
        return none("its account is not watched".to_owned());
    }
    let read = read_again(event);
    if let Some(error) = read.rejected.first()
        && read.events.is_empty()
    {
        return none(format!("it is not understood: {error}"));
    }
    let asked: Asked = read
        .events
        .iter()
        .flat_map(|own| arrive(own, Some(&event.account), watched, event.arrived_at))
        .map(|(own, _)| (own.account, own.resource_type, own.resource_id))
        .collect();
    let same = asked.iter().any(|(account, resource_type, id)| {
        *account == event.account
            && *resource_type == event.resource_type
            && *id == event.resource_id
    });
    if !same {
        return Err(("it asks for something else".to_owned(), asked));
    }
    let recorded = match event.resource_type.as_str() {
        _ if event.resource_id == ALL => true,
        BUCKET => recorder.records_bucket(&event.resource_id),
        other => recorder.records(other),
    };
    if recorded {
        Ok(())
    } else {
        none("the resource is not recorded".to_owned())
    }
}

impl Difference for OtherLook {
    const HEADING: &'static [&'static str] = &["at", "event", "what", "account", "resource", "now"];
    const NAME: &'static str = "arrived events";

    fn row(&self) -> Vec<String> {
        let now: Vec<String> = self
            .now
            .iter()
            .map(|(account, resource_type, id)| format!("{account} {resource_type} {id}"))
            .collect();
        vec![
            moment(self.event.arrived_at),
            self.event.id.clone(),
            self.event.name.clone(),
            self.event.account.clone(),
            self.event.resource_id.clone(),
            match now.is_empty() {
                true => self.why.clone(),
                false => format!("{}: {}", self.why, now.join(", ")),
            },
        ]
    }

    fn as_json(&self) -> Value {
        let now: Vec<Value> = self
            .now
            .iter()
            .map(|(account, resource_type, id)| {
                json!({"account": account, "resource_type": resource_type, "resource_id": id})
            })
            .collect();
        json!({
            "id": self.event.id, "name": self.event.name, "at": self.event.arrived_at.to_string(),
            "account": self.event.account, "resource_type": self.event.resource_type,
            "resource_id": self.event.resource_id, "now": now, "why": self.why,
        })
    }
}
