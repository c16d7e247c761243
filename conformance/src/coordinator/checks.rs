//! The checks of a coordinator, each on jobs of its own. What a check demands is the clause's text and no more.

mod door;
mod lease;
mod queue;
mod shadow;

pub use door::*;
pub use lease::*;
pub use queue::*;
pub use shadow::*;

use super::client::Answer;
use super::held::{Held, demand};

fn lost(answer: &Answer, what: &str) -> Held {
    demand(
        answer.status == 409 && answer.body["code"] == "lease_lost",
        || {
            format!(
                "{what} under a lease that ended was answered {} {}",
                answer.status, answer.body
            )
        },
    )
}
