//! A fair choice in one pass.

/// Chooses some of a number of things in one pass, each choice of so many with the same chance.
pub(super) struct Choice {
    wanted: usize,
    left: usize,
}

impl Choice {
    /// Of `wanted` out of `len` things, or of all if there are no more.
    pub(super) fn new(wanted: usize, len: usize) -> Self {
        Choice { wanted: wanted.min(len), left: len }
    }

    /// Whether the next one is chosen.
    pub(super) fn next(&mut self, rng: &mut fastrand::Rng) -> bool {
        if self.wanted == 0 {
            return false;
        }
        let chosen = rng.usize(..self.left.max(1)) < self.wanted;
        self.left -= 1;
        self.wanted -= usize::from(chosen);
        chosen
    }
}
