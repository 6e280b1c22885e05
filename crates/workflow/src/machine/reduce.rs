//! How the writes to a state key become one value.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use crate::definition::Reduce;

impl Reduce {
    /// Whether a value can be written with this reducer.
    ///
    /// # Errors
    /// Says what the reducer wants; the step fails with class `expression`.
    pub fn check(self, value: &Value) -> Result<(), String> {
        match (self, value) {
            (Self::Sum, Value::Number(_)) | (Self::Merge, Value::Object(_)) => Ok(()),
            (Self::Sum, _) => Err("a state key with `sum` takes numbers".to_owned()),
            (Self::Merge, _) => Err("a state key with `merge` takes objects".to_owned()),
            _ => Ok(()),
        }
    }

    /// The one value of all writes, in their order.
    pub(super) fn apply<'v>(self, values: impl Iterator<Item = &'v Value>) -> Value {
        let mut values = values;
        match self {
            Self::Append => values.cloned().collect(),
            Self::Merge => {
                let mut merged = Map::new();
                for object in values.filter_map(Value::as_object) {
                    merged.extend(object.clone());
                }
                Value::Object(merged)
            }
            Self::Sum => Value::Number(values.filter_map(Value::as_number).fold(Number::from(0), add)),
            Self::First => values.next().cloned().unwrap_or_default(),
            Self::Last => values.last().cloned().unwrap_or_default(),
            Self::Max => values.max_by(|a, b| compare(a, b)).cloned().unwrap_or_default(),
        }
    }
}

/// Whole numbers stay whole while they fit.
fn add(sum: Number, number: &Number) -> Number {
    if let (Some(a), Some(b)) = (sum.as_i64(), number.as_i64())
        && let Some(sum) = a.checked_add(b)
    {
        return sum.into();
    }
    let float = sum.as_f64().unwrap_or_default() + number.as_f64().unwrap_or_default();
    Number::from_f64(float.clamp(f64::MIN, f64::MAX)).unwrap_or(sum)
}

/// jq's order of values: null, false, true, numbers, strings, lists, objects.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
        },
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let unequal = a.iter().zip(b).map(|(a, b)| compare(a, b)).find(|order| order.is_ne());
            unequal.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: [Vec<&String>; 2] = [a.keys().collect(), b.keys().collect()];
            keys.iter_mut().for_each(|keys| keys.sort());
            let [a_keys, b_keys] = &keys;
            a_keys.cmp(b_keys).then_with(|| {
                let values = a_keys.iter().filter_map(|key| Some(compare(a.get(*key)?, b.get(*key)?)));
                values.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
            })
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(false) => 1,
        Value::Bool(true) => 2,
        Value::Number(_) => 3,
        Value::String(_) => 4,
        Value::Array(_) => 5,
        Value::Object(_) => 6,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reduce(reduce: Reduce, values: &[Value]) -> Value {
        reduce.apply(values.iter())
    }

    #[test]
    fn each_reducer() {
        let numbers = [json!(2), json!(5), json!(3)];
        assert_eq!(reduce(Reduce::Append, &numbers), json!([2, 5, 3]));
        assert_eq!(reduce(Reduce::Append, &[json!([1]), json!("x")]), json!([[1], "x"]));
        assert_eq!(reduce(Reduce::Sum, &numbers), json!(10));
        assert_eq!(reduce(Reduce::Sum, &[json!(1), json!(0.5)]), json!(1.5));
        assert_eq!(reduce(Reduce::First, &numbers), json!(2));
        assert_eq!(reduce(Reduce::Last, &numbers), json!(3));
        assert_eq!(reduce(Reduce::Max, &numbers), json!(5));
        assert_eq!(reduce(Reduce::Max, &[json!("b"), json!(9), json!("a")]), json!("b"));
        let objects = [json!({ "a": 1, "b": 1 }), json!({ "b": 2 })];
        assert_eq!(reduce(Reduce::Merge, &objects), json!({ "a": 1, "b": 2 }));
    }

    #[test]
    fn nothing_written() {
        for (kind, empty) in [
            (Reduce::Append, json!([])),
            (Reduce::Merge, json!({})),
            (Reduce::Sum, json!(0)),
            (Reduce::First, json!(null)),
            (Reduce::Last, json!(null)),
            (Reduce::Max, json!(null)),
        ] {
            assert_eq!(reduce(kind, &[]), empty);
        }
    }

    #[test]
    fn sums_do_not_overflow() {
        assert_eq!(reduce(Reduce::Sum, &[json!(i64::MAX), json!(1)]), json!(9_223_372_036_854_775_808.0));
        assert_eq!(reduce(Reduce::Sum, &[json!(f64::MAX), json!(f64::MAX)]), json!(f64::MAX));
    }

    #[test]
    fn refuses_what_it_cannot_reduce() {
        assert!(Reduce::Sum.check(&json!("1")).is_err());
        assert!(Reduce::Merge.check(&json!([])).is_err());
        assert!(Reduce::Max.check(&json!(null)).is_ok());
    }
}
