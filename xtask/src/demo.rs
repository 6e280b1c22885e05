//! `cargo xtask demo`: from a clone to a printed URL.

use crate::{
    console,
    context::Context,
    guests,
    progress::{minutes, step},
    release, setup, shell,
};

/// The program, and with it an example whose features are those of the tests: so nothing is compiled twice.
pub(crate) const DEBUG: [&str; 7] = ["build", "--quiet", "--workspace", "--bin", "tenure", "--example", "images"];

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
    let mut tenure = if args.release {
        std::process::Command::new(release::build(cx)?)
    } else {
        let guests = guests::build(cx)?;
        console::build(cx)?;
        step(cx, "build tenure", minutes(8), || shell::run(&mut cx.cargo(&DEBUG)))?;
        let mut tenure = std::process::Command::new(cx.target.join("debug/tenure"));
        tenure.env("TENURE_GUESTS_DIR", guests).env("TENURE_ASSETS", cx.root.join("console/dist"));
        tenure
    };
    tenure.current_dir(&cx.root).arg("demo").args(&args.arguments);
    // The same process from here on, so that Ctrl-C and the exit status are the demo's own.
    let error = std::os::unix::process::CommandExt::exec(&mut tenure);
    Err(anyhow::Error::from(error).context("cannot run tenure"))
}
