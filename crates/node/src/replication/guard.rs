//! The guard: a replica that was in sync does not let a master that has come back empty wipe it.
//!
//! A master that restarts without its data, by accident or because it has none on disk, offers its replicas a full
//! synchronisation, and with that the loss is complete. A replica of ours looks at what it is offered: if the history is not one that
//! it has ever followed, and the dataset is empty (or much smaller than its own, if the operator wants that looked at), it keeps
//! what it has, says so, and asks again later. Whoever repeats REPLICAOF has decided.

use backlog::{PastHistory, ReplicationId};

/// Attempts after a refusal are spaced out up to this.
const MAX_BACKOFF_MS: u64 = 60_000;

/// What a loader has to hold a dataset against before it takes the place of the present one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncGuard {
    /// The names of the history that this instance holds.
    pub names: Vec<ReplicationId>,
    /// The history that the master has announced.
    pub announced: ReplicationId,
    /// Keys that this instance holds.
    pub own_keys: u64,
    /// A dataset with fewer than so many percent of them is refused too (`repl-sync-guard-min-keys-percent`).
    pub min_keys_percent: u64,
}

impl SyncGuard {
    /// Whether a dataset with so many keys, from a history with these ancestors, is refused.
    pub fn refuses(&self, keys: u64, ancestors: &[PastHistory]) -> bool {
        let known = |id: &ReplicationId| self.names.contains(id);
        if known(&self.announced) || ancestors.iter().any(|past| known(&past.id)) {
            return false;
        }
        let wanted = u128::from(self.own_keys) * u128::from(self.min_keys_percent);
        keys == 0 || u128::from(keys) * 100 < wanted
    }
}

/// A refused synchronisation, as long as the guard holds.
#[derive(Clone, Debug)]
pub(crate) struct Holding {
    /// The history that was offered.
    pub offered: ReplicationId,
    /// The keys in it.
    pub keys: u64,
    /// The keys held here.
    pub own_keys: u64,
    /// How often in a row.
    pub refused: u32,
}

/// How long to wait after so many failures in a row: twice as long each time, and never at the same moment as others.
pub(crate) fn backoff_ms(failures: u32, rng: &mut fastrand::Rng) -> u64 {
    let base = 1000u64 << failures.saturating_sub(1).min(10);
    let base = base.min(MAX_BACKOFF_MS);
    base * 4 / 5 + rng.u64(0..=base * 2 / 5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use backlog::Offset;

    fn id(c: char) -> ReplicationId {
        c.to_string().repeat(40).parse().expect("well-formed")
    }

    fn guard(announced: char, min_keys_percent: u64) -> SyncGuard {
        SyncGuard { names: vec![id('a'), id('b')], announced: id(announced), own_keys: 200, min_keys_percent }
    }

    #[test]
    fn an_empty_dataset_of_strangers_is_refused() {
        assert!(guard('x', 0).refuses(0, &[]));
        assert!(!guard('x', 0).refuses(1, &[]), "not empty, and no more is asked for");
        for related in ['a', 'b'] {
            assert!(!guard(related, 50).refuses(0, &[]), "a history that was followed may be flushed");
        }
        let past = PastHistory { id: id('b'), valid_to: Offset(1) };
        assert!(!guard('x', 50).refuses(0, &[past]), "its own past says that it is related");
    }

    #[test]
    fn a_share_may_be_asked_for() {
        assert!(guard('x', 50).refuses(99, &[]));
        assert!(!guard('x', 50).refuses(100, &[]));
    }

    #[test]
    fn attempts_are_spaced_out() {
        let mut rng = fastrand::Rng::with_seed(1);
        for (failures, base) in [(1, 1000), (2, 2000), (5, 16_000), (7, 60_000), (100, 60_000)] {
            for _ in 0..100 {
                let ms = backoff_ms(failures, &mut rng);
                assert!((base * 4 / 5..=base * 6 / 5).contains(&ms), "{failures}: {ms}");
            }
        }
    }
}
