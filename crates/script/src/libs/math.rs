//! `math.random` with a state of its own: C's belongs to the whole process.

use crate::lua::{Native, Raise, Stack, bad_argument};

use super::number_argument;

pub(crate) const FUNCTIONS: &[(&str, Native)] = &[("random", random), ("randomseed", randomseed)];

fn random(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let count = stack.top();
    let fraction = stack.exchange().rng.f64();
    let (low, high) = match count {
        0 => {
            stack.push_number(fraction);
            return Ok(1);
        }
        1 => (1.0, number_argument(stack, 1, "random")?.floor()),
        2 => (number_argument(stack, 1, "random")?.floor(), number_argument(stack, 2, "random")?.floor()),
        _ => return Err(Raise::At("wrong number of arguments".to_owned())),
    };
    if low > high {
        return Err(bad_argument(count as usize, "random", "interval is empty"));
    }
    stack.push_number((fraction * (high - low + 1.0)).floor() + low);
    Ok(1)
}

fn randomseed(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let seed = number_argument(stack, 1, "randomseed")?;
    stack.exchange().rng = fastrand::Rng::with_seed(seed.to_bits());
    Ok(0)
}
