//! A value being changed away from its key.

use super::hash::Mark;
use super::sparse::{Raised, Walk};
use super::value::{self, Form, HEADER, Hll, STALE, STALE_AT};
use super::{Corrupt, dense};

/// A copy of a value whose registers are raised one by one. It becomes dense when the sparse form no longer holds it.
pub(super) struct Draft {
    value: Vec<u8>,
    form: Form,
    /// `hll-sparse-max-bytes`.
    max_sparse: usize,
    walk: Walk,
}

impl Draft {
    pub(super) fn of(hll: Hll<'_>, max_sparse: usize) -> Self {
        Draft { value: hll.bytes().to_vec(), form: hll.form(), max_sparse, walk: Walk::new() }
    }

    /// Of one that has seen nothing.
    pub(super) fn empty(max_sparse: usize) -> Self {
        Draft { value: value::empty(), form: Form::Sparse, max_sparse, walk: Walk::new() }
    }

    /// Raises a register; whether it was lower.
    pub(super) fn raise(&mut self, mark: Mark) -> Result<bool, Corrupt> {
        if self.form == Form::Sparse {
            match self.walk.raise(&mut self.value, mark, self.max_sparse)? {
                Raised::No => return Ok(false),
                Raised::Yes => return Ok(true),
                Raised::NeedsDense => self.make_dense()?,
            }
        }
        let registers = &mut self.value[HEADER..];
        let lower = dense::get(registers, mark.index) < mark.rank;
        if lower {
            dense::set(registers, mark.index, mark.rank);
        }
        Ok(lower)
    }

    pub(super) fn make_dense(&mut self) -> Result<(), Corrupt> {
        if let Some(hll) = Hll::of(&self.value) {
            self.value = hll.to_dense()?;
            self.form = Form::Dense;
        }
        Ok(())
    }

    /// The value as it is now.
    pub(super) fn value(&self) -> &[u8] {
        &self.value
    }

    /// The changed value; its count is no longer true.
    pub(super) fn into_value(mut self) -> Vec<u8> {
        self.value[STALE_AT] |= STALE;
        self.value
    }
}
