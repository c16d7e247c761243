//! Which stub a URL means, and where its control is. Everybody on the way is asked who it is before it is told anything
//! else, and a token is told only to the address that the URL names, or to the control port that the stub there told at
//! that address.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::{Method, Url};
use serde_json::Value;
use stub_coordinator::{StubIdentity, control_beside};

use super::control_client::{ControlPeer, ControlRequest, is_no_http, root_cause, text_of};
use crate::exit_codes::CommandFailure;

/// The longest that anybody is waited for who is asked who it is.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// The longest answer to that, in bytes.
const IDENTITY_LIMIT: u64 = 16_384;
/// The longest that somebody is waited for who keeps this stub from starting, and who may be no stub at all.
const NEIGHBOUR_TIME_LIMIT: Duration = Duration::from_secs(1);

/// A stub, and how it is known to be the one that is meant.
#[derive(Debug)]
pub(super) enum FoundStub {
    /// It is where the URL says, or it is the same stub on its control port.
    Named(ControlPeer),
    /// Nobody answers where the URL says. This one is on the next port and says that its API is there; anybody could.
    Guessed(ControlPeer),
}

impl FoundStub {
    pub(super) fn peer(&self) -> &ControlPeer {
        match self {
            FoundStub::Named(peer) | FoundStub::Guessed(peer) => peer,
        }
    }
}

/// Why nobody there is known to be a stub.
enum IdentityError {
    /// Somebody answers, and not like a stub.
    NoStub,
    /// It answers only who shows a token.
    TokenWanted,
    /// Nobody answers.
    NoAnswer(String),
}

impl IdentityError {
    fn told(self, url: &Url) -> CommandFailure {
        let url = url.as_str().trim_end_matches('/');
        match self {
            IdentityError::NoStub => {
                CommandFailure::usage(format!("{url} answers, but not like a stub; check --url"))
            }
            IdentityError::TokenWanted => CommandFailure::usage(format!(
                "{url} is no name of the stub's own, so it asks for a token: give --token-file or STUB_TOKEN"
            )),
            IdentityError::NoAnswer(why) => CommandFailure::inconclusive(format!(
                "no stub answers at {url}: {why}; start one with `stub-coordinator`, or give the --url (in an outage \
                 the controlUrl) of its first line"
            )),
        }
    }
}

/// Finds the stub that is meant. The token is for a stub that answers under the URL's name to nobody without one.
pub(super) fn find(url: &Url, token: Option<&str>) -> Result<FoundStub, CommandFailure> {
    let mut found: Vec<(StubIdentity, FoundStub)> = Vec::new();
    let mut failed = IdentityError::NoAnswer("the name has no address".to_owned());
    let addresses = url
        .socket_addrs(|| None)
        .map_err(|error| IdentityError::NoAnswer(error.to_string()).told(url))?;
    for address in addresses {
        match look(ControlPeer::named(address, url), token) {
            // One stub may be at all addresses of a name.
            Ok((identity, _)) if found.iter().any(|(known, _)| known.stub == identity.stub) => {}
            Ok(stub) => found.push(stub),
            Err(error) => failed = error,
        }
    }
    match found.pop() {
        None => Err(failed.told(url)),
        Some((_, stub)) if found.is_empty() => Ok(stub),
        Some(last) => {
            let all = found.into_iter().chain([last]);
            let urls: Vec<_> = all.map(|(identity, _)| identity.url).collect();
            let (count, urls) = (urls.len(), urls.join(", "));
            Err(CommandFailure::usage(format!(
                "{url} names {count} stubs; give one of these as --url: {urls}"
            )))
        }
    }
}

/// Looks for a stub where the URL says, or, where nobody answers, on the port on which its control would be.
fn look(named: ControlPeer, token: Option<&str>) -> Result<(StubIdentity, FoundStub), IdentityError> {
    let address = named.address;
    let answered = match identity(&named, None, TIME_LIMIT) {
        Err(IdentityError::TokenWanted) if token.is_some() => identity(&named, token, TIME_LIMIT),
        answered => answered,
    };
    match answered {
        // Behind https is somebody who passes it on, and whose ports say nothing of the stub's.
        Ok(identity) if named.is_https() => Ok((identity, FoundStub::Named(named))),
        Ok(identity) => {
            let peer = own_control(&identity, address).unwrap_or(named);
            Ok((identity, FoundStub::Named(peer)))
        }
        Err(error @ IdentityError::NoAnswer(_)) if !named.is_https() => {
            let guess = control_beside(address).map(ControlPeer::at);
            let guessed = guess.and_then(|peer| Some((identity(&peer, None, TIME_LIMIT).ok()?, peer)));
            let meant = guessed.filter(|(identity, _)| is_api_of(identity, address));
            meant
                .map(|(identity, peer)| (identity, FoundStub::Guessed(peer)))
                .ok_or(error)
        }
        Err(error) => Err(error),
    }
}

/// The control port of the stub at this address, where it can be reached from here, and is not somebody else's. An answer
/// from there comes once what was asked for is so, and it comes in an outage too. Where the stub says that it is
/// somewhere else, ports are mapped on the way, and the number of its control port means nothing here: whoever has that
/// port could pass on what the stub says of itself.
fn own_control(stub: &StubIdentity, address: SocketAddr) -> Option<ControlPeer> {
    let mut control = Some(address).filter(|address| is_api_of(stub, *address))?;
    control.set_port(stub.control()?.port());
    let peer = ControlPeer::at(control);
    let there = identity(&peer, None, TIME_LIMIT).ok()?;
    (there.stub == stub.stub).then_some(peer)
}

/// Whether a stub says that its API listens there.
fn is_api_of(stub: &StubIdentity, address: SocketAddr) -> bool {
    stub.api().is_some_and(|api| {
        api.port() == address.port() && (api.ip() == address.ip() || api.ip().is_unspecified())
    })
}

/// Asks somebody who it is.
fn identity(
    peer: &ControlPeer,
    token: Option<&str>,
    time_limit: Duration,
) -> Result<StubIdentity, IdentityError> {
    let answer = peer.send(ControlRequest {
        method: Method::GET,
        path: "/_stub/identity",
        token,
        body: String::new(),
        time_limit,
    });
    let answer = answer.map_err(|error| match is_no_http(&error) {
        true => IdentityError::NoStub,
        false => IdentityError::NoAnswer(root_cause(&error)),
    })?;
    let status = answer.status().as_u16();
    let text = text_of(answer, IDENTITY_LIMIT).map_err(|error| IdentityError::NoAnswer(error.to_string()))?;
    let code = serde_json::from_str::<Value>(&text).map(|said| said["code"].clone());
    if status == 403 && code.is_ok_and(|code| code == "foreign_host") {
        return Err(IdentityError::TokenWanted);
    }
    serde_json::from_str(&text).map_err(|_| IdentityError::NoStub)
}

/// Which stub has a port that was wanted here, and what for.
pub(super) fn neighbour(address: SocketAddr) -> Option<String> {
    let stub = identity(&ControlPeer::at(address), None, NEIGHBOUR_TIME_LIMIT).ok()?;
    let is = |place: Option<SocketAddr>| place.is_some_and(|place| place.port() == address.port());
    match (is(stub.control()), is(stub.api())) {
        (true, _) => Some(format!(
            "{address} is the control port of the stub at {}, which takes another one by --control-port",
            stub.url
        )),
        (false, true) => Some(format!("{address} is the port of another stub's API")),
        (false, false) => None,
    }
}
