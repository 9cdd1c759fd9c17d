//! `portcullis undo`.

use clap::Args;

use crate::exit::{ExitStatus, Failure};

/// Arguments of `portcullis undo`.
#[derive(Debug, Args)]
pub struct UndoArgs {}

/// Runs the command.
pub fn run(_args: &UndoArgs) -> Result<ExitStatus, Failure> {
    Err(Failure::usage("undo is not there yet"))
}
