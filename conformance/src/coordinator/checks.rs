//! The checks of a coordinator, each on jobs of its own. What a check demands is the clause's text and no more.

mod authentication;
mod claims;
mod leases;
mod shadow;

pub use authentication::*;
pub use claims::*;
pub use leases::*;
pub use shadow::*;
