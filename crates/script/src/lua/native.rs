//! Functions of ours that scripts call.

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mlua::ffi::{
    lua_State, lua_error, lua_pushcclosure, lua_pushlightuserdata, lua_touserdata, lua_upvalueindex,
};

use super::heap::heap_of;
use super::stack::Stack;

/// A function in Rust: its arguments lie on the stack from 1 on; it leaves its results on top and says how many.
pub(crate) type Native = fn(&mut Stack<'_>) -> Result<usize, Raise>;

/// An error that a script gets.
#[derive(Debug)]
pub(crate) enum Raise {
    /// A text behind the position of whoever called.
    At(String),
    /// A text as it is.
    Text(String),
    /// A table whose field `err` says what went wrong: what `redis.call` raises.
    Reply(String),
    /// The value on top of the stack.
    Top,
}

/// A wrong argument, in the words of Lua's own library.
pub(crate) fn bad_argument(position: usize, function: &str, what: &str) -> Raise {
    Raise::At(format!("bad argument #{position} to '{function}' ({what})"))
}

/// Pushes `function` as something that Lua can call.
///
/// # Safety
///
/// `l` is a live thread with a free slot.
pub(super) unsafe fn push(l: *mut lua_State, function: Native) {
    // SAFETY: a function pointer survives the way through a light userdata.
    unsafe {
        lua_pushlightuserdata(l, function as *mut std::ffi::c_void);
        lua_pushcclosure(l, trampoline, 1);
    }
}

/// What Lua calls. It owns nothing when it raises.
unsafe extern "C-unwind" fn trampoline(l: *mut lua_State) -> c_int {
    // SAFETY: the interpreter calls with a live thread, and with the upvalue that `push` gave.
    unsafe {
        let heap = heap_of(l);
        (*heap).native += 1;
        let results = run(l);
        (*heap).native -= 1;
        if results < 0 {
            lua_error(l);
        }
        results
    }
}

/// Runs the function; -1 with the error on top.
#[inline]
unsafe fn run(l: *mut lua_State) -> c_int {
    // SAFETY: the upvalue is a `Native`; the stack belongs to this call.
    let (function, mut stack) = unsafe {
        let function = lua_touserdata(l, lua_upvalueindex(1));
        (std::mem::transmute::<*mut std::ffi::c_void, Native>(function), Stack::new(l))
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| function(&mut stack)));
    match outcome {
        Ok(Ok(results)) => results as c_int,
        Ok(Err(raise)) => {
            stack.push_raise(raise);
            -1
        }
        Err(_) => {
            stack.push_bytes(b"internal error");
            -1
        }
    }
}
