//! Prints the verdict of the gate: what it is, what keeps it from `promote`, and each rule with its figures.

use std::io::{self, Write};

use crate::shadow::gate::{GateReport, GateVerdict};
use crate::terminal::{ColorChoice, TextTable};

pub(super) fn print(out: &mut impl Write, palette: ColorChoice, gate: &GateReport) -> io::Result<()> {
    let verdict = match gate.verdict {
        GateVerdict::Promote => "promote",
        GateVerdict::Hold => "hold",
        GateVerdict::Inconclusive => "inconclusive",
    };
    let rate = |rate: Option<f64>| rate.map_or(String::from("no data"), |rate| format!("{rate:.4}"));
    writeln!(out, "\n{} {}", palette.dim("gate      "), palette.bold(verdict))?;
    for reason in &gate.reasons {
        writeln!(out, "           {reason}")?;
    }
    if gate.verdict == GateVerdict::Hold {
        let advice = "a new observation begins when the log is moved aside";
        writeln!(out, "           {advice}")?;
    }
    let mut table = TextTable::new(&["RULE", "IS", "HAS TO BE"]);
    for (rule, is, has_to_be) in [
        (
            format!("ln e, {} agree and {} don't", gate.agree, gate.disagree),
            format!("{:.4}", gate.ln_e),
            format!(
                "at least {:.4} (beats {} with risk 0.05)",
                gate.ln_e_min, gate.agreement_min
            ),
        ),
        (
            String::from("chance of so many that don't"),
            format!("{:.6}", gate.hold_chance),
            format!("at least {}", gate.hold_chance_min),
        ),
        (
            String::from("harmful answers"),
            gate.harmful.to_string(),
            String::from("0"),
        ),
        (
            String::from("coverage"),
            rate(gate.coverage),
            format!("at least {}", gate.coverage_min),
        ),
        (
            String::from("worst case"),
            rate(gate.worst_case),
            format!("at least {}", gate.worst_case_min),
        ),
        (
            format!(
                "alarm, {} of the last {} disagree",
                gate.alarm.last.disagree, gate.alarm.last.of
            ),
            power_of_ten(gate.alarm.ln_value),
            format!("below {}", power_of_ten(gate.alarm.ln_limit)),
        ),
        (
            String::from("first to last decision"),
            gate.span.shown(),
            format!("at least {}", gate.span.has_to_be()),
        ),
    ] {
        table.row([rule, is, has_to_be]);
    }
    table.write_plain(out, palette)
}

/// People read powers of ten, not natural logarithms.
fn power_of_ten(ln: f64) -> String {
    match ln == f64::NEG_INFINITY {
        true => String::from("0"),
        false => format!("10^{:.1}", ln / std::f64::consts::LN_10),
    }
}
