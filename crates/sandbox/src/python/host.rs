//! What the host lends to a plugin, and the state of one call.

use super::PythonLimits;
use crate::error::{Limit, LimitReached};
use crate::meter::Meter;
use crate::runtime::AbortOnDrop;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::runtime::Handle;
use wasmtime::StoreContextMut;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentType, Lift, Linker, LinkerInstance, Lower, ResourceType, Val};

/// A boxed future of a host call.
pub type HostFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The capabilities of one plugin, granted or refused.
pub trait PluginHost: Send + Sync + 'static {
    /// One outbound call. Runs on the runtime from which [`crate::Python::call`] was awaited, and is dropped with that call. The
    /// error is shown to the plugin and must not tell what the plugin may not know.
    fn http(&self, request: HttpRequest) -> HostFuture<'_, Result<HttpResponse, String>>;
}

/// Grants nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHost;

impl PluginHost for NoHost {
    fn http(&self, _: HttpRequest) -> HostFuture<'_, Result<HttpResponse, String>> {
        Box::pin(std::future::ready(Err("this plugin was not granted http".to_owned())))
    }
}

/// What a plugin asks to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRequest {
    /// For example `POST`.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// By name, in any case.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Text.
    #[serde(default)]
    pub body: Option<String>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HttpResponse {
    /// For example 200.
    pub status: u16,
    /// By name, in lower case.
    pub headers: BTreeMap<String, String>,
    /// Text; bytes that are not UTF-8 replaced.
    pub body: String,
}

/// How much a log entry matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ComponentType, Lift, Lower)]
#[component(enum)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum LogLevel {
    /// For the plugin's author.
    #[component(name = "debug")]
    Debug,
    /// Also what the plugin printed.
    #[component(name = "info")]
    Info,
    /// Also what the plugin wrote to standard error.
    #[component(name = "warning")]
    Warning,
    /// For whoever runs it.
    #[component(name = "error")]
    Error,
}

/// One entry of a plugin's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// As the plugin said.
    pub level: LogLevel,
    /// As the plugin said, cut where the log's limit was reached.
    pub message: String,
}

/// A plugin reached for what it was not given.
#[derive(Debug, thiserror::Error)]
#[error("the plugin reached for {0}")]
pub(super) struct Refused(pub(super) String);

/// Entries beyond which a log is a flood, however short they are.
const LOG_LINES: usize = 10_000;

/// The state of one call, owned by its store.
pub(super) struct State {
    pub(super) meter: Meter,
    pub(super) logs: Vec<LogLine>,
    pub(super) logs_truncated: bool,
    log_room: usize,
    calls_left: u32,
    numbers: u64,
    host: Arc<dyn PluginHost>,
    /// Of the caller: host calls must not wait behind guests.
    caller: Handle,
}

impl State {
    pub(super) fn new(limits: &PythonLimits, seed: u64, host: Arc<dyn PluginHost>, caller: Handle) -> Self {
        Self {
            meter: Meter::new(limits.memory),
            logs: Vec::new(),
            logs_truncated: false,
            log_room: limits.log,
            calls_left: limits.host_calls,
            numbers: seed,
            host,
            caller,
        }
    }

    fn log(&mut self, level: LogLevel, mut message: String) {
        if message.len() > self.log_room {
            let end = (0..=self.log_room).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
            message.truncate(end);
            self.logs_truncated = true;
        }
        self.log_room -= message.len();
        if self.logs_truncated && message.is_empty() || self.logs.len() >= LOG_LINES {
            self.logs_truncated = true;
            return;
        }
        self.logs.push(LogLine { level, message });
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    fn next_number(&mut self) -> u64 {
        self.numbers = self.numbers.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.numbers ^ (self.numbers >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn spend_call(&mut self) -> wasmtime::Result<()> {
        self.calls_left = self.calls_left.checked_sub(1).ok_or(LimitReached(Limit::HostCalls))?;
        Ok(())
    }
}

/// What the interpreter asks when it starts. It is told that there is nothing: no variables, no arguments, no directories.
const EMPTY: [&str; 3] = ["get-environment", "get-arguments", "get-directories"];

/// What the interpreter seeds its hashes with when it starts. It is given numbers that follow from the call's seed, so that the same
/// call runs the same way; what a plugin could take for secure randomness refuses in Python.
const SEED: &str = "get-random-bytes";

/// The name of the one interface that is lent.
const HOST: &str = "tenure:plugin/host@0.1.0";

/// What becomes of an import of the interpreter's component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Treatment {
    /// A capability: it works, where it is granted.
    Lent,
    /// Answers that there is nothing.
    Empty,
    /// Gives numbers that follow from the call's seed.
    Seeded,
    /// Ends the call that reaches it.
    Refused,
    /// A kind of handle, of which there are none.
    Handle,
}

/// An import of the interpreter's component, as it is linked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// What becomes of it.
    pub treatment: Treatment,
    /// As in `wasi:clocks/wall-clock@0.2.0#now`.
    pub name: String,
}

/// Links every import of the component, and tells how.
pub(super) fn link(linker: &mut Linker<State>, component: &Component) -> wasmtime::Result<Vec<Import>> {
    let mut imports = Vec::new();
    for (interface_name, item) in component.component_type().imports(component.engine()) {
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            return Err(wasmtime::Error::msg(format!("the import {interface_name} is not an interface")));
        };
        let mut interface = linker.instance(interface_name)?;
        for (function, item) in instance.exports(component.engine()) {
            let name = format!("{interface_name}#{function}");
            let treatment = match item.ty {
                ComponentItem::ComponentFunc(_) if interface_name == HOST => Treatment::Lent,
                ComponentItem::ComponentFunc(_) if EMPTY.contains(&function) => Treatment::Empty,
                ComponentItem::ComponentFunc(_) if function == SEED => Treatment::Seeded,
                ComponentItem::ComponentFunc(_) => Treatment::Refused,
                ComponentItem::Resource(_) => Treatment::Handle,
                ComponentItem::Type(_) => continue,
                _ => return Err(wasmtime::Error::msg(format!("the import {name} is neither function nor type"))),
            };
            match treatment {
                Treatment::Lent => lend(&mut interface, function)?,
                Treatment::Empty => empty(&mut interface, function)?,
                Treatment::Seeded => seed(&mut interface, name.clone())?,
                Treatment::Refused => refuse(&mut interface, function, name.clone())?,
                Treatment::Handle => interface.resource(function, ResourceType::host::<()>(), |_, _| Ok(()))?,
            }
            imports.push(Import { treatment, name });
        }
    }
    imports.sort();
    Ok(imports)
}

fn refuse(interface: &mut LinkerInstance<'_, State>, function: &str, name: String) -> wasmtime::Result<()> {
    interface.func_new(function, move |_, _, _, _| Err(Refused(name.clone()).into()))
}

fn empty(interface: &mut LinkerInstance<'_, State>, function: &str) -> wasmtime::Result<()> {
    interface.func_new(function, |_, _, _, results| {
        results.fill(Val::List(Vec::new()));
        Ok(())
    })
}

fn seed(interface: &mut LinkerInstance<'_, State>, name: String) -> wasmtime::Result<()> {
    interface.func_wrap(SEED, move |mut store: StoreContextMut<'_, State>, (length,): (u64,)| {
        // The interpreter asks for a few dozen bytes; the host does not allocate what a guest likes.
        let length = usize::try_from(length).ok().filter(|length| *length <= 4096);
        let length = length.ok_or_else(|| Refused(name.clone()))?;
        let state = store.data_mut();
        let words = (0..length.div_ceil(8)).flat_map(|_| state.next_number().to_le_bytes());
        Ok((words.take(length).collect::<Vec<u8>>(),))
    })
}

fn lend(interface: &mut LinkerInstance<'_, State>, name: &str) -> wasmtime::Result<()> {
    match name {
        "log" => {
            interface.func_wrap(name, |mut store: StoreContextMut<'_, State>, (level, message): (LogLevel, String)| {
                let state = store.data_mut();
                state.spend_call()?;
                state.log(level, message);
                Ok(())
            })
        }
        "http" => interface.func_wrap_async(name, |mut store: StoreContextMut<'_, State>, (request,): (String,)| {
            Box::new(async move {
                let state = store.data_mut();
                state.spend_call()?;
                let response = match serde_json::from_str(&request) {
                    Ok(request) => http(state, request).await,
                    Err(error) => Err(format!("the request is malformed: {error}")),
                };
                Ok((response,))
            })
        }),
        other => Err(wasmtime::Error::msg(format!("the host has no function {other}; rebuild the guest"))),
    }
}

async fn http(state: &State, request: HttpRequest) -> Result<String, String> {
    let host = Arc::clone(&state.host);
    let mut call = AbortOnDrop(state.caller.spawn(async move { host.http(request).await }));
    let response = (&mut call.0).await.map_err(|_| "the host is shutting down".to_owned())??;
    serde_json::to_string(&response).map_err(|error| error.to_string())
}
