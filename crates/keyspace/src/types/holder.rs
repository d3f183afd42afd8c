//! What holds a value that is being written.

use std::ops::Range;

use collections::Hasher;

use crate::{EntryMut, Layout, Object, Value, ValueRef};

/// An entry of a database, or a value that has no key yet: what the write faces of the types work on.
pub trait Holder {
    /// The value as it is kept.
    fn value(&self) -> ValueRef<'_>;

    /// Puts `with` into the place of a part of a value that is kept as bytes; see [`EntryMut::splice_bytes`].
    fn splice(&mut self, range: Range<usize>, with: &[u8]);

    /// Replaces the value by bytes in some layout.
    fn set_bytes(&mut self, layout: Layout, bytes: Vec<u8>);

    /// Replaces the value by one of the large forms.
    fn set_object(&mut self, object: Object);

    /// The value for writing, if it is one of the large forms or kept like them.
    fn object_mut(&mut self) -> Option<&mut Object>;

    /// The hasher for tables inside the value.
    fn hasher(&self) -> &Hasher;

    /// To be called when it has changed which fields of a hash expire first. A value without a key is noted once it gets one.
    fn note_fields(&mut self) {}
}

impl Holder for EntryMut<'_> {
    #[inline]
    fn value(&self) -> ValueRef<'_> {
        self.as_entry().value()
    }

    #[inline]
    fn splice(&mut self, range: Range<usize>, with: &[u8]) {
        self.splice_bytes(range, with);
    }

    fn set_bytes(&mut self, layout: Layout, bytes: Vec<u8>) {
        EntryMut::set_bytes(self, layout, &bytes);
    }

    fn set_object(&mut self, object: Object) {
        EntryMut::set_object(self, object);
    }

    #[inline]
    fn object_mut(&mut self) -> Option<&mut Object> {
        EntryMut::object_mut(self)
    }

    fn hasher(&self) -> &Hasher {
        EntryMut::hasher(self)
    }

    fn note_fields(&mut self) {
        EntryMut::note_fields(self);
    }
}

impl<H: Holder + ?Sized> Holder for &mut H {
    #[inline]
    fn value(&self) -> ValueRef<'_> {
        (**self).value()
    }

    #[inline]
    fn splice(&mut self, range: Range<usize>, with: &[u8]) {
        (**self).splice(range, with);
    }

    fn set_bytes(&mut self, layout: Layout, bytes: Vec<u8>) {
        (**self).set_bytes(layout, bytes);
    }

    fn set_object(&mut self, object: Object) {
        (**self).set_object(object);
    }

    #[inline]
    fn object_mut(&mut self) -> Option<&mut Object> {
        (**self).object_mut()
    }

    fn hasher(&self) -> &Hasher {
        (**self).hasher()
    }

    fn note_fields(&mut self) {
        (**self).note_fields();
    }
}

/// A value on its way into a database, while it is being built.
#[derive(Debug)]
pub struct Draft {
    value: Object,
    hasher: Hasher,
}

impl Draft {
    /// Begins with bytes in some layout.
    pub fn new(layout: Layout, bytes: Vec<u8>, hasher: &Hasher) -> Self {
        Draft { value: Object::Bytes(layout, bytes), hasher: hasher.clone() }
    }

    /// The value as it is kept.
    pub fn value(&self) -> ValueRef<'_> {
        self.value.as_value()
    }

    /// What has been built.
    pub fn into_value(self) -> Value {
        Value::Object(self.value)
    }

    /// What has been built, as objects are.
    pub(crate) fn into_object(self) -> Object {
        self.value
    }
}

impl Holder for Draft {
    fn value(&self) -> ValueRef<'_> {
        self.value.as_value()
    }

    fn splice(&mut self, range: Range<usize>, with: &[u8]) {
        if let Object::Bytes(_, bytes) = &mut self.value {
            bytes.splice(range, with.iter().copied());
        }
    }

    fn set_bytes(&mut self, layout: Layout, bytes: Vec<u8>) {
        self.value = Object::Bytes(layout, bytes);
    }

    fn set_object(&mut self, object: Object) {
        self.value = object;
    }

    fn object_mut(&mut self) -> Option<&mut Object> {
        Some(&mut self.value)
    }

    fn hasher(&self) -> &Hasher {
        &self.hasher
    }
}
