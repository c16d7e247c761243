//! The arithmetic of the gate, in logarithms: e-values, and tails of the binomial distribution.

/// Beyond this many more decisions there is no point in counting.
pub(super) const NEEDED_MAX: u64 = 1_000_000;

/// The smallest number of further agreements with which it is enough.
pub(super) fn fewest(enough: impl Fn(u64) -> bool) -> Option<u64> {
    if !enough(NEEDED_MAX) {
        return None;
    }
    let (mut low, mut high) = (0, NEEDED_MAX);
    while low < high {
        let middle = u64::midpoint(low, high);
        match enough(middle) {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    Some(low)
}

/// The logarithm of the e-value against "agreement is `p0` at most": a uniform mixture over everything above it.
pub(super) fn ln_e(agree: u64, disagree: u64, p0: f64) -> f64 {
    let (n, q0) = (agree + disagree, 1.0 - p0);
    let above = 1.0 - at_most(disagree, n + 1, q0);
    if above <= 0.0 {
        return f64::NEG_INFINITY;
    }
    -((n + 1) as f64).ln() - ln_choose(n, disagree) + above.ln()
        - q0.ln()
        - agree as f64 * p0.ln()
        - disagree as f64 * q0.ln()
}

/// P(X >= k) for X of `n` trials that come out with chance `q`; summed from the side on which it is small.
pub(super) fn at_least(k: u64, n: u64, q: f64) -> f64 {
    match k {
        0 => 1.0,
        k if k as f64 <= n as f64 * q => 1.0 - at_most(k - 1, n, q),
        k => terms(k, n, q)
            .take_while(|term| *term > 0.0)
            .sum::<f64>()
            .min(1.0),
    }
}

/// P(X <= k).
fn at_most(k: u64, n: u64, q: f64) -> f64 {
    let count = usize::try_from(k).unwrap_or(usize::MAX).saturating_add(1);
    terms(0, n, q).take(count).sum::<f64>().min(1.0)
}

/// P(X = i) for each i from `first` to `n`.
fn terms(first: u64, n: u64, q: f64) -> impl Iterator<Item = f64> {
    let odds = q.ln() - (1.0 - q).ln();
    let start = ln_choose(n, first) + first as f64 * q.ln() + (n - first) as f64 * (1.0 - q).ln();
    (first..=n).scan(start, move |ln, i| {
        let term = ln.exp();
        *ln += ((n - i) as f64 / (i + 1) as f64).ln() + odds;
        Some(term)
    })
}

fn ln_choose(n: u64, k: u64) -> f64 {
    let k = k.min(n - k);
    (1..=k).map(|i| ((n - k + i) as f64 / i as f64).ln()).sum()
}
