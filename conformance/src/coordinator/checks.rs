//! The checks of a coordinator, each on jobs of its own. What a check demands is the clause's text and no more.

mod authentication;
mod claims;
mod leases;
mod shadow;

pub use authentication::*;
pub use claims::*;
pub use leases::*;
pub use shadow::*;

use super::assertions::{ProbeResult, ensure};
use super::http_client::CoordinatorAnswer;

fn lost(answer: &CoordinatorAnswer, what: &str) -> ProbeResult {
    ensure(
        answer.status == 409 && answer.body["code"] == "lease_lost",
        || {
            format!(
                "{what} under a lease that ended was answered {} {}",
                answer.status, answer.body
            )
        },
    )
}
