//! The checks of a coordinator, each on jobs of its own. What a check demands is the clause's text and no more.

mod authentication;
mod claims;
mod leases;
mod policy;
mod shadow;
mod withdrawals;

pub use authentication::*;
pub use claims::*;
pub use leases::*;
pub use policy::*;
pub use shadow::*;
pub use withdrawals::*;
