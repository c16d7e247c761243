//! Prints the verdict of the gate: a sentence, what keeps it from `promote`, and each rule with its figures.

use std::io::{self, Write};

use crate::shadow::gate::{GateReport, GateVerdict, StratumFigures};
use crate::terminal::{ColorChoice, TextTable, percent};

pub(super) fn print(out: &mut impl Write, palette: ColorChoice, gate: &GateReport) -> io::Result<()> {
    let verdict = match gate.verdict {
        GateVerdict::Promote => palette.success("promote"),
        GateVerdict::Hold => palette.failure("hold"),
        GateVerdict::Inconclusive => palette.warning("inconclusive"),
    };
    let fact = |label: &str| palette.dim(&format!("{label:<10}"));
    writeln!(out, "{} {verdict}", fact("gate"))?;
    writeln!(out, "           {}", gate.sentence)?;
    for reason in &gate.reasons {
        writeln!(out, "           - {reason}")?;
    }
    if gate.verdict == GateVerdict::Hold {
        let advice = "`aq fleet-shadow-explain DECISION` shows one answer, `aq fleet-shadow-ack` takes the responsibility for \
                      it, `aq fleet-shadow-restart` begins a new observation";
        writeln!(out, "           {advice}")?;
    }
    writeln!(out, "{} {}\n", fact("policy"), gate.policy.name.as_str())?;
    print_rules(out, palette, gate)?;
    print_strata(out, palette, &gate.strata)?;
    writeln!(out)
}

fn print_rules(out: &mut impl Write, palette: ColorChoice, gate: &GateReport) -> io::Result<()> {
    let mut table = TextTable::new(&["RULE", "IS", "NEEDS"]);
    for rule in gate.rules() {
        table.row([rule.name, rule.is, rule.needs]);
    }
    table.write_plain(out, palette)
}

/// Each engine has to pass alone; one that the log tells nothing of is the whole.
fn print_strata(out: &mut impl Write, palette: ColorChoice, strata: &[StratumFigures]) -> io::Result<()> {
    if strata.iter().all(|one| one.stratum.engine.is_none()) {
        return Ok(());
    }
    writeln!(out)?;
    let mut table = TextTable::new(&["KIND OF JOB", "SHARE", "AGREE", "IS", "NEEDS"]);
    for one in strata {
        table.row([
            one.name(),
            percent(Some(one.share)),
            format!("{} of {}", one.agree, one.agree + one.disagree),
            one.is(),
            one.needs(),
        ]);
    }
    table.write_plain(out, palette)
}
