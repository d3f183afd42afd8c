//! The section about connections.

use super::Report;
use crate::node::Node;
use crate::pause::PauseKind;
use crate::session::{Blocked, Session};

/// `# Clients`
pub(super) fn write(node: &Node, session: &Session, report: &mut Report) {
    let all = || node.sessions().chain(std::iter::once(session));
    let clients = || all().filter(|session| !session.is_replica());
    let timed_out_later =
        |session: &&Session| matches!(session.blocked, Some(Blocked::Wait { deadline_ms: Some(_), .. }));
    report.put("connected_clients", clients().count());
    report.put("cluster_connections", 0);
    report.put("maxclients", node.config.settings().maxclients);
    report.put("client_recent_max_input_buffer", all().map(|one| one.pending.len()).max().unwrap_or(0));
    report.put("client_recent_max_output_buffer", all().map(Session::reply_pending).max().unwrap_or(0));
    report.put("blocked_clients", all().filter(|one| one.blocked.is_some()).count());
    report.put("tracking_clients", node.tracking.clients());
    report.put("pubsub_clients", node.pubsub.clients);
    report.put("watching_clients", all().filter(|one| !one.watched.is_empty()).count());
    let in_timeout_table = all().filter(timed_out_later).count() + node.blocked.with_deadline();
    report.put("clients_in_timeout_table", in_timeout_table);
    report.put("total_watched_keys", node.watchers.len());
    report.put("total_blocking_keys", node.blocked.keys());
    report.put("total_blocking_keys_on_nokey", node.blocked.keys_watched_gone());
    let reason = match node.pause.client {
        Some(_) => "client_pause",
        None if node.pause.shutdown => "shutdown_in_progress",
        None if node.pause.failover => "failover_in_progress",
        None => "none",
    };
    let actions = match node.pause.kind() {
        None => "none",
        Some(PauseKind::Write) => "write",
        Some(PauseKind::All) => "all",
    };
    let left_ms = node.pause.client.map_or(0, |(_, until_ms)| until_ms.saturating_sub(node.now.unix_ms()));
    report.put("paused_reason", reason);
    report.put("paused_actions", actions);
    report.put("paused_timeout_milliseconds", left_ms);
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn clients_are_counted_with_the_one_that_asks() {
        let mut node = Fixture::new();
        let other = node.client();
        node.run(&["WATCH", "a", "b"]);
        node.run_on(other, &["WATCH", "b"]);
        let third = node.client();
        assert_eq!(node.run_on(third, &["WAIT", "5", "0"]), "", "nobody will ever acknowledge");
        let reply = node.run(&["INFO", "clients"]);
        for line in [
            "connected_clients:3",
            "blocked_clients:1",
            "clients_in_timeout_table:0",
            "watching_clients:2",
            "total_watched_keys:2",
        ] {
            assert!(reply.contains(&format!("\r\n{line}\r\n")), "no {line} in {reply}");
        }
    }
}
