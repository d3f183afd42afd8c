//! The sections of counters.

use super::Report;
use crate::node::Node;
use crate::pubsub::Scope;
use crate::session::Session;
use crate::stats::Rate;

/// `# Debug`: what only those see who ask for it by name.
pub(super) fn debug(node: &Node, _: &Session, report: &mut Report) {
    let event_loop = &node.stats.event_loop;
    // Nothing of the engine thread's time goes into files.
    report.put("eventloop_duration_aof_sum", 0);
    report.put("eventloop_duration_cron_sum", event_loop.tick_us);
    report.put("eventloop_duration_max", event_loop.longest_us);
    report.put("eventloop_cmd_per_cycle_max", event_loop.most_commands);
}

/// `# Stats`
pub(super) fn write(node: &Node, _: &Session, report: &mut Report) {
    let stats = &node.stats;
    report.put("total_connections_received", stats.connections_received);
    report.put("total_commands_processed", stats.commands);
    report.put("instantaneous_ops_per_sec", stats.ops_rate.per_second());
    report.put("total_net_input_bytes", stats.net_in + stats.net_repl_in);
    report.put("total_net_output_bytes", stats.net_out + stats.net_repl_out);
    report.put("total_net_repl_input_bytes", stats.net_repl_in);
    report.put("total_net_repl_output_bytes", stats.net_repl_out);
    kibibytes(report, "instantaneous_input_kbps", &stats.in_rate);
    kibibytes(report, "instantaneous_output_kbps", &stats.out_rate);
    kibibytes(report, "instantaneous_input_repl_kbps", &stats.repl_in_rate);
    kibibytes(report, "instantaneous_output_repl_kbps", &stats.repl_out_rate);
    report.put("rejected_connections", stats.connections_rejected);
    report.put("sync_full", stats.sync_full);
    report.put("sync_partial_ok", stats.sync_partial_ok);
    report.put("sync_partial_err", stats.sync_partial_err);
    report.put("expired_keys", stats.expired);
    report.put("expired_fields", stats.expired_fields);
    report.put("expired_time_cap_reached_count", stats.expired_time_cap);
    report.put("evicted_keys", stats.evicted);
    report.put("evicted_clients", stats.evicted_clients);
    report.put("evicted_scripts", node.scripting.cache.evicted);
    let (exceeded, exceeded_in_all) = node.eviction.exceeded_ms(node.now);
    report.put("total_eviction_exceeded_time", exceeded_in_all);
    report.put("current_eviction_exceeded_time", exceeded);
    report.put("keyspace_hits", stats.hits);
    report.put("keyspace_misses", stats.misses);
    report.put("pubsub_channels", node.pubsub.registry.len(Scope::Channel));
    report.put("pubsub_patterns", node.pubsub.registry.len(Scope::Pattern));
    report.put("pubsubshard_channels", node.pubsub.registry.len(Scope::Shard));
    // A snapshot is taken by freezing a view; where others fork, this is what it costs.
    report.put("latest_fork_usec", stats.last_freeze_us);
    report.put("total_forks", stats.forks);
    report.put("migrate_cached_sockets", node.migrations.cached());
    report.put("slave_expires_tracked_keys", node.own_keys.len());
    report.zeros(&[
        "active_defrag_hits",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "total_active_defrag_time",
        "current_active_defrag_time",
    ]);
    report.put("tracking_total_keys", node.tracking.keys());
    report.put("tracking_total_items", node.tracking.items());
    report.put("tracking_total_prefixes", node.tracking.prefixes());
    report.put("unexpected_error_replies", stats.propagation_errors);
    report.put("total_error_replies", stats.error_replies);
    report.put("dump_payload_sanitizations", 0);
    report.put("total_reads_processed", stats.reads);
    report.put("total_writes_processed", stats.writes);
    report.zeros(&["io_threaded_reads_processed", "io_threaded_writes_processed"]);
    report.put("client_query_buffer_limit_disconnections", stats.query_limit_disconnections);
    report.put("client_output_buffer_limit_disconnections", stats.obl_disconnections);
    report.put("acl_access_denied_auth", stats.denied_logins);
    report.put("acl_access_denied_cmd", stats.denied_commands);
    report.put("acl_access_denied_key", stats.denied_keys);
    report.put("acl_access_denied_channel", stats.denied_channels);
    report.put("acl_access_denied_tls_cert", stats.denied_certificates);
    report.put("acl_access_denied_db", stats.denied_databases);
    let event_loop = &stats.event_loop;
    report.put("eventloop_cycles", event_loop.rounds);
    report.put("eventloop_duration_sum", event_loop.busy_us);
    report.put("eventloop_duration_cmd_sum", event_loop.command_ns / 1000);
    report.put("instantaneous_eventloop_cycles_per_sec", event_loop.round_rate.per_second());
    report.put("instantaneous_eventloop_duration_usec", event_loop.round_mean.per_event());
}

fn kibibytes(report: &mut Report, name: &str, rate: &Rate) {
    report.put(name, format_args!("{:.2}", rate.per_second() as f64 / 1024.0));
}

/// `# Commandstats`: the commands that were called, or refused.
pub(super) fn commands(node: &Node, _: &Session, report: &mut Report) {
    for container in node.registry.iter() {
        for spec in std::iter::once(container).chain(container.subcommands) {
            let stats = node.stats.per_command[node.registry.index(spec)];
            if stats.calls == 0 && stats.rejected == 0 && stats.failed == 0 {
                continue;
            }
            let micros = stats.nanos / 1000;
            let per_call =
                if stats.calls == 0 { 0.0 } else { stats.nanos as f64 / 1000.0 / stats.calls as f64 };
            report.put(
                &format!("cmdstat_{}", spec.full_name),
                format_args!(
                    "calls={},usec={micros},usec_per_call={per_call:.2},rejected_calls={},failed_calls={}",
                    stats.calls, stats.rejected, stats.failed
                ),
            );
        }
    }
}

/// `# Latencystats`: what time so many of a hundred calls stayed within, in microseconds.
pub(super) fn latencies(node: &Node, _: &Session, report: &mut Report) {
    let percentiles = &node.config.settings().latency_tracking_info_percentiles;
    for container in node.registry.iter() {
        for spec in std::iter::once(container).chain(container.subcommands) {
            let Some(times) = node.stats.times_of(node.registry.index(spec)) else { continue };
            let fields: Vec<String> = percentiles
                .iter()
                .map(|&percent| format!("p{percent}={:.3}", times.percentile(percent) as f64 / 1000.0))
                .collect();
            report.put(&format!("latency_percentiles_usec_{}", spec.full_name), fields.join(","));
        }
    }
}

/// `# Errorstats`: error replies by their codes.
pub(super) fn errors(node: &Node, _: &Session, report: &mut Report) {
    for (code, count) in &node.stats.errors {
        // A colon ends the name of a field.
        let code = code.replace([':', '\r', '\n'], "_");
        report.put(&format!("errorstat_{code}"), format_args!("count={count}"));
    }
}

/// `# Keyspace`: the databases that hold keys.
pub(super) fn keyspace(node: &Node, _: &Session, report: &mut Report) {
    for index in 0..node.keyspace.databases() {
        let db = node.keyspace.db(index);
        if !db.is_empty() {
            let avg_ttl = db.avg_ttl(node.now.unix_ms());
            report.put(
                &format!("db{index}"),
                format_args!(
                    "keys={},expires={},avg_ttl={avg_ttl},keys_with_volatile_items={}",
                    db.len(),
                    db.expires(),
                    db.timed_hashes()
                ),
            );
        }
    }
}
