//! Clients that understand being sent elsewhere (CLIENT CAPA redirect): what a replica would answer from its own data, or refuse, it
//! answers with the address of its master, `-REDIRECT host:port`. Who has said READONLY reads here all the same.

use commands::{CommandSpec, Flags};

use crate::action::ConnId;
use crate::node::Node;
use crate::session::{Blocked, Session};

impl Node {
    /// Whether this command of such a client is one for the master.
    fn is_for_master(&self, session: &Session, spec: &CommandSpec) -> bool {
        let queued = session.transaction.as_deref().filter(|_| spec.full_name == "exec");
        spec.is_write()
            || queued.is_some_and(|multi| multi.writes)
            || !session.read_only
                && (spec.flags.contains(Flags::READONLY) || queued.is_some_and(|multi| multi.reads))
    }

    /// Sends a client to the master with this command, if it is one that understands; whether it was. As long as it is undecided who
    /// is the master, the command waits.
    pub(crate) fn redirect(&mut self, session: &mut Session, spec: &'static CommandSpec) -> bool {
        if !session.redirect || !self.is_for_master(session, spec) {
            return false;
        }
        if self.is_handing_over() {
            session.blocked = Some(Blocked::Paused);
            self.pause.held.push(session.conn);
            return true;
        }
        let Some(error) = self.redirection() else { return false };
        if spec.full_name == "exec" && session.transaction.take().is_some() {
            self.unwatch(session);
        }
        self.refuse(session, Some(spec), |out| out.error(&error));
        true
    }

    fn redirection(&self) -> Option<String> {
        self.master().map(|(host, port)| format!("REDIRECT {host}:{port}"))
    }

    /// This instance has become a replica, and a client waits for a key. Whether it may go on to wait, or has been sent to the master.
    pub(crate) fn keep_or_redirect(&mut self, conn: ConnId) -> bool {
        let Some(session) = self.session(conn).filter(|session| session.redirect) else { return false };
        let Some(waiting) = &session.waiting else { return false };
        if !self.is_for_master(session, waiting.spec()) {
            return true;
        }
        let Some(error) = self.redirection() else { return false };
        self.end_wait(conn, |_, out| out.error(&error));
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    const REDIRECT: &str = "-REDIRECT 10.0.0.9:7000\r\n";

    #[test]
    fn a_replica_sends_those_who_understand_to_its_master() {
        let mut node = Fixture::new();
        node.run(&["SET", "a", "1"]);
        node.run(&["MULTI"]);
        node.run(&["GET", "a"]);
        let other = node.client();
        node.run_on(other, &["REPLICAOF", "10.0.0.9", "7000"]);
        assert_eq!(node.run(&["EXEC"]), "*1\r\n$1\r\n1\r\n", "who says nothing reads here");
        assert!(node.run(&["SET", "a", "2"]).starts_with("-READONLY"));
        assert_eq!(node.run(&["CLIENT", "CAPA", "redirect"]), "+OK\r\n");
        for words in [&["SET", "a", "2"][..], &["GET", "a"], &["XREAD", "BLOCK", "0", "STREAMS", "s", "0"]] {
            assert_eq!(node.run(words), REDIRECT, "{words:?}");
        }
        assert_eq!(node.run(&["PING"]), "+PONG\r\n");
        assert_eq!(node.run(&["READONLY"]), "+OK\r\n");
        assert_eq!(node.run(&["GET", "a"]), "$1\r\n1\r\n");
        assert_eq!(node.run(&["SET", "a", "2"]), REDIRECT);
        node.run(&["REPLICAOF", "NO", "ONE"]);
        assert_eq!(node.run(&["SET", "a", "2"]), "+OK\r\n");
    }

    #[test]
    fn transactions_are_sent_as_a_whole() {
        let mut node = Fixture::new();
        let other = node.client();
        node.run(&["CLIENT", "CAPA", "redirect"]);
        node.run(&["MULTI"]);
        assert_eq!(node.run(&["SET", "a", "1"]), "+QUEUED\r\n");
        node.run_on(other, &["REPLICAOF", "10.0.0.9", "7000"]);
        assert_eq!(node.run(&["EXEC"]), REDIRECT);
        assert_eq!(node.run(&["EXEC"]), "-ERR EXEC without MULTI\r\n");
        node.run(&["MULTI"]);
        assert_eq!(node.run(&["SET", "a", "1"]), REDIRECT);
        assert!(node.run(&["EXEC"]).starts_with("-EXECABORT"));
    }

    #[test]
    fn who_waits_for_a_key_is_sent_too_unless_it_may_read_here() {
        let mut node = Fixture::new();
        let (plain, writer, reader) = (node.client(), node.client(), node.client());
        for client in [writer, reader] {
            node.run_on(client, &["CLIENT", "CAPA", "redirect"]);
        }
        node.run_on(reader, &["READONLY"]);
        node.run_on(plain, &["BLPOP", "l", "0"]);
        node.run_on(writer, &["BLPOP", "l", "0"]);
        node.run_on(reader, &["XREAD", "BLOCK", "0", "STREAMS", "s", "0"]);
        node.run(&["REPLICAOF", "10.0.0.9", "7000"]);
        assert_eq!(node.read_from(writer), REDIRECT);
        assert!(node.read_from(plain).starts_with("-UNBLOCKED"));
        assert_eq!(node.read_from(reader), "", "it goes on to wait");
        assert!(node.run(&["INFO", "clients"]).contains("blocked_clients:1\r\n"));
    }
}
