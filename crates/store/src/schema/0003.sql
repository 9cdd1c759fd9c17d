-- Jobs of one kind in the order in which they are taken up, however many of other kinds are due.
CREATE INDEX jobs_kind_ready ON jobs (kind, ready_at, id);
