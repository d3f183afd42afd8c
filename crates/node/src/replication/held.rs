//! The other half of the guard: an instance that has come up without the data that it held does not offer its replicas an empty dataset.
//!
//! A small file beside the dump says how many keys the instance held. It is written when the first key is there, long before the first
//! save point is reached, and after each save; and when the dataset has been empty for a while. If a master comes up empty, and the file
//! says that it was not, its data are lost: its dump is gone, or there never was one. Its replicas may have them. So none of
//! them is given a full synchronisation until somebody says REPLICAOF NO ONE, which is to say: this is the master, as it is.

use std::path::{Path, PathBuf};

use backlog::ReplicationId;

use crate::action::{Action, JobId};
use crate::node::Node;

/// An empty dataset is believed after so long: one that is empty now and then is no news each time.
const BELIEVED_AFTER_MS: u64 = 10_000;
/// A failed write is repeated after so long.
const AGAIN_AFTER_MS: u64 = 60_000;

/// What an instance held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dataset {
    pub keys: u64,
    pub history: ReplicationId,
}

impl Dataset {
    /// From the text of the file; `None` if it says nothing that is understood.
    fn parse(text: &[u8]) -> Option<Dataset> {
        let text = std::str::from_utf8(text).ok()?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let keys = field("keys")?.parse().ok()?;
        Some(Dataset {
            keys,
            history: field("history").and_then(|id| id.parse().ok()).unwrap_or(ReplicationId::ZERO),
        })
    }

    fn to_text(self) -> Vec<u8> {
        format!(
            "# Written by Tandem: what this instance held when it was last looked at.\nkeys {}\nhistory {}\n",
            self.keys, self.history
        )
        .into_bytes()
    }
}

/// What is known of what this instance held.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Keys, as the file says; 0 where there is none.
    said: u64,
    writing: Option<(JobId, u64)>,
    empty_since_ms: Option<u64>,
    not_before_ms: u64,
    /// What was there before the start, and is not there now.
    lost: Option<Dataset>,
}

impl Held {
    /// With what the file said when the process began.
    pub fn new(file: Option<&[u8]>) -> Held {
        let said = file.and_then(Dataset::parse).map_or(0, |dataset| dataset.keys);
        Held { said, ..Held::default() }
    }
}

/// Where an instance with these settings notes what it holds.
pub fn held_path(settings: &config::Settings) -> PathBuf {
    Path::new(&settings.dir).join(format!("{}.held", settings.dbfilename))
}

impl Node {
    /// The dataset of the start stands: was there more?
    pub(crate) fn look_for_lost_data(&mut self) {
        let settings = self.config.settings();
        let guarded = settings.repl_sync_guard && self.persists() && settings.replicaof.is_none();
        let file = self.boot.held.take();
        let Some(held) = file.and_then(|text| Dataset::parse(&text)).filter(|held| held.keys > 0) else {
            return;
        };
        if !guarded || self.keyspace.total_keys() > 0 || self.persistence.last_load_expired > 0 {
            return;
        }
        tracing::warn!(
            "SYNC GUARD: this instance held {} keys (history {}) and has come up without any. Replicas that ask for everything are \
             refused, so that they keep what they have. Bring the data back and restart, or promote a replica; or say REPLICAOF NO \
             ONE here if an empty dataset is wanted.",
            held.keys,
            held.history
        );
        self.held.lost = Some(held);
    }

    /// What was lost, as long as nobody has decided what is to become of it.
    pub(crate) fn lost_data(&self) -> Option<Dataset> {
        self.held.lost.filter(|_| self.config.settings().repl_sync_guard)
    }

    /// Whether replicas are kept from the empty dataset of this instance.
    pub fn withholds_syncs(&self) -> bool {
        self.lost_data().is_some()
    }

    /// Somebody has decided, or this instance follows a master now.
    pub(crate) fn accept_loss(&mut self, why: &str) {
        if self.held.lost.take().is_some() {
            tracing::warn!("SYNC GUARD: {why}");
        }
    }

    /// Notes what is held, if that is news.
    pub(crate) fn look_after_held(&mut self) {
        let now_ms = self.now.mono_ms();
        let keys = self.keyspace.total_keys() as u64;
        self.held.empty_since_ms =
            if keys > 0 { None } else { Some(self.held.empty_since_ms.unwrap_or(now_ms)) };
        let news = match (self.held.said, self.held.empty_since_ms) {
            (0, None) => true,
            (0, Some(_)) | (_, None) => false,
            (_, Some(since_ms)) => now_ms - since_ms >= BELIEVED_AFTER_MS,
        };
        if news && now_ms >= self.held.not_before_ms {
            self.note_held(keys);
        }
    }

    /// Writes down that so many keys are held.
    pub(crate) fn note_held(&mut self, keys: u64) {
        if !self.persists()
            || self.held.writing.is_some()
            || self.held.lost.is_some()
            || self.held.said == keys
        {
            return;
        }
        let job = self.new_job();
        let dataset = Dataset { keys, history: *self.replication.history.id() };
        let path = held_path(self.config.settings());
        self.held.writing = Some((job, keys));
        self.actions.push(Action::ReplaceFile { job, path, text: dataset.to_text() });
    }

    pub(crate) fn held_noted(&mut self, job: JobId, result: &Result<(), String>) {
        let Some((_, keys)) = self.held.writing.take_if(|(other, _)| *other == job) else { return };
        match result {
            Ok(()) => self.held.said = keys,
            Err(error) => {
                tracing::warn!("What this instance holds could not be noted: {error}");
                self.held.not_before_ms = self.now.mono_ms() + AGAIN_AFTER_MS;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Completion;
    use crate::node::Boot;
    use crate::testing::Fixture;

    const HELD: &[u8] = b"# comment\nkeys 12\nhistory aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n";

    /// An instance that has found no dump.
    fn empty(held: Option<&[u8]>, options: &[&str]) -> Fixture {
        let boot = Boot { held: held.map(<[u8]>::to_vec), ..Boot::default() };
        Fixture::boot(&[&["--save", "3600 1"], options].concat(), boot)
    }

    fn ask(node: &mut Fixture) -> String {
        let replica = node.client();
        node.run_on(replica, &["REPLCONF", "listening-port", "7001", "capa", "eof", "capa", "psync2"]);
        node.run_on(replica, &["PSYNC", "?", "-1"])
    }

    /// What is written down next.
    fn noted(node: &mut Fixture) -> Option<(JobId, Dataset)> {
        node.actions().into_iter().find_map(|action| match action {
            Action::ReplaceFile { job, path, text } => {
                assert!(path.ends_with("dump.rdb.held"), "{}", path.display());
                Some((job, Dataset::parse(&text).expect("it reads what it writes")))
            }
            _ => None,
        })
    }

    #[test]
    fn texts_that_say_nothing_are_no_reason_to_worry() {
        let dataset = Dataset { keys: 12, history: "a".repeat(40).parse().expect("an id") };
        assert_eq!(Dataset::parse(HELD), Some(dataset));
        assert_eq!(Dataset::parse(&dataset.to_text()), Some(dataset));
        for text in [&b""[..], b"keys", b"keys many", b"history aaaa", b"\xff\xfe", b"keyspace 12"] {
            assert_eq!(Dataset::parse(text), None);
        }
    }

    #[test]
    fn a_master_without_its_data_gives_nothing_away() {
        let mut node = empty(Some(HELD), &[]);
        let refused = ask(&mut node);
        assert!(refused.starts_with("-NOMASTERLINK"), "{refused}");
        node.run(&["SET", "by", "a client"]);
        assert!(ask(&mut node).starts_with("-NOMASTERLINK"), "one key is not what was lost");
        assert!(node.run(&["INFO", "replication"]).contains("repl_sync_guard:holding,keys_lost=12,"));
        let tool = node.client();
        node.run_on(tool, &["REPLCONF", "capa", "eof", "rdb-only", "1"]);
        assert!(!node.run_on(tool, &["PSYNC", "?", "-1"]).starts_with('-'), "a tool loses nothing by it");

        assert_eq!(node.run(&["REPLICAOF", "NO", "ONE"]), "+OK\r\n");
        assert!(!ask(&mut node).starts_with('-'));
        assert!(node.run(&["INFO", "replication"]).contains("repl_sync_guard:ready\r\n"));
    }

    #[test]
    fn nothing_was_lost_or_nobody_minds() {
        let nothing: [(Option<&[u8]>, &[&str]); 5] = [
            (None, &[]),
            (Some(b"keys 0\n"), &[]),
            (Some(HELD), &["--save", ""]),
            (Some(HELD), &["--repl-sync-guard", "no"]),
            (Some(b"nonsense"), &[]),
        ];
        for (held, options) in nothing {
            let mut node = empty(held, options);
            assert!(!ask(&mut node).starts_with('-'), "{options:?}");
        }
    }

    #[test]
    fn what_is_held_is_noted_when_it_is_news() {
        let mut node = empty(None, &[]);
        node.advance_ms(100);
        assert_eq!(noted(&mut node), None, "nothing is held");
        node.run(&["MSET", "a", "1", "b", "2"]);
        node.advance_ms(100);
        let (job, dataset) = noted(&mut node).expect("long before a save point");
        assert_eq!(dataset.keys, 2);
        node.advance_ms(100);
        assert_eq!(noted(&mut node), None, "it is being written");
        node.complete(job, Completion::FileReplaced(Ok(())));
        node.run(&["SET", "c", "3"]);
        node.advance_ms(100);
        assert_eq!(noted(&mut node), None, "more of it is no news");

        node.run(&["DEL", "a", "b", "c"]);
        node.advance_ms(100);
        node.advance_ms(9_000);
        assert_eq!(noted(&mut node), None, "it may be empty for a moment");
        node.advance_ms(1_000);
        let (job, dataset) = noted(&mut node).expect("empty for long enough");
        assert_eq!(dataset.keys, 0);
        node.complete(job, Completion::FileReplaced(Err("no space".to_owned())));
        node.advance_ms(100);
        assert_eq!(noted(&mut node), None, "not at once");
        node.advance_ms(60_000);
        assert!(noted(&mut node).is_some());
    }
}
