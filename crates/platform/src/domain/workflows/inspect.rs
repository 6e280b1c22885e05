//! From a text to every fault in it.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use tenure_kernel::{Error, Mode, Problem, Result, TeamId, TenantTx};
use tenure_sandbox::{PluginError, Program, Python, SourceFault};
use tenure_workflow::definition::Definition;
use tenure_workflow::document::Position;
use tenure_workflow::expression::{Checked, Segment, SourcePosition};
use tenure_workflow::fault::{Code, Fault, Report, Severity};
use tenure_workflow::nodes::{NodeKind, Plugin, PluginCode, PluginReference};
use tenure_workflow::validate::{Context, Draft, PlanLimits};

use super::expressions;
use super::model::Format;
use crate::domain::plugins;
use crate::domain::tenancy::{self, Plan};
use crate::sandbox::Sandbox;

/// The most bytes of a definition, as it was sent and in canonical form.
const MAX_DEFINITION: usize = 1024 * 1024;
const MAX_DESCRIPTION: usize = 10_000;
const MAX_TAGS: usize = 50;
const MAX_TAG: usize = 64;
/// How long the sandbox may take for one definition.
const PATIENCE: Duration = Duration::from_secs(20);
/// So many inline sources are checked; the check is a courtesy, the sandbox is the wall.
const MAX_SOURCES: usize = 64;

/// A definition that can be read, with what the sandbox says about it.
#[derive(Debug)]
pub(super) struct Inspected {
    pub(super) draft: Draft,
    pub(super) source: String,
    pub(super) format: Format,
    answers: Vec<Checked>,
    faults: Vec<Fault>,
}

/// Reads a definition and has the sandbox check what is written in it. Holds no transaction, for it takes its time.
///
/// # Errors
/// The inner one is a report on a text that cannot be judged further. The outer one is 503 where the sandbox is needed and
/// not there.
pub(super) async fn inspect(sandbox: &Sandbox, text: Bytes) -> Result<Result<Inspected, Report>> {
    // Up to a mebibyte of hostile YAML: not on a thread that serves others.
    let read = tokio::task::spawn_blocking(move || read(&text)).await.map_err(Error::internal)?;
    let (draft, source) = match read {
        Ok(read) => read,
        Err(report) => return Ok(Err(report)),
    };
    let checks =
        async { Ok::<_, Error>((check_expressions(sandbox, &draft).await?, check_sources(sandbox, &draft).await?)) };
    let Ok(checked) = tokio::time::timeout(PATIENCE, checks).await else {
        let message = "its expressions take too long to check; make them smaller or fewer";
        return Ok(Err(whole(Code::OverLimit, message)));
    };
    let (answers, mut faults) = checked?;
    faults.extend(check_bounds(&draft));
    faults.extend(check_signatures(sandbox, &draft));
    let format = Format::of(&source);
    Ok(Ok(Inspected { draft, source, format, answers, faults }))
}

fn read(text: &[u8]) -> Result<(Draft, String), Report> {
    // Some readers of YAML end at a NUL, PostgreSQL stores none: nothing may hide behind it.
    if text.contains(&0) {
        return Err(whole(Code::InvalidValue, "the text holds a NUL character, which cannot be stored; remove it"));
    }
    let draft = Draft::parse(text)?;
    if draft.canonical_json().len() > MAX_DEFINITION {
        let message = format!("written out, the definition has more than {MAX_DEFINITION} bytes; use fewer aliases");
        return Err(whole(Code::TooLarge, message));
    }
    Ok((draft, String::from_utf8_lossy(text).into_owned()))
}

/// What lists show of a definition is bounded more tightly than the definition.
fn check_bounds(draft: &Draft) -> Vec<Fault> {
    let definition = draft.definition();
    let too_long = |text: &str, most: usize| text.chars().count() > most;
    let mut faults = Vec::new();
    let mut over = |pointer: &str, message: &str| {
        let Position { line, column } = draft.position_inside(pointer, 1, 1);
        let (code, severity) = (Code::OverLimit, Severity::Error);
        let (pointer, message) = (pointer.to_owned(), message.to_owned());
        faults.push(Fault { code, severity, message, pointer, line, column, suggestion: None });
    };
    if definition.description.as_deref().is_some_and(|text| too_long(text, MAX_DESCRIPTION)) {
        over("/description", "a description has at most 10000 characters; put the rest into a note");
    }
    if definition.tags.len() > MAX_TAGS || definition.tags.iter().any(|tag| tag.is_empty() || too_long(tag, MAX_TAG)) {
        over("/tags", "a workflow has at most 50 tags of 1 to 64 characters");
    }
    faults
}

/// Source in a definition has no publisher who could sign it, and of published plugins this release can sign none: where
/// signatures are required both are refused here, not when they run.
fn check_signatures(sandbox: &Sandbox, draft: &Draft) -> Vec<Fault> {
    let Err(problem) = sandbox.admits(false) else { return Vec::new() };
    let nodes = draft.definition().nodes.iter().map(|node| match &node.kind {
        NodeKind::Map(map) => (&map.body.kind, format!("{}/do", node.pointer)),
        kind => (kind, node.pointer.clone()),
    });
    let places = nodes.filter_map(|(kind, pointer)| match kind {
        NodeKind::Plugin(Plugin { code: PluginCode::Inline { .. }, .. }) => Some(format!("{pointer}/source")),
        NodeKind::Plugin(Plugin { code: PluginCode::Published(_), .. }) => Some(format!("{pointer}/plugin")),
        _ => None,
    });
    let fault = |pointer: String| {
        let Position { line, column } = draft.position_inside(&pointer, 1, 1);
        let (code, severity, message) = (Code::UnsignedPlugin, Severity::Error, problem.detail.to_string());
        Fault { code, severity, message, pointer, line, column, suggestion: None }
    };
    places.map(fault).collect()
}

/// A report of one error on the document as a whole.
fn whole(code: Code, message: impl Into<String>) -> Report {
    let Position { line, column } = Position::START;
    let (pointer, message) = (String::new(), message.into());
    Report { faults: vec![Fault { code, severity: Severity::Error, message, pointer, line, column, suggestion: None }] }
}

async fn check_expressions(sandbox: &Sandbox, draft: &Draft) -> Result<Vec<Checked>> {
    let programs: Vec<Program> = draft.expressions().iter().map(expressions::program).collect();
    if programs.is_empty() {
        return Ok(Vec::new());
    }
    let answers = sandbox.expressions()?.check(&programs).await.map_err(Error::internal)?;
    Ok(answers.into_iter().map(expressions::checked).collect())
}

async fn check_sources(sandbox: &Sandbox, draft: &Draft) -> Result<Vec<Fault>> {
    let sources: Vec<(String, String)> =
        draft.sources().take(MAX_SOURCES).map(|(pointer, source)| (pointer, source.to_owned())).collect();
    if sources.is_empty() {
        return Ok(Vec::new());
    }
    let python = sandbox.python()?;
    let checks = sources.into_iter().map(|(pointer, source)| check_source(python, draft, pointer, source));
    let faults: Vec<Vec<Fault>> = futures::stream::iter(checks).buffered(2).try_collect().await?;
    Ok(faults.concat())
}

async fn check_source(python: &Python, draft: &Draft, pointer: String, source: String) -> Result<Vec<Fault>> {
    let found = match python.check(&source).await {
        Ok(found) => found,
        Err(PluginError::Host(fault)) => return Err(Error::internal(fault)),
        Err(error) => {
            let kind = "syntax".to_owned();
            vec![SourceFault { kind, message: format!("the source cannot be checked: {error}"), line: 1, column: 1 }]
        }
    };
    let place = |fault: SourceFault| {
        let Position { line, column } = draft.position_inside(&pointer, fault.line, fault.column);
        let (code, severity) = match fault.kind.as_str() {
            "syntax" => (Code::ExpressionSyntax, Severity::Error),
            "execute" => (Code::ExpressionInvalid, Severity::Error),
            // It may stand where it is never reached, or inside a `try`.
            _ => (Code::ExpressionInvalid, Severity::Warning),
        };
        Fault { code, severity, message: fault.message, pointer: pointer.clone(), line, column, suggestion: None }
    };
    Ok(found.into_iter().map(place).collect())
}

/// Every fault of the definition in this tenant. `granted` names the secrets that the workflow may use, `team` the one that
/// it is private to.
///
/// A secret that is not granted yet is a warning: a grant names the workflow, which a new definition is not yet. The
/// step that would send it fails.
pub(super) async fn judge<M: Mode>(
    tx: &mut TenantTx<M>,
    inspected: &Inspected,
    granted: &BTreeSet<String>,
    team: Option<TeamId>,
) -> Result<Report> {
    let catalog = plugins::Catalog::load(tx, &plugin_references(inspected.draft.definition()), team).await?;
    let (mut secrets, mut faults) = (granted.clone(), inspected.faults.clone());
    for (name, fault) in ungranted(inspected, granted) {
        secrets.insert(name);
        faults.push(fault);
    }
    let limits = limits(tenancy::store::current(tx).await?.plan);
    let context = Context { catalog: &catalog, secrets: &secrets, limits };
    let mut report = inspected.draft.validate(&inspected.answers, &context);
    report.faults.append(&mut faults);
    report.faults.sort_by_key(|fault| (fault.line, fault.column));
    Ok(report)
}

/// What one definition may ask for. Steps of one execution share the machine with those of every other tenant.
const fn limits(plan: Plan) -> PlanLimits {
    let (nodes, parallelism) = match plan {
        Plan::Free => (100, 20),
        Plan::Pro => (1_000, 100),
        Plan::Enterprise => (usize::MAX, 1_000),
    };
    PlanLimits { nodes, parallelism, timeout: None }
}

/// The secrets that are read and not granted, each place with its warning.
fn ungranted<'a>(
    inspected: &'a Inspected,
    granted: &'a BTreeSet<String>,
) -> impl Iterator<Item = (String, Fault)> + 'a {
    let draft = &inspected.draft;
    let read = draft.expressions().iter().zip(&inspected.answers).flat_map(|(expression, answer)| {
        answer.iter().flatten().filter_map(move |reference| match reference.path.as_slice() {
            [Segment::Key(root), Segment::Key(name), ..] if root == "secrets" => Some((expression, reference, name)),
            _ => None,
        })
    });
    read.filter(|(_, _, name)| !granted.contains(*name)).map(move |(expression, reference, name)| {
        let inside = reference.position.as_ref().and_then(|position| position.pointer.as_deref());
        let pointer = format!("{}{}", expression.pointer, inside.unwrap_or_default());
        let SourcePosition { line, column, .. } =
            reference.position.clone().unwrap_or(SourcePosition { line: 1, column: 1, pointer: None });
        let Position { line, column } = draft.position_inside(&pointer, line, column);
        let message = format!("the workflow was not granted the secret `{name}`; grant it before you run the workflow");
        let (code, severity) = (Code::SecretNotGranted, Severity::Warning);
        (name.clone(), Fault { code, severity, message, pointer, line, column, suggestion: None })
    })
}

/// The published plugins that a definition names, those inside maps included.
pub(super) fn plugin_references(definition: &Definition) -> Vec<&PluginReference> {
    let kinds = definition.nodes.iter().map(|node| match &node.kind {
        NodeKind::Map(map) => &map.body.kind,
        kind => kind,
    });
    kinds
        .filter_map(|kind| match kind {
            NodeKind::Plugin(plugin) => match &plugin.code {
                PluginCode::Published(reference) => Some(reference),
                PluginCode::Inline { .. } => None,
            },
            _ => None,
        })
        .collect()
}

/// What is refused before anything is looked at in the tenant.
pub(super) fn require(inspected: Result<Inspected, Report>) -> Result<Inspected> {
    inspected.map_err(|report| Problem::into(super::fault::refusal(report)))
}
