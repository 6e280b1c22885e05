//! `cargo xtask demo`: from a clone to a printed URL.

use crate::{
    console,
    context::Context,
    guests,
    progress::{minutes, step},
    setup, shell,
};

/// How the demo is built and run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Build with optimisation: takes longer to build, shows real speed
    #[arg(long)]
    release: bool,
    /// Passed on to `tenure demo`
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Sets up, builds, and becomes `tenure demo`.
pub(crate) fn run(cx: &Context, args: &Args) -> anyhow::Result<()> {
    setup::run(cx)?;
    let guests = guests::build(cx)?;
    console::build(cx)?;
    let (profile, directory) = if args.release { ("release", "release") } else { ("dev", "debug") };
    step(cx, &format!("build tenure ({profile})"), minutes(if args.release { 15 } else { 8 }), || {
        shell::run(&mut cx.cargo(&["build", "--package", "tenure", "--profile", profile]))
    })?;
    let mut tenure = std::process::Command::new(cx.target.join(directory).join("tenure"));
    tenure.current_dir(&cx.root).arg("demo").args(&args.arguments);
    tenure.env("TENURE_GUESTS_DIR", guests).env("TENURE_ASSETS", cx.root.join("console/dist"));
    // The same process from here on, so that Ctrl-C and the exit status are the demo's own.
    let error = std::os::unix::process::CommandExt::exec(&mut tenure);
    Err(anyhow::Error::from(error).context("cannot run tenure"))
}
