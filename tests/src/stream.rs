//! What a master puts into its replication stream, as a replica reads it that is nothing but a connection.

use resp::{OwnedReply, ReplyLimits, ReplyParser, Value};

use crate::client::Client;
use crate::process::Server;
use crate::wait::{wait, wait_eq};

/// A replica that only reads. It acknowledges nothing, so it lasts as long as the master's `repl-timeout`.
#[derive(Debug)]
pub struct Stream {
    client: Client,
    marks: u64,
    /// What came behind the last mark.
    rest: Vec<u8>,
}

impl Stream {
    /// Follows a master that has no other replica.
    ///
    /// # Panics
    ///
    /// If the master does not let it.
    #[must_use]
    pub fn follow(master: &Server) -> Stream {
        let mut client = Client::connect(master.port());
        client.send_raw(b"PSYNC ? -1\r\n").expect("the master listens");
        wait_eq("1", || master.info("connected_slaves"));
        wait("the snapshot has been sent", || master.run("INFO replication").contains("state=online"));
        let mut stream = Stream { client, marks: 0, rest: Vec::new() };
        // Whatever is in the snapshot ends before this.
        stream.mark(master);
        stream.read_to_mark();
        stream
    }

    /// What `run` puts into the stream: a request a line, its words separated by spaces. Signs of life and the SELECT of the marks
    /// are left out, bytes that are no text are escaped.
    ///
    /// # Panics
    ///
    /// If the stream ends, or is none.
    pub fn effects(&mut self, master: &Server, run: impl FnOnce()) -> String {
        run();
        self.mark(master);
        let bytes = self.read_to_mark();
        let mut parser = ReplyParser::new(ReplyLimits::default());
        parser.feed(&bytes);
        let mut lines: Vec<String> = Vec::new();
        while let Some(request) = parser.next().expect("a stream is made of requests") {
            lines.push(line(&request));
        }
        assert_eq!(lines.pop(), Some(format!("SET mark {}", self.marks)));
        if lines.last().is_some_and(|line| line == "SELECT 0") {
            lines.pop();
        }
        lines.retain(|line| line != "PING");
        lines.join("\n")
    }

    fn mark(&mut self, master: &Server) {
        self.marks += 1;
        master.ok(&[&format!("SET mark {}", self.marks)]);
    }

    /// The bytes up to the newest mark, with it.
    fn read_to_mark(&mut self) -> Vec<u8> {
        let mut mark = Vec::new();
        resp::encode_request(&mut mark, &[b"SET", b"mark", self.marks.to_string().as_bytes()]);
        let mut bytes = std::mem::take(&mut self.rest);
        loop {
            if let Some(at) = bytes.windows(mark.len()).position(|window| window == mark) {
                self.rest = bytes.split_off(at + mark.len());
                return bytes;
            }
            bytes.extend(self.client.read_raw_until(|bytes| !bytes.is_empty()).expect("the stream goes on"));
        }
    }
}

fn line(request: &OwnedReply) -> String {
    let Value::Array(words) = request else { panic!("a request is an array: {request:?}") };
    let words = words.iter().map(|word| {
        let bytes = word.as_bytes().expect("a word is a string");
        std::str::from_utf8(bytes).map_or_else(|_| bytes.escape_ascii().to_string(), str::to_owned)
    });
    words.collect::<Vec<_>>().join(" ")
}
