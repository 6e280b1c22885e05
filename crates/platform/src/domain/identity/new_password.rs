//! What a new password has to be: NIST SP 800-63B-4, 3.1.1.2. Length, no rules of composition, none of those that are tried
//! first, and none made of what everybody knows about its person: the context-specific words of that section.

use std::ops::RangeFrom;

use tenure_kernel::{Problem, Result, SystemTx, UserId};
use zeroize::Zeroizing;

use super::common_passwords;
use super::mfa_store;
use super::store;
use crate::domain::tenancy::PasswordPolicy;

/// The longest password taken, in bytes: more would only be a way to burn time.
pub(super) const MAX_PASSWORD: usize = 512;
/// Characters of one that stands alone.
pub(super) const MIN_PASSWORD: usize = 12;
/// Characters of who has a second factor.
pub(super) const MIN_PASSWORD_WITH_MFA: usize = 8;

/// The service's own name.
const SERVICE: &str = "tenure";
/// A shorter word stands within others by chance, as `al` does in `always`.
const LONG_WORD: usize = 4;
/// Letters, and different ones, that a password needs beside the words that are known of its person.
const OWN_LETTERS: usize = 6;
const OWN_DIFFERENT: usize = 4;

/// What a new password is held against.
///
/// # What is known of a person
///
/// User name, local part of the address, full name, names and slugs of their organisations and `tenure`, each whole and, where
/// it has several parts, in its parts, do not count as anything that only the person knows. They are looked for whatever the
/// case, with the marks and spaces in between left out, and also as `l0v3l4c3` spells them. Wherever such a word of four and
/// more characters stands it is left out of account. What remains then needs six letters, four of them different, and must be no common
/// password itself: digits and marks around a name are what everybody puts there. Of shorter words (`al`) a password may have
/// as many as it likes, as long as it is not made of them alone. So `annalovelace99` and `T3nure!-4nna.Lovelace` are refused
/// to `annalovelace`; `anna rides a quiet elephant` is hers to choose.
#[derive(Debug, Clone)]
pub struct PasswordRules {
    /// Characters.
    least: usize,
    words: Vec<Word>,
}

impl PasswordRules {
    /// For a person of these names, without a second factor and in no organisation.
    #[must_use]
    pub fn new(username: &str, email: &str, full_name: &str) -> Self {
        let mut rules = Self { least: MIN_PASSWORD, words: Vec::new() };
        let local = email.split_once('@').map_or(email, |(local, _)| local);
        for name in [SERVICE, username, email] {
            rules.know(name);
        }
        for name in [username, local, full_name] {
            rules.know_parts(name);
        }
        rules
    }

    /// In an organisation of this name that is only made now.
    #[must_use]
    pub fn in_new(mut self, organization: &str) -> Self {
        self.know_parts(organization);
        self
    }

    /// In this organisation, too: under its names, and with as many characters as it asks for.
    #[must_use]
    pub fn within(mut self, organization: &PasswordPolicy) -> Self {
        self.know_parts(&organization.name);
        self.know_parts(&organization.slug);
        self.least = self.least.max(organization.least());
        self
    }

    /// For somebody who is known: with or without a second factor, in every organisation that has them as an active member, and in
    /// the one that they were made for.
    pub(super) async fn of_person(
        tx: &mut SystemTx,
        user: UserId,
        [username, email, full_name]: [&str; 3],
    ) -> Result<Self> {
        let mut rules = Self::new(username, email, full_name);
        if mfa_store::has_mfa(tx, user).await? {
            rules.least = MIN_PASSWORD_WITH_MFA;
        }
        let policies = store::password_policies(tx, user).await?;
        Ok(policies.iter().fold(rules, Self::within))
    }

    /// Characters that a password needs.
    #[must_use]
    pub const fn least(&self) -> usize {
        self.least
    }

    /// Checks a new password, and takes it as it is: whole, bytes as they were sent.
    ///
    /// # Errors
    /// 422 at `pointer`.
    pub fn parse(&self, password: &str, pointer: &str) -> Result<Zeroizing<String>> {
        let invalid = |detail: &str| Err(Problem::invalid(pointer, detail).into());
        if password.chars().count() < self.least {
            let least = self.least;
            let detail = format!("must be at least {least} characters; a few words you can remember are best");
            return Err(Problem::invalid(pointer, detail).into());
        }
        if password.len() > MAX_PASSWORD {
            return invalid("must be at most 512 bytes");
        }
        let lower = Zeroizing::new(password.to_lowercase());
        if common_passwords::contain(&lower) {
            return invalid(
                "is one of those that are tried first: a common or stolen one, perhaps with digits or a mark added; a few words that only you would put together are best",
            );
        }
        if different(lower.chars()) < OWN_DIFFERENT {
            return invalid("repeats too few characters");
        }
        if [Spelling::Plain, Spelling::Replaced].into_iter().any(|spelling| self.is_of_words(&lower, spelling)) {
            return invalid(
                "is little more than your name, your address, your organisation's name or ours; add a few words that have nothing to do with them",
            );
        }
        Ok(Zeroizing::new(password.to_owned()))
    }

    /// Whether too little remains of the password without the words.
    fn is_of_words(&self, lower: &str, spelling: Spelling) -> bool {
        let read = lower.chars().filter_map(|c| Some((c, spelling.of(c)?)));
        let (written, text): (Vec<char>, Vec<char>) = read.unzip();
        let (written, text) = (Zeroizing::new(written), Zeroizing::new(text));
        let rest_without = |words: RangeFrom<usize>| {
            let covered = self.covered(&text, spelling, words);
            let rest = written.iter().zip(covered).filter_map(|(c, covered)| (!covered).then_some(*c));
            Zeroizing::new(rest.collect::<String>())
        };
        let rest = rest_without(LONG_WORD..);
        if rest.chars().count() < text.len() {
            let own = || rest.chars().filter(|c| c.is_alphabetic());
            if own().count() < OWN_LETTERS || different(own()) < OWN_DIFFERENT || common_passwords::contain(&rest) {
                return true;
            }
        }
        let rest = rest_without(1..);
        rest.chars().count() < text.len() && !rest.chars().any(char::is_alphabetic)
    }

    /// Which characters are those of a word of so many; words may overlap.
    fn covered(&self, text: &[char], spelling: Spelling, lengths: RangeFrom<usize>) -> Vec<bool> {
        let mut covered = vec![false; text.len()];
        let words = self.words.iter().map(|word| word.spelled(spelling));
        for word in words.filter(|word| !word.is_empty() && lengths.contains(&word.len())) {
            for (at, _) in text.windows(word.len()).enumerate().filter(|(_, part)| *part == word) {
                covered.iter_mut().skip(at).take(word.len()).for_each(|covered| *covered = true);
            }
        }
        covered
    }

    fn know_parts(&mut self, name: &str) {
        self.know(name);
        for part in name.split(|c: char| !c.is_alphanumeric()) {
            self.know(part);
        }
    }

    fn know(&mut self, name: &str) {
        let lower = name.to_lowercase();
        let spelled =
            |spelling: Spelling| lower.chars().filter(|c| c.is_alphanumeric()).filter_map(move |c| spelling.of(c));
        let word = Word { plain: spelled(Spelling::Plain).collect(), replaced: spelled(Spelling::Replaced).collect() };
        // A single character stands in anything.
        if word.plain.len() > 1 && !self.words.contains(&word) {
            self.words.push(word);
        }
    }
}

/// A word that is known of a person, in lower case and without marks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    plain: Vec<char>,
    replaced: Vec<char>,
}

impl Word {
    fn spelled(&self, spelling: Spelling) -> &[char] {
        match spelling {
            Spelling::Plain => &self.plain,
            Spelling::Replaced => &self.replaced,
        }
    }
}

/// How a word may stand in a password.
#[derive(Debug, Clone, Copy)]
enum Spelling {
    /// As it is, with marks and spaces in between.
    Plain,
    /// With digits and marks for the letters that they look like.
    Replaced,
}

impl Spelling {
    /// What a lower-case character counts as; nothing where it is only in between.
    fn of(self, c: char) -> Option<char> {
        let letter = match (self, c) {
            (Self::Plain, _) => c,
            (Self::Replaced, '0') => 'o',
            // `1` stands for either.
            (Self::Replaced, '1' | '!' | '|' | 'l') => 'i',
            (Self::Replaced, '3') => 'e',
            (Self::Replaced, '4' | '@') => 'a',
            (Self::Replaced, '5' | '$') => 's',
            (Self::Replaced, '7') => 't',
            (Self::Replaced, _) => c,
        };
        letter.is_alphanumeric().then_some(letter)
    }
}

fn different(characters: impl Iterator<Item = char>) -> usize {
    characters.collect::<std::collections::HashSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn anna() -> PasswordRules {
        let organization = PasswordPolicy {
            name: "Analytical Engines Ltd".to_owned(),
            slug: "engines-2".to_owned(),
            min_length: None,
        };
        PasswordRules::new("annalovelace", "al.countess@example.com", "Anna Augusta Lovelace").within(&organization)
    }

    fn refusal(rules: &PasswordRules, password: &str) -> Option<String> {
        rules.parse(password, "/password").err().map(|error| format!("{error:?}"))
    }

    #[test]
    fn what_is_tried_first_is_refused() {
        assert_eq!(refusal(&anna(), "correct horse battery"), None);
        for bad in ["short", "aaaaaaaaaaaaaaaa", "abababababab"] {
            assert!(refusal(&anna(), bad).is_some(), "{bad}");
        }
        for bad in ["unbelievable", "UnBelievable", "1QAZ2wsx3edc"] {
            assert!(refusal(&anna(), bad).is_some_and(|says| says.contains("common")), "{bad}");
        }
        assert!(refusal(&anna(), &"aä€".repeat(86)).is_some_and(|says| says.contains("512")));
    }

    #[test]
    fn names_with_something_around_them_are_refused() {
        for bad in [
            "annalovelace99",
            "AnnaLovelace!2024",
            "99-anna-lovelace-1815",
            "4nn4l0v3l4c3!!",
            "@nn@1ovel@ce 1815",
            "al.countess@example.com",
            "al.countess@example.com1",
            "countess-countess",
            "Augusta.Lovelace.1815",
            "analytical engines",
            "AnalyticalEngines2026!",
            "engines-2-engines-2",
            "TenureTenure2026",
            "tenure password1",
            "tenure.anna.lovelace",
            "T3nur3 1843 1852 1815",
            "annalovelace xyz",
            "annalovelace aaaaaaaaaaa",
        ] {
            assert!(refusal(&anna(), bad).is_some_and(|says| says.contains("little more than")), "{bad}");
        }
    }

    #[test]
    fn a_name_within_a_sentence_is_nobodys_business() {
        for good in [
            "always read the small print",
            "anna rides a quiet elephant",
            "engines of violet and rust",
            "my tenure ends on a sunny quay",
            "kX9#vv2!pQ7z",
            "8361 9472 0551 7720",
        ] {
            assert_eq!(refusal(&anna(), good), None, "{good}");
        }
        let short = PasswordRules::new("al", "an@example.com", "Al");
        for good in ["banana bandana", "always read the small print", "an anaconda in a canal"] {
            assert_eq!(refusal(&short, good), None, "{good}");
        }
        for bad in ["al-an-al-an-1815", "4l4n4l4n4l4n2024"] {
            assert!(refusal(&short, bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn an_organisation_asks_for_more_and_never_for_less() {
        let asks = |least| PasswordPolicy { name: "A".to_owned(), slug: "a".to_owned(), min_length: Some(least) };
        let rules = PasswordRules::new("bob", "bob@example.com", "Bob").within(&asks(20)).within(&asks(16));
        assert_eq!(rules.least(), 20);
        assert!(refusal(&rules, "a quiet green meado").is_some_and(|says| says.contains("20")));
        assert_eq!(refusal(&rules, "a quiet green meadow"), None);
    }

    /// As people spell names: case, marks in between, and digits for letters.
    fn spelled(name: &str, upper: &[bool], marks: &[Option<char>], digits: &[bool]) -> String {
        let mut text = String::new();
        for (at, c) in name.chars().enumerate() {
            let replaced = match c {
                'a' => '4',
                'e' => '3',
                'l' => '1',
                'o' => '0',
                other => other,
            };
            let c = if digits[at % digits.len()] { replaced } else { c };
            if upper[at % upper.len()] {
                text.extend(c.to_uppercase())
            } else {
                text.push(c)
            }
            text.extend(marks[at % marks.len()]);
        }
        text
    }

    proptest! {
        #[test]
        fn no_spelling_of_a_name_with_digits_and_marks_around_it_is_taken(
            names in prop::collection::vec(
                prop::sample::select(vec!["annalovelace", "countess", "engines", "tenure", "analytical", "lovelace"]), 1..4),
            upper in prop::collection::vec(any::<bool>(), 1..8),
            marks in prop::collection::vec(prop::option::of(prop::sample::select(vec!['-', '.', ' ', '_', '/'])), 1..4),
            digits in prop::collection::vec(any::<bool>(), 1..8),
            before in "[0-9 .,!?#*-]{0,12}", after in "[0-9 .,!?#*-]{0,12}"
        ) {
            let words: Vec<String> = names.iter().map(|name| spelled(name, &upper, &marks, &digits)).collect();
            let password = format!("{before}{}{after}", words.join("-"));
            prop_assert!(anna().parse(&password, "/password").is_err(), "{password}");
        }

        #[test]
        fn a_name_takes_nothing_from_what_is_good_without_it(
            own in "[b-df-hj-kp-qv-z]{12,30}", before in any::<bool>(),
            name in prop::sample::select(vec!["annalovelace", "engines", "tenure"])
        ) {
            prop_assume!(different(own.chars()) >= 4 && !common_passwords::contain(&own));
            let password = if before { format!("{name} {own}") } else { format!("{own} {name}") };
            prop_assert!(anna().parse(&password, "/password").is_ok(), "{password}");
        }

        #[test]
        fn judging_never_panics_and_never_changes_what_is_taken(
            username in ".{0,40}", email in ".{0,40}", name in ".{0,40}", password in ".{0,200}"
        ) {
            let rules = PasswordRules::new(&username, &email, &name).in_new(&name);
            if let Ok(taken) = rules.parse(&password, "/password") {
                prop_assert_eq!(taken.as_str(), password.as_str());
            }
        }
    }
}
