//! The first thing that every request meets, on both ports: whoever it comes from has to know this stub by a name of
//! its own or by a token, and is no page of another origin.
//!
//! A browser sends what any page asks for to loopback too, and a name of the page's owner can be made to point there
//! (DNS rebinding). What tells is in the head: `Host`, `Origin` and `Sec-Fetch-Site`, none of which a page can choose.
//! A request that is refused here reaches nothing behind: no fault, no journal, no state, no place of those who follow.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, Method, Request, Response, header};
use futures_util::future::Either;
use tower::util::Oneshot;
use tower::{Layer, Service, ServiceExt};

use crate::contract::problem::Problem;
use crate::exchange::{bearer, http_date};
use crate::known_tokens::KnownTokens;
use crate::shared_stub::SharedStub;
use crate::wire_answer::WireAnswer;

/// The guard of one connection.
#[derive(Clone)]
pub(crate) struct OriginGuard {
    /// Counts what is refused.
    pub(crate) shared: Arc<SharedStub>,
    /// Whoever shows one of these may call the stub by any name.
    pub(crate) tokens: KnownTokens,
    /// The address at which the connection came in: a name of the stub's own, since no page can be of it and be
    /// another's.
    pub(crate) local: Option<IpAddr>,
}

/// A service behind the guard.
#[derive(Clone)]
pub(crate) struct GuardedService<S> {
    guard: OriginGuard,
    inner: S,
}

impl<S> Layer<S> for OriginGuard {
    type Service = GuardedService<S>;

    fn layer(&self, inner: S) -> GuardedService<S> {
        GuardedService {
            guard: self.clone(),
            inner,
        }
    }
}

impl<S, B> Service<Request<B>> for GuardedService<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible> + Clone,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<Oneshot<S, Request<B>>, Ready<Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.guard.check(&request) {
            Ok(()) => Either::Left(self.inner.clone().oneshot(request)),
            Err(problem) => Either::Right(ready(Ok(self.guard.refusal(&problem)))),
        }
    }
}

impl OriginGuard {
    /// The guard of a connection that came in here.
    pub(crate) fn at(&self, local: io::Result<SocketAddr>) -> OriginGuard {
        OriginGuard {
            local: local.ok().map(|address| address.ip().to_canonical()),
            ..self.clone()
        }
    }

    /// Counts a request that is refused, and answers it.
    fn refusal(&self, problem: &Problem) -> Response<Body> {
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
        let date = http_date(self.shared.clock.now());
        let refusal = WireAnswer::problem(problem).telling(self.shared.policy.header());
        refusal.into_response(date, None)
    }

    fn check<B>(&self, request: &Request<B>) -> Result<(), Problem> {
        let headers = request.headers();
        let unclear = || Problem::new("bad_request", "send one `Host`, written as HOST or HOST:PORT");
        let host = only(headers, header::HOST).ok_or_else(unclear)?;
        // Of a request for a whole URL, what counts is that (RFC 9112, 3.2.2); the two have to be names of this stub.
        let target = request.uri().authority().map(|authority| authority.as_str());
        let mut own = true;
        for named in [Some(host), target].into_iter().flatten() {
            own &= self.is_own(&HostName::parse(named).ok_or_else(unclear)?);
        }
        if !own && !bearer(headers).is_some_and(|token| self.tokens.is_known(token)) {
            return Err(Problem::new(
                "foreign_host",
                "this is no name of the stub; use 127.0.0.1 or localhost, or send a token that it knows",
            ));
        }
        let own_origin = format!("http://{host}");
        let is_own_origin = |origin: &str| origin.eq_ignore_ascii_case(&own_origin);
        let allowed_site = |site: &str| match site {
            "none" | "same-origin" => true,
            "same-site" => leads_to_the_console(request),
            _ => false,
        };
        match all(headers, header::ORIGIN, is_own_origin) && all(headers, SEC_FETCH_SITE, allowed_site) {
            true => Ok(()),
            false => Err(Problem::new(
                "foreign_origin",
                "pages of other origins are not answered; type the address into the browser, or use a program",
            )),
        }
    }

    fn is_own(&self, name: &HostName) -> bool {
        match name {
            HostName::Localhost => true,
            HostName::Address(address) => address.is_loopback() || self.local == Some(*address),
            HostName::Other => false,
        }
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// A page on another port of this host is a stranger like any other, with one exception: the console of one port
/// links to the console of the other. That page does nothing by being shown, and can't be framed.
fn leads_to_the_console<B>(request: &Request<B>) -> bool {
    request.method() == Method::GET
        && request.uri().path() == "/"
        && only(request.headers(), SEC_FETCH_MODE) == Some("navigate")
}

/// The value of a header that is there once.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

/// Whether each value of a header is sound; so is none.
fn all(headers: &HeaderMap, name: HeaderName, is_sound: impl Fn(&str) -> bool) -> bool {
    let mut values = headers.get_all(name).iter();
    values.all(|value| value.to_str().is_ok_and(&is_sound))
}

/// What a client calls the server that it speaks to, without the port.
#[derive(Debug, PartialEq, Eq)]
enum HostName {
    Localhost,
    Address(IpAddr),
    /// Somebody decides where it points, and it may be the owner of a page.
    Other,
}

impl HostName {
    /// None where it is no `HOST` and no `HOST:PORT`, or tells a user as well.
    fn parse(written: &str) -> Option<HostName> {
        let (name, port) = match written.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => written.split_at(written.find(':').unwrap_or(written.len())),
        };
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:".contains(&byte);
        if !(port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
            || name.is_empty()
            || !name.bytes().all(is_name)
        {
            return None;
        }
        let address = match written.starts_with('[') {
            true => name.parse::<Ipv6Addr>().ok().map(IpAddr::from),
            false => name.parse::<Ipv4Addr>().ok().map(IpAddr::from),
        };
        // With a dot behind it, it is the same name.
        let bare = name.strip_suffix('.').unwrap_or(name);
        Some(match address {
            Some(address) => HostName::Address(address.to_canonical()),
            None if bare.eq_ignore_ascii_case("localhost") => HostName::Localhost,
            None => HostName::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_browsers_write_them_and_nothing_else_is_one() {
        let address = |text: &str| Some(HostName::Address(text.parse().expect("an address")));
        assert_eq!(HostName::parse("192.0.2.7:80"), address("192.0.2.7"));
        assert_eq!(HostName::parse("[::ffff:192.0.2.7]"), address("192.0.2.7"));
        assert_eq!(HostName::parse("[2001:DB8::1]:"), address("2001:db8::1"));
        for name in [
            "192.0.2.7.",
            "192.0.2",
            "0300.0.2.7",
            "[192.0.2.7]",
            "[::1%lo]",
            "[::1%25lo]:1",
        ] {
            assert_eq!(HostName::parse(name), Some(HostName::Other), "{name}");
        }
    }

    #[test]
    fn what_is_no_host_is_no_name() {
        for text in [
            "", ":80", "[]", "[::1", "::1", "a:b", "a:1:2", "a@b", "a/b", "a b", "[::1]x", "é",
        ] {
            assert_eq!(HostName::parse(text), None, "{text}");
        }
    }
}
