//! A signal as something that can be waited for, by this thread's runtime and no other.
//!
//! Not tokio's own: those go through one socket that every runtime of a process listens on, so that each end of a
//! child would wake the thread that speaks with the coordinator too, and the loop would now and then hear of it from
//! there.

use std::io;
use std::os::unix::net::UnixStream as Blocking;

use signal_hook::SigId;
use signal_hook::low_level::{pipe, unregister};
use tokio::net::UnixStream;

#[derive(Debug)]
pub(super) struct Signal {
    stream: UnixStream,
    registered: SigId,
}

impl Signal {
    /// From now on the signal does nothing else to this process.
    pub(super) fn listen(signal: i32) -> io::Result<Signal> {
        let (heard, told) = Blocking::pair()?;
        heard.set_nonblocking(true)?;
        Ok(Signal {
            stream: UnixStream::from_std(heard)?,
            registered: pipe::register(signal, told)?,
        })
    }

    /// Waits until it came at least once since the last call. Nothing is lost by giving up waiting.
    pub(super) async fn recv(&self) {
        let mut bytes = [0; 64];
        loop {
            // The other end is open as long as this one: it can't fail, and if it did nothing would ever come.
            if self.stream.readable().await.is_err() {
                return std::future::pending().await;
            }
            let mut came = false;
            while self.stream.try_read(&mut bytes).is_ok_and(|read| read > 0) {
                came = true;
            }
            if came {
                return;
            }
        }
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        unregister(self.registered);
    }
}
