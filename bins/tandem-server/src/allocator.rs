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
}
