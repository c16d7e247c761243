//! The crash sweep and the weekend on systems where they can't be done: they say so.

use clap::Args;

use conformance::exit_codes::HarnessExit;
use conformance::suite_selection::fail;

/// Whatever was asked of it.
#[derive(Debug, Args)]
pub(super) struct RefusedArguments {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    words: Vec<String>,
}

pub(super) fn refuse_sweep(arguments: &RefusedArguments) -> Result<HarnessExit, HarnessExit> {
    refuse(
        "sweep",
        "it stops the runner at its system calls, by ptrace",
        arguments,
    )
}

pub(super) fn refuse_weekend(arguments: &RefusedArguments) -> Result<HarnessExit, HarnessExit> {
    refuse(
        "weekend",
        "it fills a disk that is mounted for it alone",
        arguments,
    )
}

/// Nothing is run, which is no success.
fn refuse(verb: &str, why: &str, arguments: &RefusedArguments) -> Result<HarnessExit, HarnessExit> {
    let command = std::iter::once(verb).chain(arguments.words.iter().map(String::as_str));
    let command: Vec<&str> = command.collect();
    let message = format!("`{}` needs Linux: {why}; run it there", command.join(" "));
    Err(fail(HarnessExit::WrongUsage, &message))
}
