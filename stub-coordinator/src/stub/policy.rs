//! What the stub says of its policy and version.

use super::Stub;
use crate::contract::policy_statement::PolicyStatement;

impl Stub {
    /// The policy that each answer tells; none where it tells none.
    pub fn policy(&self) -> Option<PolicyStatement> {
        self.shared.policy.get()
    }

    /// Tells another policy from now on, or none: what a coordinator of a new version would do. State stays as it is.
    /// ```
    #[doc = include_str!("dry_run_example.txt")]
    /// use stub_coordinator::{PolicyStatement, Stub, StubConfig};
    ///
    /// let policy = Some(PolicyStatement::parse("fifo@1.0")?);
    /// let stub = Stub::start(StubConfig { policy, ..StubConfig::default() })?;
    /// let told = |answer: &reqwest::blocking::Response| answer.headers().get("coordinator-policy").cloned();
    /// assert_eq!(told(&dry_run(&stub)?).unwrap(), "fifo;version=\"1.0\"");
    /// stub.set_policy(Some(PolicyStatement::parse("fair@2.0")?));
    /// assert_eq!(told(&dry_run(&stub)?).unwrap(), "fair;version=\"2.0\"");
    /// stub.set_policy(None);
    /// assert_eq!(told(&dry_run(&stub)?), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_policy(&self, policy: Option<PolicyStatement>) {
        self.shared.policy.set(policy);
    }
}
