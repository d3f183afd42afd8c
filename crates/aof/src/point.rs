//! Back to a moment: where in the files it lies, and what comes before it.

use std::fmt;

use nom::Parser;
use nom::bytes::complete::tag;
use nom::character::complete::u64 as number;
use nom::combinator::{all_consuming, opt, verify};
use nom::sequence::preceded;

use crate::annotation::Annotation;
use crate::reader::{Item, Origin};

/// A moment in the life of a dataset: a time, an offset of its history, or whichever of the two comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// What was written after this time is beyond it: milliseconds since the Unix epoch.
    pub unix_ms: Option<u64>,
    /// What the history holds behind this offset is beyond it.
    pub offset: Option<u64>,
}

impl Point {
    fn is_before(self, offset: u64, unix_ms: u64) -> bool {
        self.offset.is_some_and(|until| offset > until) || self.unix_ms.is_some_and(|until| unix_ms > until)
    }

    /// Reads what [`fmt::Display`] writes.
    pub(crate) fn parse(text: &str) -> Option<Point> {
        let time = opt(preceded(tag::<_, _, ()>("time "), number));
        let offset = opt(preceded((opt(tag(" ")), tag("offset ")), number));
        let (_, (unix_ms, offset)) =
            all_consuming(verify((time, offset), |pair| *pair != (None, None))).parse(text).ok()?;
        Some(Point { unix_ms, offset })
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(unix_ms) = self.unix_ms {
            write!(f, "time {unix_ms}")?;
        }
        if let Some(offset) = self.offset {
            let space = if self.unix_ms.is_some() { " " } else { "" };
            write!(f, "{space}offset {offset}")?;
        }
        Ok(())
    }
}

/// Why it cannot be said what came before a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// The files begin behind it.
    #[error("its base is of a later moment already: {}", describe(*.offset, *.unix_ms))]
    BaseIsLater {
        /// The base's offset, where it is known.
        offset: Option<u64>,
        /// When the base was written.
        unix_ms: Option<u64>,
    },
    /// Commands have no time.
    #[error("nothing says when the commands from byte {at} on were written")]
    NoTime {
        /// Where they begin.
        at: u64,
    },
    /// Commands have no offset.
    #[error("nothing says at which offset the commands from byte {at} on stand")]
    NoOffset {
        /// Where they begin.
        at: u64,
    },
}

fn describe(offset: Option<u64>, unix_ms: Option<u64>) -> String {
    let offset = offset.map(|offset| format!("of offset {offset}"));
    let time = unix_ms.map(|unix_ms| format!("written at {unix_ms} ms"));
    offset.into_iter().chain(time).collect::<Vec<_>>().join(", ")
}

/// Who said last what time it was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stamp {
    None,
    /// One of our lines: it is true of what it announces, and of nothing that somebody else appends.
    Own,
    /// A line that others write: it is true until the next.
    Time(u64),
}

/// Goes through the files of a log, one item after the other, and says when the point is reached.
///
/// What is beyond is told by spans, whose whole content is on one side, and by time lines. Other lines are never beyond by
/// themselves: that nothing but a restart happened after some time leaves nothing out.
pub struct Approach {
    point: Point,
    stamp: Stamp,
    /// Where the history stands, if that is known.
    offset: Option<u64>,
    unix_ms: u64,
    /// There is a base, written in this second.
    base_s: Option<u64>,
    has_base: bool,
    /// There has been a command.
    begun: bool,
    /// Commands that nothing has been said of yet: no time, no offset.
    timeless: Option<u64>,
    placeless: Option<u64>,
}

impl fmt::Debug for Approach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Approach").field("point", &self.point).finish_non_exhaustive()
    }
}

impl Approach {
    /// Towards this point.
    pub fn new(point: Point) -> Approach {
        Approach {
            point,
            stamp: Stamp::None,
            offset: None,
            unix_ms: 0,
            base_s: None,
            has_base: false,
            begun: false,
            timeless: None,
            placeless: None,
        }
    }

    /// The base is a snapshot, which says of itself at which offset and in which second it was made.
    ///
    /// # Errors
    ///
    /// [`Unreachable::BaseIsLater`].
    pub fn snapshot(&mut self, offset: Option<u64>, unix_s: Option<u64>) -> Result<(), Unreachable> {
        (self.has_base, self.offset, self.base_s) = (true, offset, unix_s);
        let unix_ms = unix_s.map(|unix_s| unix_s.saturating_mul(1000));
        self.unix_ms = unix_ms.unwrap_or(0);
        self.base_is_not_later(offset, unix_ms)
    }

    /// An item of a base that consists of commands.
    ///
    /// # Errors
    ///
    /// [`Unreachable::BaseIsLater`].
    pub fn base_item(&mut self, item: &Item<'_>) -> Result<(), Unreachable> {
        self.has_base = true;
        if let Item::Annotation(Annotation::Time { unix_s }) = item {
            self.unix_ms = unix_s.saturating_mul(1000);
            self.base_s = Some(*unix_s);
            self.base_is_not_later(None, Some(self.unix_ms))?;
        }
        Ok(())
    }

    fn base_is_not_later(&self, offset: Option<u64>, unix_ms: Option<u64>) -> Result<(), Unreachable> {
        if self.point.is_before(offset.unwrap_or(0), unix_ms.unwrap_or(0)) {
            return Err(Unreachable::BaseIsLater { offset, unix_ms });
        }
        Ok(())
    }

    /// Whether an item of an increment, which begins at this byte, comes before the point. Nothing behind the first that does not is
    /// to be asked for.
    ///
    /// # Errors
    ///
    /// Nobody knows.
    pub fn comes_before(&mut self, at: u64, item: &Item<'_>) -> Result<bool, Unreachable> {
        let until_ms = self.point.unix_ms.unwrap_or(u64::MAX);
        match item {
            Item::Commands { bytes, origin: Origin::History } => {
                self.begun = true;
                self.offset = self.offset.map(|offset| offset + bytes.len() as u64);
            }
            Item::Commands { origin: Origin::Local, .. } => self.begun = true,
            // It stands in front of a history for those who know nothing of histories.
            Item::Commands { bytes, .. } if is_select(bytes) => {}
            Item::Commands { .. } => {
                match self.stamp {
                    Stamp::Time(unix_ms) if unix_ms > until_ms => return self.beyond(),
                    Stamp::Time(_) => {}
                    Stamp::Own | Stamp::None => _ = self.timeless.get_or_insert(at),
                }
                self.begun = true;
                self.placeless.get_or_insert(at);
            }
            Item::Annotation(Annotation::Time { unix_s }) => {
                let unix_ms = unix_s.saturating_mul(1000);
                self.stamp = Stamp::Time(unix_ms);
                self.tells_time(unix_ms);
            }
            Item::Annotation(Annotation::Span(span)) => {
                let end = span.offset.0.saturating_add(span.len);
                let later = span.len > 0 && span.unix_ms > until_ms;
                if later || self.point.offset.is_some_and(|until| end > until) {
                    return self.beyond();
                }
                self.placeless = None;
                self.offset = Some(span.offset.0);
                self.stamp = Stamp::Own;
                self.tells_time(span.unix_ms);
            }
            Item::Annotation(Annotation::Local { unix_ms, .. }) => {
                if *unix_ms > until_ms {
                    return self.beyond();
                }
                self.stamp = Stamp::Own;
                self.tells_time(*unix_ms);
            }
            Item::Annotation(Annotation::History(history)) => {
                let is_first = !self.begun && self.has_base;
                // It was written as the base was frozen, and says more exactly when.
                let with_base = self.base_s.is_some_and(|unix_s| unix_s == history.unix_ms / 1000);
                if is_first && with_base && history.unix_ms > until_ms {
                    let (offset, unix_ms) = (Some(history.offset.0), Some(history.unix_ms));
                    return Err(Unreachable::BaseIsLater { offset, unix_ms });
                }
                if self.point.offset.is_some_and(|until| history.offset.0 > until) {
                    if is_first && self.offset.is_none() {
                        let offset = Some(history.offset.0);
                        return Err(Unreachable::BaseIsLater { offset, unix_ms: None });
                    }
                    return self.beyond();
                }
                self.placeless = None;
                self.offset = Some(history.offset.0);
                self.stamp = Stamp::Own;
                self.tells_time(history.unix_ms);
            }
            Item::Annotation(Annotation::End { offset, .. }) => {
                if self.point.offset.is_some_and(|until| offset.0 > until) {
                    return self.beyond();
                }
                self.offset = Some(offset.0);
            }
            Item::Annotation(Annotation::Ancestor(_) | Annotation::Unknown) => {}
        }
        Ok(true)
    }

    /// What comes before this was written at this time at the latest.
    fn tells_time(&mut self, unix_ms: u64) {
        if self.point.unix_ms.is_none_or(|until| unix_ms <= until) {
            self.unix_ms = unix_ms;
            self.timeless = None;
        }
    }

    fn beyond(&self) -> Result<bool, Unreachable> {
        self.end().map(|()| false)
    }

    /// Whether all that came before the point, or before the end of the files, is known to have done so.
    ///
    /// # Errors
    ///
    /// What of it nobody knows.
    pub fn end(&self) -> Result<(), Unreachable> {
        match (self.timeless, self.placeless) {
            (Some(at), _) if self.point.unix_ms.is_some() => Err(Unreachable::NoTime { at }),
            (_, Some(at)) if self.point.offset.is_some() => Err(Unreachable::NoOffset { at }),
            _ => Ok(()),
        }
    }

    /// Whether there has been a base or a command.
    pub fn has_anything(&self) -> bool {
        self.has_base || self.begun
    }

    /// The offset that has been reached, as far as one is known.
    pub fn offset(&self) -> Option<u64> {
        self.offset
    }

    /// The time that has been told last, in milliseconds since the Unix epoch; 0 for none.
    pub fn unix_ms(&self) -> u64 {
        self.unix_ms
    }
}

pub(crate) fn is_select(commands: &[u8]) -> bool {
    const FRONT: &[u8] = b"*2\r\n$6\r\nselect\r\n";
    let front = commands.get(..FRONT.len());
    // Nothing follows the number.
    front.is_some_and(|front| front.eq_ignore_ascii_case(FRONT))
        && commands[FRONT.len()..].iter().filter(|&&byte| byte == b'\n').count() == 2
}

#[cfg(test)]
mod tests;
