//! Mutants: wrappers around a real runner, each with one deliberate fault, and null runners. They prove that the checks
//! of the harness can fail; no runner has a switch for any of it.

mod after_run;
mod consent_faults;
mod engine_shim;
mod fault_proxy;
pub mod matrix_cases;
pub mod matrix_runner;
mod proxied_exchange;
mod proxy_faults;
mod proxy_process;
mod trust_faults;
mod wrapper;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use conformance::exit_codes::HarnessExit;
use conformance::profile::Profile;
use conformance::stdio;

/// The hidden command that a mutant is.
pub const COMMAND: &str = "mutant";
/// How a mutant ends that could not do its work: no runner ends so.
const BROKEN: HarnessExit = HarnessExit::Relayed(70);

/// A fault and the check that has to notice it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mutant {
    pub name: &'static str,
    /// What it does wrong.
    pub fault: &'static str,
    kind: MutantKind,
    place: FaultPlace,
}

/// What a mutant is to the runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FaultPlace {
    /// The runner takes its place, because nothing is left to be done afterwards.
    Before,
    /// The same, with a proxy between the runner and the coordinator.
    Proxy,
    /// It stays the runner's parent, because it has something to do afterwards.
    Around,
}

/// Every fault by its place, its kind, its name and what is wrong about it.
macro_rules! mutants {
    ($($place:ident $kind:ident $name:literal $fault:literal)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum MutantKind { $($kind),* }

        /// Every mutant, the control first.
        pub const ALL: &[Mutant] = &[$(Mutant {
            name: $name, fault: $fault, kind: MutantKind::$kind, place: FaultPlace::$place,
        }),*];
    };
}

mutants! {
    Before Control "control" "none: the wrapper alone"
    Proxy ControlByProxy "control-by-proxy" "none: the proxy alone"
    Proxy ClaimsForReal "claims-for-real" "sends a real claim with every shadow claim"
    Proxy WaitsForTheLane "waits-for-the-lane" "starts no engine before the coordinator answered"
    Around ActsOnDiverge "acts-on-diverge" "runs the job that the coordinator named"
    Around AgreesAlways "agrees-always" "logs AGREE for everything"
    Around FailsOnShadowErrors "fails-on-shadow-errors" "exits 1 after an error of the shadow lane"
    Around ConnectsWhenOff "connects-when-off" "opens a connection although the fleet is off"
    Around LeaksTheToken "leaks-the-token" "writes the token into the queue"
    Around LeavesAProcess "leaves-a-process" "leaves a process in a session of its own"
    Around RunsTwice "runs-twice" "starts every engine twice"
    Around DoesNothing "does-nothing" "exits 0 at once"
    Around SaysNothing "says-nothing" "prints nothing"
    Around HidesErrors "hides-errors" "takes its errors out of the shadow log"
    Around LogsTwice "logs-twice" "logs every outcome twice"
    Around TearsItsLog "tears-its-log" "leaves the last line of the shadow log unfinished"
    Proxy AsksTwice "asks-twice" "sends every shadow claim twice"
    Proxy TrustsAnyDryRun "trusts-any-dry-run" "takes for a dry run what does not say that it is one"
    Proxy ObeysAnswers "obeys-answers" "aborts its job when an answer asks for an action"
    Proxy FollowsTheView "follows-the-view" "gives its job up when the coordinator says that it has another stage"
    Proxy TellsItsDecision "tells-its-decision" "names its own job in the shadow claim"
    Proxy MisshapesClaims "misshapes-claims" "sends its capabilities as one string"
    Proxy TalksNonsense "talks-nonsense" "asks the coordinator for what is not in its API"
    Around PassesTheFleetOn "passes-the-fleet-on" "lets its engines see a fleet variable"
    Around HoldsStdinOpen "holds-stdin-open" "leaves its engines an open, silent input"
    Around IgnoresItsFolder "ignores-its-folder" "runs every engine where it was started itself"
    Around SkipsPermissions "skips-permissions" "tells every engine not to ask"
    Around IgnoresLocks "ignores-locks" "runs jobs of one lock side by side"
    Before StaysOffline "stays-offline" "works without a fleet whatever the flags say"
    Around ForgetsADecision "forgets-a-decision" "leaves the last outcome out of the shadow log"
    Around MiscountsItsReport "miscounts-its-report" "reports one verdict more than the log has"
    Around KeepsACopy "keeps-a-copy" "leaves a copy of what shipped in another stage"
    Around ShipsAfterALoss "ships-after-a-loss" "ships what it put into quarantine"
    Around MovesAFailure "moves-a-failure" "calls shipped what failed"
    Around HidesSkips "hides-skips" "takes skipped decisions out of the shadow log"
    Around HidesEvents "hides-events" "logs outcomes alone, and none of what else happened"
    Around ForgetsReasons "forgets-reasons" "shows another reason than the one of a failure"
    Around QuarantinesAtWill "quarantines-at-will" "puts into quarantine what shipped"
    Around LogsAlways "logs-always" "writes into the shadow log in every mode"
    Around WatchesAlways "watches-always" "sends shadow calls although it was not told to"
    Around MarksItsEngines "marks-its-engines" "starts engines otherwise with a fleet than without"
    Around TouchesItsFiles "touches-its-files" "changes the bytes of a job file beside a coordinator"
    Around IdlesOffline "idles-offline" "does nothing without a fleet"
    Around LosesThePrompt "loses-the-prompt" "starts its engines without telling them what to do"
    Around RefusesToAdd "refuses-to-add" "enqueues, and says that it failed"
    Around FailsAfterwards "fails-afterwards" "exits 1 from every command but run and add"
    Around FailsItsReport "fails-its-report" "prints its report, and exits 3"
    Around IgnoresPriorities "ignores-priorities" "starts jobs in the order of their arrival alone"
    Around NeedsItsLog "needs-its-log" "fails where the shadow log can't be written"
    Around ShipsWithoutRunning "ships-without-running" "calls shipped what it never ran"
    Around Crashes "crashes" "dies of a signal of its own where it should refuse"
    Around NeverEnds "never-ends" "does its work and then stays"
    Around DiesOfSignals "dies-of-signals" "leaves its job to itself when it is told to end"
    Around HearsOneSignal "hears-one-signal" "goes on within its grace although it is told to end a second time"
    Before KillsAtOnce "kills-at-once" "ends what it started by SIGKILL, with no SIGTERM before"
    Before DeafToChanges "deaf-to-changes" "keeps the mode that it started in"
    Around TurnsTheGateRound "turns-the-gate-round" "promotes what should be held, and holds the rest"
    Around JudgesThePast "judges-the-past" "leaves the last disagreements out of what its gate judges"
    Around StretchesItsSpan "stretches-its-span" "takes the decisions of one day for those of many"
    Around MixesEpochs "mixes-epochs" "counts what another coordinator showed"
    Around PoolsItsEngines "pools-its-engines" "lets one engine pass for another"
    Around CountsTheAcknowledged "counts-the-acknowledged" "takes an acknowledged answer for an agreement"
    Around NeverForgives "never-forgives" "goes on to hold a coordinator that was mended long ago"
    Around ForgetsWhatPeopleSaid "forgets-what-people-said" "leaves out of its report what a person decided"
    Around HidesItsEpochs "hides-its-epochs" "does not say in the shadow log which coordinator it is about"
    Around BlamesTheOrder "blames-the-order" "calls a question of order what the coordinator could not know"
    Around IsDeafToItsEngines "is-deaf-to-its-engines" "hears nothing of what an engine prints"
    Around TrustsExitCodes "trusts-exit-codes" "takes every exit code 0 for a success"
    Around BelievesTheWork "believes-the-work" "takes words that stand in the work for the engine's own"
    Around HidesPauses "hides-pauses" "says nothing of an engine that is used up"
    Around ForgetsPauses "forgets-pauses" "forgets at each start of an engine that others of it failed"
    Before OffersAnyEngine "offers-any-engine" "asks for jobs of an engine that is paused"
    Around RetriesAtOnce "retries-at-once" "starts a job that failed again without a wait"
    Around HidesRunners "hides-runners" "shows no runner that is at work"
    Around TellsTwice "tells-twice" "tells everything twice"
    Around LosesItsToken "loses-its-token" "ships without its fencing token"
    Around ObeysProxyVariables "obeys-proxy-variables" "sends its calls where http_proxy points"
    Proxy FollowsRedirects "follows-redirects" "takes its token wherever a redirect points"
    Proxy KeepsRenewalsBack "keeps-renewals-back" "believes in its lease without renewing it"
    Proxy LetsGoInReview "lets-go-in-review" "renews no lease while a person decides"
    Proxy CountsNoDeadline "counts-no-deadline" "believes that its lease never ends"
    Proxy TakesWhatItGets "takes-what-it-gets" "runs a routed job whatever it asks for"
    Proxy AsksAnew "asks-anew" "repeats a call under another idempotency key"
    Proxy TakesRefusalsForConsent "takes-refusals-for-consent" "takes back a job that the coordinator keeps"
    Around KeepsWhatItHandsOver "keeps-what-it-hands-over" "starts what it has handed over as well"
    Proxy KeepsAnyLease "keeps-any-lease" "works under a lease however short it is told to live"
    Proxy KeepsItsLease "keeps-its-lease" "ends without giving its lease back"
    Proxy TakesFailureForEmpty "takes-failure-for-empty" "takes a coordinator that fails for one without work"
    Proxy WaitsAfterGrants "waits-after-grants" "waits after each job that it was given as if there were no more"
    Around DropsRoutedWork "drops-routed-work" "ends its routed job when ROUTE is turned off"
    Before ForgetsTheFinished "forgets-the-finished" "runs again what it finished before the cut-over"
    Before RequeuesRoutedJobs "requeues-routed-jobs" "puts an interrupted routed job into its inbox"
    Around RetriesAnything "retries-anything" "agrees to retry what must not be"
    Around ShipsOnApproval "ships-on-approval" "publishes an approved job by itself, whoever holds its lease"
    Before ForgetsTheInterrupted "forgets-the-interrupted" "calls shipped what a killed run left in work"
    Before ForgetsItsOutbox "forgets-its-outbox" "starts without the reports that an earlier run owed"
    Around TakesHalfFiles "takes-half-files" "takes for a job what is still being written into the inbox"
    Around GoesOnAfterAFailure "goes-on-after-a-failure" "takes the last line of a script for the one that decides"
    Around HandsSignalsOn "hands-signals-on" "starts its engines with a signal ignored"
    Around HearsEveryHangUp "hears-every-hang-up" "ends at SIGHUP although it was started to ignore that"
    Around LosesWhatWasPrinted "loses-what-was-printed" "shows no more of a log than its last line"
    Proxy ReleasesTwice "releases-twice" "gives a lease back, and then once more"
    Around LetsAnyEngineIn "lets-any-engine-in" "starts whatever engine a routed job names"
    Around LetsAnyCommandIn "lets-any-command-in" "runs whatever `verify` and `ship` a routed job brings"
    Around LetsYoloIn "lets-yolo-in" "lets a routed job skip its engine's permission questions"
    Before LetsAnyFolderIn "lets-any-folder-in" "runs a routed job wherever its folder leads"
    Around ForgetsItsConsent "forgets-its-consent" "knows nothing of what its operator allows routed jobs"
    Around ClaimsWhatItLacks "claims-what-it-lacks" "says that it has what it has not"
    Proxy ExplainsNothing "explains-nothing" "reports what it refused without a code"
    Around FollowsTheSettings "follows-the-settings" "calls wherever aq.toml comes to point while it runs"
    Around FollowsLinks "follows-links" "writes where a link in its queue leads"
    Around MovesThroughLinks "moves-through-links" "moves a job wherever a stage folder leads"
    Around TrustsEverybody "trusts-everybody" "works on a queue that others can write, as if it were its user's alone"
    Before IgnoresHarm "ignores-harm" "routes on whatever harm that does, and says nothing of it"
    Around TurnsRouteOn "turns-route-on" "routes again by itself after it came back"
    Around RunsWhatItBecame "runs-what-it-became" "starts the engine that a job named when it had changed itself"
    Around ShipsAsTheApprover "ships-as-the-approver" "publishes where `ship` was typed, with the environment of whoever typed it"
    Around PrefersTheirs "prefers-theirs" "runs the coordinator's job in place of this queue's own of that name"
}

impl Mutant {
    pub fn named(name: &str) -> Option<Mutant> {
        ALL.iter().copied().find(|mutant| mutant.name == name)
    }

    /// Whether it has no fault: what has to pass before a mutant proves anything.
    pub fn is_control(self) -> bool {
        matches!(self.kind, MutantKind::Control | MutantKind::ControlByProxy)
    }

    /// The mutant without a fault that is built as this one is.
    pub fn control(self) -> Mutant {
        let kind = match self.place {
            FaultPlace::Proxy => MutantKind::ControlByProxy,
            FaultPlace::Before | FaultPlace::Around => MutantKind::Control,
        };
        let mut all = ALL.iter().copied();
        all.find(|mutant| mutant.kind == kind).unwrap_or(self)
    }

    /// The profile of this mutant around the runner of `base`.
    pub fn around(self, base: &Profile, harness: &Path) -> Profile {
        let words = [
            harness.to_string_lossy().into_owned(),
            COMMAND.into(),
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

/// `mutant NAME RUNNER ARGUMENT...`.
pub fn main(arguments: &[String]) -> HarnessExit {
    match arguments {
        [word, rest @ ..] if word == "--wait" => return engine_shim::wait(rest),
        [word, rest @ ..] if word == "--beside" => return proxy_process::main(rest),
        _ => {}
    }
    let [name, runner, rest @ ..] = arguments else {
        stdio::say("write `mutant NAME RUNNER ARGUMENT...`");
        return BROKEN;
    };
    let Some(mutant) = Mutant::named(name) else {
        let names: Vec<&str> = ALL.iter().map(|mutant| mutant.name).collect();
        stdio::say(format_args!(
            "there is no mutant `{name}`; there are {}",
            names.join(", ")
        ));
        return BROKEN;
    };
    match wrapper::run(mutant, runner, rest) {
        Ok(code) => HarnessExit::Relayed(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            stdio::say(format_args!("mutant {name}: {error}"));
            BROKEN
        }
    }
}

/// Says that the fault was exercised, so that a mutant that nobody noticed differs from one that did nothing.
fn fired(kind: MutantKind) -> std::io::Result<()> {
    stdio::say(format_args!("mutant {kind:?}: fired"));
    Ok(())
}

/// Where a script in front of an engine notes that it came to the fault.
fn fired_file() -> PathBuf {
    PathBuf::from(variable("TMPDIR")).join("fired")
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn queue() -> PathBuf {
    PathBuf::from(variable("AQ_QUEUE"))
}

/// Moves whatever lies there; each move is the fault.
fn move_all(from: &str, to: &Path, kind: MutantKind) -> std::io::Result<()> {
    each_in(from, kind, |path| {
        fs::rename(path, to.join(path.file_name().unwrap_or_default()))
    })
}

/// Does this to whatever lies in that folder of the queue; each time it is the fault.
fn each_in(
    folder: &str,
    kind: MutantKind,
    fault: impl Fn(&Path) -> std::io::Result<()>,
) -> std::io::Result<()> {
    for entry in fs::read_dir(queue().join(folder)).into_iter().flatten().flatten() {
        fault(&entry.path())?;
        fired(kind)?;
    }
    Ok(())
}

/// Takes the fleet's variables from it.
fn hide_fleet(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AQ_FLEET")) {
        command.env_remove(name);
    }
}
