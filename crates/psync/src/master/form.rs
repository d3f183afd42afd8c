//! In which form a snapshot is written, and who reads which.

use std::fmt;

/// A version of the snapshot format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SnapshotForm {
    /// `REDIS0010`: every peer reads it. It cannot say when fields of hashes expire.
    #[default]
    Redis10,
    /// `REDIS0011`: Redis 7.2 and all of Valkey.
    Redis11,
    /// `REDIS0012`: Redis 7.4 and 8, with its own form of fields that expire.
    Redis12,
    /// `VALKEY080`: Valkey 9, with its own form of fields that expire.
    Valkey80,
}

impl SnapshotForm {
    /// Whether it says when fields of hashes expire.
    pub fn holds_field_expiry(self) -> bool {
        matches!(self, SnapshotForm::Redis12 | SnapshotForm::Valkey80)
    }

    /// What is tried next with a peer that did not take this form: the best of those that more peers read.
    pub fn step_down(self) -> Option<SnapshotForm> {
        match self {
            SnapshotForm::Redis10 => None,
            SnapshotForm::Redis11 => Some(SnapshotForm::Redis10),
            SnapshotForm::Redis12 | SnapshotForm::Valkey80 => Some(SnapshotForm::Redis11),
        }
    }

    /// Whether who reads this form as the best of his reads that one, too.
    pub fn reads(self, other: SnapshotForm) -> bool {
        self == other || self.step_down().is_some_and(|lower| lower.reads(other))
    }

    /// The best form that whoever reads one of the two reads.
    pub fn common(self, other: SnapshotForm) -> SnapshotForm {
        let mut form = self;
        while !other.reads(form) {
            form = form.step_down().unwrap_or_default();
        }
        form
    }
}

impl fmt::Display for SnapshotForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SnapshotForm::Redis10 => "REDIS0010",
            SnapshotForm::Redis11 => "REDIS0011",
            SnapshotForm::Redis12 => "REDIS0012",
            SnapshotForm::Valkey80 => "VALKEY080",
        })
    }
}

/// What a peer makes of the forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A replica, which reads this form and those below it.
    UpTo(SnapshotForm),
    /// It keeps the bytes and reads none of them: a tool that fetches a dump, or shows the stream.
    Keeper,
}

impl Reader {
    /// Whether a payload in this form is of use to it.
    pub fn takes(self, form: SnapshotForm) -> bool {
        match self {
            Reader::UpTo(best) => best.reads(form),
            Reader::Keeper => true,
        }
    }

    /// Whether it knows fields of hashes that expire: in snapshots, and the commands about them in the stream.
    pub fn knows_field_expiry(self) -> bool {
        match self {
            Reader::UpTo(best) => best.holds_field_expiry(),
            Reader::Keeper => true,
        }
    }

    /// The reader of what both take.
    pub(super) fn common(self, other: Reader) -> Reader {
        match (self, other) {
            (Reader::UpTo(one), Reader::UpTo(two)) => Reader::UpTo(one.common(two)),
            (Reader::Keeper, reader) | (reader, Reader::Keeper) => reader,
        }
    }

    /// What a replica reads that has announced this: Valkey says its version from 8 on, Redis from 8 on that it knows a second
    /// connection for the snapshot. Redis 7.0 to 7.4 look the same.
    pub(super) fn announced(version: Option<&str>, rdb_channel: bool) -> Reader {
        let major = version.and_then(|text| text.split('.').next()?.parse::<u32>().ok());
        Reader::UpTo(match major {
            Some(9..) => SnapshotForm::Valkey80,
            Some(_) => SnapshotForm::Redis11,
            None if rdb_channel => SnapshotForm::Redis12,
            None => SnapshotForm::Redis10,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SnapshotForm::{Redis10, Redis11, Redis12, Valkey80};

    const ALL: [SnapshotForm; 4] = [Redis10, Redis11, Redis12, Valkey80];

    #[test]
    fn families_part_beyond_11() {
        assert!(!Redis12.reads(Valkey80) && !Valkey80.reads(Redis12));
        assert_eq!(Redis12.common(Valkey80), Redis11);
        assert_eq!(Valkey80.common(Redis10), Redis10);
        for form in ALL {
            assert!(form.reads(form) && form.reads(Redis10));
            for other in ALL {
                let common = form.common(other);
                assert_eq!(common, other.common(form));
                assert!(form.reads(common) && other.reads(common));
            }
        }
    }

    #[test]
    fn announcements_say_what_is_read() {
        let best = |version, rdb_channel| Reader::announced(version, rdb_channel);
        assert_eq!(best(Some("9.1.2"), false), Reader::UpTo(Valkey80));
        assert_eq!(best(Some("10.0.0"), true), Reader::UpTo(Valkey80));
        assert_eq!(best(Some("8.1.0"), false), Reader::UpTo(Redis11));
        assert_eq!(best(None, true), Reader::UpTo(Redis12));
        assert_eq!(best(None, false), Reader::UpTo(Redis10));
        assert_eq!(best(Some("unknown"), false), Reader::UpTo(Redis10));
    }
}
