//! Who is asked next when nobody answers.

use jiff::{SignedDuration, Timestamp};

/// The contacts for findings that nobody acknowledges, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    /// The steps, the first contact after the opening notice first.
    pub steps: Vec<LadderStep>,
    /// Repeats the last step so often until somebody acts.
    pub repeat_last: Option<SignedDuration>,
}

/// One step of a ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LadderStep {
    /// How long the contact before had, from the opening or from the step before.
    pub after: SignedDuration,
    /// The topics that are told.
    pub topics: Vec<String>,
}

/// That somebody looks after a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// When they said so.
    pub at: Timestamp,
    /// Until when that counts; `None`: until it is resolved.
    pub until: Option<Timestamp>,
}

/// How far the escalation of a finding is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscalationStanding {
    /// When the finding opened (this occurrence).
    pub opened_at: Timestamp,
    /// How many steps were taken, repetitions included.
    pub steps_taken: u32,
    /// When the last of them was.
    pub last_step_at: Option<Timestamp>,
    /// Whether somebody looks after it.
    pub acknowledged: Option<Acknowledgement>,
    /// Whether it is over.
    pub resolved: bool,
    /// Whether an exception covers it.
    pub excepted: bool,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextEscalation {
    /// Nothing: it is over, covered, looked after, or there is nobody left to ask.
    Never,
    /// Ask again then.
    At(Timestamp),
    /// Tell these now.
    Now {
        /// Which step it is, from 1; a repetition has the last step's number.
        step: u32,
        /// How many steps there are.
        of: u32,
        /// The topics to tell.
        topics: Vec<String>,
        /// The topics that were told before; empty: only the opening notice was sent.
        previous: Vec<String>,
        /// How long it was waited since the last step, or since the opening.
        waited: SignedDuration,
    },
}

/// What follows for a finding at `now`. An acknowledgement holds the ladder until it expires; then the
/// next step is due at once if its time has come.
pub fn next_escalation(
    ladder: &Ladder,
    standing: &EscalationStanding,
    now: Timestamp,
) -> NextEscalation {
    if standing.resolved || standing.excepted || ladder.steps.is_empty() {
        return NextEscalation::Never;
    }
    let taken = usize::try_from(standing.steps_taken).unwrap_or(usize::MAX);
    let (index, after) = match ladder.steps.get(taken) {
        Some(step) => (taken, step.after),
        None => match ladder.repeat_last {
            // A repetition without a pause would be a flood.
            Some(pause) if pause > SignedDuration::ZERO => (ladder.steps.len() - 1, pause),
            _ => return NextEscalation::Never,
        },
    };
    let since = standing.last_step_at.unwrap_or(standing.opened_at);
    let mut due = since.checked_add(after).unwrap_or(Timestamp::MAX);
    if let Some(acknowledgement) = &standing.acknowledged {
        match acknowledgement.until {
            None => return NextEscalation::Never,
            Some(until) => due = due.max(until),
        }
    }
    if due > now {
        return NextEscalation::At(due);
    }
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    NextEscalation::Now {
        step: number(index + 1),
        of: number(ladder.steps.len()),
        topics: ladder.steps[index].topics.clone(),
        previous: match taken.min(ladder.steps.len()).checked_sub(1) {
            Some(before) => ladder.steps[before].topics.clone(),
            None => Vec::new(),
        },
        waited: now.duration_since(since),
    }
}
