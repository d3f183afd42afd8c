//! Looking inside.

use resp::Args;

use super::add::replace;
use super::sparse::Run;
use super::value::{Form, Hll};
use super::{CORRUPT, NOT_HLL, REGISTERS, dense};
use crate::Ctx;
use crate::errors::WRONG_TYPE;

/// PFDEBUG GETREG | DECODE | ENCODING | TODENSE key, PFDEBUG SIMD ON | OFF
pub(crate) fn pfdebug(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (word, key) = (args.at(1), args.at(2));
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    if is("simd") {
        return simd(ctx, key);
    }
    let Some(entry) = ctx.lookup_write(key) else {
        return ctx.out.error("ERR The specified key does not exist");
    };
    let hll = match entry.str().map(Hll::of) {
        Some(Some(hll)) => hll,
        Some(None) => return ctx.out.error(NOT_HLL),
        None => return ctx.out.error(WRONG_TYPE),
    };
    let form = hll.form();
    if is("getreg") || is("todense") {
        let converts = form == Form::Sparse;
        let Ok(value) = hll.to_dense() else { return ctx.out.error(CORRUPT) };
        if is("todense") {
            ctx.out.int(i64::from(converts));
        } else {
            let registers = Hll::of(&value).map(|hll| hll.registers()).unwrap_or_default();
            ctx.out.array(REGISTERS);
            (0..REGISTERS).for_each(|index| ctx.out.int(i64::from(dense::get(registers, index))));
        }
        if converts {
            ctx.update(key, |entry| replace(entry, &value));
            ctx.touch_key(ctx.db, key);
            ctx.fx.dirty += 1;
        }
    } else if is("decode") {
        if form == Form::Dense {
            return ctx.out.error("ERR HLL encoding is not sparse");
        }
        let text = decode(hll.registers());
        ctx.out.bulk(text.as_bytes());
    } else if is("encoding") {
        ctx.out.simple(if form == Form::Dense { "dense" } else { "sparse" });
    } else {
        let word = String::from_utf8_lossy(word);
        ctx.out.error(&format!("ERR Unknown PFDEBUG subcommand '{word}'"));
    }
}

/// There is one implementation here, which the compiler makes into vector instructions as it sees fit: the switch is taken so that
/// tests written for others go through both its positions.
fn simd(ctx: &mut Ctx<'_>, word: &[u8]) {
    match () {
        () if word.eq_ignore_ascii_case(b"on") => ctx.out.simple("enabled"),
        () if word.eq_ignore_ascii_case(b"off") => ctx.out.simple("disabled"),
        () => ctx.out.error("ERR Argument must be ON or OFF"),
    }
}

/// The opcodes as text: `z:` and `Z:` are zeros of one and of two bytes, `v:` a rank and how many registers have it.
fn decode(mut ops: &[u8]) -> String {
    let mut words = Vec::new();
    while let Some(run) = Run::first(ops) {
        words.push(match run {
            Run { rank: 0, len, long: false } => format!("z:{len}"),
            Run { rank: 0, len, .. } => format!("Z:{len}"),
            Run { rank, len, .. } => format!("v:{rank},{len}"),
        });
        ops = &ops[run.bytes()..];
    }
    words.join(" ")
}
