//! `http`: one request through the egress client. Secrets are placeholders until the client sends.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tenure_egress::{
    Body, Destination, EgressError, EgressRequest, EgressResponse, Gate, GateFuture, GateRefusal, Placeholders,
};
use tenure_kernel::decision::DecisionPoint;
use tenure_workflow::ErrorClass;
use tenure_workflow::nodes::{Http, Template};

use super::{Extras, Failure, Ran, Step, StepEnd};
use crate::domain::secrets;

pub(super) async fn run(step: &Step, http: &Http, extras: &mut Extras) -> Ran {
    let (placeholders, names) = open_secrets(step, &http.request).await?;
    let rendered = if http.request.is_templated() {
        step.evaluate_with("request", Some(&names)).await?
    } else {
        http.request.value().clone()
    };
    let mut request = request(http, &rendered)?;
    if http.idempotent {
        request = request.header("Idempotency-Key", step.idempotency_key());
    }
    if let Some(limit) = step.node.timeout {
        request.timeout = Some(limit.as_duration());
    }
    let limit = usize::try_from(step.node.limits.output.0).unwrap_or(usize::MAX);
    request.max_response_bytes = Some(limit);
    request.caller = Some(step.claim.tenant.uuid().as_u128());
    let gate = PolicyGate(step);
    let response = step.shared.egress.send(request, &placeholders, &gate).await.map_err(|error| failure(&error))?;
    let total = u64::try_from(response.timing.total.as_millis()).unwrap_or(u64::MAX);
    extras.usage = Some(
        json!({ "received_bytes": response.received_bytes, "duration_ms": total, "redirects": response.redirects }),
    );
    let status = response.status.as_u16();
    if !http.expect_status.contains(&status) {
        let (first, last) = (http.expect_status.start(), http.expect_status.end());
        let start: String = response.text().chars().take(200).collect();
        let message = format!("the answer was {status}, not between {first} and {last}: {start}");
        return Err(Failure::new(ErrorClass::HttpStatus, message));
    }
    Ok(StepEnd::Output(output(&response)))
}

/// The granted secrets that the request names, each behind a token of this request alone.
async fn open_secrets(step: &Step, request: &Template) -> Result<(Placeholders, BTreeMap<String, String>), Failure> {
    let mut placeholders = Placeholders::none();
    let mut tokens = BTreeMap::new();
    let named = names(request.value());
    if named.is_empty() {
        return Ok((placeholders, tokens));
    }
    let (workflow, execution) = (step.claim.workflow, step.claim.execution);
    let opened = step
        .authorized()
        .await?
        .read_audited(async |tx| secrets::resolve(tx, workflow, execution, &named).await)
        .await?;
    for (name, value) in opened {
        let token = placeholders.insert(&name, value.expose().to_vec()).map_err(|error| failure(&error))?;
        tokens.insert(name, token);
    }
    match named.iter().find(|name| !tokens.contains_key(*name)) {
        None => Ok((placeholders, tokens)),
        Some(missing) => {
            let message = format!(
                "the secret `{missing}` is not there, or is not granted to this workflow; grant it under Secrets"
            );
            Err(Failure::new(ErrorClass::Expression, message))
        }
    }
}

/// Every `secrets.name` that stands in a template. Only names that exist and are granted are opened, so a name too many
/// (inside quotes, say) opens nothing that the workflow may not use.
fn names(value: &Value) -> std::collections::BTreeSet<String> {
    let mut found = std::collections::BTreeSet::new();
    let mut visit = vec![value];
    while let Some(value) = visit.pop() {
        match value {
            Value::Array(items) => visit.extend(items),
            Value::Object(map) => visit.extend(map.values()),
            Value::String(text) => {
                for after in text.split("{{").skip(1) {
                    let inside = after.split("}}").next().unwrap_or_default();
                    for rest in inside.split("secrets.").skip(1) {
                        let name: String =
                            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                        if !name.is_empty() {
                            found.insert(name);
                        }
                    }
                }
            }
            _ => {}
        }
    }
    found
}

fn request(http: &Http, rendered: &Value) -> Result<EgressRequest, Failure> {
    let wrong = |message: &str| Failure::new(ErrorClass::Expression, message.to_owned());
    let method = http.method.as_str().parse().map_err(|_| wrong("the method is none"))?;
    let url = rendered
        .get("url")
        .and_then(Value::as_str)
        .ok_or_else(|| wrong("the URL is not text once its templates are filled in"))?;
    let mut request = EgressRequest::new(method, url);
    request.headers = pairs(rendered.get("headers"));
    request.query = pairs(rendered.get("query"));
    request.body = match (rendered.get("json"), rendered.get("form"), rendered.get("body")) {
        (Some(value), _, _) => Body::Json(value.clone()),
        (_, Some(form), _) => Body::Form(pairs(Some(form))),
        (_, _, Some(Value::String(text))) => Body::Text(text.clone()),
        (_, _, Some(other)) => Body::Text(other.to_string()),
        (None, None, None) => Body::Empty,
    };
    Ok(request)
}

fn pairs(value: Option<&Value>) -> Vec<(String, String)> {
    let empty = Map::new();
    let map = value.and_then(Value::as_object).unwrap_or(&empty);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    map.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// Asks the policy before each hop of a step's calls, keeps what it answers, and counts the hop: each is a request to a host.
pub(super) struct PolicyGate<'s>(pub(super) &'s Step);

impl Gate for PolicyGate<'_> {
    fn admit<'a>(&'a self, to: Destination<'a>) -> GateFuture<'a> {
        let Self(step) = *self;
        Box::pin(async move {
            if to.is_secret && step.shared.policy.concerns(DecisionPoint::Egress, Some(step.node.kind.name())) {
                // What is asked is kept, so that it can be replayed; a secret must not be.
                let reason = "a policy asks where this call goes, and its host is a secret that cannot be shown to it; write the host out, or keep the whole URL in the secret";
                return Err(GateRefusal::Denied(reason.to_owned()));
            }
            let refusal = |failure: Failure| match failure.class {
                ErrorClass::Denied => GateRefusal::Denied(failure.message),
                ErrorClass::Quota => GateRefusal::Exhausted(failure.message),
                _ => GateRefusal::Undecided(failure.message),
            };
            step.decide(DecisionPoint::Egress, Some(to.host.to_owned())).await.map_err(refusal)?;
            step.count_call().await.map_err(refusal)
        })
    }
}

fn output(response: &EgressResponse) -> Value {
    let mut output = json!({ "status": response.status.as_u16(), "headers": response.headers });
    let body = match response.is_json().then(|| response.json()) {
        Some(Ok(value)) => ("json", value),
        _ => ("text", Value::String(response.text().replace('\0', "\u{fffd}"))),
    };
    if let Some(map) = output.as_object_mut() {
        map.insert(body.0.to_owned(), body.1);
    }
    output
}

pub(super) fn failure(error: &EgressError) -> Failure {
    let class = error.class().as_str().parse().unwrap_or(ErrorClass::Internal);
    Failure::new(class, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_wherever_a_template_may_stand() {
        let request = json!({
            "url": "{{ secrets.hook }}/x", "headers": {"authorization": "Bearer {{secrets.token | trim}} {{ input.secrets_none }}"},
            "json": ["no secrets.here", "{{ input.a }}{{ secrets.c }}"],
        });
        assert_eq!(names(&request).into_iter().collect::<Vec<_>>(), ["c", "hook", "token"]);
    }
}
