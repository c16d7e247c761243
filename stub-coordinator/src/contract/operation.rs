//! The operations of the contract as a table: name, method, path, permission, and what a request of each can be
//! matched by. What they do is the coordinator's; how they are encoded is the routes'.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::contract::name_hint::hint;
use crate::contract::scope::{OperationPermission, Scope};

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

/// What the contract says of an operation.
#[derive(Debug)]
struct OperationContract {
    name: &'static str,
    /// Method and path, `{id}` standing for an id.
    route: (&'static str, &'static str),
    permission: OperationPermission,
    /// What a request of it says that a rule can be matched by.
    fields: &'static [MatchField],
}

/// Makes the operations and the table of what the contract says of each.
macro_rules! operations {
    ($($operation:ident: $name:literal, $method:literal $path:literal, $permission:expr, [$($field:ident),*];)*) => {
        /// One operation of the API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum Operation {
            $($operation,)*
        }

        impl Operation {
            pub(crate) const ALL: [Operation; OPERATIONS.len()] = [$(Operation::$operation,)*];
        }

        /// In the order of the operations.
        const OPERATIONS: &[OperationContract] = &[$(OperationContract {
            name: $name,
            route: ($method, $path),
            permission: $permission,
            fields: &[$(MatchField::$field),*],
        },)*];
    };
}

use OperationPermission::{Free, Read};

const SUBMIT: OperationPermission = OperationPermission::Scope(Scope::Submit);
const WORK: OperationPermission = OperationPermission::Scope(Scope::Work);
const SHADOW: OperationPermission = OperationPermission::Scope(Scope::Shadow);

operations! {
    JobSubmit: "job.submit", "POST" "/v1/jobs", SUBMIT, [Job];
    JobList: "job.list", "GET" "/v1/jobs", Read, [Stage];
    JobGet: "job.get", "GET" "/v1/jobs/{id}", Read, [Job];
    FactoryEnrol: "factory.enrol", "POST" "/v1/factories", Free, [Factory];
    FactoryHeartbeat: "factory.heartbeat", "POST" "/v1/factories/{id}/heartbeat", WORK, [Factory];
    Claim: "claim", "POST" "/v1/claims", WORK, [Factory];
    LeaseRenew: "lease.renew", "POST" "/v1/leases/{id}/renew", WORK, [Factory, Lease];
    LeaseRelease: "lease.release", "POST" "/v1/leases/{id}/release", WORK, [Factory, Lease];
    JobReport: "job.report", "POST" "/v1/jobs/{id}/reports", WORK, [Factory, Job, Stage, Lease];
    JobQuarantine: "job.quarantine", "POST" "/v1/jobs/{id}/quarantine", WORK, [Factory, Job, Lease];
    JobWithdraw: "job.withdraw", "POST" "/v1/jobs/{id}/withdraw", SUBMIT, [Job];
    ShadowClaim: "shadow.claim", "POST" "/v1/shadow/claims", SHADOW, [Factory];
    ShadowReport: "shadow.report", "POST" "/v1/shadow/reports", SHADOW, [Factory, Job, Stage];
    Health: "health", "GET" "/v1/health", Free, [];
    Openapi: "openapi", "GET" "/v1/openapi.json", Free, [];
}

impl Operation {
    fn contract(self) -> &'static OperationContract {
        &OPERATIONS[self as usize]
    }

    pub(crate) fn name(self) -> &'static str {
        self.contract().name
    }

    pub(crate) fn named(name: &str) -> Option<Operation> {
        Operation::ALL
            .into_iter()
            .find(|operation| operation.name() == name)
    }

    /// The operation of that name, or why there is none, with the nearest.
    pub(crate) fn or_hint(name: &str) -> Result<Operation, String> {
        let names = || Operation::ALL.into_iter().map(Operation::name);
        Operation::named(name)
            .ok_or_else(|| format!("no operation is called {name:?}{}", hint(name, names())))
    }

    /// Method and path, `{id}` standing for an id.
    pub(crate) fn route(self) -> (&'static str, &'static str) {
        self.contract().route
    }

    pub(crate) fn permission(self) -> OperationPermission {
        self.contract().permission
    }

    /// What a request of this operation says that a rule can be matched by.
    pub(crate) fn fields(self) -> &'static [MatchField] {
        self.contract().fields
    }

    pub(crate) fn takes_body(self) -> bool {
        self.route().0 == "POST"
    }

    /// Whether a request without a body stands for one with an empty object.
    pub(crate) fn body_is_optional(self) -> bool {
        self == Operation::JobWithdraw
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
    // Ids need no escapes, but a client may write `%3A` for `:`. What is no text after that is no id either.
    (!id.is_empty() && !id.contains('/')).then(|| Some(percent_decode_str(id).decode_utf8_lossy()))
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
