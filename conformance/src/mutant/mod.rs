//! Runners that are wrong on purpose: wrappers around a real one, each breaking one thing, and null runners.
//! They are how the harness proves that its checks can fail; no runner has a switch for any of it.

mod proxy;
mod wrapper;

use std::path::Path;
use std::process::ExitCode;

use crate::profile::Profile;

/// A fault and the check that has to notice it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mutant {
    pub name: &'static str,
    /// What it does wrong.
    pub fault: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Passes everything through: what is wrong around a mutant is wrong around it too.
    Control,
    ClaimsForReal,
    WaitsForTheLane,
    ActsOnDiverge,
    AgreesAlways,
    FailsOnShadowErrors,
    ConnectsWhenOff,
    LeaksTheToken,
    LeavesAProcess,
    RunsTwice,
    DoesNothing,
    SaysNothing,
}

/// Every mutant, the control first.
pub const ALL: [Mutant; 12] = [
    Mutant {
        name: "control",
        fault: "none: the wrapper alone",
        kind: Kind::Control,
    },
    Mutant {
        name: "claims-for-real",
        fault: "sends a real claim with every shadow claim",
        kind: Kind::ClaimsForReal,
    },
    Mutant {
        name: "waits-for-the-lane",
        fault: "starts no engine before the coordinator answered",
        kind: Kind::WaitsForTheLane,
    },
    Mutant {
        name: "acts-on-diverge",
        fault: "runs the job that the coordinator named",
        kind: Kind::ActsOnDiverge,
    },
    Mutant {
        name: "agrees-always",
        fault: "logs AGREE for everything",
        kind: Kind::AgreesAlways,
    },
    Mutant {
        name: "fails-on-shadow-errors",
        fault: "exits 1 after an error of the shadow lane",
        kind: Kind::FailsOnShadowErrors,
    },
    Mutant {
        name: "connects-when-off",
        fault: "opens a connection although the fleet is off",
        kind: Kind::ConnectsWhenOff,
    },
    Mutant {
        name: "leaks-the-token",
        fault: "writes the token into the queue",
        kind: Kind::LeaksTheToken,
    },
    Mutant {
        name: "leaves-a-process",
        fault: "leaves a process in a session of its own",
        kind: Kind::LeavesAProcess,
    },
    Mutant {
        name: "runs-twice",
        fault: "starts every engine twice",
        kind: Kind::RunsTwice,
    },
    Mutant {
        name: "does-nothing",
        fault: "exits 0 at once",
        kind: Kind::DoesNothing,
    },
    Mutant {
        name: "says-nothing",
        fault: "prints nothing",
        kind: Kind::SaysNothing,
    },
];

impl Mutant {
    pub fn named(name: &str) -> Option<Mutant> {
        ALL.into_iter().find(|mutant| mutant.name == name)
    }

    /// The profile of this mutant around the runner of `base`.
    pub fn around(self, base: &Profile, harness: &Path) -> Profile {
        let words = [
            harness.to_string_lossy().into_owned(),
            "mutant".into(),
            self.name.into(),
        ];
        let command = words.into_iter().chain(base.command.iter().cloned()).collect();
        Profile {
            name: format!("{} ({})", base.name, self.name),
            command,
            ..base.clone()
        }
    }
}

/// The hidden subcommand: `mutant NAME RUNNER ARGUMENT...`.
pub fn main(arguments: &[String]) -> ExitCode {
    if let [word, rest @ ..] = arguments
        && word == "--wait"
    {
        return wrapper::wait(rest);
    }
    let [name, runner, rest @ ..] = arguments else {
        eprintln!("mutant: write `mutant NAME RUNNER ARGUMENT...`");
        return ExitCode::from(64);
    };
    let Some(mutant) = Mutant::named(name) else {
        let names: Vec<&str> = ALL.iter().map(|mutant| mutant.name).collect();
        eprintln!("mutant: there is no `{name}`; there are {}", names.join(", "));
        return ExitCode::from(64);
    };
    match wrapper::run(mutant.kind, runner, rest) {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            eprintln!("mutant {name}: {error}");
            ExitCode::from(70)
        }
    }
}
