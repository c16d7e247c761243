//! Lengths of delays, from the draw alone.

use std::time::Duration;

use super::delay_gate_hang::length;
use crate::contract::signed_duration::SignedDuration;
use crate::rules::DelayDistribution;

fn span(text: &str) -> SignedDuration {
    SignedDuration::parse(text).expect("a span")
}

#[test]
fn a_uniform_delay_lies_between_its_bounds() {
    let delay = DelayDistribution::Uniform(span("10ms"), span("30ms"));
    assert_eq!(length(&delay, 0.0), Duration::from_millis(10));
    assert_eq!(length(&delay, 0.5), Duration::from_millis(20));
    assert!(length(&delay, 0.999_999) <= Duration::from_millis(30));
}

#[test]
fn a_lognormal_delay_has_the_median_and_the_p99_that_it_names() {
    let delay = DelayDistribution::LogNormal {
        median: span("100ms"),
        p99: span("900ms"),
    };
    let near = |draw: f64, millis: f64| {
        let got = length(&delay, draw).as_secs_f64() * 1_000.0;
        assert!(
            (got - millis).abs() < millis * 0.01,
            "{draw}: {got} is not {millis}"
        );
    };
    near(0.5, 100.0);
    near(0.99, 900.0);
    near(0.01, 100.0 * 100.0 / 900.0);
    assert!(
        length(&delay, 0.999_999_99) <= Duration::from_secs(9),
        "the far tail is cut off"
    );
}
