//! The API's description of itself.

use std::collections::BTreeSet;

use serde_json::Value;
use tenure_kernel::routes::ambiguous_schemas;
use tenure_platform::app;

#[test]
fn each_schema_has_a_name_of_its_own() {
    let (_, table) = app::routes().finish();
    assert_eq!(ambiguous_schemas(&table), BTreeSet::new(), "name them apart with #[schema(as = …)]");
}

#[test]
fn what_is_referred_to_is_there() {
    let document = serde_json::to_value(app::openapi()).unwrap();
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.len() > 20, "{references:?}");
    let absent: Vec<_> = references.iter().filter(|name| document.pointer(name).is_none()).collect();
    assert!(absent.is_empty(), "{absent:?}");
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str);
            references.extend(reference.and_then(|name| name.strip_prefix('#')).map(str::to_owned));
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}
