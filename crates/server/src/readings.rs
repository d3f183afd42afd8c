//! What the process uses of the machine.

use std::fs::File;
use std::os::unix::fs::FileExt;

use node::{CpuReading, MemoryReading};

use crate::sys::{process_cpu, thread_cpu};

/// The program's global allocator, as far as it can be asked and tuned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allocator {
    /// Any: what is resident in memory counts as used.
    #[default]
    Unknown,
    /// jemalloc through the crate `tikv-jemallocator`.
    Jemalloc,
}

impl Allocator {
    /// Has the allocator give memory back to the system on a thread of its own, rather than on the one that happens to free.
    /// To be called after any fork.
    pub(crate) fn start_background_work(self) {
        if self == Allocator::Jemalloc
            && let Err(error) = tikv_jemalloc_ctl::background_thread::write(true)
        {
            tracing::debug!("jemalloc runs without background threads: {error}");
        }
    }

    fn probe(self) -> MemoryProbe {
        match self {
            Allocator::Unknown => resident_memory(),
            Allocator::Jemalloc => jemalloc_memory().unwrap_or_else(resident_memory),
        }
    }
}

/// Answers how much memory the process uses.
type MemoryProbe = Box<dyn FnMut() -> MemoryReading + Send>;

fn resident_memory() -> MemoryProbe {
    let mut resident = ResidentSet::new();
    let total_system = total_memory();
    Box::new(move || {
        let rss = resident.bytes();
        MemoryReading { used: rss, rss, active: rss, resident: rss, total_system }
    })
}

fn jemalloc_memory() -> Option<MemoryProbe> {
    use tikv_jemalloc_ctl::{epoch, stats};
    let mut resident = ResidentSet::new();
    let total_system = total_memory();
    // Looked up once: a name costs more to find than its figure to read.
    let figures = epoch::mib().ok()?;
    let (allocated, active) = (stats::allocated::mib().ok()?, stats::active::mib().ok()?);
    let mapped = stats::resident::mib().ok()?;
    Some(Box::new(move || {
        let rss = resident.bytes();
        // The figures stand still until the epoch is advanced.
        let _ = figures.advance();
        let used = allocated
            .read()
            .map_or(rss, |bytes| (bytes as u64).saturating_sub(crate::sys::allocator_cached().unwrap_or(0)));
        crate::memory::settle(used);
        MemoryReading {
            used,
            rss,
            active: active.read().map_or(rss, |bytes| bytes as u64),
            resident: mapped.read().map_or(rss, |bytes| bytes as u64),
            total_system,
        }
    }))
}

fn total_memory() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram as u64 * u64::from(info.mem_unit.max(1))
}

/// The resident set, out of `/proc/self/statm`. The file stays open: to read it again is one system call.
struct ResidentSet {
    statm: Option<File>,
    page_size: u64,
}

impl ResidentSet {
    fn new() -> ResidentSet {
        ResidentSet {
            statm: File::open("/proc/self/statm").ok(),
            page_size: rustix::param::page_size() as u64,
        }
    }

    fn bytes(&mut self) -> u64 {
        let mut text = [0; 128];
        let len = self.statm.as_ref().and_then(|statm| statm.read_at(&mut text, 0).ok()).unwrap_or(0);
        resident_pages(&text[..len]).unwrap_or(0) * self.page_size
    }
}

/// The second number of `/proc/self/statm`.
fn resident_pages(statm: &[u8]) -> Option<u64> {
    std::str::from_utf8(statm).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Memory and processor time together, as the node wants them.
pub(crate) struct Readings {
    memory: MemoryProbe,
}

impl Readings {
    pub fn new(allocator: Allocator) -> Readings {
        Readings { memory: allocator.probe() }
    }

    /// The figures of now. To be called on the engine thread, whose own time is among them.
    pub fn take(&mut self) -> (MemoryReading, CpuReading) {
        let (process, main) = (process_cpu(), thread_cpu());
        let cpu = CpuReading {
            system_us: process.system_us,
            user_us: process.user_us,
            main_system_us: main.system_us,
            main_user_us: main.user_us,
        };
        ((self.memory)(), cpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statm() {
        assert_eq!(resident_pages(b"5000 321 200 40 0 700 0\n"), Some(321));
        assert_eq!(resident_pages(b""), None);
        assert_eq!(resident_pages(b"1 x"), None);
    }

    #[test]
    fn this_process() {
        let (memory, _) = Readings::new(Allocator::Unknown).take();
        assert!(memory.rss > 100_000 && memory.total_system > memory.rss, "{memory:?}");
    }
}
