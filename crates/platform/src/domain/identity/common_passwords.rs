//! Passwords that are tried first, because many people have them or make theirs from them: 50,000 from lists that others
//! made of what was stolen, also with the usual endings. `cargo xtask passwords` makes the file; `xtask/src/passwords.rs` names its sources and their licences.
//!
//! An automaton over the sorted list (the `fst` crate): it is searched where it lies in the program, so it takes no
//! memory of its own and no time to load, a look-up follows one byte after another, and it is exact.

use std::sync::LazyLock;

static LIST: &[u8] = include_bytes!("common_passwords.fst");

type Automaton = fst::Set<&'static [u8]>;

/// Only its header is read here.
static AUTOMATON: LazyLock<Option<Automaton>> = LazyLock::new(|| Automaton::new(LIST).ok());

/// Whether this password, in lower case, is one of them. All would be, if the program held no list: the test below does
/// not let such a program be built.
pub(super) fn contain(lower: &str) -> bool {
    AUTOMATON.as_ref().is_none_or(|list| list.contains(lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_there_and_whole() {
        let list = Automaton::new(LIST).unwrap();
        list.as_fst().verify().unwrap();
        assert!(list.len() > 10_000_000, "{}", list.len());
        assert!(LIST.len() < 1_000_000, "{}", LIST.len());
    }

    #[test]
    fn exactly_what_is_listed_is_found() {
        for listed in ["password", "qwerty123456", "administrator", "password2024!", "sunshinesunshine"] {
            assert!(contain(listed), "{listed}");
        }
        for other in ["", "passwor", "passwordsunshine", "a quiet green meadow", "Password", "administrator\0"] {
            assert!(!contain(other), "{other}");
        }
    }
}
