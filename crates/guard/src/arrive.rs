//! From an event that arrived to the looks that it asks for.
//!
//! An event says where to look and nothing more. It is stored under its own id, so that a repeated
//! one asks for nothing; the looks that it makes are asked for in the same transaction. After that
//! its source may forget it.

pub(crate) mod account_wide;

use compliance::event::{self, Arrived, Concerns, Event, Source};
use compliance::item::{ACCOUNT, ACCOUNT_PUBLIC_ACCESS_BLOCK, BUCKET, VOLUME};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::state::{EventRecord, JobKind, NewJob};

/// Stands for every resource of an account in [`EventRecord::resource_id`].
pub const ALL: &str = "*";

/// Which accounts are watched, and which of them a source is about when its events do not say.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Their ids.
    pub accounts: Vec<String>,
}

/// The key of the job that looks at a resource.
pub fn look_key(account: &str, resource_type: &str, resource_id: &str) -> String {
    format!("look {account} {resource_type} {resource_id}")
}

/// The job that looks at a resource. Its payload may say more:
///
/// - `everything`: read what no verdict depends on as well;
/// - `anew`: what is there may be another bucket than the recorded one, of the same name;
/// - `region`: where a volume is said to be.
pub fn look(account: &str, resource_type: &str, resource_id: &str, due_at: Timestamp) -> NewJob {
    NewJob {
        kind: JobKind::Look,
        key: look_key(account, resource_type, resource_id),
        payload: json!({
            "account": account,
            "resourceType": resource_type,
            "resourceId": resource_id,
        }),
        due_at,
    }
}

/// The same job, where nothing happened that gives cause to it.
pub fn review(account: &str, resource_type: &str, resource_id: &str, due_at: Timestamp) -> NewJob {
    NewJob {
        kind: JobKind::Review,
        ..look(account, resource_type, resource_id, due_at)
    }
}

/// The payload of a look that is asked for twice: whatever either says stands, and the later where both
/// say it.
pub(crate) fn joined(before: &Value, asked: &Value) -> Value {
    let (Some(old), Some(new)) = (before.as_object(), asked.as_object()) else {
        return asked.clone();
    };
    let mut joined = old.clone();
    joined.extend(new.clone());
    let mut joined = Value::Object(joined);
    account_wide::join(&mut joined, before);
    joined
}

/// The job that goes through an account.
pub fn sweep(account: &str, due_at: Timestamp) -> NewJob {
    NewJob {
        kind: JobKind::Sweep,
        key: format!("sweep {account}"),
        payload: json!({"account": account}),
        due_at,
    }
}

/// What an event asks for: for each account that it concerns, a record and its jobs. Empty: it is
/// about nothing that is watched, or changed nothing.
///
/// `from` is the account that the source is about; it counts where the event does not tell one.
pub fn arrive(
    event: &Event,
    from: Option<&str>,
    watched: &Watched,
    now: Timestamp,
) -> Vec<(EventRecord, Vec<NewJob>)> {
    if !event.may_have_changed() {
        return Vec::new();
    }
    let told = event.account.as_deref().or(from);
    let (accounts, resource_type, resource_id) = match &event.concerns {
        Concerns::Nothing => return Vec::new(),
        Concerns::Bucket(bucket) | Concerns::Object { bucket, .. } => {
            (told.into_iter().collect(), BUCKET, bucket.as_str())
        }
        Concerns::AccessPoint {
            bucket: Some(bucket),
            ..
        } => (told.into_iter().collect(), BUCKET, bucket.as_str()),
        Concerns::AccessPoint { bucket: None, .. } => (told.into_iter().collect(), BUCKET, ALL),
        Concerns::Volume(id) => (told.into_iter().collect(), VOLUME, id.as_str()),
        Concerns::Account(account) => (vec![account.as_str()], ACCOUNT, ALL),
        Concerns::AllBuckets => (
            watched.accounts.iter().map(String::as_str).collect(),
            BUCKET,
            ALL,
        ),
    };
    let accounts: Vec<&str> = accounts
        .into_iter()
        .filter(|account| watched.accounts.iter().any(|own| own == account))
        .collect();
    let several = accounts.len() > 1;
    accounts
        .into_iter()
        .map(|account| {
            let record = EventRecord {
                id: if several {
                    format!("{}@{account}", event.id)
                } else {
                    event.id.clone()
                },
                source: event.source.as_str().to_owned(),
                name: event.name.clone(),
                // Nothing happens after it was told; a clock that is ahead, or a lie, is not believed.
                event_time: event.time.min(now),
                arrived_at: now,
                account: account.to_owned(),
                region: event.region.clone(),
                resource_type: resource_type.to_owned(),
                resource_id: resource_id.to_owned(),
                actor: event.actor.clone(),
                source_ip: event.source_ip.clone(),
                detail: bounded(&event.detail),
                verdict_at: None,
                closed_at: None,
            };
            let jobs = if resource_id == ALL {
                let mut jobs = match &event.concerns {
                    Concerns::AccessPoint { .. } => Vec::new(),
                    // The account's own settings are resources as well.
                    _ => [ACCOUNT_PUBLIC_ACCESS_BLOCK, ACCOUNT]
                        .map(|own| look(account, own, account, now))
                        .into(),
                };
                for look in &mut jobs {
                    account_wide::made_for(look, std::slice::from_ref(&record));
                }
                jobs.push(sweep(account, now));
                jobs
            } else {
                let mut look = look(account, resource_type, resource_id, now);
                if !event.is_about_access_only() {
                    look.payload["everything"] = json!(true);
                }
                if event.makes_or_removes() {
                    look.payload["anew"] = json!(true);
                }
                if let (Concerns::Volume(_), Some(region)) = (&event.concerns, &event.region) {
                    look.payload["region"] = json!(region);
                }
                vec![look]
            };
            (record, jobs)
        })
        .collect()
}

/// Reads a stored event again, as today's reader does. What surrounded it (an envelope, a notification) is
/// not kept; what it told of the event stands in the record.
pub fn read_again(record: &EventRecord) -> Arrived {
    let detail = &record.detail;
    let source = Source::parse(&record.source);
    if source == Some(Source::OpsLog) {
        return match event::read_ops_log(&detail.to_string()) {
            Ok(event) => Arrived {
                events: vec![event],
                rejected: Vec::new(),
            },
            Err(error) => Arrived {
                events: Vec::new(),
                rejected: vec![error],
            },
        };
    }
    if detail["eventSource"] == "aws:s3" {
        return event::read(&detail.to_string());
    }
    let (from, kind) = match source {
        Some(Source::Storage) => ("aws.s3", record.name.as_str()),
        Some(Source::Config) if detail.get("messageType").is_some() => {
            ("aws.config", record.name.as_str())
        }
        _ => ("aws.cloudtrail", "AWS API Call via CloudTrail"),
    };
    let envelope = json!({
        "id": record.id,
        "time": record.event_time.to_string(),
        "account": record.account,
        "region": record.region,
        "source": from,
        "detail-type": kind,
        "detail": detail,
    });
    event::read(&envelope.to_string())
}

/// Whether the event's own text was too large to be kept.
pub fn was_cut(record: &EventRecord) -> bool {
    record.detail.get(CUT).is_some()
}

/// The only member of what is kept in place of a text that is too large.
const CUT: &str = "portcullis";

/// How much of an event's own text is kept.
const LARGEST_DETAIL: usize = 64 * 1024;

fn bounded(detail: &Value) -> Value {
    let size = detail.to_string().len();
    if size <= LARGEST_DETAIL {
        return detail.clone();
    }
    json!({CUT: format!("the event had {size} bytes and was not kept")})
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use compliance::event::Source;

    use super::*;

    fn event(concerns: Concerns) -> Event {
        Event {
            id: "e-1".to_owned(),
            source: Source::CloudTrail,
            name: "PutBucketAcl".to_owned(),
            time: "2026-01-01T00:00:00Z".parse().unwrap(),
            account: Some("111122223333".to_owned()),
            region: Some("eu-central-1".to_owned()),
            actor: None,
            source_ip: None,
            user_agent: None,
            error_code: None,
            concerns,
            detail: Value::Null,
        }
    }

    fn watched() -> Watched {
        Watched {
            accounts: vec!["111122223333".to_owned(), "444455556666".to_owned()],
        }
    }

    fn keys(event: &Event, from: Option<&str>) -> Vec<String> {
        arrive(
            event,
            from,
            &watched(),
            "2026-01-01T00:00:01Z".parse().unwrap(),
        )
        .into_iter()
        .flat_map(|(record, jobs)| {
            assert!(record.event_time <= record.arrived_at);
            jobs.into_iter()
                .map(move |job| format!("{} <- {}", job.key, record.id))
        })
        .collect()
    }

    #[test]
    fn an_event_asks_for_what_it_concerns() {
        let bucket = || Concerns::Bucket("b".to_owned());
        for (concerns, asked) in [
            (bucket(), vec!["look 111122223333 AWS::S3::Bucket b <- e-1"]),
            (
                Concerns::AccessPoint {
                    name: "p".to_owned(),
                    bucket: None,
                },
                vec!["sweep 111122223333 <- e-1"],
            ),
            (
                Concerns::Account("444455556666".to_owned()),
                vec![
                    "look 444455556666 AWS::S3::AccountPublicAccessBlock 444455556666 <- e-1",
                    "look 444455556666 AWS::::Account 444455556666 <- e-1",
                    "sweep 444455556666 <- e-1",
                ],
            ),
            (Concerns::Account("999999999999".to_owned()), vec![]),
            (
                Concerns::AllBuckets,
                vec![
                    "look 111122223333 AWS::S3::AccountPublicAccessBlock 111122223333 <- e-1@111122223333",
                    "look 111122223333 AWS::::Account 111122223333 <- e-1@111122223333",
                    "sweep 111122223333 <- e-1@111122223333",
                    "look 444455556666 AWS::S3::AccountPublicAccessBlock 444455556666 <- e-1@444455556666",
                    "look 444455556666 AWS::::Account 444455556666 <- e-1@444455556666",
                    "sweep 444455556666 <- e-1@444455556666",
                ],
            ),
            (Concerns::Nothing, vec![]),
        ] {
            assert_eq!(keys(&event(concerns.clone()), None), asked, "{concerns:?}");
        }
        let mut untold = event(bucket());
        untold.account = None;
        assert_eq!(keys(&untold, None), Vec::<String>::new());
        assert_eq!(keys(&untold, Some("444455556666")).len(), 1);
        let mut refused = event(bucket());
        refused.error_code = Some("AccessDenied".to_owned());
        assert_eq!(keys(&refused, None), Vec::<String>::new());
        let mut tomorrow = event(bucket());
        tomorrow.time = "2027-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(keys(&tomorrow, None).len(), 1);
    }
}
