//! PFSELFTEST: whether counting works on this machine.

use resp::Args;

use super::draft::Draft;
use super::estimate::Histogram;
use super::hash::Mark;
use super::value::{Form, Hll};
use super::{REGISTERS, Registers, dense};
use crate::Ctx;

/// So many elements are counted: the server does nothing else meanwhile.
const ELEMENTS: u64 = 1_000_000;

/// PFSELFTEST
pub(crate) fn pfselftest(ctx: &mut Ctx<'_>, _args: Args<'_>) {
    let seed = ctx.rng.u64(..);
    let result = packing(ctx.rng).and_then(|()| counting(seed, ctx.env.limits.hll_sparse_max_bytes));
    match result {
        Ok(()) => ctx.out.ok(),
        Err(text) => ctx.out.error(&format!("ERR TESTFAILED {text}")),
    }
}

/// Registers keep what they are set to, and leave their neighbours alone.
fn packing(rng: &mut fastrand::Rng) -> Result<(), String> {
    let mut packed = vec![0; dense::BYTES];
    for _ in 0..10 {
        let ranks: Vec<u8> = (0..REGISTERS).map(|_| rng.u8(0..64)).collect();
        for (index, rank) in ranks.iter().enumerate() {
            dense::set(&mut packed, index, *rank);
        }
        for (index, rank) in ranks.iter().enumerate() {
            let found = dense::get(&packed, index);
            if found != *rank {
                return Err(format!("Register {index} should be {rank} but is {found}"));
            }
        }
    }
    Ok(())
}

/// Both forms count the same, and nearly what was added.
fn counting(seed: u64, max_sparse: usize) -> Result<(), String> {
    let mut registers: Registers = [0; REGISTERS];
    let mut draft = Draft::empty(max_sparse);
    let mut checkpoint = 1;
    for number in 1..=ELEMENTS {
        let mark = Mark::of(&(number ^ seed).to_le_bytes());
        registers[mark.index] = registers[mark.index].max(mark.rank);
        draft.raise(mark).map_err(|_| "the sparse encoding is corrupt".to_owned())?;
        if number < checkpoint {
            continue;
        }
        let value = draft.value();
        let Some(hll) = Hll::of(value) else { return Err("no HyperLogLog".to_owned()) };
        if hll.form() == Form::Dense && number < max_sparse as u64 / 2 {
            return Err("sparse encoding not used".to_owned());
        }
        let count = Histogram::of(&registers).estimate();
        if hll.histogram().map(|histogram| histogram.estimate()) != Ok(count) {
            return Err("dense/sparse disagree".to_owned());
        }
        let error = count.abs_diff(number);
        // Six times the usual error, so that this fails for a reason.
        let most = (1.04 / (REGISTERS as f64).sqrt() * 6.0 * number as f64).ceil() as u64;
        if error > most {
            return Err(format!("Too big error. card:{number} abserr:{error}"));
        }
        checkpoint *= 10;
    }
    Ok(())
}
