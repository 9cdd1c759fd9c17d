//! Comparing short texts. Names and pieces of patterns are short: a few comparisons of several bytes at
//! once are faster than a call of `memcmp`.

/// Whether two texts are the same.
#[inline]
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        // Both ends, which may overlap.
        9..=16 => a.first_chunk::<8>() == b.first_chunk() && a.last_chunk::<8>() == b.last_chunk(),
        4..=8 => a.first_chunk::<4>() == b.first_chunk() && a.last_chunk::<4>() == b.last_chunk(),
        0..=3 => a.iter().eq(b),
        _ => a == b,
    }
}

/// Whether a text starts with another.
#[inline]
pub(super) fn starts(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len())
        .is_some_and(|part| same(part, start))
}

/// Whether a text ends with another.
#[inline]
pub(super) fn ends(text: &[u8], end: &[u8]) -> bool {
    let from = text.len().checked_sub(end.len());
    from.is_some_and(|from| same(&text[from..], end))
}

#[cfg(test)]
mod tests {
    use super::{ends, same, starts};

    #[test]
    fn texts_are_the_same_byte_by_byte() {
        let all = b"abcdefghijklmnopqrstuvwxyz";
        for length in 0..=all.len() {
            let text = &all[..length];
            assert!(same(text, text), "{length}");
            assert!(!same(text, b"abcdefghijklmnopqrstuvwxyz."), "{length}");
            assert!(
                starts(all, text) && ends(&all[all.len() - length..], &all[all.len() - length..])
            );
            for at in 0..length {
                let mut other = text.to_vec();
                other[at] = b'.';
                assert!(!same(text, &other), "{length}, {at}");
                assert!(!starts(all, &other), "{length}, {at}");
            }
        }
        assert!(ends(b"abc", b"bc") && ends(b"abc", b"") && !ends(b"abc", b"ab"));
        assert!(!starts(b"ab", b"abc") && !ends(b"bc", b"abc"));
    }
}
