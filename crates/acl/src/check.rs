//! What is asked of a user, and why it is refused.

/// What a request does to a key, or what a pattern allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Needs(u8);

impl Needs {
    /// Neither: it only asks whether there is a key, or how long its value is. Any right to it will do.
    pub const NOTHING: Needs = Needs(0);
    /// Returns or copies data.
    pub const READ: Needs = Needs(1);
    /// Adds, changes or deletes data.
    pub const WRITE: Needs = Needs(2);
    /// Both.
    pub const BOTH: Needs = Needs(3);

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }

    /// Whether `other` is part of this.
    pub const fn contains(self, other: Needs) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A key of a request.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// Which argument it is.
    pub at: usize,
    /// The key itself.
    pub name: &'a [u8],
    /// What is done to it.
    pub needs: Needs,
}

/// Which databases a request works on.
#[derive(Clone, Copy, Debug, Default)]
pub enum Databases<'a> {
    /// None.
    #[default]
    None,
    /// These, each with the argument that names it if there is one.
    These(&'a [(Option<usize>, u32)]),
    /// All there are: so many.
    All(u32),
}

/// What is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// The command's number in the catalog.
    pub command: usize,
    /// The argument after its name.
    pub first_arg: Option<&'a [u8]>,
    /// Its keys.
    pub keys: &'a [Key<'a>],
    /// The channels that it publishes or subscribes to, each with the argument's position.
    pub channels: &'a [(usize, &'a [u8])],
    /// The channels are patterns themselves.
    pub channels_are_patterns: bool,
    /// Its databases.
    pub databases: Databases<'a>,
}

/// What a user has no right to. Later ones say more: the request got further.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// The database.
    Database,
    /// The command.
    Command,
    /// A key.
    Key,
    /// A channel.
    Channel,
}

/// Why a request is refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Denial {
    /// What the user has no right to.
    pub reason: Reason,
    /// The argument that names it; `None` for the command, or for the database that is selected.
    pub at: Option<usize>,
}
