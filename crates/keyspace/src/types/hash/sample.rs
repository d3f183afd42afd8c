//! Random fields of hashes, several at once.

use std::collections::HashSet;

use super::{Field, HashRef, field_of};
use crate::types::choice::Choice;

impl<'a> HashRef<'a> {
    /// That many different fields of those that `wanted` likes, of which there are `len`, or all if there are no more; each choice
    /// with the same chance. In no particular order.
    pub fn sample(
        self,
        count: usize,
        len: usize,
        rng: &mut fastrand::Rng,
        wanted: impl Fn(&Field<'a>) -> bool,
    ) -> Vec<Field<'a>> {
        /// Drawing fields until there are enough different ones meets more and more of those it has.
        const MANY_DRAWS: usize = 3;
        match self {
            HashRef::Table(table) if len == table.len() && count < len / MANY_DRAWS => {
                let mut chosen = Vec::with_capacity(count);
                // Fields are told apart by where they lie.
                let mut seen = HashSet::with_capacity(count);
                while chosen.len() < count {
                    let Some(item) = table.random(rng) else { break };
                    if seen.insert(item.key.as_ptr_range()) {
                        chosen.push(field_of(item));
                    }
                }
                chosen
            }
            hash => {
                let mut choice = Choice::new(count, len);
                hash.iter().filter(wanted).filter(|_| choice.next(rng)).collect()
            }
        }
    }
}
