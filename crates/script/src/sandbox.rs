//! What scripts can see, and why they cannot change it.
//!
//! Lua's own library is cut down to what neither touches the machine nor reaches out of the sandbox. The tables that are left, the
//! globals included, are shown as empty ones that lead to the contents: reading works, writing is refused.

use crate::lua::{Guard, Native, Raise, Stack, State};

/// What whoever writes to a protected table is told.
pub(crate) const READ_ONLY: &str = "Attempt to modify a readonly table";

/// Functions of Lua's library that are shown as they are.
const PLAIN: [&std::ffi::CStr; 12] = [
    c"assert",
    c"error",
    c"gcinfo",
    c"getmetatable",
    c"ipairs",
    c"rawequal",
    c"select",
    c"tonumber",
    c"tostring",
    c"type",
    c"xpcall",
    c"_VERSION",
];

/// The tables of an interpreter that is ready for scripts.
pub(crate) struct Sandbox {
    /// The contents of the globals while scripts run.
    pub globals: crate::FunctionRef,
    /// The metatable of what scripts see as their globals.
    pub meta: crate::FunctionRef,
    /// The contents of the globals while a library is loaded.
    pub loading: crate::FunctionRef,
}

/// Builds the sandbox in a new interpreter, whose globals are scripts' globals from then on.
pub(crate) fn build(state: &mut State) -> Sandbox {
    // 1: the contents of the globals.
    state.stack().push_table(0, 64);
    for name in PLAIN {
        state.push_global(name);
        put(state, name);
    }
    for (name, guard) in [
        (c"next", Guard::Unwrap),
        (c"rawget", Guard::Unwrap),
        (c"rawset", Guard::Refuse),
        (c"setmetatable", Guard::Refuse),
        (c"collectgarbage", Guard::Collector),
        (c"unpack", Guard::Unpack),
        (c"pcall", Guard::Caught),
    ] {
        state.push_global(name);
        state.guard(guard);
        put(state, name);
    }
    state.stack().field(1, "next");
    state.guard(Guard::Pairs);
    put(state, c"pairs");

    for (name, functions) in [
        (
            c"table",
            &[
                ("insert", Guard::Elements),
                ("remove", Guard::Elements),
                ("sort", Guard::Elements),
                ("foreachi", Guard::Elements),
                ("setn", Guard::Refuse),
            ][..],
        ),
        (c"string", &[("rep", Guard::Repeat)]),
        (c"math", &[]),
        (c"coroutine", &[]),
    ] {
        state.push_global(name);
        for (function, guard) in functions {
            state.stack().field(-1, function);
            state.guard(*guard);
            state.stack().set_field(-2, function);
        }
        match name.to_bytes() {
            b"math" => functions_into(state, crate::libs::math::FUNCTIONS),
            b"string" => patterns(state),
            _ => {}
        }
        protect(state);
        put(state, name);
    }
    state.stack().field(1, "string");
    string_metatable(state);

    state.stack().push_table(0, 1);
    state.push_global(c"os");
    let mut stack = state.stack();
    stack.field(-1, "clock");
    stack.set_field(-3, "clock");
    stack.pop(1);
    protect(state);
    put(state, c"os");

    for (name, functions) in [
        (c"bit", crate::libs::bit::FUNCTIONS),
        (c"struct", crate::libs::structs::FUNCTIONS),
        (c"cmsgpack", crate::libs::cmsgpack::FUNCTIONS),
        (c"cjson", crate::libs::cjson::FUNCTIONS),
    ] {
        state.stack().push_table(0, functions.len() + 4);
        functions_into(state, functions);
        match name.to_bytes() {
            b"cjson" => crate::libs::cjson::constants(&mut state.stack()),
            b"cmsgpack" => crate::libs::cmsgpack::constants(&mut state.stack()),
            _ => {}
        }
        protect(state);
        put(state, name);
    }
    functions_into(state, crate::libs::load::FUNCTIONS);
    prelude(state);

    state.stack().push_table(0, 40);
    functions_into(state, crate::api::FUNCTIONS);
    crate::api::constants(&mut state.stack());
    crate::api::call_constants(&mut state.stack());
    protect(state);
    state.stack().push_value(-1);
    put(state, c"redis");
    put(state, c"server");

    // What scripts see as their globals.
    state.stack().push_value(1);
    protect(state);
    state.stack().push_value(-1);
    put(state, c"_G");
    assert!(state.stack().metatable(-1));
    let meta = state.keep();
    state.set_globals();
    strict(state, 1);
    let globals = state.keep();

    let loading = loading_globals(state);
    state.stack().set_top(0);
    Sandbox { globals, meta, loading }
}

/// What a library sees while it is loaded: how to register functions, and little else.
fn loading_globals(state: &mut State) -> crate::FunctionRef {
    state.stack().set_top(0);
    state.stack().push_table(0, 2);
    state.stack().push_table(0, 16);
    functions_into(state, crate::api::LOADING_FUNCTIONS);
    crate::api::constants(&mut state.stack());
    strict(state, 2);
    protect(state);
    let mut stack = state.stack();
    stack.push_value(-1);
    stack.set_field(1, "redis");
    stack.set_field(1, "server");
    strict(state, 1);
    state.keep()
}

/// Takes the value on top into the globals' contents.
fn put(state: &mut State, name: &std::ffi::CStr) {
    let name = name.to_str().expect("names are ASCII");
    state.stack().set_field(1, name);
}

/// Adds functions to the table on top.
fn functions_into(state: &mut State, functions: &[(&str, Native)]) {
    let mut stack = state.stack();
    for (name, function) in functions {
        stack.push_native(*function);
        stack.set_field(-2, name);
    }
}

/// Replaces the table on top by what scripts may see of it.
fn protect(state: &mut State) {
    let mut stack = state.stack();
    stack.push_table(0, 0);
    stack.push_table(0, 4);
    stack.push_value(-3);
    stack.set_field(-2, "__index");
    stack.push_native(refuse);
    stack.set_field(-2, "__newindex");
    // What getmetatable gives: as protected, and with nothing behind it.
    stack.push_table(0, 0);
    stack.push_table(0, 2);
    stack.push_native(refuse);
    stack.set_field(-2, "__newindex");
    stack.push_bool(false);
    stack.set_field(-2, "__metatable");
    mark(state);
    let mut stack = state.stack();
    stack.set_metatable(-2);
    stack.set_field(-2, "__metatable");
    mark(state);
    let mut stack = state.stack();
    stack.set_metatable(-2);
    stack.insert(-2);
    stack.pop(1);
}

/// Marks the metatable on top as a protected table's.
fn mark(state: &mut State) {
    state.push_mark();
    let mut stack = state.stack();
    stack.push_bool(true);
    stack.set(-3);
}

/// Makes reading what is not in a table an error.
fn strict(state: &mut State, table: i32) {
    let mut stack = state.stack();
    stack.push_table(0, 1);
    stack.push_native(missing);
    stack.set_field(-2, "__index");
    stack.set_metatable(table);
}

/// `getmetatable("")` gives a protected table. The protected `string` is on top.
fn string_metatable(state: &mut State) {
    let mut stack = state.stack();
    stack.push_table(0, 1);
    stack.insert(-2);
    stack.set_field(-2, "__index");
    protect(state);
    state.set_string_metafield(c"__metatable");
}

/// How code of the sandbox's own is called where places are named.
pub(crate) const PRELUDE_NAME: &[u8] = b"prelude";

/// Replaces what matches patterns in the table `string` on top.
fn patterns(state: &mut State) {
    use crate::libs::patterns::{FUNCTIONS, PARTS, PRELUDE};
    functions_into(state, FUNCTIONS);
    state.load(PRELUDE, c"=prelude").expect("the prelude compiles");
    let stack = state.stack();
    for part in PARTS {
        stack.push_native(part);
    }
    stack.field(1, "type");
    stack.field(2, "sub");
    state.push_global(c"table");
    let mut stack = state.stack();
    stack.field(-1, "concat");
    stack.insert(-2);
    stack.pop(1);
    state.call_trusted(8).expect("the prelude runs");
    let mut stack = state.stack();
    stack.set_field(2, "gsub");
    stack.push_value(-1);
    stack.set_field(2, "gfind");
    stack.set_field(2, "gmatch");
}

/// What is simplest to say in Lua itself.
fn prelude(state: &mut State) {
    const CODE: &[u8] = b"
        local loadstring, type, concat = ...
        return function(piece, name)
            if type(piece) ~= 'function' then
                return loadstring(piece, name)
            end
            local pieces = {}
            while true do
                local text = piece()
                if text == nil or text == '' then break end
                if type(text) ~= 'string' then
                    return nil, 'reader function must return a string'
                end
                pieces[#pieces + 1] = text
            end
            return loadstring(concat(pieces), name or '=(load)')
        end";
    state.load(CODE, c"=prelude").expect("the prelude compiles");
    state.stack().field(1, "loadstring");
    state.stack().field(1, "type");
    state.push_global(c"table");
    let mut stack = state.stack();
    stack.field(-1, "concat");
    stack.insert(-2);
    stack.pop(1);
    state.call_trusted(3).expect("the prelude runs");
    put(state, c"load");
}

fn refuse(_: &mut Stack<'_>) -> Result<usize, Raise> {
    Err(Raise::At(READ_ONLY.to_owned()))
}

fn missing(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let name = stack.string(2).map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default();
    Err(Raise::At(format!("Script attempted to access nonexistent global variable '{name}'")))
}
