//! Members and their places.

use keyspace::ZSetRef;
use resp::{Args, OwnedArgs, ReplyBuf};

use super::distance::{Point, between};
use super::hash::{Cell, STEPS};
use super::options::{point, unit};
use crate::Ctx;
use crate::errors::{SYNTAX, WRONG_TYPE};

/// GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]
pub(crate) fn geoadd(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let is =
        |at: usize, name: &str| args.get(at).is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()));
    let (mut from, mut nx, mut xx) = (2, false, false);
    loop {
        match () {
            () if is(from, "NX") => nx = true,
            () if is(from, "XX") => xx = true,
            () if is(from, "CH") => {}
            () => break,
        }
        from += 1;
    }
    let places = args.from(from);
    if !places.len().is_multiple_of(3) || nx && xx {
        return ctx.out.error(SYNTAX);
    }
    // It is ZADD with computed scores, and that is how it goes into the log: another machine may compute them otherwise.
    let mut scores = Vec::with_capacity(places.len() / 3);
    for at in (0..places.len()).step_by(3) {
        match point(places.at(at), places.at(at + 1)) {
            Ok(point) => scores.push(Cell::of(point, STEPS).score().to_string()),
            Err(error) => return ctx.out.error(&error),
        }
    }
    let mut words: Vec<&[u8]> = vec![b"ZADD"];
    words.extend(args.slice(1..from));
    for (number, score) in scores.iter().enumerate() {
        words.extend([score.as_bytes(), places.at(3 * number + 2)]);
    }
    crate::zsets::zadd(ctx, OwnedArgs::from_slices(&words).as_args());
    if ctx.fx.is_verbatim() {
        ctx.fx.rewrite(&words);
    }
}

/// Where a member is.
pub(super) fn place(set: ZSetRef<'_>, member: &[u8]) -> Option<Point> {
    Some(Cell::of_score(set.score(member)?).middle())
}

/// Replies with one thing for each member, given its place if it has one.
fn for_each(ctx: &mut Ctx<'_>, args: Args<'_>, f: impl Fn(Option<Point>, &mut ReplyBuf)) {
    ctx.read(args.at(1), |entry, out| {
        let set = match entry.map(|entry| ZSetRef::of(&entry)) {
            Some(None) => return out.error(WRONG_TYPE),
            set => set.flatten(),
        };
        let members = args.from(2);
        out.array(members.len());
        for member in members {
            f(set.and_then(|set| place(set, member)), out);
        }
    });
}

/// GEOHASH key [member [member ...]]
pub(crate) fn geohash(ctx: &mut Ctx<'_>, args: Args<'_>) {
    for_each(ctx, args, |place, out| match place {
        Some(place) => out.bulk(&Cell::name(place)),
        None => out.null(),
    });
}

/// GEOPOS key [member [member ...]]
pub(crate) fn geopos(ctx: &mut Ctx<'_>, args: Args<'_>) {
    for_each(ctx, args, |place, out| match place {
        Some(place) => reply_point(place, out),
        None => out.null_array(),
    });
}

/// GEODIST key member1 member2 [M | KM | FT | MI]
pub(crate) fn geodist(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let unit = match args.len() {
        4 => 1.0,
        5 => match unit(args.at(4)) {
            Ok(unit) => unit,
            Err(error) => return ctx.out.error(&error),
        },
        _ => return ctx.out.error(SYNTAX),
    };
    ctx.read(args.at(1), |entry, out| {
        let set = match entry.map(|entry| ZSetRef::of(&entry)) {
            None => return out.null(),
            Some(None) => return out.error(WRONG_TYPE),
            Some(Some(set)) => set,
        };
        match (place(set, args.at(2)), place(set, args.at(3))) {
            (Some(a), Some(b)) => reply_distance(between(a, b) / unit, out),
            _ => out.null(),
        }
    });
}

/// Longitude and latitude with up to 17 decimals.
pub(super) fn reply_point(point: Point, out: &mut ReplyBuf) {
    out.array(2);
    for degrees in [point.longitude, point.latitude] {
        let text = format!("{degrees:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let text = if text == "-0" { "0" } else { text };
        if out.is_resp3() {
            out.raw(b",");
            out.raw(text.as_bytes());
            out.raw(b"\r\n");
        } else {
            out.bulk(text.as_bytes());
        }
    }
}

/// A distance with four decimals.
pub(super) fn reply_distance(distance: f64, out: &mut ReplyBuf) {
    let parts = (distance * 10_000.0).round_ties_even() as u64;
    out.bulk(format!("{}.{:04}", parts / 10_000, parts % 10_000).as_bytes());
}
