//! Canonical JSON (RFC 8785), with one rule on top: integers that a double cannot hold exactly become strings.
//!
//! Own code because every event of every write passes here: the crate it is tested against takes many times as long.

use serde_json::{Map, Number, Value};

/// A JSON value has no canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot write canonical JSON: a number is not finite")]
pub struct CanonicalError;

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
    let mut out = Vec::with_capacity(256);
    write_value(&mut out, value)?;
    Ok(out)
}

/// Writes an object whose members are given in canonical order.
pub(crate) struct ObjectWriter<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> ObjectWriter<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Begins a member: its value is to be written to what this returns.
    pub(crate) fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        write_string(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// A member that is a text, or null.
    pub(crate) fn text(&mut self, name: &str, text: Option<&str>) {
        let out = self.member(name);
        match text {
            Some(text) => write_string(out, text),
            None => out.extend_from_slice(b"null"),
        }
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}

pub(crate) fn write_value(out: &mut Vec<u8>, value: &Value) -> Result<(), CanonicalError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(out, number)?,
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_value(out, item)?;
            }
            out.push(b']');
        }
        Value::Object(members) => write_object(out, members)?,
    }
    Ok(())
}

fn write_object(out: &mut Vec<u8>, members: &Map<String, Value>) -> Result<(), CanonicalError> {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_unstable_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    let mut object = ObjectWriter::new(out);
    for (name, value) in members {
        write_value(object.member(name), value)?;
    }
    object.end();
    Ok(())
}

/// RFC 8785, section 3.2.2.2: only what JSON must escape is escaped, in its shortest form.
fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            control @ 0..0x20 => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
            plain => out.push(plain),
        }
    }
    out.push(b'"');
}

fn write_number(out: &mut Vec<u8>, number: &Number) -> Result<(), CanonicalError> {
    if let Some(integer) = number.as_i64() {
        write_i64(out, integer);
    } else if let Some(integer) = number.as_u64() {
        write_string(out, &integer.to_string());
    } else {
        let float = number.as_f64().ok_or(CanonicalError)?;
        // Every float this large is an integer, and `jsonb` prints it as its shortest digits padded with zeros, as Rust's
        // `Display` does.
        if float.is_finite() && float.abs() > MAX_SAFE_INTEGER as f64 {
            write_string(out, &float.to_string());
        } else {
            write_f64(out, float)?;
        }
    }
    Ok(())
}

/// An integer under the rule: a number where doubles are exact, a string of digits beyond.
pub(crate) fn write_i64(out: &mut Vec<u8>, integer: i64) {
    let digits = integer.to_string();
    if integer.unsigned_abs() <= MAX_SAFE_INTEGER {
        out.extend_from_slice(digits.as_bytes());
    } else {
        write_string(out, &digits);
    }
}

/// RFC 8785, section 3.2.2.3: as ECMAScript prints numbers.
fn write_f64(out: &mut Vec<u8>, float: f64) -> Result<(), CanonicalError> {
    if !float.is_finite() {
        return Err(CanonicalError);
    }
    out.extend_from_slice(ryu_js::Buffer::new().format_finite(float).as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
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
            let mut out = Vec::new();
            write_f64(&mut out, f64::from_bits(bits)).unwrap();
            assert_eq!(out, text.as_bytes(), "{bits:016x}");
        }
        assert_eq!(write_f64(&mut Vec::new(), f64::NAN), Err(CanonicalError));
        assert_eq!(write_f64(&mut Vec::new(), f64::INFINITY), Err(CanonicalError));
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

    /// Any JSON whose numbers are within the rule.
    fn json_value() -> impl Strategy<Value = Value> {
        let text = || "(\\PC|[\u{0}-\u{1f}\"\\\\/\u{7f}]){0,8}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
            (-1e15_f64..1e15).prop_map(Value::from),
            (-1e-5_f64..1e-5).prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            let members = proptest::collection::hash_map(text(), inner.clone(), 0..6);
            prop_oneof![
                proptest::collection::vec(inner, 0..6).prop_map(Value::from),
                members.prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_serde_json_canonicalizer(value in json_value()) {
            let theirs = serde_json_canonicalizer::to_string(&value).unwrap();
            proptest::prop_assert_eq!(String::from_utf8(canonical(&value).unwrap()).unwrap(), theirs);
        }

        /// PostgreSQL's `jsonb` prints every number without an exponent; the bytes must not change by that.
        #[test]
        fn a_number_survives_the_database(float in proptest::num::f64::NORMAL | proptest::num::f64::ZERO) {
            let written = json!(float);
            let read: Value = serde_json::from_str(&format!("{float}")).unwrap();
            proptest::prop_assert_eq!(canonical(&written).unwrap(), canonical(&read).unwrap());
        }
    }
}
