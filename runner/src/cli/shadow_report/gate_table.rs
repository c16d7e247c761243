//! Prints the verdict of the gate: what it is, what keeps it from `promote`, and each rule with its figures.

use std::io::{self, Write};

use crate::shadow::gate::{GateReport, GateVerdict};
use crate::terminal::{ColorChoice, TextTable, limit_percent, percent};

pub(super) fn print(out: &mut impl Write, palette: ColorChoice, gate: &GateReport) -> io::Result<()> {
    let verdict = match gate.verdict {
        GateVerdict::Promote => "promote",
        GateVerdict::Hold => "hold",
        GateVerdict::Inconclusive => "inconclusive",
    };
    writeln!(out, "\n{} {}", palette.dim("gate      "), palette.bold(verdict))?;
    for reason in &gate.reasons {
        writeln!(out, "           {reason}")?;
    }
    if gate.verdict == GateVerdict::Hold {
        let advice = "a new observation begins when the log is moved aside";
        writeln!(out, "           {advice}")?;
    }
    let mut table = TextTable::new(&["RULE", "IS", "NEEDS"]);
    for (rule, is, needs) in [
        (
            format!("evidence, {} agree and {} disagree", gate.agree, gate.disagree),
            plain_number(gate.ln_e),
            format!(
                "at least {} for more than {}",
                plain_number(gate.ln_e_min),
                limit_percent(gate.agreement_min)
            ),
        ),
        (
            String::from("chance of so many that disagree"),
            percent(Some(gate.hold_chance)),
            format!("at least {}", limit_percent(gate.hold_chance_min)),
        ),
        (
            String::from("harmful answers"),
            gate.harmful.to_string(),
            String::from("0"),
        ),
        (
            String::from("coverage"),
            percent(gate.coverage),
            format!("at least {}", limit_percent(gate.coverage_min)),
        ),
        (
            String::from("worst case, all that is not compared disagrees"),
            percent(gate.worst_case),
            format!("at least {}", limit_percent(gate.worst_case_min)),
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

/// The number whose natural logarithm this is, as people read one.
fn plain_number(ln: f64) -> String {
    match ln.exp() {
        number if number >= 1e6 => format!("10^{:.1}", ln / std::f64::consts::LN_10),
        // Cut, so that less than enough is not shown as enough. A whole number may be a hair less than itself here.
        number if (number - number.round()).abs() < 1e-6 => format!("{}", number.round()),
        number => format!("{:.1}", (number * 10.0).floor() / 10.0),
    }
}
