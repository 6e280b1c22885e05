//! `plugin`: Python in the sandbox, inline or published.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::json;
use tenure_egress::{Body, EgressRequest, Placeholders};
use tenure_kernel::decision::DecisionPoint;
use tenure_sandbox::{
    HostFuture, HttpRequest, HttpResponse, NoHost, PluginError, PluginHost, PythonCall, PythonLimits,
};
use tenure_workflow::ErrorClass;
use tenure_workflow::nodes::{Plugin, PluginCode};
use tenure_workflow::sensitive::SensitiveSchema;

use super::{Extras, Failure, Ran, Step, StepEnd};
use crate::domain::plugins::{self, Capability};

pub(super) async fn run(step: &Step, plugin: &Plugin, extras: &mut Extras) -> Ran {
    let mut limits = PythonLimits::default();
    let mut outputs = SensitiveSchema::default();
    let refused = Arc::<OnceLock<Failure>>::default();
    let (source, host): (Arc<str>, Arc<dyn PluginHost>) = match &plugin.code {
        PluginCode::Inline { source, .. } => (source.as_str().into(), Arc::new(NoHost)),
        PluginCode::Published(reference) => {
            let execution = step.claim.execution;
            let published =
                step.authorized().await?.read(async |tx| plugins::kept(tx, execution, reference).await).await?;
            let missing = || {
                let message =
                    format!("no active version of {}/{} fits {}", reference.publisher, reference.name, reference.range);
                Failure::new(ErrorClass::Plugin, message)
            };
            let published = published.ok_or_else(missing)?;
            limits = published.limits.clone();
            outputs = published.sensitive;
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
                Arc::new(GrantedHosts { step: step.clone(), hosts, refused: Arc::clone(&refused) })
            };
            (published.source, host)
        }
    };
    let config =
        if plugin.config.is_templated() { step.evaluate("config").await? } else { plugin.config.value().clone() };
    let state = plugin.state(&step.document, step.locals.as_deref());
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
    match outcome.result {
        Ok(output) => {
            extras.sensitive = outputs.parts(&output);
            Ok(StepEnd::Output(output))
        }
        // A plugin that fails because a policy refused its call was denied.
        Err(error) => Err(refused.get().cloned().unwrap_or_else(|| failure(&error))),
    }
}

/// Outbound calls to the hosts that the plugin's manifest names and its installer granted, where no policy refuses them.
struct GrantedHosts {
    step: Step,
    hosts: Vec<String>,
    /// What a policy said to a call.
    refused: Arc<OnceLock<Failure>>,
}

impl PluginHost for GrantedHosts {
    fn http(&self, request: HttpRequest) -> HostFuture<'_, Result<HttpResponse, String>> {
        Box::pin(async move {
            // Read as the client reads it: what was granted and asked for must be where the call goes.
            let url = url::Url::parse(&request.url).map_err(|_| "the URL cannot be read".to_owned())?;
            let host = url.host_str().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
            if !self.hosts.iter().any(|granted| granted.eq_ignore_ascii_case(&host)) {
                return Err(format!("calls to {host} are not among the capabilities that this plugin was granted"));
            }
            if let Err(failure) = self.step.decide(DecisionPoint::Egress, Some(host)).await {
                let message = failure.message.clone();
                // The first refusal stands for all.
                let _ = self.refused.set(failure);
                return Err(message);
            }
            let method = request.method.parse().map_err(|_| "the method is none".to_owned())?;
            let mut outbound = EgressRequest::new(method, &request.url);
            outbound.headers = request.headers.into_iter().collect();
            outbound.body = request.body.map_or(Body::Empty, Body::Text);
            // A redirect could leave the granted hosts: the plugin gets it as the answer.
            outbound.max_redirects = Some(0);
            let response = self
                .step
                .shared
                .egress
                .send(outbound, &Placeholders::none())
                .await
                .map_err(|error| error.to_string())?;
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
