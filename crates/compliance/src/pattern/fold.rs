//! Texts without regard to case, character by character.

/// A character in its folded form: that of its upper-case form's lower-case form, as far as these are
/// single characters. Event Ruler (`EqualsIgnoreCaseParser`) takes each character in both cases too.
pub(super) fn character(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let upper = single(c.to_uppercase()).unwrap_or(c);
    single(upper.to_lowercase()).unwrap_or(upper)
}

/// Puts a text in its folded form into memory that is kept.
pub(super) fn into(text: &str, folded: &mut String) {
    folded.clear();
    if text.is_ascii() {
        folded.push_str(text);
        folded.make_ascii_lowercase();
    } else {
        folded.extend(text.chars().map(character));
    }
}

/// A text in its folded form.
pub(super) fn text(text: &str) -> String {
    text.chars().map(character).collect()
}

fn single(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    let first = mapped.next();
    if mapped.next().is_none() { first } else { None }
}

#[cfg(test)]
mod tests {
    use super::{into, text};

    #[test]
    fn the_short_way_gives_the_same() {
        let mut folded = "before".to_owned();
        for word in [
            "",
            "EventB",
            "aZ[@`{\0~9",
            "STRASSE",
            "Straße",
            "ΣΊΣΥΦΟΣ",
            "İ",
        ] {
            into(word, &mut folded);
            assert_eq!(folded, text(word));
        }
    }

    #[test]
    fn case_does_not_count() {
        assert_eq!(text("EventB"), text("eVENTb"));
        assert_eq!(text("ÄÖÜ-Straße"), text("äöü-straße"));
        assert_ne!(text("straße"), text("strasse"));
        assert_eq!(text("ΣΊΣΥΦΟΣ"), text("σίσυφος"));
    }
}
