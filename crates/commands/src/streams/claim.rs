//! XACK, XCLAIM and XAUTOCLAIM: pending entries change hands, or are done.

use std::borrow::Cow;

use keyspace::stream::{ConsumerId, Entries, Group, Pending, StreamId};
use resp::Args;
use smallvec::SmallVec;

use super::log::{Claims, Target};
use super::parse::{self, Error};
use super::reply::{self, Open};
use crate::effects::EventClass;
use crate::env::{Env, ExpiryMode};
use crate::errors::{SYNTAX, WRONG_TYPE};
use crate::number::parse_i64;
use crate::{Ctx, Effects};

/// XACK key group id [id ...]
pub(crate) fn xack(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let open = match reply::open(ctx, args.at(1)) {
        Ok(Some(open)) => open,
        Ok(None) => {
            ctx.missed(args.at(1));
            return ctx.out.int(0);
        }
        Err(error) => return ctx.out.error(error),
    };
    let group = args.at(2);
    if open.stream.groups.get(group).is_none() {
        return open.out.int(0);
    }
    // All or nothing: an id that is none must not be found halfway.
    let ids = match parse::ids(args.from(3)) {
        Ok(ids) => ids,
        Err(error) => return open.out.error(error),
    };
    let acknowledge = |group: &mut Group| ids.iter().filter(|id| group.acknowledge(**id)).count();
    let done = open.stream.groups.update(group, acknowledge).unwrap_or(0);
    open.fx.dirty += done as u64;
    open.out.int(done as i64);
}

/// The options of XCLAIM.
struct Claim {
    min_idle_ms: i64,
    ids: SmallVec<[StreamId; 8]>,
    delivered_ms: u64,
    count: Option<u64>,
    force: bool,
    just_id: bool,
    last_id: StreamId,
}

/// XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME ms] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID id]
pub(crate) fn xclaim(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (key, group, name) = (args.at(1), args.at(2), args.at(3));
    let Some(open) = open_group(ctx, key, group) else { return };
    let claim = match Claim::parse(args, open.env) {
        Ok(claim) => claim,
        Err(error) => return open.out.error(&error),
    };
    open.fx.suppress();
    let Open { stream, out, fx, env } = open;
    let entries = &stream.entries;
    let target = Target { key, group };
    let created = stream.groups.update(group, |group| {
        let moved_on = claim.last_id > group.last_id;
        group.last_id = group.last_id.max(claim.last_id);
        let (consumer, created) = group.ensure_consumer(name, env.now_ms);
        group.update_consumer(consumer, |consumer| consumer.seen_ms = env.now_ms);
        fx.dirty += u64::from(created);
        let mut claims = Claims::new(target, name, group.last_id);
        let mut gone = SmallVec::<[StreamId; 8]>::new();
        let mark = out.deferred_len();
        let mut len = 0;
        for &id in &claim.ids {
            let before = group.pending(id).copied();
            let Some(item) = entries.get(id) else {
                if group.acknowledge(id) {
                    gone.push(id);
                }
                continue;
            };
            let count = match before {
                None if claim.force => 1,
                None => continue,
                Some(before) if !is_idle_for(env, &before, claim.min_idle_ms) => continue,
                Some(before) => before.count,
            };
            let count = claim.count.unwrap_or(count.wrapping_add(u64::from(!claim.just_id)));
            let pending = Pending { consumer, delivered_ms: claim.delivered_ms, count };
            group.assign(id, pending);
            claims.push(fx, id, &pending);
            if claim.just_id {
                reply::id(out, id)
            } else {
                reply::item(out, item)
            }
            len += 1;
        }
        out.set_array_len(mark, len);
        finish(
            group,
            Outcome { target, name, consumer, created, claimed: len, claims, gone: &gone, moved_on },
            env,
            fx,
        );
        created
    });
    if created == Some(true) {
        ctx.notify(EventClass::STREAM, "xgroup-createconsumer", key);
    }
}

/// XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]
pub(crate) fn xautoclaim(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let (key, group, name) = (args.at(1), args.at(2), args.at(3));
    let request = match AutoClaim::parse(args) {
        Ok(request) => request,
        Err(error) => return ctx.out.error(error),
    };
    let Some(open) = open_group(ctx, key, group) else { return };
    open.fx.suppress();
    let Open { stream, out, fx, env } = open;
    let entries = &stream.entries;
    let target = Target { key, group };
    let created = stream.groups.update(group, |group| {
        let (consumer, created) = group.ensure_consumer(name, env.now_ms);
        group.update_consumer(consumer, |consumer| consumer.seen_ms = env.now_ms);
        fx.dirty += u64::from(created);
        let found = request.look(entries, group, env);
        out.array(3);
        reply::id(out, found.next);
        out.array(found.claimed.len());
        let mut claims = Claims::new(target, name, group.last_id);
        for &(id, count) in &found.claimed {
            let count = count.wrapping_add(u64::from(!request.just_id));
            let pending = Pending { consumer, delivered_ms: env.now_ms, count };
            group.assign(id, pending);
            claims.push(fx, id, &pending);
            match entries.get(id) {
                Some(item) if !request.just_id => reply::item(out, item),
                _ => reply::id(out, id),
            }
        }
        out.array(found.gone.len());
        for &id in &found.gone {
            group.acknowledge(id);
            reply::id(out, id);
        }
        let (claimed, gone) = (found.claimed.len(), &found.gone);
        finish(
            group,
            Outcome { target, name, consumer, created, claimed, claims, gone, moved_on: false },
            env,
            fx,
        );
        created
    });
    if created == Some(true) {
        ctx.notify(EventClass::STREAM, "xgroup-createconsumer", key);
    }
}

/// What was claimed, and by whom.
struct Outcome<'a> {
    target: Target<'a>,
    name: &'a [u8],
    consumer: ConsumerId,
    created: bool,
    claimed: usize,
    claims: Claims<'a>,
    /// Pending entries that were deleted from the stream, and are pending no more.
    gone: &'a [StreamId],
    /// The group has moved on to a later last id.
    moved_on: bool,
}

/// Accounts for what was claimed.
fn finish(group: &mut Group, outcome: Outcome<'_>, env: &Env, fx: &mut Effects) {
    let Outcome { target, name, consumer, created, claimed, claims, gone, moved_on } = outcome;
    fx.dirty += (claimed + gone.len()) as u64;
    if claimed > 0 {
        group.update_consumer(consumer, |consumer| consumer.active_ms = Some(env.now_ms));
    }
    // Each claim brings the last id along, and the consumer into being.
    if !claims.finish(fx) {
        if created {
            target.create_consumer(fx, name);
        }
        if moved_on {
            target.set_id(fx, group);
            fx.dirty += 1;
        }
    }
    target.acknowledge(fx, gone);
}

/// The stream at a key, which has this group; without it, replies with an error.
fn open_group<'a>(ctx: &'a mut Ctx<'_>, key: &[u8], group: &[u8]) -> Option<Open<'a>> {
    let (missing, found, error) = match ctx.lookup_write(key).map(|entry| entry.stream()) {
        None => (true, false, None),
        Some(None) => (false, false, Some(WRONG_TYPE)),
        Some(Some(stream)) => (false, stream.groups.get(group).is_some(), None),
    };
    if missing {
        ctx.missed(key);
    }
    match error {
        Some(error) => ctx.out.error(error),
        None if !found => reply::no_group(ctx.out, key, group, ""),
        None => return reply::open(ctx, key).ok().flatten(),
    }
    None
}

/// For how long an entry has been with its consumer; negative if that lies ahead.
pub(super) fn idle_ms(env: &Env, pending: &Pending) -> i64 {
    (env.now_ms as i64).wrapping_sub(pending.delivered_ms as i64)
}

/// Whether an entry has been with its consumer for so long; everything has for 0 ms.
pub(super) fn is_idle_for(env: &Env, pending: &Pending, min_idle_ms: i64) -> bool {
    min_idle_ms <= 0 || idle_ms(env, pending) >= min_idle_ms
}

impl Claim {
    fn parse(args: Args<'_>, env: &Env) -> Result<Claim, Cow<'static, str>> {
        let number = |text, error: Error| parse_i64(text).ok_or(Cow::Borrowed(error));
        let min_idle_ms = number(args.at(4), "ERR Invalid min-idle-time argument for XCLAIM")?;
        let ids: SmallVec<_> = args.from(5).iter().map_while(|text| parse::id(text).ok()).collect();
        let mut delivered = None;
        let mut claim = Claim {
            min_idle_ms,
            delivered_ms: env.now_ms,
            count: None,
            force: false,
            just_id: false,
            last_id: StreamId::MIN,
            ids,
        };
        let mut rest = args.from(5 + claim.ids.len());
        while let Some(word) = rest.get(0) {
            rest = rest.from(1);
            if parse::is(word, "FORCE") {
                claim.force = true;
                continue;
            }
            if parse::is(word, "JUSTID") {
                claim.just_id = true;
                continue;
            }
            match rest.get(0) {
                Some(value) if parse::is(word, "IDLE") => {
                    let idle = number(value, "ERR Invalid IDLE option argument for XCLAIM")?;
                    delivered = Some((env.now_ms as i64).wrapping_sub(idle));
                }
                Some(value) if parse::is(word, "TIME") => {
                    delivered = Some(number(value, "ERR Invalid TIME option argument for XCLAIM")?);
                }
                Some(value) if parse::is(word, "RETRYCOUNT") => {
                    let count = number(value, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                    claim.count = u64::try_from(count).ok();
                }
                Some(value) if parse::is(word, "LASTID") => claim.last_id = parse::id(value)?,
                _ => {
                    let word = String::from_utf8_lossy(word);
                    return Err(format!("ERR Unrecognized XCLAIM option '{word}'").into());
                }
            }
            rest = rest.from(1);
        }
        // Clients may be wrong about the time; the master is not, whatever this machine's clock says.
        let believed = env.expiry == ExpiryMode::Ignore;
        let plausible = |at: &u64| believed || *at <= env.now_ms;
        if let Some(at) = delivered.and_then(|at| u64::try_from(at).ok()).filter(plausible) {
            claim.delivered_ms = at;
        }
        Ok(claim)
    }
}

/// What XAUTOCLAIM asks for.
struct AutoClaim {
    min_idle_ms: i64,
    start: StreamId,
    count: usize,
    just_id: bool,
}

/// What it finds.
#[derive(Default)]
struct Found {
    /// Entries to be claimed, and how often they were delivered.
    claimed: Vec<(StreamId, u64)>,
    /// Entries that were deleted from the stream.
    gone: Vec<StreamId>,
    /// Where the next look begins; `0-0` at the end.
    next: StreamId,
}

impl AutoClaim {
    fn parse(args: Args<'_>) -> Result<AutoClaim, Error> {
        let idle = parse_i64(args.at(4)).ok_or("ERR Invalid min-idle-time argument for XAUTOCLAIM")?;
        let start = parse::range_start(args.at(5))?;
        let mut request = AutoClaim { min_idle_ms: idle, start, count: 100, just_id: false };
        let mut rest = args.from(6);
        while let Some(word) = rest.get(0) {
            match rest.get(1) {
                Some(value) if parse::is(word, "COUNT") => {
                    let count = parse_i64(value).filter(|count| (1..=i64::MAX / 16).contains(count));
                    request.count = count.ok_or("ERR COUNT must be > 0")? as usize;
                    rest = rest.from(2);
                }
                _ if parse::is(word, "JUSTID") => {
                    request.just_id = true;
                    rest = rest.from(1);
                }
                _ => return Err(SYNTAX),
            }
        }
        Ok(request)
    }

    fn look(&self, entries: &Entries, group: &Group, env: &Env) -> Found {
        /// So many pending entries are looked at for each that is wanted.
        const ATTEMPTS: usize = 10;
        let mut found = Found::default();
        let mut pending = group.pending_from(self.start);
        let mut attempts = self.count.saturating_mul(ATTEMPTS);
        while attempts > 0 && found.claimed.len() + found.gone.len() < self.count {
            let Some((id, one)) = pending.next() else { return found };
            attempts -= 1;
            if !entries.contains(id) {
                found.gone.push(id);
            } else if is_idle_for(env, one, self.min_idle_ms) {
                found.claimed.push((id, one.count));
            }
        }
        found.next = pending.next().map_or(StreamId::MIN, |(id, _)| id);
        found
    }
}
