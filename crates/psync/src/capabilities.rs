//! What a replica says it can do.

/// The capabilities that a replica announces with `REPLCONF capa`. Names that are not known here are ignored:
/// a newer replica may know more than its master.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Capabilities {
    /// `eof`: takes a payload whose length is not known beforehand and that ends with a mark.
    pub eof: bool,
    /// `psync2`: understands `+CONTINUE` with a new id.
    pub psync2: bool,
    /// `rdb-channel-repl`: takes the payload over a connection of its own, as Redis does from 8.0 on. Of one that announces no
    /// version it also tells which snapshots and commands it knows.
    pub rdb_channel: bool,
    /// `dual-channel`: likewise, as Valkey does from 8.0 on.
    pub dual_channel: bool,
}

impl Capabilities {
    /// What a replica of ours announces in any case: `eof` and `psync2`.
    pub const OURS: Capabilities =
        Capabilities { eof: true, psync2: true, rdb_channel: false, dual_channel: false };

    /// Adds the capability of this name; whether it is known.
    pub fn add(&mut self, name: &[u8]) -> bool {
        if name.eq_ignore_ascii_case(b"eof") {
            self.eof = true;
        } else if name.eq_ignore_ascii_case(b"psync2") {
            self.psync2 = true;
        } else if name.eq_ignore_ascii_case(b"rdb-channel-repl") {
            self.rdb_channel = true;
        } else if name.eq_ignore_ascii_case(b"dual-channel") {
            self.dual_channel = true;
        } else {
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_are_ignored() {
        let mut capabilities = Capabilities::default();
        assert!(!capabilities.add(b"activeExpire"));
        assert!(!capabilities.add(b""));
        assert_eq!(capabilities, Capabilities::default());
        assert!(capabilities.add(b"EOF") && capabilities.add(b"psync2"));
        assert_eq!(capabilities, Capabilities::OURS);
        assert!(capabilities.add(b"rdb-channel-repl") && capabilities.rdb_channel);
        assert!(capabilities.add(b"dual-channel") && capabilities.dual_channel);
    }
}
