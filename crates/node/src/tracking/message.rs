//! What a tracking client is told, and in which words.
//!
//! | | RESP3 | RESP2, redirected to a subscriber |
//! |---|---|---|
//! | keys | push `invalidate`, array | message on `__redis__:invalidate`, array |
//! | everything | push `invalidate`, null | message on `__redis__:invalidate`, null |
//! | nobody to redirect to | push `tracking-redir-broken`, id | |
//!
//! With RESP2 and no redirection there are no words: a client could not tell them from the reply that it waits for.

use crate::session::Session;

/// One thing to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Word<'a> {
    pub kind: Kind,
    /// It comes to somebody who reads it for another client.
    pub redirected: bool,
    /// The keys as an encoded array, if it is about keys.
    pub keys: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// These keys have changed.
    Keys,
    /// Every key may have changed.
    Everything,
    /// The client with this id, which was to be told, is no more.
    RedirectBroken(u64),
}

impl Word<'_> {
    /// Appends it to what a client has to read, if there are words for it; by how much the buffer's memory has grown.
    pub fn append(self, session: &mut Session) -> usize {
        // A replica reads its master's stream there.
        if session.replica.is_some() {
            return 0;
        }
        let resp3 = session.resp3();
        let subscribed = self.redirected && session.subscriptions.is_some();
        let buf = &mut session.reply.buf;
        let before = buf.capacity();
        match (resp3, self.kind) {
            (true, Kind::Keys | Kind::Everything) => buf.extend_from_slice(b">2\r\n$10\r\ninvalidate\r\n"),
            (false, Kind::Keys | Kind::Everything) if subscribed => {
                buf.extend_from_slice(b"*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n");
            }
            (true, Kind::RedirectBroken(id)) => {
                buf.extend_from_slice(b">2\r\n$21\r\ntracking-redir-broken\r\n");
                session.reply.int(id as i64);
                return session.reply.buf.capacity() - before;
            }
            (false, _) => return 0,
        }
        match self.kind {
            Kind::Keys => buf.extend_from_slice(self.keys),
            _ => session.reply.null(),
        }
        session.reply.buf.capacity() - before
    }
}

/// Encodes keys as [`Word::keys`] has them.
pub(super) fn encode_keys<'a>(into: &mut Vec<u8>, keys: impl ExactSizeIterator<Item = &'a [u8]>) {
    into.clear();
    resp::encode_array_header(into, keys.len());
    keys.for_each(|key| resp::encode_bulk(into, key));
}
