//! Clients: they connect, send one request after the other, and come again when the connection breaks.

use resp::ReplyLimits;

use super::world::{Event, World};

/// One client.
pub struct Client {
    pub machine: usize,
    pub pipe: Option<usize>,
    /// Bytes of a reply that is not whole yet.
    input: Vec<u8>,
    /// Requests whose replies are outstanding.
    waiting: usize,
    pub replies: u64,
    pub errors: u64,
    /// Sends nothing of its own accord.
    pub idle: bool,
}

impl Client {
    pub fn new(machine: usize) -> Client {
        Client { machine, pipe: None, input: Vec::new(), waiting: 0, replies: 0, errors: 0, idle: false }
    }
}

const KEYS: usize = 40;

impl World {
    /// The next step of a client: connects, or sends its next requests.
    pub fn client_step(&mut self, index: usize) {
        let pause = self.rng.u64(500..20_000);
        if self.writing && !self.clients[index].idle {
            let machine = self.clients[index].machine;
            if self.clients[index].pipe.is_none() {
                let pipe = self.connect_client(index, machine);
                let client = &mut self.clients[index];
                client.pipe = pipe;
                client.input.clear();
                client.waiting = 0;
            }
            if let Some(pipe) = self.clients[index].pipe
                && self.clients[index].waiting == 0
            {
                let mut bytes = Vec::new();
                for _ in 0..self.rng.usize(1..6) {
                    let requests = self.random_requests(&mut bytes);
                    self.clients[index].waiting += requests;
                }
                self.send(pipe, 1, bytes);
            }
        }
        self.schedule(pause, Event::ClientStep { client: index });
    }

    /// Sends one command over a connection of its own; nobody reads the reply.
    pub fn command(&mut self, machine: usize, command: &[&str]) {
        self.note(|| format!("machine {machine} is told {command:?}"));
        let index = self.clients.len();
        let mut client = Client::new(machine);
        client.idle = true;
        self.clients.push(client);
        if let Some(pipe) = self.connect_client(index, machine) {
            let args: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
            let mut bytes = Vec::new();
            resp::encode_request(&mut bytes, &args);
            self.clients[index].pipe = Some(pipe);
            self.clients[index].waiting = 1;
            self.send(pipe, 1, bytes);
        }
    }

    /// Bytes of replies.
    pub fn client_input(&mut self, index: usize, pipe: usize, bytes: &[u8]) {
        let client = &mut self.clients[index];
        if client.pipe != Some(pipe) {
            return;
        }
        client.input.extend_from_slice(bytes);
        loop {
            match resp::parse_reply(&client.input, &ReplyLimits::default()) {
                Ok(Some((_, used))) => {
                    client.errors += u64::from(client.input.first() == Some(&b'-'));
                    client.replies += 1;
                    client.waiting = client.waiting.saturating_sub(1);
                    client.input.drain(..used);
                }
                Ok(None) => break,
                Err(error) => panic!("a reply that is none: {error}"),
            }
        }
        if client.idle && client.waiting == 0 {
            client.pipe = None;
            self.close_from(pipe, 0);
        }
    }

    /// The connection broke.
    pub fn client_lost(&mut self, index: usize) {
        let client = &mut self.clients[index];
        client.pipe = None;
        client.waiting = 0;
        client.input.clear();
    }

    /// One command, or one transaction; returns how many replies it will have.
    fn random_requests(&mut self, out: &mut Vec<u8>) -> usize {
        if self.rng.u8(..10) != 0 {
            self.random_request(out);
            return 1;
        }
        resp::encode_request(out, &[b"MULTI"]);
        let count = self.rng.usize(1..4);
        for _ in 0..count {
            self.random_request(out);
        }
        resp::encode_request(out, &[if self.rng.u8(..8) == 0 { b"DISCARD" } else { b"EXEC" }]);
        count + 2
    }

    fn random_request(&mut self, out: &mut Vec<u8>) {
        let key = format!("key:{}", self.rng.usize(..KEYS));
        let other = format!("key:{}", self.rng.usize(..KEYS));
        let counter = format!("counter:{}", self.rng.usize(..8));
        let value = "v".repeat(self.rng.usize(1..60)) + &self.rng.u32(..).to_string();
        let millis = self.rng.u32(1..30_000).to_string();
        let db = self.rng.usize(..3).to_string();
        let offset = self.rng.usize(..50).to_string();
        let words: Vec<&str> = match self.rng.u8(..30) {
            0..=6 => vec!["SET", &key, &value],
            7..=8 => vec!["SET", &key, &value, "PX", &millis],
            9 => vec!["SET", &key, &value, "NX"],
            10..=12 => vec!["INCR", &counter],
            13 => vec!["INCRBYFLOAT", &counter, "0.5"],
            14 => vec!["APPEND", &key, &value],
            15 => vec!["SETRANGE", &key, &offset, &value],
            16 => vec!["DEL", &key, &other],
            17 => vec!["PEXPIRE", &key, &millis],
            18 => vec!["PERSIST", &key],
            19 => vec!["RENAME", &key, &other],
            20 => vec!["COPY", &key, &other, "REPLACE"],
            21 => vec!["MSET", &key, &value, &other, &value],
            22 => vec!["GETDEL", &key],
            23 => vec!["GETEX", &key, "PX", &millis],
            24 => vec!["SELECT", &db],
            25 => vec!["MOVE", &key, &db],
            26..=27 => vec!["GET", &key],
            28 => match self.rng.u8(..12) {
                0 => vec!["FLUSHALL"],
                1 => vec!["FLUSHDB", "ASYNC"],
                2 => vec!["SWAPDB", "0", "1"],
                _ => vec!["EXISTS", &key],
            },
            _ => vec!["SCAN", "0"],
        };
        let args: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        resp::encode_request(out, &args);
    }
}
