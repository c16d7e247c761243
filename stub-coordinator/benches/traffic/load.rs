//! A load generator: so many kept-alive connections, each sending its next request when it has the answer.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What to send.
pub(crate) struct Load<'a> {
    pub(crate) connections: usize,
    pub(crate) requests: usize,
    pub(crate) request: &'a [u8],
}

/// What was seen.
pub(crate) struct Measured {
    /// Requests a second.
    pub(crate) rate: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Load<'_> {
    /// Sends it all to a server and waits for every answer; anything but a success is an error.
    pub(crate) fn on(&self, address: SocketAddr) -> io::Result<Measured> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        runtime.block_on(self.run(address))
    }

    async fn run(&self, address: SocketAddr) -> io::Result<Measured> {
        let request: Arc<[u8]> = Arc::from(self.request);
        let left = Arc::new(AtomicUsize::new(self.requests));
        let mut streams = Vec::new();
        for _ in 0..self.connections {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        let start = Instant::now();
        let clients: Vec<_> = streams
            .into_iter()
            .map(|stream| tokio::spawn(client(stream, Arc::clone(&request), Arc::clone(&left))))
            .collect();
        let mut nanos = Vec::with_capacity(self.requests);
        for client in clients {
            nanos.extend(client.await.map_err(io::Error::other)??);
        }
        let spent = start.elapsed();
        nanos.sort_unstable();
        let quantile = |share: f64| nanos[((nanos.len() - 1) as f64 * share) as usize] as f64 / 1e3;
        Ok(Measured {
            rate: nanos.len() as f64 / spent.as_secs_f64(),
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
        })
    }
}

async fn client(mut stream: TcpStream, request: Arc<[u8]>, left: Arc<AtomicUsize>) -> io::Result<Vec<u64>> {
    let mut nanos = Vec::new();
    let mut buffer = vec![0; 16_384];
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
        .is_ok()
    {
        let start = Instant::now();
        stream.write_all(&request).await?;
        read_answer(&mut stream, &mut buffer).await?;
        nanos.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    Ok(nanos)
}

async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Err(broken("the answer broke off"));
        }
        filled += read;
        let answer = &buffer[..filled];
        if !answer.starts_with(b"HTTP/1.1 2") {
            return Err(broken(&String::from_utf8_lossy(answer)));
        }
        let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let length = content_length(&answer[..head]).ok_or_else(|| broken("no content-length"))?;
        if filled >= head + 4 + length {
            return Ok(());
        }
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    })
}
