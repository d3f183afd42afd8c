//! How much copying on write has left behind.
//!
//! A write to something shared copies it and leaves the shared version to those who have it. A database that limits its memory
//! must know how much of what is allocated is only there for readers of the past: deleting more keys would not free it. So whoever
//! copies notes the size of what is left, on the thread that writes. Nothing is noted as long as nothing is shared.

use std::cell::Cell;

use triomphe::Arc;

thread_local! {
    static TOTAL: Cell<u64> = const { Cell::new(0) };
}

/// Notes that so many bytes were left behind.
pub fn note(bytes: usize) {
    TOTAL.set(TOTAL.get().wrapping_add(bytes as u64));
}

/// Bytes that this thread has ever left behind; only differences mean something.
pub fn total() -> u64 {
    TOTAL.get()
}

/// [`Arc::make_mut`] that notes what it leaves behind: the shared value, of which `bytes` tells the size.
#[inline]
pub(crate) fn make_mut<T: Clone>(arc: &mut Arc<T>, bytes: impl FnOnce(&T) -> usize) -> &mut T {
    if !arc.is_unique() {
        note(bytes(arc));
    }
    Arc::make_mut(arc)
}
