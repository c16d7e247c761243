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

use std::path::{Path, PathBuf};

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
}

/// Every fault by its kind, its name and what is wrong about it.
macro_rules! mutants {
    ($($kind:ident $name:literal $fault:literal)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum MutantKind { $($kind),* }

        /// Every mutant, the control first.
        pub const ALL: &[Mutant] = &[$(Mutant { name: $name, fault: $fault, kind: MutantKind::$kind }),*];
    };
}

mutants! {
    Control "control" "none: the wrapper alone"
    ControlByProxy "control-by-proxy" "none: the proxy alone"
    ClaimsForReal "claims-for-real" "sends a real claim with every shadow claim"
    WaitsForTheLane "waits-for-the-lane" "starts no engine before the coordinator answered"
    ActsOnDiverge "acts-on-diverge" "runs the job that the coordinator named"
    AgreesAlways "agrees-always" "logs AGREE for everything"
    FailsOnShadowErrors "fails-on-shadow-errors" "exits 1 after an error of the shadow lane"
    ConnectsWhenOff "connects-when-off" "opens a connection although the fleet is off"
    LeaksTheToken "leaks-the-token" "writes the token into the queue"
    LeavesAProcess "leaves-a-process" "leaves a process in a session of its own"
    RunsTwice "runs-twice" "starts every engine twice"
    DoesNothing "does-nothing" "exits 0 at once"
    SaysNothing "says-nothing" "prints nothing"
    HidesErrors "hides-errors" "takes its errors out of the shadow log"
    LogsTwice "logs-twice" "logs every outcome twice"
    TearsItsLog "tears-its-log" "leaves the last line of the shadow log unfinished"
    AsksTwice "asks-twice" "sends every shadow claim twice"
    TrustsAnyDryRun "trusts-any-dry-run" "takes for a dry run what does not say that it is one"
    ObeysAnswers "obeys-answers" "aborts its job when an answer asks for an action"
    FollowsTheView "follows-the-view" "gives its job up when the coordinator says that it has another stage"
    TellsItsDecision "tells-its-decision" "names its own job in the shadow claim"
    MisshapesClaims "misshapes-claims" "sends its capabilities as one string"
    TalksNonsense "talks-nonsense" "asks the coordinator for what is not in its API"
    PassesTheFleetOn "passes-the-fleet-on" "lets its engines see a fleet variable"
    HoldsStdinOpen "holds-stdin-open" "leaves its engines an open, silent input"
    IgnoresItsFolder "ignores-its-folder" "runs every engine where it was started itself"
    SkipsPermissions "skips-permissions" "tells every engine not to ask"
    IgnoresLocks "ignores-locks" "runs jobs of one lock side by side"
    StaysOffline "stays-offline" "works without a fleet whatever the flags say"
    ForgetsADecision "forgets-a-decision" "leaves the last outcome out of the shadow log"
    MiscountsItsReport "miscounts-its-report" "reports one verdict more than the log has"
    KeepsACopy "keeps-a-copy" "leaves a copy of what shipped in another stage"
    ShipsAfterALoss "ships-after-a-loss" "ships what it put into quarantine"
    MovesAFailure "moves-a-failure" "calls shipped what failed"
    HidesSkips "hides-skips" "takes skipped decisions out of the shadow log"
    HidesEvents "hides-events" "logs outcomes alone, and none of what else happened"
    ForgetsReasons "forgets-reasons" "shows another reason than the one of a failure"
    QuarantinesAtWill "quarantines-at-will" "puts into quarantine what shipped"
    LogsAlways "logs-always" "writes into the shadow log in every mode"
    WatchesAlways "watches-always" "sends shadow calls although it was not told to"
    MarksItsEngines "marks-its-engines" "starts engines otherwise with a fleet than without"
    TouchesItsFiles "touches-its-files" "changes the bytes of a job file beside a coordinator"
    IdlesOffline "idles-offline" "does nothing without a fleet"
    LosesThePrompt "loses-the-prompt" "starts its engines without telling them what to do"
    RefusesToAdd "refuses-to-add" "enqueues, and says that it failed"
    FailsAfterwards "fails-afterwards" "exits 1 from every command but run and add"
    FailsItsReport "fails-its-report" "prints its report, and exits 3"
    IgnoresPriorities "ignores-priorities" "starts jobs in the order of their arrival alone"
    NeedsItsLog "needs-its-log" "fails where the shadow log can't be written"
    ShipsWithoutRunning "ships-without-running" "calls shipped what it never ran"
    Crashes "crashes" "dies of a signal of its own where it should refuse"
    NeverEnds "never-ends" "does its work and then stays"
    DiesOfSignals "dies-of-signals" "leaves its job to itself when it is told to end"
    HearsOneSignal "hears-one-signal" "goes on within its grace although it is told to end a second time"
    KillsAtOnce "kills-at-once" "ends what it started by SIGKILL, with no SIGTERM before"
    DeafToChanges "deaf-to-changes" "keeps the mode that it started in"
    TurnsTheGateRound "turns-the-gate-round" "promotes what should be held, and holds the rest"
    JudgesThePast "judges-the-past" "leaves the last disagreements out of what its gate judges"
    StretchesItsSpan "stretches-its-span" "takes the decisions of one day for those of many"
    IsDeafToItsEngines "is-deaf-to-its-engines" "hears nothing of what an engine prints"
    HidesPauses "hides-pauses" "says nothing of an engine that is used up"
    HidesRunners "hides-runners" "shows no runner that is at work"
    TellsTwice "tells-twice" "tells everything twice"
    LosesItsToken "loses-its-token" "ships without its fencing token"
    ObeysProxyVariables "obeys-proxy-variables" "sends its calls where http_proxy points"
    FollowsRedirects "follows-redirects" "takes its token wherever a redirect points"
    KeepsRenewalsBack "keeps-renewals-back" "believes in its lease without renewing it"
    LetsGoInReview "lets-go-in-review" "renews no lease while a person decides"
    CountsNoDeadline "counts-no-deadline" "believes that its lease never ends"
    TakesWhatItGets "takes-what-it-gets" "runs a routed job whatever it asks for"
    AsksAnew "asks-anew" "repeats a call under another idempotency key"
    KeepsAnyLease "keeps-any-lease" "works under a lease however short it is told to live"
    KeepsItsLease "keeps-its-lease" "ends without giving its lease back"
    TakesFailureForEmpty "takes-failure-for-empty" "takes a coordinator that fails for one without work"
    WaitsAfterGrants "waits-after-grants" "waits after each job that it was given as if there were no more"
    DropsRoutedWork "drops-routed-work" "ends its routed job when ROUTE is turned off"
    ForgetsTheFinished "forgets-the-finished" "runs again what it finished before the cut-over"
    RequeuesRoutedJobs "requeues-routed-jobs" "puts an interrupted routed job into its inbox"
    RetriesAnything "retries-anything" "agrees to retry what must not be"
    ShipsOnApproval "ships-on-approval" "publishes an approved job by itself, whoever holds its lease"
    ForgetsTheInterrupted "forgets-the-interrupted" "calls shipped what a killed run left in work"
    ForgetsItsOutbox "forgets-its-outbox" "starts without the reports that an earlier run owed"
    TakesHalfFiles "takes-half-files" "takes for a job what is still being written into the inbox"
    GoesOnAfterAFailure "goes-on-after-a-failure" "takes the last line of a script for the one that decides"
    HandsSignalsOn "hands-signals-on" "starts its engines with a signal ignored"
    HearsEveryHangUp "hears-every-hang-up" "ends at SIGHUP although it was started to ignore that"
    LosesWhatWasPrinted "loses-what-was-printed" "shows no more of a log than its last line"
    ReleasesTwice "releases-twice" "gives a lease back, and then once more"
    LetsAnyEngineIn "lets-any-engine-in" "starts whatever engine a routed job names"
    LetsAnyCommandIn "lets-any-command-in" "runs whatever `verify` and `ship` a routed job brings"
    LetsYoloIn "lets-yolo-in" "lets a routed job skip its engine's permission questions"
    LetsAnyFolderIn "lets-any-folder-in" "runs a routed job wherever its folder leads"
    ForgetsItsConsent "forgets-its-consent" "knows nothing of what its operator allows routed jobs"
    ClaimsWhatItLacks "claims-what-it-lacks" "says that it has what it has not"
    ExplainsNothing "explains-nothing" "reports what it refused without a code"
    FollowsTheSettings "follows-the-settings" "calls wherever aq.toml comes to point while it runs"
    FollowsLinks "follows-links" "writes where a link in its queue leads"
    MovesThroughLinks "moves-through-links" "moves a job wherever a stage folder leads"
    TrustsEverybody "trusts-everybody" "works on a queue that others can write, as if it were its user's alone"
    RunsWhatItBecame "runs-what-it-became" "starts the engine that a job named when it had changed itself"
    ShipsAsTheApprover "ships-as-the-approver" "publishes where `ship` was typed, with the environment of whoever typed it"
    PrefersTheirs "prefers-theirs" "runs the coordinator's job in place of this queue's own of that name"
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
        let kind = match proxy_faults::ProxyFault::of(self.kind) {
            Some(_) => MutantKind::ControlByProxy,
            None => MutantKind::Control,
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
    if let [word, rest @ ..] = arguments
        && word == "--wait"
    {
        return engine_shim::wait(rest);
    }
    if let [word, rest @ ..] = arguments
        && word == "--beside"
    {
        return proxy_process::main(rest);
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
