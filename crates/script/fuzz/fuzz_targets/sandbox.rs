//! Any script, or any library of functions (a text that begins with `#!lua name=`): whatever it does, the machine lives, the next
//! script finds every name, function and metatable that was there before and no others, and the memory that it took is free again.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use script::{FunctionRef, Invocation, LibraryHeader, Limits, Machine, Step};

const MEMORY: usize = 8 << 20;
/// What may be left of a run when its garbage has been collected: room that tables and stacks of the interpreter have grown into.
const LEFT_OVER: usize = 1 << 20;

/// Names, kinds and identities of all that scripts share.
const SHAPE: &str = "local seen = {}
    local function note(name, value)
        local text = tostring(value)
        if type(value) == 'string' then text = 'string' end
        seen[#seen + 1] = name .. '=' .. text
    end
    for name, value in pairs(_G) do
        if name ~= 'KEYS' and name ~= 'ARGV' then
            note(name, value)
            note(name .. '!', getmetatable(value))
            if type(value) == 'table' and name ~= '_G' then
                for inner, thing in pairs(value) do note(name .. '.' .. tostring(inner), thing) end
            end
        end
    end
    for _, value in ipairs({1, true, type, coroutine.create(function() end)}) do note(type(value) .. '!', getmetatable(value)) end
    note('string!', getmetatable(''))
    note('nil!', getmetatable(nil))
    note('null!', getmetatable(cjson.null))
    for name, value in pairs(getmetatable('')) do note('string!' .. name, value) end
    note('method', (''):rep(3) .. ('x'):upper() .. #('abc'))
    table.sort(seen)
    collectgarbage() collectgarbage()
    return table.concat(seen, '\\n')";

/// Replies that calls are answered with, in turn.
const REPLIES: [&[u8]; 10] = [
    b"+OK\r\n",
    b":9223372036854775807\r\n",
    b"$3\r\na\0b\r\n",
    b"$-1\r\n",
    b"-ERR no\r\n",
    b"*3\r\n$1\r\na\r\n*-1\r\n*2\r\n:1\r\n*0\r\n",
    b"%1\r\n+k\r\n,inf\r\n",
    b"~2\r\n#t\r\n_\r\n",
    b"(123456789012345678901234567890\r\n",
    b"=7\r\ntxt:abc\r\n",
];

struct Subject {
    machine: Machine,
    shape: Vec<u8>,
    memory: usize,
}

/// Lets what was prepared run to its end; what takes long is killed.
fn drive(machine: &mut Machine) {
    let (mut calls, mut slices) = (0, 0);
    loop {
        match machine.resume() {
            Step::Call => {
                machine.answer(REPLIES[calls % REPLIES.len()]);
                calls += 1;
                if calls > 10_000 {
                    machine.kill("ERR too many calls");
                }
            }
            Step::AclCheck => machine.answer_acl(Some(true)),
            Step::Log => {}
            Step::Slice => {
                slices += 1;
                if slices > 10 {
                    machine.kill("ERR too long");
                }
            }
            Step::Done => break,
        }
    }
}

fn invoke(machine: &mut Machine, function: FunctionRef) -> Vec<u8> {
    machine
        .prepare(&Invocation { function, keys: &[b"key"], args: &[b"arg", b"-1"], resp3: true })
        .expect("there is a stack");
    drive(machine);
    assert!(machine.memory() < 2 * MEMORY, "{} bytes", machine.memory());
    machine.finish().unwrap_or_else(|error| error.reply().into_bytes())
}

fn run(machine: &mut Machine, code: &[u8]) -> Vec<u8> {
    let Ok(function) = machine.compile(code) else { return Vec::new() };
    let result = invoke(machine, function);
    machine.release(function);
    result
}

/// Loads a library and calls all that it registers.
fn run_library(machine: &mut Machine, code: &[u8]) {
    if machine.prepare_library(code).is_err() {
        return;
    }
    drive(machine);
    if let Ok(library) = machine.loaded(code) {
        for function in &library.functions {
            invoke(machine, function.callback);
        }
        for function in &library.functions {
            machine.release(function.callback);
        }
    }
}

/// What looks at the sandbox: a script, or for the machine of functions, where there is only what libraries bring, a function.
fn shape(machine: &mut Machine, functions: bool) -> Vec<u8> {
    if !functions {
        return run(machine, SHAPE.as_bytes());
    }
    let code = format!("#!lua name=shape\nredis.register_function('shape', function()\n{SHAPE}\nend)");
    machine.prepare_library(code.as_bytes()).expect("it has a name");
    drive(machine);
    let library = machine.loaded(code.as_bytes()).expect("it can be loaded");
    let result = invoke(machine, library.functions[0].callback);
    machine.release(library.functions[0].callback);
    result
}

impl Subject {
    fn new(functions: bool) -> Subject {
        let limits = Limits { memory: MEMORY };
        let mut machine =
            if functions { Machine::for_functions(1, limits) } else { Machine::for_scripts(1, limits) };
        // The first look makes what stays, KEYS and ARGV among it.
        shape(&mut machine, functions);
        let shape = shape(&mut machine, functions);
        assert!(shape.len() > 2000, "{}", String::from_utf8_lossy(&shape));
        let memory = machine.memory();
        Subject { machine, shape, memory }
    }

    fn check(&mut self, functions: bool) {
        let now = shape(&mut self.machine, functions);
        assert!(
            now == self.shape,
            "was: {}\nis: {}",
            String::from_utf8_lossy(&self.shape),
            String::from_utf8_lossy(&now)
        );
        let memory = self.machine.memory();
        assert!(memory < self.memory + LEFT_OVER, "{} bytes became {memory}", self.memory);
    }
}

thread_local! {
    static SCRIPTS: RefCell<Subject> = RefCell::new(Subject::new(false));
    static FUNCTIONS: RefCell<Subject> = RefCell::new(Subject::new(true));
}

fuzz_target!(|code: &[u8]| {
    if LibraryHeader::of(code).is_ok() {
        FUNCTIONS.with_borrow_mut(|subject| {
            run_library(&mut subject.machine, code);
            subject.check(true);
        });
    } else {
        SCRIPTS.with_borrow_mut(|subject| {
            run(&mut subject.machine, code);
            subject.check(false);
        });
    }
});
