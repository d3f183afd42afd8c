//! Reading lists.

use std::ops::Range;

use keyspace::{ListEnd as End, ListRef, Stretch};
use resp::{Args, ReplyBuf};

use super::options::positive;
use crate::errors::{NOT_INTEGER, SYNTAX, WRONG_TYPE};
use crate::number::parse_i64;
use crate::{Ctx, element};

/// LLEN key
pub(crate) fn llen(ctx: &mut Ctx<'_>, args: Args<'_>) {
    ctx.read(args.at(1), |entry, out| match entry.map(|entry| ListRef::of(&entry)) {
        None => out.int(0),
        Some(Some(list)) => out.int(list.len() as i64),
        Some(None) => out.error(WRONG_TYPE),
    });
}

/// LINDEX key index
pub(crate) fn lindex(ctx: &mut Ctx<'_>, args: Args<'_>) {
    ctx.read(args.at(1), |entry, out| match entry.map(|entry| ListRef::of(&entry)) {
        None => out.null(),
        Some(None) => out.error(WRONG_TYPE),
        Some(Some(list)) => match parse_i64(args.at(2)) {
            None => out.error(NOT_INTEGER),
            Some(index) => match position(index, list.len()).and_then(|index| list.get(index)) {
                Some(element) => element::bulk(out, element),
                None => out.null(),
            },
        },
    });
}

/// The position that an index means, which counts from the end if it is negative.
pub(super) fn position(index: i64, len: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(index) => Some(index).filter(|&index| index < len),
        Err(_) => len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

/// LRANGE key start stop
pub(crate) fn lrange(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (Some(start), Some(stop)) = (parse_i64(args.at(2)), parse_i64(args.at(3))) else {
        return ctx.out.error(NOT_INTEGER);
    };
    ctx.read(args.at(1), |entry, out| match entry.map(|entry| ListRef::of(&entry)) {
        None => out.array(0),
        Some(Some(list)) => write_range(list, range(start, stop, list.len()), End::Front, out),
        Some(None) => out.error(WRONG_TYPE),
    });
}

/// The positions from `start` to `stop`, both included, negative ones counted from the end.
pub(super) fn range(start: i64, stop: i64, len: usize) -> Range<usize> {
    let len = len as i64;
    let from_front = |index: i64| if index < 0 { index.saturating_add(len) } else { index };
    let (start, stop) = (from_front(start).max(0), from_front(stop).min(len - 1));
    if start > stop { 0..0 } else { start as usize..stop as usize + 1 }
}

/// Replies with the elements of a range, beginning at one end.
pub(super) fn write_range(list: ListRef<'_>, range: Range<usize>, from: End, out: &mut ReplyBuf) {
    out.array(range.len());
    match list {
        ListRef::Long(list) if from == End::Front => {
            for stretch in list.elements().stretches(range, from) {
                match stretch {
                    Stretch::Uniform { unit, texts } => out.bulks(unit, texts),
                    Stretch::Packed(elements) => elements.for_each(|element| element::bulk(out, element)),
                }
            }
        }
        list => list.range(range, from).for_each(|element| element::bulk(out, element)),
    }
}

/// LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]
pub(crate) fn lpos(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let options = match Search::parse(args.from(3)) {
        Ok(options) => options,
        Err(error) => return ctx.out.error(error),
    };
    ctx.read(args.at(1), |entry, out| match entry.map(|entry| ListRef::of(&entry)) {
        None if options.count.is_some() => out.array(0),
        None => out.null(),
        Some(Some(list)) => options.search(list, args.at(2), out),
        Some(None) => out.error(WRONG_TYPE),
    });
}

/// The options of LPOS.
struct Search {
    from: End,
    /// How many matches are passed over.
    skipped: u64,
    /// How many are wanted, all if it is 0; `None`: one, and not as an array.
    count: Option<usize>,
    /// How many elements are looked at, all if it is 0.
    max_len: usize,
}

impl Search {
    fn parse(args: Args<'_>) -> Result<Self, &'static str> {
        let mut search = Search { from: End::Front, skipped: 0, count: None, max_len: 0 };
        let mut words = args.iter();
        while let Some(word) = words.next() {
            // Whatever the word is, it is wrong without something behind it.
            let value = words.next().ok_or(SYNTAX)?;
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if is("RANK") {
                let rank = whole(value)?;
                search.skipped = rank.unsigned_abs().checked_sub(1).ok_or(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
                     negative to start from the end of the list",
                )?;
                search.from = if rank < 0 { End::Back } else { End::Front };
            } else if is("COUNT") {
                search.count = Some(positive(value).ok_or("ERR COUNT can't be negative")?);
            } else if is("MAXLEN") {
                search.max_len = positive(value).ok_or("ERR MAXLEN can't be negative")?;
            } else {
                return Err(SYNTAX);
            }
        }
        Ok(search)
    }

    fn search(&self, list: ListRef<'_>, text: &[u8], out: &mut ReplyBuf) {
        let len = list.len();
        let looked_at = if self.max_len == 0 { len } else { self.max_len.min(len) };
        let range = match self.from {
            End::Front => 0..looked_at,
            End::Back => len - looked_at..len,
        };
        let (mut skipped, mut written) = (0, 0);
        let wanted = self.count.map_or(1, |count| if count == 0 { usize::MAX } else { count });
        let mark = out.deferred_len();
        list.find_each(range, text, self.from, |index| {
            if skipped < self.skipped {
                skipped += 1;
                return true;
            }
            out.int(index as i64);
            written += 1;
            written < wanted
        });
        if self.count.is_some() {
            out.set_array_len(mark, written);
        } else if written == 0 {
            out.null();
        }
    }
}

/// A number that has an opposite.
pub(super) fn whole(text: &[u8]) -> Result<i64, &'static str> {
    match parse_i64(text) {
        None => Err(NOT_INTEGER),
        Some(i64::MIN) => Err("ERR value is out of range, value must between -9223372036854775807 and \
                               9223372036854775807"),
        Some(number) => Ok(number),
    }
}
