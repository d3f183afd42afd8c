//! Libraries say which functions they have.

use crate::library::Registration;
use crate::lua::{Kind, Raise, Stack};
use crate::shebang::Flags;

use super::raise;

/// server.register_function(name, function), or with one table of named arguments.
pub(super) fn register_function(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let mut registration = match stack.top() {
        0 => return raise("wrong number of arguments to server.register_function"),
        1 => named(stack)?,
        2 => positional(stack)?,
        _ => return raise("wrong number of arguments to server.register_function"),
    };
    if stack.exchange().loading.is_none() {
        return raise("server.register_function can only be called on FUNCTION LOAD command");
    }
    registration.callback = Some(stack.keep());
    if let Some(loading) = stack.exchange().loading.as_mut() {
        loading.push(registration);
    }
    Ok(0)
}

/// Name and function; leaves the function on top.
fn positional(stack: &mut Stack<'_>) -> Result<Registration, Raise> {
    let Some(name) = stack.string(1).map(<[u8]>::to_vec) else {
        return raise("first argument to server.register_function must be a string");
    };
    if stack.kind(2) != Kind::Function {
        return raise("second argument to server.register_function must be a function");
    }
    Ok(Registration { name, description: None, flags: Flags::default(), callback: None })
}

/// A table with `function_name`, `callback`, `flags` and `description`; leaves the function on top.
fn named(stack: &mut Stack<'_>) -> Result<Registration, Raise> {
    if stack.kind(1) != Kind::Table {
        return raise(
            "calling server.register_function with a single argument is only applicable to Lua table (representing named \
             arguments).",
        );
    }
    let (mut name, mut description, mut flags, mut callback) = (None, None, Flags::default(), false);
    // 2: where the callback will be; then the first key.
    stack.push_nil();
    stack.push_nil();
    while stack.next(1) {
        let Some(key) = stack.string(-2).map(<[u8]>::to_vec) else {
            return raise("named argument key given to server.register_function is not a string");
        };
        match &key[..] {
            b"function_name" => match stack.string(-1) {
                Some(text) => name = Some(text.to_vec()),
                None => {
                    return raise(
                        "function_name argument given to server.register_function must be a string",
                    );
                }
            },
            b"description" => match stack.string(-1) {
                Some(text) => description = Some(text.to_vec()),
                None => {
                    return raise("description argument given to server.register_function must be a string");
                }
            },
            b"callback" => {
                if stack.kind(-1) != Kind::Function {
                    return raise("callback argument given to server.register_function must be a function");
                }
                stack.push_value(-1);
                stack.replace(2);
                callback = true;
            }
            b"flags" => {
                if stack.kind(-1) != Kind::Table {
                    return raise(
                        "flags argument to server.register_function must be a table representing function flags",
                    );
                }
                flags = function_flags(stack)?;
            }
            _ => return raise("unknown argument given to server.register_function"),
        }
        stack.pop(1);
    }
    let Some(name) = name else {
        return raise("server.register_function must get a function name argument");
    };
    if !callback {
        return raise("server.register_function must get a callback argument");
    }
    Ok(Registration { name, description, flags, callback: None })
}

/// The flags of the table on top.
fn function_flags(stack: &mut Stack<'_>) -> Result<Flags, Raise> {
    let mut flags = Flags::default();
    for index in 1.. {
        stack.get_index(-1, index);
        if stack.kind(-1) == Kind::Nil {
            stack.pop(1);
            break;
        }
        let known = stack.string(-1).is_some_and(|name| flags.add(name));
        stack.pop(1);
        if !known {
            return raise("unknown flag given");
        }
    }
    Ok(flags)
}
