//! Replies that give elements again and again.
//!
//! A negative count of HRANDFIELD, SRANDMEMBER and ZRANDMEMBER is the client's word, and no collection bounds it: the reply may be
//! larger than everything that is stored. It ends where the client is going to be disconnected for it, and where a bulk string would, at
//! `proto-max-bulk-len`.

use resp::ReplyBuf;

use crate::Env;

/// The bound on one such reply.
pub(crate) struct Repeats {
    from: usize,
    limit: usize,
    cut_off: usize,
}

impl Repeats {
    /// For a reply that begins here.
    pub fn begin(out: &ReplyBuf, env: &Env) -> Repeats {
        // What a script is given has to be whole.
        let cut_off = if env.reply_limit == 0 || env.in_script { usize::MAX } else { env.reply_limit };
        Repeats { from: out.buf.len(), limit: env.proto_max_bulk_len, cut_off }
    }

    /// Repeats `write`, unless the reply gets too large: then an error takes its place, or it ends in the middle where the client will
    /// see none of it, being disconnected.
    pub fn write(&self, out: &mut ReplyBuf, count: usize, mut write: impl FnMut(&mut ReplyBuf)) {
        for _ in 0..count {
            write(out);
            if out.buf.len() > self.cut_off {
                return;
            }
            if out.buf.len() - self.from > self.limit {
                out.buf.truncate(self.from);
                return out.error("ERR value is out of range, the reply would exceed proto-max-bulk-len");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_for_a_client_that_is_disconnected() {
        let mut env = Env { reply_limit: 64, ..Env::default() };
        let mut out = ReplyBuf::new();
        Repeats::begin(&out, &env).write(&mut out, usize::MAX, |out| out.bulk(b"xx"));
        assert_eq!(out.buf.len(), 72);
        env.in_script = true;
        env.proto_max_bulk_len = 100;
        let mut out = ReplyBuf::new();
        Repeats::begin(&out, &env).write(&mut out, usize::MAX, |out| out.bulk(b"xx"));
        assert!(out.buf.starts_with(b"-ERR value is out of range"), "a script is told");
    }

    #[test]
    fn a_reply_ends_at_the_limit() {
        let env = Env { proto_max_bulk_len: 64, ..Env::default() };
        for (count, fits) in [(0, true), (7, true), (8, false), (usize::MAX, false)] {
            let mut out = ReplyBuf::new();
            out.simple("before");
            let repeats = Repeats::begin(&out, &env);
            out.array(count.min(9));
            repeats.write(&mut out, count, |out| out.bulk(b"xx"));
            let text = String::from_utf8(out.buf).expect("plain text");
            assert_eq!(!text.contains("-ERR"), fits, "{text}");
            assert!(text.starts_with("+before\r\n"), "{text}");
            assert_eq!(text.matches("xx").count(), if fits { count } else { 0 });
        }
    }
}
