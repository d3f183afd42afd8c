//! Streams. They have one form only.

use collections::stream::Stream;

use crate::{Entry, EntryMut, Object, Value, ValueRef};

impl<'a> Entry<'a> {
    /// The value if it is a stream.
    #[inline]
    pub fn stream(&self) -> Option<&'a Stream> {
        match self.value() {
            ValueRef::Stream(stream) => Some(stream),
            _ => None,
        }
    }
}

impl<'a> EntryMut<'a> {
    /// The value for writing, if it is a stream.
    pub fn stream_mut(&mut self) -> Option<&mut Stream> {
        // Nothing else is to be copied in vain.
        self.as_entry().stream()?;
        match self.object_mut() {
            Some(Object::Stream(stream)) => Some(stream),
            _ => None,
        }
    }

    /// As [`EntryMut::stream_mut`], for as long as the database is borrowed.
    pub fn into_stream(self) -> Option<&'a mut Stream> {
        self.as_entry().stream()?;
        match self.into_object_mut() {
            Some(Object::Stream(stream)) => Some(stream),
            _ => None,
        }
    }
}

impl From<Stream> for Value {
    fn from(stream: Stream) -> Self {
        Value::Object(Object::Stream(Box::new(stream)))
    }
}
