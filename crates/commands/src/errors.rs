//! Error texts that clients know, and requests that never reach a handler.

use resp::{Args, ReplyBuf};

use crate::CommandSpec;

/// The value is of another type than the command needs.
pub const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
/// Not a 64-bit integer.
pub const NOT_INTEGER: &str = "ERR value is not an integer or out of range";
/// Not a finite number.
pub const NOT_FLOAT: &str = "ERR value is not a valid float";
/// Arguments that make no sense together.
pub const SYNTAX: &str = "ERR syntax error";
/// The key has to exist.
pub const NO_SUCH_KEY: &str = "ERR no such key";
/// An integer outside what the command permits.
pub const OUT_OF_RANGE: &str = "ERR value is out of range";
/// A database number outside `databases`.
pub const DB_OUT_OF_RANGE: &str = "ERR DB index is out of range";
/// A string would become longer than `proto-max-bulk-len`.
pub const TOO_LONG: &str = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";

/// "ERR wrong number of arguments for 'get' command".
pub fn wrong_arity(out: &mut ReplyBuf, full_name: &str) {
    out.error(&format!("ERR wrong number of arguments for '{full_name}' command"));
}

/// "ERR invalid expire time in 'set' command".
pub fn invalid_expire(out: &mut ReplyBuf, full_name: &str) {
    out.error(&format!("ERR invalid expire time in '{full_name}' command"));
}

/// What a container replies to a word it does not know.
pub fn unknown_subcommand(out: &mut ReplyBuf, container: &str, word: &[u8]) {
    let word = shorten(word, 128);
    out.error(&format!("ERR unknown subcommand '{word}'. Try {} HELP.", container.to_ascii_uppercase()));
}

/// Why a request does not reach a handler.
#[derive(Clone, Copy, Debug)]
pub enum Reject {
    /// No such command.
    UnknownCommand,
    /// The container has no such subcommand.
    UnknownSubcommand(&'static CommandSpec),
    /// Too many or too few arguments.
    Arity(&'static CommandSpec),
}

impl Reject {
    /// Writes the error reply.
    #[cold]
    pub fn reply(&self, args: Args<'_>, out: &mut ReplyBuf) {
        match self {
            Reject::UnknownCommand => out.error(&unknown_command(args)),
            Reject::UnknownSubcommand(container) => {
                unknown_subcommand(out, container.name, args.get(1).unwrap_or_default());
            }
            Reject::Arity(spec) => wrong_arity(out, spec.full_name),
        }
    }
}

/// "ERR unknown command 'x', with args beginning with: 'a' 'b' ", each part cut to 128 bytes.
fn unknown_command(args: Args<'_>) -> String {
    let mut beginning = String::new();
    for arg in args.iter().skip(1) {
        if beginning.len() >= 128 {
            break;
        }
        let room = 128 - beginning.len();
        beginning.push_str(&format!("'{}' ", shorten(arg, room)));
    }
    let name = shorten(args.get(0).unwrap_or_default(), 128);
    format!("ERR unknown command '{name}', with args beginning with: {beginning}")
}

/// The first `max` bytes as text.
fn shorten(bytes: &[u8], max: usize) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(&bytes[..bytes.len().min(max)])
}
