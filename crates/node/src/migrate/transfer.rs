//! The conversation with a target: what is sent, and what its replies say.
//!
//! ```text
//! AUTH …          if the client gave a password
//! SELECT db       if another database is selected there
//! RESTORE k …     a key each, without waiting for replies
//! ```
//!
//! Keys are sent when both of the others have succeeded: they must not end up in another database.
//!
//! It knows no socket and no keyspace: keys come in as payloads, requests go out as bytes.

use std::collections::VecDeque;

use resp::{OwnedReply, Value};

use super::request::Request;

/// What a reply will be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Auth,
    Select,
    /// The key of this number.
    Key(usize),
}

/// What has become of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Not sent, or without an answer.
    Open,
    /// There was no such key to send.
    Missing,
    /// The target has it.
    Arrived,
    /// The target did not take it.
    Refused,
}

/// One MIGRATE as the target sees it.
#[derive(Debug)]
pub(super) struct Transfer {
    pub request: Request,
    pub fates: Vec<Fate>,
    /// The first key that has not been looked at.
    next: usize,
    expected: VecDeque<Expected>,
    /// There is no place for keys.
    failed: bool,
    /// The first error that the target replied, without its dash.
    error: Option<String>,
    replies: usize,
}

impl Transfer {
    pub fn new(request: Request) -> Transfer {
        let fates = vec![Fate::Open; request.keys.len()];
        Transfer {
            request,
            fates,
            next: 0,
            expected: VecDeque::new(),
            failed: false,
            error: None,
            replies: 0,
        }
    }

    /// Begins the conversation; `selected` is the database that the connection has selected, as far as that is known.
    pub fn begin(&mut self, selected: Option<i64>, out: &mut Vec<u8>) {
        match &self.request.auth {
            Some((Some(user), password)) => resp::encode_request(out, &[b"AUTH", user, password]),
            Some((None, password)) => resp::encode_request(out, &[b"AUTH", password]),
            None => {}
        }
        if self.request.auth.is_some() {
            self.expected.push_back(Expected::Auth);
        }
        if selected != Some(self.request.db) {
            let mut digits = itoa::Buffer::new();
            resp::encode_request(out, &[b"SELECT", digits.format(self.request.db).as_bytes()]);
            self.expected.push_back(Expected::Select);
        }
    }

    /// Begins anew on another connection, as if nothing had been sent. Only while nothing has been replied.
    pub fn rewind(&mut self) {
        self.expected.clear();
        self.next = 0;
        self.fates.fill(Fate::Open);
    }

    /// Whether the target has said anything yet.
    pub fn has_replies(&self) -> bool {
        self.replies > 0
    }

    /// The next key to send; none if there is no more, and none as long as there is no place for it.
    pub fn next_key(&self) -> Option<&[u8]> {
        if self.failed || self.expected.front().is_some_and(|first| !matches!(first, Expected::Key(_))) {
            return None;
        }
        self.request.keys.get(self.next).map(|key| &**key)
    }

    /// That key is not there.
    pub fn skip(&mut self) {
        self.fates[self.next] = Fate::Missing;
        self.next += 1;
    }

    /// Sends that key: its payload and for how many milliseconds it lives, 0 for ever.
    pub fn send(&mut self, payload: &[u8], ttl_ms: u64, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        let ttl = digits.format(ttl_ms).as_bytes();
        let request: [&[u8]; 5] = [b"RESTORE", &self.request.keys[self.next], ttl, payload, b"REPLACE"];
        resp::encode_request(out, if self.request.replace { &request } else { &request[..4] });
        self.expected.push_back(Expected::Key(self.next));
        self.next += 1;
    }

    /// Takes a reply in. False for one that nobody has asked for.
    pub fn reply(&mut self, reply: &OwnedReply) -> bool {
        let Some(expected) = self.expected.pop_front() else { return false };
        self.replies += 1;
        let error = match reply {
            Value::Error(text) | Value::BulkError(text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        };
        match expected {
            Expected::Key(number) if error.is_some() => self.fates[number] = Fate::Refused,
            Expected::Key(number) => self.fates[number] = Fate::Arrived,
            Expected::Auth | Expected::Select => self.failed |= error.is_some(),
        }
        if self.error.is_none() {
            self.error = error;
        }
        true
    }

    /// Whether all has been answered that was, and is to be, sent.
    pub fn is_done(&self) -> bool {
        (self.failed || self.next == self.request.keys.len()) && self.expected.is_empty()
    }

    /// The first error of the target.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(words: &[&str]) -> Transfer {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        Transfer::new(Request::parse(resp::OwnedArgs::from_slices(&words).as_args()).unwrap())
    }

    fn ok() -> OwnedReply {
        Value::Simple("OK".into())
    }

    #[test]
    fn a_conversation() {
        let words = ["MIGRATE", "h", "1", "", "2", "5", "REPLACE", "AUTH", "p", "KEYS", "a", "b", "c"];
        let mut transfer = transfer(&words);
        let mut out = Vec::new();
        transfer.begin(None, &mut out);
        assert_eq!(transfer.next_key(), None, "not yet");
        assert!(transfer.reply(&ok()) && transfer.reply(&ok()));
        transfer.send(b"A", 7, &mut out);
        assert_eq!(transfer.next_key(), Some(&b"b"[..]));
        transfer.skip();
        transfer.send(b"C", 0, &mut out);
        assert_eq!(transfer.next_key(), None);
        let mut expected = Vec::new();
        for request in [&["AUTH", "p"][..], &["SELECT", "2"], &["RESTORE", "a", "7", "A", "REPLACE"]] {
            let words: Vec<&[u8]> = request.iter().map(|word| word.as_bytes()).collect();
            resp::encode_request(&mut expected, &words);
        }
        resp::encode_request(&mut expected, &[b"RESTORE", b"c", b"0", b"C", b"REPLACE"]);
        assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string());
        assert!(transfer.reply(&Value::Error("BUSY x".into())) && !transfer.is_done());
        assert!(transfer.reply(&ok()) && transfer.is_done());
        assert_eq!(transfer.fates, [Fate::Refused, Fate::Missing, Fate::Arrived]);
        assert_eq!(transfer.error(), Some("BUSY x"));
        assert!(!transfer.reply(&ok()), "one too many");
    }

    #[test]
    fn without_the_database_nothing_is_sent() {
        let mut transfer = transfer(&["MIGRATE", "h", "1", "k", "99", "5", "AUTH", "p"]);
        transfer.begin(None, &mut Vec::new());
        assert!(transfer.reply(&ok()) && transfer.reply(&Value::Error("ERR range".into())));
        assert_eq!(transfer.next_key(), None);
        assert!(transfer.is_done());
        assert_eq!((transfer.error(), &transfer.fates[..]), (Some("ERR range"), &[Fate::Open][..]));
    }

    #[test]
    fn a_database_that_is_selected_is_not_selected_again() {
        let mut transfer = transfer(&["MIGRATE", "h", "1", "k", "2", "5"]);
        let mut out = Vec::new();
        transfer.begin(Some(2), &mut out);
        assert!(out.is_empty());
        transfer.send(b"p", 0, &mut out);
        assert!(!out.ends_with(b"REPLACE\r\n"));
        transfer.rewind();
        assert_eq!(transfer.next_key(), Some(&b"k"[..]));
        assert!(!transfer.is_done());
    }
}
