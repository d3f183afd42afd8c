//! Bytes on their way to the master.

use crate::wire::encode_request;

/// What is to be sent. Stays small however long the master does not read: there is at most one
/// acknowledgement and one keepalive that has not begun to go out.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// Invariant: not beyond the end of `bytes`.
    sent: usize,
    /// Where an acknowledgement begins that is the last thing in `bytes`.
    last_ack: Option<usize>,
}

impl Outbox {
    pub(super) fn request(&mut self, args: &[&[u8]]) {
        self.last_ack = None;
        encode_request(&mut self.bytes, args);
    }

    /// Queues an acknowledgement in place of one that has not begun to go out.
    pub(super) fn ack(&mut self, args: &[&[u8]]) {
        if let Some(at) = self.last_ack.filter(|&at| at >= self.sent) {
            self.bytes.truncate(at);
        }
        self.last_ack = Some(self.bytes.len());
        encode_request(&mut self.bytes, args);
    }

    /// Queues a newline, unless something is waiting anyway.
    pub(super) fn keepalive(&mut self) {
        if self.pending().is_empty() {
            self.last_ack = None;
            self.bytes.push(b'\n');
        }
    }

    pub(super) fn pending(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    /// The first `len` pending bytes have been handed over.
    pub(super) fn sent(&mut self, len: usize) {
        assert!(len <= self.pending().len(), "more bytes sent than there were");
        self.sent += len;
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
            self.last_ack = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_latest_acknowledgement_waits() {
        let mut outbox = Outbox::default();
        for offset in 0..1000u32 {
            outbox.ack(&[offset.to_string().as_bytes()]);
            outbox.keepalive();
        }
        assert_eq!(outbox.pending(), b"*1\r\n$3\r\n999\r\n");
        outbox.sent(3);
        outbox.ack(&[b"a"]);
        outbox.ack(&[b"b"]);
        assert_eq!(outbox.pending(), b"\n$3\r\n999\r\n*1\r\n$1\r\nb\r\n", "what has begun goes out whole");
        outbox.sent(outbox.pending().len());
        outbox.keepalive();
        outbox.keepalive();
        assert_eq!(outbox.pending(), b"\n");
        outbox.ack(&[b"c"]);
        assert_eq!(outbox.pending(), b"\n*1\r\n$1\r\nc\r\n");
    }
}
