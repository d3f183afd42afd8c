//! Publish/subscribe: the rows. All of it is the host's, which knows the connections.

mod channels;

pub use channels::{ChannelUse, Channels};

use crate::row::*;

const GROUP: &str = "pubsub";

/// What all of these have in common: they look at no key, so neither loading nor a stale dataset stands in the way.
const COMMON: u64 = PUBSUB | LOADING | STALE;
const SUBSCRIBER: u64 = COMMON | NOSCRIPT;
const PUBLISHER: u64 = COMMON | FAST | MAY_REPLICATE;

pub(crate) const ROWS: &[CommandSpec] = &[
    host("psubscribe", -2, GROUP, "2.0.0")
        .flags(SUBSCRIBER)
        .channels(Channels::all_from(1, ChannelUse::SubscribePattern))
        .doc(
            "pattern [pattern ...]",
            "Listens to the channels whose names match patterns.",
            "O(N), N being the number of patterns",
        ),
    host("publish", 3, GROUP, "2.0.0").flags(PUBLISHER).channels(Channels::one(1, ChannelUse::Publish)).doc(
        "channel message",
        "Sends a message to those who listen to a channel.",
        "O(N+M), N being the number of the channel's subscribers, M that of all patterns",
    ),
    pubsub(),
    host("punsubscribe", -1, GROUP, "2.0.0")
        .flags(SUBSCRIBER)
        .channels(Channels::all_from(1, ChannelUse::Unsubscribe))
        .doc(
            "[pattern [pattern ...]]",
            "Listens to patterns no longer, or to none at all.",
            "O(N), N being the number of patterns",
        ),
    host("spublish", 3, GROUP, "7.0.0")
        .flags(PUBLISHER)
        .keys(&[KeySpec::one(1, NOT_KEY)])
        .channels(Channels::one(1, ChannelUse::Publish))
        .doc(
            "shardchannel message",
            "Sends a message to those who listen to a shard channel.",
            "O(N), N being the number of the channel's subscribers",
        ),
    host("ssubscribe", -2, GROUP, "7.0.0")
        .flags(SUBSCRIBER)
        .keys(&[KeySpec::range(1, -1, 1, NOT_KEY)])
        .channels(Channels::all_from(1, ChannelUse::Subscribe))
        .doc(
            "shardchannel [shardchannel ...]",
            "Listens to shard channels.",
            "O(N), N being the number of channels",
        ),
    host("subscribe", -2, GROUP, "2.0.0")
        .flags(SUBSCRIBER)
        .channels(Channels::all_from(1, ChannelUse::Subscribe))
        .doc("channel [channel ...]", "Listens to channels.", "O(N), N being the number of channels"),
    host("sunsubscribe", -1, GROUP, "7.0.0")
        .flags(SUBSCRIBER)
        .keys(&[KeySpec::range(1, -1, 1, NOT_KEY)])
        .channels(Channels::all_from(1, ChannelUse::Unsubscribe))
        .doc(
            "[shardchannel [shardchannel ...]]",
            "Listens to shard channels no longer, or to none at all.",
            "O(N), N being the number of channels",
        ),
    host("unsubscribe", -1, GROUP, "2.0.0")
        .flags(SUBSCRIBER)
        .channels(Channels::all_from(1, ChannelUse::Unsubscribe))
        .doc(
            "[channel [channel ...]]",
            "Listens to channels no longer, or to none at all.",
            "O(N), N being the number of channels",
        ),
];

const fn pubsub() -> CommandSpec {
    const SUBS: &[CommandSpec] = &[
        host("pubsub|channels", -2, GROUP, "2.8.0").flags(COMMON).doc(
            "[pattern]",
            "Returns the channels that somebody listens to.",
            "O(N), N being the number of such channels",
        ),
        help("pubsub|help", GROUP, "6.2.0"),
        host("pubsub|numpat", 2, GROUP, "2.8.0").flags(COMMON).doc(
            "",
            "Counts the different patterns that somebody listens to.",
            "O(1)",
        ),
        host("pubsub|numsub", -2, GROUP, "2.8.0").flags(COMMON).doc(
            "[channel [channel ...]]",
            "Counts the subscribers of channels.",
            "O(N), N being the number of channels",
        ),
        host("pubsub|shardchannels", -2, GROUP, "7.0.0").flags(COMMON).doc(
            "[pattern]",
            "Returns the shard channels that somebody listens to.",
            "O(N), N being the number of such channels",
        ),
        host("pubsub|shardnumsub", -2, GROUP, "7.0.0").flags(COMMON).doc(
            "[shardchannel [shardchannel ...]]",
            "Counts the subscribers of shard channels.",
            "O(N), N being the number of channels",
        ),
    ];
    host("pubsub", -2, GROUP, "2.8.0").flags(0).subs(SUBS).doc(
        "",
        "What is listened to.",
        "Depends on the subcommand.",
    )
}
