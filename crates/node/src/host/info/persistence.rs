//! The section about what is on the disk.

use std::sync::atomic::Ordering;

use super::Report;
use crate::host::memory::ratio;
use crate::node::Node;
use crate::session::Session;

/// `# Persistence`
pub(super) fn write(node: &Node, _: &Session, report: &mut Report) {
    let state = &node.persistence;
    let sync = node.replication.upstream.as_ref().and_then(|upstream| upstream.sync.as_ref());
    report.flag("loading", node.gate.loading);
    // A full resynchronisation is loaded beside the dataset that is being served.
    report.flag("async_loading", sync.is_some_and(|sync| sync.received > 0));
    let (processed, total) = match &state.current {
        Some(save) => (save.progress.load(Ordering::Relaxed), save.total_keys),
        None => (0, 0),
    };
    report.put("current_fork_perc", format_args!("{:.2}", 100.0 * ratio(processed, total)));
    report.put("current_save_keys_processed", processed);
    report.put("current_save_keys_total", total);
    report.put("rdb_changes_since_last_save", state.dirty);
    report.flag("rdb_bgsave_in_progress", state.current.is_some());
    report.put("rdb_last_save_time", state.last_save_unix_s);
    report.put("rdb_last_bgsave_status", ok_or_err(state.last_ok));
    report.put("rdb_last_bgsave_time_sec", state.last_duration_s);
    let current_seconds = state
        .current
        .as_ref()
        .map(|save| node.now.mono_us.saturating_sub(save.started.mono_us) / 1_000_000)
        .map_or(-1, |seconds| seconds as i64);
    report.put("rdb_current_bgsave_time_sec", current_seconds);
    report.put("rdb_saves", state.saves);
    report.put("rdb_last_load_keys_expired", state.last_load_expired);
    report.put("rdb_last_load_keys_loaded", state.last_load_keys);
    report.zeros(&["aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled"]);
    report.put("aof_last_rewrite_time_sec", -1);
    report.put("aof_current_rewrite_time_sec", -1);
    report.put("aof_last_bgrewrite_status", ok_or_err(true));
    report.zeros(&["aof_rewrites", "aof_rewrites_consecutive_failures"]);
    report.put("aof_last_write_status", ok_or_err(true));
    report.zeros(&["aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"]);
    if let Some(loading) = &state.loading {
        report.put("loading_start_time", loading.started.unix_s());
        report.put("loading_loaded_bytes", loading.loaded_bytes);
    }
}

fn ok_or_err(ok: bool) -> &'static str {
    if ok { "ok" } else { "err" }
}

#[cfg(test)]
mod tests {
    use crate::action::{Completion, SaveReport};
    use crate::testing::Fixture;

    fn has(node: &mut Fixture, lines: &[&str]) {
        let reply = node.run(&["INFO", "persistence"]);
        for line in lines {
            assert!(reply.contains(&format!("\r\n{line}\r\n")), "no {line} in {reply}");
        }
    }

    #[test]
    fn a_save_is_seen_from_its_start_to_its_end() {
        let mut node = Fixture::new();
        node.run(&["SET", "a", "1"]);
        node.run(&["SET", "b", "1"]);
        has(
            &mut node,
            &["rdb_changes_since_last_save:2", "rdb_bgsave_in_progress:0", "rdb_current_bgsave_time_sec:-1"],
        );
        node.run(&["BGSAVE"]);
        let job = node.saves().pop().expect("a save was asked for");
        node.run(&["SET", "c", "1"]);
        node.advance_ms(3000);
        has(
            &mut node,
            &["rdb_bgsave_in_progress:1", "rdb_current_bgsave_time_sec:3", "current_save_keys_total:2"],
        );
        let report = SaveReport { bytes: 100, keys: 2 };
        node.complete(job.id, Completion::Saved(Ok(report)));
        has(
            &mut node,
            &[
                "rdb_changes_since_last_save:1",
                "rdb_bgsave_in_progress:0",
                "rdb_last_bgsave_status:ok",
                "rdb_last_bgsave_time_sec:3",
                "rdb_saves:1",
            ],
        );
    }

    #[test]
    fn a_failed_save_is_seen() {
        let mut node = Fixture::new();
        node.run(&["BGSAVE"]);
        let job = node.saves().pop().expect("a save was asked for");
        node.complete(job.id, Completion::Saved(Err("disk full".to_owned())));
        has(&mut node, &["rdb_last_bgsave_status:err", "rdb_saves:0"]);
    }
}
