//! The JSON Schema of `plugin.yaml`, for editors. What a schema cannot say, the upload's report does.

use serde_json::{Value, json};

/// The published schema; it refuses nothing that an upload accepts.
pub(super) fn json_schema() -> Value {
    let name = "^[a-z0-9][a-z0-9-]{0,63}/[a-z0-9][a-z0-9-]{0,63}$";
    let version = "^(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$";
    let schema = |words: &str| json!({ "type": ["object", "boolean"], "description": words });
    let text = |most: usize, words: &str| json!({ "type": "string", "maxLength": most, "description": words });
    let size = |words: &str| json!({ "type": "string", "pattern": "^[0-9]+ ?(B|KiB|MiB)?$", "description": words });
    let time = |words: &str| json!({ "type": "string", "pattern": "^[0-9]", "description": words });
    let capabilities = json!({
        "type": "array",
        "description": "What it may do beyond computing.",
        "items": { "oneOf": [
            { "const": "log" },
            {
                "type": "object", "required": ["http"], "additionalProperties": false,
                "properties": { "http": {
                    "type": "object", "required": ["hosts"], "additionalProperties": false,
                    "properties": { "hosts": {
                        "type": "array", "minItems": 1, "maxItems": 20,
                        "items": { "type": "string", "pattern": "^[a-z0-9.-]+$" },
                        "description": "Host names, exactly: no scheme, port or `*`."
                    } }
                } }
            }
        ] }
    });
    let limits = json!({
        "type": "object", "additionalProperties": false,
        "description": "Below the platform's.",
        "properties": {
            "cpu": time("Time on a processor, such as 1s."),
            "timeout": time("Time from begin to end, such as 10s."),
            "memory": size("Such as 64MiB."),
            "output": size("Of the result as JSON."),
            "log": size("What comes after is dropped."),
            "host_calls": { "type": "integer", "minimum": 0, "description": "Calls of log and http together." }
        }
    });
    let examples = json!({
        "type": "array", "maxItems": 20,
        "description": "Tests at upload, documentation afterwards.",
        "items": {
            "type": "object", "required": ["output"], "additionalProperties": false,
            "properties": {
                "name": { "type": "string" },
                "input": { "description": "The execution's input: short for state: {input: …}." },
                "state": { "description": "First argument of execute." },
                "config": { "description": "Second argument of execute." },
                "output": { "description": "What must come out." }
            }
        }
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tenure plugin manifest",
        "type": "object",
        "required": ["name", "version", "kind"],
        "additionalProperties": false,
        "properties": {
            "name": { "type": "string", "pattern": name, "description": "publisher/name." },
            "version": { "type": "string", "pattern": version, "description": "Semantic version; a stored version never changes." },
            "kind": { "enum": ["node"] },
            "display_name": text(100, "What people call it."),
            "description": text(2_000, "What it does."),
            "author": text(200, "Who wrote it."),
            "license": text(100, "As an SPDX expression."),
            "homepage": text(500, "Where more is to be read."),
            "icon": {
                "type": "string", "maxLength": super::manifest::MAX_ICON,
                "pattern": "^(https://|data:image/(png|svg\\+xml|webp);base64,)",
                "description": "An https address, or the image itself as a data: URL."
            },
            "entry": { "enum": ["main.py"] },
            "capabilities": capabilities,
            "limits": limits,
            "config_schema": schema("JSON Schema 2020-12 of the node's config; the form in the console."),
            "inputs": schema("JSON Schema of what it reads."),
            "outputs": schema("JSON Schema of what it returns."),
            "dependencies": {
                "type": "object", "maxProperties": 50,
                "propertyNames": { "pattern": "^(tenure|[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9-]*)$" },
                "additionalProperties": { "type": "string", "description": "A range of versions, such as ^1.2." },
                "description": "Other plugins, which must be active before this one is, and Tenure itself."
            },
            "min_tenure": { "type": "string", "pattern": version, "description": "The oldest release that it runs on." },
            "examples": examples
        }
    })
}

#[cfg(test)]
mod tests {
    use tenure_workflow::definition::InputSchema;
    use tenure_workflow::document;

    use super::super::manifest::Manifest;
    use super::*;

    const FULL: &str = "name: acme/classify\nversion: 1.2.0-rc.1\nkind: node\ndisplay_name: Classify\ndescription: Labels a text.\nauthor: Ada\nlicense: MIT\nhomepage: https://example.com\nicon: https://example.com/a.png\nentry: main.py\ncapabilities: [log, {http: {hosts: [api.example.com]}}]\nlimits: {cpu: 1s, timeout: 2s, memory: 64MiB, output: 64KiB, log: 1KiB, host_calls: 5}\nconfig_schema: {type: object}\ninputs: {type: object}\noutputs: {type: object}\ndependencies: {acme/tokens: ^1, tenure: '>=0.1'}\nmin_tenure: 0.1.0\nexamples:\n  - {name: one, input: {text: hi}, config: {}, output: 1}\n";

    #[test]
    fn schema_and_reader_agree() {
        let schema = InputSchema::compile(&json_schema()).unwrap();
        let value = |text: &str| document::read(text.as_bytes(), &document::Limits::default()).unwrap().to_value();
        let agree = |text: &str, good: bool| {
            assert_eq!(schema.check(&value(text)).is_empty(), good, "the schema on {text}");
            assert_eq!(Manifest::parse(text).is_ok(), good, "the reader on {text}");
        };
        agree(FULL, true);
        for (from, to) in [
            ("name: acme/classify", "name: Acme"),
            ("version: 1.2.0-rc.1", "version: 1"),
            ("kind: node", "kind: connector"),
            ("entry: main.py", "entry: other.py"),
            ("icon: https://", "icon: ftp://"),
            ("memory: 64MiB", "memory: lots"),
            ("acme/tokens: ^1", "tokens: ^1"),
            ("min_tenure: 0.1.0", "min_tenure: soon"),
            ("license: MIT", "licence: MIT"),
            (", output: 1}", "}"),
        ] {
            assert!(FULL.contains(from), "{from}");
            agree(&FULL.replace(from, to), false);
        }
        // What the schema knows, the reader knows, and the other way round.
        let full = value(FULL);
        let known: Vec<String> = json_schema()["properties"].as_object().unwrap().keys().cloned().collect();
        assert!(known.iter().all(|key| full.get(key).is_some()), "{known:?}");
    }
}
