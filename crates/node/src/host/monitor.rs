//! MONITOR: a client that sees every command.

use std::fmt::Write as _;

use commands::{CommandSpec, Flags};
use resp::Args;

use crate::node::Node;
use crate::redact::{REDACTED, is_secret};
use crate::session::Session;

/// MONITOR
pub(crate) fn monitor(node: &mut Node, session: &mut Session, _: Args<'_>) {
    if session.in_exec {
        return session.reply.error("ERR MONITOR isn't allowed for DENY BLOCKING client");
    }
    if !session.monitor {
        session.monitor = true;
        node.monitors.push(session.conn);
    }
    session.reply.ok();
}

/// Whether those who watch see a command: nothing is shown of what only operators may do. Scripts bear a mark that keeps them out,
/// because others show them in a way of their own, but they are shown.
fn is_shown(spec: &CommandSpec) -> bool {
    !spec.flags.contains(Flags::ADMIN)
        && (!spec.flags.contains(Flags::SKIP_MONITOR) || spec.group == "scripting")
}

impl Node {
    /// Whether somebody watches.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        !self.monitors.is_empty()
    }

    /// Shows a command to those who watch; `origin` is the address of the client, or `lua`.
    #[cold]
    pub(crate) fn show(&mut self, db: usize, origin: &str, spec: &CommandSpec, args: Args<'_>) {
        if !is_shown(spec) {
            return;
        }
        let (seconds, micros) = (self.now.unix_us / 1_000_000, self.now.unix_us % 1_000_000);
        let mut line = format!("+{seconds}.{micros:06} [{db} {origin}]");
        for (at, arg) in args.iter().enumerate() {
            line.push(' ');
            quote(&mut line, if is_secret(spec, args, at) { REDACTED } else { arg });
        }
        line.push_str("\r\n");
        let monitors = std::mem::take(&mut self.monitors);
        self.send_to(&monitors, line.as_bytes());
        // Whoever has been cut off is gone from the list.
        self.monitors = monitors;
        self.cut_off_overrun();
    }

    /// Ends a client's watching.
    pub(crate) fn end_monitor(&mut self, session: &mut Session) {
        if session.monitor {
            session.monitor = false;
            self.monitors.retain(|&other| other != session.conn);
        }
    }
}

/// Appends an argument in quotes, with what cannot be printed escaped.
fn quote(into: &mut String, arg: &[u8]) {
    into.push('"');
    for &byte in arg {
        match byte {
            b'"' | b'\\' => {
                into.push('\\');
                into.push(char::from(byte));
            }
            b'\n' => into.push_str("\\n"),
            b'\r' => into.push_str("\\r"),
            b'\t' => into.push_str("\\t"),
            0x07 => into.push_str("\\a"),
            0x08 => into.push_str("\\b"),
            b' '..=b'~' => into.push(char::from(byte)),
            _ => {
                let _ = write!(into, "\\x{byte:02x}");
            }
        }
    }
    into.push('"');
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    /// What stands behind the time in each line.
    fn seen(raw: &str) -> Vec<&str> {
        raw.split("\r\n").filter_map(|line| Some(line.split_once(' ')?.1)).collect()
    }

    #[test]
    fn commands_are_seen_as_they_came() {
        let mut node = Fixture::new();
        let watcher = node.client();
        assert_eq!(node.run_on(watcher, &["MONITOR"]), "+OK\r\n");
        node.run(&["SET", "k", "a\"\\\n\u{7f}"]);
        node.run(&["MULTI"]);
        node.run(&["GET", "k"]);
        node.run(&["EXEC"]);
        node.run(&["AUTH", "x", "y"]);
        node.run(&["CONFIG", "GET", "hz"]);
        node.run(&["NOSUCH"]);
        assert_eq!(
            seen(&node.read_from(watcher)),
            [
                "[0 127.0.0.1:1] \"SET\" \"k\" \"a\\\"\\\\\\n\\x7f\"",
                "[0 127.0.0.1:1] \"MULTI\"",
                "[0 127.0.0.1:1] \"GET\" \"k\"",
                "[0 127.0.0.1:1] \"EXEC\"",
                "[0 127.0.0.1:1] \"AUTH\" \"(redacted)\" \"(redacted)\"",
            ]
        );
        assert!(node.run(&["CLIENT", "LIST"]).contains(" flags=O "));
        assert_eq!(node.run_on(watcher, &["RESET"]), "+RESET\r\n");
        node.run(&["GET", "k"]);
        assert_eq!(node.read_from(watcher), "");
        assert!(!node.node.is_watched());
    }

    #[test]
    fn scripts_are_seen_before_what_they_do() {
        let mut node = Fixture::new();
        let watcher = node.client();
        node.run(&[
            "FUNCTION",
            "LOAD",
            "#!lua name=lib\nredis.register_function('f', function(k) return redis.call('GET', k[1]) end)",
        ]);
        node.run_on(watcher, &["MONITOR"]);
        node.run(&["EVAL", "return redis.call('SET', KEYS[1], ARGV[1])", "1", "a", "b"]);
        node.run(&["FCALL", "f", "1", "a"]);
        assert_eq!(
            seen(&node.read_from(watcher)),
            [
                "[0 127.0.0.1:1] \"EVAL\" \"return redis.call('SET', KEYS[1], ARGV[1])\" \"1\" \"a\" \"b\"",
                "[0 lua] \"SET\" \"a\" \"b\"",
                "[0 127.0.0.1:1] \"FCALL\" \"f\" \"1\" \"a\"",
                "[0 lua] \"GET\" \"a\"",
            ]
        );
    }

    #[test]
    fn a_command_that_waits_is_seen_once() {
        let mut node = Fixture::new();
        let (watcher, waiting) = (node.client(), node.client());
        node.run_on(watcher, &["MONITOR"]);
        node.run_on(waiting, &["BLPOP", "l", "0"]);
        node.run(&["LPUSH", "l", "1"]);
        assert_eq!(
            seen(&node.read_from(watcher)),
            ["[0 127.0.0.1:3] \"BLPOP\" \"l\" \"0\"", "[0 127.0.0.1:1] \"LPUSH\" \"l\" \"1\""]
        );
        node.eof(watcher);
        assert!(!node.node.is_watched());
    }
}
