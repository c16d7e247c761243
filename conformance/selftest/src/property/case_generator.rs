//! Makes a case from a seed: jobs, a number of workers, and a coordinator that may do anything. A case is rendered as
//! a scenario file, so that what fails can be kept, read and run like any other.

use crate::seeded_rng::SeededRng;

/// So many cases in a row have the same jobs and workers, each beside another coordinator: the run without a fleet,
/// which they are compared with, is one and the same.
pub const COORDINATORS: u64 = 5;

/// A generated case. Its parts are lines of TOML, so that leaving one out leaves a valid scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyCase {
    pub jobs: Vec<Vec<String>>,
    pub rules: Vec<Vec<String>>,
    /// What the coordinator holds.
    pub holds: Vec<String>,
    pub workers: u64,
}

/// Every way in which the coordinator may answer, or not answer, a shadow claim or report.
const FAULTS: [&str; 25] = [
    "\"empty\"",
    "\"diverge\"",
    "\"reset\"",
    "\"close\"",
    "\"garbage\"",
    "\"hang\"",
    "\"dry_run_grants\"",
    "\"leaky_shadow\"",
    "{ cut = 20 }",
    "{ status = 404 }",
    "{ status = 405 }",
    "{ status = 429, retry_after = \"1s\" }",
    "{ status = 500 }",
    "{ status = 503, retry_after = \"1s\" }",
    "{ malformed = \"not_json\" }",
    "{ malformed = \"truncated\" }",
    "{ malformed = \"wrong_type\" }",
    "{ malformed = \"missing_field\" }",
    "{ malformed = \"huge\" }",
    "{ malformed = \"deep\" }",
    "{ redirect = \"http://127.0.0.1:1/\" }",
    "{ delay = \"20ms\" }",
    "{ delay = { uniform = [\"0ms\", \"250ms\"] } }",
    "{ dribble = { chunks = 4, over = \"100ms\" } }",
    "{ diverge = { patch = { job = { id = \"../../x\" } } } }",
];

/// The case of this seed.
pub fn case(seed: u64) -> PropertyCase {
    let mut rng = SeededRng::new(seed / COORDINATORS);
    // Mostly a few; now and then as many as a busy day brings.
    let most = if rng.one_in(8) { 30 } else { 6 };
    let count = 1 + rng.below(most);
    let mut failing = 0;
    let jobs = (0..count).map(|number| job(&mut rng, number, &mut failing));
    let jobs: Vec<Vec<String>> = jobs.collect();
    let workers = 1 + rng.below(4);
    let mut rng = SeededRng::new(!seed);
    let mut holds = Vec::new();
    for number in 0..count {
        if !rng.one_in(4) {
            holds.push(format!("job-{number}"));
        }
    }
    if rng.one_in(3) {
        holds.push("elsewhere".into());
    }
    let rules = (0..rng.below(4)).map(|_| rule(&mut rng)).collect();
    PropertyCase {
        jobs,
        rules,
        holds,
        workers,
    }
}

/// A case has so many jobs at most whose engine fails at once. After one more it may pause (clause O-22), and which jobs
/// start before that depends on how the workers come to them.
const FAILING_MAX: u64 = 2;

/// A job. Times stay a factor of five away from any limit that is on them.
fn job(rng: &mut SeededRng, number: u64, failing: &mut u64) -> Vec<String> {
    let id = format!("job-{number}");
    let mut lines = vec![format!("id = \"{id}\"")];
    let mut behaviour = Vec::new();
    if rng.one_in(3) {
        lines.push(format!("lock = \"{}\"", rng.pick(&["left", "right"])));
    }
    if rng.one_in(3) {
        lines.push(format!(
            "priority = {}",
            i64::try_from(rng.below(5)).unwrap_or(0) - 2
        ));
    }
    if rng.one_in(4) {
        lines.push(format!("verify = \"verify-it {id}\""));
        lines.push(format!("behaviour.verify = {{ exit = {} }}", rng.below(2)));
    }
    if rng.one_in(2) {
        lines.push(format!("ship = \"ship-it {id}\""));
    }
    if rng.one_in(12) {
        lines.push("review = true".into());
    }
    if rng.one_in(12) {
        lines.push("caps = [\"gpu\"]".into());
    }
    let way = rng.below(12);
    *failing += u64::from(way < 2);
    match way {
        0 | 1 if *failing > FAILING_MAX => {}
        0 => behaviour.push("exit = 1".to_owned()),
        1 => {
            lines.push("retries = 1".into());
            lines.push("retry_delay = \"0s\"".into());
            behaviour.push("fails_attempts = 1".into());
        }
        2 => {
            // Long enough for an engine to start on a busy machine.
            lines.push(format!("{} = \"1500ms\"", rng.pick(&["timeout", "idle_timeout"])));
            behaviour.push("duration = \"20s\"".into());
        }
        3 => behaviour.push("duration = \"20ms\"".into()),
        4 => behaviour.push("spawns = \"setsid\"".into()),
        _ => {}
    }
    if !behaviour.is_empty() {
        lines.push(format!("behaviour.engine = {{ {} }}", behaviour.join(", ")));
    }
    lines
}

fn rule(rng: &mut SeededRng) -> Vec<String> {
    // A semantic fault has an operation of its own; everything else may happen to any.
    let fault = match rng.pick(&FAULTS) {
        // Ten megabytes cost as much as many other cases.
        fault if fault.contains("huge") && !rng.one_in(4) => "{ malformed = \"deep\" }",
        fault => fault,
    };
    let on = match fault {
        "\"dry_run_grants\"" | "\"empty\"" => "shadow.claim",
        "\"leaky_shadow\"" => "shadow.report",
        _ if fault.contains("diverge") => "shadow.claim",
        _ => rng.pick(&["shadow.claim", "shadow.report"]),
    };
    // Never for ever: a rule behind one that always fires could not be armed.
    let times = rng.pick(&["1", "2", "3", "1000"]);
    vec![
        format!("on = \"{on}\""),
        format!("fault = {fault}"),
        format!("when = {{ skip = {}, times = {times} }}", rng.below(3)),
    ]
}

impl PropertyCase {
    /// The scenario file.
    pub fn scenario(&self) -> String {
        let holds: Vec<String> = self.holds.iter().map(|id| format!("\"{id}\"")).collect();
        let mut text = format!(
            "title = \"generated: nothing differs from the same run without a fleet\"\nclauses = [\"S-4\"]\n\n[runner]\n\
             env = {{ AQ_FLEET = \"1\", AQ_FLEET_SHADOW = \"1\", AQ_FLEET_TIMEOUT = \"300ms\", AQ_FLEET_DRAIN = \"1s\" }}\n\
             args = [\"run\", \"--drain\", \"--workers\", \"{}\"]\ndeadline = \"60s\"\n",
            self.workers
        );
        for job in &self.jobs {
            text.push_str(&format!("\n[[job]]\n{}\n", job.join("\n")));
        }
        text.push_str(&format!("\n[coordinator]\njobs = [{}]\n", holds.join(", ")));
        for rule in &self.rules {
            text.push_str(&format!("\n[[coordinator.rule]]\n{}\n", rule.join("\n")));
        }
        text.push_str("\n[expect]\nrest_of_log = \"free\"\nsame_as_offline = true\n");
        // A job that this host can't run is left, and the runner says so.
        if self.jobs.iter().flatten().any(|line| line.starts_with("caps")) {
            text.push_str("exit = 1\n");
        }
        text
    }

    /// Cases that are this one with something left out.
    pub fn smaller(&self) -> Vec<PropertyCase> {
        let mut all = Vec::new();
        for index in 0..self.jobs.len() {
            if self.jobs.len() > 1 {
                let mut less = self.clone();
                less.jobs.remove(index);
                all.push(less);
            }
            for line in (1..self.jobs[index].len()).rev() {
                let mut less = self.clone();
                less.jobs[index].remove(line);
                all.push(less);
            }
        }
        for index in 0..self.rules.len() {
            let mut less = self.clone();
            less.rules.remove(index);
            all.push(less);
        }
        for index in 0..self.holds.len() {
            let mut less = self.clone();
            less.holds.remove(index);
            all.push(less);
        }
        if self.workers > 1 {
            all.push(PropertyCase {
                workers: 1,
                ..self.clone()
            });
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conformance::scenario::parse;
    use std::path::Path;

    #[test]
    fn cases_in_a_row_differ_by_their_coordinator_alone() {
        let first = case(10 * COORDINATORS);
        for seed in 10 * COORDINATORS + 1..11 * COORDINATORS {
            let other = case(seed);
            assert_eq!((&other.jobs, other.workers), (&first.jobs, first.workers));
            assert_ne!((&other.rules, &other.holds), (&first.rules, &first.holds));
        }
        assert_ne!(case(11 * COORDINATORS).jobs, first.jobs);
    }

    #[test]
    fn every_case_and_every_smaller_one_is_a_scenario_and_the_seed_decides_it() {
        for seed in 0..300 {
            let case = case(seed);
            assert_eq!(case, super::case(seed));
            for case in std::iter::once(case.clone()).chain(case.smaller().into_iter().take(3)) {
                let read = parse::parse(&case.scenario(), Path::new("generated.toml"));
                assert!(
                    read.is_ok(),
                    "{}\n{}",
                    read.expect_err("it can't be read"),
                    case.scenario()
                );
            }
        }
    }
}
