//! The section about what is on the disk.

use std::sync::atomic::Ordering;

use super::Report;
use crate::action::LoadProgress;
use crate::host::memory::ratio;
use crate::node::Node;
use crate::persistence::SaveKind;
use crate::session::Session;

/// `# Persistence`
pub(super) fn write(node: &Node, _: &Session, report: &mut Report) {
    let state = &node.persistence;
    let sync = node.replication.upstream.as_ref().and_then(|upstream| upstream.sync.as_ref());
    report.flag("loading", node.gate.loading);
    // A full resynchronisation is loaded beside the dataset that is being served.
    report.flag("async_loading", sync.is_some_and(|sync| sync.received > 0));
    let left_behind = if state.current.is_some() { node.keyspace.left_behind() } else { 0 };
    report.put("current_cow_peak", left_behind);
    report.put("current_cow_size", left_behind);
    // It is known at any time, so it is never old.
    report.put("current_cow_size_age", 0);
    let (processed, total) = match &state.current {
        Some(save) => (save.progress.load(Ordering::Relaxed), save.total_keys),
        None => (0, 0),
    };
    report.put("current_fork_perc", format_args!("{:.2}", 100.0 * ratio(processed, total)));
    report.put("current_save_keys_processed", processed);
    report.put("current_save_keys_total", total);
    report.put("rdb_changes_since_last_save", state.dirty);
    let saves_rdb = state.current.as_ref().is_some_and(|save| save.kind != SaveKind::Aof);
    report.flag("rdb_bgsave_in_progress", saves_rdb);
    report.put("rdb_last_save_time", state.last_save_unix_s);
    report.put("rdb_last_bgsave_status", ok_or_err(state.last_ok));
    report.put("rdb_last_bgsave_time_sec", state.last_duration_s);
    let current_seconds = state
        .current
        .as_ref()
        .filter(|save| save.kind != SaveKind::Aof)
        .map(|save| node.now.mono_us.saturating_sub(save.started.mono_us) / 1_000_000)
        .map_or(-1, |seconds| seconds as i64);
    report.put("rdb_current_bgsave_time_sec", current_seconds);
    report.put("rdb_saves", state.saves);
    report.put("rdb_last_cow_size", if state.current.is_some() { 0 } else { state.left_behind });
    report.put("rdb_last_load_keys_expired", state.last_load_expired);
    report.put("rdb_last_load_keys_loaded", state.last_load_keys);
    write_aof(node, report);
    report.zeros(&["aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"]);
    if let Some(loading) = &state.loading {
        write_loading(report, node.now.unix_s(), loading.started.unix_s(), loading.progress);
    } else if let Some(sync) = sync.filter(|sync| sync.received > 0) {
        let seconds = node.now.mono_ms().saturating_sub(sync.started_ms) / 1000;
        let now = node.now.unix_s();
        write_loading(report, now, now.saturating_sub(seconds), sync.progress);
    }
}

fn write_aof(node: &Node, report: &mut Report) {
    let aof = &node.aof;
    report.flag("aof_enabled", !aof.is_off());
    // One that has been switched on is not done before its first base stands.
    report.flag("aof_rewrite_in_progress", aof.rewrite.is_some() || aof.is_beginning());
    report.flag("aof_rewrite_scheduled", aof.rewrite_scheduled);
    report.put("aof_last_rewrite_time_sec", aof.last_rewrite_s);
    let current_s = aof
        .rewrite
        .as_ref()
        .map_or(-1, |rewrite| (node.now.mono_us.saturating_sub(rewrite.started.mono_us) / 1_000_000) as i64);
    report.put("aof_current_rewrite_time_sec", current_s);
    report.put("aof_last_bgrewrite_status", ok_or_err(aof.last_rewrite_ok));
    report.put("aof_rewrites", aof.rewrites);
    report.put("aof_rewrites_consecutive_failures", aof.rewrite_failures);
    report.put("aof_last_write_status", ok_or_err(!aof.is_failing()));
    if aof.is_off() {
        return;
    }
    let end = node.replication.log.end();
    report.put("aof_current_size", aof.current_bytes());
    report.put("aof_base_size", aof.base_bytes);
    report.flag("aof_pending_rewrite", aof.rewrite_scheduled);
    report.put("aof_buffer_length", aof.unwritten(end));
    report.put("aof_pending_bio_fsync", u8::from(aof.is_syncing()));
    report.put("aof_delayed_fsync", aof.delayed_syncs);
    report.put("aof_written_offset", aof.written);
    report.put("aof_synced_offset", aof.synced);
    if let Some(error) = aof.write_error.as_ref().or(aof.sync_error.as_ref()) {
        report.put("aof_last_error", error);
    }
}

/// How far a load has come. Where nobody knows how long the snapshot is, the memory that its writer used stands for that.
fn write_loading(report: &mut Report, now_s: u64, started_s: u64, progress: LoadProgress) {
    let LoadProgress { bytes, total, used_memory } = progress;
    let expected = if total > 0 { total } else { used_memory.max(bytes + 1) };
    let elapsed_s = now_s.saturating_sub(started_s);
    // Before a second has gone by there is nothing to reckon with.
    let eta_s = if elapsed_s == 0 { 1 } else { elapsed_s * expected.saturating_sub(bytes) / (bytes + 1) };
    report.put("loading_start_time", started_s);
    report.put("loading_total_bytes", total);
    report.put("loading_rdb_used_mem", used_memory);
    report.put("loading_loaded_bytes", bytes);
    report.put("loading_loaded_perc", format_args!("{:.2}", 100.0 * ratio(bytes, expected)));
    report.put("loading_eta_seconds", eta_s);
}

fn ok_or_err(ok: bool) -> &'static str {
    if ok { "ok" } else { "err" }
}

#[cfg(test)]
mod tests {
    use crate::action::{Action, Completion, LoadError, LoadProgress, SaveReport};
    use crate::snapshot::{Loaded, SnapshotLoader};
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
    fn a_load_is_seen_from_its_start_to_its_end() {
        let mut node = Fixture::new();
        let now = node.now;
        node.node.start(now);
        let job = node
            .actions()
            .into_iter()
            .find_map(|action| match action {
                Action::Load(job) => Some(job),
                _ => None,
            })
            .expect("a start loads");
        has(&mut node, &["loading:1", "async_loading:0", "loading_loaded_bytes:0", "loading_eta_seconds:1"]);
        node.advance_ms(2000);
        let progress = LoadProgress { bytes: 1000, total: 4000, used_memory: 5000 };
        node.complete(job.id, Completion::LoadProgress(progress));
        has(
            &mut node,
            &[
                "loading:1",
                "loading_total_bytes:4000",
                "loading_rdb_used_mem:5000",
                "loading_loaded_bytes:1000",
                "loading_loaded_perc:25.00",
                "loading_eta_seconds:5",
            ],
        );
        let loader = SnapshotLoader::new(job.options);
        node.complete(job.id, Completion::Loaded(finish(loader)));
        let reply = node.run(&["INFO", "persistence"]);
        assert!(reply.contains("\r\nloading:0\r\n") && !reply.contains("loading_"), "{reply}");
        has(&mut node, &["rdb_last_load_keys_loaded:1", "rdb_last_load_keys_expired:1"]);
    }

    /// Has it load two keys, one of which has expired.
    fn finish(mut loader: SnapshotLoader) -> Result<Box<Loaded>, LoadError> {
        let mut dump = rdb::Writer::new(rdb::WriteOptions::default());
        dump.header();
        dump.select_db(0);
        dump.string(b"stays", b"1", None, None);
        dump.string(b"has expired", b"1", Some(1), None);
        dump.finish();
        loader.feed(&dump.take())?;
        loader.finish()
    }

    #[test]
    fn what_a_save_keeps_from_being_freed_is_seen() {
        let mut node = Fixture::new();
        node.run(&["SET", "key", &"x".repeat(1000)]);
        has(&mut node, &["current_cow_size:0", "rdb_last_cow_size:0"]);
        node.run(&["BGSAVE"]);
        let save = node.saves().pop().expect("a save was asked for");
        node.run(&["SET", "key", "other"]);
        let size = |node: &mut Fixture, name: &str| -> u64 {
            let reply = node.run(&["INFO", "persistence"]);
            let line = reply.lines().find_map(|line| line.strip_prefix(name)).expect("the field is there");
            line.parse().expect("a number")
        };
        let current = size(&mut node, "current_cow_size:");
        assert!(current > 1000, "{current}");
        node.advance_ms(200);
        let id = save.id;
        drop(save);
        node.complete(id, Completion::Saved(Ok(SaveReport { bytes: 100, keys: 1 })));
        assert_eq!(size(&mut node, "current_cow_size:"), 0);
        assert_eq!(size(&mut node, "rdb_last_cow_size:"), current);
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
