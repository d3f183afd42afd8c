//! XSETID: what a stream remembers, set from outside.

use keyspace::stream::StreamId;
use resp::Args;

use super::parse::{self, Error};
use super::reply;
use crate::Ctx;
use crate::effects::EventClass;
use crate::errors::{NO_SUCH_KEY, SYNTAX};

struct Request {
    last_id: StreamId,
    added: Option<u64>,
    max_deleted: Option<StreamId>,
}

/// XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]
pub(crate) fn xsetid(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let request = match parse(args) {
        Ok(request) => request,
        Err(error) => return ctx.out.error(error),
    };
    let key = args.at(1);
    let open = match reply::open(ctx, key) {
        Ok(Some(open)) => open,
        Ok(None) => return ctx.out.error(NO_SUCH_KEY),
        Err(error) => return ctx.out.error(error),
    };
    let entries = &mut open.stream.entries;
    if request.last_id < entries.max_deleted_id() {
        return open.out.error("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
    }
    if let Some(tail) = entries.tail_id() {
        if request.last_id < tail {
            return open
                .out
                .error("ERR The ID specified in XSETID is smaller than the target stream top item");
        }
        if request.added.is_some_and(|added| added < entries.len()) {
            return open
                .out
                .error("ERR The entries_added specified in XSETID is smaller than the target stream length");
        }
    }
    entries.set_last_id(request.last_id, request.added, request.max_deleted);
    open.out.ok();
    open.fx.dirty += 1;
    ctx.notify(EventClass::STREAM, "xsetid", key);
}

fn parse(args: Args<'_>) -> Result<Request, Error> {
    let mut request = Request { last_id: parse::id(args.at(2))?, added: None, max_deleted: None };
    let mut options = args.from(3);
    while let Some(word) = options.get(0) {
        let value = options.get(1).ok_or(SYNTAX)?;
        if parse::is(word, "ENTRIESADDED") {
            let added = u64::try_from(parse::number(value)?);
            request.added = Some(added.map_err(|_| "ERR entries_added must be positive")?);
        } else if parse::is(word, "MAXDELETEDID") {
            let id = parse::id(value)?;
            if request.last_id < id {
                return Err(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                );
            }
            // Zero says nothing, and changes nothing.
            request.max_deleted = Some(id).filter(|id| !id.is_zero());
        } else {
            return Err(SYNTAX);
        }
        options = options.from(2);
    }
    Ok(request)
}
