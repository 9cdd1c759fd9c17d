//! Applies a plan, and takes it back.
