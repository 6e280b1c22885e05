//! Text that people give to things: names on one line, descriptions on several.
//!
//! Neither holds control characters, nor those that turn the direction of what follows or cannot be seen at all: with them one
//! name can look like another (Unicode Technical Report #36, 3.5 and 3.6; CVE-2021-42574). Joiners stay, names are written with them.

use crate::error::{Problem, Result};

/// Whether the character shows what it is: no control, no change of direction, nothing invisible but a joiner.
#[must_use]
pub fn is_plain(c: char) -> bool {
    let hidden = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !c.is_control() && !hidden
}

/// A name: one line of 1 to `longest` characters, trimmed.
///
/// # Errors
/// 422 at `pointer`.
pub fn line<'a>(text: &'a str, pointer: &str, longest: usize) -> Result<&'a str> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > longest || !text.chars().all(is_plain) {
        let rule = format!("must be 1 to {longest} characters, without control or invisible characters");
        return Err(Problem::invalid(pointer, rule).into());
    }
    Ok(text)
}

/// A description: at most `longest` characters, with line breaks and tabs.
///
/// # Errors
/// 422 at `pointer`.
pub fn prose<'a>(text: &'a str, pointer: &str, longest: usize) -> Result<&'a str> {
    if text.chars().count() > longest || !text.chars().all(|c| is_plain(c) || c == '\n' || c == '\t') {
        let rule = format!("must be at most {longest} characters, without control or invisible characters");
        return Err(Problem::invalid(pointer, rule).into());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_refused_and_what_is_written_is_not() {
        for fine in ["Ada", "  Ada Lovelace ", "Łukasz", "李", "נועה", "می‌خواهم", "👩‍💻", "a\u{a0}b"]
        {
            assert_eq!(line(fine, "/name", 20).unwrap(), fine.trim());
        }
        for bad in [
            "",
            " ",
            "a\nb",
            "a\u{7}b",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{200b}b",
            "\u{feff}a",
            "a\u{e0041}",
            "x".repeat(21).as_str(),
        ] {
            assert!(line(bad, "/name", 20).is_err(), "{bad:?}");
        }
        assert_eq!(prose("one\n\ttwo", "/description", 20).unwrap(), "one\n\ttwo");
        assert!(prose("one\rtwo", "/description", 20).is_err() && prose("one\u{2028}", "/description", 20).is_err());
    }
}
