//! `tenure audit verify` and `tenure audit export`.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use tenure_kernel::TenantId;
use tenure_platform::domain::audit::{self, Depth, Outside, Trusted, Verification};

use super::{Failure, Outcome, on_platform};
use crate::config::Flags;
use crate::output;
use crate::platform::Platform;

/// Verify and export the audit log
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Recompute the log and compare it with signed checkpoints
    ///
    /// Every event's hash is made anew from its row, and the first event that was edited, deleted, inserted, reordered or
    /// cut off is named. The checkpoints beside the database are always compared with; one that was kept elsewhere
    /// also shows what somebody with this machine's disks did. With the embedded PostgreSQL the server must be stopped.
    ///
    /// An export is verified without any database; give the log's public key, which `tenure audit verify --json` and
    /// `POST /api/v1/audit/verify` print as `vkey`.
    #[command(after_help = "Examples:\n  \
        tenure audit verify\n  \
        tenure audit verify --tenant acme --checkpoint acme-2026-11.txt\n  \
        tenure audit verify --export acme.jsonl --key 'tenure/ten_…+1a2b3c4d+…' --checkpoint acme-2026-11.txt\n\n\
        Exits with 0 if nothing was found and with 1 otherwise.")]
    Verify(Verify),
    /// Write a log to a file that anyone can verify without this database
    #[command(after_help = "Example:\n  tenure audit export acme.jsonl --tenant acme")]
    Export(Export),
}

#[derive(Debug, clap::Args)]
struct Verify {
    /// File with one or more checkpoints (signed notes) that were kept elsewhere
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Organisation whose log is verified, by its short name; all if absent
    #[arg(long, value_name = "SLUG", conflicts_with = "all")]
    tenant: Option<String>,
    /// Verify every log, as is done when no organisation is named
    #[arg(long)]
    all: bool,
    /// Verify this export instead of the database
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with_all = ["tenant", "all"])]
    export: Option<PathBuf>,
    /// The log's public key (C2SP verifier key)
    #[arg(long, value_name = "VKEY", requires = "export")]
    key: Option<String>,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Export {
    /// Where to write it
    file: PathBuf,
    /// Organisation whose log is exported, by its short name
    #[arg(long, value_name = "SLUG")]
    tenant: String,
}

pub(super) fn run(args: Args, flags: &Flags) -> Outcome {
    match args.verb {
        Verb::Verify(args) => verify(&args, flags),
        Verb::Export(args) => export(&args, flags),
    }
}

fn verify(args: &Verify, flags: &Flags) -> Outcome {
    let notes = args.checkpoint.as_deref().map(read_notes).transpose()?.unwrap_or_default();
    if let (Some(export), Some(key)) = (&args.export, &args.key) {
        return verify_export(export, key, &notes, args.json);
    }
    let logs = on_platform(flags, async |platform: &Platform| {
        let all = audit::tenants(&platform.app.kernel).await?;
        let unknown = notes.iter().find(|note| !all.iter().any(|(tenant, _)| is_of(note, *tenant)));
        if let Some(note) = unknown {
            let origin = note.lines().next().unwrap_or_default();
            return Err(Failure::Usage(format!(
                "the checkpoint is of the log {origin}, which is not in this database"
            )));
        }
        let wanted = chosen(all, args, &notes)?;
        let mut logs = Vec::new();
        for (tenant, slug) in wanted {
            let trusted = trusted(platform, tenant, &notes)?;
            logs.push((slug, audit::verify_tenant(&platform.app.kernel, tenant, trusted, Depth::Whole).await?));
        }
        Ok(logs)
    })?;
    if args.json {
        let documents =
            logs.iter().map(|(slug, found)| serde_json::json!({"organization": slug, "verification": found}));
        output::json(
            &serde_json::json!({"ok": logs.iter().all(|(_, found)| found.ok), "logs": documents.collect::<Vec<_>>()}),
        );
    } else {
        logs.iter().for_each(|(slug, found)| output::line(sentence(slug, found)));
    }
    let bad = logs.iter().filter(|(_, found)| !found.ok).count();
    if bad == 0 {
        Ok(())
    } else {
        Err(Failure::Failed(format!("{bad} of {} logs are not as they were sealed", logs.len())))
    }
}

fn sentence(slug: &str, found: &Verification) -> String {
    match &found.first_fault {
        Some(fault) => format!("{slug}: {}: {}", fault.kind, fault.message),
        None => {
            let outside = if found.compared_with_outside { "" } else { ", against no checkpoint but the stored ones" };
            let erased = match found.personal_erased {
                0 => String::new(),
                some => format!(", of {some} the personal values were erased"),
            };
            format!(
                "{slug}: {} events are as they were sealed{outside}{erased}; {} wait for their seal",
                found.size, found.unsealed
            )
        }
    }
}

/// The logs asked for: one, those that the checkpoints are of, or all.
fn chosen(all: Vec<(TenantId, String)>, args: &Verify, notes: &[String]) -> Result<Vec<(TenantId, String)>, Failure> {
    match &args.tenant {
        Some(slug) => Ok(vec![named(all, slug)?]),
        None if notes.is_empty() || args.all => Ok(all),
        None => Ok(all.into_iter().filter(|(tenant, _)| notes.iter().any(|note| is_of(note, *tenant))).collect()),
    }
}

/// The organisation with this short name.
pub(super) fn named(all: Vec<(TenantId, String)>, slug: &str) -> Result<(TenantId, String), Failure> {
    let found = all.into_iter().find(|(_, known)| known == slug);
    found.ok_or_else(|| {
        Failure::Usage(format!("there is no organisation {slug}; give its short name, as in its address"))
    })
}

fn is_of(note: &str, tenant: TenantId) -> bool {
    note.lines().next() == Some(audit::origin(tenant).as_str())
}

/// What lies beside the database, and what was given.
fn trusted(platform: &Platform, tenant: TenantId, notes: &[String]) -> Result<Trusted, Failure> {
    let files = platform.app.config.audit.directory.clone().map(|directory| Outside::new(directory).of(tenant));
    let newest = files.as_ref().map(audit::Held::newest).transpose();
    let newest = newest
        .map_err(|error| Failure::Failed(format!("the checkpoints beside the database cannot be read: {error}")))?;
    let given = notes.iter().filter(|note| is_of(note, tenant)).cloned();
    Ok(Trusted { notes: newest.flatten().into_iter().chain(given).collect(), files })
}

fn read_notes(path: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| cannot("read", path, &error))?;
    let notes = audit::read_notes(&text);
    if notes.is_empty() {
        return Err(Failure::Usage(format!(
            "{} holds no checkpoint: a signed note of at least five lines",
            path.display()
        )));
    }
    Ok(notes)
}

fn cannot(what: &str, path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::Usage(format!("cannot {what} {}: {error}", path.display()))
}

fn verify_export(path: &Path, key: &str, notes: &[String], json: bool) -> Outcome {
    let file = File::open(path).map_err(|error| cannot("read", path, &error))?;
    let report =
        audit::verify_export(BufReader::new(file), key, notes).map_err(|error| cannot("verify", path, &error))?;
    if json {
        output::json(&serde_json::json!({
            "ok": report.is_ok(), "size": report.size, "confirmed": report.confirmed,
            "root_hash": report.root.map(|root| root.to_string()), "finding": (!report.is_ok()).then(|| report.to_string()),
        }));
    } else if report.is_ok() {
        output::line(&report);
    }
    if report.is_ok() { Ok(()) } else { Err(Failure::Failed(report.to_string())) }
}

fn export(args: &Export, flags: &Flags) -> Outcome {
    let file = File::create_new(&args.file).map_err(|error| cannot("write", &args.file, &error))?;
    let size = on_platform(flags, async |platform: &Platform| {
        let (tenant, _) = named(audit::tenants(&platform.app.kernel).await?, &args.tenant)?;
        let mut out = BufWriter::new(file);
        let size = audit::export(&platform.app.kernel, tenant, &mut out).await?;
        out.flush().map_err(|error| cannot("write", &args.file, &error))?;
        Ok(size)
    })?;
    output::line(format_args!("{}: {size} events with their proofs", args.file.display()));
    Ok(())
}
