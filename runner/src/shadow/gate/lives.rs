//! Simulated lives of coordinators, each with a gate that somebody looks at every day: how often one is promoted that was
//! not good enough on that day. `just lives` prints the table.

use jiff::SignedDuration;

use super::*;
use crate::settings::PolicyName;
use crate::shadow::decision_stratum::{DecisionStratum, DecisionTally, StratumSelector};
use crate::shadow::report::ShadowFigures;

/// So many where nobody says otherwise.
const LIVES_DEFAULT: u64 = 400;
/// Says how many.
const LIVES_VARIABLE: &str = "GATE_LIVES";
/// Nobody looks longer.
const DAYS_MAX: u64 = 60;

/// splitmix64: the same lives on every host.
struct SeededChance(u64);

impl SeededChance {
    /// From 0 on and below 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.next()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LifeKind {
    /// It agrees nearly always, from the first day to the last.
    Right,
    /// It gets worse slowly.
    Drifts,
    /// On one day it breaks.
    Breaks,
    /// On one day there is a new version, which is worse.
    Replaced,
    /// It is bad at one engine alone.
    BadAtOne,
}

const KINDS: [LifeKind; 5] = [
    LifeKind::Right,
    LifeKind::Drifts,
    LifeKind::Breaks,
    LifeKind::Replaced,
    LifeKind::BadAtOne,
];

/// One coordinator: two engines, of which the second has a share of the jobs.
struct CoordinatorLife {
    kind: LifeKind,
    per_day: u64,
    second_share: f64,
    good: f64,
    bad: f64,
    /// When it changes, or begins to.
    change: u64,
    /// How long a slow change takes.
    change_days: f64,
}

impl CoordinatorLife {
    fn new(kind: LifeKind, chance: &mut SeededChance) -> CoordinatorLife {
        CoordinatorLife {
            kind,
            // From ten to a thousand, each order of magnitude as often.
            per_day: 10f64.powf(chance.between(1.0, 3.0)).round() as u64,
            second_share: chance.between(0.06, 0.5),
            good: chance.between(0.992, 1.0),
            bad: match kind {
                LifeKind::Drifts => chance.between(0.95, 0.985),
                LifeKind::BadAtOne => chance.between(0.7, 0.94),
                _ => chance.between(0.0, 0.98),
            },
            change: chance.between(1.0, 30.0) as u64,
            change_days: chance.between(10.0, 40.0),
        }
    }

    /// How often it agrees on a day, about the first engine and about the second.
    fn agreement(&self, day: u64) -> [f64; 2] {
        let since = day.saturating_sub(self.change) as f64;
        let both = |agreement| [agreement, agreement];
        match self.kind {
            LifeKind::Right => both(self.good),
            LifeKind::BadAtOne => [1.0, self.bad],
            LifeKind::Drifts => {
                let part = (since / self.change_days).min(1.0);
                both(self.good + (self.bad - self.good) * part)
            }
            LifeKind::Breaks | LifeKind::Replaced if day < self.change => both(self.good),
            LifeKind::Breaks | LifeKind::Replaced => both(self.bad),
        }
    }

    /// Whether it must not be promoted on that day.
    fn is_below(&self, day: u64, policy: &GatePolicy) -> bool {
        let [first, second] = self.agreement(day);
        let all = first * (1.0 - self.second_share) + second * self.second_share;
        all < policy.agreement_min || first.min(second) < policy.stratum_agreement_min
    }

    /// A new version is a new epoch.
    fn begins_anew(&self, day: u64) -> bool {
        self.kind == LifeKind::Replaced && day == self.change
    }
}

/// Takes in the decisions of a day: whether each agrees, and whether it is about the second engine.
fn note_day(figures: &mut ShadowFigures, day: u64, decisions: impl ExactSizeIterator<Item = (bool, bool)>) {
    let per_day = decisions.len() as u64;
    let mut tallies = [DecisionTally::default(); 2];
    for (agrees, is_second) in decisions {
        figures.alarm.note(agrees);
        tallies[usize::from(is_second)].count(agrees);
    }
    figures.span.note(instant(day, 0, per_day));
    figures.span.note(instant(day, per_day - 1, per_day));
    let date = TimeZone::UTC.to_datetime(instant(day, 0, per_day)).date();
    for (engine, tally) in ["claude", "codex"].into_iter().zip(tallies) {
        let stratum = DecisionStratum {
            engine: Some(engine.to_owned()),
            lock: Some(false),
        };
        for kept in [
            figures.days.entry(date).or_default(),
            figures.strata.entry(stratum).or_default(),
        ] {
            kept.agree += tally.agree;
            kept.disagree += tally.disagree;
        }
        figures.verdicts.agree += tally.agree;
        figures.verdicts.diverge += tally.disagree;
    }
    let of = figures.verdicts.agree + figures.verdicts.diverge;
    figures.agreement.of = of;
    figures.coverage.of = of;
    figures.coverage.rate = Some(1.0);
}

/// The instant of a decision: they lie evenly over the working hours of a day.
fn instant(day: u64, number: u64, per_day: u64) -> jiff::Timestamp {
    let first: jiff::Timestamp = "2026-01-01T08:00:00Z".parse().unwrap();
    let seconds = day * 86_400 + number * 36_000 / per_day;
    first + SignedDuration::from_secs(i64::try_from(seconds).unwrap())
}

/// The day on which it is promoted, if it is.
fn promoted_on(life: &CoordinatorLife, policy: &GatePolicy, chance: &mut SeededChance) -> Option<u64> {
    let fresh = || ShadowFigures {
        alarm: ChangeAlarm::new(policy.agreement_min),
        ..ShadowFigures::default()
    };
    let mut figures = fresh();
    for day in 0..DAYS_MAX {
        if life.begins_anew(day) {
            figures = fresh();
        }
        let agreement = life.agreement(day);
        let decisions = (0..usize::try_from(life.per_day).unwrap()).map(|_| {
            let is_second = chance.next() < life.second_share;
            (chance.next() < agreement[usize::from(is_second)], is_second)
        });
        note_day(&mut figures, day, decisions);
        if decide(&figures, policy, &TimeZone::UTC).verdict == GateVerdict::Promote {
            return Some(day);
        }
    }
    None
}

/// What became of all coordinators of one kind.
#[derive(Debug, Default)]
struct LivesOfKind {
    lives: u64,
    /// The days on which they were promoted.
    promoted: Vec<u64>,
    /// Although they were not good enough on that day.
    wrongly: u64,
}

#[test]
fn of_all_coordinators_a_twentieth_at_most_is_promoted_on_a_day_on_which_it_is_not_good_enough() {
    let policy = GatePolicy::named(PolicyName::Strict);
    let wanted = std::env::var(LIVES_VARIABLE).ok();
    let lives = wanted.map_or(LIVES_DEFAULT, |wanted| wanted.parse().unwrap());
    let (mut wrongly, mut lines) = (0, String::new());
    for kind in KINDS {
        let mut found = LivesOfKind::default();
        for number in 0..lives / KINDS.len() as u64 {
            let mut chance = SeededChance(number * 7919 + kind as u64);
            let life = CoordinatorLife::new(kind, &mut chance);
            found.lives += 1;
            if let Some(day) = promoted_on(&life, &policy, &mut chance) {
                found.promoted.push(day + 1);
                found.wrongly += u64::from(life.is_below(day, &policy));
            }
        }
        found.promoted.sort_unstable();
        let median = found.promoted.get(found.promoted.len() / 2);
        wrongly += found.wrongly;
        lines += &format!(
            "{kind:<10?} {:>6} {:>9} {:>8} {:>7}\n",
            found.lives,
            found.promoted.len(),
            found.wrongly,
            median.map_or_else(|| String::from("-"), u64::to_string)
        );
    }
    println!(
        "KIND        LIVES  PROMOTED  WRONGLY  MEDIAN DAY\n{lines}wrongly promoted: {wrongly} of {lives}"
    );
    assert!(wrongly * 20 <= lives, "{lines}");
}

#[test]
fn a_coordinator_that_always_agrees_is_promoted_within_twelve_days_at_fifty_decisions_a_day() {
    let policy = GatePolicy::named(PolicyName::Strict);
    let mut figures = ShadowFigures::default();
    for day in 0..12 {
        note_day(&mut figures, day, (0..50).map(|number| (true, number % 2 == 1)));
        if decide(&figures, &policy, &TimeZone::UTC).verdict == GateVerdict::Promote {
            return assert_eq!(day + 1, 9, "449 decisions");
        }
    }
    panic!("{:?}", decide(&figures, &policy, &TimeZone::UTC).reasons);
}

#[test]
fn a_rare_stratum_is_named_with_the_days_that_it_needs() {
    let policy = GatePolicy::named(PolicyName::Strict);
    let mut figures = ShadowFigures::default();
    // 3 of 50 a day are of codex: 36 in 12 days, and 52 more take another 18.
    for day in 0..12 {
        note_day(&mut figures, day, (0..50).map(|number| (true, number < 3)));
    }
    let gate = decide(&figures, &policy, &TimeZone::UTC);
    assert_eq!(gate.verdict, GateVerdict::Inconclusive);
    assert_eq!(
        gate.reasons,
        [
            "codex, without a lock: more than 95 % alone needs 52 more decisions of it without a disagreement, about 18 days at the present rate"
        ]
    );
    assert_eq!(
        gate.sentence,
        "Not yet: it takes about 18 more days at 50 decisions a day, if none of them disagrees."
    );
    figures.left_out = vec![StratumSelector::parse("engine=codex").unwrap()];
    assert_eq!(
        decide(&figures, &policy, &TimeZone::UTC).verdict,
        GateVerdict::Promote
    );
}
