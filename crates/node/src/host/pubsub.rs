//! SUBSCRIBE, PUBLISH, PUBSUB and what belongs to them.

use resp::{Args, ReplyBuf};

use commands::{ChannelUse, CommandSpec};

use crate::node::Node;
use crate::pubsub::Scope;
use crate::session::Session;

/// SUBSCRIBE channel [channel …]
pub(crate) fn subscribe(node: &mut Node, session: &mut Session, args: Args<'_>) {
    subscribe_to(node, session, Scope::Channel, "subscribe", args);
}

/// PSUBSCRIBE pattern [pattern …]
pub(crate) fn psubscribe(node: &mut Node, session: &mut Session, args: Args<'_>) {
    subscribe_to(node, session, Scope::Pattern, "psubscribe", args);
}

/// SSUBSCRIBE shardchannel [shardchannel …]
pub(crate) fn ssubscribe(node: &mut Node, session: &mut Session, args: Args<'_>) {
    subscribe_to(node, session, Scope::Shard, "ssubscribe", args);
}

/// UNSUBSCRIBE [channel …]
pub(crate) fn unsubscribe(node: &mut Node, session: &mut Session, args: Args<'_>) {
    unsubscribe_from(node, session, Scope::Channel, "unsubscribe", args);
}

/// PUNSUBSCRIBE [pattern …]
pub(crate) fn punsubscribe(node: &mut Node, session: &mut Session, args: Args<'_>) {
    unsubscribe_from(node, session, Scope::Pattern, "punsubscribe", args);
}

/// SUNSUBSCRIBE [shardchannel …]
pub(crate) fn sunsubscribe(node: &mut Node, session: &mut Session, args: Args<'_>) {
    unsubscribe_from(node, session, Scope::Shard, "sunsubscribe", args);
}

fn subscribe_to(node: &mut Node, session: &mut Session, scope: Scope, kind: &str, args: Args<'_>) {
    for name in args.from(1).iter() {
        node.subscribe(session, scope, name);
        confirm(session, scope, kind, Some(name));
    }
    node.refresh_event_classes();
}

fn unsubscribe_from(node: &mut Node, session: &mut Session, scope: Scope, kind: &str, args: Args<'_>) {
    if args.len() == 1 {
        let names = session.subscriptions.as_deref().map(|all| all.of(scope).keys().cloned().collect());
        let names: Vec<std::sync::Arc<[u8]>> = names.unwrap_or_default();
        for name in &names {
            node.unsubscribe(session, scope, name);
            confirm(session, scope, kind, Some(name));
        }
        if names.is_empty() {
            confirm(session, scope, kind, None);
        }
    }
    for name in args.from(1).iter() {
        node.unsubscribe(session, scope, name);
        confirm(session, scope, kind, Some(name));
    }
    node.refresh_event_classes();
}

/// Tells a client what it listens to from now on, or no longer, and how much that is.
fn confirm(session: &mut Session, scope: Scope, kind: &str, name: Option<&[u8]>) {
    let count = session.subscriptions.as_ref().map_or(0, |all| all.counted_with(scope));
    let out = &mut session.reply;
    out.push(3);
    out.bulk(kind.as_bytes());
    match name {
        Some(name) => out.bulk(name),
        None => out.null(),
    }
    out.int(count as i64);
}

/// PUBLISH channel message
pub(crate) fn publish(node: &mut Node, session: &mut Session, args: Args<'_>) {
    publish_to(node, session, Scope::Channel, args);
}

/// SPUBLISH shardchannel message
pub(crate) fn spublish(node: &mut Node, session: &mut Session, args: Args<'_>) {
    publish_to(node, session, Scope::Shard, args);
}

fn publish_to(node: &mut Node, session: &mut Session, scope: Scope, args: Args<'_>) {
    let receivers = node.publish(scope, args.at(1), args.at(2));
    // A replica's own clients reach those who are subscribed here; its replicas hear what its master says.
    if node.replication.is_logging() {
        node.replication.log_message(session.db, args);
        session.last_write = node.replication.log.end();
    }
    session.reply.int(receivers as i64);
}

/// PUBSUB CHANNELS [pattern]
pub(crate) fn channels(node: &mut Node, session: &mut Session, args: Args<'_>) {
    list_names(node, session, Scope::Channel, args);
}

/// PUBSUB SHARDCHANNELS [pattern]
pub(crate) fn shardchannels(node: &mut Node, session: &mut Session, args: Args<'_>) {
    list_names(node, session, Scope::Shard, args);
}

fn list_names(node: &mut Node, session: &mut Session, scope: Scope, args: Args<'_>) {
    if args.len() > 3 {
        let word = String::from_utf8_lossy(args.at(1));
        return session.reply.error(&format!(
            "ERR unknown subcommand or wrong number of arguments for '{word}'. Try PUBSUB HELP."
        ));
    }
    let mut names = node.pubsub.registry.names(scope);
    if let Some(pattern) = args.get(2) {
        names.retain(|name| commands::glob::matches(pattern, name));
    }
    session.reply.array(names.len());
    for name in names {
        session.reply.bulk(name);
    }
}

/// PUBSUB NUMSUB [channel …]
pub(crate) fn numsub(node: &mut Node, session: &mut Session, args: Args<'_>) {
    count_subscribers(node, session, Scope::Channel, args);
}

/// PUBSUB SHARDNUMSUB [shardchannel …]
pub(crate) fn shardnumsub(node: &mut Node, session: &mut Session, args: Args<'_>) {
    count_subscribers(node, session, Scope::Shard, args);
}

fn count_subscribers(node: &mut Node, session: &mut Session, scope: Scope, args: Args<'_>) {
    let names = args.from(2);
    session.reply.array(2 * names.len());
    for name in names.iter() {
        session.reply.bulk(name);
        let count = node.pubsub.registry.subscribers(scope, name).map_or(0, |all| all.len());
        session.reply.int(count as i64);
    }
}

/// PUBSUB NUMPAT
pub(crate) fn numpat(node: &mut Node, session: &mut Session, _: Args<'_>) {
    session.reply.int(node.pubsub.registry.len(Scope::Pattern) as i64);
}

/// Whether a command's reply is a push, which CLIENT REPLY does not silence.
pub(crate) fn replies_by_push(spec: &CommandSpec) -> bool {
    spec.channels.is_some_and(|channels| channels.usage != ChannelUse::Publish)
}

/// What a subscriber that speaks RESP2 may do: everything else would be mistaken for a message.
pub(crate) fn is_for_subscribers(spec: &CommandSpec) -> bool {
    replies_by_push(spec) || matches!(spec.full_name, "ping" | "quit" | "reset")
}

/// PING of such a subscriber: the reply has the shape of a message.
pub(crate) fn subscribers_ping(out: &mut ReplyBuf, args: Args<'_>) {
    out.array(2);
    out.bulk(b"pong");
    out.bulk(args.get(1).unwrap_or_default());
}

impl Node {
    /// Lets a client listen to a channel or pattern, if it does not yet.
    pub(crate) fn subscribe(&mut self, session: &mut Session, scope: Scope, name: &[u8]) {
        if session.subscriptions.is_none() {
            self.pubsub.clients += 1;
        }
        let own = session.subscriptions.get_or_insert_default();
        if !own.of(scope).contains_key(name) {
            let (name, ticket) = self.pubsub.registry.add(scope, name, session.conn);
            own.insert(scope, name, ticket);
        }
    }

    /// Ends one subscription of a client.
    pub(crate) fn unsubscribe(&mut self, session: &mut Session, scope: Scope, name: &[u8]) {
        let Some(own) = &mut session.subscriptions else { return };
        if let Some(ticket) = own.remove(scope, name) {
            self.pubsub.registry.remove(scope, name, ticket);
        }
        if own.is_empty() {
            session.subscriptions = None;
            self.pubsub.clients -= 1;
        }
    }

    /// Ends all subscriptions of a client without telling it.
    pub(crate) fn unsubscribe_all(&mut self, session: &mut Session) {
        let Some(own) = session.subscriptions.take() else { return };
        self.pubsub.clients -= 1;
        for scope in [Scope::Channel, Scope::Pattern, Scope::Shard] {
            for (name, &ticket) in own.of(scope) {
                self.pubsub.registry.remove(scope, name, ticket);
            }
        }
        self.refresh_event_classes();
    }
}
