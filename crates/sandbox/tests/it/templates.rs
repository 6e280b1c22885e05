//! Templates against what they must mean: values generated together with what a template makes of them.

use crate::support::{EXPRESSIONS, template};
use proptest::prelude::*;
use serde_json::{Value, json};
use tenure_sandbox::{Language, Program, Segment};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// JSON of any shape whose texts come from `text`; so do its keys, which are never templates.
fn json_of(text: impl Strategy<Value = String> + Clone + 'static) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(text.clone(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Text in which braces, quotes and escapes are no rarity, so that two braces meet.
fn braced() -> impl Strategy<Value = String> + Clone {
    "([a-c ]|\\{|\\{\\{|\\}|\\}\\}|\"|\\\\|\\||\\.|é|😀|\n){0,16}"
}

/// The same value with each text written so that it stands for itself.
fn quoted(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::from(text.replace("{{", r#"{{ "{{" }}"#)),
        Value::Array(items) => items.iter().map(quoted).collect(),
        Value::Object(entries) => entries.iter().map(|(key, value)| (key.clone(), quoted(value))).collect(),
        other => other.clone(),
    }
}

/// A step of a path, as written and as what it leads to.
#[derive(Debug, Clone)]
enum Step {
    Name(String),
    Key(String),
    /// An index and the length of the list; below zero it counts from the end.
    Index(usize, usize, bool),
}

impl Step {
    fn write(&self, space: &str) -> String {
        match self {
            Self::Name(name) => format!("{space}.{space}{name}"),
            Self::Key(key) => format!("{space}[{space}{}{space}]", Value::from(key.as_str())),
            Self::Index(..) => format!("[{space}{}{space}]", self.index()),
        }
    }

    fn index(&self) -> i64 {
        let Self::Index(at, length, from_end) = self else { unreachable!() };
        let at = i64::try_from(*at).unwrap();
        if *from_end { at - i64::try_from(*length).unwrap() } else { at }
    }

    /// A value in which this step leads to `inner`.
    fn around(&self, inner: Value) -> Value {
        match self {
            Self::Name(key) | Self::Key(key) => json!({ key.as_str(): inner }),
            Self::Index(at, length, _) => {
                let mut items = vec![json!("another"); *length];
                items[*at] = inner;
                items.into()
            }
        }
    }

    fn segment(&self) -> Segment {
        match self {
            Self::Name(key) | Self::Key(key) => Segment::Key(key.clone()),
            Self::Index(..) => Segment::Index(self.index()),
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        "[a-zé_][a-z0-9_-]{0,5}".prop_map(Step::Name),
        braced().prop_map(Step::Key),
        (1..4_usize, any::<bool>())
            .prop_flat_map(|(length, end)| (0..length).prop_map(move |at| Step::Index(at, length, end))),
    ]
}

type Change = fn(&str) -> String;

/// A filter as written, and what it makes of a text.
fn filter() -> impl Strategy<Value = (String, Change)> {
    let filters: [(&str, Change); 6] = [
        ("upper", str::to_uppercase),
        ("lower", str::to_lowercase),
        ("trim", |text| text.trim().to_owned()),
        ("string", str::to_owned),
        ("json", |text| Value::from(text).to_string()),
        ("default({\"}}\": [1, \"|\"]})", str::to_owned),
    ];
    prop::sample::select(filters.to_vec()).prop_map(|(name, change)| (name.to_owned(), change))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_holds_no_template_is_itself(value in json_of("([a-z{} |\"\\\\]|é|\n){0,12}".prop_map(|text| text.replace("{{", "{ {")))) {
        prop_assert_eq!(block_on(template(&value, &json!({}))), Ok(value));
    }

    #[test]
    fn any_value_can_be_written_as_a_template(value in json_of(braced())) {
        prop_assert_eq!(block_on(template(&quoted(&value), &json!({}))), Ok(value));
    }

    /// However it is spaced, an expression gives what its path leads to; within other text, as text.
    #[test]
    fn an_expression_gives_what_its_path_leads_to(
        steps in prop::collection::vec(step(), 0..4),
        value in json_of(braced()),
        space in "[ \n\t]{0,2}",
        (before, after) in ("[a-z}|\" ]{1,6}", "[a-z}|\" ]{1,6}"),
    ) {
        let document = json!({ "input": steps.iter().rev().fold(value.clone(), |inner, step| step.around(inner)) });
        let path: String = steps.iter().map(|step| step.write(&space)).collect();
        let written = format!("{{{{{space}input{path}{space}}}}}");
        prop_assert_eq!(block_on(template(&json!([written]), &document)), Ok(json!([value])));
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let within = block_on(template(&json!(format!("{before}{written}{after}{written}")), &document));
        prop_assert_eq!(within, Ok(json!(format!("{before}{text}{after}{text}"))));

        let program = Program { id: "p".into(), language: Language::Template, source: json!([written]).to_string() };
        let references = block_on(EXPRESSIONS.check(&[program])).unwrap().remove(0).unwrap();
        let segments: Vec<Segment> =
            std::iter::once(Segment::Key("input".into())).chain(steps.iter().map(Step::segment)).collect();
        prop_assert_eq!(references.references.len(), 1);
        prop_assert_eq!(&references.references[0].path, &segments);
    }

    #[test]
    fn filters_are_applied_from_left_to_right(
        text in braced(),
        filters in prop::collection::vec(filter(), 0..5),
        space in " {0,2}",
    ) {
        let (mut chain, mut expected) = (String::new(), text.clone());
        for (name, change) in &filters {
            chain.push_str(&format!("{space}|{space}{name}"));
            expected = change(&expected);
        }
        let given = block_on(template(&json!(format!("{{{{ input{chain} }}}}")), &json!({ "input": text })));
        prop_assert_eq!(given, Ok(Value::from(expected)));
    }
}
