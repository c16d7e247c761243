//! The operations of the contract as a table: name, method, path, permission, and what a request of each can be
//! matched by. What they do is the coordinator's; how they are encoded is the routes'.

use std::borrow::Cow;

use crate::contract::name_hint::nearest;
use crate::contract::scope::{OperationPermission, Scope};

/// One operation of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Operation {
    JobSubmit,
    JobList,
    JobGet,
    FactoryEnrol,
    FactoryHeartbeat,
    Claim,
    LeaseRenew,
    LeaseRelease,
    JobReport,
    JobQuarantine,
    ShadowClaim,
    ShadowReport,
    Health,
    Openapi,
}

/// What a request can be matched by, besides its operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MatchField {
    Factory,
    Job,
    Stage,
    Lease,
}

/// What a method and a path come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RouteMatch<'a> {
    /// An operation, and the id in its path where it has one.
    Operation(Operation, Option<Cow<'a, str>>),
    /// A path of the API under another method; the value of `Allow`.
    WrongMethod(&'static str),
    UnknownPath,
}

impl Operation {
    pub(crate) const ALL: [Operation; 14] = [
        Operation::JobSubmit,
        Operation::JobList,
        Operation::JobGet,
        Operation::FactoryEnrol,
        Operation::FactoryHeartbeat,
        Operation::Claim,
        Operation::LeaseRenew,
        Operation::LeaseRelease,
        Operation::JobReport,
        Operation::JobQuarantine,
        Operation::ShadowClaim,
        Operation::ShadowReport,
        Operation::Health,
        Operation::Openapi,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Operation::JobSubmit => "job.submit",
            Operation::JobList => "job.list",
            Operation::JobGet => "job.get",
            Operation::FactoryEnrol => "factory.enrol",
            Operation::FactoryHeartbeat => "factory.heartbeat",
            Operation::Claim => "claim",
            Operation::LeaseRenew => "lease.renew",
            Operation::LeaseRelease => "lease.release",
            Operation::JobReport => "job.report",
            Operation::JobQuarantine => "job.quarantine",
            Operation::ShadowClaim => "shadow.claim",
            Operation::ShadowReport => "shadow.report",
            Operation::Health => "health",
            Operation::Openapi => "openapi",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Operation> {
        Operation::ALL
            .into_iter()
            .find(|operation| operation.name() == name)
    }

    /// The operation of that name, or why there is none, with the nearest.
    pub(crate) fn or_hint(name: &str) -> Result<Operation, String> {
        let names = || Operation::ALL.into_iter().map(Operation::name);
        Operation::named(name).ok_or_else(|| {
            let hint =
                nearest(name, names()).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            format!("no operation is called {name:?}{hint}")
        })
    }

    /// Method and path, `{id}` standing for an id.
    pub(crate) fn route(self) -> (&'static str, &'static str) {
        match self {
            Operation::JobSubmit => ("POST", "/v1/jobs"),
            Operation::JobList => ("GET", "/v1/jobs"),
            Operation::JobGet => ("GET", "/v1/jobs/{id}"),
            Operation::FactoryEnrol => ("POST", "/v1/factories"),
            Operation::FactoryHeartbeat => ("POST", "/v1/factories/{id}/heartbeat"),
            Operation::Claim => ("POST", "/v1/claims"),
            Operation::LeaseRenew => ("POST", "/v1/leases/{id}/renew"),
            Operation::LeaseRelease => ("POST", "/v1/leases/{id}/release"),
            Operation::JobReport => ("POST", "/v1/jobs/{id}/reports"),
            Operation::JobQuarantine => ("POST", "/v1/jobs/{id}/quarantine"),
            Operation::ShadowClaim => ("POST", "/v1/shadow/claims"),
            Operation::ShadowReport => ("POST", "/v1/shadow/reports"),
            Operation::Health => ("GET", "/v1/health"),
            Operation::Openapi => ("GET", "/v1/openapi.json"),
        }
    }

    pub(crate) fn permission(self) -> OperationPermission {
        match self {
            Operation::JobSubmit => OperationPermission::Scope(Scope::Submit),
            Operation::JobList | Operation::JobGet => OperationPermission::Read,
            Operation::Health | Operation::Openapi | Operation::FactoryEnrol => OperationPermission::Free,
            Operation::ShadowClaim | Operation::ShadowReport => OperationPermission::Scope(Scope::Shadow),
            _ => OperationPermission::Scope(Scope::Work),
        }
    }

    /// What a request of this operation says that a rule can be matched by.
    pub(crate) fn fields(self) -> &'static [MatchField] {
        match self {
            Operation::JobSubmit | Operation::JobGet => &[MatchField::Job],
            Operation::JobList => &[MatchField::Stage],
            Operation::FactoryEnrol | Operation::FactoryHeartbeat => &[MatchField::Factory],
            Operation::Claim | Operation::ShadowClaim => &[MatchField::Factory],
            Operation::LeaseRenew | Operation::LeaseRelease => &[MatchField::Factory, MatchField::Lease],
            Operation::JobReport => &[
                MatchField::Factory,
                MatchField::Job,
                MatchField::Stage,
                MatchField::Lease,
            ],
            Operation::JobQuarantine => &[MatchField::Factory, MatchField::Job, MatchField::Lease],
            Operation::ShadowReport => &[MatchField::Factory, MatchField::Job, MatchField::Stage],
            Operation::Health | Operation::Openapi => &[],
        }
    }

    pub(crate) fn takes_body(self) -> bool {
        self.route().0 == "POST"
    }

    /// Whether it has an effect on real state when all goes well.
    pub(crate) fn mutates(self) -> bool {
        self.takes_body() && !self.is_shadow()
    }

    pub(crate) fn is_shadow(self) -> bool {
        matches!(self, Operation::ShadowClaim | Operation::ShadowReport)
    }

    /// Which operation a request is, by method and path alone.
    pub(crate) fn recognise<'a>(method: &str, path: &'a str) -> RouteMatch<'a> {
        let mut allowed = None;
        for operation in Operation::ALL {
            let (wanted, template) = operation.route();
            if let Some(id) = matches_template(template, path) {
                if wanted == method {
                    return RouteMatch::Operation(operation, id);
                }
                allowed = Some(if template == "/v1/jobs" {
                    "GET, POST"
                } else {
                    wanted
                });
            }
        }
        allowed.map_or(RouteMatch::UnknownPath, RouteMatch::WrongMethod)
    }
}

/// The id in the path where the path is of the template; the inner `Option` is none for a template without one.
fn matches_template<'a>(template: &str, path: &'a str) -> Option<Option<Cow<'a, str>>> {
    // Looked for by its first letter alone: a search for the whole word would cost more than all the rest.
    let Some((before, after)) = template.split_once('{') else {
        return (template == path).then_some(None);
    };
    let id = path
        .strip_prefix(before)?
        .strip_suffix(after.strip_prefix("id}")?)?;
    (!id.is_empty() && !id.contains('/')).then(|| Some(percent_decoded(id)))
}

/// Ids need no escapes, but a client may write `%3A` for `:`. What is no text after that is no id either.
fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_recognised_by_method_and_path() {
        let of = Operation::recognise;
        assert_eq!(
            of("POST", "/v1/claims"),
            RouteMatch::Operation(Operation::Claim, None)
        );
        let renew = RouteMatch::Operation(Operation::LeaseRenew, Some("lease:1".into()));
        assert_eq!(of("POST", "/v1/leases/lease%3A1/renew"), renew);
        assert_eq!(of("GET", "/v1/claims"), RouteMatch::WrongMethod("POST"));
        assert_eq!(of("DELETE", "/v1/jobs"), RouteMatch::WrongMethod("GET, POST"));
        for path in ["/", "/v1/jobs/", "/v1/jobs/a/b", "/v2/jobs", "/v1/leases//renew"] {
            assert_eq!(of("POST", path), RouteMatch::UnknownPath, "{path}");
        }
    }

    #[test]
    fn an_escaped_slash_is_part_of_the_id_and_not_of_the_path() {
        let hostile = RouteMatch::Operation(Operation::JobGet, Some("../etc".into()));
        assert_eq!(Operation::recognise("GET", "/v1/jobs/..%2Fetc"), hostile);
    }
}
