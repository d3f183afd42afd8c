//! Hashes exchanged with a real `redis-server`, found through `PATH`: their DUMP payloads hold a listpack. Without a
//! server there is nothing to compare with: the test says so and passes.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use listpack::{Entry, Listpack, View};

/// A server in `dir` that keeps large hashes in one listpack; killed when dropped.
struct Server {
    process: Child,
    connection: BufReader<UnixStream>,
}

impl Server {
    /// `None` if no server is installed.
    fn start(dir: &Path) -> Option<Server> {
        let socket = dir.join("socket");
        let spawned = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--rdbcompression", "no", "--sanitize-dump-payload", "yes"])
            .args(["--hash-max-listpack-value", "4000000", "--hash-max-listpack-entries", "100000"])
            .arg("--dir")
            .arg(dir)
            .arg("--unixsocket")
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn();
        let mut process = match spawned {
            Ok(process) => process,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("skipped: no redis-server in PATH");
                return None;
            }
            Err(error) => panic!("redis-server cannot be started: {error}"),
        };
        // The server says on its output when it is ready, or ends.
        let mut output = BufReader::new(process.stdout.take().expect("the output is piped"));
        let mut log = String::new();
        loop {
            let start = log.len();
            assert!(output.read_line(&mut log).unwrap() > 0, "redis-server does not come up:\n{log}");
            if log[start..].contains("eady to accept connections") {
                break;
            }
        }
        // Its further output must go somewhere, or it would stall.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        let connection = BufReader::new(UnixStream::connect(&socket).unwrap());
        Some(Server { process, connection })
    }

    /// Sends a command and returns its reply: the text of a line, or the bytes of a bulk string.
    fn call(&mut self, args: &[&[u8]]) -> Vec<u8> {
        let mut request = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            request.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            request.extend_from_slice(arg);
            request.extend_from_slice(b"\r\n");
        }
        self.connection.get_mut().write_all(&request).unwrap();
        let mut line = String::new();
        self.connection.read_line(&mut line).unwrap();
        let text = line.trim_end();
        match text.split_at(1) {
            ("+" | ":", text) => text.as_bytes().to_vec(),
            ("$", len) => {
                let mut bytes = vec![0; len.parse::<usize>().expect("the key is there") + 2];
                self.connection.read_exact(&mut bytes).unwrap();
                bytes.truncate(bytes.len() - 2);
                bytes
            }
            _ => panic!("{}: {text}", args[0].escape_ascii()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Splits the payload of a hash into the listpack and the ten bytes after it.
fn parse(payload: &[u8]) -> (&[u8], &[u8]) {
    let (&kind, rest) = payload.split_first().unwrap();
    assert_eq!(kind, 16, "a hash as a listpack");
    let (len, rest) = match *rest {
        [n @ 0..0x40, ref rest @ ..] => (usize::from(n), rest),
        [n @ 0x40..0x80, low, ref rest @ ..] => (usize::from(n & 0x3f) << 8 | usize::from(low), rest),
        [0x80, a, b, c, d, ref rest @ ..] => (u32::from_be_bytes([a, b, c, d]) as usize, rest),
        _ => panic!("no length"),
    };
    assert_eq!(rest.len(), len + 10);
    rest.split_at(len)
}

/// Fields and values of every encoding, around every limit of content and backward length.
fn pairs() -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for bits in [0, 7, 8, 12, 13, 15, 16, 23, 24, 31, 32, 62] {
        for near in [-1i64, 0, 1] {
            texts.push(((1i64 << bits) + near).to_string().into_bytes());
            texts.push((-(1i64 << bits) + near).to_string().into_bytes());
        }
    }
    for number in
        ["9223372036854775807", "-9223372036854775808", "9223372036854775808", "-0", "007", "+1", ""]
    {
        texts.push(number.as_bytes().to_vec());
    }
    let around = |limit: usize| limit - 8..limit + 3;
    for len in [20..23, around(64), around(128), around(4096), around(16383), around(2_097_151)]
        .into_iter()
        .flatten()
    {
        texts.push(vec![b'x'; len]);
    }
    texts.into_iter().enumerate().map(|(i, text)| (format!("field:{i}").into_bytes(), text)).collect()
}

#[test]
fn hashes_are_exchanged() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut server) = Server::start(dir.path()) else { return };
    let pairs = pairs();
    let mut ours = Listpack::new();
    for (field, value) in &pairs {
        server.call(&[b"HSET", b"theirs", field, value]);
        ours.push_back(&field[..]).unwrap();
        ours.push_back(&value[..]).unwrap();
    }
    let payload = server.call(&[b"DUMP", b"theirs"]);
    let (bytes, _) = parse(&payload);
    let theirs = View::new(bytes).unwrap();
    assert!(theirs.iter().map(Entry::to_vec).eq(pairs.iter().flat_map(|(f, v)| [f.clone(), v.clone()])));
    assert!(theirs.iter().rev().count() == 2 * pairs.len());
    // Not only the same content, but the same bytes: so what we build is what the server would read back.
    assert!(theirs.as_bytes() == ours.as_bytes());

    // And again after every value has been replaced, which moves everything.
    for (index, (_, value)) in pairs.iter().rev().enumerate() {
        let position = ours.view().find(&pairs[index].0, ours.view().first(), 2).unwrap();
        let target = ours.view().next(position).unwrap();
        ours.replace_at(target, &value[..]).unwrap();
        server.call(&[b"HSET", b"theirs", &pairs[index].0, value]);
    }
    let payload = server.call(&[b"DUMP", b"theirs"]);
    let (bytes, _) = parse(&payload);
    let theirs = View::new(bytes).unwrap();
    for (index, (field, _)) in pairs.iter().enumerate() {
        let value = &pairs[pairs.len() - 1 - index].1;
        assert!(server.call(&[b"HGET", b"theirs", field]) == *value);
        let at = |view: View<'_>| view.find(field, view.first(), 2).and_then(|at| view.next(at));
        assert!(at(theirs).and_then(|at| theirs.at(at)).unwrap().is(value));
        assert!(at(ours.view()).and_then(|at| ours.view().at(at)).unwrap().is(value));
    }
    assert!(theirs.as_bytes() == ours.as_bytes());
}
