//! DEBUG PROTOCOL: one reply of each type, for those who write clients.

use resp::ReplyBuf;

/// What clients' tests expect; it is not meant to be a good value of anything.
#[allow(clippy::approx_constant)]
const EXAMPLE_DOUBLE: f64 = 3.141;

/// Writes the reply that stands for a type.
pub(super) fn write(out: &mut ReplyBuf, name: &[u8]) {
    match name.to_ascii_lowercase().as_slice() {
        b"string" => out.bulk(b"Hello World"),
        b"integer" => out.int(12345),
        b"double" => out.double(EXAMPLE_DOUBLE),
        b"null" => out.null(),
        b"array" => {
            out.array(3);
            (0..3).for_each(|n| out.int(n));
        }
        b"set" => {
            out.set(3);
            (0..3).for_each(|n| out.int(n));
        }
        b"map" => {
            out.map(3);
            for n in 0..3 {
                out.int(n);
                out.boolean(n == 1);
            }
        }
        b"attrib" => {
            if out.is_resp3() {
                out.attribute(1);
                out.bulk(b"key-popularity");
                out.array(2);
                out.bulk(b"key:123");
                out.int(90);
            }
            // An attribute is not a reply by itself.
            out.bulk(b"Some real reply following the attribute");
        }
        b"push" => {
            if !out.is_resp3() {
                return out.error("ERR RESP2 is not supported by this command");
            }
            out.push(2);
            out.bulk(b"server-cpu-usage");
            out.int(42);
            // Nor is a push.
            out.bulk(b"Some real reply following the push reply");
        }
        b"verbatim" => out.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => out.boolean(true),
        b"false" => out.boolean(false),
        b"bignum" => out.big_number("1234567999999999999999999999999999999"),
        _ => out.error(
            "ERR Wrong protocol type name. Please use one of the following: \
             string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resp::Proto;

    #[test]
    fn each_type_has_its_form_in_both_protocols() {
        for (name, two, three) in [
            ("string", "$11\r\nHello World\r\n", "$11\r\nHello World\r\n"),
            ("INTEGER", ":12345\r\n", ":12345\r\n"),
            ("double", "$5\r\n3.141\r\n", ",3.141\r\n"),
            ("null", "$-1\r\n", "_\r\n"),
            ("array", "*3\r\n:0\r\n:1\r\n:2\r\n", "*3\r\n:0\r\n:1\r\n:2\r\n"),
            ("set", "*3\r\n:0\r\n:1\r\n:2\r\n", "~3\r\n:0\r\n:1\r\n:2\r\n"),
            (
                "map",
                "*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n",
                "%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n",
            ),
            (
                "attrib",
                "$39\r\nSome real reply following the attribute\r\n",
                "|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n$39\r\nSome real reply following the attribute\r\n",
            ),
            (
                "push",
                "-ERR RESP2 is not supported by this command\r\n",
                ">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n$40\r\nSome real reply following the push reply\r\n",
            ),
            (
                "verbatim",
                "$25\r\nThis is a verbatim\nstring\r\n",
                "=29\r\ntxt:This is a verbatim\nstring\r\n",
            ),
            ("true", ":1\r\n", "#t\r\n"),
            ("false", ":0\r\n", "#f\r\n"),
            (
                "bignum",
                "$37\r\n1234567999999999999999999999999999999\r\n",
                "(1234567999999999999999999999999999999\r\n",
            ),
        ] {
            for (proto, expected) in [(Proto::Resp2, two), (Proto::Resp3, three)] {
                let mut out = ReplyBuf { proto, ..ReplyBuf::new() };
                write(&mut out, name.as_bytes());
                assert_eq!(String::from_utf8_lossy(&out.buf), expected, "{name} in {proto:?}");
            }
        }
        let mut out = ReplyBuf::new();
        write(&mut out, b"blob");
        assert!(out.buf.starts_with(b"-ERR Wrong protocol type name."));
    }
}
