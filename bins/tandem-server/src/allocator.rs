//! The memory allocator and its settings.

/// The same allocator as the peers': memory is what a database is made of, and this one wastes little of it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// jemalloc's own settings, read from the symbol it looks for. Keys live in allocations of a few dozen bytes; with one page a
/// slab, as it comes, the slab's descriptor costs two bytes an allocation, with sixteen pages almost nothing.
/// `_RJEM_MALLOC_CONF` in the environment is stronger.
//
// SAFETY: the name belongs to the allocator, which reads it as a pointer to a text that ends with a zero byte: a reference to
// an array is such a pointer, the text ends with one, and nothing ever writes it. Nobody else defines the symbol.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static MALLOC_CONF: &[u8; 22] = b"slab_sizes:16-1024:16\0";
