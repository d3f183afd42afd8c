//! One interpreter.

use std::ffi::{CStr, CString, c_int};
use std::ptr;

use mlua::ffi::{
    LUA_GCCOLLECT, LUA_GLOBALSINDEX, LUA_MULTRET, LUA_REGISTRYINDEX, lua_State, lua_close, lua_gc,
    lua_getfield_, lua_newstate, lua_pcall, lua_pushvalue, lua_rawgeti_, lua_remove, lua_replace,
    lua_setfield, lua_settop, luaL_loadbuffer, luaL_ref, luaL_unref, luaopen_base, luaopen_math, luaopen_os,
    luaopen_string, luaopen_table,
};

use super::coroutine::{Event, Exchange, Link, Running, set_hook};
use super::heap::{Heap, allocate};
use super::native::{Native, push};
use super::sandboxed::{Guard, push_mark, wrap};
use super::stack::{Kind, Stack};

/// A function that an interpreter keeps. It belongs to the machine that compiled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionRef(c_int);

/// An interpreter with its memory, its exchange with the host and the stack for what runs on it.
pub(crate) struct State {
    l: *mut lua_State,
    heap: *mut Heap,
    link: *mut Link,
    running: Running,
}

// SAFETY: everything behind the pointers belongs to this value alone, and a coroutine's stack refers to nothing of the thread that
// it was begun on: its frames are the interpreter's and this crate's, none of which keeps thread-bound values across a suspension.
unsafe impl Send for State {}

impl State {
    /// An interpreter with Lua's own library, open to everything.
    pub fn new(limit: usize) -> State {
        let link = Box::into_raw(Box::new(Link::new()));
        // The host is Rust code: nothing is refused to it.
        let heap = Box::into_raw(Box::new(Heap { used: 0, limit, native: 1, link }));
        // SAFETY: the heap outlives the interpreter; the openers are called as Lua calls them, and push what is dropped again.
        unsafe {
            let l = lua_newstate(allocate, heap.cast());
            assert!(!l.is_null(), "an allocator that refuses nothing gave nothing");
            for open in [luaopen_base, luaopen_table, luaopen_string, luaopen_math, luaopen_os] {
                mlua::ffi::lua_pushcclosure(l, open, 0);
                lua_pcall(l, 0, 0, 0);
            }
            set_hook(l, None);
            State { l, heap, link, running: Running::new() }
        }
    }

    /// The host's view of the stack: only while no script is under way.
    pub fn stack(&mut self) -> Stack<'_> {
        assert!(!self.running.is_running(), "the interpreter is a script's meanwhile");
        // SAFETY: `self` is borrowed as long.
        unsafe { Stack::new(self.l) }
    }

    pub fn exchange(&mut self) -> &mut Exchange {
        // SAFETY: no script is running while the host does.
        unsafe { &mut (*self.link).exchange }
    }

    pub fn exchange_ref(&self) -> &Exchange {
        // SAFETY: as above.
        unsafe { &(*self.link).exchange }
    }

    /// Bytes that it holds.
    pub fn memory(&self) -> usize {
        // SAFETY: the heap lives as long as this.
        unsafe { (*self.heap).used }
    }

    pub fn set_limit(&mut self, limit: usize) {
        // SAFETY: as above.
        unsafe { (*self.heap).limit = limit };
    }

    /// Pushes a compiled text, or says what is wrong with it.
    pub fn load(&mut self, code: &[u8], name: &CStr) -> Result<(), Vec<u8>> {
        let mut stack = self.stack();
        if stack.load(code, name) {
            return Ok(());
        }
        let error = stack.bytes(-1).unwrap_or_default().to_vec();
        stack.pop(1);
        Err(error)
    }

    /// Calls a function on the host's own stack; for what this crate itself has written.
    pub fn call_trusted(&mut self, arguments: i32) -> Result<(), Vec<u8>> {
        let mut stack = self.stack();
        assert!(stack.top() > arguments);
        // SAFETY: a protected call; errors stay within it.
        let status = unsafe { lua_pcall(stack.raw(), arguments, LUA_MULTRET, 0) };
        if status == 0 {
            return Ok(());
        }
        let error = stack.bytes(-1).unwrap_or_default().to_vec();
        stack.set_top(0);
        Err(error)
    }

    /// Keeps the value on top.
    pub fn keep(&mut self) -> FunctionRef {
        self.stack().keep()
    }

    /// Keeps it no longer.
    pub fn release(&mut self, function: FunctionRef) {
        // SAFETY: clears a slot of the registry; a script that runs the function has it on its stack.
        unsafe { luaL_unref(self.l, LUA_REGISTRYINDEX, function.0) };
    }

    pub fn push_kept(&mut self, function: FunctionRef) {
        // SAFETY: reads a slot of the registry.
        unsafe { lua_rawgeti_(self.l, LUA_REGISTRYINDEX, function.0) };
    }

    /// Pushes a global of Lua's own library, as long as the globals are not replaced.
    pub fn push_global(&mut self, name: &CStr) {
        // SAFETY: the plain table of globals raises nothing.
        unsafe { lua_getfield_(self.l, LUA_GLOBALSINDEX, name.as_ptr()) };
    }

    /// Makes the table on top the globals of everything that is compiled from now on.
    pub fn set_globals(&mut self) {
        assert!(self.stack().kind(-1) == Kind::Table);
        // SAFETY: there is a table on top.
        unsafe { lua_replace(self.l, LUA_GLOBALSINDEX) };
    }

    /// Gives strings a metatable field, which takes the value on top.
    pub fn set_string_metafield(&mut self, name: &CStr) {
        let stack = self.stack();
        stack.push_bytes(b"");
        assert!(stack.metatable(-1), "the library of strings is there");
        // SAFETY: value, string, metatable are on the stack.
        unsafe {
            lua_pushvalue(self.l, -3);
            lua_setfield(self.l, -2, name.as_ptr());
            lua_settop(self.l, -4);
        }
    }

    /// Puts a guard before the function on top.
    pub fn guard(&mut self, guard: Guard) {
        assert!(self.stack().kind(-1) == Kind::Function);
        // SAFETY: there is a function on top; those of Lua's library have no upvalues where this is used.
        unsafe { wrap(self.l, guard) };
    }

    /// Pushes the mark of protected tables.
    pub fn push_mark(&mut self) {
        // SAFETY: a live thread.
        unsafe { push_mark(self.l) };
    }

    // ---- running ---------------------------------------------------------------------------------

    /// Puts the function on the stack, with its `arguments` above it, on a stack of its own. `handler` is asked about errors where
    /// they happen; `after` makes something of what is left.
    pub fn begin(
        &mut self,
        arguments: i32,
        handler: Native,
        after: fn(&mut Stack<'_>, bool),
    ) -> std::io::Result<()> {
        let stack = self.stack();
        let function = stack.top() - arguments;
        assert!(function > 0);
        let (l, heap, link) = (self.l, self.heap, self.link);
        // SAFETY: interpreter, heap and link live as long as this value, which abandons what runs before it frees them. The
        // body owns nothing that a jump could pass over.
        unsafe {
            push(l, handler);
            mlua::ffi::lua_insert(l, function);
            self.running.begin(link, move || {
                (*heap).native -= 1;
                let status = lua_pcall(l, arguments, 1, function);
                (*heap).native += 1;
                after(&mut Stack::new(l), status == 0);
                lua_settop(l, 0);
                if (*heap).used > (*heap).limit / 2 {
                    lua_gc(l, LUA_GCCOLLECT, 0);
                }
                if (*link).exchange.killed.take().is_some() {
                    set_hook(l, None);
                }
            })
        }
    }

    pub fn is_running(&self) -> bool {
        self.running.is_running()
    }

    /// Lets what was begun go on until it stops; nothing once it has ended.
    pub fn resume(&mut self) -> Option<Event> {
        self.running.resume()
    }

    /// Collects garbage as a host does now and then.
    pub fn collect(&mut self) {
        assert!(!self.running.is_running());
        // SAFETY: nothing with a finalizer exists, so no code runs.
        unsafe { lua_gc(self.l, LUA_GCCOLLECT, 0) };
    }
}

impl Stack<'_> {
    /// Pushes a compiled text, or an error text and `false`. Compiled code is refused: it could do anything.
    pub fn load(&self, code: &[u8], name: &CStr) -> bool {
        if code.first() == Some(&27) {
            let chunk = String::from_utf8_lossy(name.to_bytes()).into_owned();
            let chunk = chunk.strip_prefix(['@', '=']).map_or(format!("[string \"{chunk}\"]"), str::to_owned);
            self.push_bytes(format!("{chunk}:1: unexpected symbol near 'char(27)'").as_bytes());
            return false;
        }
        // The parser keeps the name without holding on to it: it has to be on the stack as long.
        self.push_bytes(name.to_bytes());
        // SAFETY: protected by the interpreter itself; it leaves a function or a text on top of the name.
        unsafe {
            let status = luaL_loadbuffer(self.raw(), code.as_ptr().cast(), code.len(), name.as_ptr());
            lua_remove(self.raw(), -2);
            status == 0
        }
    }

    /// Keeps the value on top in the interpreter.
    pub fn keep(&mut self) -> FunctionRef {
        assert!(self.top() > 0);
        // SAFETY: there is a value on top.
        FunctionRef(unsafe { luaL_ref(self.raw(), LUA_REGISTRYINDEX) })
    }

    /// A text as the name of a chunk.
    pub fn chunk_name(text: &[u8]) -> CString {
        let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
        CString::new(&text[..end.min(256)]).unwrap_or_default()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: what still runs is given up before its interpreter closes, and nothing uses heap and link after that.
        unsafe {
            self.running.abandon();
            lua_close(self.l);
            drop(Box::from_raw(self.heap));
            drop(Box::from_raw(self.link));
            self.l = ptr::null_mut();
        }
    }
}
