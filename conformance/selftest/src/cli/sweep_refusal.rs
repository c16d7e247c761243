//! The crash sweep on systems where it can't be done: it says so.

use clap::Args;

use conformance::exit_codes::HarnessExit;
use conformance::suite_selection::fail;

/// Whatever was asked of it.
#[derive(Debug, Args)]
pub(super) struct RefusedArguments {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    words: Vec<String>,
}

/// Nothing is run, which is no success.
pub(super) fn refuse(arguments: &RefusedArguments) -> Result<HarnessExit, HarnessExit> {
    let command = std::iter::once("sweep").chain(arguments.words.iter().map(String::as_str));
    let command: Vec<&str> = command.collect();
    let message = format!(
        "`{}` needs Linux: it stops the runner at its system calls, by ptrace; run it there",
        command.join(" ")
    );
    Err(fail(HarnessExit::WrongUsage, &message))
}
