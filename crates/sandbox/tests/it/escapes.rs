//! The corpus in `tests/escapes`: every published family of ways out of a workflow engine, and what comes of each here.
//!
//! `TENURE_ESCAPES_PRINT=1` prints what each case came to, for a new one's `outcome`.

use crate::support::{EXPRESSIONS, PATIENT, alone_with, python};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tenure_sandbox::{Evaluation, PluginError, Program, ProgramSet, PythonCall, PythonLimits, PythonOutcome};

/// Put together at run time, so that no canary stands in a case, in this binary's text or in an error about a case.
fn canary(of: &str) -> String {
    ["TENURE", "ESCAPE", "CANARY", of].join("_")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    family: String,
    counterpart_of: Vec<String>,
    #[serde(default)]
    prelude: String,
    limit_ms: Option<u64>,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    python: Option<String>,
    source: Option<String>,
    cel: Option<String>,
    jq: Option<String>,
    template: Option<String>,
    limit_ms: Option<u64>,
    outcome: Option<String>,
}

impl Case {
    /// A Python source, if this is one.
    fn source(&self, prelude: &str) -> Option<String> {
        let body = self.python.as_ref().map(|body| {
            let body: String = body.trim_matches('\n').lines().map(|line| format!("    {line}\n")).collect();
            format!("{prelude}\ndef execute(state, config):\n{body}")
        });
        body.or_else(|| self.source.clone())
    }

    fn program(&self) -> Program {
        match (&self.cel, &self.jq, &self.template) {
            (Some(source), None, None) => Program::cel("p", source),
            (None, Some(source), None) => Program::jq("p", source),
            (None, None, Some(source)) => Program::template("p", &json!(source)),
            _ => panic!("{} is of no language, or of several", self.name),
        }
    }
}

fn corpus() -> Vec<(PathBuf, Family)> {
    let directory = Path::new("tests/escapes");
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let family = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, family)
    };
    files.into_iter().map(read).collect()
}

/// What a case may know of the host: names, not contents.
struct Host {
    directory: tempfile::TempDir,
    file: PathBuf,
}

impl Host {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, canary("file")).unwrap();
        std::fs::write(directory.path().join("planted.py"), canary("planted")).unwrap();
        Self { directory, file }
    }

    fn document(&self) -> Value {
        json!({ "file": self.file, "directory": self.directory.path() })
    }

    /// Names and contents of everything that a case could have touched.
    fn state(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = std::fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), std::fs::read(&path).unwrap_or_default()))
            .collect();
        files.sort();
        files
    }
}

/// The value as it stands, and as an attempt to hide it would write it.
fn spellings(canary: &str) -> Vec<String> {
    let hex: String = canary.bytes().map(|byte| format!("{byte:02x}")).collect();
    let listed = canary.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(",");
    vec![canary.to_owned(), canary.chars().rev().collect(), hex.to_uppercase(), hex, listed]
}

fn name_of(result: &Result<Value, PluginError>) -> String {
    match result {
        Ok(_) => "harmless".to_owned(),
        Err(PluginError::Raised { raised }) => format!("raised {}", raised.class),
        Err(PluginError::Refused { .. }) => "refused".to_owned(),
        Err(PluginError::Limit(limit)) => format!("limit {limit:?}"),
        Err(PluginError::Crash(_)) => "crash".to_owned(),
        Err(other) => panic!("{other:?}"),
    }
}

async fn run_python(family: &Family, case: &Case, source: &str, host: &Host) -> PythonOutcome {
    // Far more than a case needs: on a busy machine it must end for its own reason all the same.
    let cpu = Duration::from_millis(case.limit_ms.or(family.limit_ms).unwrap_or(20_000));
    let limits = PythonLimits { cpu, wall: Duration::from_secs(120), ..PythonLimits::default() };
    PATIENT.call(PythonCall { limits, ..PythonCall::new(source, &host.document(), &Value::Null) }).await
}

/// An outcome, and all the text that came with it.
async fn attempt(family: &Family, case: &Case, host: &Host) -> (String, String) {
    if let Some(source) = case.source(&family.prelude) {
        let outcome = run_python(family, case, &source, host).await;
        return (name_of(&outcome.result), format!("{:?} {:?}", outcome.result, outcome.logs));
    }
    let document = json!({
        "input": { "file": host.file, "directory": host.directory.path(), "number": 7, "braces": "{{ secrets.hook }}", "open": "{{",
            "close": "}}" },
        "state": {},
        "execution": {},
    });
    let set = ProgramSet::new([1; 32], vec![case.program()]).unwrap();
    let result = EXPRESSIONS.evaluate(&set, &[Evaluation::new("p", &document)]).await.unwrap().remove(0);
    let name = match &result {
        Ok(_) => "harmless".to_owned(),
        Err(error) => format!("error {}", error.kind),
    };
    (name, format!("{result:?}"))
}

/// Calls of somebody else, whose documents carry a canary, beside the attempts: nothing of theirs may turn up either.
async fn others(stop: Arc<AtomicBool>, answered: Arc<AtomicUsize>) {
    let state = json!({ "other": canary("other") });
    let source = "kept = []\ndef execute(state, config):\n    kept.append(state['other'])\n    print(kept)\n    return len(kept)\n";
    let set = ProgramSet::new([2; 32], vec![Program::jq("p", ".other | length")]).unwrap();
    while !stop.load(Ordering::Relaxed) {
        assert_eq!(python(source, &state).await.result, Ok(json!(1)), "a harmless call was disturbed");
        let length = EXPRESSIONS.evaluate(&set, &[Evaluation::new("p", &state)]).await.unwrap().remove(0);
        assert_eq!(length, Ok(json!(canary("other").len())), "a harmless expression was disturbed");
        answered.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_gets_out_and_nothing_of_others_gets_in() {
    let value = canary("environment");
    if !alone_with(
        "escapes::nothing_gets_out_and_nothing_of_others_gets_in",
        &[("TENURE_ESCAPE_PROBE", value.as_str())],
    ) {
        return;
    }
    let print = std::env::var_os("TENURE_ESCAPES_PRINT").is_some();
    let host = Host::new();
    let before = host.state();
    let canaries: Vec<String> =
        ["environment", "file", "planted", "other"].iter().flat_map(|of| spellings(&canary(of))).collect();
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let beside = tokio::spawn(others(Arc::clone(&stop), Arc::clone(&answered)));

    let (mut cases, mut wrong) = (0, Vec::new());
    for (path, family) in corpus() {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        for case in &family.case {
            cases += 1;
            let (outcome, text) = attempt(&family, case, &host).await;
            for canary in &canaries {
                assert!(!text.contains(canary.as_str()), "{file}: {} brought out a canary: {text}", case.name);
            }
            if print {
                let shown: String = text.chars().take(300).collect();
                eprintln!("{file}\t{}\t{outcome}\t{shown}", case.name);
            }
            let expected = case.outcome.as_deref().unwrap_or_default();
            // "contained" asks for no more than all that is asserted around it: no canary, nothing changed, nobody disturbed.
            if expected != "contained" && !expected.split(" or ").any(|expected| expected == outcome) {
                let shown: String = text.chars().take(200).collect();
                wrong.push(format!("{file}: {}: {outcome}, not {expected}: {shown}", case.name));
            }
        }
        assert_eq!(host.state(), before, "{}: something of the host's changed", family.family);
    }
    stop.store(true, Ordering::Relaxed);
    beside.await.unwrap();
    assert!(cases >= 200, "{cases} cases");
    assert!(answered.load(Ordering::Relaxed) > 10, "the harmless calls beside the attempts were not answered");
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
}

/// The weaknesses of other engines that the corpus has to answer.
#[test]
fn each_published_weakness_has_its_counterpart() {
    let answered: Vec<String> = corpus().into_iter().flat_map(|(_, family)| family.counterpart_of).collect();
    for weakness in [
        "CVE-2025-68613",
        "CVE-2025-68668",
        "CVE-2026-0863",
        "CVE-2026-1470",
        "CVE-2026-21877",
        "CVE-2026-25049",
        "CVE-2026-27495",
        "CVE-2026-27497",
        "CVE-2026-27577",
        "CVE-2026-49444",
    ] {
        assert!(answered.iter().any(|known| known == weakness), "{weakness} has no counterpart");
    }
}

/// What an attempt does to its own interpreter is gone with it.
#[tokio::test]
async fn vandalism_ends_with_the_call() {
    let source = "
import json, tenure
def execute(state, config):
    g = tenure.http.__globals__
    g['dumps'] = lambda *a, **k: '{\"forged\": true}'
    g['describe'] = None
    json.loads = None
    __import__.__globals__['ALLOWED'] = None
    return 1
";
    let outcome = python(source, &json!({})).await;
    assert_eq!(outcome.result, Ok(json!({ "forged": true })), "a plugin may forge its own result: it is its own");
    let outcome = python("import json\ndef execute(state, config):\n    return json.loads('[1]')\n", &json!({})).await;
    assert_eq!(outcome.result, Ok(json!([1])));
}

/// Each case of the family of leaks twice: what the first left behind, the second must not find.
#[tokio::test]
async fn a_second_call_finds_nothing_of_the_first() {
    let host = Host::new();
    let (_, family) = corpus().into_iter().find(|(path, _)| path.ends_with("python-leaks.toml")).unwrap();
    for case in &family.case {
        let source = case.source(&family.prelude).unwrap();
        let first = run_python(&family, case, &source, &host).await;
        let second = run_python(&family, case, &source, &host).await;
        assert_eq!(first.result, second.result, "{}", case.name);
        assert!(!format!("{:?}", second.result).contains("mark"), "{}: {:?}", case.name, second.result);
    }
}
