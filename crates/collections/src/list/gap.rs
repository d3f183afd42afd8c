//! Bytes with free room at both ends.

use std::ops::Range;

use super::End;

/// The capacities that a buffer grows through. Each is by half or more above the one before, so that a byte is copied twice at the
/// most on average while a buffer fills; each is one that allocators give without loss.
const CAPACITIES: [usize; 11] = [64, 128, 256, 512, 1024, 1536, 2048, 3072, 4096, 6144, MAX_CAPACITY];

/// The capacity that no buffer grows beyond unless its content alone is longer.
pub(super) const MAX_CAPACITY: usize = 8192;

/// A sequence of bytes that takes more at either end without moving what it has.
#[derive(Clone, Default)]
pub(super) struct GapBuf {
    bytes: Box<[u8]>,
    /// Invariant: `start <= end <= bytes.len()`.
    start: u32,
    end: u32,
}

impl GapBuf {
    /// Without content, but with memory for `len` bytes.
    pub fn with_capacity(len: usize) -> Self {
        GapBuf { bytes: vec![0; capacity_for(len)].into(), start: 0, end: 0 }
    }

    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start as usize..self.end as usize]
    }

    #[inline]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start as usize..self.end as usize]
    }

    #[inline]
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Bytes of memory held.
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Whether `len` more bytes at this end cost next to nothing: there is room, or getting some is paid for by many pushes to come.
    #[inline]
    pub fn takes(&self, end: End, len: usize) -> bool {
        /// Less room than this is not worth moving the rest of a full buffer for.
        const WORTH_MOVING: usize = MAX_CAPACITY / 8;
        if self.room(end) >= len {
            return true;
        }
        let total = self.len() + len;
        total <= MAX_CAPACITY && (self.bytes.len() < MAX_CAPACITY || MAX_CAPACITY - total >= WORTH_MOVING)
    }

    #[inline]
    fn room(&self, end: End) -> usize {
        match end {
            End::Front => self.start as usize,
            End::Back => self.bytes.len() - self.end as usize,
        }
    }

    /// Adds `len` bytes at one end, for the caller to fill.
    #[inline]
    pub fn extend(&mut self, end: End, len: usize) -> &mut [u8] {
        if self.room(end) < len {
            let at = if end == End::Front { 0 } else { self.len() };
            self.make_room(end, at, len);
        } else if end == End::Front {
            self.start -= len as u32;
        } else {
            self.end += len as u32;
        }
        let from = if end == End::Front { self.start } else { self.end - len as u32 } as usize;
        &mut self.bytes[from..from + len]
    }

    /// Makes `len` bytes of room at `at`, for the caller to fill, and moves no more for it than it has to.
    pub fn open(&mut self, at: usize, len: usize) -> &mut [u8] {
        let (before, after) = (at, self.len() - at);
        let side = if before <= after { End::Front } else { End::Back };
        let from = self.start as usize;
        if self.room(side) >= len {
            match side {
                End::Front => self.bytes.copy_within(from..from + before, from - len),
                End::Back => self.bytes.copy_within(from + at..self.end as usize, from + at + len),
            }
            self.place(if side == End::Front { from - len } else { from }, before + after + len);
        } else {
            self.make_room(side, at, len);
        }
        let hole = self.start as usize + at;
        &mut self.bytes[hole..hole + len]
    }

    /// [`GapBuf::open`] where one side has not enough room: takes half of what the other side has, or has more memory.
    #[cold]
    fn make_room(&mut self, side: End, at: usize, len: usize) {
        let total = self.len() + len;
        let from = self.start as usize;
        let free = self.bytes.len().saturating_sub(total);
        let fits = total <= self.bytes.len();
        if fits && (free >= self.bytes.len() / 8 || self.bytes.len() >= MAX_CAPACITY) {
            let start = if side == End::Front { free - free / 2 } else { free / 2 };
            let (first, second) = (from..from + at, from + at..self.end as usize);
            // The piece that is further on in the direction goes first, out of the way of the other.
            if start >= from {
                self.bytes.copy_within(second, start + at + len);
                self.bytes.copy_within(first, start);
            } else {
                self.bytes.copy_within(first, start);
                self.bytes.copy_within(second, start + at + len);
            }
            return self.place(start, total);
        }
        let capacity = capacity_for(total.max(self.bytes.len() + 1));
        let mut bytes = vec![0; capacity].into_boxed_slice();
        // What is new is all for the side that asks; the other keeps what it has.
        let start = match side {
            End::Front => capacity - total - self.room(End::Back).min(capacity - total),
            End::Back => from.min(capacity - total),
        };
        let (first, second) = self.as_slice().split_at(at);
        bytes[start..start + at].copy_from_slice(first);
        bytes[start + at + len..start + total].copy_from_slice(second);
        self.bytes = bytes;
        self.place(start, total);
    }

    /// Takes the bytes of `range` out, and moves no more for it than it has to.
    #[inline]
    pub fn close(&mut self, range: Range<usize>) {
        let (before, after, len) = (range.start, self.len() - range.end, range.len());
        let (start, end) = (self.start as usize, self.end as usize);
        if before <= after {
            if before > 0 {
                self.bytes.copy_within(start..start + before, start + len);
            }
            self.place(start + len, before + after);
        } else {
            if after > 0 {
                self.bytes.copy_within(end - after..end, end - after - len);
            }
            self.place(start, before + after);
        }
        if self.len() * 4 < self.bytes.len() && self.bytes.len() > CAPACITIES[2] {
            self.shrink();
        }
    }

    /// Gives back memory of which most is free.
    #[cold]
    fn shrink(&mut self) {
        let capacity = capacity_for(self.len() * 2);
        let mut bytes = vec![0; capacity].into_boxed_slice();
        let start = (capacity - self.len()) / 2;
        bytes[start..start + self.len()].copy_from_slice(self.as_slice());
        let len = self.len();
        self.bytes = bytes;
        self.place(start, len);
    }

    #[inline]
    fn place(&mut self, start: usize, len: usize) {
        self.start = start as u32;
        self.end = (start + len) as u32;
    }
}

/// The capacity for a content of `len` bytes.
fn capacity_for(len: usize) -> usize {
    CAPACITIES.into_iter().find(|&capacity| capacity >= len).unwrap_or(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Extend(bool, usize),
        Open(usize, usize),
        Close(usize, usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (any::<bool>(), 0usize..300).prop_map(|(front, len)| Step::Extend(front, len)),
            2 => (0usize..10_000, 0usize..300).prop_map(|(at, len)| Step::Open(at, len)),
            1 => (0usize..10_000, 0usize..5000).prop_map(|(at, len)| Step::Close(at, len)),
        ];
        proptest::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn behaves_like_a_vector(steps in steps()) {
            let (mut own, mut model, mut next) = (GapBuf::default(), Vec::<u8>::new(), 0u8);
            let mut fill = |target: &mut [u8]| target.fill_with(|| { next = next.wrapping_add(1); next });
            for step in steps {
                match step {
                    Step::Extend(front, len) => {
                        let end = if front { End::Front } else { End::Back };
                        let new = own.extend(end, len);
                        fill(new);
                        let at = if front { 0 } else { model.len() };
                        model.splice(at..at, new.iter().copied());
                    }
                    Step::Open(at, len) => {
                        let at = at % (model.len() + 1);
                        let new = own.open(at, len);
                        fill(new);
                        model.splice(at..at, new.iter().copied());
                    }
                    Step::Close(at, len) => {
                        let at = at % (model.len() + 1);
                        let range = at..(at + len).min(model.len());
                        own.close(range.clone());
                        model.drain(range);
                    }
                }
                prop_assert_eq!(own.as_slice(), &model[..]);
                prop_assert!(own.capacity() <= model.len().max(64) * 5 + 256, "{} for {}", own.capacity(), model.len());
            }
        }
    }

    #[test]
    fn pushes_at_one_end_fill_the_whole_capacity() {
        for end in [End::Front, End::Back] {
            let mut own = GapBuf::default();
            while own.takes(end, 16) {
                own.extend(end, 16);
            }
            assert_eq!((own.len(), own.capacity()), (MAX_CAPACITY, MAX_CAPACITY));
        }
    }

    #[test]
    fn a_queue_is_not_moved_by_every_push() {
        let mut own = GapBuf::default();
        (0..300).for_each(|_| _ = own.extend(End::Front, 16));
        let mut moves = 0;
        for _ in 0..10_000 {
            moves += usize::from(own.room(End::Front) < 16);
            own.extend(End::Front, 16);
            own.close(own.len() - 16..own.len());
        }
        assert!(moves < 300, "{moves}");
    }
}
