//! The committed vectors of leaf schema version 1.

use serde::Deserialize;
use serde_json::{Value, json};
use tenure_tlog::{
    AuditKey, Hash,
    leaf::{Actor, LeafInput, LeafVersion, Outcome, PatchOp, PatchVerb, Resource, Salt, Salted, Shown},
    leaf_hash,
};
use uuid::Uuid;

#[derive(Deserialize)]
struct Vectors {
    audit_key: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    input: Event,
    canonical: String,
    leaf_hash: Hash,
    event_mac: String,
}

#[derive(Deserialize)]
struct Event {
    schema_version: i16,
    id: Uuid,
    tenant: Option<Uuid>,
    time_us: i64,
    actor: ActorIds,
    on_behalf_of: Option<String>,
    action: String,
    resource: ResourceId,
    outcome: Outcome,
    reason: Option<String>,
    request_id: Option<String>,
    trace_id: Option<String>,
    region: Option<String>,
    policy_version: Option<String>,
    diff: Option<Value>,
    address: Option<Personal>,
    user_agent: Option<Personal>,
}

#[derive(Deserialize)]
struct ActorIds {
    key: Option<String>,
    principal: Option<String>,
    session: Option<String>,
}

#[derive(Deserialize)]
struct ResourceId {
    id: Option<String>,
    r#type: String,
}

#[derive(Deserialize)]
struct Personal {
    salt: String,
    value: String,
}

impl Personal {
    fn salted(&self) -> Salted {
        Salted::text(&Salt(hex(&self.salt).try_into().unwrap()), &self.value)
    }
}

impl Event {
    fn leaf(&self) -> LeafInput<'_> {
        LeafInput {
            schema_version: LeafVersion::try_from(self.schema_version).unwrap(),
            id: self.id,
            tenant: self.tenant,
            time_us: self.time_us,
            actor: Actor {
                key: self.actor.key.as_deref(),
                principal: self.actor.principal.as_deref(),
                session: self.actor.session.as_deref(),
            },
            on_behalf_of: self.on_behalf_of.as_deref(),
            action: &self.action,
            resource: Resource { id: self.resource.id.as_deref(), kind: &self.resource.r#type },
            outcome: self.outcome,
            reason: self.reason.as_deref(),
            request_id: self.request_id.as_deref(),
            trace_id: self.trace_id.as_deref(),
            region: self.region.as_deref(),
            policy_version: self.policy_version.as_deref(),
            diff: self.diff.as_ref(),
            address: self.address.as_ref().map(Personal::salted),
            user_agent: self.user_agent.as_ref().map(Personal::salted),
        }
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn version_1_is_fixed() {
    let file: Vectors = serde_json::from_str(include_str!("../../testdata/leaf-v1.json")).unwrap();
    let key = AuditKey::new(&hex(&file.audit_key).try_into().unwrap());
    assert_eq!(file.vectors.len(), 6);
    for vector in &file.vectors {
        let bytes = vector.input.leaf().leaf_bytes().unwrap();
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), vector.canonical, "{}", vector.name);
        assert_eq!(leaf_hash(&bytes), vector.leaf_hash, "{}", vector.name);
        assert_eq!(key.event(&bytes).to_vec(), hex(&vector.event_mac), "{}", vector.name);
        assert!(key.verify_event(&bytes, &hex(&vector.event_mac).try_into().unwrap()));
    }
}

#[test]
fn a_diff_is_read_as_it_was_written() {
    let salt = Salt([7; 16]);
    let diff = vec![
        PatchOp::new(PatchVerb::Test, "/name", Shown::Clear(json!("old"))),
        PatchOp::new(PatchVerb::Replace, "/name", Shown::Clear(Value::Null)),
        PatchOp::new(
            PatchVerb::Add,
            "/email",
            Shown::Personal(Salted::json(&salt, &json!("ada@example.com")).unwrap()),
        ),
        PatchOp::new(PatchVerb::Replace, "/token", Shown::Secret),
        PatchOp::remove("/note"),
    ];
    let written = serde_json::to_value(&diff).unwrap();
    assert_eq!(written[1], json!({"op": "replace", "path": "/name", "value": null}));
    assert_eq!(written[3], json!({"op": "replace", "path": "/token", "redacted": true}));
    assert_eq!(serde_json::from_value::<Vec<PatchOp>>(written).unwrap(), diff);
    assert!(serde_json::from_value::<PatchOp>(json!({"op": "remove", "path": "/x", "more": 1})).is_err());
}
