//! FCALL, and the libraries of functions.

use commands::CommandSpec;
use resp::{Args, ReplyBuf};
use script::RestorePolicy;

use super::scripting::{flush_options, key_count, kill_running, split};
use crate::node::Node;
use crate::scripting::{Engine, Invoked};
use crate::session::Session;

/// FCALL function numkeys [key …] [arg …]
pub(crate) fn fcall(node: &mut Node, session: &mut Session, args: Args<'_>) {
    call(node, session, args, false);
}

/// FCALL_RO
pub(crate) fn fcall_ro(node: &mut Node, session: &mut Session, args: Args<'_>) {
    call(node, session, args, true);
}

fn call(node: &mut Node, session: &mut Session, args: Args<'_>, reads_only: bool) {
    let Some((_, function)) = node.scripting.libraries.function(args.at(1)) else {
        return session.reply.error("ERR Function not found");
    };
    let (callback, flags) = (function.callback, function.flags);
    let keys = match key_count(args, "ERR Bad number of keys provided") {
        Ok(keys) => keys,
        Err(error) => return session.reply.error(error),
    };
    let (keys, rest) = split(args, keys);
    let invoked = Invoked {
        engine: Engine::Functions,
        function: callback,
        flags,
        reads_only,
        keys: &keys,
        args: &rest,
    };
    node.run_script(session, args, &invoked);
}

/// Carries out what changes the libraries: for a client, or because the master's stream says so. Whether it changed anything.
pub(crate) fn change(node: &mut Node, spec: &CommandSpec, args: Args<'_>, out: &mut ReplyBuf) -> bool {
    let result = match spec.name {
        "load" => load_code(node, args, out),
        "delete" => {
            if node.delete_library(args.at(2)) {
                out.ok();
                Ok(())
            } else {
                Err("ERR Library not found".to_owned())
            }
        }
        "flush" => {
            if args.len() > 3 {
                Err(too_many("flush"))
            } else if flush_options(args) {
                node.flush_libraries();
                out.ok();
                Ok(())
            } else {
                Err("ERR FUNCTION FLUSH only supports SYNC|ASYNC option".to_owned())
            }
        }
        _ => restore_payload(node, args, out),
    };
    match result {
        Ok(()) => true,
        Err(error) => {
            out.error(&error);
            false
        }
    }
}

fn load_code(node: &mut Node, args: Args<'_>, out: &mut ReplyBuf) -> Result<(), String> {
    let last = args.len() - 1;
    for word in args.slice(2..last).iter() {
        if !word.eq_ignore_ascii_case(b"replace") {
            return Err(format!("ERR Unknown option given: {}", String::from_utf8_lossy(word)));
        }
    }
    let (replace, code) = (last > 2, args.at(last));
    let name = node.load_library(code, replace)?;
    out.bulk(&name);
    Ok(())
}

fn too_many(subcommand: &str) -> String {
    format!("ERR unknown subcommand or wrong number of arguments for '{subcommand}'. Try FUNCTION HELP.")
}

fn restore_payload(node: &mut Node, args: Args<'_>, out: &mut ReplyBuf) -> Result<(), String> {
    const FRAME: &str = "ERR DUMP payload version or checksum are wrong";
    if args.len() > 4 {
        return Err(too_many("restore"));
    }
    let policy = match args.get(3).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"append") => RestorePolicy::Append,
        Some(b"flush") => RestorePolicy::Flush,
        Some(b"replace") => RestorePolicy::Replace,
        Some(_) => {
            return Err(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.".to_owned()
            );
        }
    };
    let verify = node.env.verify_dump;
    let libraries = rdb::read_functions(args.at(2), verify).map_err(|error| match error {
        rdb::Error::UnknownType { .. } => "ERR given type is not a function".to_owned(),
        rdb::Error::UnsupportedVersion { .. }
        | rdb::Error::ChecksumMismatch { .. }
        | rdb::Error::Truncated { .. } => FRAME.to_owned(),
        _ => "ERR failed loading functions payload".to_owned(),
    })?;
    node.add_functions(&libraries, policy)?;
    out.ok();
    Ok(())
}

/// FUNCTION LOAD, DELETE, FLUSH, RESTORE: into the log as they are.
fn change_for_client(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let Some(spec) = session.last_command else { return };
    let mut out = std::mem::take(&mut session.reply);
    let changed = change(node, spec, args, &mut out);
    session.reply = out;
    if changed {
        node.effects.clear();
        node.effects.dirty = 1;
        node.carry_effects(session, args, None);
    }
}

/// FUNCTION LOAD [REPLACE] code
pub(crate) fn load(node: &mut Node, session: &mut Session, args: Args<'_>) {
    change_for_client(node, session, args);
}

/// FUNCTION DELETE library
pub(crate) fn delete(node: &mut Node, session: &mut Session, args: Args<'_>) {
    change_for_client(node, session, args);
}

/// FUNCTION FLUSH [ASYNC | SYNC]
pub(crate) fn flush(node: &mut Node, session: &mut Session, args: Args<'_>) {
    change_for_client(node, session, args);
}

/// FUNCTION RESTORE payload [FLUSH | APPEND | REPLACE]
pub(crate) fn restore(node: &mut Node, session: &mut Session, args: Args<'_>) {
    change_for_client(node, session, args);
}

/// FUNCTION DUMP
pub(crate) fn dump(node: &mut Node, session: &mut Session, _: Args<'_>) {
    let payload = rdb::write_functions(node.scripting.libraries.iter().map(|library| &*library.code));
    session.reply.bulk(&payload);
}

/// FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]
pub(crate) fn list(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let out = &mut session.reply;
    let (mut pattern, mut with_code) = (None, false);
    let mut words = args.from(2).iter();
    while let Some(word) = words.next() {
        if !with_code && word.eq_ignore_ascii_case(b"withcode") {
            with_code = true;
        } else if pattern.is_none() && word.eq_ignore_ascii_case(b"libraryname") {
            match words.next() {
                Some(word) => pattern = Some(word),
                None => return out.error("ERR library name argument was not given"),
            }
        } else {
            return out.error(&format!("ERR Unknown argument {}", String::from_utf8_lossy(word)));
        }
    }
    let libraries: Vec<_> = node
        .scripting
        .libraries
        .iter()
        .filter(|library| {
            pattern.is_none_or(|pattern| commands::glob::matches_ignore_case(pattern, &library.name))
        })
        .collect();
    out.array(libraries.len());
    for library in libraries {
        out.map(if with_code { 4 } else { 3 });
        out.bulk(b"library_name");
        out.bulk(&library.name);
        out.bulk(b"engine");
        out.bulk(b"LUA");
        out.bulk(b"functions");
        out.array(library.functions.len());
        for function in &library.functions {
            out.map(3);
            out.bulk(b"name");
            out.bulk(&function.name);
            out.bulk(b"description");
            match &function.description {
                Some(text) => out.bulk(text),
                None => out.null(),
            }
            out.bulk(b"flags");
            out.set(function.flags.names().count());
            for flag in function.flags.names() {
                out.simple(flag);
            }
        }
        if with_code {
            out.bulk(b"library_code");
            out.bulk(&library.code);
        }
    }
}

/// FUNCTION STATS
pub(crate) fn stats(node: &mut Node, session: &mut Session, _: Args<'_>) {
    let out = &mut session.reply;
    out.map(2);
    out.bulk(b"running_script");
    let parked = node.scripting.parked.as_ref().filter(|parked| parked.run.engine == Engine::Functions);
    match parked.and_then(|parked| Some((parked, parked.run.request.as_ref()?))) {
        Some((parked, (_, request))) => {
            let request = request.as_args();
            out.map(3);
            out.bulk(b"name");
            out.bulk(request.get(1).unwrap_or_default());
            out.bulk(b"command");
            out.array(request.len());
            for word in request.iter() {
                out.bulk(word);
            }
            out.bulk(b"duration_ms");
            out.int(parked.run.elapsed_ms(node) as i64);
        }
        None => out.null(),
    }
    out.bulk(b"engines");
    out.map(1);
    out.bulk(b"LUA");
    out.map(2);
    out.bulk(b"libraries_count");
    out.int(node.scripting.libraries.len() as i64);
    out.bulk(b"functions_count");
    out.int(node.scripting.libraries.functions() as i64);
}

/// FUNCTION KILL
pub(crate) fn kill(node: &mut Node, session: &mut Session, _: Args<'_>) {
    kill_running(node, Engine::Functions, &mut session.reply);
}
