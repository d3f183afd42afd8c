//! SLOWLOG: the commands that took longest, newest first.

use std::collections::VecDeque;

use resp::Args;

/// Arguments beyond this many are summed up in one line.
const MAX_ARGS: usize = 32;
/// Bytes of an argument beyond this many are summed up likewise.
const MAX_ARG_BYTES: usize = 128;

/// One slow command.
pub(crate) struct SlowEntry {
    pub id: u64,
    pub unix_s: u64,
    pub micros: u64,
    pub args: Vec<Vec<u8>>,
    pub client: String,
    pub client_name: Vec<u8>,
}

/// The log, bounded by `slowlog-max-len`.
#[derive(Default)]
pub(crate) struct SlowLog {
    entries: VecDeque<SlowEntry>,
    next_id: u64,
}

impl SlowLog {
    pub fn push(
        &mut self,
        unix_s: u64,
        micros: u64,
        args: Args<'_>,
        client: String,
        client_name: &[u8],
        max_len: usize,
    ) {
        let entry = SlowEntry {
            id: self.next_id,
            unix_s,
            micros,
            args: shorten(args),
            client,
            client_name: client_name.to_vec(),
        };
        self.next_id += 1;
        self.entries.push_front(entry);
        self.entries.truncate(max_len);
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &SlowEntry> {
        self.entries.iter()
    }
}

fn shorten(args: Args<'_>) -> Vec<Vec<u8>> {
    let kept = if args.len() > MAX_ARGS { MAX_ARGS - 1 } else { args.len() };
    let mut out: Vec<Vec<u8>> = args
        .iter()
        .take(kept)
        .map(|arg| {
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

    fn log_one(log: &mut SlowLog, args: &[&[u8]], max_len: usize) {
        log.push(1, 2, OwnedArgs::from_slices(args).as_args(), "127.0.0.1:1".to_owned(), b"", max_len);
    }

    #[test]
    fn newest_first_and_bounded() {
        let mut log = SlowLog::default();
        for name in [&b"a"[..], b"b", b"c"] {
            log_one(&mut log, &[name], 2);
        }
        let ids: Vec<u64> = log.iter().map(|entry| entry.id).collect();
        assert_eq!(ids, [2, 1]);
    }

    #[test]
    fn long_commands_are_shortened() {
        let mut log = SlowLog::default();
        let long = vec![b'x'; 200];
        let mut args: Vec<&[u8]> = vec![b"mset", &long];
        args.resize(40, b"y");
        log_one(&mut log, &args, 10);
        let entry = log.iter().next().expect("one entry was pushed");
        assert_eq!(entry.args.len(), 32);
        assert!(entry.args[1].ends_with(b"... (72 more bytes)"));
        assert_eq!(entry.args[31], b"... (9 more arguments)");
    }
}
