//! Which connections CLIENT LIST and CLIENT KILL mean.
//!
//! All conditions that are given must hold. Each has an opposite with `NOT-` in front; of one that is given twice the last word
//! counts, but for ids, which add up.

use resp::Args;

use commands::errors::SYNTAX;
use commands::number::parse_i64;

use super::line::Facts;

/// The classes of connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// An ordinary client.
    Normal,
    /// The link to the master.
    Master,
    /// A replica of this instance.
    Replica,
    /// A subscriber.
    Pubsub,
}

impl Class {
    fn parse(word: &[u8]) -> Result<Class, String> {
        Ok(match word.to_ascii_lowercase().as_slice() {
            b"normal" => Class::Normal,
            b"master" | b"primary" => Class::Master,
            b"slave" | b"replica" => Class::Replica,
            b"pubsub" => Class::Pubsub,
            _ => return Err(format!("ERR Unknown client type '{}'", String::from_utf8_lossy(word))),
        })
    }
}

/// Letters that stand for a client's state somewhere, here or in a server of another make.
const FLAGS: &[u8] = b"ABEIMNOPRSTUbcdeirtux";

/// What filters are checked against when they are read.
pub(super) struct Known<'a> {
    /// Number of databases.
    pub databases: usize,
    /// Whether there is a user of this name.
    pub user: &'a dyn Fn(&[u8]) -> bool,
}

/// What a property must be, and what it must not be.
#[derive(Debug)]
struct Want<T> {
    is: Option<T>,
    not: Option<T>,
}

impl<T> Default for Want<T> {
    fn default() -> Self {
        Want { is: None, not: None }
    }
}

impl<T> Want<T> {
    fn set(&mut self, negated: bool, value: T) {
        *(if negated { &mut self.not } else { &mut self.is }) = Some(value);
    }

    fn holds(&self, fits: impl Fn(&T) -> bool) -> bool {
        self.is.as_ref().is_none_or(&fits) && !self.not.as_ref().is_some_and(&fits)
    }
}

/// The conditions.
#[derive(Debug, Default)]
pub(super) struct Filter {
    ids: Want<Vec<u64>>,
    class: Want<Class>,
    user: Want<Vec<u8>>,
    name: Want<Vec<u8>>,
    addr: Want<Vec<u8>>,
    laddr: Want<Vec<u8>>,
    ip: Want<Vec<u8>>,
    lib_name: Want<Vec<u8>>,
    lib_ver: Want<Vec<u8>>,
    db: Want<usize>,
    /// All of these letters.
    flags: Want<Vec<u8>>,
    capabilities: Want<Vec<u8>>,
    /// Connected for at least so many seconds.
    max_age_s: Option<u64>,
    /// Silent for at least so many seconds.
    idle_s: Option<u64>,
    /// Whether the connection that asks is left out; without a word CLIENT KILL does that and CLIENT LIST does not.
    pub skip_me: Option<bool>,
}

impl Filter {
    /// Reads `option value` pairs; `ID` takes any number of values.
    pub fn parse(args: Args<'_>, known: &Known<'_>) -> Result<Filter, String> {
        let mut filter = Filter::default();
        let mut at = 0;
        while at < args.len() {
            let option = args.at(at).to_ascii_lowercase();
            let value = args.get(at + 1).ok_or(SYNTAX)?;
            at += 2;
            let (negated, option) = match option.strip_prefix(b"not-") {
                Some(option) => (true, option),
                None => (false, option.as_slice()),
            };
            match option {
                b"id" => {
                    let ids = if negated { &mut filter.ids.not } else { &mut filter.ids.is };
                    let ids = ids.get_or_insert_default();
                    ids.push(parse_id(parse_i64(value).ok_or(SYNTAX)?)?);
                    while let Some(more) = args.get(at).and_then(parse_i64) {
                        ids.push(parse_id(more)?);
                        at += 1;
                    }
                }
                b"type" => filter.class.set(negated, Class::parse(value)?),
                b"user" => {
                    if !(known.user)(value) {
                        return Err(format!("ERR No such user '{}'", String::from_utf8_lossy(value)));
                    }
                    filter.user.set(negated, value.to_vec());
                }
                b"addr" => filter.addr.set(negated, value.to_vec()),
                b"laddr" => filter.laddr.set(negated, value.to_vec()),
                b"ip" => filter.ip.set(negated, value.to_vec()),
                b"name" => filter.name.set(negated, value.to_vec()),
                b"lib-name" => filter.lib_name.set(negated, value.to_vec()),
                b"lib-ver" => filter.lib_ver.set(negated, value.to_vec()),
                b"db" => filter.db.set(negated, parse_db(value, known.databases)?),
                b"flags" => filter.flags.set(negated, parse_letters(value, FLAGS, "flags")?),
                b"capa" => filter.capabilities.set(negated, parse_letters(value, b"r", "capa")?),
                b"maxage" if !negated => filter.max_age_s = Some(parse_seconds(value, "maxage")?),
                b"idle" if !negated => filter.idle_s = Some(parse_seconds(value, "idle")?),
                b"skipme" if !negated => match value.to_ascii_lowercase().as_slice() {
                    b"yes" => filter.skip_me = Some(true),
                    b"no" => filter.skip_me = Some(false),
                    _ => return Err(SYNTAX.to_owned()),
                },
                _ => return Err(SYNTAX.to_owned()),
            }
        }
        Ok(filter)
    }

    /// The filter of `CLIENT KILL addr`.
    pub fn of_address(addr: &[u8]) -> Filter {
        let addr = Want { is: Some(addr.to_vec()), not: None };
        Filter { addr, skip_me: Some(false), ..Filter::default() }
    }

    /// Whether this connection is meant, `skip_me` apart.
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        let equal = |want: &Want<Vec<u8>>, is: &[u8]| want.holds(|wanted| wanted == is);
        let within = |want: &Want<Vec<u8>>, is: &[u8]| {
            want.holds(|wanted| wanted.iter().all(|letter| is.contains(letter)))
        };
        self.ids.holds(|ids| ids.contains(&facts.id))
            && self.class.holds(|&class| class == facts.class)
            && equal(&self.user, facts.user)
            && equal(&self.name, facts.name)
            && equal(&self.addr, facts.addr.as_bytes())
            && equal(&self.laddr, facts.laddr.as_bytes())
            && equal(&self.ip, ip_of(&facts.addr).as_bytes())
            && equal(&self.lib_name, facts.lib_name)
            && equal(&self.lib_ver, facts.lib_ver)
            && self.db.holds(|&db| db == facts.db)
            && within(&self.flags, facts.flags.as_bytes())
            && within(&self.capabilities, facts.capabilities.as_bytes())
            && self.max_age_s.is_none_or(|seconds| facts.age_s >= seconds)
            && self.idle_s.is_none_or(|seconds| facts.idle_s >= seconds)
    }
}

/// `::1` of `[::1]:6379`
fn ip_of(addr: &str) -> &str {
    let host = addr.rsplit_once(':').map_or(addr, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn parse_id(id: i64) -> Result<u64, String> {
    match u64::try_from(id) {
        Ok(0) | Err(_) => Err("ERR client-id should be greater than 0".to_owned()),
        Ok(id) => Ok(id),
    }
}

fn parse_db(text: &[u8], databases: usize) -> Result<usize, String> {
    let number = parse_i64(text).ok_or("ERR DB is not an integer or out of range")?;
    usize::try_from(number)
        .ok()
        .filter(|&db| db < databases)
        .ok_or_else(|| format!("ERR DB number should be between 0 and {}", databases - 1))
}

fn parse_letters(text: &[u8], known: &[u8], what: &str) -> Result<Vec<u8>, String> {
    if text.iter().all(|letter| known.contains(letter)) {
        return Ok(text.to_vec());
    }
    Err(format!("ERR Unknown {what} found in the provided filter: {}", String::from_utf8_lossy(text)))
}

fn parse_seconds(text: &[u8], option: &str) -> Result<u64, String> {
    let seconds = parse_i64(text).ok_or_else(|| format!("ERR {option} is not an integer or out of range"))?;
    match u64::try_from(seconds) {
        Ok(0) | Err(_) => Err(format!("ERR {option} should be greater than 0")),
        Ok(seconds) => Ok(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resp::OwnedArgs;

    fn parse(words: &[&[u8]]) -> Result<Filter, String> {
        let known = Known { databases: 16, user: &|name| name == b"default" };
        Filter::parse(OwnedArgs::from_slices(words).as_args(), &known)
    }

    fn facts() -> Facts<'static> {
        Facts {
            id: 7,
            class: Class::Normal,
            user: b"default",
            name: b"me",
            addr: "[::1]:5".into(),
            laddr: "10.0.0.2:6379",
            age_s: 20,
            idle_s: 10,
            flags: "xT".to_owned(),
            db: 3,
            lib_name: b"lib",
            lib_ver: b"1.2",
            ..Facts::default()
        }
    }

    #[test]
    fn conditions_add_up() {
        for words in [
            &[b"ID".as_slice(), b"7"][..],
            &[b"id", b"1", b"7", b"9", b"type", b"normal"],
            &[b"id", b"1", b"id", b"7"],
            &[b"ADDR", b"[::1]:5", b"LADDR", b"10.0.0.2:6379"],
            &[b"user", b"default", b"maxage", b"20", b"idle", b"10"],
            &[b"ip", b"::1", b"db", b"0", b"db", b"3"],
            &[b"flags", b"T", b"not-flags", b"Nx", b"name", b"me"],
            &[b"not-name", b"you", b"not-lib-name", b"x", b"lib-ver", b"1.2", b"not-capa", b"r"],
            &[b"not-id", b"1", b"2", b"not-type", b"pubsub", b"not-db", b"1", b"not-ip", b"1.1.1.1"],
            &[],
        ] {
            assert!(parse(words).expect("well-formed").matches(&facts()), "{words:?}");
        }
        for words in [
            &[b"id".as_slice(), b"8"][..],
            &[b"id", b"7", b"type", b"replica"],
            &[b"addr", b"[::1]:5", b"laddr", b"10.0.0.1:5"],
            &[b"maxage", b"21"],
            &[b"idle", b"11"],
            &[b"not-id", b"1", b"7"],
            &[b"not-user", b"default"],
            &[b"not-addr", b"[::1]:5"],
            &[b"not-flags", b"x"],
            &[b"flags", b"xN"],
            &[b"capa", b"r"],
            &[b"not-lib-ver", b"1.2"],
        ] {
            assert!(!parse(words).expect("well-formed").matches(&facts()), "{words:?}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (words, error) in [
            (&[b"id".as_slice()][..], "ERR syntax error"),
            (&[b"id", b"x"], "ERR syntax error"),
            (&[b"id", b"1", b"x"], "ERR syntax error"),
            (&[b"id", b"0"], "ERR client-id should be greater than 0"),
            (&[b"not-id", b"-1"], "ERR client-id should be greater than 0"),
            (&[b"id", b"1", b"x", b"y"], "ERR syntax error"),
            (&[b"type", b"boss"], "ERR Unknown client type 'boss'"),
            (&[b"user", b"bob"], "ERR No such user 'bob'"),
            (&[b"skipme", b"maybe"], "ERR syntax error"),
            (&[b"not-skipme", b"yes"], "ERR syntax error"),
            (&[b"maxage", b"0"], "ERR maxage should be greater than 0"),
            (&[b"maxage", b"x"], "ERR maxage is not an integer or out of range"),
            (&[b"idle", b"-1"], "ERR idle should be greater than 0"),
            (&[b"db", b"16"], "ERR DB number should be between 0 and 15"),
            (&[b"db", b"x"], "ERR DB is not an integer or out of range"),
            (&[b"flags", b"NZ"], "ERR Unknown flags found in the provided filter: NZ"),
            (&[b"capa", b"q"], "ERR Unknown capa found in the provided filter: q"),
            (&[b"colour", b"red"], "ERR syntax error"),
        ] {
            assert_eq!(parse(words).expect_err("refused"), error, "{words:?}");
        }
    }
}
