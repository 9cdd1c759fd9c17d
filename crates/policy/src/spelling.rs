//! "Did you mean": the known name that a misspelt one is closest to.

/// The candidate that a misspelt name most likely means.
pub(crate) fn did_you_mean<'c>(
    written: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    // No name of the policy language is longer; the comparison takes time in proportion to length.
    if written.len() > 60 {
        return None;
    }
    let written = written.to_lowercase();
    candidates
        .into_iter()
        .map(|name| (strsim::osa_distance(&written, &name.to_lowercase()), name))
        .min()
        .filter(|(distance, name)| *distance <= name.len().div_ceil(4).min(4))
        .map(|(_, name)| name)
}
