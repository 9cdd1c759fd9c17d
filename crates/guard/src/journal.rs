//! What remediations replaced: the way back.
