//! Integers of any width at any bit of a string.

/// The type of an integer: `i8`, `u63` …
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Encoding {
    signed: bool,
    /// Invariant: 1 to 64, and 63 at most without a sign, so that every value fits an `i64`.
    bits: u8,
}

/// What happens to a value that does not fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Overflow {
    /// Its upper bits are lost.
    Wrap,
    /// It becomes the largest or the smallest that fits.
    Saturate,
    /// Nothing is written.
    Fail,
}

impl Encoding {
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (sign, digits) = text.split_first()?;
        let signed = match sign {
            b'i' => true,
            b'u' => false,
            _ => return None,
        };
        let max = if signed { 64 } else { 63 };
        let bits = crate::number::parse_i64(digits).filter(|bits| (1..=max).contains(bits))?;
        Some(Encoding { signed, bits: bits as u8 })
    }

    /// The width.
    pub(super) fn bits(self) -> u8 {
        self.bits
    }

    fn max(self) -> i128 {
        (1 << (self.bits - u8::from(self.signed))) - 1
    }

    fn min(self) -> i128 {
        if self.signed { -self.max() - 1 } else { 0 }
    }

    /// `old` and `by` together; `None` if they don't fit and must not be made to.
    pub(super) fn sum(self, old: i64, by: i64, overflow: Overflow) -> Option<i64> {
        self.fit(i128::from(old) + i128::from(by), overflow)
    }

    /// `value` as this type can hold it; `None` if it can't and it must not be made to. A negative number is a very large one
    /// where there is no sign.
    pub(super) fn converted(self, value: i64, overflow: Overflow) -> Option<i64> {
        let wide = if self.signed { i128::from(value) } else { i128::from(value as u64) };
        // Redis measures how far a value lies below the largest in 64 bits, and takes one that lies too far below for one that
        // lies above. A replica must come to the same as its master.
        let beyond =
            overflow == Overflow::Saturate && wide < self.min() && self.max() - wide > i128::from(i64::MAX);
        self.fit(if beyond { i128::MAX } else { wide }, overflow)
    }

    fn fit(self, value: i128, overflow: Overflow) -> Option<i64> {
        if (self.min()..=self.max()).contains(&value) {
            return Some(value as i64);
        }
        match overflow {
            Overflow::Fail => None,
            Overflow::Saturate => Some(value.clamp(self.min(), self.max()) as i64),
            Overflow::Wrap => Some(self.of_bits(value as u64)),
        }
    }

    /// The integer that the lower bits of `raw` are.
    fn of_bits(self, raw: u64) -> i64 {
        let unused = 64 - u32::from(self.bits);
        let raised = raw << unused;
        if self.signed { raised as i64 >> unused } else { (raised >> unused) as i64 }
    }

    /// The integer at bit `at` of a string that goes on with zeros where it has ended.
    pub(super) fn get(self, string: &[u8], at: u64) -> i64 {
        let window = Window::load(string, at);
        self.of_bits((window.bits >> self.shift(at)) as u64)
    }

    /// The bytes that change when the integer at bit `at` becomes `value`, and which is the first of them.
    pub(super) fn set(self, string: &[u8], at: u64, value: i64) -> (usize, Window) {
        let mut window = Window::load(string, at);
        let shift = self.shift(at);
        let mask = (u128::from(u64::MAX) >> (64 - u32::from(self.bits))) << shift;
        window.bits = (window.bits & !mask) | ((u128::from(value as u64) << shift) & mask);
        window.len = (at % 8 + u64::from(self.bits)).div_ceil(8) as u8;
        ((at / 8) as usize, window)
    }

    /// How far the integer at bit `at` stands from the end of its window.
    fn shift(self, at: u64) -> u32 {
        128 - (at % 8) as u32 - u32::from(self.bits)
    }
}

/// The bytes of a string around an integer: the upper ones of a large number.
#[derive(Clone, Copy)]
pub(super) struct Window {
    bits: u128,
    len: u8,
}

impl Window {
    /// A 64-bit integer that does not begin with a byte touches so many.
    const MAX: usize = 9;

    fn load(string: &[u8], at: u64) -> Self {
        let from = usize::try_from(at / 8).unwrap_or(usize::MAX).min(string.len());
        let there = &string[from..string.len().min(from.saturating_add(Self::MAX))];
        let mut bytes = [0; 16];
        bytes[..there.len()].copy_from_slice(there);
        Window { bits: u128::from_be_bytes(bytes), len: Self::MAX as u8 }
    }

    /// Hands the bytes to `f`.
    pub(super) fn with_bytes<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        f(&self.bits.to_be_bytes()[..usize::from(self.len)])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn types() {
        assert_eq!(Encoding::parse(b"i64"), Some(Encoding { signed: true, bits: 64 }));
        assert_eq!(Encoding::parse(b"u63"), Some(Encoding { signed: false, bits: 63 }));
        for bad in [&b""[..], b"i", b"u64", b"i65", b"i0", b"u-1", b"x8", b"8", b"I8", b"i08", b"i 8"] {
            assert_eq!(Encoding::parse(bad), None, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn what_does_not_fit() {
        let (i8, u8, i64) = (
            Encoding { signed: true, bits: 8 },
            Encoding { signed: false, bits: 8 },
            Encoding { signed: true, bits: 64 },
        );
        assert_eq!(i8.sum(127, 1, Overflow::Wrap), Some(-128));
        assert_eq!(i8.sum(127, 1, Overflow::Saturate), Some(127));
        assert_eq!(i8.sum(-128, -1, Overflow::Saturate), Some(-128));
        assert_eq!(i8.sum(-128, -1, Overflow::Fail), None);
        assert_eq!(u8.sum(255, 2, Overflow::Wrap), Some(1));
        assert_eq!(u8.sum(0, -2, Overflow::Wrap), Some(254));
        assert_eq!(u8.sum(0, -2, Overflow::Saturate), Some(0));
        assert_eq!(u8.converted(-1, Overflow::Saturate), Some(255));
        assert_eq!(i8.converted(i64::MIN + 1000, Overflow::Saturate), Some(-128));
        assert_eq!(i8.converted(i64::MIN, Overflow::Saturate), Some(127));
        assert_eq!(i8.converted(i64::MIN, Overflow::Wrap), Some(0));
        assert_eq!(i64.sum(i64::MAX, 1, Overflow::Wrap), Some(i64::MIN));
        assert_eq!(i64.sum(i64::MIN, i64::MIN, Overflow::Saturate), Some(i64::MIN));
    }

    proptest! {
        #[test]
        fn bits_are_where_a_loop_puts_them(
            mut string in proptest::collection::vec(any::<u8>(), 0..24),
            at in 0u64..100,
            signed: bool,
            bits in 1u8..=63,
            value: i64,
        ) {
            let encoding = Encoding { signed, bits };
            let value = encoding.of_bits(value as u64);
            let mut model: Vec<bool> = (0..256)
                .map(|at| string.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1))
                .collect();
            let raw = (0..bits).fold(0u64, |raw, bit| raw << 1 | u64::from(model[(at + u64::from(bit)) as usize]));
            prop_assert_eq!(encoding.get(&string, at), encoding.of_bits(raw));

            let (from, window) = encoding.set(&string, at, value);
            window.with_bytes(|bytes| {
                string.resize(string.len().max(from + bytes.len()), 0);
                string[from..from + bytes.len()].copy_from_slice(bytes);
            });
            for bit in 0..bits {
                model[(at + u64::from(bit)) as usize] = value >> (bits - 1 - bit) & 1 == 1;
            }
            let got: Vec<bool> = (0..256)
                .map(|at| string.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1))
                .collect();
            prop_assert_eq!(got, model);
            prop_assert_eq!(encoding.get(&string, at), value);
        }
    }
}
