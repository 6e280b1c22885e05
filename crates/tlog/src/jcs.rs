//! Canonical JSON (RFC 8785), with one rule on top: integers that a double cannot hold exactly become strings.

use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap as _, SerializeSeq as _},
};
use serde_json::{Number, Value};

/// A JSON value has no canonical form.
#[derive(Debug, thiserror::Error)]
#[error("cannot write canonical JSON: {0}")]
pub struct CanonicalError(#[from] serde_json::Error);

/// The largest integer that every JSON reader agrees on: 2⁵³ − 1 (RFC 7493, section 2.2).
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// The RFC 8785 bytes of `value`.
///
/// Integers beyond ±(2⁵³ − 1) are written as strings of their decimal digits (RFC 8785, appendix D). The rule looks at the
/// number's value, not at its Rust type, because a float such as `1e17` comes back from PostgreSQL's `jsonb` as an integer.
///
/// # Errors
/// If a number is not finite.
pub fn canonical(value: &Value) -> Result<Vec<u8>, CanonicalError> {
    to_vec(&Canonical(value))
}

pub(crate) fn to_vec(value: &impl Serialize) -> Result<Vec<u8>, CanonicalError> {
    Ok(serde_json_canonicalizer::to_vec(value)?)
}

/// Serialises a JSON value under the integer rule.
pub(crate) struct Canonical<'a>(pub(crate) &'a Value);

impl Serialize for Canonical<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Number(number) => serialize_number(number, serializer),
            Value::Array(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(&Canonical(item))?;
                }
                seq.end()
            }
            Value::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, &Canonical(value))?;
                }
                map.end()
            }
            plain @ (Value::Null | Value::Bool(_) | Value::String(_)) => plain.serialize(serializer),
        }
    }
}

fn serialize_number<S: Serializer>(number: &Number, serializer: S) -> Result<S::Ok, S::Error> {
    if let Some(integer) = number.as_i64() {
        return serialize_i64(&integer, serializer);
    }
    if let Some(integer) = number.as_u64() {
        return serializer.collect_str(&integer);
    }
    let float = number.as_f64().filter(|f| f.is_finite()).ok_or_else(|| S::Error::custom("number is not finite"))?;
    // Every float this large is an integer, and `jsonb` prints it as its shortest digits padded with zeros.
    if float.abs() > MAX_SAFE_INTEGER as f64 {
        // Rust's `Display` prints exactly that: shortest digits that round-trip, no exponent.
        serializer.collect_str(&float)
    } else {
        serializer.serialize_f64(float)
    }
}

/// An integer under the rule: a number where doubles are exact, a string of digits beyond.
pub(crate) fn serialize_i64<S: Serializer>(integer: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    if integer.unsigned_abs() <= MAX_SAFE_INTEGER {
        serializer.serialize_i64(*integer)
    } else {
        serializer.collect_str(integer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 8785, appendix B.
    #[test]
    fn numbers_are_written_as_the_rfc_samples() {
        let samples: [(u64, &str); 24] = [
            (0x0000_0000_0000_0000, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0x41b3_de43_5555_5556, "333333333.3333334"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ];
        for (bits, text) in samples {
            assert_eq!(to_vec(&f64::from_bits(bits)).unwrap(), text.as_bytes(), "{bits:016x}");
        }
        assert!(to_vec(&f64::NAN).is_err() || to_vec(&f64::NAN).unwrap() == b"null");
    }

    /// RFC 8785, sections 3.2.2 and 3.2.3.
    #[test]
    #[expect(clippy::excessive_precision, reason = "the sample is the RFC's")]
    fn strings_and_members_are_written_as_the_rfc_samples() {
        let sample = json!({
            "numbers": [333333333.33333329, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u{20ac}$\u{000F}\u{000a}A'\u{0042}\u{0022}\u{005c}\\\"/",
            "literals": [null, true, false],
        });
        let expected = r#"{"literals":[null,true,false],"numbers":[333333333.3333333,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#;
        assert_eq!(String::from_utf8(canonical(&sample).unwrap()).unwrap(), expected);

        let sample = json!({
            "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh", "1": "One",
            "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O With Diaeresis",
        });
        let text = String::from_utf8(canonical(&sample).unwrap()).unwrap();
        let places: Vec<_> = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"]
            .iter()
            .map(|value| text.find(value).unwrap())
            .collect();
        assert!(places.is_sorted(), "{text}");
    }

    #[test]
    fn integers_that_doubles_cannot_hold_are_strings() {
        let text = |value| String::from_utf8(canonical(&value).unwrap()).unwrap();
        assert_eq!(text(json!(9_007_199_254_740_991_i64)), "9007199254740991");
        assert_eq!(text(json!(9_007_199_254_740_992_i64)), "\"9007199254740992\"");
        assert_eq!(text(json!(-9_007_199_254_740_993_i64)), "\"-9007199254740993\"");
        assert_eq!(text(json!(u64::MAX)), "\"18446744073709551615\"");
        assert_eq!(text(json!(1e17)), "\"100000000000000000\"");
    }

    proptest::proptest! {
        /// PostgreSQL's `jsonb` prints every number without an exponent; the bytes must not change by that.
        #[test]
        fn a_number_survives_the_database(float in proptest::num::f64::NORMAL | proptest::num::f64::ZERO) {
            let written = json!(float);
            let read: Value = serde_json::from_str(&format!("{float}")).unwrap();
            proptest::prop_assert_eq!(canonical(&written).unwrap(), canonical(&read).unwrap());
        }
    }
}
