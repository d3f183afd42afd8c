//! Sets, hashes and sorted sets that come element by element, each gathered in the form that it will have.

use std::collections::HashSet;

use collections::zset::ZSet;
use collections::{Expiry, Hasher, Table, intset, pack};
use keyspace::{Element, LAST_FIELD_EXPIRY, Layout, Limits, Object, TextBuffer, Value};

use super::load::{BadValue, TWICE};

/// Elements as a pack, for as long as they are few and short.
pub(super) struct Small {
    bytes: Vec<u8>,
    /// Entries of the pack.
    len: usize,
    /// How many entries make an element.
    step: usize,
    max_elements: usize,
    max_text: usize,
}

impl Small {
    fn new(step: usize, max_elements: usize, max_text: usize) -> Small {
        let max_elements = max_elements.min(pack::MAX_LEN / step);
        Small { bytes: pack::EMPTY.to_vec(), len: 0, step, max_elements, max_text }
    }

    /// Elements of a set.
    pub(super) fn set(limits: &Limits) -> Small {
        Small::new(1, limits.set_max_listpack_entries, limits.set_max_listpack_value)
    }

    /// Fields and values of a hash.
    pub(super) fn hash(limits: &Limits) -> Small {
        Small::new(2, limits.hash_max_listpack_entries, limits.hash_max_listpack_value)
    }

    /// Members and scores of a sorted set.
    pub(super) fn zset(limits: &Limits) -> Small {
        Small::new(2, limits.zset_max_listpack_entries, limits.zset_max_listpack_value)
    }

    /// Adds an element if it is short enough and there is room; false if not.
    pub(super) fn push(&mut self, entries: &[Element<'_>]) -> bool {
        let fits = self.len / self.step < self.max_elements
            && entries.iter().all(|entry| match entry {
                Element::Str(text) => text.len() <= self.max_text,
                // Longer than this no number is.
                Element::Int(number) => self.max_text >= 20 || entry_len(*number) <= self.max_text,
            });
        if fits {
            entries.iter().for_each(|entry| listpack::bare::append(&mut self.bytes, *entry));
            self.len += entries.len();
        }
        fits
    }

    fn entries(&self) -> pack::Iter<'_> {
        pack::Pack::new(&self.bytes).iter()
    }

    /// Whether two elements begin with the same entry.
    fn has_twice(&self) -> bool {
        let mut seen = HashSet::with_capacity(self.len / self.step);
        // Text that is a number is always kept as one, so equal texts are equal entries.
        !self.entries().step_by(self.step).all(|entry| {
            seen.insert(match entry {
                Element::Str(text) => (None, text),
                Element::Int(number) => (Some(number), &b""[..]),
            })
        })
    }

    pub(super) fn into_value(mut self, layout: Layout) -> Value {
        // The limit is far below what the header counts.
        self.bytes[..pack::HEADER].copy_from_slice(&(self.len as u16).to_le_bytes());
        Value::Bytes(layout, self.bytes)
    }
}

fn entry_len(number: i64) -> usize {
    itoa::Buffer::new().format(number).len()
}

/// Nothing, or the complaint that something occurs twice.
fn once(first: bool) -> Result<(), BadValue> {
    if first { Ok(()) } else { Err(TWICE) }
}

/// A set.
pub(super) enum SetParts {
    /// Numbers only, so far.
    Ints(Vec<i64>),
    Small(Small),
    Large(Table),
}

impl SetParts {
    pub(super) fn new(len: u64, limits: &Limits, hasher: &Hasher) -> SetParts {
        if len > limits.set_max_intset_entries as u64 {
            SetParts::Large(Table::new(hasher.clone()))
        } else {
            SetParts::Ints(Vec::new())
        }
    }

    pub(super) fn add(
        &mut self,
        member: Element<'_>,
        limits: &Limits,
        hasher: &Hasher,
    ) -> Result<(), BadValue> {
        match self {
            SetParts::Ints(numbers) => {
                if let Some(number) = member.as_int()
                    && numbers.len() < limits.set_max_intset_entries.min(intset::MAX_LEN)
                {
                    numbers.push(number);
                    return Ok(());
                }
                let mut small = Small::set(limits);
                let fits = numbers.iter().all(|&number| small.push(&[Element::Int(number)]));
                if fits && small.push(&[member]) {
                    *self = SetParts::Small(small);
                    return Ok(());
                }
                let mut table = Table::new(hasher.clone());
                for &number in &*numbers {
                    once(table.add(itoa::Buffer::new().format(number).as_bytes()))?;
                }
                once(table.add(member.text(&mut TextBuffer::new())))?;
                *self = SetParts::Large(table);
                Ok(())
            }
            SetParts::Small(small) => {
                if small.push(&[member]) {
                    return Ok(());
                }
                let mut table = Table::new(hasher.clone());
                let mut text = TextBuffer::new();
                for member in small.entries() {
                    once(table.add(member.text(&mut text)))?;
                }
                once(table.add(member.text(&mut text)))?;
                *self = SetParts::Large(table);
                Ok(())
            }
            SetParts::Large(table) => once(table.add(member.text(&mut TextBuffer::new()))),
        }
    }

    /// The set; `None` if it is empty.
    pub(super) fn finish(self) -> Result<Option<Value>, BadValue> {
        match self {
            SetParts::Ints(numbers) if numbers.is_empty() => Ok(None),
            SetParts::Ints(mut numbers) => {
                numbers.sort_unstable();
                once(numbers.windows(2).all(|pair| pair[0] != pair[1]))?;
                Ok(Some(Value::Bytes(Layout::IntSet, intset::of(numbers))))
            }
            SetParts::Small(small) => {
                once(!small.has_twice())?;
                Ok(Some(small.into_value(Layout::SetPack)))
            }
            SetParts::Large(table) if table.is_empty() => Ok(None),
            SetParts::Large(table) => Ok(Some(Value::Object(Object::Set(table)))),
        }
    }
}

/// A hash.
pub(super) struct HashParts {
    form: HashForm,
    /// Fields that expired before this are left out.
    drop_before: Option<u64>,
}

enum HashForm {
    Small(Small),
    Large(Table),
}

impl HashParts {
    pub(super) fn new(len: u64, drop_before: Option<u64>, limits: &Limits, hasher: &Hasher) -> HashParts {
        let form = if len > limits.hash_max_listpack_entries as u64 {
            HashForm::Large(Table::new(hasher.clone()))
        } else {
            HashForm::Small(Small::hash(limits))
        };
        HashParts { form, drop_before }
    }

    pub(super) fn add(
        &mut self,
        field: Element<'_>,
        value: Element<'_>,
        expiry: Option<u64>,
        hasher: &Hasher,
    ) -> Result<(), BadValue> {
        if let (Some(now), Some(at)) = (self.drop_before, expiry)
            && at < now
        {
            return Ok(());
        }
        let (mut name, mut content) = (TextBuffer::new(), TextBuffer::new());
        if let HashForm::Small(small) = &mut self.form {
            if expiry.is_none() && small.push(&[field, value]) {
                return Ok(());
            }
            let mut table = Table::new(hasher.clone());
            let mut entries = small.entries();
            while let (Some(field), Some(value)) = (entries.next(), entries.next()) {
                once(table.insert(field.text(&mut name), value.text(&mut content), Expiry::Clear))?;
            }
            self.form = HashForm::Large(table);
        }
        let HashForm::Large(table) = &mut self.form else { return Ok(()) };
        let expiry = expiry.map_or(Expiry::Clear, |at| Expiry::At(at.min(LAST_FIELD_EXPIRY)));
        once(table.insert(field.text(&mut name), value.text(&mut content), expiry))
    }

    /// The hash; `None` if it is empty.
    pub(super) fn finish(self) -> Result<Option<Value>, BadValue> {
        match self.form {
            HashForm::Small(small) if small.len == 0 => Ok(None),
            HashForm::Small(small) => {
                once(!small.has_twice())?;
                Ok(Some(small.into_value(Layout::HashPack)))
            }
            HashForm::Large(table) if table.is_empty() => Ok(None),
            HashForm::Large(table) => Ok(Some(Value::Object(Object::Hash(table)))),
        }
    }
}

/// A sorted set. Few members are sorted at the end, since they may come in any order.
pub(super) enum ZSetParts {
    Small(Vec<(f64, Vec<u8>)>),
    Large(ZSet),
}

impl ZSetParts {
    pub(super) fn new(len: u64, limits: &Limits, hasher: &Hasher) -> ZSetParts {
        if len > limits.zset_max_listpack_entries as u64 {
            ZSetParts::Large(ZSet::new(hasher.clone()))
        } else {
            ZSetParts::Small(Vec::new())
        }
    }

    pub(super) fn add(
        &mut self,
        member: Element<'_>,
        score: f64,
        limits: &Limits,
        hasher: &Hasher,
    ) -> Result<(), BadValue> {
        let mut text = TextBuffer::new();
        let member = member.text(&mut text);
        match self {
            ZSetParts::Large(set) => once(set.insert(member, score).is_none()),
            ZSetParts::Small(members) => {
                let max_entries = limits.zset_max_listpack_entries.min(pack::MAX_LEN / 2);
                if members.len() < max_entries && member.len() <= limits.zset_max_listpack_value {
                    members.push((score, member.to_vec()));
                    return Ok(());
                }
                let mut set = ZSet::new(hasher.clone());
                for (score, member) in &*members {
                    once(set.insert(member, *score).is_none())?;
                }
                once(set.insert(member, score).is_none())?;
                *self = ZSetParts::Large(set);
                Ok(())
            }
        }
    }

    /// The sorted set; `None` if it is empty.
    pub(super) fn finish(self) -> Result<Option<Value>, BadValue> {
        match self {
            ZSetParts::Small(members) if members.is_empty() => Ok(None),
            ZSetParts::Small(mut members) => {
                members.sort_unstable_by(|(s, m), (t, n)| {
                    s.partial_cmp(t).unwrap_or(std::cmp::Ordering::Equal).then_with(|| m.cmp(n))
                });
                let names: HashSet<&[u8]> = members.iter().map(|(_, member)| &member[..]).collect();
                once(names.len() == members.len())?;
                let mut small = Small::new(2, pack::MAX_LEN, usize::MAX);
                let mut text = rdb::ScoreText::new();
                for (score, member) in &members {
                    small.push(&[Element::from_text(member), text.entry(*score)]);
                }
                Ok(Some(small.into_value(Layout::ZSetPack)))
            }
            ZSetParts::Large(set) if set.is_empty() => Ok(None),
            ZSetParts::Large(set) => Ok(Some(Value::Object(Object::ZSet(Box::new(set))))),
        }
    }
}
