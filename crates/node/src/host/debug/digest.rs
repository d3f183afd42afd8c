//! DEBUG DIGEST and DEBUG DIGEST-VALUE: what tells two datasets apart in forty digits.
//!
//! The digests are those that Redis and Valkey compute, so that a master and a replica of different make can be compared. Of an
//! expiry they only tell whether there is one. Each value has a digest of its own, and the digest of the dataset is the exclusive or
//! of the digests of its keys, so their order does not matter.

use std::fmt;

use keyspace::{Entry, HashRef, Keyspace, Kind, ListRef, SetRef, TextBuffer, ZSetRef};
use sha1::{Digest as _, Sha1};

/// A digest being built.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Digest([u8; 20]);

impl Digest {
    /// Adds something whose place does not matter.
    fn xor(&mut self, bytes: &[u8]) {
        for (byte, with) in self.0.iter_mut().zip(Sha1::digest(bytes)) {
            *byte ^= with;
        }
    }

    /// Adds something that comes after everything so far.
    fn mix(&mut self, bytes: &[u8]) {
        self.xor(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    /// Adds a value with its type and whether it expires.
    fn mix_value(&mut self, entry: &Entry<'_>) {
        self.mix(&type_number(entry.kind()).to_be_bytes());
        self.mix_content(entry);
        if entry.expiry().is_some() {
            self.xor(b"!!expire!!");
        }
    }

    /// Adds what a value holds: its elements in their order where they have one.
    fn mix_content(&mut self, entry: &Entry<'_>) {
        let mut text = TextBuffer::new();
        if let Some(string) = entry.str() {
            self.mix(string);
        } else if let Some(set) = SetRef::of(entry) {
            set.iter().for_each(|member| self.xor(member.text(&mut text)));
        } else if let Some(hash) = HashRef::of(entry) {
            for field in hash.iter() {
                let mut pair = Digest::default();
                pair.mix(field.name.text(&mut text));
                pair.mix(field.value.text(&mut text));
                self.xor(&pair.0);
            }
        } else if let Some(set) = ZSetRef::of(entry) {
            for (member, score) in set.all() {
                let mut pair = Digest::default();
                pair.mix(member.text(&mut text));
                pair.mix(resp::format_double(score).as_bytes());
                self.xor(&pair.0);
            }
        } else if let Some(list) = ListRef::of(entry) {
            list.iter().for_each(|element| self.mix(element.text(&mut text)));
        } else if let Some(stream) = entry.stream() {
            for item in stream.entries.iter() {
                self.mix(format!("{}.{}", item.id.ms, item.id.seq).as_bytes());
                for (field, value) in item.pairs() {
                    self.mix(field.text(&mut text));
                    self.mix(value.text(&mut text));
                }
            }
        }
    }

    /// The digest of one value.
    pub fn of_value(entry: &Entry<'_>) -> Digest {
        let mut digest = Digest::default();
        digest.mix_value(entry);
        digest
    }

    /// The digest of a whole dataset: zeros if it is empty.
    pub fn of_keyspace(keyspace: &Keyspace) -> Digest {
        let mut digest = Digest::default();
        for index in 0..keyspace.databases() {
            let db = keyspace.db(index);
            if db.is_empty() {
                continue;
            }
            digest.mix(&(index as u32).to_be_bytes());
            for entry in db.iter() {
                let mut of_key = Digest::default();
                of_key.mix(entry.key());
                of_key.mix_value(&entry);
                digest.xor(&of_key.0);
            }
        }
        digest
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The number of a type in the digest.
fn type_number(kind: Kind) -> u32 {
    match kind {
        Kind::String => 0,
        Kind::List => 1,
        Kind::Set => 2,
        Kind::ZSet => 3,
        Kind::Hash => 4,
        Kind::Stream => 6,
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    /// The expected digests are those of Redis 7.0.15 for the same commands.
    #[test]
    fn digests_are_those_of_redis() {
        let mut node = Fixture::new();
        let zeros = "+0000000000000000000000000000000000000000\r\n";
        assert_eq!(node.run(&["DEBUG", "DIGEST"]), zeros);
        node.run(&["SET", "a", "b"]);
        assert_eq!(node.run(&["DEBUG", "DIGEST"]), "+479783d7290f02957dfbe3408a858ba13eea1709\r\n");
        assert_eq!(
            node.run(&["DEBUG", "DIGEST-VALUE", "a"]),
            "*1\r\n+b78559cd22bce6e6df712eb99ce7f3b08e8f8f1f\r\n"
        );
        node.run(&["SET", "n", "123"]);
        node.run(&["SELECT", "3"]);
        node.run(&["SET", "c", "d"]);
        node.run(&["SET", "e", "f", "PX", "100000000"]);
        assert_eq!(node.run(&["DEBUG", "DIGEST"]), "+3428032dbed5304225b60b0bba746acd5213de31\r\n");
        assert_eq!(
            node.run(&["DEBUG", "DIGEST-VALUE", "a", "c", "e"]),
            format!(
                "*3\r\n{zeros}+4012c66711383a3e7d8bec71c5981a428c66891b\r\n+20b5e9816c8a2384a640ed11271e76898cf1c017\r\n"
            )
        );
        node.run(&["SET", "x", "1"]);
        assert_eq!(node.run(&["DEBUG", "DIGEST"]), "+afddfbb7dc2319f7b532f336d4d72363d20a4742\r\n");
        node.run(&["FLUSHALL"]);
        assert_eq!(node.run(&["DEBUG", "DIGEST"]), zeros);
    }

    /// As above, for Redis 7.0.15.
    #[test]
    fn digests_of_collections_are_those_of_redis() {
        let mut node = Fixture::new();
        for (request, digest) in [
            (&["SADD", "s", "a", "1", "b"][..], "e8f32bbb1ad9bf537c8867de4f19fec9e001296d"),
            (&["HSET", "h", "f", "v", "g", "12"], "8530acc75d5274eb0fc0da86f28ed5533274a6d4"),
            (&["ZADD", "z", "1", "a", "2.5", "b"], "c45c5b051acd64070e5ed1a949939d5145f806c5"),
            (&["RPUSH", "l", "a", "12"], "30806f71bb963648be6a7af0889f82e2d7ee8dc8"),
            (&["XADD", "x", "5-1", "f", "v", "g", "12"], "93f2406a3a9110f609fba36fa1e61b745efec7a8"),
        ] {
            node.run(request);
            let reply = node.run(&["DEBUG", "DIGEST-VALUE", request[1]]);
            assert_eq!(reply, format!("*1\r\n+{digest}\r\n"), "{request:?}");
        }
    }

    #[test]
    fn order_does_not_matter_and_the_database_does() {
        let mut digests = Vec::new();
        for (db, keys) in [("0", ["a", "b", "c"]), ("0", ["c", "a", "b"]), ("1", ["a", "b", "c"])] {
            let mut node = Fixture::new();
            node.run(&["SELECT", db]);
            for key in keys {
                node.run(&["SET", key, "value"]);
            }
            digests.push(node.run(&["DEBUG", "DIGEST"]));
        }
        assert_eq!(digests[0], digests[1]);
        assert_ne!(digests[0], digests[2]);
    }
}
