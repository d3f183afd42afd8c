//! What a client may say about itself and about its own cache.
//!
//! Tandem does not send invalidation messages: tracking is always off, and what asks for it is refused rather than ignored.

use resp::Args;

use commands::errors::SYNTAX;

use crate::node::Node;
use crate::session::Session;

/// CLIENT CAPA capability [capability …]: none makes a difference here, and names that are not known are no mistake.
pub(crate) fn capa(_: &mut Node, session: &mut Session, args: Args<'_>) {
    session.redirect |= args.from(2).iter().any(|word| word.eq_ignore_ascii_case(b"redirect"));
    session.reply.ok();
}

/// CLIENT TRACKING ON|OFF [option …]
pub(crate) fn tracking(_: &mut Node, session: &mut Session, args: Args<'_>) {
    match args.at(2).to_ascii_lowercase().as_slice() {
        b"off" => session.reply.ok(),
        b"on" => session.reply.error("ERR client side caching is not supported"),
        _ => session.reply.error(SYNTAX),
    }
}

/// CLIENT CACHING YES|NO
pub(crate) fn caching(_: &mut Node, session: &mut Session, _: Args<'_>) {
    session.reply.error(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
    );
}

/// CLIENT GETREDIR: -1, for tracking is off.
pub(crate) fn getredir(_: &mut Node, session: &mut Session, _: Args<'_>) {
    session.reply.int(-1);
}

/// CLIENT TRACKINGINFO
pub(crate) fn trackinginfo(_: &mut Node, session: &mut Session, _: Args<'_>) {
    let out = &mut session.reply;
    out.map(3);
    out.bulk(b"flags");
    out.set(1);
    out.bulk(b"off");
    out.bulk(b"redirect");
    out.int(-1);
    out.bulk(b"prefixes");
    out.array(0);
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn tracking_is_off_and_stays_off() {
        let mut node = Fixture::new();
        assert_eq!(node.run(&["CLIENT", "TRACKING", "off"]), "+OK\r\n");
        assert!(node.run(&["CLIENT", "TRACKING", "on"]).starts_with("-ERR "));
        assert_eq!(node.run(&["CLIENT", "GETREDIR"]), ":-1\r\n");
        assert!(
            node.run(&["CLIENT", "CACHING", "yes"]).starts_with("-ERR CLIENT CACHING can be called only")
        );
        node.run(&["HELLO", "3"]);
        assert_eq!(
            node.run(&["CLIENT", "TRACKINGINFO"]),
            "%3\r\n$5\r\nflags\r\n~1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n"
        );
    }
}
