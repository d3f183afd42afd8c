//! How many bits are set.

use resp::Args;

use super::range::Range;
use super::words;
use crate::Ctx;
use crate::errors::WRONG_TYPE;

/// BITCOUNT key [start [end [BYTE | BIT]]]
pub(crate) fn bitcount(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let range = match Range::parse(args, 2) {
        Ok(range) => range,
        Err(error) => return ctx.out.error(error),
    };
    ctx.read(args.at(1), |entry, out| match entry.map(|entry| entry.str()) {
        None => out.int(0),
        Some(Some(string)) => match range.resolve(string.len()) {
            Some((from, to)) if !range.is_reversed() => out.int(count(string, from, to) as i64),
            _ => out.int(0),
        },
        Some(None) => out.error(WRONG_TYPE),
    });
}

/// The bits that are set from bit `from` to before bit `to`, which lies behind it.
fn count(string: &[u8], from: u64, to: u64) -> u64 {
    let bytes = &string[(from / 8) as usize..to.div_ceil(8) as usize];
    let before = bytes[0] & !(0xff >> (from % 8));
    let behind = match to % 8 {
        0 => 0,
        kept => bytes[bytes.len() - 1] & (0xff >> kept),
    };
    words::count_ones(bytes) - u64::from(before.count_ones()) - u64::from(behind.count_ones())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_a_loop_counts() {
        let string: Vec<u8> = (0..40u32).map(|at| (at * 89 + 7) as u8).collect();
        let bit = |at: u64| string[(at / 8) as usize] >> (7 - at % 8) & 1;
        for from in 0..60 {
            for to in from + 1..=320 {
                let want: u64 = (from..to).map(|at| u64::from(bit(at))).sum();
                assert_eq!(count(&string, from, to), want, "{from}..{to}");
            }
        }
    }
}
