//! `plugin`: Python in the sandbox, inline or published.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tenure_egress::{Body, EgressClient, EgressRequest, Placeholders};
use tenure_sandbox::{
    HostFuture, HttpRequest, HttpResponse, NoHost, PluginError, PluginHost, PythonCall, PythonLimits,
};
use tenure_workflow::ErrorClass;
use tenure_workflow::nodes::{Plugin, PluginCode};

use super::{Extras, Failure, Ran, Step, StepEnd};
use crate::domain::plugins::{self, Capability};

pub(super) async fn run(step: &Step, plugin: &Plugin, extras: &mut Extras) -> Ran {
    let mut limits = PythonLimits::default();
    let (source, host): (Arc<str>, Arc<dyn PluginHost>) = match &plugin.code {
        PluginCode::Inline { source, .. } => (source.as_str().into(), Arc::new(NoHost)),
        PluginCode::Published(reference) => {
            let published = step.authorized().await?.read(async |tx| plugins::resolve(tx, reference).await).await?;
            let missing = || {
                let message =
                    format!("no active version of {}/{} fits {}", reference.publisher, reference.name, reference.range);
                Failure::new(ErrorClass::Plugin, message)
            };
            let published = published.ok_or_else(missing)?;
            limits = published.limits.clone();
            let hosts: Vec<String> = published
                .capabilities
                .into_iter()
                .flat_map(|capability| match capability {
                    Capability::Http { hosts } => hosts,
                    Capability::Log => Vec::new(),
                })
                .collect();
            let host: Arc<dyn PluginHost> = if hosts.is_empty() {
                Arc::new(NoHost)
            } else {
                Arc::new(GrantedHosts { egress: step.shared.egress.clone(), hosts })
            };
            (published.source, host)
        }
    };
    let config =
        if plugin.config.is_templated() { step.evaluate("config").await? } else { plugin.config.value().clone() };
    let state = state(step, plugin);
    let mut call = PythonCall::new(&source, &state, &config);
    call.seed = u64::from_str_radix(step.idempotency_key().get(..16).unwrap_or_default(), 16).unwrap_or_default();
    call.host = host;
    call.limits = limits;
    call.limits.output = usize::try_from(step.node.limits.output.0).unwrap_or(usize::MAX);
    let outcome = step.shared.sandbox.python()?.call(call).await;
    if !outcome.logs.is_empty() {
        extras.logs = serde_json::to_value(&outcome.logs).ok();
    }
    let usage = &outcome.usage;
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    extras.usage = Some(json!({
        "fuel": usage.fuel, "cpu_ms": millis(usage.cpu), "peak_memory": usage.peak_memory, "duration_ms": millis(usage.duration),
        "logs_truncated": outcome.logs_truncated,
    }));
    outcome.result.map(StepEnd::Output).map_err(|error| failure(&error))
}

/// What the plugin is given: everything; or the paths its `needs` names; or, in a map, the item.
fn state(step: &Step, plugin: &Plugin) -> Value {
    match (&plugin.needs, &step.locals) {
        (None, None) => Value::clone(&step.document),
        (None, Some(locals)) => Value::Object(Map::clone(locals)),
        (Some(paths), locals) => {
            let mut cut = locals.as_deref().cloned().unwrap_or_default();
            for path in paths {
                copy(&step.document, &mut cut, path);
            }
            Value::Object(cut)
        }
    }
}

/// Copies what is at the path, with the objects that lead there.
fn copy(from: &Value, into: &mut Map<String, Value>, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    let Some(value) = from.get(first) else { return };
    if rest.is_empty() {
        into.insert(first.clone(), value.clone());
        return;
    }
    let below = into.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(below) = below {
        copy(value, below, rest);
    }
}

/// Outbound calls to the hosts that the plugin's manifest names and its installer granted.
struct GrantedHosts {
    egress: EgressClient,
    hosts: Vec<String>,
}

impl PluginHost for GrantedHosts {
    fn http(&self, request: HttpRequest) -> HostFuture<'_, Result<HttpResponse, String>> {
        Box::pin(async move {
            let url: axum::http::Uri = request.url.parse().map_err(|_| "the URL cannot be read".to_owned())?;
            let host = url.host().unwrap_or_default().to_ascii_lowercase();
            if !self.hosts.iter().any(|granted| granted.eq_ignore_ascii_case(&host)) {
                return Err(format!("calls to {host} are not among the capabilities that this plugin was granted"));
            }
            let method = request.method.parse().map_err(|_| "the method is none".to_owned())?;
            let mut outbound = EgressRequest::new(method, &request.url);
            outbound.headers = request.headers.into_iter().collect();
            outbound.body = request.body.map_or(Body::Empty, Body::Text);
            // A redirect could leave the granted hosts: the plugin gets it as the answer.
            outbound.max_redirects = Some(0);
            let response =
                self.egress.send(outbound, &Placeholders::none()).await.map_err(|error| error.to_string())?;
            let headers: BTreeMap<String, String> = response.headers.clone();
            Ok(HttpResponse { status: response.status.as_u16(), headers, body: response.text() })
        })
    }
}

fn failure(error: &PluginError) -> Failure {
    let class = match error {
        PluginError::Raised { .. } | PluginError::Crash(_) | PluginError::Refused { .. } => ErrorClass::Plugin,
        PluginError::Limit(_) => ErrorClass::Limit,
        // The host's own faults, and whatever a later sandbox adds.
        _ => ErrorClass::Internal,
    };
    Failure::new(class, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_cut_the_state_down_to_its_paths() {
        let document =
            json!({"input": {"text": "a", "rest": 1}, "state": {"parse": {"rows": [1]}, "other": 2}, "execution": {}});
        let mut cut = Map::new();
        for path in [&["input", "text"][..], &["state", "parse"], &["input", "missing"]] {
            copy(&document, &mut cut, &path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>());
        }
        assert_eq!(Value::Object(cut), json!({"input": {"text": "a"}, "state": {"parse": {"rows": [1]}}}));
    }
}
