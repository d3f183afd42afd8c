//! Values of more than one word.

use std::fmt;

/// Limit on what waits to be sent to one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutputBufferLimit {
    /// Bytes at which the client is disconnected at once; 0 is no limit.
    pub hard_bytes: u64,
    /// Bytes that may not be exceeded for longer than `soft_seconds`; 0 is no limit.
    pub soft_bytes: u64,
    /// See `soft_bytes`.
    pub soft_seconds: u64,
}

/// The classes of client an output limit is set for, in the order of
/// [`Settings::client_output_buffer_limit`].
///
/// A replica is `slave` in what CONFIG GET prints, which tools parse, and may be written either way.
///
/// [`Settings::client_output_buffer_limit`]: crate::Settings::client_output_buffer_limit
pub(crate) const OUTPUT_CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

/// The position of a class of client by its name.
pub(crate) fn output_class(name: &str) -> Option<usize> {
    let name = if name.eq_ignore_ascii_case("replica") { "slave" } else { name };
    OUTPUT_CLASSES.iter().position(|class| name.eq_ignore_ascii_case(class))
}

/// What a signal that ends the server does about saving. All false is the default: save if there are save
/// points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShutdownFlags {
    /// Save even without save points.
    pub save: bool,
    /// Do not save.
    pub nosave: bool,
    /// Do not wait for replicas.
    pub now: bool,
    /// End even if saving fails.
    pub force: bool,
    /// Refuse to end where data would be lost.
    pub safe: bool,
    /// Hand over to a replica first where there is a cluster.
    pub failover: bool,
}

impl ShutdownFlags {
    /// The words in the order in which they are written.
    pub(crate) const WORDS: [&'static str; 6] = ["save", "nosave", "now", "force", "safe", "failover"];

    fn flags(&mut self) -> [&mut bool; 6] {
        [&mut self.save, &mut self.nosave, &mut self.now, &mut self.force, &mut self.safe, &mut self.failover]
    }

    /// Turns a flag on by its word; false if there is no such word.
    pub(crate) fn turn_on(&mut self, word: &str) -> bool {
        let position = Self::WORDS.iter().position(|known| word.eq_ignore_ascii_case(known));
        let flag = position.and_then(|at| self.flags().into_iter().nth(at));
        flag.map(|flag| *flag = true).is_some()
    }
}

impl fmt::Display for ShutdownFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut copy = *self;
        let on: Vec<_> =
            Self::WORDS.into_iter().zip(copy.flags()).filter(|(_, on)| **on).map(|(word, _)| word).collect();
        f.write_str(if on.is_empty() { "default" } else { "" })?;
        f.write_str(&on.join(" "))
    }
}

/// Classes of keyspace events, as in `notify-keyspace-events`.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyspaceEvents(u32);

/// The letters in the order in which the set is written, each with its bit.
const LETTERS: [(char, u32); 14] = [
    ('g', 1 << 2),
    ('$', 1 << 3),
    ('l', 1 << 4),
    ('s', 1 << 5),
    ('h', 1 << 6),
    ('z', 1 << 7),
    ('x', 1 << 8),
    ('e', 1 << 9),
    ('t', 1 << 10),
    ('d', 1 << 13),
    ('K', 1 << 0),
    ('E', 1 << 1),
    ('m', 1 << 11),
    ('n', 1 << 14),
];

impl KeyspaceEvents {
    /// `K`: published on `__keyspace@db__:key`.
    pub const KEYSPACE: Self = Self(1 << 0);
    /// `E`: published on `__keyevent@db__:event`.
    pub const KEYEVENT: Self = Self(1 << 1);
    /// `g`: commands of no type, such as DEL and EXPIRE.
    pub const GENERIC: Self = Self(1 << 2);
    /// `$`: strings.
    pub const STRING: Self = Self(1 << 3);
    /// `l`: lists.
    pub const LIST: Self = Self(1 << 4);
    /// `s`: sets.
    pub const SET: Self = Self(1 << 5);
    /// `h`: hashes.
    pub const HASH: Self = Self(1 << 6);
    /// `z`: sorted sets.
    pub const ZSET: Self = Self(1 << 7);
    /// `x`: expired keys.
    pub const EXPIRED: Self = Self(1 << 8);
    /// `e`: evicted keys.
    pub const EVICTED: Self = Self(1 << 9);
    /// `t`: streams.
    pub const STREAM: Self = Self(1 << 10);
    /// `m`: reads of missing keys; not part of `A`.
    pub const KEY_MISS: Self = Self(1 << 11);
    /// `d`: modules' types.
    pub const MODULE: Self = Self(1 << 13);
    /// `n`: new keys; not part of `A`.
    pub const NEW: Self = Self(1 << 14);
    /// `A`: every class but `m` and `n`.
    pub const ALL: Self = Self(0b10_0111_1111_1100);

    /// No class.
    pub fn none() -> Self {
        Self(0)
    }

    /// Whether nothing is ever published.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether every class of `other` is in the set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The set as bits.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// The classes a text names, or nothing if one of its letters names none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bits = 0;
        for letter in text.chars() {
            bits |= match letter {
                'A' => Self::ALL.0,
                _ => LETTERS.iter().find(|(known, _)| *known == letter)?.1,
            };
        }
        Some(Self(bits))
    }
}

impl std::ops::BitOr for KeyspaceEvents {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for KeyspaceEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.contains(Self::ALL);
        if all {
            f.write_str("A")?;
        }
        for (letter, bit) in LETTERS {
            if self.0 & bit != 0 && !(all && Self::ALL.0 & bit != 0) {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for KeyspaceEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyspaceEvents({self})")
    }
}
