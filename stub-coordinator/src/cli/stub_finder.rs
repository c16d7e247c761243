//! Which stub a URL means, and where its control is. Everybody on the way is asked who it is before it is told anything
//! else, and a token is told only to the address that the URL names, or to the control port that the stub there told at
//! that address.

use std::error::Error;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use serde_json::Value;
use stub_coordinator::{StubIdentity, control_beside};

use super::control_client::{ControlPeer, ControlRequest};

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

/// Finds the stub that is meant by host and port, and the path in front of all paths. The token is for a stub that
/// answers under the URL's name to nobody without one.
pub(super) fn find(
    url: &str,
    authority: &str,
    prefix: &str,
    token: Option<&str>,
) -> Result<FoundStub, Box<dyn Error>> {
    let not_found = |error: io::Error| match error.kind() {
        io::ErrorKind::InvalidData => format!("{url} answers, but not like a stub; check --url"),
        io::ErrorKind::PermissionDenied => {
            format!(
                "{url} is no name of the stub's own, so it asks for a token: give --token-file or STUB_TOKEN"
            )
        }
        _ => format!(
            "no stub answers at {url}: {error}; start one with `stub-coordinator`, or give the --url (in an outage \
             the controlUrl) of its first line"
        ),
    };
    let mut found: Vec<(StubIdentity, FoundStub)> = Vec::new();
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in authority.to_socket_addrs().map_err(not_found)? {
        let named = ControlPeer {
            address,
            host: authority.to_owned(),
            prefix: prefix.to_owned(),
        };
        match look(named, token) {
            // One stub may be at all addresses of a name.
            Ok((identity, _)) if found.iter().any(|(known, _)| known.stub == identity.stub) => {}
            Ok(stub) => found.push(stub),
            Err(error) => failed = error,
        }
    }
    match found.pop() {
        None => Err(not_found(failed).into()),
        Some((_, stub)) if found.is_empty() => Ok(stub),
        Some(last) => {
            let all = found.into_iter().chain([last]);
            let urls: Vec<_> = all.map(|(identity, _)| identity.url).collect();
            let (count, urls) = (urls.len(), urls.join(", "));
            Err(format!("{url} names {count} stubs; give one of these as --url: {urls}").into())
        }
    }
}

/// Looks for a stub where the URL says, or, where nobody answers, on the port on which its control would be.
fn look(named: ControlPeer, token: Option<&str>) -> io::Result<(StubIdentity, FoundStub)> {
    let address = named.address;
    let answered = match identity(&named, None, TIME_LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && token.is_some() => {
            identity(&named, token, TIME_LIMIT)
        }
        answered => answered,
    };
    match answered {
        Ok(identity) => {
            let peer = own_control(&identity, address).unwrap_or(named);
            Ok((identity, FoundStub::Named(peer)))
        }
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::PermissionDenied
            ) =>
        {
            Err(error)
        }
        Err(error) => {
            let guess = control_beside(address).map(ControlPeer::at);
            let guessed = guess.and_then(|peer| Some((identity(&peer, None, TIME_LIMIT).ok()?, peer)));
            let meant = guessed.filter(|(identity, _)| is_api_of(identity, address));
            meant
                .map(|(identity, peer)| (identity, FoundStub::Guessed(peer)))
                .ok_or(error)
        }
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

/// Asks somebody who it is. `InvalidData` where the answer is none of a stub, `PermissionDenied` where it answers only
/// who shows a token.
fn identity(peer: &ControlPeer, token: Option<&str>, patience: Duration) -> io::Result<StubIdentity> {
    let answer = peer.send(&ControlRequest {
        method: "GET",
        path: "/_stub/identity",
        token,
        body: "",
        patience,
        limit: IDENTITY_LIMIT,
    })?;
    let status = answer.status;
    let text = answer.text()?;
    let code = serde_json::from_str::<Value>(&text).map(|said| said["code"].clone());
    if status == 403 && code.is_ok_and(|code| code == "foreign_host") {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    serde_json::from_str(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
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
