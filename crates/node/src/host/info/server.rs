//! The sections about the process.

use std::fmt::{self, Display};

use super::Report;
use crate::node::Node;
use crate::session::Session;

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// `# Server`
pub(super) fn write(node: &Node, _: &Session, report: &mut Report) {
    let settings = node.config.settings();
    let uptime = node.uptime().as_secs();
    report.put("redis_version", crate::REDIS_VERSION);
    report.put("server_name", "tandem");
    report.put("tandem_version", crate::TANDEM_VERSION);
    report.put("redis_mode", "standalone");
    report.put("os", &node.boot.os);
    report.put("arch_bits", usize::BITS);
    report.put("process_id", node.boot.pid);
    report.put("process_supervised", settings.supervised);
    report.put("run_id", &node.run_id);
    report.put("tcp_port", settings.main_port());
    report.put("server_time_usec", node.now.unix_us);
    report.put("uptime_in_seconds", uptime);
    report.put("uptime_in_days", uptime / SECONDS_PER_DAY);
    report.put("hz", settings.hz);
    report.put("configured_hz", settings.hz);
    report.put("lru_clock", commands::access::clock(node.now.unix_ms(), false));
    report.put("executable", &node.boot.executable);
    let config_file = node.boot.config_file.as_ref().map(|path| path.display().to_string());
    report.put("config_file", config_file.unwrap_or_default());
    report.flag("io_threads_active", settings.io_threads > 1);
    listeners(settings, report);
    if let Some(shutdown) = &node.persistence.shutdown
        && shutdown.waiting_for_replicas
    {
        report.put("shutdown_in_milliseconds", shutdown.deadline_ms.saturating_sub(node.now.mono_ms()));
    }
}

/// One line for each kind of socket that is listened on.
fn listeners(settings: &config::Settings, report: &mut Report) {
    let mut number = 0;
    if settings.port != 0 {
        let binds: String = settings.bind.iter().map(|address| format!(",bind={address}")).collect();
        report.put("listener0", format_args!("name=tcp{binds},port={}", settings.port));
        number += 1;
    }
    if let Some(path) = &settings.unixsocket {
        report.put(&format!("listener{number}"), format_args!("name=unix,bind={path}"));
    }
}

/// `# CPU`
pub(super) fn cpu(node: &Node, _: &Session, report: &mut Report) {
    let cpu = node.cpu;
    report.put("used_cpu_sys", Seconds(cpu.system_us));
    report.put("used_cpu_user", Seconds(cpu.user_us));
    // There are no child processes.
    report.put("used_cpu_sys_children", Seconds(0));
    report.put("used_cpu_user_children", Seconds(0));
    report.put("used_cpu_sys_main_thread", Seconds(cpu.main_system_us));
    report.put("used_cpu_user_main_thread", Seconds(cpu.main_user_us));
    report.put("used_active_time_main_thread", Seconds(node.stats.event_loop.busy_us));
}

/// Microseconds as seconds.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use crate::stats::{CpuReading, MemoryReading};
    use crate::testing::Fixture;

    #[test]
    fn processor_time_is_in_seconds() {
        let mut node = Fixture::new();
        let cpu =
            CpuReading { system_us: 1_500_000, user_us: 70, main_system_us: 3, main_user_us: 12_000_001 };
        node.node.set_readings(MemoryReading::default(), cpu);
        let reply = node.run(&["INFO", "cpu"]);
        for line in ["used_cpu_sys:1.500000", "used_cpu_user:0.000070", "used_cpu_user_main_thread:12.000001"]
        {
            assert!(reply.contains(&format!("\r\n{line}\r\n")), "{reply}");
        }
    }

    #[test]
    fn the_process_is_described() {
        let mut node = Fixture::with(&["--port", "7001", "--bind", "127.0.0.1 -::1"]);
        node.advance_ms(90_061_000);
        let reply = node.run(&["INFO", "server"]);
        for line in [
            "redis_mode:standalone",
            "tcp_port:7001",
            "uptime_in_seconds:90061",
            "uptime_in_days:1",
            "config_file:",
            "listener0:name=tcp,bind=127.0.0.1,bind=-::1,port=7001",
        ] {
            assert!(reply.contains(&format!("\r\n{line}\r\n")), "no {line} in {reply}");
        }
    }
}
