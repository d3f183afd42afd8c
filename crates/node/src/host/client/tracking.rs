//! What a client may say about itself and about its own cache.

use std::collections::BTreeSet;
use std::ops::Bound;

use resp::Args;

use commands::errors::{NOT_INTEGER, SYNTAX};
use commands::number::parse_i64;

use crate::node::Node;
use crate::session::Session;
use crate::tracking::{Mode, Redirect, Tracker, Wish};

/// CLIENT CAPA capability [capability …]; names that are not known are no mistake.
pub(crate) fn capa(_: &mut Node, session: &mut Session, args: Args<'_>) {
    session.redirect |= args.from(2).iter().any(|word| word.eq_ignore_ascii_case(b"redirect"));
    session.reply.ok();
}

/// CLIENT TRACKING ON|OFF [REDIRECT id] [PREFIX prefix …] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]
pub(crate) fn tracking(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let options = match Options::parse(node, session, args.from(3)) {
        Ok(options) => options,
        Err(error) => return session.reply.error(&error),
    };
    match super::on_or_off(args.at(2)) {
        None => session.reply.error(SYNTAX),
        Some(false) => {
            node.stop_tracking(session);
            session.reply.ok();
        }
        Some(true) => match options.wish(node.tracking.active_of(session)) {
            Ok(wish) => {
                node.start_tracking(session, wish);
                session.reply.ok();
            }
            Err(error) => session.reply.error(&error),
        },
    }
}

/// The options as they were given.
#[derive(Default)]
struct Options<'a> {
    redirect: Option<Redirect>,
    prefixes: Vec<&'a [u8]>,
    bcast: bool,
    optin: bool,
    optout: bool,
    noloop: bool,
}

impl<'a> Options<'a> {
    fn parse(node: &Node, session: &Session, args: Args<'a>) -> Result<Options<'a>, String> {
        let mut options = Options::default();
        let mut at = 0;
        while at < args.len() {
            let word = args.at(at).to_ascii_lowercase();
            at += 1;
            match word.as_slice() {
                b"redirect" if at < args.len() => {
                    if options.redirect.is_some() {
                        return Err("ERR A client can only redirect to a single other client".to_owned());
                    }
                    options.redirect = Some(find(node, session, args.at(at))?);
                    at += 1;
                }
                b"prefix" if at < args.len() => {
                    options.prefixes.push(args.at(at));
                    at += 1;
                }
                b"bcast" => options.bcast = true,
                b"optin" => options.optin = true,
                b"optout" => options.optout = true,
                b"noloop" => options.noloop = true,
                _ => return Err(SYNTAX.to_owned()),
            }
        }
        Ok(options)
    }

    /// What they ask for, if that is possible beside what is there.
    fn wish(self, before: Option<&Tracker>) -> Result<Wish<'a>, String> {
        let mode_before = before.map_or(Mode::Off, |tracker| tracker.mode);
        let error = |text: &str| Err(text.to_owned());
        if !self.bcast && !self.prefixes.is_empty() {
            return error("ERR PREFIX option requires BCAST mode to be enabled");
        }
        if mode_before != Mode::Off && self.bcast != (mode_before == Mode::Broadcast) {
            return error(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a \
                 different mode.",
            );
        }
        if self.bcast && (self.optin || self.optout) {
            return error("ERR OPTIN and OPTOUT are not compatible with BCAST");
        }
        if self.optin && self.optout {
            return error("ERR You can't specify both OPTIN mode and OPTOUT mode");
        }
        if self.optin && mode_before == Mode::OptOut || self.optout && mode_before == Mode::OptIn {
            return error(
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a \
                 different mode.",
            );
        }
        let mode = match (self.bcast, self.optin, self.optout) {
            (true, ..) => Mode::Broadcast,
            (_, true, _) => Mode::OptIn,
            (.., true) => Mode::OptOut,
            _ => Mode::Reads,
        };
        let mut prefixes = self.prefixes;
        check_prefixes(before, &prefixes)?;
        if self.bcast && prefixes.is_empty() {
            prefixes.push(b"");
        }
        Ok(Wish { mode, noloop: self.noloop, redirect: self.redirect, prefixes })
    }
}

/// The client that invalidations are to be redirected to.
fn find(node: &Node, session: &Session, id: &[u8]) -> Result<Redirect, String> {
    let id = parse_i64(id).ok_or(NOT_INTEGER)?;
    let others = node.sessions().chain(std::iter::once(session));
    let found = u64::try_from(id).ok().and_then(|id| others.into_iter().find(|other| other.id == id));
    let other = found.ok_or("ERR The client ID you want redirect to does not exist")?;
    Ok(Redirect { id: other.id, conn: other.conn })
}

/// No key may have two prefixes of one client: it would be told twice.
fn check_prefixes(before: Option<&Tracker>, prefixes: &[&[u8]]) -> Result<(), String> {
    let overlap = |one: &[u8], what: &str, other: &[u8]| {
        let (one, other) = (String::from_utf8_lossy(one), String::from_utf8_lossy(other));
        Err(format!(
            "ERR Prefix '{one}' overlaps with {what} prefix '{other}'. Prefixes for a single client must not overlap."
        ))
    };
    let existing: BTreeSet<&[u8]> =
        before.into_iter().flat_map(|tracker| &tracker.prefixes).map(|prefix| &**prefix).collect();
    let mut given: BTreeSet<&[u8]> = BTreeSet::new();
    for &prefix in prefixes {
        if let Some(other) = overlapping(&existing, prefix) {
            return overlap(prefix, "an existing", other);
        }
        if let Some(other) = overlapping(&given, prefix) {
            return overlap(other, "another provided", prefix);
        }
        given.insert(prefix);
    }
    Ok(())
}

/// One of a set that begins with `prefix`, or that `prefix` begins with.
fn overlapping<'a>(set: &BTreeSet<&'a [u8]>, prefix: &[u8]) -> Option<&'a [u8]> {
    // Those that begin with it come right behind it. One that it begins with comes right before it, since between the two there could only
    // be others that begin with the same; but the empty prefix may stand beside any others.
    let behind = set.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded)).next();
    let before = set.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(prefix))).next_back();
    let behind = behind.filter(|other| other.starts_with(prefix));
    let before = before.filter(|other| prefix.starts_with(other));
    behind.or(before).or_else(|| set.first().filter(|first| first.is_empty())).copied()
}

/// CLIENT CACHING YES|NO
pub(crate) fn caching(node: &mut Node, session: &mut Session, args: Args<'_>) {
    let Some(tracker) = node.tracking.active_of_mut(session) else {
        return session.reply.error(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        );
    };
    let error = match args.at(2).to_ascii_lowercase().as_slice() {
        b"yes" if tracker.mode == Mode::OptIn => None,
        b"yes" => Some("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."),
        b"no" if tracker.mode == Mode::OptOut => None,
        b"no" => Some("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."),
        _ => Some(SYNTAX),
    };
    match error {
        None => {
            tracker.exception = true;
            session.reply.ok();
        }
        Some(error) => session.reply.error(error),
    }
}

/// Which client is told in the place of this one: -1 if tracking is off, 0 if none.
pub(super) fn redirection(tracker: Option<&Tracker>) -> i64 {
    tracker.map_or(-1, |tracker| tracker.redirect.map_or(0, |to| to.id as i64))
}

/// CLIENT GETREDIR
pub(crate) fn getredir(node: &mut Node, session: &mut Session, _: Args<'_>) {
    session.reply.int(redirection(node.tracking.active_of(session)));
}

/// CLIENT TRACKINGINFO
pub(crate) fn trackinginfo(node: &mut Node, session: &mut Session, _: Args<'_>) {
    let tracker = node.tracking.active_of(session);
    let flags = tracker.map_or_else(|| vec!["off"], flags);
    let out = &mut session.reply;
    out.map(3);
    out.bulk(b"flags");
    out.set(flags.len());
    flags.iter().for_each(|flag| out.bulk(flag.as_bytes()));
    out.bulk(b"redirect");
    out.int(redirection(tracker));
    out.bulk(b"prefixes");
    out.array(tracker.map_or(0, |tracker| tracker.prefixes.len()));
    tracker.into_iter().flat_map(|tracker| &tracker.prefixes).for_each(|prefix| out.bulk(prefix));
}

fn flags(tracker: &Tracker) -> Vec<&'static str> {
    let mut flags = vec!["on"];
    let (mode, exception) = match tracker.mode {
        Mode::Broadcast => ("bcast", ""),
        Mode::OptIn => ("optin", "caching-yes"),
        Mode::OptOut => ("optout", "caching-no"),
        Mode::Off | Mode::Reads => ("", ""),
    };
    let exception = if tracker.exception { exception } else { "" };
    let noloop = if tracker.noloop { "noloop" } else { "" };
    let broken = if tracker.broken { "broken_redirect" } else { "" };
    flags.extend([mode, exception, noloop, broken].into_iter().filter(|flag| !flag.is_empty()));
    flags
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    fn tracking(node: &mut Fixture, options: &str) -> String {
        let words: Vec<&str> = ["CLIENT", "TRACKING"].into_iter().chain(options.split(' ')).collect();
        node.run(&words)
    }

    fn assert_refused(node: &mut Fixture, options: &str, why: &str) {
        let reply = tracking(node, options);
        assert!(reply.starts_with(&format!("-ERR {why}")), "{options}: {reply}");
    }

    #[test]
    fn options_that_do_not_go_together_are_refused() {
        let mut node = Fixture::new();
        const MISSING: &str = "The client ID you want redirect to does not exist";
        for (options, why) in [
            ("maybe", "syntax error"),
            ("on extra", "syntax error"),
            ("on REDIRECT", "syntax error"),
            ("on BCAST PREFIX", "syntax error"),
            ("on REDIRECT x", "value is not an integer"),
            ("on REDIRECT 9999", MISSING),
            ("off REDIRECT -1", MISSING),
            ("on REDIRECT 0", MISSING),
            ("on REDIRECT 1 REDIRECT 1", "A client can only redirect to a single other client"),
            ("on PREFIX a", "PREFIX option requires BCAST mode to be enabled"),
            ("on BCAST OPTIN", "OPTIN and OPTOUT are not compatible with BCAST"),
            ("on BCAST OPTOUT", "OPTIN and OPTOUT are not compatible with BCAST"),
            ("on OPTIN OPTOUT", "You can't specify both OPTIN mode and OPTOUT mode"),
        ] {
            assert_refused(&mut node, options, why);
            assert_eq!(node.run(&["CLIENT", "GETREDIR"]), ":-1\r\n", "{options}");
        }
        for (first, second, why) in [
            ("OPTIN", "OPTOUT", "You can't switch OPTIN/OPTOUT mode"),
            ("OPTOUT", "OPTIN", "You can't switch OPTIN/OPTOUT mode"),
            ("OPTIN", "BCAST", "You can't switch BCAST mode on/off"),
            ("BCAST", "NOLOOP", "You can't switch BCAST mode on/off"),
        ] {
            assert_eq!(tracking(&mut node, &format!("on {first}")), "+OK\r\n");
            assert_refused(&mut node, &format!("on {second}"), why);
            assert_eq!(tracking(&mut node, "off"), "+OK\r\n");
        }
        // To oneself is possible.
        assert_eq!(tracking(&mut node, "on OPTIN NOLOOP REDIRECT 1"), "+OK\r\n");
        assert_eq!(node.run(&["CLIENT", "GETREDIR"]), ":1\r\n");
    }

    #[test]
    fn prefixes_of_a_client_never_overlap() {
        let mut node = Fixture::new();
        let ends = "Prefixes for a single client must not overlap.";
        for (options, one, other) in [
            ("FOOBAR FOO", "FOOBAR", "FOO"),
            ("FOO FOOBAR", "FOO", "FOOBAR"),
            ("x yyy yyy", "yyy", "yyy"),
            ("a b bc", "b", "bc"),
        ] {
            let options = format!("on BCAST PREFIX {}", options.replace(' ', " PREFIX "));
            let why = format!("Prefix '{one}' overlaps with another provided prefix '{other}'. {ends}");
            assert_refused(&mut node, &options, &why);
        }
        assert_eq!(tracking(&mut node, "on BCAST PREFIX foo PREFIX bar"), "+OK\r\n");
        for (prefix, other) in [("fo", "foo"), ("foo", "foo"), ("barb", "bar")] {
            let why = format!("Prefix '{prefix}' overlaps with an existing prefix '{other}'. {ends}");
            assert_refused(&mut node, &format!("on BCAST PREFIX {prefix}"), &why);
        }
        assert_eq!(tracking(&mut node, "on BCAST PREFIX fop PREFIX ba:"), "+OK\r\n");
        node.run(&["HELLO", "3"]);
        let info = node.run(&["CLIENT", "TRACKINGINFO"]);
        assert!(
            info.ends_with("prefixes\r\n*4\r\n$3\r\nba:\r\n$3\r\nbar\r\n$3\r\nfoo\r\n$3\r\nfop\r\n"),
            "{info}"
        );
        // The one that all keys begin with is added without being named.
        assert_eq!(tracking(&mut node, "on BCAST"), "+OK\r\n");
        assert_refused(&mut node, "on BCAST PREFIX z", "Prefix 'z' overlaps with an existing prefix ''.");
    }

    #[test]
    fn many_prefixes_are_checked_quickly_and_count_as_the_clients_memory() {
        let mut node = Fixture::new();
        let memory = |node: &mut Fixture| {
            let line = node.run(&["CLIENT", "INFO"]);
            let word = line.split(' ').find_map(|word| word.strip_prefix("tot-mem=")).expect("it is there");
            word.parse::<usize>().expect("a number")
        };
        let before = memory(&mut node);
        let prefixes: String = (0..10_000).map(|number| format!(" PREFIX p-{number}-")).collect();
        assert_eq!(tracking(&mut node, &format!("on BCAST{prefixes}")), "+OK\r\n");
        let taken = memory(&mut node) - before;
        assert!((100_000..300_000).contains(&taken), "{taken}");
        assert_eq!(tracking(&mut node, "off"), "+OK\r\n");
        assert!(memory(&mut node) < before + 100_000);
        let long = "x".repeat(100_000);
        tracking(&mut node, &format!("on BCAST PREFIX {long}"));
        assert!(memory(&mut node) > before + 90_000);
    }

    #[test]
    fn caching_is_for_those_who_opt() {
        let mut node = Fixture::new();
        let caching = |node: &mut Fixture, word: &str| node.run(&["CLIENT", "CACHING", word]);
        for word in ["yes", "no", "maybe"] {
            assert!(caching(&mut node, word).starts_with("-ERR CLIENT CACHING can be called only when"));
        }
        let (yes, no) = ("-ERR CLIENT CACHING YES is only valid", "-ERR CLIENT CACHING NO is only valid");
        for (mode, answers) in [("OPTIN", ["+OK", no]), ("OPTOUT", [yes, "+OK"]), ("BCAST", [yes, no])] {
            tracking(&mut node, &format!("on {mode}"));
            for (word, answer) in ["yes", "no"].iter().zip(answers) {
                assert!(caching(&mut node, word).starts_with(answer), "{mode} {word}");
            }
            assert_eq!(caching(&mut node, "maybe"), "-ERR syntax error\r\n");
            tracking(&mut node, "off");
        }
    }

    #[test]
    fn nobody_tracks_unless_asked() {
        let mut node = Fixture::new();
        assert_eq!(tracking(&mut node, "off"), "+OK\r\n");
        node.run(&["HELLO", "3"]);
        assert_eq!(
            node.run(&["CLIENT", "TRACKINGINFO"]),
            "%3\r\n$5\r\nflags\r\n~1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n"
        );
        tracking(&mut node, "on BCAST");
        let line = node.run(&["CLIENT", "INFO"]);
        assert!(line.contains(" flags=tB ") && line.contains(" redir=0 "), "{line}");
    }
}
