//! The section about replication. Sentinel and clients that follow a failover read it, so names and order are fixed.

use psync::ChannelForm;

use super::Report;
use crate::host::memory::ratio;
use crate::host::synclog::info_line;
use crate::node::Node;
use crate::replication::feed::ReplicaFeed;
use crate::replication::upstream::Upstream;
use crate::session::Session;

/// So many of the last synchronisations are shown; REPLICATION WHY tells of more.
const SYNCS_SHOWN: usize = 4;

/// `# Replication`
pub(super) fn write(node: &Node, _: &Session, report: &mut Report) {
    let settings = node.config.settings();
    let replication = &node.replication;
    match &replication.upstream {
        Some(upstream) => upstream_side(node, upstream, report),
        None => report.put("role", "master"),
    }
    report.put("connected_slaves", node.feeds().filter(|(_, feed)| is_shown(feed)).count());
    if settings.min_replicas_to_write > 0 && settings.min_replicas_max_lag > 0 {
        report.put("min_slaves_good_slaves", node.good_replicas());
    }
    replicas(node, report);
    report.put("replicas_waiting_psync", replication.channels.waiting());
    let failover = replication.failover.as_ref();
    report.put("master_failover_state", failover.map_or("no-failover", |failover| failover.info_name()));
    report.put("master_replid", replication.history.id());
    report.put("master_replid2", replication.history.second_id());
    report.put("master_repl_offset", replication.log.end());
    report.put("second_repl_offset", replication.history.second_repl_offset());
    let active = replication.has_log();
    report.flag("repl_backlog_active", active);
    report.put("repl_backlog_size", settings.repl_backlog_size);
    report
        .put("repl_backlog_first_byte_offset", if active { replication.log.first().next_byte() } else { 0 });
    report.put("repl_backlog_histlen", replication.log.len());
    let reach = node.reach_first();
    report.flag("repl_backlog_aof_active", reach.is_some());
    report.put("repl_backlog_aof_first_byte_offset", reach.map_or(0, backlog::Offset::next_byte));
    let before_memory = reach.map_or(0, |first| replication.log.first_in_memory().since(first));
    report.put("repl_backlog_aof_bytes", before_memory);
    report.put("repl_backlog_aof_syncs", replication.file_reads.syncs);
    report.put("repl_backlog_aof_read_bytes", replication.file_reads.bytes);
    report.put("repl_backlog_aof_errors", replication.file_reads.errors);
    report.put("repl_spill_bytes", replication.log.in_spill());
    report.put("repl_spill_written_bytes", replication.spill.written);
    report.put("repl_spill_errors", replication.spill.errors);
    report.put("repl_sync_dropped_replicas", replication.spill.dropped);
    report.put("repl_sync_transfers", node.replicas_in_transfer());
    match node.lost_data() {
        Some(lost) => report
            .put("repl_sync_guard", format_args!("holding,keys_lost={},replid={}", lost.keys, lost.history)),
        None => {
            let on = settings.repl_sync_guard && node.persists();
            report.put("repl_sync_guard", if on { "ready" } else { "off" });
        }
    }
    lags(node, report);
}

/// How late replicas are, and this one.
fn lags(node: &Node, report: &mut Report) {
    let now_ms = node.now.mono_ms();
    let source = |measured| if measured { "measured" } else { "estimated" };
    if let Some(upstream) = node.replication.upstream.as_ref().filter(|upstream| upstream.is_up()) {
        let usual_ms = node.config.settings().repl_ping_replica_period * 1000 + 1000;
        let silent_ms = upstream.link.as_ref().map_or(0, |link| link.silent_ms(now_ms));
        let (received, applied, measured) = upstream.lag.now(silent_ms.saturating_sub(usual_ms), now_ms);
        report.put(
            "master_lag_ms",
            format_args!("received={received},applied={applied},source={}", source(measured)),
        );
    }
    for (number, (_, feed)) in node.feeds().enumerate().filter(|(_, (_, feed))| feed.state.is_online()) {
        let lag = feed.lag(&node.replication.growth, now_ms);
        report.put(
            &format!("replica{number}_lag_ms"),
            format_args!(
                "sent={},received={},applied={},source={}",
                lag.sent_ms,
                lag.received_ms,
                lag.applied_ms,
                source(lag.measured)
            ),
        );
    }
}

/// `# Syncs`: the last synchronisations, the latest first. Not a section of Redis or Valkey.
pub(super) fn syncs(node: &Node, _: &Session, report: &mut Report) {
    for (number, record) in node.replication.sync_log.iter().take(SYNCS_SHOWN).enumerate() {
        report.put(&format!("sync{number}"), info_line(record, node.now));
    }
}

/// What a replica says of its link to the master.
fn upstream_side(node: &Node, upstream: &Upstream, report: &mut Report) {
    let settings = node.config.settings();
    let now_ms = node.now.mono_ms();
    let up = upstream.is_up();
    // Without a history of its own a replica has nothing yet, whatever its log counted before.
    let applied = if node.replication.has_log() { node.replication.log.end().0 } else { 0 };
    let silent_s = upstream.link.as_ref().map_or(0, |link| link.silent_ms(now_ms) / 1000);
    report.put("role", "slave");
    report.put("master_host", &upstream.host);
    report.put("master_port", upstream.port);
    report.put("master_link_status", if up { "up" } else { "down" });
    report.put("master_last_io_seconds_ago", if up { silent_s as i64 } else { -1 });
    report.flag("master_sync_in_progress", upstream.sync.is_some() || upstream.second.is_some());
    report.put("slave_read_repl_offset", applied + upstream.applier.unapplied() as u64);
    report.put("slave_repl_offset", applied);
    // The same under the names of Valkey and of Redis.
    for [size, peak] in [
        ["replicas_repl_buffer_size", "replicas_repl_buffer_peak"],
        ["replica_full_sync_buffer_size", "replica_full_sync_buffer_peak"],
    ] {
        report.put(size, upstream.buffer.len());
        report.put(peak, upstream.buffer.peak());
    }
    if let Some(sync) = &upstream.sync {
        let total = sync.len.unwrap_or(0);
        report.put("master_sync_total_bytes", total);
        report.put("master_sync_read_bytes", sync.received);
        report.put("master_sync_left_bytes", total.saturating_sub(sync.received));
        report.put("master_sync_perc", format_args!("{:.2}", 100.0 * ratio(sync.received, total)));
        report.put("master_sync_last_io_seconds_ago", silent_s);
    }
    if !up {
        report.put("master_link_down_since_seconds", now_ms.saturating_sub(upstream.down_since_ms) / 1000);
    }
    report.put("slave_priority", settings.replica_priority);
    report.flag("slave_read_only", settings.replica_read_only);
    report.flag("replica_announced", settings.replica_announced);
    match &upstream.holding {
        Some(holding) => report.put(
            "master_sync_guard",
            format_args!(
                "holding,refused={},offered_replid={},offered_keys={},own_keys={}",
                holding.refused, holding.offered, holding.keys, holding.own_keys
            ),
        ),
        None => report.put("master_sync_guard", if settings.repl_sync_guard { "ready" } else { "off" }),
    }
}

/// One line for each replica, numbered from 0.
fn replicas(node: &Node, report: &mut Report) {
    let now_ms = node.now.mono_ms();
    for (number, (session, feed)) in node.feeds().filter(|(_, feed)| is_shown(feed)).enumerate() {
        let Some(state) = feed.state.info_state() else { continue };
        let ip = feed.state.announced_ip().unwrap_or_else(|| ip_of(&session.peer.addr));
        let port = feed.state.listening_port();
        let offset = feed.state.acked().unwrap_or_default();
        let lag = if feed.state.is_online() { feed.state.silent_ms(now_ms) / 1000 } else { 0 };
        report.put(
            &format!("slave{number}"),
            format_args!(
                "ip={ip},port={port},state={state},offset={offset},lag={lag},type={}",
                feed.state.info_type()
            ),
        );
    }
}

/// Redis shows a replica once, whatever connections it has; Valkey shows both.
fn is_shown(feed: &ReplicaFeed) -> bool {
    feed.state.payload_channel() != Some(ChannelForm::Redis)
}

/// The address in `ip:port`, without the brackets around one of version 6.
fn ip_of(addr: &str) -> &str {
    let ip = addr.rsplit_once(':').map_or(addr, |(ip, _)| ip);
    ip.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[test]
    fn addresses_lose_port_and_brackets() {
        assert_eq!(ip_of("127.0.0.1:5555"), "127.0.0.1");
        assert_eq!(ip_of("[::1]:5555"), "::1");
        assert_eq!(ip_of("/run/tandem.sock:0"), "/run/tandem.sock");
    }

    #[test]
    fn replicas_have_their_lines() {
        let mut node = Fixture::with(&["--repl-diskless-sync-delay", "5", "--min-replicas-to-write", "1"]);
        let replica = node.client();
        node.run_on(replica, &["REPLCONF", "listening-port", "7002"]);
        node.run_on(replica, &["REPLCONF", "capa", "eof", "capa", "psync2"]);
        let before = node.run(&["INFO", "replication"]);
        assert!(
            before.contains("connected_slaves:0\r\nmin_slaves_good_slaves:0\r\nreplicas_waiting_psync:0\r\nmaster_failover"),
            "{before}"
        );
        node.run_on(replica, &["PSYNC", "?", "-1"]);
        let reply = node.run(&["INFO", "replication"]);
        let line = "connected_slaves:1\r\nmin_slaves_good_slaves:0\r\n\
                    slave0:ip=127.0.0.1,port=7002,state=wait_bgsave,offset=0,lag=0,type=replica\r\nreplicas_waiting_psync:0\r\n";
        assert!(reply.contains(line), "{reply}");
        assert!(reply.contains("repl_backlog_active:1\r\n"), "{reply}");
        assert!(reply.contains("repl_backlog_first_byte_offset:1\r\n"), "{reply}");
    }
}
