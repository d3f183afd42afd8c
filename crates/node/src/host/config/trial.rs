//! CONFIG SET of what only the driver can find out: whether it can listen there, whether there is such a directory.
//!
//! ```text
//!   CONFIG SET port 7000 ──▶ trial ──▶ driver tries ──▶ it can:    all pairs are set, the client gets its OK
//!                            (the client waits)    └──▶ it cannot: nothing is set, the client gets the reason
//! ```
//!
//! The settings stay as they are until the driver has answered, so there is nothing to take back, and other clients go on. One
//! trial is with the driver at a time; further ones wait for their turn, since what they start from may have changed by then.

use std::collections::VecDeque;

use config::{Config, SetError};

use crate::action::{Action, ConnId, JobId};
use crate::node::Node;
use crate::session::{Blocked, Session};

/// What the driver has to try before it holds.
const TRIED: [&str; 3] = ["bind", "dir", "port"];
/// And what begins like this.
const TRIED_PREFIX: &str = "tls-";

/// A CONFIG SET that waits for the driver.
struct Trial {
    job: JobId,
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The client runs on this machine.
    local: bool,
    /// The driver is at it.
    begun: bool,
}

/// Those that wait, in order of arrival.
#[derive(Default)]
pub(crate) struct Trials {
    queue: VecDeque<Trial>,
}

/// Whether the driver has to be asked before these settings change.
pub(super) fn is_needed(changed: &[&str]) -> bool {
    changed.iter().any(|name| is_tried(name))
}

fn is_tried(name: &str) -> bool {
    TRIED.contains(&name) || name.starts_with(TRIED_PREFIX)
}

/// Puts the pairs into a configuration; gives the names of what changed.
pub(super) fn put<T: AsRef<[u8]>>(
    config: &mut Config,
    pairs: &[(T, T)],
    local: bool,
) -> Result<Vec<&'static str>, SetError> {
    let pairs: Vec<(&[u8], &[u8])> =
        pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    if local { config.set_local(&pairs) } else { config.set(&pairs) }
}

impl Node {
    /// Lets a client wait until the driver has tried what it wants to set. Inside a transaction there is no waiting: the answer is
    /// given at once, and a failure is found in the log.
    pub(super) fn try_settings(&mut self, session: &mut Session, pairs: &[(&[u8], &[u8])], local: bool) {
        let job = self.new_job();
        let pairs = pairs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        self.trials.queue.push_back(Trial { job, pairs, local, begun: false });
        if session.in_exec {
            session.reply.ok();
        } else {
            session.blocked = Some(Blocked::Job(job));
        }
        self.begin_trial();
    }

    /// Hands the first trial to the driver, unless it is there already.
    fn begin_trial(&mut self) {
        while let Some(trial) = self.trials.queue.front_mut().filter(|trial| !trial.begun) {
            let (job, mut wanted) = (trial.job, self.config.clone());
            let names = match put(&mut wanted, &trial.pairs, trial.local) {
                Ok(changed) if is_needed(&changed) => changed,
                // Settings that were tried before this one have made it needless, or impossible.
                result => {
                    self.end_trial(result.map(|_| ()));
                    continue;
                }
            };
            trial.begun = true;
            let names = names.into_iter().filter(|name| is_tried(name)).collect();
            let settings = Box::new(wanted.settings().clone());
            return self.actions.push(Action::TrySettings { job, names, settings });
        }
    }

    /// The driver has tried what the first trial wants to set.
    pub(crate) fn settings_tried(&mut self, job: JobId, result: Result<(), SetError>) {
        if self.trials.queue.front().is_some_and(|trial| trial.job == job && trial.begun) {
            self.end_trial(result);
            self.begin_trial();
        }
    }

    fn end_trial(&mut self, result: Result<(), SetError>) {
        let Some(trial) = self.trials.queue.pop_front() else { return };
        let result = result.and_then(|()| put(&mut self.config, &trial.pairs, trial.local));
        let result = result.map(|changed| self.settings_set(changed, None));
        let waiting = self.waiting_for_job(trial.job);
        match (waiting, result) {
            (Some(conn), Ok(())) => self.unblock(conn, |session| session.reply.ok()),
            (Some(conn), Err(error)) => {
                self.unblock(conn, |session| session.reply.error(&format!("ERR {error}")));
            }
            (None, Ok(())) => {}
            (None, Err(error)) => tracing::warn!("{error}"),
        }
    }

    /// The client that waits for the end of a job.
    pub(super) fn waiting_for_job(&self, job: JobId) -> Option<ConnId> {
        let waiting = self.sessions().find(|session| session.blocked == Some(Blocked::Job(job)));
        waiting.map(|session| session.conn)
    }
}

#[cfg(test)]
mod tests {
    use config::SetError;

    use crate::action::{Action, Completion, JobId};
    use crate::testing::Fixture;

    /// What the driver is asked to try: the job, the names, and the port and `maxmemory` that would hold.
    fn trial(node: &mut Fixture) -> Option<(JobId, Vec<&'static str>, u16, u64)> {
        node.actions().into_iter().find_map(|action| match action {
            Action::TrySettings { job, names, settings } => {
                Some((job, names, settings.port, settings.maxmemory))
            }
            _ => None,
        })
    }

    fn refused(node: &mut Fixture, job: JobId) {
        let error = SetError::refused("port", "it is taken");
        node.complete(job, Completion::SettingsTried(Err(error)));
    }

    #[test]
    fn the_client_waits_and_others_go_on() {
        let mut node = Fixture::new();
        let other = node.client();
        assert_eq!(node.run(&["CONFIG", "SET", "maxmemory", "7mb", "port", "7000"]), "");
        assert_eq!(node.run(&["PING"]), "", "what follows waits, too");
        let (job, names, port, maxmemory) = trial(&mut node).expect("the port is to be tried");
        assert_eq!((names, port, maxmemory), (vec!["port"], 7000, 7 << 20));
        let get = ["CONFIG", "GET", "port"];
        assert_eq!(node.run_on(other, &get), "*2\r\n$4\r\nport\r\n$4\r\n6379\r\n");
        node.complete(job, Completion::SettingsTried(Ok(())));
        assert_eq!(node.read(), "+OK\r\n+PONG\r\n");
        assert_eq!(node.run_on(other, &get), "*2\r\n$4\r\nport\r\n$4\r\n7000\r\n");
        assert!(node.run(&["CONFIG", "GET", "maxmemory"]).ends_with("$7\r\n7340032\r\n"));
        assert_eq!(node.run(&["CONFIG", "SET", "port", "7000"]), "+OK\r\n", "it is so already");
    }

    #[test]
    fn nothing_is_set_when_it_fails() {
        let mut node = Fixture::new();
        node.run(&["CONFIG", "SET", "maxmemory", "7mb", "port", "7000", "hz", "20"]);
        let (job, ..) = trial(&mut node).expect("a trial");
        refused(&mut node, job);
        assert_eq!(
            node.read(),
            "-ERR CONFIG SET failed (possibly related to argument 'port') - it is taken\r\n"
        );
        assert!(node.run(&["CONFIG", "GET", "maxmemory"]).ends_with("$1\r\n0\r\n"));
        assert!(node.run(&["CONFIG", "GET", "hz"]).ends_with("$2\r\n10\r\n"));
    }

    #[test]
    fn one_at_a_time() {
        let mut node = Fixture::new();
        let (second, third) = (node.client(), node.client());
        node.run(&["CONFIG", "SET", "port", "7000"]);
        let (job, ..) = trial(&mut node).expect("a trial");
        node.run_on(second, &["CONFIG", "SET", "port", "7000", "hz", "20"]);
        node.run_on(third, &["CONFIG", "SET", "port", "7001"]);
        assert!(trial(&mut node).is_none(), "they wait for the first");
        node.complete(job, Completion::SettingsTried(Ok(())));
        assert_eq!(node.read(), "+OK\r\n");
        assert_eq!(node.read_from(second), "+OK\r\n", "its port is in force already");
        let (job, _, port, _) = trial(&mut node).expect("the third's turn");
        assert_eq!(port, 7001);
        // It does not matter whether its client is still there.
        node.eof(third);
        node.complete(job, Completion::SettingsTried(Ok(())));
        assert!(node.run(&["CONFIG", "GET", "port"]).ends_with("$4\r\n7001\r\n"));
    }

    #[test]
    fn in_a_transaction_nothing_waits() {
        let mut node = Fixture::new();
        node.run(&["MULTI"]);
        node.run(&["CONFIG", "SET", "port", "7000"]);
        node.run(&["PING"]);
        assert_eq!(node.run(&["EXEC"]), "*2\r\n+OK\r\n+PONG\r\n");
        let (job, ..) = trial(&mut node).expect("a trial");
        refused(&mut node, job);
        assert_eq!(node.read(), "");
        assert!(node.run(&["CONFIG", "GET", "port"]).ends_with("$4\r\n6379\r\n"));
    }

    #[test]
    fn some_settings_have_to_wait_for_the_dataset() {
        let mut node = Fixture::with(&["--enable-protected-configs", "yes"]);
        node.node.gate.loading = true;
        let error = "-LOADING Tandem is loading the dataset in memory\r\n";
        assert_eq!(node.run(&["CONFIG", "SET", "hz", "20", "DIR", "/"]), error);
        assert!(node.run(&["CONFIG", "GET", "hz"]).ends_with("$2\r\n10\r\n"));
        assert_eq!(node.run(&["CONFIG", "SET", "loglevel", "debug"]), "+OK\r\n");
    }
}
