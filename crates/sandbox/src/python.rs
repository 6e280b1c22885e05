//! Python source, run by CPython inside a component.

mod host;

use crate::engine::Guest;
use crate::error::{ImageError, Limit, LimitReached, SandboxError, Stop};
use crate::images::Images;
use crate::runtime::{CpuClock, Runtime};
use crate::turns::{Lane, Turns};
pub use host::{HostFuture, HttpRequest, HttpResponse, Import, LogLevel, LogLine, NoHost, PluginHost, Treatment};
use host::{Refused, State, link};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use wasmtime::component::{ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Linker, Lower};
use wasmtime::{Store, UpdateDeadline};

/// The bounds of one call of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonLimits {
    /// Time on a processor, without waits for the host.
    pub cpu: Duration,
    /// Time since the call began to run.
    pub wall: Duration,
    /// Bytes of memory, of which the interpreter takes some 30 MiB.
    pub memory: usize,
    /// Bytes of the result's JSON.
    pub output: usize,
    /// Bytes of log messages; what comes after is dropped and said to be.
    pub log: usize,
    /// Calls of `log` and `http` together.
    pub host_calls: u32,
}

impl Default for PythonLimits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(5),
            wall: Duration::from_secs(30),
            memory: 256 << 20,
            output: 1 << 20,
            log: 64 << 10,
            host_calls: 20_000,
        }
    }
}

impl PythonLimits {
    /// What a call may be given at most: a longer output than it has unless told.
    #[must_use]
    pub fn most() -> Self {
        Self { output: 16 << 20, ..Self::default() }
    }

    /// These limits, none above those of `most`.
    #[must_use]
    pub fn at_most(&self, most: &Self) -> Self {
        Self {
            cpu: self.cpu.min(most.cpu),
            wall: self.wall.min(most.wall),
            memory: self.memory.min(most.memory),
            output: self.output.min(most.output),
            log: self.log.min(most.log),
            host_calls: self.host_calls.min(most.host_calls),
        }
    }
}

/// How the interpreter's guests share the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonConfig {
    /// What a call may use at most, whatever it asks for.
    pub most: PythonLimits,
    /// Calls under way at once; more wait for their turn. Each may take its memory limit.
    pub concurrent: usize,
}

impl Default for PythonConfig {
    fn default() -> Self {
        Self { most: PythonLimits::most(), concurrent: 8 }
    }
}

/// One call of a plugin.
pub struct PythonCall<'a> {
    /// Defines `execute(state, config)`.
    pub source: &'a str,
    /// The first argument.
    pub state: &'a Value,
    /// The second argument.
    pub config: &'a Value,
    /// Seeds the module `random`: the same seed gives the same numbers.
    pub seed: u64,
    /// Cut to the platform's.
    pub limits: PythonLimits,
    /// What the plugin was granted.
    pub host: Arc<dyn PluginHost>,
    /// Whose line it waits in where there are more calls than places: a tenant's number, so that none waits behind all of another's.
    pub lane: u128,
}

impl<'a> PythonCall<'a> {
    /// With the default limits, seed 0, no capability, and in the line of checks.
    pub fn new(source: &'a str, state: &'a Value, config: &'a Value) -> Self {
        Self { source, state, config, seed: 0, limits: PythonLimits::default(), host: Arc::new(NoHost), lane: CHECKS }
    }
}

/// What came of a call, good or bad.
#[derive(Debug)]
pub struct PythonOutcome {
    /// What `execute` returned.
    pub result: Result<Value, PluginError>,
    /// What the plugin logged and printed, also where it failed.
    pub logs: Vec<LogLine>,
    /// Whether the log's limit cut something off.
    pub logs_truncated: bool,
    /// What it used.
    pub usage: Usage,
}

/// The resources that one call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Instructions, roughly; the same call with the same input uses the same.
    pub fuel: u64,
    /// Time on a processor.
    pub cpu: Duration,
    /// Most bytes of memory, the interpreter's included.
    pub peak_memory: usize,
    /// Time from begin to end, without the wait for a turn.
    pub duration: Duration,
}

/// Why a plugin gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// The plugin raised an exception, returned what is not JSON, or does not parse.
    #[error("{}{}: {}", raised.class, raised.line.map(|line| format!(" at line {line}")).unwrap_or_default(), raised.message)]
    Raised {
        /// The exception.
        raised: Raised,
    },
    /// The plugin ran into a limit.
    #[error("the plugin was stopped: {0}")]
    Limit(Limit),
    /// The plugin reached, past the interpreter, for a file, clock, socket, process or the like.
    #[error("the plugin was stopped: it reached for {capability}, which plugins do not have")]
    Refused {
        /// The import's name, as in `wasi:clocks/wall-clock@0.2.0#now`.
        capability: String,
    },
    /// The interpreter gave up.
    #[error("the plugin crashed its interpreter: {0}")]
    Crash(String),
    /// Not the plugin's fault.
    #[error(transparent)]
    Host(#[from] HostFault),
}

/// A fault of the sandbox, comparable so that outcomes are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HostFault(String);

impl From<SandboxError> for PluginError {
    fn from(error: SandboxError) -> Self {
        Self::Host(HostFault(error.to_string()))
    }
}

/// A Python exception as its plugin's author should see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raised {
    /// The exception's class; `ResultError` where what was returned is not JSON.
    pub class: String,
    /// The exception's text, at most 4,000 characters.
    pub message: String,
    /// The innermost line of the plugin's source.
    pub line: Option<u32>,
    /// Frames in the plugin's source, outermost first, at most 20.
    pub traceback: Vec<String>,
}

/// Something in a plugin's source that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFault {
    /// `syntax`, `execute` (missing or of the wrong shape), `import` or `call`.
    pub kind: String,
    /// In words.
    pub message: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
}

/// Runs Python. Clones share threads and limits.
#[derive(Clone)]
pub struct Python(Arc<Inner>);

struct Inner {
    runtime: Runtime,
    component: InstancePre<State>,
    execute: ComponentExportIndex,
    check: ComponentExportIndex,
    imports: Vec<Import>,
    turns: Turns,
    most: PythonLimits,
}

impl Python {
    /// Loads the image and starts the threads.
    ///
    /// # Errors
    /// An image that cannot be used, or an engine that the system has no room for.
    pub fn new(images: &Images, config: PythonConfig) -> Result<Self, ImageError> {
        let wasm =
            |error: wasmtime::Error| ImageError::Wasm { guest: Guest::Python.name(), message: format!("{error:#}") };
        let instances = u32::try_from(config.concurrent).unwrap_or(u32::MAX);
        let engine = Guest::Python.engine(instances, config.most.memory).map_err(wasm)?;
        let component = images.load_component(Guest::Python, &engine)?;
        let mut linker = Linker::new(&engine);
        let imports = link(&mut linker, &component).map_err(wasm)?;
        let export = |name: &str| {
            let missing = || wasm(wasmtime::Error::msg(format!("it exports no {name}")));
            component.get_export_index(None, name).ok_or_else(missing)
        };
        let (execute, check) = (export("execute")?, export("check")?);
        let component = linker.instantiate_pre(&component).map_err(wasm)?;
        let runtime = Runtime::start("python", &engine).map_err(|error| wasm(wasmtime::Error::new(error)))?;
        let turns = Turns::new(config.concurrent);
        Ok(Self(Arc::new(Inner { runtime, component, execute, check, imports, turns, most: config.most })))
    }

    /// Every function and type that the interpreter imports, and what becomes of it.
    pub fn imports(&self) -> &[Import] {
        &self.0.imports
    }

    /// Runs `execute` in an instance of its own. Dropping the future stops it within a tick (10 ms).
    pub async fn call(&self, call: PythonCall<'_>) -> PythonOutcome {
        #[derive(Serialize)]
        struct Input<'a> {
            state: &'a Value,
            config: &'a Value,
        }
        let limits = call.limits.at_most(&self.0.most);
        // Values whose keys are strings: JSON refuses nothing of them.
        let input = serde_json::to_string(&Input { state: call.state, config: call.config }).unwrap_or_default();
        let output = limits.output;
        let arguments = (call.source.to_owned(), input, call.seed);
        let (result, report) = self
            .run::<_, (Result<String, String>,)>(self.0.execute, arguments, limits, call.seed, call.host, call.lane)
            .await;
        let result = result.and_then(|(result,)| match result {
            Ok(json) if json.len() > output => Err(PluginError::Limit(Limit::Output)),
            Ok(json) => serde_json::from_str(&json).map_err(|error| unfit(&error)),
            Err(json) => Err(match serde_json::from_str::<Raised>(&json) {
                Ok(raised) if raised.class == "MemoryError" && report.starved => PluginError::Limit(Limit::Memory),
                Ok(raised) => PluginError::Raised { raised },
                Err(error) => PluginError::Crash(format!("its error is not JSON: {error}")),
            }),
        });
        PythonOutcome { result, logs: report.logs, logs_truncated: report.logs_truncated, usage: report.usage }
    }

    /// Parses `source` without running it: what is wrong with it, in order of its lines; empty if nothing is.
    ///
    /// # Errors
    /// [`PluginError::Limit`] where the source is a bomb for the parser, [`PluginError::Host`] for the sandbox's own faults.
    pub async fn check(&self, source: &str) -> Result<Vec<SourceFault>, PluginError> {
        let arguments = (source.to_owned(),);
        let (result, _) =
            self.run::<_, (String,)>(self.0.check, arguments, self.0.most.clone(), 0, Arc::new(NoHost), CHECKS).await;
        serde_json::from_str(&result?.0).map_err(|error| PluginError::Crash(format!("its answer is not JSON: {error}")))
    }

    async fn run<P, R>(
        &self,
        export: ComponentExportIndex,
        arguments: P,
        limits: PythonLimits,
        seed: u64,
        host: Arc<dyn PluginHost>,
        lane: Lane,
    ) -> (Result<R, PluginError>, Report)
    where
        P: ComponentNamedList + Lower + Send + Sync + 'static,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let Some(turn) = self.0.turns.take(lane).await else {
            return (Err(SandboxError::Stopped.into()), Report::default());
        };
        let component = self.0.component.clone();
        let state = State::new(&limits, seed, host, Handle::current());
        let guest = async move {
            let _turn = turn;
            run(&component, export, arguments, &limits, state).await
        };
        self.0.runtime.run(guest).await.unwrap_or_else(|error| (Err(error.into()), Report::default()))
    }
}

/// Where checks of a source stand in line, and calls of nobody in particular.
const CHECKS: Lane = 0;

/// The import by which the interpreter says why it gives up.
const LAST_WORD: &str = "#get-stderr";

/// Python writes some things as JSON that are none: lone surrogates, integers of hundreds of digits.
fn unfit(error: &serde_json::Error) -> PluginError {
    let message = format!("execute returned what JSON cannot hold: {error}");
    PluginError::Raised {
        raised: Raised { class: "ResultError".to_owned(), message, line: None, traceback: Vec::new() },
    }
}

#[derive(Default)]
struct Report {
    logs: Vec<LogLine>,
    logs_truncated: bool,
    starved: bool,
    usage: Usage,
}

async fn run<P, R>(
    component: &InstancePre<State>,
    export: ComponentExportIndex,
    arguments: P,
    limits: &PythonLimits,
    state: State,
) -> (Result<R, PluginError>, Report)
where
    P: ComponentNamedList + Lower + Send + Sync + 'static,
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    let start = Instant::now();
    let clock = CpuClock::new();
    let mut store = Store::new(component.engine(), state);
    store.limiter(|state| &mut state.meter);
    let (reading, cpu) = (clock.clone(), limits.cpu);
    store.epoch_deadline_callback(move |_| match reading.read() {
        spent if spent > cpu => Err(LimitReached(Limit::Cpu).into()),
        _ => Ok(UpdateDeadline::Yield(1)),
    });
    let called = async {
        store.set_fuel(u64::MAX)?;
        store.set_epoch_deadline(1);
        let instance = component.instantiate_async(&mut store).await?;
        let function = instance.get_typed_func::<P, R>(&mut store, export)?;
        function.call_async(&mut store, arguments).await
    };
    let result = match tokio::time::timeout(limits.wall, clock.time(called)).await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error)) => Err(match error.downcast_ref::<Refused>() {
            // A plugin's own standard error is its log: what comes here is the interpreter's last word.
            Some(Refused(capability)) if capability.ends_with(LAST_WORD) => {
                PluginError::Crash("it ended with a fatal error, as for a log message that is no valid text".to_owned())
            }
            Some(Refused(capability)) => PluginError::Refused { capability: capability.clone() },
            None => match Stop::of(&error, store.data().meter.starved()) {
                Stop::Limit(limit) => PluginError::Limit(limit),
                Stop::Crash(message) => PluginError::Crash(message),
            },
        }),
        Err(_) => Err(PluginError::Limit(Limit::WallClock)),
    };
    let usage = Usage {
        fuel: u64::MAX - store.get_fuel().unwrap_or(u64::MAX),
        cpu: clock.read(),
        peak_memory: store.data().meter.used(),
        duration: start.elapsed(),
    };
    let State { meter, logs, logs_truncated, .. } = store.into_data();
    (result, Report { logs, logs_truncated, starved: meter.starved(), usage })
}
