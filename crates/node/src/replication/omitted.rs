//! Parts of the log that are for replicas only: signs of life, questions, messages. The append only file has no use for them.

use std::collections::VecDeque;

use backlog::Offset;

use super::Replication;

/// Where they are.
#[derive(Default)]
pub(super) struct Omitted {
    /// Somebody wants to know.
    kept: bool,
    /// In order, none of them empty, with something between one and the next.
    parts: VecDeque<(Offset, Offset)>,
}

impl Omitted {
    pub fn is_kept(&self) -> bool {
        self.kept
    }
}

impl Replication {
    /// Whether it is taken down from here on what is for replicas only.
    pub fn keep_omitted(&mut self, kept: bool) {
        self.omitted.kept = kept;
        if !kept {
            self.omitted.parts.clear();
            self.forget_local();
        }
    }

    /// Whether it is.
    pub fn keeps_omitted(&self) -> bool {
        self.omitted.kept
    }

    /// What the log has got since then is for replicas only.
    pub fn omit_since(&mut self, begin: Offset) {
        let end = self.log.end();
        if !self.omitted.kept || begin >= end {
            return;
        }
        match self.omitted.parts.back_mut() {
            Some(last) if last.1 == begin => last.1 = end,
            _ => self.omitted.parts.push_back((begin, end)),
        }
    }

    /// The parts between two offsets that are for replicas only.
    pub fn omitted_between(&self, from: Offset, to: Offset) -> impl Iterator<Item = (Offset, Offset)> + '_ {
        self.omitted
            .parts
            .iter()
            .map(move |&(begin, end)| (begin.max(from), end.min(to)))
            .filter(|(begin, end)| begin < end)
    }

    /// What lies before this offset is not asked for again.
    pub fn forget_omitted(&mut self, upto: Offset) {
        while self.omitted.parts.front().is_some_and(|part| part.1 <= upto) {
            self.omitted.parts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::tests::{effect, message, replication};

    #[test]
    fn what_is_for_replicas_only_is_known() {
        let mut replication = replication();
        message(&mut replication);
        replication.keep_omitted(true);
        effect(&mut replication, 0, &[b"SET", b"a", b"1"]);
        let begin = replication.log.end();
        message(&mut replication);
        replication.log_control(&[b"PING"]);
        let end = replication.log.end();
        effect(&mut replication, 0, &[b"SET", b"a", b"1"]);
        replication.log_control(&[b"PING"]);
        let all = |replication: &Replication| -> Vec<_> {
            replication.omitted_between(Offset(0), replication.log.end()).collect()
        };
        assert_eq!(
            all(&replication),
            [(begin, end), (replication.log.end().saturating_sub(14), replication.log.end())]
        );
        let part = replication.omitted_between(Offset(begin.0 + 3), Offset(end.0 - 2)).next();
        assert_eq!(part, Some((Offset(begin.0 + 3), Offset(end.0 - 2))));
        replication.forget_omitted(end);
        assert_eq!(all(&replication).len(), 1);
    }
}
