//! Which part of the history the increments hold, and where: how far partial synchronisation can reach back beyond memory.
//!
//! ```text
//! appendonly.aof.1.incr.aof (history)   ├── segment ──┤
//! appendonly.aof.2.incr.aof                           ├─ segment ─┤├── segment ──┤      what follows a cut is another one
//! log in memory                                                              ├──────────▶
//! ```
//!
//! The segments are one run of bytes of the present history: each begins where the one before it ends, and what cannot be joined is let
//! go, with everything before it.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use aof::{Annotation, History};
use backlog::{Offset, PastHistory, ReplicationId};

/// So far apart are the places of a file that are remembered: a reader passes over no more than this before it is where it shall begin.
const MARK_EVERY: u64 = 1 << 20;

/// Part of a file that holds part of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    path: Arc<Path>,
    /// Where the history stands at some bytes of the file, in order; the first is where the segment begins. Never empty.
    marks: Vec<(Offset, u64)>,
    /// Where it ends.
    to: Offset,
    /// Bytes of the file that are surely written.
    size: u64,
}

impl Segment {
    fn from(&self) -> Offset {
        self.marks.first().map_or(self.to, |mark| mark.0)
    }

    fn mark(&mut self, offset: Offset, position: u64) {
        if self.marks.last().is_none_or(|last| position >= last.1 + MARK_EVERY && offset > last.0) {
            self.marks.push((offset, position));
        }
    }
}

/// Where a part of the history is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub path: Arc<Path>,
    /// A byte of the file, and where the history stands there: at the offset that was asked for or before it.
    pub mark: (u64, Offset),
    /// So many bytes of the file are written.
    pub size: u64,
    /// Up to here the history can be read there.
    pub to: Offset,
}

/// A history line whose ancestors have not all been seen.
#[derive(Debug)]
struct Named {
    history: History,
    at: u64,
    ancestors: Vec<PastHistory>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    segments: VecDeque<Segment>,
    /// Why it does not reach further back, if something went wrong.
    lost: Option<String>,
    /// From here on this process has seen the commands.
    seen_from: Offset,
    /// While files are being loaded: which, of how many bytes, …
    file: Option<(Arc<Path>, u64)>,
    /// … and the name of the history so far.
    id: Option<ReplicationId>,
    /// Where the last span begins that something is lacking before.
    behind_gap: Option<Offset>,
    named: Option<Named>,
}

impl Reach {
    /// Nothing is known of what is in the files.
    pub fn clear(&mut self) {
        *self = Reach::default();
    }

    /// Nothing is known of what is in the files so far, for this reason.
    fn lose(&mut self, why: String) {
        self.segments.clear();
        self.lost = Some(why);
    }

    /// Why it does not reach further back, if something went wrong.
    pub fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// Up to here the history is in the files.
    pub fn end(&self) -> Option<Offset> {
        self.segments.back().map(|last| last.to)
    }

    /// From here on it is, as far as `limit` bytes reach back.
    pub fn first(&self, limit: u64) -> Option<Offset> {
        let (first, last) = (self.segments.front()?, self.segments.back()?);
        Some(first.from().max(last.to.saturating_sub(limit)))
    }

    /// From here on this process knows the commands in the files: those of files that were history at the start it has not looked at.
    pub fn seen_from(&self) -> Offset {
        self.seen_from
    }

    /// What follows this offset, as far as one file has it.
    pub fn place(&self, from: Offset) -> Option<Place> {
        let index = self.segments.partition_point(|segment| segment.to <= from);
        let segment = self.segments.get(index).filter(|segment| segment.from() <= from)?;
        let mark = segment.marks[segment.marks.partition_point(|mark| mark.0 <= from).checked_sub(1)?];
        let path = Arc::clone(&segment.path);
        Some(Place { path, mark: (mark.1, mark.0), size: segment.size, to: segment.to })
    }

    /// Whether a file holds some of it.
    pub fn uses(&self, name: &str) -> bool {
        self.segments.iter().any(|segment| segment.path.file_name().is_some_and(|file| file == name))
    }

    // ---- while it is written -----------------------------------------------------------------

    /// What is appended from here on goes to this file, which has so many bytes.
    pub fn begin_file(&mut self, path: Arc<Path>, at: Offset, size: u64) {
        match self.segments.back_mut() {
            Some(last) if last.to == at && last.path == path => last.size = size,
            before => {
                if before.is_none_or(|last| last.to != at) {
                    self.segments.clear();
                    self.seen_from = at;
                }
                self.segments.push_back(Segment { path, marks: vec![(at, size)], to: at, size });
            }
        }
    }

    /// The history is in the file up to here, and that has so many bytes.
    pub fn written(&mut self, upto: Offset, size: u64) {
        if let Some(last) = self.segments.back_mut()
            && upto >= last.to
            && size >= last.size
        {
            (last.to, last.size) = (upto, size);
            last.mark(upto, size);
        }
    }

    /// The history goes on from here, which the file does not know: what it says of what lies behind this is not true any more.
    pub fn cut(&mut self, at: Offset) {
        let Some(last) = self.segments.back().filter(|last| last.to > at) else { return };
        let (path, size) = (Arc::clone(&last.path), last.size);
        self.cut_back(at);
        self.segments.push_back(Segment { path, marks: vec![(at, size)], to: at, size });
    }

    /// Forgets what lies behind this offset.
    fn cut_back(&mut self, at: Offset) {
        while self.segments.back().is_some_and(|last| last.from() >= at) {
            self.segments.pop_back();
        }
        if let Some(last) = self.segments.back_mut() {
            last.to = last.to.min(at);
            last.marks.retain(|mark| mark.0 < at);
        }
    }

    /// At this offset a file cannot be read, or is damaged: nothing up to the end of what it holds is of use.
    pub fn damaged(&mut self, at: Offset, why: String) {
        let last = self.segments.back().cloned();
        self.segments.retain(|segment| segment.from() > at);
        if let Some(last) = last.filter(|_| self.segments.is_empty()) {
            self.segments.push_back(Segment { marks: vec![(last.to, last.size)], ..last });
        }
        self.lost = Some(why);
    }

    /// Lets go of files that lie further back than `limit` bytes, and of those that are no part of the log any more and take more than
    /// that, the oldest first.
    pub fn trim(&mut self, limit: u64, is_history: impl Fn(&Path) -> bool) {
        let Some(end) = self.end() else { return };
        let border = end.saturating_sub(limit);
        let mut kept = 0u64;
        let mut newer: Option<&Arc<Path>> = None;
        let mut keep = 0;
        for segment in self.segments.iter().rev() {
            if is_history(&segment.path) && newer != Some(&segment.path) {
                kept = kept.saturating_add(segment.size);
            }
            newer = Some(&segment.path);
            if kept > limit || segment.to <= border && keep > 0 {
                break;
            }
            keep += 1;
        }
        self.segments.drain(..self.segments.len() - keep);
    }

    // ---- while it is loaded ------------------------------------------------------------------

    /// A file of so many bytes begins.
    pub fn load_file(&mut self, path: Arc<Path>, len: u64) {
        self.take_name();
        self.file = Some((path, len));
    }

    /// A file that was to hold a part of it cannot be read.
    pub fn load_failed(&mut self, why: String) {
        self.named = None;
        self.file = None;
        self.lose(why);
    }

    /// From here on the commands are carried out as well.
    pub fn load_seen(&mut self, at: Offset) {
        self.seen_from = at;
    }

    /// A line stands at this byte of the file.
    pub fn load_line(&mut self, line: &Annotation, at: u64) {
        match line {
            Annotation::History(history) => {
                self.take_name();
                self.named = Some(Named { history: *history, at, ancestors: Vec::new() });
            }
            Annotation::Ancestor(past) => {
                if let Some(named) = &mut self.named {
                    named.ancestors.push(*past);
                }
            }
            Annotation::Span(span) => self.load_to(span.offset, span.len, at),
            Annotation::End { offset, .. } => self.load_to(*offset, 0, at),
            Annotation::Local { .. } | Annotation::Time { .. } | Annotation::Unknown => {}
        }
    }

    fn load_to(&mut self, offset: Offset, len: u64, at: u64) {
        self.take_name();
        let Some((path, _)) = &self.file else { return };
        let Some(last) = self.segments.back_mut() else { return };
        if last.path != *path || offset < last.to {
            return self.lose(format!("{} does not go on where the file before it ends", path.display()));
        }
        let expected = last.to;
        last.mark(expected, at);
        if offset > expected && len > 0 {
            self.behind_gap = Some(offset);
        }
        last.to = Offset(offset.0.saturating_add(len));
    }

    /// The history has this name, and stands there.
    fn take_name(&mut self) {
        let Some(Named { history, at, ancestors }) = self.named.take() else { return };
        let Some((path, len)) = self.file.clone() else { return };
        let known = self.id.replace(history.id);
        let mut goes_on = false;
        if let Some(last) = self.segments.back() {
            // Up to here what came before is a part of it.
            let common = match known {
                Some(id) if id == history.id => Some(last.to),
                Some(id) => {
                    ancestors.iter().find(|past| past.id == id).map(|past| past.valid_to.min(last.to))
                }
                None => None,
            };
            if common.is_none_or(|common| history.offset > common) {
                self.segments.clear();
            } else {
                goes_on = last.path == path;
                if history.offset < last.to {
                    goes_on = false;
                    self.cut_back_loaded(history.offset);
                }
            }
        }
        if !goes_on {
            let marks = vec![(history.offset, at)];
            self.segments.push_back(Segment { path, marks, to: history.offset, size: len });
        }
    }

    /// All files have been loaded: the history stands at `end`, and the last file has so many bytes.
    pub fn loaded(&mut self, end: Offset, keep: u64) {
        self.take_name();
        self.id = None;
        let file = self.file.take();
        if let Some((path, _)) = file {
            self.segments
                .iter_mut()
                .filter(|segment| segment.path == path)
                .for_each(|segment| segment.size = keep);
        }
        if self.end().is_some_and(|last| last < end) {
            return self.segments.clear();
        }
        if self.end().is_some_and(|last| last > end) {
            let last = self.segments.back().map(|last| Arc::clone(&last.path));
            self.cut_back_loaded(end);
            if let Some(path) = last {
                self.segments.push_back(Segment { path, marks: vec![(end, keep)], to: end, size: keep });
            }
        }
        self.behind_gap = None;
    }

    /// As [`Reach::cut_back`]. Of a span of which nothing is there it cannot be verified what is lacking before it.
    fn cut_back_loaded(&mut self, at: Offset) {
        if self.behind_gap.is_some_and(|begins| begins >= at) {
            return self.segments.clear();
        }
        self.cut_back(at);
    }
}

#[cfg(test)]
mod tests;
