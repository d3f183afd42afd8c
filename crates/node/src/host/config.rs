//! CONFIG GET, SET, REWRITE, RESETSTAT.

pub(crate) mod trial;

use resp::Args;

use config::Permission;

use crate::action::{Action, JobId};
use crate::node::Node;
use crate::session::{Blocked, Session};

/// What the loading of the dataset goes by.
const FIXED_WHILE_LOADING: [&str; 3] = ["appendonly", "dir", "repl-diskless-load"];

/// CONFIG GET pattern [pattern …]
pub(crate) fn get(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let patterns: Vec<&[u8]> = args.from(2).iter().collect();
    let found = node.config.get(&patterns);
    session.reply.map(found.len());
    for (name, value) in &found {
        session.reply.bulk(name.as_bytes());
        session.reply.bulk(value.as_bytes());
    }
}

/// CONFIG SET directive value [directive value …]: all of them or none.
pub(crate) fn set(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let words = args.from(2);
    if !words.len().is_multiple_of(2) {
        return commands::errors::wrong_arity(&mut session.reply, "config|set");
    }
    let pairs: Vec<(&[u8], &[u8])> =
        (0..words.len()).step_by(2).map(|at| (words.at(at), words.at(at + 1))).collect();
    let fixed = |(name, _): &(&[u8], &[u8])| {
        FIXED_WHILE_LOADING.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    };
    if node.gate.loading && pairs.iter().any(fixed) {
        return session.reply.error("LOADING Tandem is loading the dataset in memory");
    }
    let (mut wanted, local) = (node.config.clone(), session.is_local());
    match trial::put(&mut wanted, &pairs, local) {
        Ok(changed) if trial::is_needed(&changed) => node.try_settings(session, &pairs, local),
        Ok(changed) => {
            node.config = wanted;
            node.settings_set(changed, Some(session));
            if !node.clients_limited {
                node.client_memory.forget(session);
            }
            session.reply.ok();
        }
        Err(error) => session.reply.error(&format!("ERR {error}")),
    }
}

/// CONFIG REWRITE: answered when the file is written. Inside a transaction there is no waiting: the answer is given at once, and a
/// failure is found in the log.
pub(crate) fn rewrite(node: &mut Node, session: &mut Session, _: Args<'_>) {
    write_file(node, session, false);
}

/// The same for DEBUG CONFIG-REWRITE-FORCE-ALL, which has `everything` written: what has its default value, too.
pub(super) fn write_file(node: &mut Node, session: &mut Session, everything: bool) {
    let Some(path) = node.boot.config_file.clone() else {
        return session.reply.error("ERR The server is running without a config file");
    };
    let mut config = Box::new(node.config.clone());
    if let Err(error) = node.put_users_into(&mut config) {
        return session.reply.error(&format!("ERR Rewriting config file: {error}"));
    }
    let job = node.new_job();
    node.actions.push(Action::RewriteConfig { job, path, config, everything });
    if session.in_exec {
        session.reply.ok();
    } else {
        session.blocked = Some(Blocked::Job(job));
    }
}

/// CONFIG RESETSTAT
pub(crate) fn resetstat(node: &mut Node, session: &mut Session, _: Args<'_>) {
    node.stats.reset();
    node.scripting.cache.evicted = 0;
    node.eviction.reset_stats();
    node.lazyfree.reset();
    session.reply.ok();
}

impl Session {
    /// Whether the client runs on this machine.
    fn is_local(&self) -> bool {
        self.peer.loopback || self.peer.unix
    }

    /// Whether this client may use what a setting permits.
    pub(crate) fn is_permitted(&self, permission: Permission) -> bool {
        match permission {
            Permission::Yes => true,
            Permission::Local => self.is_local(),
            Permission::No => false,
        }
    }
}

impl Node {
    /// CONFIG SET has changed these settings; its session, if that is out of its slot.
    fn settings_set(&mut self, changed: Vec<&'static str>, session: Option<&mut Session>) {
        self.apply_settings();
        if changed.contains(&"appendonly") {
            self.switch_aof();
        }
        if changed.contains(&"aof-disable-auto-gc") {
            self.collect_aof_history();
        }
        if changed.contains(&"requirepass") {
            self.change_default_password(session);
        }
        if !changed.is_empty() {
            self.actions.push(Action::Settings(changed));
        }
    }

    /// The configuration file is written, or could not be.
    pub(crate) fn config_rewritten(&mut self, job: JobId, result: Result<(), String>) {
        match &result {
            Ok(()) => tracing::info!("CONFIG REWRITE executed with success."),
            Err(error) => tracing::warn!("CONFIG REWRITE failed: {error}"),
        }
        if let Some(conn) = self.waiting_for_job(job) {
            self.unblock(conn, |session| match result {
                Ok(()) => session.reply.ok(),
                Err(error) => session.reply.error(&format!("ERR Rewriting config file: {error}")),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::action::{Action, Completion, JobId};
    use crate::node::Boot;
    use crate::session::Peer;
    use crate::testing::Fixture;

    fn with_file() -> Fixture {
        let boot = Boot { config_file: Some(PathBuf::from("/etc/tandem.conf")), ..Boot::default() };
        Fixture::boot(&[], boot)
    }

    fn rewrite_job(node: &mut Fixture) -> JobId {
        let job = node.actions().into_iter().find_map(|action| match action {
            Action::RewriteConfig { job, path, .. } => {
                assert_eq!(path, PathBuf::from("/etc/tandem.conf"));
                Some(job)
            }
            _ => None,
        });
        job.expect("the file is to be written")
    }

    #[test]
    fn values_are_got_and_set() {
        let mut node = Fixture::new();
        assert_eq!(
            node.run(&["CONFIG", "GET", "slowlog-*"]),
            "*4\r\n$23\r\nslowlog-log-slower-than\r\n$5\r\n10000\r\n$15\r\nslowlog-max-len\r\n$3\r\n128\r\n"
        );
        node.actions();
        assert_eq!(node.run(&["CONFIG", "SET", "slowlog-max-len", "7", "hz", "20"]), "+OK\r\n");
        assert!(
            matches!(&node.actions()[..], [Action::Settings(names)] if names == &["slowlog-max-len", "hz"])
        );
        node.run(&["HELLO", "3"]);
        assert_eq!(
            node.run(&["CONFIG", "GET", "hz", "slowlog-max-len"]),
            "%2\r\n$2\r\nhz\r\n$2\r\n20\r\n$15\r\nslowlog-max-len\r\n$1\r\n7\r\n"
        );
    }

    #[test]
    fn one_mistake_and_nothing_is_set() {
        let mut node = Fixture::new();
        for (words, error) in [
            (
                &["hz", "20", "nonsense", "1"][..],
                "Unknown option or number of arguments for CONFIG SET - 'nonsense'",
            ),
            (&["hz", "20", "timeout"], "wrong number of arguments for 'config|set' command"),
            (
                &["hz", "20", "daemonize", "yes"],
                "CONFIG SET failed (possibly related to argument 'daemonize') - can't set immutable config",
            ),
            (
                &["hz", "20", "dir", "/"],
                "CONFIG SET failed (possibly related to argument 'dir') - can't set protected config",
            ),
            (
                &["hz", "20", "maxmemory", "much"],
                "CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value",
            ),
        ] {
            let words: Vec<&str> = ["CONFIG", "SET"].iter().chain(words).copied().collect();
            assert_eq!(node.run(&words), format!("-ERR {error}\r\n"));
        }
        assert!(node.run(&["CONFIG", "GET", "hz"]).ends_with("$2\r\n10\r\n"));
    }

    #[test]
    fn protected_settings_are_for_those_who_may() {
        let mut node = Fixture::with(&["--enable-protected-configs", "local", "--protected-mode", "no"]);
        assert_eq!(node.run(&["CONFIG", "SET", "dbfilename", "a.rdb"]), "+OK\r\n");
        let far = node.client_from(Peer { addr: "10.0.0.1:9".to_owned(), ..Peer::default() });
        assert!(
            node.run_on(far, &["CONFIG", "SET", "dbfilename", "b.rdb"])
                .contains("can't set protected config")
        );
    }

    #[test]
    fn settings_take_effect_at_once() {
        let mut node = Fixture::with(&["--requirepass", "secret"]);
        assert!(node.run(&["GET", "a"]).starts_with("-NOAUTH"));
        let other = node.client();
        node.run(&["AUTH", "secret"]);
        node.run(&["CONFIG", "SET", "requirepass", ""]);
        assert_eq!(
            node.run_on(other, &["GET", "a"]),
            "$-1\r\n",
            "there is nothing to authenticate with any more"
        );
    }

    #[test]
    fn a_rewrite_is_answered_when_the_file_is_written() {
        let mut node = with_file();
        assert_eq!(node.run(&["CONFIG", "REWRITE"]), "");
        assert_eq!(node.run(&["PING"]), "", "what follows waits");
        let job = rewrite_job(&mut node);
        node.complete(job, Completion::ConfigRewritten(Ok(())));
        assert_eq!(node.read(), "+OK\r\n+PONG\r\n");
        node.run(&["CONFIG", "REWRITE"]);
        let job = rewrite_job(&mut node);
        node.complete(job, Completion::ConfigRewritten(Err("no space".to_owned())));
        assert_eq!(node.read(), "-ERR Rewriting config file: no space\r\n");
    }

    #[test]
    fn in_a_transaction_nothing_waits() {
        let mut node = with_file();
        node.run(&["MULTI"]);
        node.run(&["CONFIG", "REWRITE"]);
        node.run(&["PING"]);
        assert_eq!(node.run(&["EXEC"]), "*2\r\n+OK\r\n+PONG\r\n");
        let job = rewrite_job(&mut node);
        node.complete(job, Completion::ConfigRewritten(Ok(())));
        assert_eq!(node.read(), "");
    }

    #[test]
    fn without_a_file_there_is_nothing_to_rewrite() {
        let mut node = Fixture::new();
        assert_eq!(node.run(&["CONFIG", "REWRITE"]), "-ERR The server is running without a config file\r\n");
    }
}
