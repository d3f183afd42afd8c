//! Carrying SORT out.

use std::cmp::Ordering;
use std::ops::Range;

use keyspace::{Element, Entry, ListEnd as End, ListRef, NewList, SetRef, TextBuffer, ZSetRef};
use resp::Args;

use super::options::Options;
use super::pattern::Pattern;
use crate::Ctx;
use crate::effects::EventClass;
use crate::errors::WRONG_TYPE;
use crate::zsets::parse_score;

/// SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC | DESC] [ALPHA] [STORE destination]
pub(crate) fn sort(ctx: &mut Ctx<'_>, args: Args<'_>) {
    run(ctx, args, true);
}

/// SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC | DESC] [ALPHA]
pub(crate) fn sort_ro(ctx: &mut Ctx<'_>, args: Args<'_>) {
    run(ctx, args, false);
}

fn run(ctx: &mut Ctx<'_>, args: Args<'_>, may_store: bool) {
    let mut options = match Options::parse(args.from(2), may_store, ctx.env.reads_all_keys) {
        Ok(options) => options,
        Err(error) => return ctx.out.error(error),
    };
    let in_script = ctx.env.in_script;
    let loaded = ctx.read(args.at(1), |entry, _| Elements::load(entry, &mut options, in_script));
    let Some((mut elements, range)) = loaded else { return ctx.out.error(WRONG_TYPE) };
    if !options.unsorted && !elements.sort(ctx, &options) {
        return ctx.out.error("ERR One or more scores can't be converted into double");
    }
    elements.items.truncate(range.end);
    elements.items.drain(..range.start);
    match options.store {
        None => reply(ctx, &elements, &options),
        Some(destination) => store(ctx, &elements, &options, destination),
    }
}

/// The elements and what they are sorted by, their texts in one piece of memory.
#[derive(Default)]
struct Elements {
    texts: Vec<u8>,
    items: Vec<Item>,
}

struct Item {
    text: Range<usize>,
    score: f64,
    /// What to sort by as text, if there is anything.
    weight: Option<Range<usize>>,
}

impl Elements {
    /// Takes the elements out of a value, and says which of them are wanted when they are in order; `None` if the value has no
    /// elements.
    fn load(
        entry: Option<Entry<'_>>,
        options: &mut Options<'_>,
        in_script: bool,
    ) -> Option<(Self, Range<usize>)> {
        let mut elements = Elements::default();
        let Some(entry) = entry else { return Some((elements, 0..0)) };
        if let Some(set) = SetRef::of(&entry) {
            if options.unsorted && (options.store.is_some() || in_script) {
                // The order of a set means nothing, and what is stored, or goes into a script, must not be a matter of chance.
                (options.unsorted, options.alpha, options.by) = (false, true, None);
            }
            set.iter().for_each(|member| elements.push(member));
            let range = options.range(set.len());
            return Some((elements, range));
        }
        let (list, zset) = (ListRef::of(&entry), ZSetRef::of(&entry));
        let len = list.map(ListRef::len).or(zset.map(ZSetRef::len))?;
        let range = options.range(len);
        // What stays in its order need not be loaded as a whole.
        let (loaded, wanted) = match (options.unsorted, options.descending) {
            (false, _) => (0..len, range),
            (true, false) => (range.clone(), 0..range.len()),
            (true, true) => (len - range.end..len - range.start, 0..range.len()),
        };
        let backward = options.unsorted && options.descending;
        if let Some(list) = list {
            let from = if backward { End::Back } else { End::Front };
            list.range(loaded, from).for_each(|element| elements.push(element));
        } else if let Some(zset) = zset {
            zset.iter(loaded).for_each(|(member, _)| elements.push(member));
            if backward {
                elements.items.reverse();
            }
        }
        Some((elements, wanted))
    }

    fn push(&mut self, element: Element<'_>) {
        let from = self.texts.len();
        self.texts.extend_from_slice(element.text(&mut TextBuffer::new()));
        self.items.push(Item { text: from..self.texts.len(), score: 0.0, weight: None });
    }

    fn text(&self, item: &Item) -> &[u8] {
        &self.texts[item.text.clone()]
    }

    /// Brings the elements into order; false if one is no number and has to be.
    fn sort(&mut self, ctx: &mut Ctx<'_>, options: &Options<'_>) -> bool {
        let mut weights = Vec::new();
        let by = options.by.map(Pattern::new);
        for at in 0..self.items.len() {
            let text = self.items[at].text.clone();
            let from = weights.len();
            let found = match &by {
                Some(pattern) => pattern.fetch(ctx, &self.texts[text.clone()], &mut weights),
                None => true,
            };
            if !found {
                continue;
            }
            if options.alpha {
                self.items[at].weight = by.is_some().then_some(from..weights.len());
                continue;
            }
            let number = if by.is_some() { &weights[from..] } else { &self.texts[text] };
            match score(number) {
                Some(score) => self.items[at].score = score,
                None => return false,
            }
        }
        let texts = &self.texts;
        let order = |one: &Item, other: &Item| {
            let by_text = || texts[one.text.clone()].cmp(&texts[other.text.clone()]);
            match (options.alpha, by.is_some()) {
                // The same number may be written in several ways.
                (false, _) => {
                    one.score.partial_cmp(&other.score).unwrap_or(Ordering::Equal).then_with(by_text)
                }
                (true, false) => by_text(),
                (true, true) => {
                    let weight = |item: &Item| item.weight.clone().map(|weight| &weights[weight]);
                    weight(one).cmp(&weight(other))
                }
            }
        };
        if options.descending {
            self.items.sort_by(|one, other| order(other, one));
        } else {
            self.items.sort_by(order);
        }
        true
    }
}

/// A number to sort by; nothing at all counts as zero.
fn score(text: &[u8]) -> Option<f64> {
    if text.is_empty() { Some(0.0) } else { parse_score(text) }
}

fn reply(ctx: &mut Ctx<'_>, elements: &Elements, options: &Options<'_>) {
    let patterns: Vec<Pattern<'_>> = options.get.iter().map(|pattern| Pattern::new(pattern)).collect();
    ctx.out.array(elements.items.len() * patterns.len().max(1));
    let mut value = Vec::new();
    for item in &elements.items {
        if patterns.is_empty() {
            ctx.out.bulk(elements.text(item));
        }
        for pattern in &patterns {
            value.clear();
            if pattern.fetch(ctx, elements.text(item), &mut value) {
                ctx.out.bulk(&value);
            } else {
                ctx.out.null();
            }
        }
    }
}

/// Makes the result a list under the key `destination`.
fn store(ctx: &mut Ctx<'_>, elements: &Elements, options: &Options<'_>, destination: &[u8]) {
    let patterns: Vec<Pattern<'_>> = options.get.iter().map(|pattern| Pattern::new(pattern)).collect();
    let (mut texts, mut stored) = (Vec::new(), Vec::new());
    for item in &elements.items {
        let mut add = |ctx: &mut Ctx<'_>, pattern: &Pattern<'_>| {
            let from = texts.len();
            // What is not there is stored as an empty string.
            pattern.fetch(ctx, elements.text(item), &mut texts);
            stored.push(from..texts.len());
        };
        if patterns.is_empty() {
            add(ctx, &Pattern::Element);
        }
        patterns.iter().for_each(|pattern| add(ctx, pattern));
    }
    let stored: Vec<&[u8]> = stored.into_iter().map(|range| &texts[range]).collect();
    let mut list = NewList::new();
    list.extend(stored.iter().map(|text| Element::Str(text)));
    let existed = ctx.lookup_write(destination).is_some();
    match list.into_value(&ctx.env.limits) {
        Some(value) => {
            ctx.put(destination, value);
            ctx.touch_key(ctx.db, destination);
            ctx.signal_ready(destination);
            ctx.notify(EventClass::LIST, "sortstore", destination);
            ctx.fx.dirty += stored.len() as u64;
        }
        None if existed => {
            if let Some(removed) = ctx.take(destination) {
                ctx.discard(removed, ctx.env.lazyfree_server_del);
            }
            ctx.modified(EventClass::GENERIC, "del", destination);
        }
        None => {}
    }
    log(ctx, &stored, destination, existed);
    ctx.out.int(stored.len() as i64);
}

/// Logs the result instead of the request: equals may come in any order, another server's may be another one.
fn log(ctx: &mut Ctx<'_>, stored: &[&[u8]], destination: &[u8], existed: bool) {
    /// The most elements of one command: every server takes so many arguments.
    const CHUNK: usize = 1 << 16;
    if existed {
        ctx.fx.rewrite(&[crate::deletion(ctx.env.lazyfree_server_del), destination]);
    }
    for chunk in stored.chunks(CHUNK) {
        let mut command: Vec<&[u8]> = vec![b"RPUSH", destination];
        command.extend_from_slice(chunk);
        ctx.fx.rewrite(&command);
    }
}
