//! Who a stub is, told to everybody who asks: whoever has a token to send asks first, and sends it to no other.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// What `GET /_stub/identity` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StubIdentity {
    /// Drawn at each start, so that two stubs are told apart, and one is known again at its other address.
    pub stub: String,
    /// The API's base URL, as an address.
    pub url: String,
    /// The base URL of control's own listener, as an address.
    pub control_url: Option<String>,
}

impl StubIdentity {
    /// Where the API listens.
    pub fn api(&self) -> Option<SocketAddr> {
        address(&self.url)
    }

    /// Where control listens by itself.
    pub fn control(&self) -> Option<SocketAddr> {
        address(self.control_url.as_deref()?)
    }
}

fn address(url: &str) -> Option<SocketAddr> {
    url.strip_prefix("http://")?.parse().ok()
}
