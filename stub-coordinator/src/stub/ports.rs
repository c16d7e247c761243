//! The ports of a stub, all taken before anybody is told of it.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::StartError;
use crate::config::ControlPlace;
use crate::server::ReservedPort;
use crate::server::control_port::{self, control_beside, on_port};
use crate::shared_stub::StubAddresses;

pub(super) struct StubPorts {
    pub(super) api: ReservedPort,
    pub(super) listener: TcpListener,
    pub(super) control: Option<TcpListener>,
    pub(super) places: StubAddresses,
}

impl StubPorts {
    /// Takes and listens on all of them. Needs a runtime around it.
    pub(super) fn bind(address: SocketAddr, control: ControlPlace) -> Result<StubPorts, StartError> {
        let taken = |source| StartError::Bind { address, source };
        let api = ReservedPort::bind(address).map_err(taken)?;
        let listener = api.listen().map_err(taken)?;
        let wanted = control_address(control, address, api.address())?;
        let control = wanted.map(listen_for_control).transpose()?;
        let places = StubAddresses {
            api: api.address(),
            control: control.as_ref().map(|(_, address)| *address),
        };
        Ok(StubPorts {
            api,
            listener,
            control: control.map(|(listener, _)| listener),
            places,
        })
    }
}

/// Where control is to listen by itself, at the address of the API, which was `wanted` there and is at `api` now.
fn control_address(
    place: ControlPlace,
    wanted: SocketAddr,
    api: SocketAddr,
) -> Result<Option<SocketAddr>, StartError> {
    let port = match place {
        ControlPlace::Shared => return Ok(None),
        // Nobody counts on the number that comes behind a free port.
        ControlPlace::Beside if wanted.port() == 0 => 0,
        ControlPlace::Beside => control_beside(api).ok_or(StartError::NoNextPort(api))?.port(),
        ControlPlace::Port(port) => port,
    };
    Ok(Some(on_port(api, port)))
}

fn listen_for_control(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listening = || -> io::Result<_> {
        let listener = control_port::listen(address)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listening().map_err(|source| StartError::BindControl { address, source })
}
