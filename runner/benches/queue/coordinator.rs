//! As much of a coordinator as the shadow lane needs: one that answers at once, and one that never does.
//!
//! It stands for another host. That it shares this one's processors is no cost of the runner's, so it stands back there.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

const NICENESS: i32 = 10;

#[derive(Debug, Clone, Copy)]
pub enum Temper {
    Healthy,
    Hanging,
}

/// Its address; it ends with the process.
pub fn start(temper: Temper) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        // Of this thread, and of those that it starts.
        let _ = rustix::process::nice(NICENESS);
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream, temper));
        }
    });
    Ok(url)
}

fn serve(stream: TcpStream, temper: Temper) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some((path, body)) = request(&mut reader)? {
        let answer = match temper {
            Temper::Hanging => continue,
            Temper::Healthy if path.ends_with("/shadow/reports") => accepted(&body),
            Temper::Healthy => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        };
        writer.write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// The stage is looked for, not parsed: the least that an answer can cost, as it is paid on this host.
fn accepted(body: &str) -> String {
    let stage = body
        .split_once(r#""stage":""#)
        .and_then(|(_, rest)| rest.split('"').next());
    let stage = stage.unwrap_or_default();
    let answer = format!(r#"{{"shadow":1,"accepted":true,"stage":"{stage}","realStage":"queued"}}"#);
    format!(
        "HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
        answer.len()
    )
}

/// The next request's path and body; `None` at the end of the connection.
fn request(reader: &mut impl BufRead) -> io::Result<Option<(String, String)>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    Ok(Some((path, String::from_utf8_lossy(&body).into_owned())))
}
