//! Where a command's channels stand among its arguments: what access control asks.

use resp::Args;

/// What a command does with the channels it names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ChannelUse {
    /// Sends to them.
    Publish,
    /// Listens to them.
    Subscribe,
    /// Listens to all whose names match these patterns.
    SubscribePattern,
    /// Stops listening, which everybody may.
    Unsubscribe,
}

/// The channels of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Channels {
    /// Position of the first.
    first: u16,
    /// There may be more of them, up to the end of the request.
    many: bool,
    /// What happens to them.
    pub usage: ChannelUse,
}

impl Channels {
    pub(crate) const fn one(first: u16, usage: ChannelUse) -> Channels {
        Channels { first, many: false, usage }
    }

    pub(crate) const fn all_from(first: u16, usage: ChannelUse) -> Channels {
        Channels { first, many: true, usage }
    }

    /// The channels, or the patterns, that a request names.
    pub fn of<'a>(&self, args: Args<'a>) -> Args<'a> {
        let first = usize::from(self.first);
        args.slice(first..if self.many { args.len() } else { first + 1 })
    }
}

#[cfg(test)]
mod tests {
    use resp::OwnedArgs;

    use super::*;
    use crate::Registry;

    #[test]
    fn channels_are_found() {
        let registry = Registry::new();
        for (request, usage, channels) in [
            ("PUBLISH a b", ChannelUse::Publish, &["a"][..]),
            ("SPUBLISH a b", ChannelUse::Publish, &["a"]),
            ("SUBSCRIBE a b", ChannelUse::Subscribe, &["a", "b"]),
            ("SSUBSCRIBE a", ChannelUse::Subscribe, &["a"]),
            ("PSUBSCRIBE a* b", ChannelUse::SubscribePattern, &["a*", "b"]),
            ("UNSUBSCRIBE", ChannelUse::Unsubscribe, &[]),
            ("SUNSUBSCRIBE a b", ChannelUse::Unsubscribe, &["a", "b"]),
        ] {
            let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            let request = OwnedArgs::from_slices(&words);
            let spec = registry.resolve(request.as_args()).expect("a command");
            let found = spec.channels.expect("it names channels");
            assert_eq!(found.usage, usage);
            let names: Vec<_> =
                found.of(request.as_args()).iter().map(|name| String::from_utf8_lossy(name)).collect();
            assert_eq!(names, channels);
            assert_eq!(spec.keys_of(request.as_args()).count(), 0, "a channel is no key");
        }
    }
}
