//! The runners at work on a queue, as `aq status` and `aq fleet-status` show them (clause F-9): each by its own
//! record, whatever the flags of the shell that asks.

use std::io::{self, Write, stdout};

use crate::fleet::coordinator_health::{ComparisonHalt, CoordinatorHealth, CoordinatorTrouble};
use crate::fleet::routing_record::RoutingRecord;
use crate::queue::ChangeSource;
use crate::run::RunnerRecord;
use crate::terminal::{self, ColorChoice, TextTable};

pub(super) fn print(out: &mut impl Write, runners: &[RunnerRecord]) -> io::Result<()> {
    let palette = ColorChoice::of(&stdout());
    if runners.is_empty() {
        return writeln!(out, "{} none at work on this queue", palette.dim("runners"));
    }
    let mut table = TextTable::new(&["RUNNER", "MODE", "WORKERS", "SINCE", "COORDINATOR"]).wrapped();
    for runner in runners {
        let mut facts = runner.coordinator.iter().flat_map(facts);
        table.row([
            runner.pid.to_string(),
            runner.mode.clone(),
            runner.workers.to_string(),
            terminal::ago(&runner.since),
            facts.next().unwrap_or_else(|| "-".to_owned()),
        ]);
        for fact in facts {
            let blank = String::new();
            table.row([blank.clone(), blank.clone(), blank.clone(), blank, fact]);
        }
    }
    table.write_plain(out, palette)?;
    for runner in runners {
        if let Some(used) = &runner.used {
            writeln!(
                out,
                "\n{} {} has used {}",
                palette.dim("used"),
                runner.pid,
                used.text()
            )?;
        }
        if let Some(trouble) = &runner.host_trouble {
            let (label, pid) = (palette.bold("trouble"), runner.pid);
            let (kind, since) = (trouble.kind, terminal::ago(&trouble.since));
            let detail = terminal::escape_control(&trouble.detail);
            writeln!(
                out,
                "\n{label} {pid} starts no job for {since}: {kind} ({detail}); {}",
                kind.advice()
            )?;
        }
    }
    for runner in runners
        .iter()
        .filter(|runner| runner.watch == ChangeSource::Polling)
    {
        let (label, pid) = (palette.dim("polling"), runner.pid);
        writeln!(
            out,
            "\n{label} {pid} looks at its queue every second: the system tells it of no change"
        )?;
    }
    Ok(())
}

/// What routing met with, and that aq went back by itself (clauses F-20 and F-21); a sentence each.
pub(super) fn print_routing(out: &mut impl Write, record: Option<&RoutingRecord>) -> io::Result<()> {
    let palette = ColorChoice::of(&stdout());
    for (name, text) in record.into_iter().flat_map(RoutingRecord::lines) {
        let text = terminal::wrap(&text, name.len() + 1);
        writeln!(out, "{} {text}\n", palette.bold(name))?;
    }
    Ok(())
}

/// One line for each fact, so short that a row fits a terminal of 80 columns.
fn facts(health: &CoordinatorHealth) -> Vec<String> {
    let answered = health.last_answer.as_ref().map(|at| terminal::ago(at));
    let mut facts = match (&health.trouble, answered) {
        (Some(trouble), answered) => trouble_facts(trouble, answered),
        (None, Some(ago)) => vec![format!("answers, last {ago} ago")],
        (None, None) => vec![String::from("not asked yet")],
    };
    let halt: &[&str] = match health.not_comparing {
        None => &[],
        Some(ComparisonHalt::DryRunUnsupported) => &["has no dry run: nothing is compared"],
        Some(ComparisonHalt::DryRunNotHonoured) => &["leased in a dry run: nothing is compared"],
        Some(ComparisonHalt::ScopeMissing) => {
            &["no comparison is possible:", "the token lacks scope `shadow`"]
        }
    };
    facts.extend(halt.iter().map(|fact| (*fact).to_owned()));
    facts
}

fn trouble_facts(trouble: &CoordinatorTrouble, answered: Option<String>) -> Vec<String> {
    let last = answered.map_or_else(
        || String::from("no answer yet"),
        |ago| format!("last answer {ago} ago"),
    );
    let next = match &trouble.next_try {
        Some(at) => format!(", next try in {}", terminal::until(at)),
        None => String::new(),
    };
    vec![
        format!("fails for {}: {}", terminal::ago(&trouble.since), trouble.kind),
        format!(
            "{} in a row, {} last",
            terminal::counted(trouble.errors, "error"),
            trouble.operation
        ),
        format!("{last}{next}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_that_is_told_of_no_change_is_said_to_poll() {
        let shown = |watch| {
            let runner = RunnerRecord {
                pid: 7,
                since: String::from("2026-01-01T00:00:00Z"),
                mode: String::from("offline"),
                workers: 1,
                watch,
                used: None,
                host_trouble: None,
                coordinator: None,
            };
            let mut text = Vec::new();
            print(&mut text, &[runner]).unwrap();
            String::from_utf8(text).unwrap()
        };
        assert!(shown(ChangeSource::Polling).contains("7 looks at its queue every second"));
        assert!(!shown(ChangeSource::Events).contains("every second"));
    }

    #[test]
    fn a_scope_that_is_missing_is_said_with_what_it_prevents() {
        let mut health = CoordinatorHealth::default();
        health.comparison_halted(ComparisonHalt::ScopeMissing);
        let told = facts(&health);
        assert!(
            told.contains(&String::from("no comparison is possible:")),
            "{told:?}"
        );
        assert!(told.iter().all(|fact| fact.len() <= 40), "{told:?}");
    }
}
