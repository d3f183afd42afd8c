//! A set of command numbers.

/// One bit a command.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct CommandSet {
    words: Box<[u64]>,
}

impl CommandSet {
    /// Room for numbers below `len`; all of them in it, or none.
    pub fn new(len: usize, full: bool) -> CommandSet {
        CommandSet { words: vec![if full { u64::MAX } else { 0 }; len.div_ceil(64)].into() }
    }

    #[inline]
    pub fn contains(&self, number: usize) -> bool {
        self.words.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    pub fn set(&mut self, number: usize, member: bool) {
        if let Some(word) = self.words.get_mut(number / 64) {
            let bit = 1 << (number % 64);
            *word = if member { *word | bit } else { *word & !bit };
        }
    }

    pub fn fill(&mut self, member: bool) {
        self.words.fill(if member { u64::MAX } else { 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_and_go() {
        let mut set = CommandSet::new(65, false);
        assert!(!set.contains(64) && !set.contains(0) && !set.contains(1000));
        set.set(64, true);
        set.set(1000, true);
        assert!(set.contains(64) && !set.contains(63) && !set.contains(1000));
        set.fill(true);
        set.set(3, false);
        assert!(set.contains(2) && !set.contains(3) && set.contains(64));
    }
}
