//! The command table: all groups in one.

use crate::CommandSpec;

const GROUPS: &[&[CommandSpec]] = &[
    crate::strings::ROWS,
    crate::lists::ROWS,
    crate::sets::ROWS,
    crate::sort::ROWS,
    crate::hashes::ROWS,
    crate::zsets::ROWS,
    crate::geo::ROWS,
    crate::bits::ROWS,
    crate::hyperloglog::ROWS,
    crate::streams::ROWS,
    crate::generic::ROWS,
    crate::connection::ROWS,
    crate::cluster::ROWS,
    crate::connection::TRANSACTION_ROWS,
    crate::pubsub::ROWS,
    crate::server::ROWS,
    crate::scripting::ROWS,
];

const LEN: usize = {
    let mut len = 0;
    let mut group = 0;
    while group < GROUPS.len() {
        len += GROUPS[group].len();
        group += 1;
    }
    len
};

/// Every command, numbered by its position.
pub(crate) static TABLE: [CommandSpec; LEN] = number();

const fn number() -> [CommandSpec; LEN] {
    let mut table = [CommandSpec::new("", 0, "", "", crate::Handler::Host); LEN];
    let mut len = 0;
    let mut group = 0;
    while group < GROUPS.len() {
        let mut row = 0;
        while row < GROUPS[group].len() {
            table[len] = GROUPS[group][row];
            table[len].id = len as u16;
            len += 1;
            row += 1;
        }
        group += 1;
    }
    table
}
