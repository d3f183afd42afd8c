//! The section about memory.

use super::{HumanBytes, Report};
use crate::host::memory::{difference, ratio};
use crate::node::Node;
use crate::scripting::Engine;
use crate::session::Session;

/// `# Memory`
pub(super) fn write(node: &Node, session: &Session, report: &mut Report) {
    let memory = node.memory;
    let settings = node.config.settings();
    let overhead = node.overhead(session);
    let peak = node.peak_memory();
    let used = node.used_memory();
    let dataset = used.saturating_sub(overhead.total());
    report.bytes("used_memory", used);
    report.bytes("used_memory_rss", memory.rss);
    report.bytes("used_memory_peak", peak);
    report.put("used_memory_peak_perc", percent(used, peak));
    report.put("used_memory_overhead", overhead.total());
    report.put("used_memory_startup", node.stats.startup_memory);
    report.put("used_memory_dataset", dataset);
    report.put("used_memory_dataset_perc", percent(dataset, used));
    report.put("allocator_allocated", used);
    report.put("allocator_active", memory.active);
    report.put("allocator_resident", memory.resident);
    report.bytes("total_system_memory", memory.total_system);
    scripts(node, report);
    report.bytes("maxmemory", settings.maxmemory);
    report.put("maxmemory_policy", settings.maxmemory_policy);
    quotient(report, "allocator_frag_ratio", memory.active, used);
    report.put("allocator_frag_bytes", difference(memory.active, used));
    quotient(report, "allocator_rss_ratio", memory.resident, memory.active);
    report.put("allocator_rss_bytes", difference(memory.resident, memory.active));
    quotient(report, "rss_overhead_ratio", memory.rss, memory.resident);
    report.put("rss_overhead_bytes", difference(memory.rss, memory.resident));
    quotient(report, "mem_fragmentation_ratio", memory.rss, used);
    report.put("mem_fragmentation_bytes", difference(memory.rss, used));
    let backlog = if node.replication.has_log() { overhead.log.min(settings.repl_backlog_size) } else { 0 };
    report.put("mem_replication_backlog", backlog);
    report.put("mem_total_replication_buffers", overhead.log);
    report.put("mem_clients_slaves", overhead.replicas + node.unsent_log());
    report.put("mem_clients_normal", overhead.clients);
    report.zeros(&["mem_cluster_links", "mem_aof_buffer"]);
    report.put("mem_not_counted_for_evict", node.memory_not_counted());
    report.put("mem_allocator", if (node.boot.memory_used)() > 0 { "jemalloc" } else { "unknown" });
    report.put("mem_overhead_db_hashtable_rehashing", 0);
    report.put("active_defrag_running", 0);
    report.put("lazyfree_pending_objects", node.lazyfree.pending_objects());
    report.put("lazyfreed_objects", node.lazyfree.freed_objects());
}

/// What scripts and functions take: the interpreters (`vm`), and what is kept about them outside.
fn scripts(node: &Node, report: &mut Report) {
    let scripting = &node.scripting;
    let eval = scripting.memory(Engine::Scripts) as u64;
    let functions = scripting.memory(Engine::Functions) as u64;
    let (cached, kept) = (scripting.cache.bytes() as u64, scripting.libraries.bytes() as u64);
    report.put("used_memory_lua", eval);
    report.put("used_memory_vm_eval", eval);
    report.put("used_memory_lua_human", HumanBytes(eval));
    report.put("used_memory_scripts_eval", cached);
    report.put("number_of_cached_scripts", scripting.cache.len());
    report.put("number_of_functions", scripting.libraries.functions());
    report.put("number_of_libraries", scripting.libraries.len());
    report.put("used_memory_vm_functions", functions);
    report.bytes("used_memory_vm_total", eval + functions);
    report.put("used_memory_functions", kept);
    report.bytes("used_memory_scripts", cached + kept);
}

fn quotient(report: &mut Report, name: &str, part: u64, whole: u64) {
    report.put(name, format_args!("{:.2}", ratio(part, whole)));
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.2}%", 100.0 * ratio(part, whole))
}

#[cfg(test)]
mod tests {
    use crate::stats::{CpuReading, MemoryReading};
    use crate::testing::Fixture;

    #[test]
    fn readings_are_shown_with_what_follows_from_them() {
        let mut node = Fixture::with(&["--maxmemory", "100mb"]);
        let high = MemoryReading { used: 4 << 20, ..MemoryReading::default() };
        let now = MemoryReading {
            used: 3 << 20,
            rss: 6 << 20,
            active: 4 << 20,
            resident: 5 << 20,
            total_system: 1 << 34,
        };
        node.node.set_readings(high, CpuReading::default());
        node.node.set_readings(now, CpuReading::default());
        let reply = node.run(&["INFO", "memory"]);
        for line in [
            "used_memory:3145728",
            "used_memory_human:3.00M",
            "used_memory_rss_human:6.00M",
            "used_memory_peak:4194304",
            "used_memory_peak_perc:75.00%",
            "total_system_memory_human:16.00G",
            "maxmemory:104857600",
            "maxmemory_human:100.00M",
            "maxmemory_policy:noeviction",
            "allocator_frag_ratio:1.33",
            "allocator_frag_bytes:1048576",
            "mem_fragmentation_ratio:2.00",
            "mem_fragmentation_bytes:3145728",
            "mem_replication_backlog:0",
        ] {
            assert!(reply.contains(&format!("\r\n{line}\r\n")), "no {line} in {reply}");
        }
    }
}
