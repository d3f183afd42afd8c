//! JSON to values.

use crate::lua::{Raise, Stack};

use super::Settings;

/// cjson.decode(text)
pub(super) fn decode(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    if stack.top() != 1 {
        return Err(crate::lua::bad_argument(1, "decode", "expected 1 argument"));
    }
    let settings = stack.exchange().cjson;
    // A copy: the string could not be looked at while the stack changes.
    let text = super::super::string_argument(stack, 1, "decode")?.to_vec();
    if matches!(text[..], [0, _, ..] | [_, 0, ..]) {
        return Err(Raise::At("JSON parser does not support UTF-16 or UTF-32".to_owned()));
    }
    let mut parser = Parser { text: &text, at: 0, depth: 0, settings };
    let token = parser.token();
    parser.value(stack, token)?;
    let end = parser.token();
    if !matches!(end.kind, Kind::End) {
        return Err(end.unexpected("the end"));
    }
    Ok(1)
}

enum Kind {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

struct Token {
    kind: Kind,
    at: usize,
}

impl Token {
    fn unexpected(&self, expected: &str) -> Raise {
        let found = match self.kind {
            Kind::ObjectBegin => "T_OBJ_BEGIN",
            Kind::ObjectEnd => "T_OBJ_END",
            Kind::ArrayBegin => "T_ARR_BEGIN",
            Kind::ArrayEnd => "T_ARR_END",
            Kind::String(_) => "T_STRING",
            Kind::Number(_) => "T_NUMBER",
            Kind::Boolean(_) => "T_BOOLEAN",
            Kind::Null => "T_NULL",
            Kind::Colon => "T_COLON",
            Kind::Comma => "T_COMMA",
            Kind::End => "T_END",
            Kind::Error(what) => what,
        };
        Raise::At(format!("Expected {expected} but found {found} at character {}", self.at + 1))
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    settings: Settings,
}

impl Parser<'_> {
    fn token(&mut self) -> Token {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        let at = self.at;
        let Some(&byte) = self.text.get(at) else { return Token { kind: Kind::End, at } };
        self.at += 1;
        let kind = match byte {
            b'{' => Kind::ObjectBegin,
            b'}' => Kind::ObjectEnd,
            b'[' => Kind::ArrayBegin,
            b']' => Kind::ArrayEnd,
            b':' => Kind::Colon,
            b',' => Kind::Comma,
            b'"' => return self.string(at),
            b'-' | b'0'..=b'9' => self.number(at),
            _ => self.word(at),
        };
        Token { kind, at }
    }

    fn word(&mut self, at: usize) -> Kind {
        for (word, kind) in
            [("true", Kind::Boolean(true)), ("false", Kind::Boolean(false)), ("null", Kind::Null)]
        {
            if self.text[at..].starts_with(word.as_bytes()) {
                self.at = at + word.len();
                return kind;
            }
        }
        if self.settings.decode_invalid {
            return self.invalid_number(at);
        }
        Kind::Error("invalid token")
    }

    /// Infinity and NaN, which are no JSON.
    fn invalid_number(&mut self, at: usize) -> Kind {
        let rest = &self.text[at..];
        let (sign, word) = match rest.strip_prefix(b"-") {
            Some(word) => (-1.0, word),
            None => (1.0, rest),
        };
        for (name, value) in [("infinity", f64::INFINITY), ("inf", f64::INFINITY), ("nan", f64::NAN)] {
            if word.get(..name.len()).is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes())) {
                self.at = at + rest.len() - word.len() + name.len();
                return Kind::Number(sign * value);
            }
        }
        Kind::Error("invalid token")
    }

    fn number(&mut self, at: usize) -> Kind {
        let rest = &self.text[at..];
        let digits = rest.strip_prefix(b"-").unwrap_or(rest);
        let hexadecimal = digits.len() > 2 && digits[0] == b'0' && digits[1] | 32 == b'x';
        if !digits.first().is_some_and(u8::is_ascii_digit) {
            return if self.settings.decode_invalid {
                self.invalid_number(at)
            } else {
                Kind::Error("invalid number")
            };
        }
        if hexadecimal && self.settings.decode_invalid {
            let len = digits[2..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            if len > 0 {
                let value = digits[2..2 + len].iter().fold(0.0, |value, &byte| {
                    value * 16.0 + f64::from(char::from(byte).to_digit(16).unwrap_or(0))
                });
                self.at = at + rest.len() - digits.len() + 2 + len;
                return Kind::Number(if rest.len() > digits.len() { -value } else { value });
            }
        }
        let leading_zero = digits[0] == b'0' && digits.get(1).is_some_and(u8::is_ascii_digit);
        if !self.settings.decode_invalid && (hexadecimal || leading_zero) {
            return Kind::Error("invalid number");
        }
        let mut len = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits.get(len) == Some(&b'.') {
            len += 1 + digits[len + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        }
        if matches!(digits.get(len), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(digits.get(len + 1), Some(b'+' | b'-')));
            let exponent = digits[len + 1 + sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if exponent > 0 {
                len += 1 + sign + exponent;
            }
        }
        let end = rest.len() - digits.len() + len;
        let value = std::str::from_utf8(&rest[..end]).ok().and_then(|text| text.parse().ok());
        self.at = at + end;
        value.map_or(Kind::Error("invalid number"), Kind::Number)
    }

    fn string(&mut self, at: usize) -> Token {
        let mut out = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.iter().take_while(|&&byte| byte != b'"' && byte != b'\\').count();
            out.extend_from_slice(&rest[..plain]);
            self.at += plain;
            match self.text.get(self.at) {
                None => return Token { kind: Kind::Error("unexpected end of string"), at: self.at },
                Some(b'"') => {
                    self.at += 1;
                    return Token { kind: Kind::String(out), at };
                }
                Some(_) => {
                    let escape = self.at;
                    if let Err(what) = self.escape(&mut out) {
                        return Token { kind: Kind::Error(what), at: escape };
                    }
                }
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), &'static str> {
        let byte = match self.text.get(self.at + 1) {
            Some(b'u') => return self.unicode(out),
            Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            _ => return Err("invalid escape code"),
        };
        out.push(byte);
        self.at += 2;
        Ok(())
    }

    fn unicode(&mut self, out: &mut Vec<u8>) -> Result<(), &'static str> {
        let unit = |at: usize| {
            let escape = self.text.get(at..at + 6)?.strip_prefix(b"\\u")?;
            let digits = std::str::from_utf8(escape)
                .ok()
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            u32::from_str_radix(digits, 16).ok()
        };
        const INVALID: &str = "invalid unicode escape code";
        let first = unit(self.at).ok_or(INVALID)?;
        let (code, len) = if first & 0xf800 == 0xd800 {
            let second = unit(self.at + 6).filter(|second| second & 0xfc00 == 0xdc00).ok_or(INVALID)?;
            if first & 0x400 != 0 {
                return Err(INVALID);
            }
            (0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff), 12)
        } else {
            (first, 6)
        };
        let character = char::from_u32(code).ok_or(INVALID)?;
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.at += len;
        Ok(())
    }

    /// Pushes the value that begins with a token.
    fn value(&mut self, stack: &mut Stack<'_>, token: Token) -> Result<(), Raise> {
        stack.check_room(0)?;
        match token.kind {
            Kind::String(text) => stack.push_bytes(&text),
            Kind::Number(number) => stack.push_number(number),
            Kind::Boolean(value) => stack.push_bool(value),
            Kind::Null => stack.push_null(),
            Kind::ObjectBegin => self.object(stack)?,
            Kind::ArrayBegin => self.array(stack)?,
            _ => return Err(token.unexpected("value")),
        }
        Ok(())
    }

    fn descend(&mut self, stack: &Stack<'_>) -> Result<(), Raise> {
        self.depth += 1;
        if self.depth > self.settings.decode_max_depth || stack.reserve(4).is_err() {
            return Err(Raise::At(format!(
                "Found too many nested data structures ({}) at character {}",
                self.depth, self.at
            )));
        }
        Ok(())
    }

    fn object(&mut self, stack: &mut Stack<'_>) -> Result<(), Raise> {
        self.descend(stack)?;
        stack.push_table(0, 0);
        let mut token = self.token();
        if !matches!(token.kind, Kind::ObjectEnd) {
            loop {
                let Kind::String(key) = &token.kind else {
                    return Err(token.unexpected("object key string"));
                };
                stack.push_bytes(key);
                let colon = self.token();
                if !matches!(colon.kind, Kind::Colon) {
                    return Err(colon.unexpected("colon"));
                }
                let token_of_value = self.token();
                self.value(stack, token_of_value)?;
                stack.set(-3);
                let next = self.token();
                match next.kind {
                    Kind::ObjectEnd => break,
                    Kind::Comma => token = self.token(),
                    _ => return Err(next.unexpected("comma or object end")),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn array(&mut self, stack: &mut Stack<'_>) -> Result<(), Raise> {
        self.descend(stack)?;
        stack.push_table(0, 0);
        let mut token = self.token();
        if !matches!(token.kind, Kind::ArrayEnd) {
            for index in 1.. {
                self.value(stack, token)?;
                stack.set_index(-2, index);
                let next = self.token();
                match next.kind {
                    Kind::ArrayEnd => break,
                    Kind::Comma => token = self.token(),
                    _ => return Err(next.unexpected("comma or array end")),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }
}
