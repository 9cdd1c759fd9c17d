//! What became of an attempt to deliver.

use jiff::SignedDuration;

/// What became of one attempt. The texts are for people and logs: no secret is in them, and nothing in
/// them controls a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Accepted {
        /// What the receiver said.
        answer: String,
    },
    /// It may go through another time: no connection, no answer, "later".
    Passing {
        /// What happened.
        why: String,
        /// How long the receiver asked to wait.
        retry_after: Option<SignedDuration>,
    },
    /// It will not go through, however often it is tried.
    Refused {
        /// What happened.
        why: String,
        /// The receiver says that it is gone for good: nothing more should be sent to it.
        gone: bool,
    },
}

impl Outcome {
    /// A failure that may pass.
    pub fn passing(why: impl Into<String>) -> Outcome {
        Outcome::Passing {
            why: why.into(),
            retry_after: None,
        }
    }

    /// A failure that stays.
    pub fn refused(why: impl Into<String>) -> Outcome {
        Outcome::Refused {
            why: why.into(),
            gone: false,
        }
    }
}
