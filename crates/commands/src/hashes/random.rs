//! Random fields.

use keyspace::{Field, HashRef};
use resp::{Args, ReplyBuf};

use super::get::look;
use super::{live_fields, live_len};
use crate::errors::{OUT_OF_RANGE, SYNTAX};
use crate::number::parse_i64;
use crate::repeats::Repeats;
use crate::{Ctx, Env, element};

/// HRANDFIELD key [count [WITHVALUES]]
pub(crate) fn hrandfield(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let mut rng = ctx.rng.fork();
    if args.len() == 2 {
        return look(ctx, args.at(1), |hash, env, out| {
            match hash.and_then(|hash| Drawer::new(hash, env).draw(&mut rng)) {
                Some(field) => element::bulk(out, field.name),
                None => out.null(),
            }
        });
    }
    let count = match parse_i64(args.at(2)) {
        Some(count) if count != i64::MIN => count,
        _ => {
            return ctx.out.error(
                "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            );
        }
    };
    let values = match args.len() {
        3 => false,
        4 if args.at(3).eq_ignore_ascii_case(b"WITHVALUES") => true,
        _ => return ctx.out.error(SYNTAX),
    };
    if values && count.unsigned_abs() > (i64::MAX / 2) as u64 {
        return ctx.out.error(OUT_OF_RANGE);
    }
    look(ctx, args.at(1), |hash, env, out| {
        let Some(hash) = hash else { return out.array(0) };
        if count < 0 {
            // Each is drawn from all of them, and they come in the order in which they were drawn.
            let count = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
            let drawer = Drawer::new(hash, env);
            if drawer.is_empty() {
                return out.array(0);
            }
            let repeats = Repeats::begin(out, env);
            begin(out, count, values);
            repeats.write(out, count, |out| {
                if let Some(field) = drawer.draw(&mut rng) {
                    reply(out, &field, values);
                }
            });
        } else {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            let len = live_len(hash, env);
            let fields = hash.sample(count, len, &mut rng, |field| !env.is_expired(field.expiry));
            begin(out, fields.len(), values);
            fields.iter().for_each(|field| reply(out, field, values));
        }
    });
}

/// With values, RESP3 has an array of pairs and RESP2 one of twice the length.
fn begin(out: &mut ReplyBuf, count: usize, values: bool) {
    out.array(if values && !out.is_resp3() { count.saturating_mul(2) } else { count });
}

fn reply(out: &mut ReplyBuf, field: &Field<'_>, values: bool) {
    if values && out.is_resp3() {
        out.array(2);
    }
    element::bulk(out, field.name);
    if values {
        element::bulk(out, field.value);
    }
}

/// A hash of which fields are drawn again and again: where that is not done by number, they are listed once.
enum Drawer<'a> {
    Whole(HashRef<'a>),
    Listed(Vec<Field<'a>>),
}

impl<'a> Drawer<'a> {
    fn new(hash: HashRef<'a>, env: &'a Env) -> Self {
        match hash {
            HashRef::Table(table) if table.expires() == 0 => Drawer::Whole(hash),
            hash => Drawer::Listed(live_fields(hash, env).collect()),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Drawer::Whole(hash) => hash.is_empty(),
            Drawer::Listed(fields) => fields.is_empty(),
        }
    }

    fn draw(&self, rng: &mut fastrand::Rng) -> Option<Field<'a>> {
        match self {
            Drawer::Whole(hash) => hash.random(rng),
            Drawer::Listed(fields) => rng.choice(fields).copied(),
        }
    }
}
