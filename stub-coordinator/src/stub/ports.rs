//! The ports of a stub, all taken before anybody is told of it.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::StartError;
use crate::config::ControlPlace;
use crate::server::{Port, control_port};
use crate::shared::Places;

pub(super) struct Ports {
    pub(super) api: Port,
    pub(super) listener: TcpListener,
    pub(super) control: Option<TcpListener>,
    pub(super) places: Places,
}

impl Ports {
    /// Takes and listens on all of them. Needs a runtime around it.
    pub(super) fn bind(address: SocketAddr, control: ControlPlace) -> Result<Ports, StartError> {
        let taken = |source| StartError::Bind { address, source };
        let api = Port::bind(address).map_err(taken)?;
        let listener = api.listen().map_err(taken)?;
        let control = control_port::bind(control, api.address()).map_err(StartError::BindControl)?;
        let control_address = control.as_ref().map(TcpListener::local_addr).transpose();
        let places = Places {
            api: api.address(),
            control: control_address.map_err(StartError::BindControl)?,
        };
        Ok(Ports {
            api,
            listener,
            control,
            places,
        })
    }
}
