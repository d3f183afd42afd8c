//! Both clocks, read once a round.

use node::Now;
use rustix::time::{ClockId, clock_gettime};

/// The time of now on the wall clock and on the monotonic one.
pub fn now() -> Now {
    let unix = clock_gettime(ClockId::Realtime);
    Now {
        unix_us: (unix.tv_sec as u64) * 1_000_000 + unix.tv_nsec as u64 / 1000,
        mono_us: monotonic_ns() / 1000,
    }
}

/// The monotonic clock in nanoseconds.
pub fn monotonic_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    (time.tv_sec as u64) * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_standard_library() {
        let std =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as u64;
        let ours = now();
        assert!(ours.unix_us.abs_diff(std) < 10_000_000);
        assert!(now().mono_us >= ours.mono_us);
        assert!(monotonic_ns() / 1000 >= ours.mono_us);
    }
}
