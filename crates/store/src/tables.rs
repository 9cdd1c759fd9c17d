//! The tables by name, for whatever goes through all of them.

use Kind::{Int, Json, Text};
use compliance::notice::Notice;
use guard::repository::RepositoryError;
use serde_json::Value;

use crate::sql::Row;
use crate::{events, findings, jobs, notices, remediations, resources, watch};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Text,
    /// Text that is JSON.
    Json,
}

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// The primary key: the first columns.
    pub(crate) key: usize,
    /// Whether the key is given by the database.
    pub(crate) numbered: bool,
    pub(crate) columns: &'static [(&'static str, Kind)],
    /// Whether the guard can read a row with all of these columns.
    pub(crate) readable: fn(&Row) -> Result<(), RepositoryError>,
}

/// Every table; those that others refer to come first.
pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "resources",
        key: 1,
        numbered: true,
        columns: &[
            ("id", Int),
            ("account", Text),
            ("region", Text),
            ("resource_type", Text),
            ("resource_id", Text),
            ("version", Int),
            ("deleted", Int),
            ("observed_at", Int),
            ("item", Int),
            ("content_hash", Text),
            ("evaluations", Json),
        ],
        readable: |row| {
            resources::key(row)?;
            row.time("observed_at")?;
            resources::evaluations_from_row(row).map(drop)
        },
    },
    Table {
        name: "items",
        key: 1,
        numbered: true,
        columns: &[
            ("id", Int),
            ("resource", Int),
            ("captured_at", Int),
            ("content_hash", Text),
            ("item", Json),
        ],
        readable: |row| resources::item(row).map(drop),
    },
    Table {
        name: "evaluations",
        key: 1,
        numbered: true,
        columns: &[
            ("id", Int),
            ("resource", Int),
            ("rule_name", Text),
            ("identifier", Text),
            ("compliance_type", Text),
            ("annotation", Text),
            ("evaluated_at", Int),
            ("since", Int),
            ("latest", Int),
        ],
        readable: |row| resources::evaluation(row).map(drop),
    },
    Table {
        name: "findings",
        key: 1,
        numbered: false,
        columns: &[
            ("id", Text),
            ("resource", Int),
            ("account", Text),
            ("region", Text),
            ("resource_type", Text),
            ("resource_id", Text),
            ("cause", Text),
            ("rule_names", Json),
            ("annotation", Text),
            ("state", Text),
            ("state_detail", Json),
            ("occurrences", Int),
            ("first_opened_at", Int),
            ("opened_at", Int),
            ("resolved_at", Int),
            ("resolved_by", Text),
            ("fingerprint", Text),
            ("witness", Json),
            ("respond", Int),
            ("topics", Json),
            ("response", Text),
            ("told_at", Int),
            ("escalation_step", Int),
            ("escalated_at", Int),
        ],
        readable: |row| {
            let finding = findings::finding(row)?;
            if row.text("state")? != finding.state.name() {
                return Err(row.broken("state", "is another than its detail says"));
            }
            Ok(())
        },
    },
    Table {
        name: "exposures",
        key: 1,
        numbered: false,
        columns: &[
            ("id", Text),
            ("finding_id", Text),
            ("resource", Int),
            ("account", Text),
            ("region", Text),
            ("resource_type", Text),
            ("resource_id", Text),
            ("cause", Text),
            ("classes", Json),
            ("began_at", Int),
            ("detected_at", Int),
            ("ended_at", Int),
            ("closed_by", Text),
            ("event_id", Text),
            ("actor", Text),
            ("witness", Json),
        ],
        readable: |row| findings::exposure(row).map(drop),
    },
    Table {
        name: "events",
        key: 1,
        numbered: false,
        columns: &[
            ("id", Text),
            ("source", Text),
            ("name", Text),
            ("event_time", Int),
            ("arrived_at", Int),
            ("account", Text),
            ("region", Text),
            ("resource_type", Text),
            ("resource_id", Text),
            ("actor", Text),
            ("source_ip", Text),
            ("detail", Json),
            ("verdict_at", Int),
            ("closed_at", Int),
        ],
        readable: |row| events::event(row).map(drop),
    },
    Table {
        name: "bus_events",
        key: 1,
        numbered: true,
        columns: &[
            ("seq", Int),
            ("id", Text),
            ("account", Text),
            ("region", Text),
            ("resource_type", Text),
            ("resource_id", Text),
            ("raised_at", Int),
            ("event", Json),
            ("routes", Json),
        ],
        readable: |row| notices::bus_event(row).map(drop),
    },
    Table {
        name: "notices",
        key: 1,
        numbered: false,
        columns: &[
            ("id", Text),
            ("finding_id", Text),
            ("created_at", Int),
            ("document", Json),
        ],
        readable: |row| {
            notices::notice(row)?;
            row.json::<Notice>("document").map(drop)
        },
    },
    Table {
        name: "jobs",
        key: 1,
        numbered: true,
        columns: &[
            ("id", Int),
            ("kind", Text),
            ("key", Text),
            ("payload", Json),
            ("notice", Text),
            ("due_at", Int),
            ("ready_at", Int),
            ("again_at", Int),
            ("attempts", Int),
            ("generation", Int),
            ("claims", Int),
            ("lease", Text),
            ("created_at", Int),
            ("last_error", Text),
            ("dead_at", Int),
        ],
        readable: |row| {
            jobs::job(row)?;
            let dead = row.opt_time("dead_at")?.is_some();
            if dead == row.opt_time("ready_at")?.is_some() {
                return Err(row.broken(
                    "ready_at",
                    if dead {
                        "has a time, and the job is a dead letter"
                    } else {
                        "is empty, so that nobody ever takes the job up"
                    },
                ));
            }
            Ok(())
        },
    },
    Table {
        name: "journal",
        key: 1,
        numbered: true,
        columns: &[
            ("seq", Int),
            ("id", Text),
            ("recorded_at", Int),
            ("account", Text),
            ("bucket", Text),
            ("record", Json),
        ],
        readable: |row| remediations::record(row).map(drop),
    },
    Table {
        name: "coverage",
        key: 2,
        numbered: false,
        columns: &[
            ("account", Text),
            ("region", Text),
            ("last_event_at", Int),
            ("last_sweep_at", Int),
            ("swept", Int),
            ("undecided", Int),
            ("untold_changes", Int),
            ("gaps", Json),
            ("error", Text),
        ],
        readable: |row| watch::covered(row).map(drop),
    },
    Table {
        name: "subscriptions",
        key: 1,
        numbered: false,
        columns: &[
            ("id", Text),
            ("endpoint_digest", Text),
            ("asked_at", Int),
            ("confirmed_at", Int),
            ("unsubscribed_at", Int),
            ("disabled", Text),
        ],
        readable: |row| notices::subscription(row).map(drop),
    },
    Table {
        name: "enforcement_stop",
        key: 1,
        numbered: false,
        columns: &[
            ("id", Int),
            ("stopped_by", Text),
            ("stopped_at", Int),
            ("reason", Text),
        ],
        readable: |row| remediations::enforcement_stop(row).map(drop),
    },
    Table {
        name: "remembered",
        key: 1,
        numbered: false,
        columns: &[("name", Text), ("value", Json)],
        readable: |row| row.json::<Value>("value").map(drop),
    },
    Table {
        name: "tallies",
        key: 3,
        numbered: false,
        columns: &[("what", Text), ("name", Text), ("value", Text), ("n", Int)],
        readable: |row| row.count("n").map(drop),
    },
];
