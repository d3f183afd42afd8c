//! `loadstring` that takes texts only.

use crate::lua::{Native, Raise, Stack};

use super::string_argument;

pub(crate) const FUNCTIONS: &[(&str, Native)] = &[("loadstring", loadstring)];

fn loadstring(stack: &mut Stack<'_>) -> Result<usize, Raise> {
    let code = string_argument(stack, 1, "loadstring")?;
    let name = match stack.kind(2) {
        crate::lua::Kind::None | crate::lua::Kind::Nil => code,
        _ => string_argument(stack, 2, "loadstring")?,
    };
    let name = Stack::chunk_name(name);
    if stack.load(code, &name) {
        return Ok(1);
    }
    stack.push_nil();
    stack.insert(-2);
    Ok(2)
}
