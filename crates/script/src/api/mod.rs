//! The object that scripts know as `redis` and as `server`.

mod call;
mod register;

use crate::lua::{Event, Kind, Native, Raise, Stack};

/// What scripts may call.
pub(crate) const FUNCTIONS: &[(&str, Native)] = &[
    ("call", call::call),
    ("pcall", call::pcall),
    ("acl_check_cmd", call::acl_check_cmd),
    ("log", log),
    ("setresp", setresp),
    ("set_repl", set_repl),
    ("replicate_commands", replicate_commands),
    ("error_reply", error_reply),
    ("status_reply", status_reply),
    ("sha1hex", sha1hex),
    ("breakpoint", breakpoint),
    ("debug", debug),
];

/// What a library may call while it is loaded.
pub(crate) const LOADING_FUNCTIONS: &[(&str, Native)] =
    &[("register_function", register::register_function), ("log", log)];

/// The version that clients are told.
const REDIS_VERSION: (&str, f64) = ("7.2.4", 0x0007_0204 as f64);
const VALKEY_VERSION: (&str, f64) = ("9.1.0", 0x0009_0100 as f64);

/// Levels and versions.
pub(crate) fn constants(stack: &mut Stack<'_>) {
    for (name, level) in [("LOG_DEBUG", 0.0), ("LOG_VERBOSE", 1.0), ("LOG_NOTICE", 2.0), ("LOG_WARNING", 3.0)]
    {
        stack.push_number(level);
        stack.set_field(-2, name);
    }
    for (name, (text, number)) in [("REDIS_VERSION", REDIS_VERSION), ("VALKEY_VERSION", VALKEY_VERSION)] {
        stack.push_bytes(text.as_bytes());
        stack.set_field(-2, name);
        stack.push_number(number);
        stack.set_field(-2, &format!("{name}_NUM"));
    }
    stack.push_bytes(b"valkey");
    stack.set_field(-2, "SERVER_NAME");
}

/// What only scripts that run have a use for.
pub(crate) fn call_constants(stack: &mut Stack<'_>) {
    use crate::repl;
    for (name, bits) in [
        ("REPL_NONE", 0),
        ("REPL_AOF", repl::AOF),
        ("REPL_SLAVE", repl::REPLICA),
        ("REPL_REPLICA", repl::REPLICA),
        ("REPL_ALL", repl::ALL),
    ] {
        stack.push_number(f64::from(bits));
        stack.set_field(-2, name);
    }
}

fn raise<T>(text: &str) -> Result<T, Raise> {
    Err(Raise::Reply(format!("ERR {text}")))
}

/// server.log(level, text …)
fn log(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let count = stack.top();
    if count < 2 {
        return raise("server.log() requires two arguments or more.");
    }
    if stack.kind(1) != Kind::Number {
        return raise("First argument must be a number (log level).");
    }
    let level = stack.number(1).unwrap_or(-1.0);
    if !(0.0..=3.0).contains(&level) {
        return raise("Invalid log level.");
    }
    let mut text = Vec::new();
    for index in 2..=count {
        if index > 2 {
            text.push(b' ');
        }
        text.extend_from_slice(stack.bytes(index).unwrap_or_default());
    }
    stack.exchange().log = (level as u8, text);
    stack.suspend(Event::Log)?;
    Ok(0)
}

/// server.setresp(2 | 3)
fn setresp(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    if stack.top() != 1 {
        return raise("server.setresp() requires one argument.");
    }
    let version = stack.number(1).unwrap_or(0.0);
    if version != 2.0 && version != 3.0 {
        return raise("RESP version must be 2 or 3.");
    }
    stack.exchange().resp3 = version == 3.0;
    Ok(0)
}

/// server.set_repl(flags)
fn set_repl(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    if stack.top() != 1 {
        return raise("server.set_repl() requires one argument.");
    }
    let flags = stack.number(1).unwrap_or(-1.0);
    if !(0.0..=f64::from(crate::repl::ALL)).contains(&flags) {
        return raise("Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
    }
    stack.exchange().repl = flags as u8;
    Ok(0)
}

/// server.replicate_commands(): effects are what is replicated anyway.
fn replicate_commands(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    stack.push_bool(true);
    Ok(1)
}

/// server.error_reply(text)
fn error_reply(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    if stack.top() != 1 || stack.kind(1) != Kind::String {
        stack.push_raise(Raise::Reply("ERR wrong number or type of arguments".to_owned()));
        return Ok(1);
    }
    let text = stack.bytes(1).unwrap_or_default();
    // A text without a code gets one.
    let text = text.strip_prefix(b"-").map_or_else(
        || if text.contains(&b' ') { text.to_vec() } else { [b"ERR ", text].concat() },
        |text| if text.contains(&b' ') { text.to_vec() } else { [b"ERR ", text].concat() },
    );
    stack.push_table(0, 1);
    stack.push_bytes(&text);
    stack.set_field(-2, "err");
    Ok(1)
}

/// server.status_reply(text)
fn status_reply(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    if stack.top() != 1 || stack.kind(1) != Kind::String {
        stack.push_raise(Raise::Reply("ERR wrong number or type of arguments".to_owned()));
        return Ok(1);
    }
    stack.push_table(0, 1);
    stack.push_value(1);
    stack.set_field(-2, "ok");
    Ok(1)
}

/// server.sha1hex(text)
fn sha1hex(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    if stack.top() != 1 {
        return raise("wrong number of arguments");
    }
    let digest = crate::cache::sha1_hex(stack.bytes(1).unwrap_or_default());
    stack.push_bytes(&digest);
    Ok(1)
}

/// server.breakpoint(): there is no debugger to stop in.
fn breakpoint(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    stack.push_bool(false);
    Ok(1)
}

/// server.debug(value …): nor one to print in.
fn debug(_: &mut Stack<'_>) -> Result<usize, Raise> {
    Ok(0)
}
