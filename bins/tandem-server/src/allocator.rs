//! The memory allocator and its settings.

/// The same allocator as the peers': memory is what a database is made of, and this one wastes little of it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// jemalloc's own settings, read from the symbol it looks for. `_RJEM_MALLOC_CONF` in the environment is stronger.
///
/// - `slab_sizes`: keys live in allocations of a few dozen bytes. With one page a slab, as it comes, the slab's descriptor costs
///   two bytes an allocation, with sixteen pages almost nothing.
/// - `narenas`: one arena for all threads. A dataset is built on a loader's thread and changed on the engine's, and what the
///   second frees must be of use to itself: with arenas of their own, replacing half of a dataset that had been loaded left 108
///   bytes a key where 73 are needed. Each thread has a cache in front of the arena, so they seldom meet there.
/// - `thp`: huge pages. A random access to a large dataset misses the TLB less often. Nothing here forks, so no huge page is ever
///   copied for the sake of one byte, which is why others advise against them.
//
// SAFETY: the name belongs to the allocator, which reads it as a pointer to a text that ends with a zero byte: a reference to
// an array is such a pointer, the text ends with one, and nothing ever writes it. Nobody else defines the symbol.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static MALLOC_CONF: &[u8; 43] = b"slab_sizes:16-1024:16,narenas:1,thp:always\0";

#[cfg(test)]
mod tests {
    #[test]
    fn the_settings_are_in_force() {
        // The one, and the one for huge allocations. Unset there would be four for each processor.
        assert!(tikv_jemalloc_ctl::arenas::narenas::read().unwrap() <= 2);
    }

    /// The server composes the memory in use of the allocator's sum, less what lies in the caches of threads, and of the counters of
    /// single threads. Both must mean the same bytes.
    #[test]
    fn the_sum_and_the_counters_agree() {
        use tikv_jemalloc_ctl::{epoch, raw, stats, thread};
        let cached = || {
            let mut mib = [0; 4];
            raw::name_to_mib(b"stats.arenas.0.tcache_bytes\0", &mut mib).unwrap();
            mib[2] = 4096;
            // SAFETY: the value behind this name is a `size_t`.
            unsafe { raw::read_mib::<usize>(&mib) }.unwrap() as i64
        };
        let sum = || {
            epoch::advance().unwrap();
            stats::allocated::read().unwrap() as i64 - cached()
        };
        let counted = || {
            thread::allocatedp::read().unwrap().get() as i64
                - thread::deallocatedp::read().unwrap().get() as i64
        };
        let (sum_before, counted_before) = (sum(), counted());
        let mut kept: Vec<Vec<u8>> = Vec::new();
        for number in 0..200_000usize {
            kept.push(vec![1; 16 + number * 37 % 900]);
            if number % 3 == 0 {
                kept.swap_remove(number / 5 % kept.len());
            }
        }
        let (sum, counted) = (sum() - sum_before, counted() - counted_before);
        assert!(counted > 50_000_000, "{counted}");
        // The harness's own threads may be at work.
        assert!((sum - counted).abs() < 64 * 1024, "{sum} by the sum, {counted} by the counters");
        drop(kept);

        let started = std::time::Instant::now();
        for _ in 0..1000 {
            epoch::advance().unwrap();
        }
        let sum_ns = started.elapsed().as_nanos() / 1000;
        let counters = (thread::allocatedp::read().unwrap(), thread::deallocatedp::read().unwrap());
        let started = std::time::Instant::now();
        let mut total = 0u64;
        for _ in 0..1_000_000 {
            let (allocated, freed) = std::hint::black_box(counters);
            // A thread may free what others have allocated.
            total ^= allocated.get().wrapping_sub(freed.get());
        }
        std::hint::black_box(total);
        let counters_ns = started.elapsed().as_nanos() as f64 / 1e6;
        println!("the sum takes {sum_ns} ns, the counters {counters_ns:.2} ns");
        assert!(counters_ns * 10.0 < sum_ns as f64, "the counters are the cheap way");
    }
}
