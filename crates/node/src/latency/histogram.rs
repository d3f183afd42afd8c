//! The distribution of a command's times.
//!
//! A bucket is as wide as a thirty-second of the power of two that it lies in, so a percentile is right to about three per cent.

/// Buckets of one power of two.
const STEPS: u32 = 32;
const STEP_BITS: u32 = STEPS.ilog2();
/// Times are taken for no more than so many nanoseconds, a second and a little.
const MAX_BITS: u32 = 30;
const BUCKETS: usize = ((MAX_BITS - STEP_BITS + 1) * STEPS) as usize;

/// Where a time is counted.
#[inline]
pub(crate) fn bucket_of(nanos: u64) -> usize {
    let nanos = nanos.min((1 << MAX_BITS) - 1) as u32;
    if nanos < STEPS {
        return nanos as usize;
    }
    let shift = nanos.ilog2() - STEP_BITS;
    (shift * STEPS + (nanos >> shift)) as usize
}

/// The longest time that is counted in a bucket.
fn longest_in(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let steps = u64::from(STEPS);
    if bucket < 2 * steps {
        return bucket;
    }
    let shift = bucket / steps - 1;
    (((bucket % steps) + steps + 1) << shift) - 1
}

/// How often a command took how long.
pub(crate) struct Histogram {
    counts: Box<[u64; BUCKETS]>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: Box::new([0; BUCKETS]), total: 0 }
    }
}

impl Histogram {
    #[inline]
    pub fn record(&mut self, bucket: usize) {
        self.counts[bucket] += 1;
        self.total += 1;
    }

    /// How many times were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The time that so many of a hundred stay within, in nanoseconds.
    pub fn percentile(&self, percent: f64) -> u64 {
        // Of a hundred times the 50th is the median, and the first is the shortest.
        let wanted = ((percent / 100.0 * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return longest_in(bucket);
            }
        }
        0
    }

    /// How many times stayed within each power of two of microseconds; those left out at which no more have come.
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        let mut steps: Vec<(u64, u64)> = Vec::new();
        let mut within = 0;
        let mut micros = 1;
        for (bucket, &count) in self.counts.iter().enumerate() {
            while longest_in(bucket) > micros * 1024 {
                micros *= 2;
            }
            if count == 0 {
                continue;
            }
            within += count;
            match steps.last_mut() {
                Some((last, sum)) if *last == micros => *sum = within,
                _ => steps.push((micros, within)),
            }
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order_and_narrow() {
        let mut last = 0;
        for nanos in (0..100_000).chain([1_000_000, 50_000_000, 999_999_999]) {
            let bucket = bucket_of(nanos);
            assert!(bucket == last || nanos >= 100_000 || bucket == last + 1, "{nanos}");
            last = bucket;
            let longest = longest_in(bucket);
            assert!(longest >= nanos && longest as f64 <= nanos as f64 * 1.04 + 1.0, "{nanos} {longest}");
        }
        assert!(bucket_of(u64::MAX) < BUCKETS);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_of_known_times() {
        let mut times = Histogram::default();
        for micros in 1..=100_u64 {
            times.record(bucket_of(micros * 1000));
        }
        assert_eq!(times.total(), 100);
        for (percent, micros) in [(0.0, 1.0), (50.0, 50.0), (99.0, 99.0), (100.0, 100.0)] {
            let found = times.percentile(percent) as f64 / 1000.0;
            assert!((found / micros - 1.0).abs() < 0.04, "{percent}: {found}");
        }
        let steps = times.cumulative();
        assert_eq!(steps.last(), Some(&(128, 100)));
        assert!(steps.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1), "{steps:?}");
    }
}
