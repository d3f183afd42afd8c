//! LCS: the longest common subsequence of two strings.

use resp::{Args, ReplyBuf};

use crate::Ctx;
use crate::errors::{NOT_INTEGER, SYNTAX};
use crate::number::parse_i64;

/// What the client wants to know.
#[derive(Default)]
struct Options {
    len: bool,
    ranges: bool,
    min_match_len: usize,
    with_match_len: bool,
}

/// LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]
pub(crate) fn lcs(ctx: &mut Ctx<'_>, args: Args<'_>) {
    // Both values are borrowed from the keyspace at once, after both lookups have done what they change.
    let mut are_strings = true;
    for at in 1..=2 {
        are_strings &= ctx.read(args.at(at), |entry, _| entry.is_none_or(|entry| entry.str().is_some()));
    }
    if !are_strings {
        return ctx.out.error("ERR The specified keys must contain string values");
    }
    let options = match parse(args) {
        Ok(options) => options,
        Err(error) => return ctx.out.error(error),
    };
    let (db, env) = (ctx.ks.db(ctx.db), ctx.env);
    let value_of = |key| {
        let alive = db.get(key).filter(|entry| !env.is_expired(entry.expiry()));
        alive.and_then(|entry| entry.str()).unwrap_or_default()
    };
    match Table::new(value_of(args.at(1)), value_of(args.at(2)), env.proto_max_bulk_len) {
        Ok(table) => table.reply(&options, ctx.out),
        Err(error) => ctx.out.error(error),
    }
}

fn parse(args: Args<'_>) -> Result<Options, &'static str> {
    let mut options = Options::default();
    let mut words = args.from(3).iter();
    while let Some(word) = words.next() {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("IDX") {
            options.ranges = true;
        } else if is("LEN") {
            options.len = true;
        } else if is("WITHMATCHLEN") {
            options.with_match_len = true;
        } else if is("MINMATCHLEN") {
            let len = words.next().ok_or(SYNTAX)?;
            options.min_match_len = parse_i64(len).ok_or(NOT_INTEGER)?.max(0) as usize;
        } else {
            return Err(SYNTAX);
        }
    }
    if options.len && options.ranges {
        return Err("ERR If you want both the length and indexes, please just use IDX.");
    }
    Ok(options)
}

/// The lengths of the longest common subsequences of all pairs of prefixes.
struct Table<'a> {
    a: &'a [u8],
    b: &'a [u8],
    /// Row by row, `b.len() + 1` to the row.
    lens: Vec<u32>,
}

/// A stretch that both strings share: where it begins in each, and its length.
#[derive(Clone, Copy)]
struct Match {
    a: usize,
    b: usize,
    len: usize,
}

impl<'a> Table<'a> {
    fn new(a: &'a [u8], b: &'a [u8], max_bytes: usize) -> Result<Self, &'static str> {
        // A length has to fit a cell.
        if a.len().max(b.len()) >= u32::MAX as usize - 1 {
            return Err("ERR String too long for LCS");
        }
        let cells = (a.len() as u64 + 1) * (b.len() as u64 + 1);
        if cells.saturating_mul(4) > max_bytes as u64 {
            return Err("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
        }
        let mut lens: Vec<u32> = Vec::new();
        if lens.try_reserve_exact(cells as usize).is_err() {
            return Err("ERR Insufficient memory, failed allocating transient memory for LCS");
        }
        lens.resize(cells as usize, 0);
        let width = b.len() + 1;
        for (i, byte) in a.iter().enumerate() {
            let (above, row) = lens[i * width..(i + 2) * width].split_at_mut(width);
            for (j, other) in b.iter().enumerate() {
                row[j + 1] = if byte == other { above[j] + 1 } else { above[j + 1].max(row[j]) };
            }
        }
        Ok(Table { a, b, lens })
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.lens[i * (self.b.len() + 1) + j]
    }

    fn len(&self) -> usize {
        self.at(self.a.len(), self.b.len()) as usize
    }

    /// The stretches that make up the subsequence, from the end of the strings to their beginning: the order
    /// in which they are found.
    fn matches(&self) -> Vec<Match> {
        let mut matches: Vec<Match> = Vec::new();
        let (mut i, mut j) = (self.a.len(), self.b.len());
        while i > 0 && j > 0 {
            if self.a[i - 1] == self.b[j - 1] {
                (i, j) = (i - 1, j - 1);
                match matches.last_mut() {
                    Some(last) if last.a == i + 1 && last.b == j + 1 => {
                        *last = Match { a: i, b: j, len: last.len + 1 }
                    }
                    _ => matches.push(Match { a: i, b: j, len: 1 }),
                }
            } else if self.at(i - 1, j) > self.at(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        matches
    }

    fn reply(&self, options: &Options, out: &mut ReplyBuf) {
        if options.len {
            return out.int(self.len() as i64);
        }
        let matches = self.matches();
        if !options.ranges {
            let mut text = Vec::with_capacity(self.len());
            for one in matches.iter().rev() {
                text.extend_from_slice(&self.a[one.a..one.a + one.len]);
            }
            return out.bulk(&text);
        }
        let long_enough = || matches.iter().filter(|one| one.len >= options.min_match_len);
        out.map(2);
        out.bulk(b"matches");
        out.array(long_enough().count());
        for one in long_enough() {
            out.array(if options.with_match_len { 3 } else { 2 });
            for start in [one.a, one.b] {
                out.array(2);
                out.int(start as i64);
                out.int((start + one.len - 1) as i64);
            }
            if options.with_match_len {
                out.int(one.len as i64);
            }
        }
        out.bulk(b"len");
        out.int(self.len() as i64);
    }
}
