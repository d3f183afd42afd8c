//! COMMANDLOG: the commands that took longest, and those with the largest requests and replies; SLOWLOG is the first of the three.

use std::collections::VecDeque;

use resp::Args;

/// Arguments beyond this many are summed up in one line.
const MAX_ARGS: usize = 32;
/// Bytes of an argument beyond this many are summed up likewise.
const MAX_ARG_BYTES: usize = 128;

/// What a log is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LogKind {
    /// Time, in microseconds.
    Slow,
    /// Bytes of the request.
    LargeRequest,
    /// Bytes of the reply.
    LargeReply,
}

impl LogKind {
    /// The kind that a client means.
    pub fn parse(word: &[u8]) -> Option<LogKind> {
        match word.to_ascii_lowercase().as_slice() {
            b"slow" => Some(LogKind::Slow),
            b"large-request" => Some(LogKind::LargeRequest),
            b"large-reply" => Some(LogKind::LargeReply),
            _ => None,
        }
    }

    /// From how much on a command is logged (negative: never), and how many entries are kept.
    pub fn limits(self, settings: &config::Settings) -> (i64, usize) {
        let (threshold, max_len) = match self {
            LogKind::Slow => (settings.slowlog_log_slower_than, settings.slowlog_max_len),
            LogKind::LargeRequest => {
                (settings.commandlog_request_larger_than, settings.commandlog_large_request_max_len)
            }
            LogKind::LargeReply => {
                (settings.commandlog_reply_larger_than, settings.commandlog_large_reply_max_len)
            }
        };
        (threshold, usize::try_from(max_len).unwrap_or(usize::MAX))
    }
}

/// One command that was logged.
pub(crate) struct LogEntry {
    pub id: u64,
    pub unix_s: u64,
    /// Microseconds or bytes.
    pub value: u64,
    pub args: Vec<Vec<u8>>,
    pub client: String,
    pub client_name: Vec<u8>,
}

/// One log, bounded by its `max-len`, newest first.
#[derive(Default)]
pub(crate) struct CommandLog {
    entries: VecDeque<LogEntry>,
    next_id: u64,
}

impl CommandLog {
    /// Adds an entry, which is given its number.
    pub fn push(&mut self, entry: LogEntry, max_len: usize) {
        self.entries.push_front(LogEntry { id: self.next_id, ..entry });
        self.next_id += 1;
        self.entries.truncate(max_len);
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &LogEntry> {
        self.entries.iter()
    }
}

/// The three logs.
#[derive(Default)]
pub(crate) struct CommandLogs {
    slow: CommandLog,
    large_request: CommandLog,
    large_reply: CommandLog,
}

impl CommandLogs {
    pub fn of(&mut self, kind: LogKind) -> &mut CommandLog {
        match kind {
            LogKind::Slow => &mut self.slow,
            LogKind::LargeRequest => &mut self.large_request,
            LogKind::LargeReply => &mut self.large_reply,
        }
    }
}

/// The arguments as an entry keeps them; `secret` tells of a position whether what stands there is nobody's business.
pub(crate) fn shorten(args: Args<'_>, secret: impl Fn(usize) -> bool) -> Vec<Vec<u8>> {
    let kept = if args.len() > MAX_ARGS { MAX_ARGS - 1 } else { args.len() };
    let mut out: Vec<Vec<u8>> = args
        .iter()
        .take(kept)
        .enumerate()
        .map(|(at, arg)| {
            if secret(at) {
                return crate::redact::REDACTED.to_vec();
            }
            if arg.len() <= MAX_ARG_BYTES {
                return arg.to_vec();
            }
            let mut short = arg[..MAX_ARG_BYTES].to_vec();
            short.extend_from_slice(format!("... ({} more bytes)", arg.len() - MAX_ARG_BYTES).as_bytes());
            short
        })
        .collect();
    if kept < args.len() {
        out.push(format!("... ({} more arguments)", args.len() - kept).into_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use resp::OwnedArgs;

    fn log_one(log: &mut CommandLog, args: &[&[u8]], max_len: usize) {
        let args = shorten(OwnedArgs::from_slices(args).as_args(), |at| args[at] == b"secret");
        let client = "127.0.0.1:1".to_owned();
        log.push(LogEntry { id: 0, unix_s: 1, value: 2, args, client, client_name: Vec::new() }, max_len);
    }

    #[test]
    fn newest_first_and_bounded() {
        let mut log = CommandLog::default();
        for name in [&b"a"[..], b"b", b"c"] {
            log_one(&mut log, &[name], 2);
        }
        let ids: Vec<u64> = log.iter().map(|entry| entry.id).collect();
        assert_eq!(ids, [2, 1]);
    }

    #[test]
    fn long_commands_are_shortened() {
        let mut log = CommandLog::default();
        let long = vec![b'x'; 200];
        let mut args: Vec<&[u8]> = vec![b"mset", &long, b"secret"];
        args.resize(40, b"y");
        log_one(&mut log, &args, 10);
        let entry = log.iter().next().expect("one entry was pushed");
        assert_eq!(entry.args.len(), 32);
        assert!(entry.args[1].ends_with(b"... (72 more bytes)"));
        assert_eq!(entry.args[2], b"(redacted)");
        assert_eq!(entry.args[31], b"... (9 more arguments)");
    }
}
