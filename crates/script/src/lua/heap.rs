//! The interpreter's memory: counted, and limited while Lua code runs.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::ffi::c_void;
use std::ptr::null_mut;

use mlua::ffi::{lua_State, lua_getallocf};

use super::coroutine::Link;

/// What the allocator of one interpreter knows. It is found from any of the interpreter's threads, so the link to the host hangs
/// off it as well.
pub(super) struct Heap {
    /// Bytes that the interpreter holds.
    pub used: usize,
    /// How many it may hold.
    pub limit: usize,
    /// How deep Rust code is in the interpreter: above zero, nothing is refused, because an error would jump over Rust frames.
    pub native: u32,
    pub link: *mut Link,
}

/// Blocks are aligned like those of `malloc`.
const ALIGN: usize = 16;

/// The `lua_Alloc` of every interpreter.
///
/// # Safety
///
/// `ud` is the interpreter's [`Heap`]; `ptr`, unless null, came from here with the size `old`.
pub(super) unsafe extern "C" fn allocate(
    ud: *mut c_void,
    ptr: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: the interpreter hands back what lua_newstate was given, and is the only one to use it meanwhile.
    let heap = unsafe { &mut *ud.cast::<Heap>() };
    let old = if ptr.is_null() { 0 } else { old };
    if new > old && heap.native == 0 && heap.used + (new - old) > heap.limit {
        return null_mut();
    }
    // A request that no allocator could satisfy must not reach it.
    let Ok(layout) = Layout::from_size_align(new.max(1), ALIGN) else { return null_mut() };
    // SAFETY: sizes are not zero where that is required, and a block's layout is the one that it was made with.
    let block = unsafe {
        match (old, new) {
            (0, 0) => null_mut(),
            (0, _) => alloc(layout),
            (_, 0) => {
                dealloc(ptr.cast(), Layout::from_size_align_unchecked(old, ALIGN));
                null_mut()
            }
            _ => realloc(ptr.cast(), Layout::from_size_align_unchecked(old, ALIGN), new),
        }
    };
    if block.is_null() && new > 0 {
        if heap.native > 0 {
            std::alloc::handle_alloc_error(layout);
        }
        return null_mut();
    }
    heap.used = heap.used - old + new;
    block.cast()
}

/// The heap of a thread's interpreter.
///
/// # Safety
///
/// `l` belongs to an interpreter made by [`super::State`].
#[inline]
pub(super) unsafe fn heap_of(l: *mut lua_State) -> *mut Heap {
    let mut ud = null_mut();
    // SAFETY: `l` is a live thread.
    unsafe { lua_getallocf(l, &mut ud) };
    ud.cast()
}
