//! Lua itself: the one place that calls the interpreter, which is written in C.
//!
//! # Errors that jump
//!
//! Lua raises errors with `longjmp`. No Rust frame with something to drop may lie below such a jump, so:
//!
//! - functions of ours that scripts call ([`Native`]) return their error, and the trampoline, which owns nothing by then, raises it;
//! - while Rust code works on the interpreter, its allocator never refuses ([`heap`]): nothing that [`Stack`] offers can raise. The
//!   limit of memory takes effect in Lua code;
//! - functions of the interpreter that raise by themselves (metamethods, `lua_call` …) are called from protected code only.
//!
//! # Two stacks
//!
//! A running script has a stack of its own ([`coroutine`]); its frames and those of its host never mix, and no jump or unwinding
//! crosses from one to the other. While a script is suspended only [`Exchange`] is touched.

#![allow(unsafe_code)]

mod coroutine;
mod heap;
mod native;
mod sandboxed;
mod stack;
mod state;

pub(crate) use coroutine::Event;
pub(crate) use native::{Native, Raise, bad_argument};
pub(crate) use sandboxed::Guard;
pub(crate) use stack::{Kind, Stack};
pub use state::FunctionRef;
pub(crate) use state::State;
