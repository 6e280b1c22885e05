//! `plugin`: Python in the sandbox, inline or published.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use tenure_egress::{Body, Destination, EgressRequest, Gate, GateFuture, GateRefusal, Placeholders};
use tenure_kernel::Error;
use tenure_sandbox::{HostFuture, HttpRequest, HttpResponse, PluginError, PluginHost, PythonCall, PythonLimits};
use tenure_workflow::ErrorClass;
use tenure_workflow::nodes::{Plugin, PluginCode};
use tenure_workflow::sensitive::SensitiveSchema;

use super::http::{self, PolicyGate};
use super::{Extras, Failure, Ran, Step, StepEnd};
use crate::domain::plugins::{self, Capability};

pub(super) async fn run(step: &Step, plugin: &Plugin, extras: &mut Extras) -> Ran {
    let mut limits = PythonLimits::most();
    let mut granted = None;
    let mut outputs = SensitiveSchema::default();
    let (source, signed): (Arc<str>, bool) = match &plugin.code {
        PluginCode::Inline { source, .. } => (source.as_str().into(), false),
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
            granted = GrantedHosts::of(step, published.capabilities);
            (published.source, published.signed)
        }
    };
    step.shared.sandbox.admits(signed).map_err(|problem| Failure::from(Error::from(problem)))?;
    let config =
        if plugin.config.is_templated() { step.evaluate("config").await? } else { plugin.config.value().clone() };
    let state = plugin.state(&step.document, step.locals.as_deref());
    let mut call = PythonCall::new(&source, &state, &config);
    call.seed = u64::from_str_radix(step.idempotency_key().get(..16).unwrap_or_default(), 16).unwrap_or_default();
    call.lane = step.claim.tenant.uuid().as_u128();
    if let Some(host) = &granted {
        call.host = Arc::clone(host) as Arc<dyn PluginHost>;
    }
    call.limits = limits;
    let asked = usize::try_from(step.node.limits.output.0).unwrap_or(usize::MAX);
    call.limits.output = call.limits.output.min(asked);
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
        Err(error) => Err(granted.and_then(|host| host.denied()).unwrap_or_else(|| failure(&error))),
    }
}

/// Outbound calls to the hosts that the plugin's manifest names and its installer granted, where no policy denies them.
struct GrantedHosts {
    step: Step,
    hosts: Vec<String>,
    /// Why a policy refused a call: the step's failure, unless the plugin goes on without.
    denied: Mutex<Option<Failure>>,
}

impl GrantedHosts {
    /// The hosts among what it was granted, if there are any.
    fn of(step: &Step, capabilities: Vec<Capability>) -> Option<Arc<Self>> {
        let hosts = |capability| match capability {
            Capability::Http(http) => http.hosts,
            Capability::Log => Vec::new(),
        };
        let hosts: Vec<String> = capabilities.into_iter().flat_map(hosts).collect();
        (!hosts.is_empty()).then(|| Arc::new(Self { step: step.clone(), hosts, denied: Mutex::default() }))
    }

    fn denied(&self) -> Option<Failure> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl PluginHost for GrantedHosts {
    fn http(&self, request: HttpRequest) -> HostFuture<'_, Result<HttpResponse, String>> {
        Box::pin(async move {
            let method = request.method.parse().map_err(|_| "the method is none".to_owned())?;
            let mut outbound = EgressRequest::new(method, &request.url);
            outbound.headers = request.headers.into_iter().collect();
            outbound.body = request.body.map_or(Body::Empty, Body::Text);
            // A redirect could leave the granted hosts: the plugin gets it as the answer.
            outbound.max_redirects = Some(0);
            outbound.caller = Some(self.step.claim.tenant.uuid().as_u128());
            let response = self.step.shared.egress.send(outbound, &Placeholders::none(), self).await;
            let response = response.map_err(|error| error.to_string())?;
            let headers: BTreeMap<String, String> = response.headers.clone();
            Ok(HttpResponse { status: response.status.as_u16(), headers, body: response.text() })
        })
    }
}

/// The client asks with the host it read from the URL, so that nothing can be read in two ways.
impl Gate for GrantedHosts {
    fn admit<'a>(&'a self, to: Destination<'a>) -> GateFuture<'a> {
        Box::pin(async move {
            if !self.hosts.iter().any(|granted| granted == to.host) {
                let reason =
                    format!("calls to {} are not among the capabilities that this plugin was granted", to.host);
                return Err(GateRefusal::Denied(reason));
            }
            let decided = PolicyGate(&self.step).admit(to).await;
            if let Err(refusal) = &decided {
                let failure = http::failure(&refusal.clone().into());
                *self.denied.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
            }
            decided
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
