//! Replies that give elements again and again.
//!
//! A negative count of HRANDFIELD, SRANDMEMBER and ZRANDMEMBER is the client's word, and no collection bounds it: the reply may be
//! larger than everything that is stored. It ends where a bulk string would, at `proto-max-bulk-len`.

use resp::ReplyBuf;

use crate::Env;

/// The bound on one such reply.
pub(crate) struct Repeats {
    from: usize,
    limit: usize,
}

impl Repeats {
    /// For a reply that begins here.
    pub fn begin(out: &ReplyBuf, env: &Env) -> Repeats {
        Repeats { from: out.buf.len(), limit: env.proto_max_bulk_len }
    }

    /// Repeats `write`, unless the reply gets too large: then an error takes its place.
    pub fn write(&self, out: &mut ReplyBuf, count: usize, mut write: impl FnMut(&mut ReplyBuf)) {
        for _ in 0..count {
            write(out);
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
