//! The values of one function call, with checked positions.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::ptr;

use mlua::ffi::{
    LUA_TBOOLEAN, LUA_TFUNCTION, LUA_TLIGHTUSERDATA, LUA_TNIL, LUA_TNONE, LUA_TNUMBER, LUA_TSTRING,
    LUA_TTABLE, LUA_TTHREAD, lua_Debug, lua_State, lua_checkstack, lua_createtable, lua_getinfo,
    lua_getmetatable, lua_getstack, lua_gettop, lua_insert, lua_next, lua_pushboolean, lua_pushlightuserdata,
    lua_pushlstring_, lua_pushnil, lua_pushnumber, lua_pushvalue, lua_rawget_, lua_rawgeti_, lua_rawset,
    lua_rawseti_, lua_replace, lua_setmetatable, lua_settop, lua_toboolean, lua_tolstring, lua_tonumber,
    lua_touserdata, lua_type,
};

use super::coroutine::{Event, Exchange, set_hook, suspend};
use super::heap::heap_of;
use super::native::{Native, Raise, push};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    None,
    Nil,
    Boolean,
    /// A pointer without a value: `cjson.null` is one.
    Light,
    Number,
    String,
    Table,
    Function,
    Thread,
    Other,
}

impl Kind {
    /// The name that Lua gives it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::None => "no value",
            Kind::Nil => "nil",
            Kind::Boolean => "boolean",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Table => "table",
            Kind::Function => "function",
            Kind::Thread => "thread",
            Kind::Light | Kind::Other => "userdata",
        }
    }
}

/// Where code stands.
pub(crate) struct Place {
    /// As the chunk was named: `@user_script`.
    pub source: Vec<u8>,
    /// The same for people: `user_script`.
    pub short: Vec<u8>,
    pub line: i64,
    /// A function that is not in Lua.
    pub native: bool,
}

/// The stack of a call. Positions count from 1 up, or from -1 down from the top. A function may push 19 values without asking for
/// room; whoever pushes more calls [`Stack::reserve`] first.
///
/// Strings stay where they are as long as they are on the stack or in a table that is: a slice of one borrows the stack, and what
/// takes values away needs it mutably.
pub(crate) struct Stack<'l> {
    l: *mut lua_State,
    life: PhantomData<&'l mut ()>,
}

// SAFETY of all methods: `l` is a live thread whose allocator refuses nothing meanwhile (see the module's documentation), and
// positions are checked by `at`.
impl Stack<'_> {
    /// # Safety
    ///
    /// `l` is a live thread, in use by nobody else for the lifetime, with `native` above zero in its heap.
    pub unsafe fn new<'l>(l: *mut lua_State) -> Stack<'l> {
        Stack { l, life: PhantomData }
    }

    pub(super) fn raw(&self) -> *mut lua_State {
        self.l
    }

    /// A position that exists. Beyond the top there is "none" for Lua, which reading takes.
    #[inline]
    fn at(&self, index: i32) -> c_int {
        assert!(index > 0 || (index < 0 && -index <= self.top()), "position {index} of {}", self.top());
        index
    }

    /// The position of a table.
    #[inline]
    fn table(&self, index: i32) -> c_int {
        let index = self.at(index);
        assert!(self.kind(index) == Kind::Table, "no table at {index}");
        index
    }

    #[inline]
    pub fn top(&self) -> i32 {
        unsafe { lua_gettop(self.l) }
    }

    /// From the top to from the bottom.
    #[inline]
    pub fn absolute(&self, index: i32) -> i32 {
        if index < 0 { self.top() + index + 1 } else { index }
    }

    #[inline]
    pub fn set_top(&mut self, top: i32) {
        assert!((0..=self.top() + 15).contains(&top));
        unsafe { lua_settop(self.l, top) }
    }

    #[inline]
    pub fn pop(&mut self, n: i32) {
        self.set_top(self.top() - n);
    }

    /// Makes room for `n` more values.
    pub fn reserve(&self, n: i32) -> Result<(), Raise> {
        if unsafe { lua_checkstack(self.l, n) } == 0 {
            return Err(Raise::At("stack overflow".to_owned()));
        }
        Ok(())
    }

    /// Refuses what the interpreter has no memory for, with `built` bytes outside of it that are to become part of it. What Rust code
    /// allocates is not refused by the allocator, so whoever makes something whose size a script chooses asks here as it grows.
    #[inline]
    pub fn check_room(&self, built: usize) -> Result<(), Raise> {
        let (used, limit) = self.memory();
        if used.saturating_add(built) > limit {
            return Err(Raise::Text("not enough memory".to_owned()));
        }
        Ok(())
    }

    /// Bytes that the interpreter holds, and how many it may.
    #[inline]
    pub fn memory(&self) -> (usize, usize) {
        unsafe {
            let heap = heap_of(self.l);
            ((*heap).used, (*heap).limit)
        }
    }

    #[inline]
    pub fn kind(&self, index: i32) -> Kind {
        match unsafe { lua_type(self.l, self.at(index)) } {
            LUA_TNONE => Kind::None,
            LUA_TNIL => Kind::Nil,
            LUA_TBOOLEAN => Kind::Boolean,
            LUA_TLIGHTUSERDATA => Kind::Light,
            LUA_TNUMBER => Kind::Number,
            LUA_TSTRING => Kind::String,
            LUA_TTABLE => Kind::Table,
            LUA_TFUNCTION => Kind::Function,
            LUA_TTHREAD => Kind::Thread,
            _ => Kind::Other,
        }
    }

    // ---- pushing -------------------------------------------------------------------------------

    #[inline]
    pub fn push_nil(&self) {
        unsafe { lua_pushnil(self.l) }
    }

    #[inline]
    pub fn push_bool(&self, value: bool) {
        unsafe { lua_pushboolean(self.l, c_int::from(value)) }
    }

    #[inline]
    pub fn push_number(&self, value: f64) {
        unsafe { lua_pushnumber(self.l, value) }
    }

    #[inline]
    pub fn push_bytes(&self, bytes: &[u8]) {
        unsafe { lua_pushlstring_(self.l, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// The pointer to nothing.
    pub fn push_null(&self) {
        unsafe { lua_pushlightuserdata(self.l, ptr::null_mut()) }
    }

    #[inline]
    pub fn push_value(&self, index: i32) {
        unsafe { lua_pushvalue(self.l, self.at(index)) }
    }

    pub fn push_native(&self, function: Native) {
        unsafe { push(self.l, function) }
    }

    /// Pushes an empty table with room for so many elements; what a peer claims is bounded.
    pub fn push_table(&self, array: usize, fields: usize) {
        unsafe {
            lua_createtable(self.l, array.min(1 << 16) as c_int, fields.min(1 << 16) as c_int);
        }
    }

    pub fn push_raise(&mut self, raise: Raise) {
        match raise {
            Raise::At(text) => {
                let place = self.caller(1).filter(|place| place.line > 0);
                let place =
                    place.map(|place| [&place.short[..], format!(":{}: ", place.line).as_bytes()].concat());
                self.push_bytes(&[&place.unwrap_or_default()[..], text.as_bytes()].concat());
            }
            Raise::Text(text) => self.push_bytes(text.as_bytes()),
            Raise::Reply(text) => {
                self.push_table(0, 2);
                self.push_bytes(text.as_bytes());
                self.set_field(-2, "err");
                self.push_bool(true);
                self.set_field(-2, "ignore_error_stats_update");
            }
            Raise::Top => {}
        }
    }

    // ---- reading -------------------------------------------------------------------------------

    /// The bytes of a string. A number becomes one, in its place: not to be used on keys that [`Stack::next`] gave.
    #[inline]
    pub fn bytes(&self, index: i32) -> Option<&[u8]> {
        let mut len = 0;
        unsafe {
            let text = lua_tolstring(self.l, self.at(index), &mut len);
            if text.is_null() { None } else { Some(std::slice::from_raw_parts(text.cast(), len)) }
        }
    }

    /// The bytes of a string and nothing else.
    #[inline]
    pub fn string(&self, index: i32) -> Option<&[u8]> {
        if self.kind(index) == Kind::String { self.bytes(index) } else { None }
    }

    /// A number, or what a string says as one.
    #[inline]
    pub fn number(&self, index: i32) -> Option<f64> {
        let value = unsafe { lua_tonumber(self.l, self.at(index)) };
        if value != 0.0 || self.kind(index) == Kind::Number {
            return Some(value);
        }
        let text = self.string(index)?;
        let text = std::str::from_utf8(text).ok()?.trim();
        (text.parse::<f64>().is_ok() || text.starts_with("0x")).then_some(value)
    }

    #[inline]
    pub fn boolean(&self, index: i32) -> bool {
        unsafe { lua_toboolean(self.l, self.at(index)) != 0 }
    }

    pub fn is_null(&self, index: i32) -> bool {
        self.kind(index) == Kind::Light && unsafe { lua_touserdata(self.l, self.at(index)) }.is_null()
    }

    // ---- tables: never a metamethod --------------------------------------------------------------

    /// Replaces the key on top by what the table has for it.
    #[inline]
    pub fn get(&self, table: i32) {
        assert!(self.top() > 0);
        unsafe { lua_rawget_(self.l, self.table(table)) }
    }

    /// Pushes element `n`.
    #[inline]
    pub fn get_index(&self, table: i32, n: usize) {
        unsafe { lua_rawgeti_(self.l, self.table(table), n as c_int) }
    }

    /// Pushes the field of this name.
    #[inline]
    pub fn field(&self, table: i32, name: &str) {
        let table = self.absolute(table);
        self.push_bytes(name.as_bytes());
        self.get(table);
    }

    /// Takes a key and a value, the latter on top, into the table. Keys that Lua does not take are dropped with their values.
    #[inline]
    pub fn set(&mut self, table: i32) {
        assert!(self.top() >= 2);
        let table = self.table(table);
        let unfit = match self.kind(-2) {
            Kind::Nil => true,
            Kind::Number => self.number(-2).is_none_or(f64::is_nan),
            _ => false,
        };
        if unfit {
            self.pop(2);
        } else {
            unsafe { lua_rawset(self.l, table) }
        }
    }

    /// Takes the value on top as element `n`.
    #[inline]
    pub fn set_index(&mut self, table: i32, n: usize) {
        unsafe { lua_rawseti_(self.l, self.table(table), n as c_int) }
    }

    /// Takes the value on top as the field of this name.
    #[inline]
    pub fn set_field(&mut self, table: i32, name: &str) {
        let table = self.absolute(table);
        self.push_bytes(name.as_bytes());
        self.insert(-2);
        self.set(table);
    }

    /// Replaces the key on top by the next one and its value; takes it away at the end. Begins with nil.
    #[inline]
    pub fn next(&mut self, table: i32) -> bool {
        assert!(self.top() > 0);
        // The key is one that the table has, or nil: it raises nothing.
        unsafe { lua_next(self.l, self.table(table)) != 0 }
    }

    /// Moves the value on top to a position.
    pub fn insert(&mut self, index: i32) {
        unsafe { lua_insert(self.l, self.at(index)) }
    }

    /// Moves the value on top over another.
    pub fn replace(&mut self, index: i32) {
        unsafe { lua_replace(self.l, self.at(index)) }
    }

    /// Takes the table on top as a metatable.
    pub fn set_metatable(&mut self, index: i32) {
        assert!(self.kind(-1) == Kind::Table);
        unsafe {
            lua_setmetatable(self.l, self.at(index));
        }
    }

    /// Pushes a metatable, if there is one.
    pub fn metatable(&self, index: i32) -> bool {
        unsafe { lua_getmetatable(self.l, self.at(index)) != 0 }
    }

    /// Where the code of a level stands, or of whoever called it if it is part of the sandbox itself.
    pub fn caller(&self, level: i32) -> Option<Place> {
        (level..)
            .map_while(|level| self.place(level))
            .find(|place| place.short != crate::sandbox::PRELUDE_NAME)
    }

    // ---- the call and its host -------------------------------------------------------------------

    /// Where the code of a level stands; 0 is this function itself, 1 whoever called it.
    pub fn place(&self, level: i32) -> Option<Place> {
        unsafe {
            let mut info: lua_Debug = std::mem::zeroed();
            if lua_getstack(self.l, level, &mut info) == 0
                || lua_getinfo(self.l, c"Sl".as_ptr(), &mut info) == 0
            {
                return None;
            }
            let text = |text: *const std::ffi::c_char| std::ffi::CStr::from_ptr(text).to_bytes().to_vec();
            Some(Place {
                source: text(info.source),
                short: text(info.short_src.as_ptr()),
                line: i64::from(info.currentline),
                native: *info.what == b'C' as std::ffi::c_char,
            })
        }
    }

    /// What is shared with the host.
    #[inline]
    pub fn exchange(&mut self) -> &mut Exchange {
        // The script runs, so it has the exchange to itself, and this stack is its only way to it.
        unsafe { &mut (*(*heap_of(self.l)).link).exchange }
    }

    /// Stops until the host goes on.
    #[inline]
    pub fn suspend(&mut self, event: Event) -> Result<(), Raise> {
        unsafe { suspend(self.l, event) };
        match self.exchange().killed {
            Some(text) => {
                // Whoever catches this is stopped at the next instruction.
                unsafe { set_hook(self.l, Some(1)) };
                Err(Raise::Text(text.to_owned()))
            }
            None => Ok(()),
        }
    }
}
