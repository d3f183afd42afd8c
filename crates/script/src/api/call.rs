//! Commands called by scripts.

use resp::{Span, format_double};

use crate::lua::{Event, Kind, Raise, Stack};
use crate::reply::push_reply;

/// A request has to be addressed by 32 bits.
const MAX_REQUEST: usize = 1 << 31;
/// Buffers beyond this are given back after the call.
const KEEP: usize = 64 * 1024;

/// server.call(command, argument …): an error reply ends the script, unless it is caught.
pub(super) fn call(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    if run(stack)? { Err(Raise::Top) } else { Ok(1) }
}

/// server.pcall(command, argument …): an error reply is the result.
pub(super) fn pcall(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    match run(stack) {
        Ok(_) => Ok(1),
        Err(raise @ Raise::Reply(_)) => {
            stack.push_raise(raise);
            Ok(1)
        }
        Err(raise) => Err(raise),
    }
}

/// Has the host call the command; whether the reply, now on top, is an error.
fn run(stack: &mut Stack<'_>) -> Result<bool, Raise> {
    arguments(stack)?;
    stack.suspend(Event::Call)?;
    let reply = std::mem::take(&mut stack.exchange().reply);
    let error = push_reply(stack, &reply);
    if reply.capacity() <= KEEP {
        stack.exchange().reply = reply;
    }
    error
}

/// Puts the call's arguments into the request.
fn arguments(stack: &mut Stack<'_>) -> Result<(), Raise> {
    let count = stack.top();
    if count == 0 {
        return Err(Raise::Reply("ERR Please specify at least one argument for this call".to_owned()));
    }
    let exchange = stack.exchange();
    let mut request = std::mem::take(&mut exchange.request);
    let mut spans = std::mem::take(&mut exchange.spans);
    request.clear();
    request.shrink_to(KEEP);
    spans.clear();
    let result = (1..=count).try_for_each(|index| {
        let start = request.len();
        match stack.kind(index) {
            Kind::String => {
                let bytes = stack.bytes(index).unwrap_or_default();
                if start + bytes.len() > MAX_REQUEST {
                    return Err(Raise::Reply("ERR Command arguments are too long".to_owned()));
                }
                request.extend_from_slice(bytes);
            }
            Kind::Number => {
                let number = stack.number(index).unwrap_or(0.0);
                // A whole number is written as one, whatever its size.
                if number.fract() == 0.0 && number.abs() < 9.2e18 {
                    let mut digits = [0; 20];
                    request.extend_from_slice(decimal(number as i64, &mut digits));
                } else {
                    request.extend_from_slice(format_double(number).as_bytes());
                }
            }
            _ => return Err(Raise::Reply("ERR Command arguments must be strings or integers".to_owned())),
        }
        spans.push(Span { start: start as u32, len: (request.len() - start) as u32 });
        Ok(())
    });
    let exchange = stack.exchange();
    exchange.request = request;
    exchange.spans = spans;
    result
}

fn decimal(value: i64, digits: &mut [u8; 20]) -> &[u8] {
    let mut left = value.unsigned_abs();
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    &digits[at..]
}

/// server.acl_check_cmd(command, argument …)
pub(super) fn acl_check_cmd(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    arguments(stack)?;
    stack.suspend(Event::AclCheck)?;
    match stack.exchange().permitted {
        Some(permitted) => {
            stack.push_bool(permitted);
            Ok(1)
        }
        None => Err(Raise::Reply("ERR Invalid command passed to server.acl_check_cmd()".to_owned())),
    }
}
