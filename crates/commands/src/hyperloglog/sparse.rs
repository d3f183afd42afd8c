//! Registers as runs of equal ones, while most of them are 0.

use super::hash::Mark;
use super::value::HEADER;
use super::{Corrupt, REGISTERS, dense};

/// The largest rank that a run can say.
pub(super) const MAX_RANK: u8 = 32;
/// The longest run of one byte with a rank.
const MAX_RUN: usize = 4;
/// The longest run of zeros of one byte.
const MAX_SHORT_ZEROS: usize = 64;

/// One opcode: so many registers of one rank.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    pub rank: u8,
    pub len: usize,
    /// Zeros of two bytes, which may be few all the same: somebody else may have written them.
    pub long: bool,
}

impl Run {
    /// The opcode at the front of `ops`.
    #[inline]
    pub(super) fn first(ops: &[u8]) -> Option<Run> {
        let byte = *ops.first()?;
        Some(match byte >> 6 {
            0 => Run { rank: 0, len: usize::from(byte) + 1, long: false },
            1 => {
                let low = usize::from(*ops.get(1)?);
                Run { rank: 0, len: (usize::from(byte & 0x3f) << 8 | low) + 1, long: true }
            }
            _ => Run { rank: (byte >> 2 & 0x1f) + 1, len: usize::from(byte & 3) + 1, long: false },
        })
    }

    /// Bytes of the opcode.
    #[inline]
    pub(super) fn bytes(self) -> usize {
        1 + usize::from(self.long)
    }
}

/// An opcode with a rank.
fn ranked(rank: u8, len: usize) -> u8 {
    debug_assert!((1..=MAX_RANK).contains(&rank) && (1..=MAX_RUN).contains(&len));
    0x80 | (rank - 1) << 2 | (len - 1) as u8
}

/// A few opcodes on their way into the place of one.
#[derive(Default)]
struct Sequence {
    bytes: [u8; 5],
    len: usize,
}

impl Sequence {
    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn push_run(&mut self, rank: u8, len: usize) {
        match (rank, len) {
            (_, 0) => {}
            (0, len) if len > MAX_SHORT_ZEROS => {
                self.push(0x40 | ((len - 1) >> 8) as u8);
                self.push((len - 1) as u8);
            }
            (0, len) => self.push((len - 1) as u8),
            (rank, len) => self.push(ranked(rank, len)),
        }
    }
}

/// Registers of which none has seen anything.
pub(super) fn empty() -> [u8; 2] {
    let mut sequence = Sequence::default();
    sequence.push_run(0, REGISTERS);
    [sequence.bytes[0], sequence.bytes[1]]
}

/// Calls `f` with each run and its first register. Corrupt unless the runs are all registers exactly.
pub(super) fn for_each(mut ops: &[u8], mut f: impl FnMut(usize, Run)) -> Result<(), Corrupt> {
    let mut first = 0;
    while !ops.is_empty() {
        let run = Run::first(ops).ok_or(Corrupt)?;
        if first + run.len > REGISTERS {
            return Err(Corrupt);
        }
        f(first, run);
        first += run.len;
        ops = &ops[run.bytes()..];
    }
    if first == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// The same registers, packed.
pub(super) fn to_dense(ops: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let mut packed = vec![0; dense::BYTES];
    for_each(ops, |first, run| {
        if run.rank > 0 {
            (first..first + run.len).for_each(|index| dense::set(&mut packed, index, run.rank));
        }
    })?;
    Ok(packed)
}

/// A place between opcodes: a byte of the value, and the register that comes next.
#[derive(Clone, Copy)]
struct Place {
    at: usize,
    register: usize,
}

const FRONT: Place = Place { at: HEADER, register: 0 };

/// The opcode of a register, found by walking.
struct Found {
    place: Place,
    run: Run,
    /// The opcode before it, or itself if it is the first.
    before: Place,
    /// The one before that.
    before_that: Place,
}

fn find(value: &[u8], from: Place, index: usize) -> Result<Found, Corrupt> {
    let (mut place, mut before, mut before_that) = (from, from, from);
    loop {
        let run = value.get(place.at..).and_then(Run::first).ok_or(Corrupt)?;
        if index < place.register + run.len {
            return Ok(Found { place, run, before, before_that });
        }
        (before_that, before) = (before, place);
        place.at += run.bytes();
        place.register += run.len;
    }
}

/// The rank of a register.
pub(super) fn get(value: &[u8], index: usize) -> Result<u8, Corrupt> {
    find(value, FRONT, index).map(|found| found.run.rank)
}

/// What became of a wish to raise a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Raised {
    /// It is as high already.
    No,
    /// Done.
    Yes,
    /// Not in this form: the rank is too high, or the value would grow longer than it may.
    NeedsDense,
}

/// Where to begin looking for higher registers than that of the last change, so that many in rising order don't walk any part
/// twice: two opcodes before it, since it may have been joined with the one before, and what is looked for must be found with the
/// opcode before it.
#[derive(Clone, Copy)]
pub(super) struct Walk {
    resume: Place,
}

impl Walk {
    pub(super) fn new() -> Self {
        Walk { resume: FRONT }
    }

    /// Raises a register to `rank`. Which opcodes come out is part of the format, so to say: other servers must end with the very
    /// same bytes, or datasets that are equal would not look it.
    pub(super) fn raise(
        &mut self,
        value: &mut Vec<u8>,
        mark: Mark,
        max_bytes: usize,
    ) -> Result<Raised, Corrupt> {
        let Mark { index, rank } = mark;
        if rank > MAX_RANK {
            return Ok(Raised::NeedsDense);
        }
        let from = if index < self.resume.register { FRONT } else { self.resume };
        let mut found = find(value, from, index)?;
        if found.place.at == from.at && from.at != FRONT.at {
            // What stands before it is known only from the front.
            found = find(value, FRONT, index)?;
        }
        let Found { place, run, before, before_that } = found;
        self.resume = before_that;
        if run.rank >= rank {
            return Ok(Raised::No);
        }
        let (left, right) = (index - place.register, place.register + run.len - index - 1);
        let mut sequence = Sequence::default();
        sequence.push_run(run.rank, left);
        sequence.push_run(rank, 1);
        sequence.push_run(run.rank, right);
        if sequence.len > run.bytes() && value.len() + sequence.len - run.bytes() > max_bytes {
            return Ok(Raised::NeedsDense);
        }
        value.splice(place.at..place.at + run.bytes(), sequence.bytes[..sequence.len].iter().copied());
        join(value, before.at);
        Ok(Raised::Yes)
    }
}

/// Joins neighbours of the same rank, as far as a change can have made some: over five opcodes from `at` on.
fn join(value: &mut Vec<u8>, mut at: usize) {
    for _ in 0..5 {
        let Some(run) = value.get(at..).and_then(Run::first) else { return };
        if run.rank > 0
            && let Some(next) = value.get(at + 1..).and_then(Run::first)
            && next.rank == run.rank
            && run.len + next.len <= MAX_RUN
        {
            value[at] = ranked(run.rank, run.len + next.len);
            value.remove(at + 1);
            continue;
        }
        at += run.bytes();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unpack(value: &[u8]) -> Vec<u8> {
        let mut registers = Vec::new();
        for_each(&value[HEADER..], |_, run| registers.extend(std::iter::repeat_n(run.rank, run.len)))
            .expect("all registers");
        registers
    }

    fn new() -> Vec<u8> {
        [&[0; HEADER][..], &empty()].concat()
    }

    proptest! {
        #[test]
        fn registers_are_what_a_list_of_them_says(
            marks in proptest::collection::vec((prop_oneof![0usize..40, 0..REGISTERS], 1u8..6), 0..300),
            rising: bool,
        ) {
            let mut marks = marks;
            if rising {
                marks.sort();
            }
            let mut model = vec![0u8; REGISTERS];
            let mut value = new();
            let mut walk = Walk::new();
            for (index, rank) in &marks {
                let mark = Mark { index: *index, rank: *rank };
                let raised = walk.raise(&mut value, mark, usize::MAX).expect("intact");
                prop_assert_eq!(raised == Raised::Yes, model[*index] < *rank);
                model[*index] = model[*index].max(*rank);
            }
            // Resuming must not change the outcome.
            let mut again = new();
            for (index, rank) in &marks {
                let mark = Mark { index: *index, rank: *rank };
                Walk::new().raise(&mut again, mark, usize::MAX).expect("intact");
            }
            prop_assert_eq!(&value, &again);
            for (index, _) in &marks {
                prop_assert_eq!(get(&value, *index), Ok(model[*index]));
            }
            let packed = to_dense(&value[HEADER..]).expect("intact");
            prop_assert!((0..REGISTERS).all(|index| dense::get(&packed, index) == model[index]));
            prop_assert_eq!(unpack(&value), model);
        }

        #[test]
        fn any_bytes_are_taken(ops in proptest::collection::vec(any::<u8>(), 0..300), index in 0..REGISTERS) {
            let mut value = [vec![0; HEADER], ops].concat();
            let intact = for_each(&value[HEADER..], |_, _| {}).is_ok();
            let raised = Walk::new().raise(&mut value, Mark { index, rank: 32 }, 400);
            prop_assert!(raised.is_ok() || !intact);
            let _ = to_dense(&value[HEADER..]);
        }
    }

    #[test]
    fn what_does_not_fit() {
        let mut value = new();
        let mut raise = |index, rank| Walk::new().raise(&mut value, Mark { index, rank }, HEADER + 5);
        assert_eq!(raise(5, 33), Ok(Raised::NeedsDense));
        assert_eq!(raise(5, 32), Ok(Raised::Yes));
        assert_eq!(raise(5, 31), Ok(Raised::No));
        assert_eq!(raise(7, 1), Ok(Raised::NeedsDense));
        assert_eq!(raise(4, 32), Ok(Raised::Yes));
        assert_eq!(value.len(), HEADER + 4);
    }

    #[test]
    fn an_empty_one() {
        assert_eq!(empty(), [0x7f, 0xff]);
    }
}
