//! Random members of sets, several at once.

use std::collections::HashSet;

use collections::intset;
use collections::pack;
use listpack::{Entry as Element, TextBuffer};

use super::{SetDraft, SetMut, SetRef};
use crate::types::choice::Choice;
use crate::types::holder::Holder;
use crate::{Layout, Object};

impl<'a> SetRef<'a> {
    /// That many different members, or all if there are no more; each choice with the same chance. In no particular order.
    pub fn sample(self, count: usize, rng: &mut fastrand::Rng) -> Vec<Element<'a>> {
        /// Drawing members until there are enough different ones meets more and more of those it has.
        const MANY_DRAWS: usize = 3;
        match self {
            SetRef::Table(table) if count < table.len() / MANY_DRAWS => {
                let mut chosen = Vec::with_capacity(count);
                // Members are told apart by where they lie.
                let mut seen = HashSet::with_capacity(count);
                while chosen.len() < count {
                    let Some(item) = table.random(rng) else { break };
                    if seen.insert(item.key.as_ptr_range()) {
                        chosen.push(Element::Str(item.key));
                    }
                }
                chosen
            }
            set => {
                let mut choice = Choice::new(count, set.len());
                set.iter().filter(|_| choice.next(rng)).collect()
            }
        }
    }
}

/// Members that were taken out of a set.
#[derive(Debug, Default)]
pub struct Taken {
    texts: Vec<u8>,
    ends: Vec<usize>,
}

impl Taken {
    fn push(&mut self, member: Element<'_>) {
        self.texts.extend_from_slice(member.text(&mut TextBuffer::new()));
        self.ends.push(self.texts.len());
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The members.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        let mut from = 0;
        self.ends.iter().map(move |&end| &self.texts[std::mem::replace(&mut from, end)..end])
    }
}

impl<H: Holder> SetMut<'_, H> {
    /// Takes out a member, each with the same chance.
    pub fn pop(&mut self, rng: &mut fastrand::Rng) -> Option<Vec<u8>> {
        let member = self.get().random(rng)?.to_vec();
        self.remove(&member);
        Some(member)
    }

    /// Takes out that many members, or all if there are no more; each choice with the same chance.
    ///
    /// Where only a few members of a large set are left, they become a set of their own, which may be small again.
    pub fn pop_many(&mut self, count: usize, rng: &mut fastrand::Rng) -> Taken {
        /// As many times more must be taken than left.
        const FEW_LEFT: usize = 5;
        let mut taken = Taken::default();
        match self.get() {
            SetRef::Table(table) => {
                let count = count.min(table.len());
                if count < (table.len() - count).saturating_mul(FEW_LEFT) {
                    self.get().sample(count, rng).into_iter().for_each(|member| taken.push(member));
                    if let Some(table) = self.table_mut() {
                        taken.iter().for_each(|member| _ = table.remove(member));
                    }
                    return taken;
                }
                let mut left = SetDraft::pack(self.limits, self.holder.hasher());
                for member in self.get().sample(table.len() - count, rng) {
                    left.add_element(member);
                }
                for member in self.get().iter().filter(|member| !left.get().contains_element(*member)) {
                    taken.push(member);
                }
                match left.holder.into_object() {
                    Object::Bytes(layout, bytes) => self.holder.set_bytes(layout, bytes),
                    object => self.holder.set_object(object),
                }
            }
            small => {
                let mut choice = Choice::new(count, small.len());
                let mut left = Vec::with_capacity(small.len().saturating_sub(count));
                for member in small.iter() {
                    if choice.next(rng) {
                        taken.push(member);
                    } else {
                        left.push(member);
                    }
                }
                let (layout, bytes) = match small {
                    SetRef::Ints(_) => {
                        (Layout::IntSet, intset::of(left.into_iter().filter_map(Element::as_int)))
                    }
                    _ => (Layout::SetPack, pack::of(left)),
                };
                self.holder.set_bytes(layout, bytes);
            }
        }
        taken
    }
}
