//! The string as a whole: its header, and what either form has to say.

use super::estimate::Histogram;
use super::{Corrupt, Registers, dense, sparse};

/// Bytes before the registers.
pub(super) const HEADER: usize = 16;
/// Bytes of a value in the dense form.
pub(super) const DENSE_LEN: usize = HEADER + dense::BYTES;

const MAGIC: &[u8] = b"HYLL";
const FORM_AT: usize = 4;
/// Where the count is kept.
pub(super) const COUNT_AT: usize = 8;
/// The byte of the count that says whether it is stale, and the bit in it.
pub(super) const STALE_AT: usize = 15;
pub(super) const STALE: u8 = 0x80;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Dense,
    Sparse,
}

/// A string that has a HyperLogLog's header, and in the dense form its length.
#[derive(Clone, Copy)]
pub(super) struct Hll<'a> {
    bytes: &'a [u8],
    form: Form,
}

impl<'a> Hll<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() < HEADER || !bytes.starts_with(MAGIC) {
            return None;
        }
        let form = match bytes[FORM_AT] {
            0 if bytes.len() == DENSE_LEN => Form::Dense,
            1 => Form::Sparse,
            _ => return None,
        };
        Some(Hll { bytes, form })
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The registers, as their form has them.
    pub(super) fn registers(&self) -> &'a [u8] {
        &self.bytes[HEADER..]
    }

    /// The last count, if no register has changed since.
    pub(super) fn count(&self) -> Option<u64> {
        let count = self.bytes[COUNT_AT..].first_chunk().map(|count| u64::from_le_bytes(*count))?;
        (self.bytes[STALE_AT] & STALE == 0).then_some(count)
    }

    /// A register. Unlike the others this looks no further than it has to.
    pub(super) fn rank(&self, index: usize) -> Result<u8, Corrupt> {
        match self.form {
            Form::Dense => Ok(dense::get(self.registers(), index)),
            Form::Sparse => sparse::get(self.bytes, index),
        }
    }

    /// How many registers there are of each rank.
    pub(super) fn histogram(&self) -> Result<Histogram, Corrupt> {
        let mut histogram = Histogram::default();
        match self.form {
            Form::Dense => histogram.add_packed(self.registers()),
            Form::Sparse => {
                sparse::for_each(self.registers(), |_, run| histogram.add(run.rank, run.len))?;
            }
        }
        Ok(histogram)
    }

    /// Raises each of `registers` to this one's.
    pub(super) fn raise(&self, registers: &mut Registers) -> Result<(), Corrupt> {
        match self.form {
            Form::Dense => dense::raise(registers, self.registers()),
            Form::Sparse => sparse::for_each(self.registers(), |first, run| {
                if run.rank > 0 {
                    for register in &mut registers[first..first + run.len] {
                        *register = run.rank.max(*register);
                    }
                }
            })?,
        }
        Ok(())
    }

    /// The same value in the dense form; what the header says of the count stays.
    pub(super) fn to_dense(self) -> Result<Vec<u8>, Corrupt> {
        let registers = match self.form {
            Form::Dense => self.registers().to_vec(),
            Form::Sparse => sparse::to_dense(self.registers())?,
        };
        let mut value = Vec::with_capacity(DENSE_LEN);
        value.extend_from_slice(&self.bytes[..HEADER]);
        value[FORM_AT] = 0;
        value.extend_from_slice(&registers);
        Ok(value)
    }
}

/// A new one, which has seen nothing and knows it.
pub(super) fn empty() -> Vec<u8> {
    let mut value = Vec::from(MAGIC);
    value.push(1);
    value.resize(HEADER, 0);
    value.extend_from_slice(&sparse::empty());
    value
}
