//! `tenure completions`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Outcome};

/// Print the completions of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tenure completions bash > ~/.local/share/bash-completion/completions/tenure\n  \
    tenure completions zsh > ~/.zfunc/_tenure\n  \
    tenure completions fish > ~/.config/fish/completions/tenure.fish")]
#[group(skip)]
pub(super) struct Args {
    /// Which shell
    shell: Shell,
}

#[expect(clippy::unnecessary_wraps, reason = "as every verb")]
pub(super) fn run(args: &Args) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tenure", &mut script);
    crate::output::line(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}
