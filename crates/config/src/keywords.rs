//! Settings whose value is one of a few words.

/// Declares an enum, the words it is written with, and the conversions between the two.
macro_rules! keywords {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal $(| $alias:literal)*),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every spelling that is understood and the canonical word it stands for, in the order
            /// in which an error message lists them.
            pub const WORDS: &'static [(&'static str, &'static str)] =
                &[$(($word, $word), $(($alias, $word),)*)+];

            /// The canonical word.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value a word stands for; case does not matter.
            pub fn from_word(word: &str) -> Option<Self> {
                $(if word.eq_ignore_ascii_case($word) $(|| word.eq_ignore_ascii_case($alias))* {
                    return Some(Self::$variant);
                })+
                None
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

keywords! {
    /// How much is logged.
    LogLevel {
        /// Everything, for development.
        Debug = "debug",
        /// Much detail, not the flood of `debug`.
        Verbose = "verbose",
        /// What an operator wants to see.
        Notice = "notice",
        /// Only what needs attention.
        Warning = "warning",
        /// Nothing at all.
        Nothing = "nothing",
    }
}

keywords! {
    /// Which supervisor the server reports its readiness to.
    Supervised {
        /// upstart: stops itself with SIGSTOP once ready.
        Upstart = "upstart",
        /// systemd: writes to `$NOTIFY_SOCKET`.
        Systemd = "systemd",
        /// Whichever of the two the environment announces.
        Auto = "auto",
        /// None.
        No = "no",
    }
}

keywords! {
    /// Whether a client needs a certificate.
    TlsAuthClients {
        /// It needs none, and is not asked for one.
        No = "no",
        /// It needs one that a trusted authority has signed.
        Yes = "yes",
        /// It needs none; if it has one, that must be good.
        Optional = "optional",
    }
}

keywords! {
    /// Where the name of a client's user stands in its certificate.
    TlsUser {
        /// In the common name of its subject.
        CommonName = "CN",
        /// In the first URI among its alternative names.
        Uri = "URI",
        /// Nowhere: clients log in.
        Off = "off",
    }
}

keywords! {
    /// When the append only file is flushed to the disk.
    AppendFsync {
        /// Once a second.
        Everysec = "everysec",
        /// Before a write is answered.
        Always = "always",
        /// When the operating system likes.
        No = "no",
    }
}

keywords! {
    /// Whether a replica loads a full synchronisation straight from the socket.
    ReplDisklessLoad {
        /// Never: the payload is stored in a file first.
        Disabled = "disabled",
        /// Only when the replica holds no keys.
        OnEmptyDb = "on-empty-db",
        /// Into a second dataset, which takes the place of the old one when complete.
        Swapdb = "swapdb",
        /// After emptying the dataset.
        FlushBeforeLoad = "flush-before-load",
    }
}

keywords! {
    /// What is evicted when `maxmemory` is reached.
    MaxmemoryPolicy {
        /// Least recently used among keys with an expiry.
        VolatileLru = "volatile-lru",
        /// Least frequently used among keys with an expiry.
        VolatileLfu = "volatile-lfu",
        /// Any key with an expiry.
        VolatileRandom = "volatile-random",
        /// The key that would expire soonest.
        VolatileTtl = "volatile-ttl",
        /// Least recently used among all keys.
        AllkeysLru = "allkeys-lru",
        /// Least frequently used among all keys.
        AllkeysLfu = "allkeys-lfu",
        /// Any key.
        AllkeysRandom = "allkeys-random",
        /// Nothing: writes are refused.
        Noeviction = "noeviction",
    }
}

impl MaxmemoryPolicy {
    /// Whether the access word of a key holds a frequency rather than a time.
    pub fn is_lfu(self) -> bool {
        matches!(self, Self::VolatileLfu | Self::AllkeysLfu)
    }
}

keywords! {
    /// Who may use a dangerous command or change a protected setting.
    Permission {
        /// Nobody.
        No = "no",
        /// Everybody.
        Yes = "yes",
        /// Clients on the same machine.
        Local = "local",
    }
}

keywords! {
    /// What a master's or replica's error while applying the replication stream leads to.
    PropagationErrorBehavior {
        /// It is logged.
        Ignore = "ignore",
        /// The server stops.
        Panic = "panic",
        /// A replica stops.
        PanicOnReplicas = "panic-on-replicas",
    }
}

keywords! {
    /// Whether a dump written by a newer, unknown version is read.
    RdbVersionCheck {
        /// No.
        Strict = "strict",
        /// Yes, as far as it is understood.
        Relaxed = "relaxed",
    }
}

keywords! {
    /// The rights on Pub/Sub channels a new user starts with.
    AclPubsubDefault {
        /// All channels.
        Allchannels = "allchannels",
        /// No channel.
        Resetchannels = "resetchannels",
    }
}
