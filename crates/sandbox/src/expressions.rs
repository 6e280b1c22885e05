//! CEL, jq and templates, evaluated in instances of a guest that has no imports.

mod instance;
mod model;
mod pool;
mod protocol;

use crate::engine::Guest;
use crate::error::{ImageError, Limit, SandboxError, Stop};
use crate::images::Images;
use crate::meter::Meter;
use crate::runtime::Runtime;
use crate::turns::{Lane, Turn, Turns};
use instance::Instance;
pub use model::{
    Checked, Evaluation, ExpressionError, ExpressionErrorKind, Language, Position, Program, ProgramSet, Reference,
    Segment,
};
use pool::Pool;
use protocol::{CheckedProgram, Evaluated, Job, Load, Request, Response, Source};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::{InstancePre, Linker};

/// The bounds of the expression guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpressionLimits {
    /// Instructions of one call, roughly: 2 × 10⁹ take about 0.2 s.
    pub fuel: u64,
    /// Bytes of an instance's memory: programs, documents and results together.
    pub memory: usize,
    /// Time of one call.
    pub wall: Duration,
    /// Bytes of one call's results.
    pub output: usize,
    /// Calls under way at once; more wait for their turn.
    pub concurrent: usize,
    /// Idle instances kept warm.
    pub warm: usize,
    /// Bytes that warm instances may have grown to, together.
    pub warm_memory: usize,
    /// Calls after which an instance is replaced.
    pub calls_per_instance: u32,
}

impl Default for ExpressionLimits {
    fn default() -> Self {
        Self {
            fuel: 2_000_000_000,
            memory: 64 << 20,
            wall: Duration::from_secs(10),
            output: 16 << 20,
            concurrent: 16,
            // Each holds a megabyte or two: this many leave the server below 300 MiB with fifty tenants at work.
            warm: 64,
            warm_memory: 128 << 20,
            calls_per_instance: 10_000,
        }
    }
}

/// Evaluates expressions. Clones share threads, instances and limits.
#[derive(Clone)]
pub struct Expressions(Arc<Inner>);

struct Inner {
    runtime: Runtime,
    module: InstancePre<Meter>,
    pool: Pool,
    turns: Turns,
    limits: ExpressionLimits,
}

/// A batch whose jobs must be told apart after a trap may trap this often again, and take the time of one call; the jobs after that
/// are not run.
const TRAPS_PER_CALL: usize = 8;

/// Where checks stand in line: they are of people who wait for an answer.
const CHECKS: Lane = 0;

impl Expressions {
    /// Loads the image and starts the threads.
    ///
    /// # Errors
    /// An image that cannot be used, or an engine that the system has no room for.
    pub fn new(images: &Images, limits: ExpressionLimits) -> Result<Self, ImageError> {
        let wasm = |error: wasmtime::Error| ImageError::Wasm {
            guest: Guest::Expressions.name(),
            message: format!("{error:#}"),
        };
        let instances = u32::try_from(limits.concurrent + limits.warm + 1).unwrap_or(u32::MAX);
        let engine = Guest::Expressions.engine(instances, limits.memory).map_err(wasm)?;
        let module = images.load_module(Guest::Expressions, &engine)?;
        // The linker stays empty: a guest that imports anything is refused here.
        let module = Linker::new(&engine).instantiate_pre(&module).map_err(wasm)?;
        let runtime = Runtime::start("expressions", &engine).map_err(|error| wasm(wasmtime::Error::new(error)))?;
        Ok(Self(Arc::new(Inner {
            runtime,
            module,
            pool: Pool::new(limits.warm, limits.warm_memory),
            turns: Turns::new(limits.concurrent),
            limits,
        })))
    }

    /// Runs each evaluation and gives their results in the same order.
    ///
    /// One that exceeds a limit has an error of its own; the others of the call still answer. Dropping the future stops the guest.
    ///
    /// # Errors
    /// The host's faults alone: an unknown program, a broken image, shutdown.
    pub async fn evaluate(
        &self,
        set: &Arc<ProgramSet>,
        evaluations: &[Evaluation<'_>],
    ) -> Result<Vec<Result<Value, ExpressionError>>, SandboxError> {
        let slots = evaluations.iter().map(|evaluation| set.slot(evaluation.program)).collect::<Result<Vec<_>, _>>()?;
        let jobs: Vec<_> = slots.into_iter().zip(evaluations).collect();
        match self.batch(set, &jobs).await? {
            Ok(results) => Ok(results),
            Err(stop) if jobs.len() <= 1 => Ok(jobs.iter().map(|_| Err(ExpressionError::stopped(&stop))).collect()),
            Err(_) => self.one_by_one(set, &jobs).await,
        }
    }

    /// Tells the job that trapped from the others.
    async fn one_by_one(
        &self,
        set: &Arc<ProgramSet>,
        jobs: &[(usize, &Evaluation<'_>)],
    ) -> Result<Vec<Result<Value, ExpressionError>>, SandboxError> {
        let mut results = Vec::with_capacity(jobs.len());
        let mut traps = 0;
        let start = Instant::now();
        for job in jobs {
            if traps == TRAPS_PER_CALL || traps > 0 && start.elapsed() > self.0.limits.wall {
                results.push(Err(ExpressionError {
                    kind: ExpressionErrorKind::Limit(Limit::Cpu),
                    message: "not run: too many expressions of this call ran into limits".into(),
                    position: None,
                }));
                continue;
            }
            match self.batch(set, std::slice::from_ref(job)).await? {
                Ok(result) => results.extend(result),
                Err(stop) => {
                    traps += 1;
                    results.push(Err(ExpressionError::stopped(&stop)));
                }
            }
        }
        Ok(results)
    }

    async fn batch(
        &self,
        set: &Arc<ProgramSet>,
        jobs: &[(usize, &Evaluation<'_>)],
    ) -> Result<Result<Vec<Result<Value, ExpressionError>>, Stop>, SandboxError> {
        let turn = self.turn(set.lane()).await?;
        // Not before its turn: instances that wait in line would be missing elsewhere, and there is room for as many as
        // run and are warm, not for as many as wait.
        let instance = self.0.pool.take(&set.key);
        let loaded = instance.as_ref().map(|instance| &instance.loaded);
        let (request, new) = request(set, jobs, loaded);
        let (turn, instance, response) = self.call(turn, instance, request).await?;
        let response = match response {
            Ok(response) => response,
            Err(stop) => return Ok(Err(stop)),
        };
        if let Some(mut instance) = instance {
            instance.loaded.extend(new);
            self.keep(set.key, instance);
        }
        drop(turn);
        let results: Vec<Evaluated> = decode(&response, jobs.len())?;
        let parse = |result: Evaluated| {
            let value = Result::from(result)?;
            serde_json::from_str(value.get()).map_err(|error| ExpressionError {
                kind: ExpressionErrorKind::Type,
                message: format!("the result does not fit into JSON: {error}"),
                position: None,
            })
        };
        Ok(Ok(results.into_iter().map(parse).collect()))
    }

    /// Parses each program without running it: its references, or its faults.
    ///
    /// # Errors
    /// The host's faults alone.
    pub async fn check(
        &self,
        programs: &[Program],
    ) -> Result<Vec<Result<Checked, Vec<ExpressionError>>>, SandboxError> {
        let sources: Vec<_> =
            programs.iter().map(|program| Source { language: program.language, source: &program.source }).collect();
        match self.check_batch(&sources).await? {
            Ok(results) => return Ok(results),
            Err(stop) if sources.len() <= 1 => {
                return Ok(sources.iter().map(|_| Err(vec![ExpressionError::stopped(&stop)])).collect());
            }
            Err(_) => {}
        }
        let mut results = Vec::with_capacity(sources.len());
        for source in &sources {
            match self.check_batch(std::slice::from_ref(source)).await? {
                Ok(result) => results.extend(result),
                Err(stop) => results.push(Err(vec![ExpressionError::stopped(&stop)])),
            }
        }
        Ok(results)
    }

    async fn check_batch(
        &self,
        sources: &[Source<'_>],
    ) -> Result<Result<Vec<Result<Checked, Vec<ExpressionError>>>, Stop>, SandboxError> {
        let request = encode(&Request::Check { programs: sources });
        // Always a fresh instance: what is checked together need not be of one author.
        let (_, _, response) = self.call(self.turn(CHECKS).await?, None, request).await?;
        match response {
            Ok(response) => {
                let results: Vec<CheckedProgram> = decode(&response, sources.len())?;
                Ok(Ok(results.into_iter().map(Result::from).collect()))
            }
            Err(stop) => Ok(Err(stop)),
        }
    }

    /// How many instances are kept warm at the moment.
    pub fn warm_instances(&self) -> usize {
        self.0.pool.len()
    }

    async fn turn(&self, lane: Lane) -> Result<Turn, SandboxError> {
        self.0.turns.take(lane).await.ok_or(SandboxError::Stopped)
    }

    /// Sends `request` to `instance`, or to a fresh one. The instance comes back unless it stopped, and with it the turn, which is
    /// to be given up once the instance is put away. A guest whose caller is gone keeps the turn until it has stopped.
    async fn call(
        &self,
        turn: Turn,
        instance: Option<Instance>,
        request: Vec<u8>,
    ) -> Result<(Turn, Option<Instance>, Result<Vec<u8>, Stop>), SandboxError> {
        let module = self.0.module.clone();
        let ExpressionLimits { fuel, memory, wall, output, .. } = self.0.limits;
        let guest = async move {
            let mut instance = match instance {
                Some(instance) => instance,
                None => Instance::new(&module, memory).await?,
            };
            match tokio::time::timeout(wall, instance.call(&request, fuel, output)).await {
                Ok(Ok(response)) => Ok((turn, Some(instance), Ok(response))),
                Ok(Err(stop)) => Ok((turn, None, Err(stop))),
                Err(_) => Ok((turn, None, Err(Stop::Limit(Limit::WallClock)))),
            }
        };
        self.0.runtime.run(guest).await?
    }

    fn keep(&self, key: pool::Key, instance: Instance) {
        // An instance that one large document has blown up gives its memory back.
        let bloated = instance.growth() > self.0.limits.memory / 4;
        if instance.calls < self.0.limits.calls_per_instance && !bloated {
            self.0.pool.put(key, instance);
        }
    }
}

/// The request for `jobs`, and the slots that it loads.
fn request(
    set: &ProgramSet,
    jobs: &[(usize, &Evaluation<'_>)],
    loaded: Option<&HashSet<usize>>,
) -> (Vec<u8>, HashSet<usize>) {
    let mut documents: Vec<&Value> = Vec::new();
    let mut new = HashSet::new();
    let mut load = Vec::new();
    let mut requests = Vec::with_capacity(jobs.len());
    for &(slot, evaluation) in jobs {
        if !loaded.is_some_and(|loaded| loaded.contains(&slot))
            && new.insert(slot)
            && let Some(program) = set.programs.get(slot)
        {
            load.push(Load { slot, language: program.language, source: &program.source });
        }
        let known = documents.iter().rposition(|document| std::ptr::eq(*document, evaluation.document));
        let document = known.unwrap_or_else(|| {
            documents.push(evaluation.document);
            documents.len() - 1
        });
        requests.push(Job { slot, document, locals: evaluation.locals, secrets: evaluation.secrets });
    }
    (encode(&Request::Evaluate { load, documents: &documents, jobs: requests }), new)
}

fn encode(request: &Request<'_>) -> Vec<u8> {
    // Strings, numbers and maps with string keys: there is nothing in a request that JSON refuses.
    serde_json::to_vec(request).unwrap_or_default()
}

fn decode<T: DeserializeOwned>(response: &[u8], expected: usize) -> Result<Vec<T>, SandboxError> {
    let protocol = |message: String| SandboxError::Protocol { guest: Guest::Expressions.name(), message };
    let response: Response<T> = serde_json::from_slice(response).map_err(|error| protocol(error.to_string()))?;
    match response {
        Response { results: Some(results), .. } if results.len() == expected => Ok(results),
        Response { fault: Some(fault), .. } => Err(protocol(fault)),
        _ => Err(protocol("the number of results is not that of the questions".into())),
    }
}

impl ExpressionError {
    fn stopped(stop: &Stop) -> Self {
        let (kind, message) = match stop {
            Stop::Limit(limit) => (ExpressionErrorKind::Limit(*limit), format!("the expression was stopped: {limit}")),
            Stop::Crash(_) => {
                (ExpressionErrorKind::Crash, "the expression cannot be evaluated; simplify it".to_owned())
            }
        };
        Self { kind, message, position: None }
    }
}
