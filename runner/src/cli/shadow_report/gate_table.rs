//! Prints the verdict of the gate: a sentence, what keeps it from `promote`, and each rule with its figures.

use std::io::{self, Write};

use crate::shadow::gate::{GateReport, GateVerdict, StratumFigures, StratumRule};
use crate::terminal::{ColorChoice, TextTable, limit_percent, percent};

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
    let policy = &gate.policy;
    let mut table = TextTable::new(&["RULE", "IS", "NEEDS"]);
    for (rule, is, needs) in [
        (
            format!("evidence, {} agree and {} disagree", gate.agree, gate.disagree),
            plain_number(gate.ln_e),
            format!(
                "at least {} for more than {}",
                plain_number(gate.ln_e_min),
                limit_percent(policy.agreement_min)
            ),
        ),
        (
            String::from("chance of so many that disagree"),
            percent(Some(gate.hold_chance)),
            format!("at least {}", limit_percent(gate.hold_chance_min)),
        ),
        (
            format!("harmful answers, {} more acknowledged", gate.acknowledged),
            gate.harmful.to_string(),
            String::from("0"),
        ),
        (
            String::from("coverage"),
            percent(gate.coverage),
            format!("at least {}", limit_percent(policy.coverage_min)),
        ),
        (
            String::from("worst case, all that is not compared disagrees"),
            percent(gate.worst_case),
            format!("at least {}", limit_percent(policy.worst_case_min)),
        ),
        (
            format!(
                "alarm, {} of the last {} disagree",
                gate.alarm.last.disagree, gate.alarm.last.of
            ),
            plain_number(gate.alarm.ln_value),
            format!("below {}", plain_number(gate.alarm.ln_limit)),
        ),
        (
            String::from("span, first to last decision"),
            gate.span.shown(),
            format!("at least {}", gate.span.has_to_be()),
        ),
    ] {
        table.row([rule, is, needs]);
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
        let needs = match one.rule {
            StratumRule::HasToPass => format!(
                "at least {} for more than {}",
                plain_number(one.ln_e_min),
                limit_percent(one.agreement_min)
            ),
            StratumRule::LeftOut => String::from("nothing: it was left out by name"),
            StratumRule::TooRare => String::from("nothing: it is too rare"),
        };
        table.row([
            one.name(),
            percent(Some(one.share)),
            format!("{} of {}", one.agree, one.agree + one.disagree),
            plain_number(one.ln_e),
            needs,
        ]);
    }
    table.write_plain(out, palette)
}

/// The number whose natural logarithm this is, as people read one.
fn plain_number(ln: f64) -> String {
    match ln.exp() {
        number if number >= 1e6 => format!("10^{:.1}", ln / std::f64::consts::LN_10),
        // Cut, so that less than enough is not shown as enough. A whole number may be a hair less than itself here.
        number if (number - number.round()).abs() < 1e-6 => format!("{}", number.round()),
        number => format!("{:.1}", (number * 10.0).floor() / 10.0),
    }
}
