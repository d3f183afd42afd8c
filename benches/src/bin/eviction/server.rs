//! A server under test, and the one connection to it.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server, which ends with this.
pub struct Server {
    child: Child,
    stream: TcpStream,
    requests: Vec<u8>,
    input: Vec<u8>,
}

impl Server {
    /// Starts a program that takes Redis's options, on a port that is free.
    pub fn start(program: &Path, maxmemory: u64, policy: &str) -> io::Result<Server> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let (port, maxmemory) = (port.to_string(), maxmemory.to_string());
        let options = [
            ["--port", &port],
            ["--maxmemory", &maxmemory],
            ["--maxmemory-policy", policy],
            ["--save", ""],
            ["--appendonly", "no"],
            ["--dir", "/tmp"],
        ];
        let child = Command::new(program).args(options.concat()).stdout(Stdio::null()).spawn()?;
        let stream = connect(&format!("127.0.0.1:{port}"))?;
        stream.set_nodelay(true)?;
        Ok(Server { child, stream, requests: Vec::new(), input: Vec::new() })
    }

    /// Adds a request to those that go out together.
    pub fn request(&mut self, words: &[&[u8]]) {
        resp::encode_request(&mut self.requests, words);
    }

    /// Sends the requests and reads so many replies: for each, whether it is something rather than a null.
    pub fn replies(&mut self, count: usize) -> io::Result<Vec<bool>> {
        self.stream.write_all(&self.requests)?;
        self.requests.clear();
        let mut replies = Vec::with_capacity(count);
        let mut at = 0;
        let mut buffer = [0; 64 * 1024];
        while replies.len() < count {
            match reply(&self.input[at..])? {
                Some((len, there)) => {
                    at += len;
                    replies.push(there);
                }
                None => match self.stream.read(&mut buffer)? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    len => self.input.extend_from_slice(&buffer[..len]),
                },
            }
        }
        self.input.drain(..at);
        Ok(replies)
    }

    /// Processor time of the server so far, in the kernel and outside.
    pub fn processor_micros(&self) -> io::Result<f64> {
        /// Ticks a second, as Linux shows them to programs.
        const TICKS: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let behind_name = stat.rsplit(") ").next().unwrap_or_default();
        let fields: Vec<f64> =
            behind_name.split(' ').skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
        Ok(fields.iter().sum::<f64>() * 1e6 / TICKS)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is of no use any more; should it be gone already, all the better.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// The first reply of the input: its length, and whether it is no null. `None` if it is not whole.
fn reply(input: &[u8]) -> io::Result<Option<(usize, bool)>> {
    let Some(line) = input.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&input[1..line]).unwrap_or_default();
    match input[0] {
        b'$' => {
            let Ok(len) = text.parse::<usize>() else { return Ok(Some((line + 2, false))) };
            let whole = line + 2 + len + 2;
            Ok((input.len() >= whole).then_some((whole, true)))
        }
        b'+' => Ok(Some((line + 2, true))),
        _ => Err(io::Error::other(String::from_utf8_lossy(&input[..line]).into_owned())),
    }
}
