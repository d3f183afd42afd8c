//! The two ways in which peers speak of a full synchronisation over two connections.

/// Who speaks of two connections in which way. The ways are incompatible with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelForm {
    /// `+RDBCHANNELSYNC`, `main-ch-client-id`: Redis, from 8.0 on.
    Redis,
    /// `+DUALCHANNELSYNC`, `$ENDOFF`, `set-rdb-client-id`: Valkey, from 8.0 on.
    Valkey,
}
