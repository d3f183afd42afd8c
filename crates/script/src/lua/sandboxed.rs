//! The interpreter's own functions where they need a check in front.
//!
//! Tables that scripts must not change are shown to them as empty ones, whose metatable leads to the contents and bears a mark.
//! Functions that look past metatables have to know about those.
//!
//! Each wrapper has the function that it wraps as its upvalue and goes over into it in the same call, so error texts and costs
//! stay what they were. None of them owns anything, so all may raise.

use std::ffi::c_int;
use std::ptr::addr_of;

use mlua::ffi::{
    LUA_TNIL, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, lua_CFunction, lua_State, lua_checkstack, lua_error,
    lua_getmetatable, lua_gettop, lua_insert, lua_objlen, lua_pushcclosure, lua_pushlightuserdata,
    lua_pushlstring_, lua_pushnil, lua_pushvalue, lua_rawget_, lua_rawgeti_, lua_remove, lua_replace,
    lua_settop, lua_toboolean, lua_tocfunction, lua_tolstring, lua_tonumber, lua_type, lua_upvalueindex,
    luaL_checkinteger, luaL_checktype, luaL_optinteger,
};

use super::coroutine::set_hook;
use super::heap::heap_of;

/// Its address is the mark.
static MARK: u8 = 0;

/// The field by which an error that a command raised is known.
pub(crate) const RAISED: &str = "ignore_error_stats_update";

/// What a wrapper does before the function that it wraps.
#[derive(Clone, Copy)]
pub(crate) enum Guard {
    /// Refuses protected tables.
    Refuse,
    /// Refuses those, and tables that claim to be longer than they can be.
    Elements,
    /// Refuses to repeat nothing.
    Repeat,
    /// Shows what is in them.
    Unwrap,
    /// Lets a script measure and collect, but not stop the collector.
    Collector,
    /// Is `pairs`, with `next` as what it wraps.
    Pairs,
    /// Is `unpack`, which counts in integers that cannot overflow.
    Unpack,
    /// Is `pcall`: what commands raise is given as text.
    Caught,
}

/// Replaces the function on top by a guarded one.
///
/// # Safety
///
/// `l` is a live thread with a C function without upvalues on top.
pub(super) unsafe fn wrap(l: *mut lua_State, guard: Guard) {
    let function: lua_CFunction = match guard {
        Guard::Refuse => refuse,
        Guard::Elements => elements,
        Guard::Repeat => repeat,
        Guard::Unwrap => unwrap,
        Guard::Collector => collector,
        Guard::Pairs => pairs,
        Guard::Unpack => unpack,
        Guard::Caught => caught,
    };
    // SAFETY: the value on top becomes the upvalue.
    unsafe { lua_pushcclosure(l, function, 1) };
}

/// Pushes the mark.
///
/// # Safety
///
/// `l` is a live thread with a free slot.
pub(super) unsafe fn push_mark(l: *mut lua_State) {
    // SAFETY: as the caller promises; the pointer is never followed.
    unsafe { lua_pushlightuserdata(l, addr_of!(MARK).cast_mut().cast()) };
}

/// Whether the first argument is a protected table; if so its metatable is on top.
unsafe fn is_protected(l: *mut lua_State) -> bool {
    // SAFETY: called with a live thread by the interpreter, like all below.
    unsafe {
        if lua_type(l, 1) != LUA_TTABLE || lua_getmetatable(l, 1) == 0 {
            return false;
        }
        push_mark(l);
        lua_rawget_(l, -2);
        let marked = lua_toboolean(l, -1) != 0;
        lua_settop(l, if marked { -2 } else { -3 });
        marked
    }
}

/// Goes over into the wrapped function.
#[inline]
unsafe fn go_on(l: *mut lua_State) -> c_int {
    // SAFETY: `wrap` gave a C function as upvalue, which works on this very call's arguments.
    unsafe {
        match lua_tocfunction(l, lua_upvalueindex(1)) {
            Some(function) => function(l),
            None => 0,
        }
    }
}

unsafe fn raise(l: *mut lua_State, text: &'static str) -> c_int {
    // SAFETY: nothing is owned here.
    unsafe {
        lua_pushlstring_(l, text.as_ptr().cast(), text.len());
        lua_error(l)
    }
}

unsafe extern "C-unwind" fn refuse(l: *mut lua_State) -> c_int {
    // SAFETY: as above.
    unsafe {
        if is_protected(l) {
            return raise(l, crate::sandbox::READ_ONLY);
        }
        go_on(l)
    }
}

/// What walks over all elements of a table cannot be stopped on its way. A table of a few dozen elements can be made such that `#`
/// takes it for one of hundreds of millions: lengths that there is no memory for are refused, and so are insertions far in front.
unsafe extern "C-unwind" fn elements(l: *mut lua_State) -> c_int {
    /// Bytes that an element takes at least.
    const ELEMENT: usize = 16;
    // SAFETY: as above; the heap lives as long as the interpreter.
    unsafe {
        if lua_type(l, 1) == LUA_TTABLE {
            let most = (*heap_of(l)).used / ELEMENT;
            let len = lua_objlen(l, 1);
            let in_front =
                lua_gettop(l) == 3 && lua_type(l, 2) == LUA_TNUMBER && lua_tonumber(l, 2) < 1.0 - most as f64;
            if len > most || in_front {
                return raise(l, "table index out of range");
            }
        }
        refuse(l)
    }
}

/// Lua repeats nothing as often as it is told, which takes long.
unsafe extern "C-unwind" fn repeat(l: *mut lua_State) -> c_int {
    // SAFETY: as above.
    unsafe {
        if lua_type(l, 1) == LUA_TSTRING && lua_objlen(l, 1) == 0 {
            luaL_checkinteger(l, 2);
            lua_settop(l, 1);
            return 1;
        }
        go_on(l)
    }
}

unsafe extern "C-unwind" fn unwrap(l: *mut lua_State) -> c_int {
    // SAFETY: as above; a protected table's metatable has its contents as `__index`.
    unsafe {
        if is_protected(l) {
            lua_pushlstring_(l, c"__index".as_ptr(), 7);
            lua_rawget_(l, -2);
            lua_remove(l, -2);
            if lua_type(l, -1) == LUA_TTABLE {
                lua_replace(l, 1);
            } else {
                lua_settop(l, -2);
            }
        }
        go_on(l)
    }
}

unsafe extern "C-unwind" fn collector(l: *mut lua_State) -> c_int {
    // SAFETY: as above; the text lies on the stack while it is looked at.
    unsafe {
        if lua_gettop(l) > 0 && lua_type(l, 1) == LUA_TSTRING {
            let mut len = 0;
            let text = lua_tolstring(l, 1, &mut len);
            let text = std::slice::from_raw_parts(text.cast::<u8>(), len);
            if matches!(text, b"stop" | b"restart" | b"setpause" | b"setstepmul") {
                return 0;
            }
            if text == b"count" {
                return go_on(l);
            }
        }
        // A collection takes as long as very many instructions: the host gets its turn behind it.
        set_hook(l, Some(1));
        go_on(l)
    }
}

unsafe extern "C-unwind" fn unpack(l: *mut lua_State) -> c_int {
    // SAFETY: as above.
    unsafe {
        luaL_checktype(l, 1, LUA_TTABLE);
        let from = luaL_optinteger(l, 2, 1) as c_int;
        let to = if lua_type(l, 3) <= LUA_TNIL {
            lua_objlen(l, 1) as c_int
        } else {
            luaL_checkinteger(l, 3) as c_int
        };
        let count = i64::from(to) - i64::from(from) + 1;
        if count <= 0 {
            return 0;
        }
        let Some(count) = c_int::try_from(count).ok().filter(|&count| lua_checkstack(l, count) != 0) else {
            return raise(l, "too many results to unpack");
        };
        for index in 0..count {
            lua_rawgeti_(l, 1, from + index);
        }
        count
    }
}

unsafe extern "C-unwind" fn caught(l: *mut lua_State) -> c_int {
    // SAFETY: as above; the results of the wrapped function are on top.
    unsafe {
        let results = go_on(l);
        if results == 2 && lua_toboolean(l, -2) == 0 && lua_type(l, -1) == LUA_TTABLE {
            lua_pushlstring_(l, RAISED.as_ptr().cast(), RAISED.len());
            lua_rawget_(l, -2);
            let raised = lua_toboolean(l, -1) != 0;
            lua_settop(l, -2);
            if raised {
                lua_pushlstring_(l, c"err".as_ptr(), 3);
                lua_rawget_(l, -2);
                lua_remove(l, -2);
            }
        }
        results
    }
}

unsafe extern "C-unwind" fn pairs(l: *mut lua_State) -> c_int {
    // SAFETY: as above.
    unsafe {
        luaL_checktype(l, 1, LUA_TTABLE);
        lua_settop(l, 1);
        lua_pushvalue(l, lua_upvalueindex(1));
        lua_insert(l, 1);
        lua_pushnil(l);
        3
    }
}
