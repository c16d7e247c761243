//! Which mutant has to die of which check in which scenario, and the clauses that are thereby proved to be
//! guarded. `matrix` carries the cases out.

/// A case of the kill matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    pub mutant: &'static str,
    pub scenario: &'static str,
    /// The check that has to fail (or, of an instrument, to be broken).
    pub check: &'static str,
    /// Clauses that this check rests on there, and that the mutant breaks.
    pub clauses: &'static [&'static str],
}

macro_rules! cases {
    ($($mutant:literal in $scenario:literal dies of $check:literal [$($clause:literal),*])*) => {
        /// Every case.
        pub const ALL: &[Case] = &[$(Case {
            mutant: $mutant, scenario: $scenario, check: $check, clauses: &[$($clause),*],
        }),*];
    };
}

cases! {
    "claims-for-real" in "shadow/agree" dies of "only-shadow-operations" ["S-3", "F-3"]
    "waits-for-the-lane" in "shadow/hang-delays-nothing" dies of "order" ["S-6"]
    "acts-on-diverge" in "shadow/diverge-order" dies of "runs" ["S-4"]
    "agrees-always" in "shadow/diverge-unknown" dies of "verdicts" ["S-1", "S-2"]
    "fails-on-shadow-errors" in "faults/status-500" dies of "exit" ["S-5"]
    "connects-when-off" in "flags/off" dies of "connections" ["F-1"]
    "leaks-the-token" in "shadow/token" dies of "token" ["O-9"]
    "leaves-a-process" in "shadow/agree" dies of "no-stragglers" ["O-6"]
    "runs-twice" in "shadow/agree" dies of "runs" ["O-3"]
    "does-nothing" in "shadow/agree" dies of "shadow-seen" ["S-3"]
    "does-nothing" in "shadow/agree" dies of "stages" ["O-4"]
    "does-nothing" in "offline/bad-file-by-hand" dies of "stages" ["O-10"]
    "says-nothing" in "flags/bad-value-shadow" dies of "output" ["F-6"]
    "says-nothing" in "flags/status" dies of "output" ["F-7"]
    "hides-errors" in "faults/status-500" dies of "errors" ["S-5"]
    "logs-twice" in "shadow/agree" dies of "one-outcome" ["S-1"]
    "tears-its-log" in "shadow/agree" dies of "log-lines" ["S-2", "S-14", "S-11"]
    "asks-twice" in "shadow/agree" dies of "dry-runs" ["S-3"]
    "asks-twice" in "shadow/agree" dies of "calls" ["S-7"]
    "tells-its-decision" in "shadow/agree" dies of "blind" ["S-15"]
    "misshapes-claims" in "shadow/agree" dies of "document-requests" ["C-30"]
    "talks-nonsense" in "shadow/agree" dies of "known-requests" ["S-3"]
    "passes-the-fleet-on" in "shadow/agree" dies of "engine-environment" ["O-9"]
    "holds-stdin-open" in "shadow/failed-job" dies of "stdin" ["O-11"]
    "skips-permissions" in "shadow/agree" dies of "permissions" ["O-3"]
    "ignores-locks" in "offline/lock" dies of "locks" ["O-5"]
    "stays-offline" in "flags/off-both" dies of "connects-with" ["F-1"]
    "stays-offline" in "shadow/agree" dies of "verdicts" ["S-1"]
    "stays-offline" in "route/ships" dies of "runs" ["T-1", "F-2"]
    "forgets-a-decision" in "shadow/several-agree" dies of "decisions" ["S-1"]
    "miscounts-its-report" in "report/of-a-run" dies of "report" ["R-1"]
    "keeps-a-copy" in "shadow/agree" dies of "one-stage" ["O-1"]
    "ships-after-a-loss" in "route/lease-lost" dies of "ships" ["T-4"]
    "moves-a-failure" in "shadow/failed-job" dies of "stages" ["O-4"]
    "claims-for-real" in "shadow/agree" dies of "mutations" ["S-3"]
    "claims-for-real" in "shadow/agree" dies of "digest" ["S-3"]
    "claims-for-real" in "shadow/agree" dies of "coordinator-stages" ["S-3"]
    "hides-skips" in "faults/reports-fail" dies of "skipped" ["S-7"]
    "hides-events" in "faults/no-dry-run-404" dies of "events" ["S-9"]
    "hides-events" in "faults/dry-run-grants" dies of "events" ["S-10"]
    "hides-events" in "shadow/report-diverges" dies of "events" ["S-8"]
    "forgets-reasons" in "offline/timeout" dies of "reasons" ["O-6"]
    "quarantines-at-will" in "shadow/agree" dies of "quarantined" ["S-4"]
    "runs-twice" in "offline/verify-and-ship" dies of "verifies" ["O-4"]
    "logs-always" in "flags/local" dies of "no-shadow-log" ["F-5"]
    "logs-always" in "flags/route-wins" dies of "no-shadow-log" ["F-4"]
    "watches-always" in "flags/local" dies of "no-shadow-calls" ["F-5"]
    "marks-its-engines" in "shadow/agree" dies of "offline-runs" ["S-4"]
    "touches-its-files" in "shadow/agree" dies of "offline-stages" ["S-4"]
    "fails-on-shadow-errors" in "faults/status-500" dies of "offline-exit" ["S-4"]
    "idles-offline" in "shadow/agree" dies of "offline-stages-as-expected" ["O-4"]
    "idles-offline" in "shadow/agree" dies of "offline-runs-as-expected" ["O-3"]
    "loses-the-prompt" in "shadow/agree" dies of "prompt" ["O-3"]
    "refuses-to-add" in "shadow/agree" dies of "add" ["O-1"]
    "fails-afterwards" in "flags/off" dies of "exits" ["F-1"]
    "fails-its-report" in "report/counts" dies of "report-exit" ["R-1"]
    "fails-its-report" in "report/torn" dies of "report-exit" ["R-2"]
    "ignores-priorities" in "offline/order" dies of "order" ["O-2"]
    "needs-its-log" in "shadow/unwritable-log" dies of "exit" ["S-13"]
    "does-nothing" in "offline/unreadable-queue" dies of "exit" ["O-13"]
    "stays-offline" in "route/recovers" dies of "runs" ["T-5"]
    "stays-offline" in "route/unknown-token" dies of "exit" ["T-6"]
    "ships-without-running" in "shadow/agree" dies of "runs" ["O-3"]
    "agrees-always" in "shadow/coordinator-empty" dies of "verdicts" ["S-1"]
    "runs-twice" in "route/ships" dies of "runs" ["T-1"]
    "crashes" in "flags/bad-value-shadow" dies of "no-crash" ["F-6"]
    "never-ends" in "shadow/exit-is-bounded" dies of "ends-in-time" ["S-6"]
    "connects-when-off" in "shadow/agree" dies of "offline-connections" ["F-1"]
    "dies-of-signals" in "offline/terminated" dies of "stages" ["O-8"]
    "dies-of-signals" in "offline/terminated" dies of "no-stragglers" ["O-8"]
    "deaf-to-changes" in "flags/up-the-ladder-and-back" dies of "calls" ["F-8"]
    "turns-the-gate-round" in "report/gate-holds" dies of "exit" ["R-3"]
    "turns-the-gate-round" in "report/gate-without-data" dies of "exit" ["R-3"]
    "obeys-proxy-variables" in "shadow/proxy-is-ignored" dies of "verdicts" ["S-12"]
    "follows-redirects" in "faults/redirect" dies of "errors" ["S-12"]
    "keeps-renewals-back" in "route/renews" dies of "stages" ["T-2"]
    "counts-no-deadline" in "route/stopped-past-its-lease" dies of "ships" ["T-3"]
    "keeps-renewals-back" in "route/lease-lost" dies of "stages" ["T-4"]
    "takes-what-it-gets" in "route/bad-job" dies of "runs" ["T-7"]
    "asks-anew" in "route/lost-claim-answer" dies of "stages" ["T-8"]
    "keeps-its-lease" in "route/terminated" dies of "coordinator-stages" ["T-10"]
    "drops-routed-work" in "flags/up-the-ladder-and-back" dies of "ships" ["T-11"]
    "forgets-the-finished" in "route/finished-before" dies of "runs" ["T-12"]
    "requeues-routed-jobs" in "route/killed" dies of "stages" ["T-13"]
    "retries-anything" in "route/ship-unknown" dies of "exits" ["T-13"]
    "keeps-renewals-back" in "route/ship-after-renewal" dies of "order" ["T-14"]
    "takes-failure-for-empty" in "route/down-500" dies of "exit" ["T-15"]
    "takes-failure-for-empty" in "route/down-close" dies of "exit" ["T-15"]
    "hides-pauses" in "offline/usage-limit" dies of "output" ["O-12"]
    "is-deaf-to-its-engines" in "offline/usage-limit" dies of "stages" ["O-12"]
    "loses-its-token" in "route/ship-after-renewal" dies of "ship-environment" ["T-14"]
    "takes-what-it-gets" in "route/engine-not-allowed" dies of "runs" ["T-7"]
    "is-deaf-to-its-engines" in "offline/engine-error" dies of "stages" ["O-14"]
    "turns-the-gate-round" in "report/gate-promotes" dies of "exit" ["R-3"]
    "forgets-the-interrupted" in "offline/killed-for-good" dies of "stages" ["O-7"]
    "forgets-its-outbox" in "route/report-waits" dies of "calls" ["T-9"]
    "forgets-its-outbox" in "route/quarantine-waits" dies of "calls" ["T-4"]
    "releases-twice" in "faults/dry-run-grants-released" dies of "only-shadow-operations" ["S-3", "F-3"]
    "releases-twice" in "faults/dry-run-grants-released" dies of "calls" ["S-10"]
}
