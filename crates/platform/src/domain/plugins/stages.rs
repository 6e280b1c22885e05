//! What an upload passes before it is stored; every stage's result is reported (spec 30, *Lifecycle*).

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tenure_kernel::error::FieldError;
use tenure_kernel::{Code, Error, Problem, Result};
use tenure_sandbox::{PluginError, Python};
use tenure_workflow::definition::InputSchema;
use utoipa::ToSchema;

use super::manifest::{Example, Manifest, ManifestFault};
use super::run;
use crate::sandbox::Sandbox;

/// The most bytes of a source.
pub(super) const MAX_SOURCE: usize = 1024 * 1024;
/// How long all examples of an upload may take together; what comes after is not run, and fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// One stage of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stage {
    /// Which.
    pub stage: StageName,
    /// How it went.
    pub outcome: StageOutcome,
    /// What it found, or why it was skipped.
    pub detail: Option<String>,
    /// Line of the manifest or the source.
    pub line: Option<u32>,
}

/// The stages, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StageName {
    /// `plugin.yaml` can be read and holds together.
    Manifest,
    /// A trusted publisher signed it.
    Signature,
    /// The schemas of configuration, inputs and outputs are valid.
    ConfigSchema,
    /// What it asks for can be granted.
    Capabilities,
    /// The source parses, defines `execute`, and uses nothing that cannot work.
    Source,
    /// The examples give what they say.
    Examples,
}

/// How a stage went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StageOutcome {
    /// Nothing is wrong.
    Passed,
    /// The upload is refused.
    Failed,
    /// Not looked at.
    Skipped,
}

impl Stage {
    fn passed(stage: StageName, detail: impl Into<Option<String>>) -> Self {
        Self { stage, outcome: StageOutcome::Passed, detail: detail.into(), line: None }
    }

    fn failed(stage: StageName, detail: impl Into<String>) -> Self {
        Self { stage, outcome: StageOutcome::Failed, detail: Some(detail.into()), line: None }
    }

    fn skipped(stage: StageName, detail: impl Into<String>) -> Self {
        Self { stage, outcome: StageOutcome::Skipped, detail: Some(detail.into()), line: None }
    }

    fn at(self, line: Option<u32>) -> Self {
        Self { line, ..self }
    }
}

/// An upload that passed.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) manifest: Manifest,
    pub(super) manifest_text: String,
    pub(super) source: String,
    pub(super) stages: Vec<Stage>,
}

impl Upload {
    /// What it takes to keep it.
    pub(super) fn bytes(&self) -> u64 {
        u64::try_from(self.manifest_text.len() + self.source.len()).unwrap_or(u64::MAX)
    }

    /// SHA-256 over the length of the manifest, the manifest and the source.
    pub(super) fn digest(&self) -> [u8; 32] {
        let length = u64::try_from(self.manifest_text.len()).unwrap_or(u64::MAX);
        let digest = Sha256::new().chain_update(length.to_be_bytes());
        digest.chain_update(&self.manifest_text).chain_update(&self.source).finalize().into()
    }
}

/// Takes an upload through its stages. All of them run, so that everything that is wrong is told at once.
///
/// # Errors
/// 422 with the report where a stage failed; 503 where the sandbox is not there.
pub(super) async fn pass(sandbox: &Sandbox, manifest_text: String, source: String) -> Result<Upload> {
    let manifest = match Manifest::parse(&manifest_text) {
        Ok(manifest) => manifest,
        Err(fault) => return Err(unreadable(fault).into()),
    };
    let mut stages = vec![
        Stage::passed(StageName::Manifest, None),
        Stage::skipped(StageName::Signature, "signing comes in a later release"),
        schemas(&manifest),
        match manifest.check_capabilities() {
            Ok(()) => Stage::passed(StageName::Capabilities, None),
            Err(detail) => Stage::failed(StageName::Capabilities, detail),
        },
    ];
    let python = sandbox.python()?;
    let checked = check_source(python, &source).await?;
    let sound = checked.outcome == StageOutcome::Passed;
    stages.push(checked);
    stages.push(match (sound, manifest.examples.is_empty()) {
        (_, true) => Stage::skipped(StageName::Examples, "the manifest has none"),
        (false, _) => Stage::skipped(StageName::Examples, "the source must pass first"),
        (true, false) => run_examples(python, &manifest, &source).await,
    });
    if stages.iter().any(|stage| stage.outcome == StageOutcome::Failed) {
        return Err(refusal(&stages).into());
    }
    Ok(Upload { manifest, manifest_text, source, stages })
}

fn unreadable(fault: ManifestFault) -> Problem {
    let field = fault.field();
    let stage = Stage::failed(StageName::Manifest, field.detail.clone()).at(fault.line);
    refusal(&[stage])
}

/// 422 with the report: what failed in `errors`, every stage in `stages`.
fn refusal(stages: &[Stage]) -> Problem {
    let failed = stages.iter().filter(|stage| stage.outcome == StageOutcome::Failed);
    let field = |stage: &Stage| FieldError {
        pointer: if stage.stage == StageName::Source { "/source" } else { "/manifest" }.to_owned(),
        detail: stage.detail.clone().unwrap_or_default(),
        code: serde_json::to_value(stage.stage).ok().and_then(|name| name.as_str().map(|name| name.to_owned().into())),
    };
    let mut problem = Problem::new(Code::Invalid, "the plugin did not pass every stage; see stages")
        .with("stages", serde_json::json!(stages));
    problem.errors = failed.map(field).collect();
    problem
}

fn schemas(manifest: &Manifest) -> Stage {
    let schemas =
        [("config_schema", &manifest.config_schema), ("inputs", &manifest.inputs), ("outputs", &manifest.outputs)];
    for (name, schema) in schemas {
        if let Some(Err(error)) = schema.as_ref().map(InputSchema::compile) {
            let detail = format!("{name}{} is no valid JSON Schema 2020-12: {error}", error.pointer);
            return Stage::failed(StageName::ConfigSchema, detail);
        }
    }
    match &manifest.config_schema {
        Some(_) => Stage::passed(StageName::ConfigSchema, None),
        None => Stage::skipped(StageName::ConfigSchema, "the manifest has none: any configuration will do"),
    }
}

async fn check_source(python: &Python, source: &str) -> Result<Stage> {
    let faults = match python.check(source).await {
        Ok(faults) => faults,
        Err(PluginError::Host(fault)) => return Err(Error::internal(fault)),
        Err(error) => return Ok(Stage::failed(StageName::Source, format!("the source cannot be checked: {error}"))),
    };
    // What cannot work may stand inside a `try`: it is told, and the examples show whether it matters.
    let hard = faults.iter().find(|fault| matches!(fault.kind.as_str(), "syntax" | "execute"));
    Ok(match (hard, faults.first()) {
        (Some(fault), _) => Stage::failed(StageName::Source, fault.message.clone()).at(Some(fault.line)),
        (None, Some(fault)) => Stage::passed(StageName::Source, fault.message.clone()).at(Some(fault.line)),
        (None, None) => Stage::passed(StageName::Source, None),
    })
}

async fn run_examples(python: &Python, manifest: &Manifest, source: &str) -> Stage {
    let schema = manifest.config_schema.as_ref().and_then(|schema| InputSchema::compile(schema).ok());
    let begun = Instant::now();
    for (index, example) in manifest.examples.iter().enumerate() {
        let name = example.name.clone().unwrap_or_else(|| format!("example {}", index + 1));
        if begun.elapsed() > PATIENCE {
            let seconds = PATIENCE.as_secs();
            return Stage::failed(StageName::Examples, format!("{name} was not run: all have {seconds} s together"));
        }
        if let Some(fault) = schema.iter().flat_map(|schema| schema.check(&example.config)).next() {
            let detail = format!("{name}: its config{} does not fit config_schema: {}", fault.pointer, fault.message);
            return Stage::failed(StageName::Examples, detail);
        }
        if let Err((detail, line)) = run_example(python, manifest, source, example).await {
            return Stage::failed(StageName::Examples, format!("{name}: {detail}")).at(line);
        }
    }
    Stage::passed(StageName::Examples, format!("{} gave what they say", manifest.examples.len()))
}

async fn run_example(
    python: &Python,
    manifest: &Manifest,
    source: &str,
    example: &Example,
) -> Result<(), (String, Option<u32>)> {
    let result = run::call(python, source, &example.state(), &example.config, manifest.limits.python()).await;
    match result.error {
        Some(error) => Err((error.message, error.line)),
        None if result.output == example.output => Ok(()),
        None => Err((format!("gave {} and should give {}", short(&result.output), short(&example.output)), None)),
    }
}

fn short(value: &Value) -> String {
    let mut text: String = value.to_string().chars().take(201).collect();
    if text.chars().count() > 200 {
        text.pop();
        text.push('…');
    }
    text
}
