//! `wait`: lets time pass.

use serde_json::{Value, json};

use super::{NodeType, Template};
use crate::definition::fields::Object;
use crate::expression::Sites;
use crate::fault::{Code, Faults};
use crate::timespan::Timespan;

/// How long to wait. Output: `{until}`, the moment at which it was over.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait {
    /// A span of time.
    For(Timespan),
    /// A moment (RFC 3339), or a template that gives one.
    Until(Template),
}

impl NodeType for Wait {
    const NAME: &'static str = "wait";

    fn parse(object: &mut Object<'_>, faults: &mut Faults) -> Self {
        let nothing = Self::For(Timespan::from_millis(0));
        if let Some(item) = object.optional("event") {
            let _ = (object.optional("match"), object.optional("for"), object.optional("until"));
            faults.error(Code::NotAvailable, &item.pointer, "waiting for an `event` is not available in this release");
            return nothing;
        }
        match object.one_of(&["for", "until"], faults) {
            Some(("for", item)) => item.timespan(faults).map_or(nothing, Self::For),
            Some((_, item)) => {
                let Some(text) = item.expression(faults) else { return nothing };
                if !text.contains("{{") && !is_moment(&text) {
                    let message = "write a moment as `2026-12-24T18:00:00Z`, or as a template that gives one";
                    faults.error(Code::InvalidValue, &item.pointer, message);
                }
                Self::Until(Template::new(text.into()))
            }
            None => nothing,
        }
    }

    fn schema() -> Value {
        json!({
            "description": "Lets time pass.",
            "properties": {
                "for": { "$ref": "#/$defs/duration" },
                "until": { "type": "string", "minLength": 1, "description": "A moment (RFC 3339), or a template that gives one." }
            },
            "oneOf": [{ "required": ["for"] }, { "required": ["until"] }]
        })
    }

    fn expressions(&self, sites: &mut Sites<'_>) {
        if let Self::Until(until) = self {
            sites.template("until", until, false);
        }
    }

    fn output(&self) -> crate::validate::Shape {
        crate::validate::Shape::object([("until", crate::validate::Shape::Scalar("string"))])
    }
}

/// RFC 3339 by its shape and ranges; days of the month are left to whoever computes with it.
fn is_moment(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    let Some((date, time)) = upper.split_once(['T', ' ']) else { return false };
    let clock_end = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(clock_end);
    let numbers = |text: &str, separator: char, bounds: &[(usize, u32, u32)]| {
        let parts: Vec<&str> = text.split(separator).collect();
        parts.len() == bounds.len()
            && parts.iter().zip(bounds).all(|(part, (digits, low, high))| {
                part.len() == *digits
                    && part.bytes().all(|b| b.is_ascii_digit())
                    && part.parse::<u32>().is_ok_and(|number| (*low..=*high).contains(&number))
            })
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    numbers(date, '-', &[(4, 0, 9999), (2, 1, 12), (2, 1, 31)])
        && numbers(clock, ':', &[(2, 0, 23), (2, 0, 59), (2, 0, 60)])
        && !fraction.is_empty()
        && fraction.bytes().all(|b| b.is_ascii_digit())
        && (zone == "Z" || zone.get(1..).is_some_and(|zone| numbers(zone, ':', &[(2, 0, 23), (2, 0, 59)])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_moment() {
        for text in ["2026-12-24T18:00:00Z", "2026-12-24t18:00:00.25+01:00", "2026-12-24 18:00:00-05:30"] {
            assert!(is_moment(text), "{text}");
        }
        for text in ["tomorrow", "2026-12-24", "2026-13-24T18:00:00Z", "2026-12-24T18:00:00", "2026-12-24T25:00:00Z"] {
            assert!(!is_moment(text), "{text}");
        }
    }
}
