//! Where the bars and the bands are.

use super::*;

fn tally(agree: u64, disagree: u64) -> DecisionTally {
    DecisionTally { agree, disagree }
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// All decisions of these days count.
fn report(days: &[(&str, DecisionTally)]) -> ShadowReport {
    let mut report = ShadowReport {
        days: days.iter().map(|(text, tally)| (day(text), *tally)).collect(),
        ..ShadowReport::default()
    };
    report.figures.days = report.days.clone();
    report
}

fn epoch(factory: &str, first: &str, last: &str) -> EpochSummary {
    EpochSummary {
        factory: factory.to_owned(),
        epoch: String::from("e"),
        policy: None,
        restarts: 0,
        first: Some(first.to_owned()),
        last: Some(last.to_owned()),
        agree: 0,
        of: 0,
        harmful: 0,
        is_current: false,
    }
}

fn chart(report: &ShadowReport) -> AgreementChart {
    AgreementChart::of(report, &TimeZone::UTC).unwrap()
}

/// Kind, top and height of each bar of a day.
fn bars(day: &ChartDay) -> Vec<(&'static str, f64, f64)> {
    day.bars.iter().map(|bar| (bar.kind, bar.y, bar.height)).collect()
}

#[test]
fn agreements_stand_on_the_line_and_disagreements_hang_from_it_at_one_scale() {
    let chart = chart(&report(&[
        ("2026-05-01", tally(30, 10)),
        ("2026-05-02", tally(15, 0)),
        ("2026-05-03", tally(0, 5)),
    ]));
    assert_eq!(
        (chart.zero, chart.most_agree, chart.most_disagree),
        (150.0, 30, 10)
    );
    let found: Vec<_> = chart.days.iter().map(bars).collect();
    assert_eq!(
        found,
        [
            vec![("agree", 0.0, 150.0), ("disagree", 150.0, 50.0)],
            vec![("agree", 75.0, 75.0)],
            vec![("disagree", 150.0, 25.0)]
        ]
    );
    assert_eq!(chart.all, tally(45, 15));
    assert!(!chart.has_uncounted);
}

#[test]
fn one_disagreement_among_thousands_is_seen_and_one_side_alone_has_all_the_height() {
    let few = chart(&report(&[("2026-05-01", tally(5000, 1))]));
    assert_eq!(
        bars(&few.days[0]),
        [("agree", 0.0, 182.0), ("disagree", 182.0, SEEN_MIN)]
    );
    let none = chart(&report(&[("2026-05-01", tally(4, 0))]));
    assert_eq!(bars(&none.days[0]), [("agree", 0.0, 200.0)]);
    let all = chart(&report(&[("2026-05-01", tally(0, 4))]));
    assert_eq!(bars(&all.days[0]), [("disagree", 0.0, 200.0)]);
    assert_eq!(AgreementChart::of(&ShadowReport::default(), &TimeZone::UTC), None);
}

#[test]
fn what_is_not_counted_lies_behind_what_is() {
    let mut report = report(&[("2026-05-01", tally(10, 10))]);
    report.figures.days = [(day("2026-05-01"), tally(4, 1))].into();
    let chart = chart(&report);
    assert_eq!(
        bars(&chart.days[0]),
        [
            ("agree", 60.0, 40.0),
            ("uncounted", 0.0, 60.0),
            ("disagree", 100.0, 10.0),
            ("uncounted", 110.0, 90.0)
        ]
    );
    assert!(chart.has_uncounted);
}

#[test]
fn a_day_has_its_place_and_few_days_leave_room() {
    let twenty = chart(&report(&[
        ("2026-05-01", tally(1, 0)),
        ("2026-05-20", tally(1, 0)),
    ]));
    let places: Vec<_> = twenty.days.iter().map(|day| (day.x, day.width)).collect();
    assert_eq!(places, [(0.5, 4.0), (95.5, 4.0)]);
    assert_eq!(twenty.labels, ["2026-05-01", "2026-05-10", "2026-05-20"]);
    let one = chart(&report(&[("2026-05-20", tally(1, 0))]));
    assert_eq!(one.labels, ["2026-05-07", "2026-05-13", "2026-05-20"]);
}

#[test]
fn each_factory_has_a_row_of_bands_from_the_first_to_the_last_decision() {
    let days = [("2026-05-01", tally(1, 0)), ("2026-05-20", tally(1, 0))];
    let mut report = report(&days);
    report.epochs = vec![
        epoch("one", "2026-05-01T00:00:00Z", "2026-05-06T00:00:00Z"),
        epoch("two", "2026-05-02T12:00:00Z", "2026-05-02T12:00:00Z"),
        epoch("one", "2026-04-20T00:00:00Z", "2026-04-30T00:00:00Z"),
        epoch("one", "2026-05-06T12:00:00Z", "2026-05-21T00:00:00Z"),
    ];
    let chart = chart(&report);
    let found = chart.bands.iter().map(|band| {
        let place = (band.x, band.width, band.y, band.height);
        (band.number, band.is_numbered, place)
    });
    assert_eq!(
        found.collect::<Vec<_>>(),
        [
            (1, true, (0.0, 25.0, 0.0, 100.0)),
            (2, false, (7.5, 0.4, 100.0, 100.0)),
            (4, true, (27.5, 72.5, 0.0, 100.0))
        ],
        "one of them ended before the first day"
    );
    report.epochs = (0..9)
        .map(|number| {
            epoch(
                &number.to_string(),
                "2026-05-01T00:00:00Z",
                "2026-05-06T00:00:00Z",
            )
        })
        .collect();
    let chart = AgreementChart::of(&report, &TimeZone::UTC).unwrap();
    let last = chart.bands.last().unwrap();
    assert_eq!((last.y, last.height), (166.67, 33.33));
}
