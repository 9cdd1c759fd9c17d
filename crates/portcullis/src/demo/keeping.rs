//! What must not change: the closed buckets, and what others may do with the open ones.

use sandbox::estate::{self, Example};

use super::proof::Outcome;
use crate::exit::Failure;

/// One look at everything that must stay.
#[derive(Clone, Debug)]
pub(super) struct Keeping {
    controls: Vec<Control>,
    visits: Vec<Visit>,
    grants: Vec<Grants>,
}

/// A closed bucket.
#[derive(Clone, Debug)]
struct Control {
    bucket: &'static str,
    story: &'static str,
    configuration: Vec<(&'static str, String)>,
    outsider: Outcome,
}

/// Somebody who is let in on purpose.
#[derive(Clone, Debug)]
struct Visit {
    bucket: &'static str,
    target: String,
    outcome: Outcome,
}

/// The grants of an open bucket's ACL, as the endpoint writes them to the owner.
#[derive(Clone, Debug)]
struct Grants {
    bucket: &'static str,
    written: Vec<String>,
}

impl Keeping {
    pub(super) async fn look(endpoint: &str) -> Result<Keeping, Failure> {
        let silent = |error| Failure::incomplete(format!("the sandbox does not answer: {error}"));
        let mut controls = Vec::new();
        for example in estate::closed() {
            controls.push(Control {
                bucket: example.name,
                story: example.story,
                configuration: example.configuration(endpoint).await.map_err(silent)?,
                outsider: Outcome::of(&example.outsider.send(endpoint).await.map_err(silent)?),
            });
        }
        let mut visits = Vec::new();
        let all: Vec<Example> = [estate::open(), estate::closed()].concat();
        for example in &all {
            for visit in &example.keeps {
                visits.push(Visit {
                    bucket: example.name,
                    target: visit.target.clone(),
                    outcome: Outcome::of(&visit.send(endpoint).await.map_err(silent)?),
                });
            }
        }
        let mut grants = Vec::new();
        for example in estate::open() {
            let parts = example.configuration(endpoint).await.map_err(silent)?;
            let acl = parts.iter().find(|(part, _)| *part == "acl");
            grants.push(Grants {
                bucket: example.name,
                written: acl.map(|(_, text)| grants_of(text)).unwrap_or_default(),
            });
        }
        Ok(Keeping {
            controls,
            visits,
            grants,
        })
    }

    /// What stayed, and what did not.
    pub(super) fn compare(&self, now: &Keeping) -> Vec<Result<String, String>> {
        let controls = self.controls.iter().zip(&now.controls).map(|(was, is)| {
            let name = was.bucket;
            if was.configuration != is.configuration {
                return Err(format!("{name}: its configuration changed"));
            }
            if !was.outsider.is_refusal() || !is.outsider.is_refusal() {
                return Err(format!("{name}: an outsider got {}", is.outsider.summary()));
            }
            Ok(format!("{name:<17} closed and untouched: {}", was.story))
        });
        let visits = self.visits.iter().zip(&now.visits).map(|(was, is)| {
            let name = was.bucket;
            if was.outcome.status != 200 || is.outcome.status != 200 {
                return Err(format!(
                    "{name}: the partner got {} before and {} after",
                    was.outcome.summary(),
                    is.outcome.summary()
                ));
            }
            if was.outcome.body != is.outcome.body {
                return Err(format!(
                    "{name}: the partner sees something else than before"
                ));
            }
            Ok(format!("{name:<17} the partner still gets {}", was.target))
        });
        let grants = self.grants.iter().zip(&now.grants).filter_map(|(was, is)| {
            let name = was.bucket;
            let others: Vec<&String> = was.written.iter().filter(|g| !is_public(g)).collect();
            if is.written.iter().collect::<Vec<_>>() != others {
                return Some(Err(format!("{name}: grants to others changed")));
            }
            // The owner's own grant goes without saying.
            let kept = others.len().saturating_sub(1);
            (kept > 0).then(|| {
                Ok(format!(
                    "{name:<17} {kept} grants to others stand as they did"
                ))
            })
        });
        controls.chain(visits).chain(grants).collect()
    }
}

/// The `Grant` elements of an ACL document, each as its text.
fn grants_of(acl: &str) -> Vec<String> {
    acl.split("<Grant>")
        .skip(1)
        .filter_map(|rest| rest.split("</Grant>").next())
        .map(str::to_owned)
        .collect()
}

fn is_public(grant: &str) -> bool {
    ["/AllUsers<", "/AuthenticatedUsers<"]
        .iter()
        .any(|group| grant.contains(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, body: &str) -> Outcome {
        Outcome {
            status,
            code: (status == 403).then(|| "AccessDenied".to_owned()),
            body: body.to_owned(),
        }
    }

    fn look() -> Keeping {
        let grant = |text: &str| text.to_owned();
        Keeping {
            controls: vec![Control {
                bucket: "control",
                story: "closed",
                configuration: vec![("policy", "{}".to_owned())],
                outsider: outcome(403, ""),
            }],
            visits: vec![Visit {
                bucket: "open",
                target: "/open/key".to_owned(),
                outcome: outcome(200, "data"),
            }],
            grants: vec![Grants {
                bucket: "open",
                written: vec![
                    grant("<ID>owner</ID>"),
                    grant("<URI>http://x/LogDelivery</URI>"),
                ],
            }],
        }
    }

    /// What is wrong after `change` happened to what is looked at the second time.
    fn lost(change: impl FnOnce(&mut Keeping)) -> Vec<String> {
        let mut before = look();
        before.grants[0]
            .written
            .push("<URI>http://x/AllUsers</URI>".to_owned());
        let mut now = look();
        change(&mut now);
        before
            .compare(&now)
            .into_iter()
            .filter_map(Result::err)
            .collect()
    }

    #[test]
    fn whatever_changes_is_told() {
        assert_eq!(lost(|_| ()), Vec::<String>::new());
        assert_eq!(
            lost(|now| now.controls[0].configuration[0].1.push(' ')),
            ["control: its configuration changed"]
        );
        assert_eq!(
            lost(|now| now.controls[0].outsider = outcome(200, "")),
            ["control: an outsider got 200"]
        );
        assert_eq!(
            lost(|now| now.visits[0].outcome = outcome(403, "")),
            ["open: the partner got 200 before and 403 AccessDenied after"]
        );
        assert_eq!(
            lost(|now| now.visits[0].outcome = outcome(200, "other")),
            ["open: the partner sees something else than before"]
        );
        assert_eq!(
            lost(|now| drop(now.grants[0].written.pop())),
            ["open: grants to others changed"]
        );
        // A public grant that is still there is one too many.
        assert_eq!(
            lost(|now| now.grants[0]
                .written
                .push("<URI>http://x/AllUsers</URI>".to_owned())),
            ["open: grants to others changed"]
        );
    }

    #[test]
    fn grants_are_told_apart() {
        let acl = "<A><Grant><URI>http://x/AllUsers</URI>READ</Grant><Grant><ID>1</ID></Grant></A>";
        let grants = grants_of(acl);
        assert_eq!(grants.len(), 2);
        assert_eq!(
            grants.iter().map(|g| is_public(g)).collect::<Vec<_>>(),
            [true, false]
        );
    }
}
