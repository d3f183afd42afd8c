//! Which connections CLIENT LIST and CLIENT KILL mean.

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
    fn parse(word: &[u8]) -> Option<Class> {
        Some(match word.to_ascii_lowercase().as_slice() {
            b"normal" => Class::Normal,
            b"master" | b"primary" => Class::Master,
            b"slave" | b"replica" => Class::Replica,
            b"pubsub" => Class::Pubsub,
            _ => return None,
        })
    }
}

/// A command whose filters are read; they word the same mistakes differently.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Caller {
    List,
    Kill,
}

/// All conditions that were given hold for a connection that is meant.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// One of these.
    ids: Option<Vec<u64>>,
    class: Option<Class>,
    pub user: Option<Vec<u8>>,
    addr: Option<Vec<u8>>,
    laddr: Option<Vec<u8>>,
    /// Connected for at least so many seconds.
    max_age_s: Option<u64>,
    /// Whether the connection that asks is left out; without a word CLIENT KILL does that and CLIENT LIST does not.
    pub skip_me: Option<bool>,
}

impl Filter {
    /// Reads `option value` pairs; `ID` takes any number of values.
    pub fn parse(args: Args<'_>, caller: Caller) -> Result<Filter, String> {
        let mut filter = Filter::default();
        let mut at = 0;
        while at < args.len() {
            let option = args.at(at).to_ascii_lowercase();
            let value = args.get(at + 1).ok_or(SYNTAX)?;
            at += 2;
            match option.as_slice() {
                b"id" => {
                    let ids = filter.ids.get_or_insert_default();
                    ids.push(parse_id(value, caller)?);
                    while let Some(more) = args.get(at).and_then(parse_i64) {
                        ids.push(u64::try_from(more).map_err(|_| bad_id(caller))?);
                        at += 1;
                    }
                    // A word that is neither a number nor an option was meant as one more id.
                    if caller == Caller::List && args.get(at).is_some_and(|word| !is_option(word)) {
                        return Err(bad_id(caller));
                    }
                }
                b"type" => {
                    let class = Class::parse(value);
                    let unknown = || format!("ERR Unknown client type '{}'", String::from_utf8_lossy(value));
                    filter.class = Some(class.ok_or_else(unknown)?);
                }
                b"user" => filter.user = Some(value.to_vec()),
                b"addr" => filter.addr = Some(value.to_vec()),
                b"laddr" => filter.laddr = Some(value.to_vec()),
                b"maxage" => filter.max_age_s = Some(parse_age(value)?),
                b"skipme" => match value.to_ascii_lowercase().as_slice() {
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
        Filter { addr: Some(addr.to_vec()), skip_me: Some(false), ..Filter::default() }
    }

    /// Whether this connection is meant, `skip_me` apart.
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        let equal = |wanted: &Option<Vec<u8>>, is: &[u8]| wanted.as_deref().is_none_or(|wanted| wanted == is);
        self.ids.as_ref().is_none_or(|ids| ids.contains(&facts.id))
            && self.class.is_none_or(|class| class == facts.class)
            && equal(&self.user, facts.user)
            && equal(&self.addr, facts.addr.as_bytes())
            && equal(&self.laddr, facts.laddr.as_bytes())
            && self.max_age_s.is_none_or(|seconds| facts.age_s >= seconds)
    }
}

fn is_option(word: &[u8]) -> bool {
    const OPTIONS: [&[u8]; 7] = [b"id", b"type", b"user", b"addr", b"laddr", b"maxage", b"skipme"];
    OPTIONS.iter().any(|option| word.eq_ignore_ascii_case(option))
}

fn bad_id(caller: Caller) -> String {
    match caller {
        Caller::List => "ERR Invalid client ID".to_owned(),
        Caller::Kill => "ERR client-id should be greater than 0".to_owned(),
    }
}

fn parse_id(text: &[u8], caller: Caller) -> Result<u64, String> {
    let id = parse_i64(text).and_then(|id| u64::try_from(id).ok());
    match id {
        Some(0) if caller == Caller::Kill => Err(bad_id(caller)),
        Some(id) => Ok(id),
        None => Err(bad_id(caller)),
    }
}

fn parse_age(text: &[u8]) -> Result<u64, String> {
    let age = parse_i64(text).ok_or("ERR maxage is not an integer or out of range")?;
    match u64::try_from(age) {
        Ok(0) | Err(_) => Err("ERR maxage should be greater than 0".to_owned()),
        Ok(age) => Ok(age),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resp::OwnedArgs;

    fn parse(words: &[&[u8]], caller: Caller) -> Result<Filter, String> {
        Filter::parse(OwnedArgs::from_slices(words).as_args(), caller)
    }

    fn facts() -> Facts<'static> {
        Facts {
            id: 7,
            class: Class::Normal,
            user: b"default",
            addr: "10.0.0.1:5".into(),
            laddr: "10.0.0.2:6379",
            age_s: 20,
            ..Facts::default()
        }
    }

    #[test]
    fn conditions_add_up() {
        for words in [
            &[b"ID".as_slice(), b"7"][..],
            &[b"id", b"1", b"7", b"9", b"type", b"normal"],
            &[b"id", b"1", b"id", b"7"],
            &[b"ADDR", b"10.0.0.1:5", b"LADDR", b"10.0.0.2:6379"],
            &[b"user", b"default", b"maxage", b"20"],
            &[],
        ] {
            assert!(parse(words, Caller::Kill).expect("well-formed").matches(&facts()), "{words:?}");
        }
        for words in [
            &[b"id".as_slice(), b"8"][..],
            &[b"id", b"7", b"type", b"replica"],
            &[b"addr", b"10.0.0.1:5", b"laddr", b"10.0.0.1:5"],
            &[b"maxage", b"21"],
        ] {
            assert!(!parse(words, Caller::Kill).expect("well-formed").matches(&facts()), "{words:?}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (words, caller, error) in [
            (&[b"id".as_slice()][..], Caller::List, "ERR syntax error"),
            (&[b"id", b"x"], Caller::List, "ERR Invalid client ID"),
            (&[b"id", b"1", b"x"], Caller::List, "ERR Invalid client ID"),
            (&[b"id", b"0"], Caller::Kill, "ERR client-id should be greater than 0"),
            (&[b"id", b"-1"], Caller::Kill, "ERR client-id should be greater than 0"),
            (&[b"id", b"1", b"x", b"y"], Caller::Kill, "ERR syntax error"),
            (&[b"type", b"boss"], Caller::Kill, "ERR Unknown client type 'boss'"),
            (&[b"skipme", b"maybe"], Caller::Kill, "ERR syntax error"),
            (&[b"maxage", b"0"], Caller::Kill, "ERR maxage should be greater than 0"),
            (&[b"maxage", b"x"], Caller::Kill, "ERR maxage is not an integer or out of range"),
            (&[b"colour", b"red"], Caller::List, "ERR syntax error"),
        ] {
            assert_eq!(parse(words, caller).expect_err("refused"), error, "{words:?}");
        }
    }
}
