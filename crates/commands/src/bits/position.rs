//! Where the first bit is that is set, or clear.

use resp::Args;

use super::range::Range;
use super::words;
use crate::Ctx;
use crate::errors::{NOT_INTEGER, WRONG_TYPE};
use crate::number::parse_i64;

/// BITPOS key bit [start [end [BYTE | BIT]]]
pub(crate) fn bitpos(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let wanted = match parse_i64(args.at(2)) {
        Some(0) => false,
        Some(1) => true,
        Some(_) => return ctx.out.error("ERR The bit argument must be 1 or 0."),
        None => return ctx.out.error(NOT_INTEGER),
    };
    let range = match Range::parse(args, 3) {
        Ok(range) => range,
        Err(error) => return ctx.out.error(error),
    };
    ctx.read(args.at(1), |entry, out| match entry.map(|entry| entry.str()) {
        // Without a key all bits are clear, endlessly.
        None => out.int(if wanted { -1 } else { 0 }),
        Some(Some(string)) => match range.resolve(string.len()) {
            None => out.int(-1),
            Some((from, to)) => match first(string, from, to, wanted) {
                Some(at) => out.int(at as i64),
                // Behind a string whose end was not asked to be respected all bits are clear.
                None if !wanted && !range.has_end() => out.int(to as i64),
                None => out.int(-1),
            },
        },
        Some(None) => out.error(WRONG_TYPE),
    });
}

/// The first bit that is `wanted` from bit `from` to before bit `to`, which lies behind it.
fn first(string: &[u8], from: u64, to: u64, wanted: bool) -> Option<u64> {
    let byte = (from / 8) as usize;
    // What to look for in a byte: ones, whichever bit is wanted.
    let flip = if wanted { 0 } else { 0xff };
    let partial = (string[byte] ^ flip) & (0xff >> (from % 8));
    let at = if partial != 0 {
        byte as u64 * 8 + u64::from(partial.leading_zeros())
    } else {
        let rest = &string[byte + 1..to.div_ceil(8) as usize];
        (byte as u64 + 1) * 8 + words::first(rest, wanted)?
    };
    (at < to).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_loop_finds() {
        for wanted in [false, true] {
            let background = if wanted { 0 } else { 0xff };
            for set in [0, 3, 8, 15, 64, 71, 190, 239] {
                let mut string = vec![background; 30];
                string[set / 8] ^= 0x80 >> (set % 8);
                let bit = |at: u64| (string[(at / 8) as usize] >> (7 - at % 8) & 1 == 1) == wanted;
                for from in 0..200 {
                    for to in from + 1..=240 {
                        assert_eq!(
                            first(&string, from, to, wanted),
                            (from..to).find(|at| bit(*at)),
                            "{set} in {from}..{to}"
                        );
                    }
                }
            }
        }
    }
}
