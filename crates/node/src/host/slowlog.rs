//! SLOWLOG GET, LEN, RESET.

use resp::Args;

use commands::number::parse_i64;

use crate::node::Node;
use crate::session::Session;

/// Entries that SLOWLOG GET returns unless told otherwise.
const DEFAULT_COUNT: usize = 10;

/// SLOWLOG GET [count]: the newest entries; -1 for all.
pub(crate) fn get(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let count = match args.get(2).map(parse_i64) {
        _ if args.len() > 3 => return commands::errors::wrong_arity(&mut session.reply, "slowlog|get"),
        None => DEFAULT_COUNT,
        Some(Some(-1)) => usize::MAX,
        Some(Some(count)) if count >= 0 => usize::try_from(count).unwrap_or(usize::MAX),
        Some(_) => return session.reply.error("ERR count should be greater than or equal to -1"),
    };
    let out = &mut session.reply;
    out.array(count.min(node.slowlog.len()));
    for entry in node.slowlog.iter().take(count) {
        out.array(6);
        out.int(entry.id as i64);
        out.int(entry.unix_s as i64);
        out.int(entry.micros as i64);
        out.array(entry.args.len());
        for arg in &entry.args {
            out.bulk(arg);
        }
        out.bulk(entry.client.as_bytes());
        out.bulk(&entry.client_name);
    }
}

/// SLOWLOG LEN
pub(crate) fn len(node: &mut Node, session: &mut Session, _: Args<'_>) {
    session.reply.int(node.slowlog.len() as i64);
}

/// SLOWLOG RESET
pub(crate) fn reset(node: &mut Node, session: &mut Session, _: Args<'_>) {
    node.slowlog.clear();
    session.reply.ok();
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
        }
        assert!(node.run(&["SLOWLOG", "HELP"]).contains("SLOWLOG <subcommand>"));
    }
}
