//! Elements one after the other, whichever form a list has.

use collections::{list, pack};
use listpack::Entry as Element;

/// The elements of a range of a list, beginning at one end.
#[derive(Clone)]
pub struct Elements<'a>(pub(super) Form<'a>);

#[derive(Clone)]
pub(super) enum Form<'a> {
    Pack(std::iter::Take<pack::Iter<'a>>),
    /// A pack is read from the front only: these are its elements, to be taken from the back.
    Reversed(Vec<Element<'a>>),
    Long(list::Elements<'a>),
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match &mut self.0 {
            Form::Pack(elements) => elements.next(),
            Form::Reversed(elements) => elements.pop(),
            Form::Long(elements) => elements.next(),
        }
    }
}
