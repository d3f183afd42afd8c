//! EVAL and its variants, and the cache of scripts.

use commands::number::parse_i64;
use resp::{Args, ReplyBuf};
use script::{Shebang, sha1_hex};
use smallvec::SmallVec;

use crate::action::Action;
use crate::node::Node;
use crate::scripting::{Engine, Invoked};
use crate::session::Session;

const NO_SCRIPT: &str = "NOSCRIPT No matching script.";

/// EVAL script numkeys [key …] [arg …]
pub(crate) fn eval(node: &mut Node, session: &mut Session, args: Args<'_>) {
    evaluate(node, session, args, false);
}

/// EVAL_RO
pub(crate) fn eval_ro(node: &mut Node, session: &mut Session, args: Args<'_>) {
    evaluate(node, session, args, true);
}

/// EVALSHA sha1 numkeys [key …] [arg …]
pub(crate) fn evalsha(node: &mut Node, session: &mut Session, args: Args<'_>) {
    evaluate_cached(node, session, args, false);
}

/// EVALSHA_RO
pub(crate) fn evalsha_ro(node: &mut Node, session: &mut Session, args: Args<'_>) {
    evaluate_cached(node, session, args, true);
}

/// How many of the arguments from 3 on are keys.
pub(super) fn key_count(args: Args<'_>, not_a_number: &'static str) -> Result<usize, &'static str> {
    let count = parse_i64(args.at(2)).ok_or(not_a_number)?;
    if count > args.len() as i64 - 3 {
        return Err("ERR Number of keys can't be greater than number of args");
    }
    usize::try_from(count).map_err(|_| "ERR Number of keys can't be negative")
}

type ArgList<'a> = SmallVec<[&'a [u8]; 8]>;

/// The keys, and the other arguments.
pub(super) fn split<'a>(args: Args<'a>, keys: usize) -> (ArgList<'a>, ArgList<'a>) {
    (args.slice(3..3 + keys).iter().collect(), args.from(3 + keys).iter().collect())
}

fn evaluate(node: &mut Node, session: &mut Session, args: Args<'_>, reads_only: bool) {
    let keys = match key_count(args, commands::errors::NOT_INTEGER) {
        Ok(keys) => keys,
        Err(error) => return session.reply.error(error),
    };
    let sha = match node.know_script(args.at(1), true) {
        Ok(sha) => sha,
        Err(error) => return session.reply.error(&error),
    };
    run(node, session, args, &sha, keys, reads_only);
}

fn evaluate_cached(node: &mut Node, session: &mut Session, args: Args<'_>, reads_only: bool) {
    let keys = match key_count(args, commands::errors::NOT_INTEGER) {
        Ok(keys) => keys,
        Err(error) => return session.reply.error(error),
    };
    run(node, session, args, args.at(1), keys, reads_only);
}

fn run(node: &mut Node, session: &mut Session, args: Args<'_>, sha: &[u8], keys: usize, reads_only: bool) {
    let Some((sha, script)) = node.scripting.cache.find(sha) else {
        return session.reply.error(NO_SCRIPT);
    };
    let (sha, function, flags) = (*sha, script.function, script.flags);
    node.scripting.cache.used(&sha);
    let (keys, rest) = split(args, keys);
    let invoked = Invoked { engine: Engine::Scripts, function, flags, reads_only, keys: &keys, args: &rest };
    node.run_script(session, args, &invoked);
}

impl Node {
    /// Sees to it that a script is in the cache; gives its name there.
    fn know_script(&mut self, body: &[u8], evaluated: bool) -> Result<[u8; 40], String> {
        let sha = sha1_hex(body);
        if self.scripting.cache.find(&sha).is_some() {
            return Ok(sha);
        }
        let text = Shebang::of_script(body)?;
        let rng = &mut self.rng;
        let machine = self.scripting.machine(Engine::Scripts, || rng.u64(..));
        let function = machine
            .compile(text.code)
            .map_err(|error| format!("ERR Error compiling script (new function): {error}"))?;
        let gone = self.scripting.cache.add(sha, body, text.flags, function, evaluated);
        let machine = self.scripting.machine(Engine::Scripts, || 0);
        for function in gone {
            machine.release(function);
        }
        Ok(sha)
    }
}

/// SCRIPT LOAD script
pub(crate) fn load(node: &mut Node, session: &mut Session, args: Args<'_>) {
    match node.know_script(args.at(2), false) {
        Ok(sha) => {
            node.scripting.cache.pin(&sha);
            session.reply.bulk(&sha);
        }
        Err(error) => session.reply.error(&error),
    }
}

/// SCRIPT EXISTS sha1 …
pub(crate) fn exists(node: &mut Node, session: &mut Session, args: Args<'_>) {
    session.reply.array(args.len() - 2);
    for sha in args.from(2).iter() {
        session.reply.int(i64::from(node.scripting.cache.find(sha).is_some()));
    }
}

/// SCRIPT SHOW sha1
pub(crate) fn show(node: &mut Node, session: &mut Session, args: Args<'_>) {
    match node.scripting.cache.find(args.at(2)) {
        Some((_, script)) => session.reply.bulk(&script.body),
        None => session.reply.error(NO_SCRIPT),
    }
}

/// The options of the FLUSH commands; the interpreter is always freed off the engine thread.
pub(super) fn flush_options(args: Args<'_>) -> bool {
    match args.get(2) {
        None => true,
        Some(word) => {
            args.len() == 3 && (word.eq_ignore_ascii_case(b"sync") || word.eq_ignore_ascii_case(b"async"))
        }
    }
}

/// SCRIPT FLUSH [ASYNC | SYNC]
pub(crate) fn flush(node: &mut Node, session: &mut Session, args: Args<'_>) {
    if !flush_options(args) {
        return session.reply.error("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
    }
    if let Some(machine) = node.scripting.flush_scripts() {
        node.actions.push(Action::Free(Box::new(machine)));
    }
    session.reply.ok();
}

/// SCRIPT DEBUG YES | SYNC | NO: there is no debugger, so its modes make no difference.
pub(crate) fn debug(_: &mut Node, session: &mut Session, args: Args<'_>) {
    let known = [&b"yes"[..], b"sync", b"no"].iter().any(|word| args.at(2).eq_ignore_ascii_case(word));
    if known && args.len() == 3 {
        session.reply.ok();
    } else {
        session.reply.error("ERR Use SCRIPT DEBUG YES/SYNC/NO");
    }
}

/// SCRIPT KILL
pub(crate) fn kill(node: &mut Node, session: &mut Session, _: Args<'_>) {
    kill_running(node, Engine::Scripts, &mut session.reply);
}

/// Ends what runs on an engine, unless it has written.
pub(super) fn kill_running(node: &mut Node, engine: Engine, out: &mut ReplyBuf) {
    let busy = if node.is_busy() { node.busy_error() } else { "" };
    let Some(parked) = &mut node.scripting.parked else {
        return out.error("NOTBUSY No scripts in execution right now.");
    };
    if parked.run.wrote {
        return out.error(
            "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script \
             termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
        );
    }
    if parked.run.engine != engine {
        return out.error(busy);
    }
    parked.machine.kill(match engine {
        Engine::Scripts => "Script killed by user with SCRIPT KILL.",
        Engine::Functions => "Script killed by user with FUNCTION KILL.",
    });
    out.ok();
}
