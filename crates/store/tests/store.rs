//! The whole port, on SQLite and on PostgreSQL: one suite, each test on a database of its own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod suite;

/// Each test of the suite, on both databases.
macro_rules! on_both {
    ($($module:ident: $($test:ident),+;)+) => {
        mod sqlite {
            $(mod $module {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let place = crate::suite::place::Place::sqlite();
                    crate::suite::$module::$test(&place).await;
                    place.remove().await;
                })+
            })+
        }

        mod postgres {
            $(mod $module {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "needs PostgreSQL: run cargo xtask test"]
                async fn $test() {
                    let place = crate::suite::place::Place::postgres().await;
                    crate::suite::$module::$test(&place).await;
                    place.remove().await;
                })+
            })+
        }
    };
}

on_both! {
    jobs:
        a_job_is_one_until_it_is_done,
        the_earlier_time_counts,
        asked_for_while_it_runs_it_runs_again,
        a_job_that_asks_for_itself_waits_until_then,
        a_lease_that_ran_out_is_taken_up,
        what_is_put_off_was_no_attempt,
        what_failed_is_counted_and_what_is_repeated_is_not,
        dead_letters_are_kept_and_redriven,
        no_job_is_given_to_two,
        what_a_look_is_asked_for_is_kept,
        of_many_who_ask_nobody_is_forgotten,
        what_happens_does_not_wait_for_what_is_only_due,
        those_who_wait_hear_of_work;
    looks:
        a_look_is_committed_whole,
        nothing_is_committed_on_an_older_version,
        of_two_at_once_one_is_refused,
        many_workers_agree,
        a_lost_lease_takes_the_whole_commit_with_it,
        rules_are_counted_and_remembered,
        a_deleted_resource_is_not_counted,
        what_is_not_there_ends_its_events,
        compliance_changes_are_paged,
        a_dropped_call_leaves_nothing;
    events:
        an_event_counts_once,
        events_are_seen_then_closed,
        events_are_listed_by_arrival,
        hostile_texts_are_kept;
    findings:
        findings_are_listed_and_counted,
        people_change_only_what_is_theirs,
        what_changed_since_it_was_read_is_not_written_over,
        exposures_run_and_end;
    rest:
        items_are_paged,
        notices_of_a_span,
        the_journal_knows_the_place,
        enforcement_is_stopped_and_goes_on,
        coverage_adds_up,
        subscriptions_and_memories,
        what_is_old_and_not_needed_goes;
    transfer:
        an_export_goes_round,
        an_import_is_whole_or_not_at_all;
}

mod kill {
    use crate::suite::kill::what_was_acknowledged_survives;
    use crate::suite::place::Place;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sqlite() {
        what_was_acknowledged_survives("kill::sqlite", async || Place::sqlite()).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs PostgreSQL: run cargo xtask test"]
    async fn postgres() {
        what_was_acknowledged_survives("kill::postgres", Place::postgres).await;
    }
}
