//! What messages say: plain text, in the reader's second person. No HTML, so no name in it can become a link or a form.

use std::time::Duration;

use tenure_kernel::text::is_plain;
use zeroize::Zeroizing;

/// Subject and text of a message.
pub struct Letter {
    /// One line.
    pub subject: String,
    /// Several; may carry a link, and so a token.
    pub text: Zeroizing<String>,
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Letter(…)")
    }
}

/// The words of a message.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    /// The subject.
    pub subject: &'a str,
    /// What the reader is called; empty where that is not known.
    pub name: &'a str,
    /// What happened, or what a link does.
    pub body: &'a str,
    /// The link and how long it works, where there is one.
    pub link: Option<(&'a str, Duration)>,
    /// What to do if this was not the reader's wish.
    pub otherwise: &'a str,
    /// Where the installation is found.
    pub instance: &'a str,
}

impl Words<'_> {
    /// The message. Line breaks and other control characters in names become spaces: a name must neither begin a header
    /// nor a paragraph.
    #[must_use]
    pub fn letter(self) -> Letter {
        let greeting = match one_line(self.name) {
            name if name.is_empty() => "Hello,".to_owned(),
            name => format!("Hello {name},"),
        };
        let mut text = Zeroizing::new(format!("{greeting}\n\n{}\n", self.body));
        if let Some((link, lasts)) = self.link {
            text.push_str(&format!("\n{link}\n\nThe link works once, and for {}.\n", span(lasts)));
        }
        text.push_str(&format!("\n{}\n\n-- \nTenure at {}\n", self.otherwise, self.instance));
        Letter { subject: one_line(self.subject), text }
    }
}

/// The same without what would end a line, or hide what it is.
pub(super) fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if is_plain(c) { c } else { ' ' }).collect();
    plain.trim().to_owned()
}

fn span(lasts: Duration) -> String {
    let hours = lasts.as_secs().div_ceil(3600);
    match (hours, hours / 24) {
        (1, _) => "an hour".to_owned(),
        (_, 0 | 1) => format!("{hours} hours"),
        (_, days) => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_no_line() {
        let words = Words {
            subject: "Hello\r\nBcc: everybody@example.com",
            name: "Eve\r\n\r\nYour password has run out: https://evil.example",
            body: "Something happened.",
            link: Some(("https://tenure.example/x#token=y", Duration::from_secs(3600))),
            otherwise: "Or not.",
            instance: "https://tenure.example",
        };
        let letter = words.letter();
        assert_eq!(letter.subject, "Hello  Bcc: everybody@example.com");
        assert_eq!(letter.text.lines().next(), Some("Hello Eve    Your password has run out: https://evil.example,"));
        assert!(letter.text.contains("\nhttps://tenure.example/x#token=y\n\nThe link works once, and for an hour.\n"));
    }

    #[test]
    fn spans_are_told_in_words() {
        let told = |hours: u64| span(Duration::from_secs(hours * 3600));
        assert_eq!([told(1), told(24), told(168)], ["an hour", "24 hours", "7 days"]);
    }
}
