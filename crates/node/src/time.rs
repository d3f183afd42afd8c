//! The time as it is given to a node.

/// One reading of both clocks. A node never reads a clock itself: whoever drives it says what time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    /// Wall clock, microseconds since the Unix epoch: expiry, TIME, LASTSAVE.
    pub unix_us: u64,
    /// Monotonic clock in microseconds since any fixed moment: timeouts and intervals.
    pub mono_us: u64,
}

impl Now {
    /// Wall clock in milliseconds since the Unix epoch.
    pub fn unix_ms(self) -> u64 {
        self.unix_us / 1000
    }

    /// Wall clock in seconds since the Unix epoch.
    pub fn unix_s(self) -> u64 {
        self.unix_us / 1_000_000
    }

    /// Monotonic clock in milliseconds.
    pub fn mono_ms(self) -> u64 {
        self.mono_us / 1000
    }
}
