//! What follows from one run of an engine after the other.

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn id(name: &str) -> JobId {
    JobId::new(name).unwrap()
}

fn login() -> EngineObservation {
    EngineObservation::Unusable {
        cause: PauseCause::Login,
        detail: String::from("Please run /login"),
        length: None,
    }
}

fn quick() -> EngineObservation {
    EngineObservation::FailsAtOnce(String::from("exit 1"))
}

fn is_counted(change: &HealthChange) -> bool {
    !change.is_job_spared
}

#[test]
fn pauses_double_from_a_minute_to_half_an_hour_and_end_with_a_success() {
    let mut health = EngineHealth::default();
    let mut lengths = Vec::new();
    for round in 0..7 {
        let change = health.after(&id("a"), round > 0, login(), at(0), 0.0);
        assert!(change.is_opened && change.is_job_spared);
        lengths.push(
            change
                .health
                .pause
                .as_ref()
                .unwrap()
                .left(at(0))
                .unwrap()
                .as_secs(),
        );
        health = change.health;
    }
    assert_eq!(lengths, [60, 120, 240, 480, 960, 1800, 1800]);
    let shortest = EngineHealth::default().after(&id("a"), false, login(), at(0), 1.0);
    assert_eq!(
        shortest.health.pause.unwrap().left(at(0)),
        Some(Duration::from_secs(48))
    );
    let closed = health.after(&id("a"), true, EngineObservation::Works, at(0), 0.0);
    assert_eq!(closed.health, EngineHealth::default());
}

#[test]
fn a_pause_lasts_to_its_end_and_a_clock_that_was_set_back_ends_it() {
    let opened = EngineHealth::default().after(&id("a"), false, login(), at(100), 0.0);
    let pause = opened.health.pause.unwrap();
    assert_eq!(pause.left(at(159)), Some(Duration::from_secs(1)));
    assert_eq!([pause.left(at(160)), pause.left(at(99))], [None, None]);
}

#[test]
fn what_had_begun_before_the_pause_neither_ends_nor_prolongs_it() {
    let opened = EngineHealth::default()
        .after(&id("a"), false, login(), at(0), 0.0)
        .health;
    for seen in [login(), EngineObservation::Works] {
        let change = opened.clone().after(&id("b"), false, seen.clone(), at(30), 0.0);
        assert_eq!(change.health, opened);
        assert_eq!(change.is_job_spared, seen == login());
        assert!(!change.is_opened);
    }
}

#[test]
fn three_jobs_in_a_row_that_fail_at_once_open_it_and_one_that_does_so_again_does_not() {
    let mut health = EngineHealth::default();
    for name in ["a", "a", "b", "a", "b"] {
        let change = health.after(&id(name), false, quick(), at(0), 0.0);
        assert!(is_counted(&change) && !change.is_opened, "{name}");
        health = change.health;
    }
    let works = health
        .clone()
        .after(&id("w"), false, EngineObservation::Works, at(0), 0.0);
    assert_eq!(works.health, EngineHealth::default());
    let third = health.after(&id("c"), false, quick(), at(0), 0.0);
    assert!(third.is_opened && third.is_job_spared);
    assert_eq!(third.health.pause.unwrap().cause, PauseCause::QuickFailures);
}

#[test]
fn a_job_that_fails_at_once_is_spared_once_alone() {
    let mut health = EngineHealth::default();
    for name in ["a", "b", "c"] {
        health = health.after(&id(name), false, quick(), at(0), 0.0).health;
    }
    let new = health.clone().after(&id("d"), true, quick(), at(90), 0.0);
    assert!(new.is_job_spared && new.is_opened);
    let again = health.after(&id("c"), true, quick(), at(90), 0.0);
    assert!(is_counted(&again) && again.is_opened);
}

#[test]
fn a_usage_limit_pauses_for_as_long_as_it_tells_and_nobody_has_to_try_the_engine_then() {
    let limit = EngineObservation::Unusable {
        cause: PauseCause::UsageLimit,
        detail: String::from("try again in 2 hours"),
        length: Some(Duration::from_secs(7200)),
    };
    let paused = EngineHealth::default()
        .after(&id("a"), false, limit, at(0), 0.5)
        .health;
    assert_eq!(
        paused.pause.as_ref().unwrap().left(at(0)),
        Some(Duration::from_secs(7200))
    );
    assert_eq!(paused.clone().at(at(7199)), paused);
    assert_eq!(paused.at(at(7200)), EngineHealth::default());
    let login = EngineHealth::default()
        .after(&id("a"), false, login(), at(0), 0.0)
        .health;
    assert_eq!(login.clone().at(at(7200)), login);
}

#[test]
fn what_is_remembered_of_an_engine_is_bounded() {
    let mut health = EngineHealth::default();
    for number in 0..2 * JOBS_REMEMBERED_MAX {
        let name = id(&format!("job-{number}"));
        health = health.after(&name, number > 2, quick(), at(0), 0.0).health;
    }
    assert_eq!(health.quick_failures.len(), JOBS_REMEMBERED_MAX);
}
