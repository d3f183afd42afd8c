//! The vocabulary that the rows of the table are written in.

use resp::Args;

use crate::Ctx;
use crate::keys::KeyFlags;
pub(crate) use crate::keys::KeySpec;
pub(crate) use crate::spec::{AclCategories as Acl, CommandSpec};
use crate::spec::{Flags, Handler};

/// A command that this crate carries out.
pub(crate) const fn data(
    name: &'static str,
    arity: i32,
    group: &'static str,
    since: &'static str,
    handler: fn(&mut Ctx<'_>, Args<'_>),
) -> CommandSpec {
    CommandSpec::new(name, arity, group, since, Handler::Data(handler))
}

/// A command that the instance carries out.
pub(crate) const fn host(
    name: &'static str,
    arity: i32,
    group: &'static str,
    since: &'static str,
) -> CommandSpec {
    CommandSpec::new(name, arity, group, since, Handler::Host)
}

/// The HELP of a container, written out of the table.
pub(crate) const fn help(name: &'static str, group: &'static str, since: &'static str) -> CommandSpec {
    data(name, 2, group, since, crate::server::help::help).flags(LOADING | STALE).doc(
        "",
        "Lists the subcommands.",
        "O(1)",
    )
}

// Flags as plain numbers: `|` on them works in constants.
pub(crate) const WRITE: u64 = Flags::WRITE.bits();
pub(crate) const READONLY: u64 = Flags::READONLY.bits();
pub(crate) const DENYOOM: u64 = Flags::DENYOOM.bits();
pub(crate) const ADMIN: u64 = Flags::ADMIN.bits();
pub(crate) const PUBSUB: u64 = Flags::PUBSUB.bits();
pub(crate) const NOSCRIPT: u64 = Flags::NOSCRIPT.bits();
pub(crate) const BLOCKING: u64 = Flags::BLOCKING.bits();
pub(crate) const LOADING: u64 = Flags::LOADING.bits();
pub(crate) const STALE: u64 = Flags::STALE.bits();
pub(crate) const SKIP_MONITOR: u64 = Flags::SKIP_MONITOR.bits();
pub(crate) const SKIP_SLOWLOG: u64 = Flags::SKIP_SLOWLOG.bits();
pub(crate) const ASKING: u64 = Flags::ASKING.bits();
pub(crate) const FAST: u64 = Flags::FAST.bits();
pub(crate) const NO_AUTH: u64 = Flags::NO_AUTH.bits();
pub(crate) const NO_MANDATORY_KEYS: u64 = Flags::NO_MANDATORY_KEYS.bits();
pub(crate) const NO_ASYNC_LOADING: u64 = Flags::NO_ASYNC_LOADING.bits();
pub(crate) const NO_MULTI: u64 = Flags::NO_MULTI.bits();
pub(crate) const ALLOW_BUSY: u64 = Flags::ALLOW_BUSY.bits();
pub(crate) const MAY_REPLICATE: u64 = Flags::MAY_REPLICATE.bits();
pub(crate) const PROTECTED: u64 = Flags::PROTECTED.bits();
pub(crate) const ARBITRARY_KEYS: u64 = Flags::TOUCHES_ARBITRARY_KEYS.bits();

pub(crate) const RO: u32 = KeyFlags::RO.bits();
pub(crate) const RW: u32 = KeyFlags::RW.bits();
pub(crate) const OW: u32 = KeyFlags::OW.bits();
pub(crate) const RM: u32 = KeyFlags::RM.bits();
pub(crate) const ACCESS: u32 = KeyFlags::ACCESS.bits();
pub(crate) const UPDATE: u32 = KeyFlags::UPDATE.bits();
pub(crate) const INSERT: u32 = KeyFlags::INSERT.bits();
pub(crate) const DELETE: u32 = KeyFlags::DELETE.bits();
pub(crate) const NOT_KEY: u32 = KeyFlags::NOT_KEY.bits();
pub(crate) const INCOMPLETE: u32 = KeyFlags::INCOMPLETE.bits();
pub(crate) const VARIABLE: u32 = KeyFlags::VARIABLE_FLAGS.bits();
