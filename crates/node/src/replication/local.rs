//! What clients have written to a writable replica. It belongs to no history and moves no offset, but to the dataset, and so to the
//! append only file: between what the log held before it and what came after it.

use std::collections::VecDeque;

use backlog::Offset;
use commands::Effects;
use resp::Args;

use super::{EXEC, MULTI, Replication, encode_args, encode_select};

/// Whole commands on their way to the file.
#[derive(Default)]
pub(super) struct Local {
    /// Where the log stood when they were carried out, in order. They begin and end in the database that is selected in the stream there.
    parts: VecDeque<(Offset, Vec<u8>)>,
    bytes: usize,
}

impl Replication {
    /// Whether what this instance does to its dataset is written down: in its own history, or as what it did to its master's.
    #[inline]
    pub fn records(&self) -> bool {
        if self.upstream.is_some() { self.omitted.is_kept() } else { self.logging }
    }

    /// The effects of one command.
    pub(super) fn note_local(&mut self, effects: &Effects, db: usize, args: Args<'_>, raw: Option<&[u8]>) {
        let count = effects.count();
        let mut bytes = effects.log.clone();
        if effects.is_verbatim() {
            match raw {
                Some(raw) => bytes.extend_from_slice(raw),
                None => encode_args(&mut bytes, args),
            }
        }
        self.note_local_bytes(&bytes, db, db, count > 1 && !effects.separate);
    }

    /// Commands that begin in one database and end in another, and are one transaction or are not.
    pub(super) fn note_local_bytes(&mut self, bytes: &[u8], first_db: usize, last_db: usize, together: bool) {
        let here = self.log.end();
        let stream_db = self.stream_db();
        let local = &mut self.local;
        if local.parts.back().is_none_or(|last| last.0 != here) {
            local.parts.push_back((here, Vec::new()));
        }
        let Some((_, out)) = local.parts.back_mut() else { return };
        let before = out.len();
        if together {
            out.extend_from_slice(MULTI);
        }
        if first_db != stream_db {
            encode_select(out, first_db);
        }
        out.extend_from_slice(bytes);
        if last_db != stream_db {
            encode_select(out, stream_db);
        }
        if together {
            out.extend_from_slice(EXEC);
        }
        local.bytes += out.len() - before;
    }

    /// Takes the next of it, if it was written before the log went beyond this offset.
    pub fn take_local(&mut self, upto: Offset) -> Option<(Offset, Vec<u8>)> {
        if self.local.parts.front()?.0 > upto {
            return None;
        }
        let part = self.local.parts.pop_front()?;
        self.local.bytes -= part.1.len();
        Some(part)
    }

    /// How much of it there is.
    pub fn local_bytes(&self) -> usize {
        self.local.bytes
    }

    /// Forgets it: the file does not need it, or cannot have it.
    pub fn forget_local(&mut self) {
        self.local = Local::default();
    }
}
