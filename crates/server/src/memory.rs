//! How much memory the program has allocated, to the byte and at any moment.
//!
//! The allocator's own sum stands still until its epoch is advanced, which merges the books of all threads and takes tens of
//! microseconds: too much for a question that is asked before every command once there is a limit. What costs nothing is to look at
//! the counters that the allocator keeps for each thread, in memory that belongs to the thread. So the figure is composed:
//!
//! ```text
//! used = what was allocated at the last tick, by the allocator's sum
//!      + what the engine thread has allocated and freed since, by its own counters
//!      + what other threads have allocated and freed since, as far as they have said so
//! ```
//!
//! Other threads say so whenever they hand something over ([`publish`]): memory often changes hands, and what one thread allocates
//! and another frees must not be seen by halves for long. What nobody has said is in the sum of the next tick.
//!
//! The sum counts what lies in the caches of threads, ready to be allocated again, as allocated; that part is taken off.

use std::cell::{Cell, OnceCell};
use std::sync::atomic::{AtomicI64, Ordering};

use tikv_jemalloc_ctl::thread::{self, ThreadLocal};

/// What threads other than an engine's have allocated less what they have freed, as far as they have said.
static OTHERS: AtomicI64 = AtomicI64::new(0);

/// The allocator's counters for one thread.
#[derive(Clone, Copy)]
struct Counters {
    allocated: ThreadLocal<u64>,
    freed: ThreadLocal<u64>,
}

impl Counters {
    fn of_this_thread() -> Option<Counters> {
        Some(Counters {
            allocated: thread::allocatedp::read().ok()?,
            freed: thread::deallocatedp::read().ok()?,
        })
    }

    /// What this thread has allocated less what it has freed, whoever had allocated that.
    #[inline]
    fn net(self) -> i64 {
        self.allocated.get().wrapping_sub(self.freed.get()) as i64
    }
}

thread_local! {
    static COUNTERS: OnceCell<Option<Counters>> = const { OnceCell::new() };
    /// What this thread has said so far.
    static PUBLISHED: Cell<i64> = const { Cell::new(0) };
    /// On an engine's thread: what is used beyond what its own counters and those of the others add up to.
    static BASE: Cell<Option<i64>> = const { Cell::new(None) };
}

fn net() -> Option<i64> {
    COUNTERS.with(|counters| counters.get_or_init(Counters::of_this_thread).map(Counters::net))
}

/// Says what this thread has allocated and freed since it last said so. For threads other than an engine's.
pub(crate) fn publish() {
    let Some(net) = net() else { return };
    let before = PUBLISHED.replace(net);
    OTHERS.fetch_add(net - before, Ordering::Relaxed);
}

/// Takes the allocator's sum for the truth from here on. For an engine's thread.
pub(crate) fn settle(used: u64) {
    if let Some(net) = net() {
        BASE.set(Some(used as i64 - net - OTHERS.load(Ordering::Relaxed)));
    }
}

/// Bytes that the program has allocated and not freed; 0 if that is not known here. For an engine's thread.
pub(crate) fn used() -> u64 {
    match (BASE.get(), net()) {
        (Some(base), Some(net)) => (base + net + OTHERS.load(Ordering::Relaxed)).max(0) as u64,
        _ => 0,
    }
}

/// The allocator's report on itself.
pub(crate) fn report() -> Option<String> {
    let mut text = Vec::new();
    tikv_jemalloc_ctl::stats_print::stats_print(&mut text, Default::default()).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// Something whose end has the allocator give unused pages back, on the thread that drops it: that takes a while.
pub(crate) struct Purge;

impl Drop for Purge {
    fn drop(&mut self) {
        crate::sys::purge_allocator();
    }
}
