//! COMMANDLOG GET, LEN, RESET, and SLOWLOG, which is the first of its logs.

use resp::Args;

use commands::number::parse_i64;

use crate::commandlog::LogKind;
use crate::node::Node;
use crate::session::Session;

/// Entries that SLOWLOG GET returns unless told otherwise.
const DEFAULT_COUNT: usize = 10;
const BAD_COUNT: &str = "ERR count should be greater than or equal to -1";
const BAD_KIND: &str = "ERR type should be one of the following: slow, large-request, large-reply";

/// SLOWLOG GET [count]: the newest entries; -1 for all.
pub(crate) fn slowlog_get(node: &mut Node, session: &mut Session, args: Args<'_>) {
    if args.len() > 3 {
        return session
            .reply
            .error("ERR unknown subcommand or wrong number of arguments for 'get'. Try SLOWLOG HELP.");
    }
    match args.get(2).map_or(Some(DEFAULT_COUNT), parse_count) {
        Some(count) => list(node, session, LogKind::Slow, count),
        None => session.reply.error(BAD_COUNT),
    }
}

/// SLOWLOG LEN
pub(crate) fn slowlog_len(node: &mut Node, session: &mut Session, _: Args<'_>) {
    session.reply.int(node.commandlog.of(LogKind::Slow).len() as i64);
}

/// SLOWLOG RESET
pub(crate) fn slowlog_reset(node: &mut Node, session: &mut Session, _: Args<'_>) {
    node.commandlog.of(LogKind::Slow).clear();
    session.reply.ok();
}

/// COMMANDLOG GET count type
pub(crate) fn get(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let Some(count) = parse_count(args.at(2)) else { return session.reply.error(BAD_COUNT) };
    match LogKind::parse(args.at(3)) {
        Some(kind) => list(node, session, kind, count),
        None => session.reply.error(BAD_KIND),
    }
}

/// COMMANDLOG LEN type
pub(crate) fn len(node: &mut Node, session: &mut Session, args: Args<'_>) {
    match LogKind::parse(args.at(2)) {
        Some(kind) => session.reply.int(node.commandlog.of(kind).len() as i64),
        None => session.reply.error(BAD_KIND),
    }
}

/// COMMANDLOG RESET type
pub(crate) fn reset(node: &mut Node, session: &mut Session, args: Args<'_>) {
    match LogKind::parse(args.at(2)) {
        Some(kind) => {
            node.commandlog.of(kind).clear();
            session.reply.ok();
        }
        None => session.reply.error(BAD_KIND),
    }
}

fn parse_count(text: &[u8]) -> Option<usize> {
    match parse_i64(text)? {
        -1 => Some(usize::MAX),
        count => usize::try_from(count).ok(),
    }
}

fn list(node: &mut Node, session: &mut Session, kind: LogKind, count: usize) {
    let log = node.commandlog.of(kind);
    let out = &mut session.reply;
    out.array(count.min(log.len()));
    for entry in log.iter().take(count) {
        out.array(6);
        out.int(entry.id as i64);
        out.int(entry.unix_s as i64);
        out.int(entry.value as i64);
        out.array(entry.args.len());
        for arg in &entry.args {
            out.bulk(arg);
        }
        out.bulk(entry.client.as_bytes());
        out.bulk(&entry.client_name);
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn the_log_is_read_counted_and_emptied() {
        let mut node = Fixture::with(&["--slowlog-log-slower-than", "0", "--slowlog-max-len", "3"]);
        node.run(&["CLIENT", "SETNAME", "me"]);
        for value in ["1", "2", "3", "4"] {
            node.run(&["SET", "key", value]);
        }
        assert_eq!(node.run(&["SLOWLOG", "LEN"]), ":3\r\n");
        node.run(&["CONFIG", "SET", "slowlog-log-slower-than", "-1"]);
        node.run(&["SLOWLOG", "RESET"]);
        assert_eq!(node.run(&["SLOWLOG", "LEN"]), ":0\r\n");
        assert_eq!(node.run(&["SLOWLOG", "GET"]), "*0\r\n");
    }

    #[test]
    fn entries_come_newest_first_with_their_client() {
        let mut node = Fixture::with(&["--slowlog-log-slower-than", "0"]);
        node.run(&["CLIENT", "SETNAME", "me"]);
        node.run(&["SET", "key", "first"]);
        node.run(&["SET", "key", "second"]);
        let reply = node.run(&["SLOWLOG", "GET", "1"]);
        assert!(reply.starts_with("*1\r\n*6\r\n:"), "{reply}");
        assert!(reply.ends_with("$6\r\nsecond\r\n$11\r\n127.0.0.1:1\r\n$2\r\nme\r\n"), "{reply}");
        let all = node.run(&["SLOWLOG", "GET", "-1"]);
        assert!(all.contains("first") && all.contains("second"), "{all}");
    }

    #[test]
    fn a_count_is_a_number_from_minus_one() {
        let mut node = Fixture::new();
        for count in ["-2", "x"] {
            let reply = node.run(&["SLOWLOG", "GET", count]);
            assert_eq!(reply, "-ERR count should be greater than or equal to -1\r\n");
            assert_eq!(node.run(&["COMMANDLOG", "GET", count, "slow"]), reply);
        }
        assert!(node.run(&["SLOWLOG", "HELP"]).contains("SLOWLOG <subcommand>"));
        assert!(node.run(&["COMMANDLOG", "LEN", "x"]).starts_with("-ERR type should be one of"));
    }

    #[test]
    fn large_requests_and_replies_have_their_own_logs() {
        for threshold in [1000, 100_000] {
            let text = threshold.to_string();
            let mut node = Fixture::with(&[
                "--commandlog-request-larger-than",
                &text,
                "--commandlog-reply-larger-than",
                &text,
            ]);
            let value = "x".repeat(threshold);
            node.run(&["SET", "k", "small"]);
            node.run(&["GET", "k"]);
            node.run(&["SET", "k", &value]);
            node.run(&["GET", "k"]);
            node.run(&["MULTI"]);
            node.run(&["GET", "k"]);
            node.run(&["EXEC"]);
            assert_eq!(node.run(&["COMMANDLOG", "LEN", "large-request"]), ":1\r\n");
            assert_eq!(node.run(&["COMMANDLOG", "LEN", "large-reply"]), ":2\r\n");
            let entry = node.run(&["COMMANDLOG", "GET", "1", "large-reply"]);
            assert!(entry.contains("\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), "{entry}");
            node.run(&["COMMANDLOG", "RESET", "large-reply"]);
            assert_eq!(node.run(&["COMMANDLOG", "LEN", "large-reply"]), ":0\r\n");
        }
    }

    #[test]
    fn commands_of_transactions_and_those_that_waited_stand_alone() {
        let mut node = Fixture::with(&["--slowlog-log-slower-than", "0"]);
        node.run(&["MULTI"]);
        node.run(&["SET", "a", "1"]);
        node.run(&["EXEC"]);
        let waiting = node.client();
        node.run_on(waiting, &["BLPOP", "l", "0"]);
        let log = node.run(&["SLOWLOG", "GET", "-1"]);
        assert!(log.contains("SET") && !log.contains("EXEC") && !log.contains("BLPOP"), "{log}");
        node.run(&["RPUSH", "l", "x"]);
        let log = node.run(&["SLOWLOG", "GET", "-1"]);
        assert_eq!(log.matches("BLPOP").count(), 1, "{log}");
    }

    #[test]
    fn commands_of_scripts_stand_before_the_script() {
        let mut node = Fixture::with(&["--slowlog-log-slower-than", "0"]);
        node.run(&["CLIENT", "SETNAME", "me"]);
        node.run(&["SLOWLOG", "RESET"]);
        node.run(&["EVAL", "redis.call('GET', KEYS[1]) return redis.call('PING')", "1", "a"]);
        let log = node.run(&["SLOWLOG", "GET", "3"]);
        let at = |word: &str| log.find(word).unwrap_or_else(|| panic!("no {word} in {log}"));
        assert!(at("EVAL") < at("$4\r\nPING\r\n"), "newest first: {log}");
        assert!(at("$4\r\nPING\r\n") < at("$3\r\nGET\r\n$1\r\na\r\n"), "{log}");
        assert_eq!(log.matches("$11\r\n127.0.0.1:1\r\n$2\r\nme\r\n").count(), 3, "{log}");
    }

    #[test]
    fn only_what_is_kept_is_numbered() {
        let mut node = Fixture::with(&["--slowlog-log-slower-than", "0", "--slowlog-max-len", "0"]);
        node.run(&["PING"]);
        node.run(&["PING"]);
        node.run(&["CONFIG", "SET", "slowlog-max-len", "10"]);
        assert!(node.run(&["SLOWLOG", "GET", "1"]).starts_with("*1\r\n*6\r\n:0\r\n"));
    }

    #[test]
    fn secrets_are_kept() {
        let mut node = Fixture::with(&["--slowlog-log-slower-than", "0"]);
        node.run(&["CONFIG", "SET", "masterauth", "geheim"]);
        node.run(&["AUTH", "geheim"]);
        let log = node.run(&["SLOWLOG", "GET", "-1"]);
        assert!(!log.contains("geheim") && log.matches("(redacted)").count() == 2, "{log}");
    }
}
