//! The lines that a master answers PSYNC with.

use backlog::{Continuation, History, Log};

use crate::replica::Resume;
use crate::wire::LINEAGE_UNKNOWN;
use crate::{Capabilities, Offset, ReplicationId};

/// What a master sends while a replica waits for its payload, so that neither side takes the other for dead.
pub const KEEPALIVE: &[u8] = b"\n";

/// `+FULLRESYNC`: a payload follows that holds history `id` up to `offset`.
#[must_use]
pub fn full_resync_line(id: &ReplicationId, offset: Offset) -> Vec<u8> {
    format!("+FULLRESYNC {id} {offset}\r\n").into_bytes()
}

/// `+RDBCHANNELSYNC`: a full synchronisation is due, and its payload is to be asked for over another connection, which names this
/// one by the number of its client.
#[must_use]
pub fn rdb_channel_line(client: u64) -> Vec<u8> {
    format!("+RDBCHANNELSYNC {client}\r\n").into_bytes()
}

/// `+DUALCHANNELSYNC`: a full synchronisation is due, and its payload is to be asked for over another connection.
pub const DUAL_CHANNEL_LINE: &[u8] = b"+DUALCHANNELSYNC\r\n";

/// `$ENDOFF`: where the payload stands that follows on this connection, for the other one to ask for the stream from there. `db` is
/// the database that is selected in the stream at that position, if one is; `client` names this connection.
#[must_use]
pub fn end_offset_line(id: &ReplicationId, offset: Offset, db: Option<usize>, client: u64) -> Vec<u8> {
    match db {
        Some(db) => format!("$ENDOFF:{offset} {id} {db} {client}\r\n").into_bytes(),
        None => format!("$ENDOFF:{offset} {id} -1 {client}\r\n").into_bytes(),
    }
}

/// `+CONTINUE`: the stream follows. Only a replica with the capability `psync2` understands that the history
/// may have another name now.
#[must_use]
pub fn continue_line(id: &ReplicationId, capabilities: Capabilities) -> Vec<u8> {
    if capabilities.psync2 { format!("+CONTINUE {id}\r\n").into_bytes() } else { b"+CONTINUE\r\n".to_vec() }
}

/// The answer to `REPLCONF lineage`: the first of the names that can be continued here. `reaches` says of a position before the log
/// whether what follows it can be had from elsewhere.
#[must_use]
pub fn lineage_line(
    offers: &[Resume],
    history: &History,
    log: &Log,
    reaches: impl Fn(Offset) -> bool,
) -> Vec<u8> {
    let possible = |offer: &&Resume| match history.can_continue(&offer.id, offer.applied, log) {
        Continuation::TooOld { .. } => reaches(offer.applied),
        continuation => continuation.is_possible(),
    };
    match offers.iter().find(possible) {
        Some(offer) => format!("+{offer}\r\n").into_bytes(),
        None => [LINEAGE_UNKNOWN, b"\r\n"].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_the_protocol_has_them() {
        let id = ReplicationId::ZERO;
        assert_eq!(full_resync_line(&id, Offset(7)), format!("+FULLRESYNC {id} 7\r\n").as_bytes());
        assert_eq!(rdb_channel_line(6), b"+RDBCHANNELSYNC 6\r\n");
        assert_eq!(end_offset_line(&id, Offset(7), None, 6), format!("$ENDOFF:7 {id} -1 6\r\n").as_bytes());
        assert_eq!(end_offset_line(&id, Offset(7), Some(9), 6), format!("$ENDOFF:7 {id} 9 6\r\n").as_bytes());
        assert_eq!(continue_line(&id, Capabilities::OURS), format!("+CONTINUE {id}\r\n").as_bytes());
        let name = |c: &str| c.repeat(40).parse::<ReplicationId>().expect("an id");
        let mut history = History::new(name("a"));
        history.promote(name("b"), Offset(100));
        let log = Log::new(Offset(100), 1 << 20);
        let offer = |c, at| Resume { id: name(c), applied: Offset(at) };
        let line = |offers: &[Resume]| {
            String::from_utf8(lineage_line(offers, &history, &log, |at| at == Offset(90))).expect("text")
        };
        assert_eq!(
            line(&[offer("x", 100), offer("a", 100), offer("b", 100)]),
            format!("+{}:100\r\n", name("a"))
        );
        assert_eq!(line(&[offer("a", 101), offer("a", 100)]), format!("+{}:100\r\n", name("a")));
        assert_eq!(line(&[offer("a", 101), offer("b", 99)]), "+NONE\r\n");
        assert_eq!(line(&[offer("x", 90), offer("b", 90)]), format!("+{}:90\r\n", name("b")));
        assert_eq!(
            continue_line(&id, Capabilities { eof: true, ..Capabilities::default() }),
            b"+CONTINUE\r\n"
        );
    }
}
