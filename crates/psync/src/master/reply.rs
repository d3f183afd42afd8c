//! The lines that a master answers PSYNC with.

use crate::{Capabilities, Offset, ReplicationId};

/// What a master sends while a replica waits for its payload, so that neither side takes the other for dead.
pub const KEEPALIVE: &[u8] = b"\n";

/// `+FULLRESYNC`: a payload follows that holds history `id` up to `offset`.
#[must_use]
pub fn full_resync_line(id: &ReplicationId, offset: Offset) -> Vec<u8> {
    format!("+FULLRESYNC {id} {offset}\r\n").into_bytes()
}

/// `+CONTINUE`: the stream follows. Only a replica with the capability `psync2` understands that the history
/// may have another name now.
#[must_use]
pub fn continue_line(id: &ReplicationId, capabilities: Capabilities) -> Vec<u8> {
    if capabilities.psync2 { format!("+CONTINUE {id}\r\n").into_bytes() } else { b"+CONTINUE\r\n".to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_the_protocol_has_them() {
        let id = ReplicationId::ZERO;
        assert_eq!(full_resync_line(&id, Offset(7)), format!("+FULLRESYNC {id} 7\r\n").as_bytes());
        assert_eq!(continue_line(&id, Capabilities::ALL), format!("+CONTINUE {id}\r\n").as_bytes());
        assert_eq!(continue_line(&id, Capabilities { eof: true, psync2: false }), b"+CONTINUE\r\n");
    }
}
