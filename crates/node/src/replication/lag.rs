//! How late replicas are, in time.
//!
//! The master notes when its log had grown to where. A position that a replica has acknowledged then says how long ago the first byte
//! was written that it lacks. A replica of ours says in its acknowledgements what it has received, too (`RECEIVED`, which others
//! ignore); the pings in our stream say when they were sent, so that it knows by itself how old what it gets is. With peers of
//! other makes the same figures are worked out from what there is, and marked as estimated.

use std::collections::VecDeque;

use backlog::Offset;

/// So many notes are kept. When there are more, the older ones are thinned out…
const NOTES: usize = 1024;
/// …so that what they say is right but for about a so-many-th part.
const PRECISION: u64 = 32;
/// An acknowledgement comes each second; up to this age the last one is taken for the present state.
const ACK_FRESH_MS: u64 = 1100;

/// When the log had grown to where.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    /// Positions, and the moments by which everything before them had been written (monotonic milliseconds); both grow.
    notes: VecDeque<(Offset, u64)>,
}

impl Growth {
    /// The log ends here now.
    #[inline]
    pub fn note(&mut self, end: Offset, now_ms: u64) {
        match self.notes.back_mut() {
            Some((last, _)) if *last >= end => {
                if *last > end {
                    // A history that began anew.
                    self.notes.clear();
                }
            }
            Some((last, at)) if *at >= now_ms => *last = end,
            _ => self.add(end, now_ms),
        }
    }

    #[cold]
    fn add(&mut self, end: Offset, now_ms: u64) {
        if self.notes.capacity() < NOTES {
            // All at once, when the first replica is there: what grew while one lags would push keys out of a full cache.
            self.notes.reserve_exact(NOTES);
        }
        if self.notes.len() >= NOTES {
            self.thin_out(now_ms);
        }
        self.notes.push_back((end, now_ms));
    }

    /// Drops notes that are close to a later one, for their age.
    fn thin_out(&mut self, now_ms: u64) {
        let mut later = u64::MAX;
        // Each is taken from the back; what is kept goes to the front, and so is in order again in the end.
        for _ in 0..self.notes.len() {
            let Some((end, at)) = self.notes.pop_back() else { break };
            if later - at >= now_ms.saturating_sub(at) / PRECISION {
                self.notes.push_front((end, at));
                later = at;
            }
        }
        // Whatever the clock does, there is room again.
        self.notes.drain(..self.notes.len().saturating_sub(NOTES / 2 + NOTES / 4));
    }

    /// For how long somebody who has everything up to `position` has lacked something; 0 if he lacks nothing.
    pub fn lag_ms(&self, position: Offset, now_ms: u64) -> u64 {
        let first = self.notes.partition_point(|(end, _)| *end <= position);
        self.notes.get(first).map_or(0, |(_, at)| now_ms.saturating_sub(*at))
    }
}

/// What the last acknowledgement of a replica said.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Acknowledged {
    at_ms: u64,
    received_ms: u64,
    applied_ms: u64,
}

/// How late a replica is: what it has been sent, has received, and has applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lag {
    pub sent_ms: u64,
    pub received_ms: u64,
    pub applied_ms: u64,
    /// The replica says itself what it has received.
    pub measured: bool,
}

impl Lag {
    /// How late the replica was when this acknowledgement came.
    pub fn acknowledged(growth: &Growth, received: Offset, applied: Offset, now_ms: u64) -> Acknowledged {
        Acknowledged {
            at_ms: now_ms,
            received_ms: growth.lag_ms(received, now_ms),
            applied_ms: growth.lag_ms(applied, now_ms),
        }
    }

    /// How late it is now. What was written after its last acknowledgement it may have all the same; only if the next one fails to
    /// come does that count.
    pub fn of(
        growth: &Growth,
        last: Acknowledged,
        [sent, received, applied]: [Offset; 3],
        measured: bool,
        now_ms: u64,
    ) -> Lag {
        let fresh = now_ms.saturating_sub(last.at_ms) <= ACK_FRESH_MS;
        let now = |position: Offset, then_ms: u64| {
            let lag_ms = growth.lag_ms(position, now_ms);
            if fresh { lag_ms.min(then_ms) } else { lag_ms }
        };
        Lag {
            sent_ms: growth.lag_ms(sent, now_ms),
            received_ms: now(received, last.received_ms),
            applied_ms: now(applied, last.applied_ms),
            measured,
        }
    }
}

/// What a replica knows of how late it is itself.
#[derive(Debug, Default)]
pub(crate) struct LinkLag {
    /// When the connection was there (monotonic microseconds).
    connected_us: Option<u64>,
    /// Until the master's first answer it took so long.
    round_trip_us: Option<u64>,
    /// By how much the clocks differ, and what the way takes at least: the smallest difference between the time of a ping and that of
    /// its arrival.
    nearest_ms: Option<i64>,
    /// By how much the last ping was later than that.
    late_ms: u64,
    /// Since when there are bytes that have not been applied (monotonic milliseconds).
    unapplied_since: Option<u64>,
}

impl LinkLag {
    pub fn connected(&mut self, now_us: u64) {
        *self = LinkLag { connected_us: Some(now_us), ..LinkLag::default() };
    }

    /// Something has come.
    #[inline]
    pub fn heard(&mut self, now_us: u64) {
        if let Some(connected_us) = self.connected_us.take() {
            self.round_trip_us = Some(now_us.saturating_sub(connected_us));
        }
    }

    /// A ping has come that was sent then (Unix milliseconds by the master's clock).
    pub fn ping(&mut self, sent_ms: u64, now_unix_ms: u64) {
        let took = i64::try_from(now_unix_ms).unwrap_or(i64::MAX).saturating_sub_unsigned(sent_ms);
        let nearest = self.nearest_ms.map_or(took, |nearest| nearest.min(took));
        self.nearest_ms = Some(nearest);
        self.late_ms = took.abs_diff(nearest);
    }

    /// Whether all that has come is applied.
    #[inline]
    pub fn applied(&mut self, all: bool, now_ms: u64) {
        self.unapplied_since = if all { None } else { Some(self.unapplied_since.unwrap_or(now_ms)) };
    }

    /// Milliseconds by which what was received last, and what was applied last, is behind the master; and whether its pings said so.
    /// `overdue_ms` is for how much longer than usual nothing has come.
    pub fn now(&self, overdue_ms: u64, now_ms: u64) -> (u64, u64, bool) {
        let way_ms = self.round_trip_us.unwrap_or(0).div_ceil(2000);
        let received_ms = way_ms + self.late_ms + overdue_ms;
        let waits_ms = self.unapplied_since.map_or(0, |since| now_ms.saturating_sub(since));
        (received_ms, received_ms + waits_ms, self.nearest_ms.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_says_since_when_something_is_lacking() {
        let mut growth = Growth::default();
        assert_eq!(growth.lag_ms(Offset(0), 50), 0);
        for (end, at) in [(100, 10), (200, 20), (250, 20), (250, 25), (300, 40)] {
            growth.note(Offset(end), at);
        }
        for (position, lag) in
            [(0, 90), (99, 90), (100, 80), (249, 80), (250, 60), (299, 60), (300, 0), (999, 0)]
        {
            assert_eq!(growth.lag_ms(Offset(position), 100), lag, "{position}");
        }
        growth.note(Offset(50), 110);
        assert_eq!(growth.lag_ms(Offset(0), 120), 0, "another history: nothing is known of it yet");
    }

    #[test]
    fn old_notes_become_sparse_and_stay_right() {
        let mut growth = Growth::default();
        for at in 1..=1_000_000u64 {
            growth.note(Offset(at * 10), at);
        }
        assert!(growth.notes.len() <= NOTES);
        for lag in [0, 1, 10, 100, 1000, 10_000, 100_000, 900_000u64] {
            let position = Offset((1_000_000 - lag) * 10);
            let found = growth.lag_ms(position, 1_000_000);
            assert!(found <= lag && found >= (lag * 9 / 10).saturating_sub(2000), "{lag}: {found}");
        }
    }

    #[test]
    fn an_acknowledgement_counts_until_the_next_is_overdue() {
        let mut growth = Growth::default();
        growth.note(Offset(100), 1000);
        growth.note(Offset(200), 2000);
        let last = Lag::acknowledged(&growth, Offset(200), Offset(100), 2030);
        let at = |growth: &Growth, now_ms| {
            Lag::of(growth, last, [Offset(200), Offset(200), Offset(100)], true, now_ms)
        };
        let lag = Lag { sent_ms: 0, received_ms: 0, applied_ms: 30, measured: true };
        assert_eq!(at(&growth, 2030), lag);
        growth.note(Offset(300), 2500);
        assert_eq!(at(&growth, 2900), Lag { sent_ms: 400, ..lag }, "it may have it by now");
        let overdue = Lag { sent_ms: 3500, received_ms: 3500, applied_ms: 4000, measured: true };
        assert_eq!(at(&growth, 6000), overdue);
    }

    #[test]
    fn pings_tell_how_late_they_are_whatever_the_clocks_say() {
        for skew in [-5_000_000i64, 0, 5_000_000] {
            let mut link = LinkLag::default();
            link.connected(1_000_000);
            link.heard(1_004_000);
            link.heard(9_000_000);
            assert_eq!(link.now(0, 0), (2, 2, false));
            let master = |at: u64| at.saturating_add_signed(skew);
            link.ping(master(10_000_000), 10_000_001);
            link.ping(master(10_010_000), 10_010_301);
            assert_eq!(link.now(0, 0), (302, 302, true));
            link.applied(false, 500);
            link.applied(false, 600);
            assert_eq!(link.now(40, 700), (342, 542, true));
            link.applied(true, 700);
            link.ping(master(10_020_000), 10_020_001);
            assert_eq!(link.now(0, 800), (2, 2, true));
        }
    }
}
