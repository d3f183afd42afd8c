//! Events that took longer than `latency-monitor-threshold`.

use std::collections::{BTreeMap, VecDeque};

/// Spikes of one kind that are kept.
const KEPT: usize = 160;

/// The longest event of one second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Spike {
    pub unix_s: u64,
    pub millis: u64,
}

/// Spikes of one kind.
#[derive(Default)]
pub(crate) struct Series {
    /// Oldest first.
    pub samples: VecDeque<Spike>,
    /// The longest of all times.
    pub max_millis: u64,
    /// Of all times together.
    pub sum_millis: u64,
    pub count: u64,
}

/// Spikes by the names of their kinds.
#[derive(Default)]
pub(crate) struct Spikes {
    series: BTreeMap<&'static str, Series>,
}

impl Spikes {
    pub fn add(&mut self, kind: &'static str, spike: Spike) {
        let series = self.series.entry(kind).or_default();
        series.max_millis = series.max_millis.max(spike.millis);
        series.sum_millis += spike.millis;
        series.count += 1;
        match series.samples.back_mut() {
            // One second has one spike, its longest.
            Some(last) if last.unix_s == spike.unix_s => last.millis = last.millis.max(spike.millis),
            _ => {
                series.samples.push_back(spike);
                if series.samples.len() > KEPT {
                    series.samples.pop_front();
                }
            }
        }
    }

    pub fn get(&self, kind: &[u8]) -> Option<&Series> {
        let (_, series) = self.series.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(kind))?;
        Some(series)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'static str, &Series)> {
        self.series.iter().map(|(kind, series)| (*kind, series))
    }

    /// Forgets one kind, or all; how many those were.
    pub fn reset(&mut self, kind: Option<&[u8]>) -> usize {
        let before = self.series.len();
        self.series.retain(|name, _| kind.is_some_and(|kind| !name.as_bytes().eq_ignore_ascii_case(kind)));
        before - self.series.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spike_a_second_and_not_too_many() {
        let mut spikes = Spikes::default();
        for (unix_s, millis) in [(1, 10), (1, 30), (1, 20), (2, 5)] {
            spikes.add("command", Spike { unix_s, millis });
        }
        let series = spikes.get(b"COMMAND").expect("there is one");
        assert_eq!(series.samples, [Spike { unix_s: 1, millis: 30 }, Spike { unix_s: 2, millis: 5 }]);
        assert_eq!((series.max_millis, series.sum_millis, series.count), (30, 65, 4));
        for unix_s in 10..1000 {
            spikes.add("fast-command", Spike { unix_s, millis: 1 });
        }
        assert_eq!(spikes.get(b"fast-command").expect("there is one").samples.len(), KEPT);
        assert_eq!(spikes.reset(Some(b"nothing")), 0);
        assert_eq!(spikes.reset(Some(b"command")), 1);
        assert_eq!(spikes.reset(None), 1);
        assert_eq!(spikes.iter().len(), 0);
    }
}
