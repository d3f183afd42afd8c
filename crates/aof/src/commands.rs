//! One command after the other, out of bytes that hold whole ones.

use crate::framing::{Scan, Scanned};

/// The commands of [`Item::Commands`](crate::Item::Commands), in order. Ends where no whole command follows.
#[derive(Clone, Debug)]
pub struct Commands<'a> {
    left: &'a [u8],
}

impl<'a> Commands<'a> {
    /// Of these bytes.
    pub fn of(bytes: &'a [u8]) -> Commands<'a> {
        Commands { left: bytes }
    }
}

impl<'a> Iterator for Commands<'a> {
    type Item = Command<'a>;

    fn next(&mut self) -> Option<Command<'a>> {
        let Scanned::Whole(len) = Scan::default().go_on(self.left) else { return None };
        let (bytes, left) = self.left.split_at(len);
        self.left = left;
        Some(Command { bytes })
    }
}

/// One whole command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    bytes: &'a [u8],
}

impl<'a> Command<'a> {
    /// Its bytes, as they stand in the file.
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Its words; the first is the command's name.
    pub fn words(self) -> impl Iterator<Item = &'a [u8]> {
        // Behind the line with their number.
        let mut left =
            self.bytes.iter().position(|&byte| byte == b'\n').map_or(&[][..], |at| &self.bytes[at + 1..]);
        std::iter::from_fn(move || {
            let end = left.iter().position(|&byte| byte == b'\r')?;
            let len = std::str::from_utf8(left.get(1..end)?).ok()?.parse::<usize>().ok()?;
            let word = left.get(end + 2..(end + 2).checked_add(len)?)?;
            left = left.get(end + 2 + len + 2..)?;
            Some(word)
        })
    }

    /// The command's name, as it was written.
    pub fn name(self) -> &'a [u8] {
        self.words().next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_come_apart() {
        let bytes = b"*2\r\n$4\r\nINCR\r\n$3\r\na\r\n\r\n*1\r\n$4\r\nExec\r\n*2\r\n$4\r\nINCR\r\n";
        let commands: Vec<_> = Commands::of(bytes).collect();
        assert_eq!(commands.len(), 2, "the last one is not whole");
        assert_eq!(commands[0].words().collect::<Vec<_>>(), [&b"INCR"[..], b"a\r\n"]);
        assert_eq!(commands[1].name(), b"Exec");
        assert_eq!(commands[0].bytes().len() + commands[1].bytes().len(), 23 + 14);
        assert!(Commands::of(b"").next().is_none() && Commands::of(b"PING\r\n").next().is_none());
    }

    proptest! {
        #[test]
        fn words_go_both_ways(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..6)) {
            let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
            for word in &words {
                bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
                bytes.extend_from_slice(word);
                bytes.extend_from_slice(b"\r\n");
            }
            let command = Commands::of(&bytes).next().expect("it is whole");
            prop_assert_eq!(command.words().map(<[u8]>::to_vec).collect::<Vec<_>>(), words);
        }

        #[test]
        fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            for command in Commands::of(&bytes) {
                let _ = command.words().count();
            }
        }
    }
}
