//! The rules as rows say what the verdict says.

use super::*;

/// Figures of which each breaks one rule, by the beginning of that rule's name; the first breaks none.
fn broken_rules() -> Vec<(Option<&'static str>, ShadowFigures)> {
    let alarmed = || {
        let mut figures = figures(5000, 25, 0);
        (0..5000).for_each(|_| figures.alarm.note(true));
        (0..25).for_each(|_| figures.alarm.note(false));
        figures
    };
    let short = ShadowFigures {
        span: ObservationSpan::default(),
        ..figures(2000, 0, 0)
    };
    let unreadable = || {
        let mut figures = figures(2000, 0, 0);
        (figures.lines.read, figures.lines.unreadable) = (2011, 11);
        figures
    };
    vec![
        (None, figures(2000, 0, 0)),
        (Some("evidence"), figures(448, 0, 0)),
        (Some("chance"), figures(20_000, 301, 0)),
        (
            Some("harmful"),
            ShadowFigures {
                harmful: 1,
                ..figures(2000, 1, 0)
            },
        ),
        (Some("coverage"), figures(20_000, 0, 420)),
        (Some("worst case"), figures(20_000, 10, 700)),
        (Some("alarm"), alarmed()),
        (Some("span"), short),
        (
            Some("unexplained"),
            with_reason(figures(4000, 21, 0), "unexplained", 21),
        ),
        (Some("unreadable lines"), unreadable()),
        (
            Some("acknowledged"),
            ShadowFigures {
                acknowledged: 21,
                ..figures(2000, 2, 0)
            },
        ),
    ]
}

#[test]
fn a_coordinator_is_promoted_where_each_rule_is_met_and_nowhere_else() {
    for (broken, figures) in broken_rules() {
        let gate = decide(&figures);
        let rules = gate.rules();
        assert_eq!(rules.len(), 10);
        let promotes = rules.iter().all(|rule| rule.is_met);
        assert_eq!(
            gate.verdict == GateVerdict::Promote,
            promotes,
            "{broken:?}: {rules:?}"
        );
        assert_eq!(promotes, broken.is_none(), "{broken:?}: {rules:?}");
        let unmet = |rule: &&GateRule| broken.is_some_and(|name| rule.name.starts_with(name));
        for rule in rules.iter().filter(unmet) {
            assert!(!rule.is_met, "{rule:?}");
        }
    }
    // A rule that there is no data for is not met.
    let nothing = decide(&ShadowFigures::default());
    let met = nothing.rules().into_iter().filter(|rule| rule.is_met);
    let names: Vec<String> = met.map(|rule| rule.name).collect();
    assert_eq!(
        names,
        [
            "chance of so many that disagree",
            "harmful answers, 0 more acknowledged",
            "alarm, 0 of the last 0 disagree",
            "unexplained",
            "unreadable lines",
            "acknowledged"
        ]
    );
}

#[test]
fn a_rule_says_what_is_and_what_it_needs() {
    let row = |rule: &GateRule| (rule.name.clone(), rule.is.clone(), rule.needs.clone());
    let gate = decide(&with_reason(figures(880, 2, 9), "unexplained", 1));
    let rows: Vec<_> = gate.rules().iter().map(row).collect();
    // ln e is 2.999407 there, and e itself 20.07; 882 of 891 were compared, and 880 of 891 agree.
    for (name, is, needs) in [
        (
            "evidence, 880 agree and 2 disagree",
            "20.0",
            "at least 20 for more than 99 %",
        ),
        ("coverage", "98.9 %", "at least 98 %"),
        (
            "worst case, all that is not compared disagrees",
            "98.7 %",
            "at least 97 %",
        ),
        (
            "span, first to last decision",
            "2d00h over 3 days",
            "at least 24h over 2 days of local time",
        ),
        ("unexplained", "1 of 882", "at most 0.5 %"),
        ("acknowledged", "0 of 882", "at most 1 %"),
    ] {
        let row = (name.to_owned(), is.to_owned(), needs.to_owned());
        assert!(rows.contains(&row), "{row:?}\n{rows:?}");
    }
}
