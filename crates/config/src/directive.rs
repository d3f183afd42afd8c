//! What is known about one directive.

use crate::number::Unit;

/// A row of the registry.
#[derive(Debug)]
#[non_exhaustive]
pub struct Directive {
    /// Its current name.
    pub name: &'static str,
    /// Other names that mean the same.
    pub aliases: &'static [&'static str],
    /// The default, as CONFIG GET prints it.
    pub default: &'static str,
    /// Whether anything comes of it.
    pub effect: Effect,
    /// Whether only a start sets it, never CONFIG SET.
    pub immutable: bool,
    /// Whether CONFIG SET needs `enable-protected-configs`.
    pub protected: bool,
    /// Whether CONFIG GET shows it only when asked by its exact name.
    pub hidden: bool,
    pub(crate) kind: Kind,
}

/// Whether a directive changes what the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It does.
    Acts,
    /// It is understood, checked and remembered, and nothing else; the text says why.
    None(&'static str),
}

/// The form of a directive's value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Bool,
    Int {
        min: i64,
        max: i64,
    },
    /// Accepted from `min` to `max` of an `Int`, then brought into this range.
    ClampedInt {
        max: i64,
        low: i64,
        high: i64,
    },
    Time {
        unit: Unit,
        min: i64,
        max: i64,
    },
    Size {
        min: u64,
        max: u64,
    },
    SizeOrPercent,
    Octal,
    Text(Rule),
    /// One word of a list of spellings and what each stands for.
    Word(&'static [(&'static str, &'static str)]),
    /// Any number of words.
    Words,
    Shutdown,
    Percentiles,
    OomScores,
    Events,
    Master,
    Save,
    OutputLimits,
    /// `rename-command old new`.
    Rename,
    /// Whole lines kept as they are: `user`, `loadmodule`.
    Lines,
    /// Another file in place of the line.
    Include,
    /// Belongs to a Sentinel, which this is not.
    Sentinel,
    /// Names of the past that old files still hold.
    Obsolete,
}

/// What a text must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    Any,
    /// A name without directories; the text is what to call it.
    FileName,
    Ipv4,
    Ipv6,
    ProcTitle,
    /// A moment, or nothing.
    Moment,
}

impl Kind {
    /// Whether one line holds several words of value, so that a single quoted word is split.
    pub(crate) fn splits(self) -> bool {
        matches!(
            self,
            Self::Words
                | Self::Shutdown
                | Self::Percentiles
                | Self::OomScores
                | Self::Master
                | Self::Save
                | Self::OutputLimits
        )
    }

    /// Whether several lines add up instead of the last one counting.
    pub(crate) fn repeats(self) -> bool {
        matches!(self, Self::Save | Self::OutputLimits | Self::Rename | Self::Lines | Self::Include)
    }

    /// Whether it exists in files only, unknown to CONFIG GET and SET.
    pub(crate) fn file_only(self) -> bool {
        matches!(self, Self::Rename | Self::Lines | Self::Include | Self::Sentinel | Self::Obsolete)
    }
}

impl Directive {
    pub(crate) const fn new(name: &'static str, kind: Kind, default: &'static str) -> Self {
        Self {
            name,
            aliases: &[],
            default,
            effect: Effect::Acts,
            immutable: false,
            protected: false,
            hidden: false,
            kind,
        }
    }

    pub(crate) const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    pub(crate) const fn inert(mut self, why: &'static str) -> Self {
        self.effect = Effect::None(why);
        self
    }

    pub(crate) const fn immutable(mut self) -> Self {
        self.immutable = true;
        self
    }

    pub(crate) const fn protected(mut self) -> Self {
        self.protected = true;
        self
    }

    pub(crate) const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// Its name, then its aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Whether the directive appears in CONFIG GET and SET, not only in files.
    pub fn is_parameter(&self) -> bool {
        !self.kind.file_only()
    }

    /// What kind of value it takes, in a few words.
    pub fn value_form(&self) -> String {
        match self.kind {
            Kind::Bool => "yes or no".into(),
            Kind::Int { min, max } => range(min, max),
            Kind::ClampedInt { low, high, .. } => range(low, high),
            Kind::Time { unit, min, max } => {
                let unit = match unit {
                    Unit::Seconds => "seconds",
                    Unit::Millis => "milliseconds",
                    Unit::Micros => "microseconds",
                };
                format!("{unit}, {}", range(min, max))
            }
            Kind::Size { .. } => "size".into(),
            Kind::SizeOrPercent => "size or percentage".into(),
            Kind::Octal => "octal".into(),
            Kind::Text(Rule::FileName) => "file name".into(),
            Kind::Text(Rule::Ipv4 | Rule::Ipv6) => "address".into(),
            Kind::Text(Rule::Moment) => "time or date".into(),
            Kind::Text(_) => "text".into(),
            Kind::Word(words) => words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", "),
            Kind::Words => "words".into(),
            Kind::Shutdown => "default, or some of save, nosave, now, force, safe, failover".into(),
            Kind::Percentiles => "numbers from 0 to 100".into(),
            Kind::OomScores => "three numbers".into(),
            Kind::Events => "letters of Ag$lshzxeKEtmdn".into(),
            Kind::Master => "host and port".into(),
            Kind::Save => "pairs of seconds and changes".into(),
            Kind::OutputLimits => "class, hard limit, soft limit, seconds".into(),
            Kind::Rename => "old name and new name".into(),
            Kind::Lines => "line".into(),
            Kind::Include => "path or pattern".into(),
            Kind::Sentinel | Kind::Obsolete => "anything".into(),
        }
    }
}

fn range(min: i64, max: i64) -> String {
    match (min, max) {
        (_, i64::MAX | 2_147_483_647 | 4_294_967_295) => format!("{min} or more"),
        _ => format!("{min} to {max}"),
    }
}
