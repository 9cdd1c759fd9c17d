-- Times are microseconds since 1970 UTC; documents are JSON; flags are 0 and 1.
-- {id}: a number that is given by the database and never given again.
-- {text}: text whose order counts, and is by bytes.

CREATE TABLE resources (
    id {id},
    account {text} NOT NULL,
    region TEXT NOT NULL,
    resource_type {text} NOT NULL,
    resource_id {text} NOT NULL,
    version BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    observed_at BIGINT NOT NULL,
    -- The newest item.
    item BIGINT NOT NULL,
    content_hash TEXT NOT NULL,
    -- What each rule says now, whole: read and written with the resource.
    evaluations TEXT NOT NULL
);
CREATE UNIQUE INDEX resources_key ON resources (account, resource_type, resource_id);
CREATE INDEX resources_item ON resources (item) WHERE deleted = 0;

CREATE TABLE items (
    id {id},
    resource BIGINT NOT NULL REFERENCES resources (id),
    captured_at BIGINT NOT NULL,
    content_hash TEXT NOT NULL,
    item TEXT NOT NULL
);
CREATE INDEX items_resource ON items (resource, id);
CREATE INDEX items_captured ON items (captured_at, id);

-- What a rule said whenever that changed.
CREATE TABLE evaluations (
    id {id},
    resource BIGINT NOT NULL REFERENCES resources (id),
    rule_name TEXT NOT NULL,
    identifier TEXT NOT NULL,
    compliance_type TEXT NOT NULL,
    annotation TEXT,
    evaluated_at BIGINT NOT NULL,
    since BIGINT NOT NULL,
    -- Whether it is what the rule says now.
    latest BIGINT NOT NULL
);
CREATE INDEX evaluations_resource ON evaluations (resource, id);
CREATE UNIQUE INDEX evaluations_latest ON evaluations (resource, rule_name) WHERE latest = 1;
CREATE INDEX evaluations_old ON evaluations (evaluated_at, id) WHERE latest = 0;

CREATE TABLE findings (
    id {text} PRIMARY KEY,
    resource BIGINT NOT NULL REFERENCES resources (id),
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    cause TEXT NOT NULL,
    rule_names TEXT NOT NULL,
    annotation TEXT NOT NULL,
    state TEXT NOT NULL,
    -- Who acknowledged it, or by which exception it is open on purpose.
    state_detail TEXT NOT NULL,
    occurrences BIGINT NOT NULL,
    first_opened_at BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    resolved_at BIGINT,
    resolved_by TEXT,
    fingerprint TEXT,
    witness TEXT,
    respond BIGINT NOT NULL,
    topics TEXT NOT NULL,
    response TEXT,
    told_at BIGINT,
    escalation_step BIGINT NOT NULL,
    escalated_at BIGINT
);
CREATE INDEX findings_resource ON findings (resource);
CREATE INDEX findings_state ON findings (state, opened_at, id);
CREATE INDEX findings_account ON findings (account, state, opened_at, id);
CREATE INDEX findings_resource_id ON findings (resource_id, state, opened_at, id);

CREATE TABLE exposures (
    id {text} PRIMARY KEY,
    finding_id TEXT NOT NULL REFERENCES findings (id),
    resource BIGINT NOT NULL REFERENCES resources (id),
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    cause TEXT NOT NULL,
    classes TEXT NOT NULL,
    began_at BIGINT NOT NULL,
    detected_at BIGINT NOT NULL,
    ended_at BIGINT,
    closed_by TEXT,
    event_id TEXT,
    actor TEXT,
    witness TEXT
);
CREATE INDEX exposures_finding ON exposures (finding_id, began_at);
CREATE INDEX exposures_open ON exposures (resource) WHERE ended_at IS NULL;
CREATE INDEX exposures_ended ON exposures (ended_at, id) WHERE ended_at IS NOT NULL;

CREATE TABLE events (
    id {text} PRIMARY KEY,
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    event_time BIGINT NOT NULL,
    arrived_at BIGINT NOT NULL,
    account TEXT NOT NULL,
    region TEXT,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    actor TEXT,
    source_ip TEXT,
    detail TEXT NOT NULL,
    verdict_at BIGINT,
    closed_at BIGINT
);
CREATE INDEX events_arrived ON events (arrived_at, id);
CREATE INDEX events_account ON events (account, arrived_at, id);
CREATE INDEX events_resource ON events (resource_id, arrived_at, id);
CREATE INDEX events_unseen ON events (account, resource_type, resource_id, event_time, id)
    WHERE verdict_at IS NULL;
CREATE INDEX events_unclosed ON events (account, resource_type, resource_id)
    WHERE verdict_at IS NOT NULL AND closed_at IS NULL;

CREATE TABLE bus_events (
    seq {id},
    id TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL,
    region TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    raised_at BIGINT NOT NULL,
    event TEXT NOT NULL
);
CREATE INDEX bus_events_raised ON bus_events (raised_at, seq);

CREATE TABLE notices (
    id {text} PRIMARY KEY,
    finding_id TEXT,
    created_at BIGINT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX notices_created ON notices (created_at, id);

CREATE TABLE jobs (
    id {id},
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    payload TEXT NOT NULL,
    -- The notice that it delivers, if it delivers one: that one is kept.
    notice TEXT,
    due_at BIGINT NOT NULL,
    -- When it can be taken up: when it is due or, while it is held, when the lease runs out.
    -- NULL: never, it is a dead letter.
    ready_at BIGINT,
    -- When it is due again, if it was asked for again while it was held.
    again_at BIGINT,
    attempts BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    -- How often it was ever taken up: with the id it makes each lease another one.
    claims BIGINT NOT NULL,
    lease TEXT,
    created_at BIGINT NOT NULL,
    last_error TEXT,
    dead_at BIGINT
);
CREATE UNIQUE INDEX jobs_key ON jobs (key) WHERE dead_at IS NULL;
CREATE INDEX jobs_ready ON jobs (ready_at, id, kind);
CREATE INDEX jobs_waiting ON jobs (kind) WHERE dead_at IS NULL AND lease IS NULL;
CREATE INDEX jobs_dead ON jobs (dead_at, id) WHERE dead_at IS NOT NULL;
CREATE INDEX jobs_notice ON jobs (notice) WHERE notice IS NOT NULL;

CREATE TABLE journal (
    seq {id},
    id TEXT NOT NULL,
    recorded_at BIGINT NOT NULL,
    account TEXT,
    bucket TEXT,
    record TEXT NOT NULL
);
CREATE INDEX journal_id ON journal (id, seq);
CREATE INDEX journal_bucket ON journal (bucket, seq);
CREATE INDEX journal_recorded ON journal (recorded_at, seq);

CREATE TABLE coverage (
    account {text} NOT NULL,
    region {text} NOT NULL,
    last_event_at BIGINT,
    last_sweep_at BIGINT,
    swept BIGINT NOT NULL,
    undecided BIGINT NOT NULL,
    untold_changes BIGINT NOT NULL,
    gaps TEXT NOT NULL,
    error TEXT,
    PRIMARY KEY (account, region)
);

CREATE TABLE subscriptions (
    id {text} PRIMARY KEY,
    endpoint_digest TEXT NOT NULL,
    asked_at BIGINT,
    confirmed_at BIGINT,
    unsubscribed_at BIGINT,
    disabled TEXT
);

-- One row while enforcement is stopped.
CREATE TABLE enforcement_stop (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    stopped_by TEXT NOT NULL,
    stopped_at BIGINT NOT NULL,
    reason TEXT NOT NULL
);

CREATE TABLE remembered (
    name {text} PRIMARY KEY,
    value TEXT NOT NULL
);

-- Counts that are asked for often and would take long to count, kept by whoever changes them:
-- `resource` (a type), `compliance` (a rule's name and a compliance type), `finding` (a state).
CREATE TABLE tallies (
    what {text} NOT NULL,
    name {text} NOT NULL,
    value {text} NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (what, name, value)
);
