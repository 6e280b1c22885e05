//! `cargo xtask test`: everything that is needed, then every test.

use std::{
    fmt,
    io::{BufRead as _, BufReader},
    num::NonZero,
    ops::AddAssign,
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context as _, bail, ensure};

use crate::{
    clients, console,
    context::Context,
    demo, files, guests,
    progress::{minutes, seconds, step},
    setup, shell,
};

/// How many tests did what.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Runs every test there is, whether or not an earlier one failed, and ends with the tally.
pub(crate) fn run(cx: &Context) -> anyhow::Result<()> {
    setup::run(cx)?;
    setup::mail_server(cx)?;
    guests::build(cx)?;
    console::build(cx)?;

    let mut total = Tally::default();
    let mut complaints = Vec::new();
    let mut suite = |name: &str, outcome: anyhow::Result<Tally>| match outcome {
        Ok(tally) => {
            println!("  {name}: {tally}");
            total += tally;
        }
        Err(error) => complaints.push(format!("{name}: {error:#}")),
    };
    suite("Rust", step(cx, "Rust tests", minutes(15), || rust(cx)));
    if console::exists(cx) {
        suite("console", step(cx, "console tests", seconds(40), || unit(cx)));
    } else {
        println!("- console tests: not there yet");
    }
    let (in_browser, from_outside) = beside(
        || {
            if !has_browser_tests(cx)? {
                println!("- browser tests: not there yet");
                return Ok(Tally::default());
            }
            setup::browser(cx)?;
            step(cx, "browser tests", minutes(4), || browser(cx))
        },
        || step(cx, "API tests from outside", minutes(2), || outside(cx)),
    );
    suite("browser", in_browser);
    suite("API from outside", from_outside);
    for complaint in &complaints {
        println!("✗ {complaint}");
    }
    println!("{total}");
    ensure!(complaints.is_empty() && total.failed == 0, "not every test passed");
    Ok(())
}

/// Both at once where there are cores for both, else one after the other.
fn beside<A: Send, B: Send>(first: impl FnOnce() -> A, second: impl FnOnce() -> B + Send) -> (A, B) {
    if cores() < 4 {
        return (first(), second());
    }
    thread::scope(|scope| {
        let second = scope.spawn(second);
        let first = first();
        (first, second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn cores() -> usize {
    thread::available_parallelism().map_or(2, NonZero::get)
}

/// `cargo test`, shown as it runs and counted from its closing lines.
fn rust(cx: &Context) -> anyhow::Result<Tally> {
    let mut cargo = cx.cargo(&["test", "--workspace", "--no-fail-fast"]);
    // A third of their time they wait for a clock, a lease or a disk.
    cargo.env("RUST_TEST_THREADS", (cores() + cores() / 2).to_string());
    let mut child = cargo.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot run cargo test")?;
    let stdout = child.stdout.take().context("cargo's output is piped")?;
    let mut tally = Tally::default();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        tally += closing_line(&line).unwrap_or_default();
    }
    let status = child.wait()?;
    if !status.success() && tally.failed == 0 {
        bail!("cargo test failed before it ran every test: {status} ({tally})");
    }
    Ok(tally)
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; …` as a tally.
fn closing_line(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let count = |word: &str| {
        let part = counts.split("; ").find_map(|part| part.strip_suffix(word))?;
        part.trim().parse().ok()
    };
    Some(Tally { passed: count("passed")?, failed: count("failed")?, skipped: count("ignored")? })
}

/// The console's unit tests.
fn unit(cx: &Context) -> anyhow::Result<Tally> {
    console::install(cx)?;
    let report = cx.target.join("vitest.json");
    let _ = std::fs::remove_file(&report);
    let output = format!("--outputFile.json={}", report.display());
    let arguments = ["run", "--silent", "test", "--", "--reporter=default", "--reporter=json", &output];
    counted(&mut cx.npm(&arguments), &report, |json| {
        let count = |name: &str| json.get(name).and_then(serde_json::Value::as_u64).unwrap_or_default();
        Tally {
            passed: count("numPassedTests"),
            failed: count("numFailedTests"),
            skipped: count("numPendingTests") + count("numTodoTests"),
        }
    })
}

fn has_browser_tests(cx: &Context) -> anyhow::Result<bool> {
    Ok(files::tracked(cx, &["console/e2e"])?.iter().any(|path| path.to_string_lossy().ends_with(".test.ts")))
}

/// Playwright against the built binary in Debian's Chromium.
fn browser(cx: &Context) -> anyhow::Result<Tally> {
    console::install(cx)?;
    shell::run(&mut cx.cargo(&demo::DEBUG))?;
    let report = cx.target.join("playwright.json");
    let _ = std::fs::remove_file(&report);
    let mut playwright = cx.npm(&["run", "--silent", "e2e", "--", "--reporter=line,json"]);
    playwright
        .env("PLAYWRIGHT_JSON_OUTPUT_NAME", &report)
        .env("TENURE_BIN", cx.target.join("debug/tenure"))
        .env("TENURE_ASSETS", cx.root.join("console/dist"))
        .env("TENURE_GUESTS_DIR", guests::build(cx)?);
    counted(&mut playwright, &report, |json| {
        let count = |name: &str| {
            json.pointer(&format!("/stats/{name}")).and_then(serde_json::Value::as_u64).unwrap_or_default()
        };
        // One that passed only when repeated did not pass.
        Tally { passed: count("expected"), failed: count("unexpected") + count("flaky"), skipped: count("skipped") }
    })
}

/// Generated clients, the examples of the documentation, and Schemathesis, against the built binary.
fn outside(cx: &Context) -> anyhow::Result<Tally> {
    let bin = clients::environment(cx)?;
    clients::generate(cx)?;
    shell::run(&mut cx.cargo(&demo::DEBUG))?;
    let mut pytest = Command::new(bin.join("pytest"));
    pytest
        .current_dir(&cx.root)
        .args(["--quiet", "-p", "no:cacheprovider", "interop/api"])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("TENURE_BIN", cx.target.join("debug/tenure"))
        .env("TENURE_CLIENTS", clients::directory(cx))
        .env("TENURE_GUESTS_DIR", guests::build(cx)?);
    // Shown in one piece: other tests may be running beside these.
    let done = pytest.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cannot run pytest")?;
    let (text, status) = (String::from_utf8_lossy(&done.stdout), done.status);
    println!("{text}");
    let tally = text.lines().rev().find_map(pytest_line);
    let tally = tally.with_context(|| format!("pytest told of no test: {status}"))?;
    ensure!(status.success() || tally.failed > 0, "pytest: {status} ({tally})");
    Ok(tally)
}

/// `1 failed, 2 passed, 1 error in 3.45s` as a tally.
fn pytest_line(line: &str) -> Option<Tally> {
    let (counts, time) = line.trim_matches(['=', ' ']).rsplit_once(" in ")?;
    time.split(['s', ' ']).next()?.parse::<f64>().ok()?;
    let count = |words: &[&str]| {
        let parts = counts.split(", ").filter_map(|part| part.split_once(' '));
        parts.filter(|(_, word)| words.contains(word)).filter_map(|(number, _)| number.parse::<u64>().ok()).sum()
    };
    Some(Tally {
        passed: count(&["passed"]),
        failed: count(&["failed", "error", "errors"]),
        skipped: count(&["skipped"]),
    })
}

/// Runs a test program that writes a JSON report. A failure that the report does not explain is an error.
fn counted(
    command: &mut Command,
    report: &std::path::Path,
    read: impl FnOnce(&serde_json::Value) -> Tally,
) -> anyhow::Result<Tally> {
    let outcome = shell::run(command);
    let Ok(text) = files::read(report) else {
        return outcome.and_then(|()| bail!("no report was written"));
    };
    let tally = read(&serde_json::from_slice(&text).with_context(|| format!("cannot read {}", report.display()))?);
    if tally.failed == 0 {
        outcome?;
    }
    Ok(tally)
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn pytests_last_line_is_counted() {
        let tally = Tally { passed: 2, failed: 2, skipped: 0 };
        assert_eq!(pytest_line("1 failed, 2 passed, 1 error in 75.31s (0:01:15)"), Some(tally));
        assert_eq!(
            pytest_line("=== 4 passed, 1 skipped in 0.06s ==="),
            Some(Tally { passed: 4, failed: 0, skipped: 1 })
        );
        assert_eq!(pytest_line("a test in progress"), None);
    }

    #[test]
    fn closing_lines_are_counted() {
        let line = "test result: FAILED. 17 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(closing_line(line), Some(Tally { passed: 17, failed: 2, skipped: 1 }));
        assert_eq!(closing_line("test binaries::tests::versions_are_read ... ok"), None);
    }
}
