//! Records: one allocation holds a key, its attributes and a small value.
//!
//! ```text
//!  0        4        8          8+k      8+k+v       8+k+v+e
//!  +--------+--------+----------+--------+-----------+---------+----------------+
//!  | refs   | access | key len  | value  | expiry    | key     | value bytes or |
//!  | u32    | u24    | k = 1, 4 | len    | e = 0,6,8 |         | Arc<Object>    |
//!  |        | flags  |          | 0, 1, 2|           |         |                |
//!  +--------+--------+----------+--------+-----------+---------+----------------+
//! ```
//!
//! The flags say which of the optional fields are there, so the usual record spends ten bytes on all of this: a key of
//! 16 bytes with a value of 32 takes 58, or 64 with an expiry, and both are one 64-byte allocation and one cache line.
//!
//! # Invariants
//!
//! This module is one of the two that contain `unsafe` code, the other being `block`. It relies on the following.
//!
//! 1. A record pointer comes from `allocate` with the layout that `layout_of` gives for the record's header; nothing
//!    that changes the header changes the size class which that layout is made of.
//! 2. `refs` counts the [`RecordRef`]s to the record (some of them packed into a block's slots). Whoever takes it from
//!    one to zero frees the record; while a `RecordRef` is borrowed the count is at least one.
//! 3. All but `refs` and the access word is written only through a [`RecordMut`], which exists only while `refs` is
//!    one and the sole `RecordRef` is mutably borrowed. A count of one can't rise meanwhile: cloning takes a reference.
//! 4. `refs` and the access word (which also has the flags) are only reached through atomics.
//! 5. A record whose kind bits are [`HUNG`] ends in a pointer from `Arc::<Object>::into_raw`, and owns it.

use std::alloc::{Layout as Allocation, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering, fence};

use collections::left_behind;
use triomphe::Arc;

use crate::value::{Kind, Layout, Object};

/// The longest value that a record holds itself. A longer one hangs off the record, so that a copy of the record
/// stays cheap.
pub(crate) const INLINE_MAX: usize = 1024;

/// Every record starts at a multiple of this: blocks keep other bits in the low bits of a pointer.
pub(crate) const RECORD_ALIGN: usize = 16;

/// Bits of the access word.
pub(crate) const ACCESS_BITS: u32 = 24;

const KIND_MASK: u8 = 0b111;
/// The value is a string inside the record.
const STRING: u8 = 0;
/// The value hangs off the record. Any other kind code means bytes inside the record.
const HUNG: u8 = 1;
/// The layouts of values inside records, by kind code.
const LAYOUTS: [Layout; 8] = [
    Layout::Str,
    Layout::Str, // hung: not looked up
    Layout::ListPack,
    Layout::SetPack,
    Layout::IntSet,
    Layout::HashPack,
    Layout::ZSetPack,
    Layout::Str, // not in use
];

const fn kind_code(layout: Layout) -> u8 {
    match layout {
        Layout::Str => STRING,
        Layout::ListPack => 2,
        Layout::SetPack => 3,
        Layout::IntSet => 4,
        Layout::HashPack => 5,
        Layout::ZSetPack => 6,
    }
}

#[inline]
const fn is_hung(flags: u8) -> bool {
    flags & KIND_MASK == HUNG
}
/// The key length takes four bytes instead of one.
const LONG_KEY: u8 = 1 << 3;
/// The length of an inline value takes two bytes instead of one.
const LONG_VALUE: u8 = 1 << 4;
/// The string was built piecemeal (APPEND, SETRANGE): OBJECT ENCODING answers `raw`.
const RAW: u8 = 1 << 5;
/// An expiry of 48 bits: milliseconds until the year 10889.
const EXPIRY_48: u8 = 1 << 6;
/// An expiry of 64 bits, for the rest.
const EXPIRY_64: u8 = 1 << 7;

const REFS_AT: usize = 0;
const WORD_AT: usize = 4;
const KEY_LEN_AT: usize = 8;

/// Where the key starts, by flags.
const KEY_AT: [u8; 256] = {
    let mut table = [0; 256];
    let mut flags = 0;
    while flags < 256 {
        table[flags] = key_offset(flags as u8) as u8;
        flags += 1;
    }
    table
};

const fn key_len_size(flags: u8) -> usize {
    if flags & LONG_KEY == 0 { 1 } else { 4 }
}

const fn value_len_size(flags: u8) -> usize {
    match (is_hung(flags), flags & LONG_VALUE == 0) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    }
}

const fn key_offset(flags: u8) -> usize {
    let expiry = match (flags & EXPIRY_48 != 0, flags & EXPIRY_64 != 0) {
        (true, _) => 6,
        (false, true) => 8,
        (false, false) => 0,
    };
    KEY_LEN_AT + key_len_size(flags) + value_len_size(flags) + expiry
}

fn expiry_flag(expiry: Option<u64>) -> u8 {
    match expiry {
        None => 0,
        Some(at) if at < 1 << 48 => EXPIRY_48,
        Some(_) => EXPIRY_64,
    }
}

/// Rounds a size up to the next size class: multiples of 16 up to 128, then four to each doubling, as allocators have
/// them. The slack lets a value change its length in place.
#[inline]
fn size_class(size: usize) -> usize {
    if size <= 128 {
        size.next_multiple_of(16)
    } else {
        let step = (size - 1).ilog2() - 2;
        size.next_multiple_of(1 << step)
    }
}

/// The value that a new record gets.
pub(crate) enum Payload<'a> {
    /// At most [`INLINE_MAX`] bytes.
    Inline(Layout, &'a [u8]),
    /// Anything else.
    Hung(Arc<Object>),
}

/// All that a new record is made of.
pub(crate) struct Parts<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) payload: Payload<'a>,
    pub(crate) expiry: Option<u64>,
    pub(crate) access: u32,
    /// The string was built piecemeal.
    pub(crate) raw: bool,
}

/// An owning, counted reference to a record.
#[derive(Debug)]
pub(crate) struct RecordRef {
    at: NonNull<u8>,
}

// SAFETY: a record is bytes that are immutable while shared (invariant 3), atomics, and an `Arc<Object>`; so moving or
// sharing it is sound exactly when it is for `Arc<Object>`, which the assertion below holds.
unsafe impl Send for RecordRef {}
// SAFETY: as above.
unsafe impl Sync for RecordRef {}

const fn assert_send_sync<T: Send + Sync>() {}
const _: () = assert_send_sync::<Arc<Object>>();

impl RecordRef {
    /// Makes a record.
    ///
    /// # Panics
    ///
    /// When the key is 4 GiB or longer, or an inline value longer than [`INLINE_MAX`].
    pub(crate) fn new(parts: Parts<'_>) -> Self {
        let Parts { key, payload, expiry, access, raw } = parts;
        let mut flags = expiry_flag(expiry);
        if key.len() > usize::from(u8::MAX) {
            flags |= LONG_KEY;
        }
        if raw {
            flags |= RAW;
        }
        let value_len = match &payload {
            Payload::Inline(layout, bytes) => {
                assert!(bytes.len() <= INLINE_MAX, "a long value must hang off its record");
                flags |= kind_code(*layout);
                if bytes.len() > usize::from(u8::MAX) {
                    flags |= LONG_VALUE;
                }
                bytes.len()
            }
            Payload::Hung(_) => {
                flags |= HUNG;
                size_of::<*const Object>()
            }
        };
        let key_len = u32::try_from(key.len()).expect("a key is shorter than 4 GiB");
        let key_at = key_offset(flags);
        let at = allocate(key_at + key.len() + value_len);
        // SAFETY: the allocation holds the header that `flags` calls for, the key and the value, in this order, and
        // nobody else knows it yet. Fields after the first two may be unaligned.
        unsafe {
            let base = at.as_ptr();
            base.add(REFS_AT).cast::<AtomicU32>().write(AtomicU32::new(1));
            base.add(WORD_AT).cast::<AtomicU32>().write(AtomicU32::new(access << 8 | u32::from(flags)));
            if flags & LONG_KEY == 0 {
                base.add(KEY_LEN_AT).write(key_len as u8);
            } else {
                base.add(KEY_LEN_AT).cast::<u32>().write_unaligned(key_len);
            }
            ptr::copy_nonoverlapping(key.as_ptr(), base.add(key_at), key.len());
            let value_at = base.add(key_at + key.len());
            match payload {
                Payload::Inline(_, bytes) => {
                    write_value_len(base, flags, bytes.len());
                    ptr::copy_nonoverlapping(bytes.as_ptr(), value_at, bytes.len());
                }
                Payload::Hung(object) => {
                    value_at.cast::<*const Object>().write_unaligned(Arc::into_raw(object));
                }
            }
            write_expiry(base, flags, expiry);
        }
        Self { at }
    }

    /// Borrows the record.
    #[inline]
    pub(crate) fn as_ptr(&self) -> RecordPtr<'_> {
        RecordPtr { at: self.at, life: PhantomData }
    }

    /// Borrows the record for writing, unless somebody else holds it too.
    #[inline]
    pub(crate) fn as_mut(&mut self) -> Option<RecordMut<'_>> {
        // SAFETY: this is a `RecordRef` that is mutably borrowed.
        unsafe { RecordMut::new(self.at) }
    }

    /// Notes, if somebody else has the record, that it is left to them: with its value, unless that goes on living here.
    #[inline]
    pub(crate) fn note_left(&self, with_value: bool) {
        if refs(self.at).load(Ordering::Relaxed) > 1 {
            let record = self.as_ptr();
            let value = if with_value { record.object().map_or(0, Object::heap_bytes) } else { 0 };
            left_behind::note(record.allocated() + value);
        }
    }

    /// The address, for keeping the reference as a number. Undone by [`RecordRef::from_address`].
    #[inline]
    pub(crate) fn into_address(self) -> usize {
        ManuallyDrop::new(self).at.as_ptr().expose_provenance()
    }

    /// # Safety
    ///
    /// `address` comes from `into_address`, and no other call has taken it back.
    #[inline]
    pub(crate) unsafe fn from_address(address: usize) -> Self {
        // SAFETY: an address that was a `NonNull`.
        Self { at: unsafe { NonNull::new_unchecked(ptr::with_exposed_provenance_mut(address)) } }
    }
}

impl Clone for RecordRef {
    #[inline]
    fn clone(&self) -> Self {
        bump(refs(self.at));
        Self { at: self.at }
    }
}

impl Drop for RecordRef {
    #[inline]
    fn drop(&mut self) {
        if release(refs(self.at)) {
            // SAFETY: the last reference is gone, and nothing of the record was freed before.
            unsafe { free(self.at) }
        }
    }
}

/// Counts one reference more. Relaxed is enough: whoever clones holds a reference already.
#[inline]
pub(crate) fn bump(refs: &AtomicU32) {
    // Leaked references could otherwise wrap the count around. As far below the end, no number of threads that are
    // just here can get it there.
    if refs.fetch_add(1, Ordering::Relaxed) > u32::MAX / 2 {
        std::process::abort();
    }
}

/// Counts one reference less; true when it was the last, and all that others did to the object has happened.
#[inline]
pub(crate) fn release(refs: &AtomicU32) -> bool {
    // A sole owner need not write the count at all.
    if refs.load(Ordering::Acquire) == 1 {
        return true;
    }
    if refs.fetch_sub(1, Ordering::Release) != 1 {
        return false;
    }
    fence(Ordering::Acquire);
    true
}

#[inline]
fn refs<'a>(at: NonNull<u8>) -> &'a AtomicU32 {
    // SAFETY: callers hold a reference to the record, so it lives (invariant 2), and the count is only reached through
    // atomics (4). The lifetime ends inside this module, within that of the reference.
    unsafe { &*at.as_ptr().add(REFS_AT).cast::<AtomicU32>() }
}

/// A borrowed record: what [`RecordRef`] derefs to, so to say, but no larger than a pointer.
#[derive(Clone, Copy)]
pub(crate) struct RecordPtr<'a> {
    at: NonNull<u8>,
    life: PhantomData<&'a RecordRef>,
}

// SAFETY: stands for `&RecordRef`.
unsafe impl Send for RecordPtr<'_> {}
// SAFETY: stands for `&RecordRef`.
unsafe impl Sync for RecordPtr<'_> {}

impl<'a> RecordPtr<'a> {
    /// # Safety
    ///
    /// `address` comes from [`RecordRef::into_address`], and that reference is not taken back during `'a`.
    #[inline]
    pub(crate) unsafe fn from_address(address: usize) -> Self {
        // SAFETY: an address that was a `NonNull`.
        let at = unsafe { NonNull::new_unchecked(ptr::with_exposed_provenance_mut(address)) };
        Self { at, life: PhantomData }
    }

    /// Counts a reference more and gives it.
    pub(crate) fn to_owned(self) -> RecordRef {
        bump(refs(self.at));
        RecordRef { at: self.at }
    }

    #[inline]
    fn word(self) -> &'a AtomicU32 {
        // SAFETY: the record lives during `'a`, and this field is only reached through atomics (4).
        unsafe { &*self.at.as_ptr().add(WORD_AT).cast::<AtomicU32>() }
    }

    #[inline]
    fn flags(self) -> u8 {
        self.word().load(Ordering::Relaxed) as u8
    }

    #[inline]
    fn key_len(self, flags: u8) -> usize {
        // SAFETY: the header has the fields that the flags name (1), and they don't change during `'a` (3).
        unsafe {
            let field = self.at.as_ptr().add(KEY_LEN_AT);
            if flags & LONG_KEY == 0 {
                usize::from(field.read())
            } else {
                field.cast::<u32>().read_unaligned() as usize
            }
        }
    }

    #[inline]
    fn value_len(self, flags: u8) -> usize {
        debug_assert!(!is_hung(flags));
        // SAFETY: as in `key_len`.
        unsafe {
            let field = self.at.as_ptr().add(KEY_LEN_AT + key_len_size(flags));
            if flags & LONG_VALUE == 0 {
                usize::from(field.read())
            } else {
                usize::from(field.cast::<u16>().read_unaligned())
            }
        }
    }

    #[inline]
    fn slice(self, from: usize, len: usize) -> &'a [u8] {
        // SAFETY: private, and called for the key and the inline value alone, whose extent the header gives; they are
        // not written during `'a` (3).
        unsafe { std::slice::from_raw_parts(self.at.as_ptr().add(from), len) }
    }

    #[inline]
    pub(crate) fn key(self) -> &'a [u8] {
        let flags = self.flags();
        self.slice(usize::from(KEY_AT[usize::from(flags)]), self.key_len(flags))
    }

    /// Whether this is the key. Compares short ones here instead of calling for it.
    #[inline]
    pub(crate) fn has_key(self, key: &[u8]) -> bool {
        let own = self.key();
        if own.len() != key.len() {
            return false;
        }
        match (own.first_chunk::<8>(), own.last_chunk::<8>(), key.first_chunk::<8>(), key.last_chunk::<8>()) {
            (Some(a), Some(b), Some(c), Some(d)) if own.len() <= 16 => {
                let differ = (u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*c))
                    | (u64::from_ne_bytes(*b) ^ u64::from_ne_bytes(*d));
                differ == 0
            }
            _ => own == key,
        }
    }

    /// The value when it is an inline string.
    #[inline]
    pub(crate) fn inline_str(self) -> Option<&'a [u8]> {
        let flags = self.flags();
        if flags & KIND_MASK != STRING { None } else { Some(self.inline_bytes(flags)) }
    }

    /// The value when it is bytes inside the record.
    #[inline]
    pub(crate) fn inline(self) -> Option<(Layout, &'a [u8])> {
        let flags = self.flags();
        if is_hung(flags) {
            return None;
        }
        Some((LAYOUTS[usize::from(flags & KIND_MASK)], self.inline_bytes(flags)))
    }

    #[inline]
    fn inline_bytes(self, flags: u8) -> &'a [u8] {
        let value_at = usize::from(KEY_AT[usize::from(flags)]) + self.key_len(flags);
        self.slice(value_at, self.value_len(flags))
    }

    /// The value when it hangs off the record.
    #[inline]
    pub(crate) fn object(self) -> Option<&'a Object> {
        // SAFETY: the record owns the object (5), keeps it during `'a`, and it is not written meanwhile (3).
        self.object_ptr().map(|object| unsafe { &*object })
    }

    /// Another reference to the value when it hangs off the record.
    pub(crate) fn share_object(self) -> Option<Arc<Object>> {
        self.object_ptr().map(|object| {
            // SAFETY: the pointer is one that `Arc::into_raw` gave, and what the record owns stays with it.
            let object = ManuallyDrop::new(unsafe { Arc::from_raw(object) });
            Arc::clone(&object)
        })
    }

    #[inline]
    fn object_ptr(self) -> Option<*const Object> {
        let flags = self.flags();
        if !is_hung(flags) {
            return None;
        }
        let value_at = usize::from(KEY_AT[usize::from(flags)]) + self.key_len(flags);
        // SAFETY: such a record ends in a pointer (5), perhaps unaligned.
        Some(unsafe { self.at.as_ptr().add(value_at).cast::<*const Object>().read_unaligned() })
    }

    #[inline]
    pub(crate) fn expiry(self) -> Option<u64> {
        let flags = self.flags();
        if flags & (EXPIRY_48 | EXPIRY_64) == 0 {
            return None;
        }
        let key_at = usize::from(KEY_AT[usize::from(flags)]);
        // SAFETY: such a header has an expiry of six or eight bytes just before the key (1).
        unsafe {
            if flags & EXPIRY_48 != 0 {
                let field = self.at.as_ptr().add(key_at - 6);
                let low = u64::from(field.cast::<u32>().read_unaligned());
                let high = u64::from(field.add(4).cast::<u16>().read_unaligned());
                Some(high << 32 | low)
            } else {
                Some(self.at.as_ptr().add(key_at - 8).cast::<u64>().read_unaligned())
            }
        }
    }

    pub(crate) fn kind(self) -> Kind {
        match self.object() {
            Some(object) => object.kind(),
            None => LAYOUTS[usize::from(self.flags() & KIND_MASK)].kind(),
        }
    }

    pub(crate) fn is_raw(self) -> bool {
        self.flags() & RAW != 0
    }

    #[inline]
    pub(crate) fn access(self) -> u32 {
        self.word().load(Ordering::Relaxed) >> 8
    }

    /// Sets the access word. A plain store is enough: the flags beside it are fixed while the record is borrowed, and
    /// of two access words stored at the same time either will do.
    #[inline]
    pub(crate) fn set_access(self, access: u32) {
        let old = self.word().load(Ordering::Relaxed);
        let new = access << 8 | old & 0xff;
        if new != old {
            self.word().store(new, Ordering::Relaxed);
        }
    }

    /// Bytes allocated for the record itself.
    pub(crate) fn allocated(self) -> usize {
        layout_of(self).size()
    }

    /// Asks for the first cache line of the record.
    #[inline]
    pub(crate) fn prefetch(self) {
        prefetch(self.at.as_ptr());
    }

    /// Asks for as much of the record as a key and a short value usually fill: two cache lines. The second one would
    /// otherwise be waited for when the value is copied.
    #[inline]
    pub(crate) fn prefetch_value(self) {
        const LINE: usize = 64;
        prefetch(self.at.as_ptr());
        prefetch(self.at.as_ptr().wrapping_add(LINE));
    }
}

/// A record that nobody else can see, borrowed for writing.
pub(crate) struct RecordMut<'a> {
    at: NonNull<u8>,
    life: PhantomData<&'a mut RecordRef>,
}

impl<'a> RecordMut<'a> {
    /// # Safety
    ///
    /// `at` is the record of a `RecordRef` (packed into a slot or not) that stays mutably borrowed during `'a`.
    #[inline]
    pub(crate) unsafe fn new(at: NonNull<u8>) -> Option<Self> {
        // Acquire: what others did to the record before they let go of it has happened.
        (refs(at).load(Ordering::Acquire) == 1).then_some(Self { at, life: PhantomData })
    }

    /// # Safety
    ///
    /// As for [`RecordMut::new`], with the address of the record.
    #[inline]
    pub(crate) unsafe fn from_address(address: usize) -> Option<Self> {
        // SAFETY: an address that was a `NonNull`; the rest is the caller's promise.
        unsafe { Self::new(NonNull::new_unchecked(ptr::with_exposed_provenance_mut(address))) }
    }

    /// The record for reading.
    #[inline]
    pub(crate) fn as_ptr(&self) -> RecordPtr<'_> {
        RecordPtr { at: self.at, life: PhantomData }
    }

    /// Replaces an inline string, and the expiry, in place. False, and nothing is done, when the new record would have
    /// another shape than the old one.
    #[inline]
    pub(crate) fn overwrite(&mut self, value: &[u8], expiry: Option<u64>) -> bool {
        let flags = self.as_ptr().flags();
        let long = if value.len() > usize::from(u8::MAX) { LONG_VALUE } else { 0 };
        let shape = flags & LONG_KEY | long | expiry_flag(expiry) | STRING;
        if flags & !RAW != shape || value.len() > INLINE_MAX {
            return false;
        }
        let value_at = usize::from(KEY_AT[usize::from(flags)]) + self.as_ptr().key_len(flags);
        let old_len = self.as_ptr().value_len(flags);
        if old_len != value.len() && size_class(value_at + old_len) != size_class(value_at + value.len()) {
            return false;
        }
        if flags != shape {
            self.set_flags(shape);
        }
        // SAFETY: nobody else sees the record (3); the header keeps its fields, the value ends within the same size
        // class (1), and `value` can't lie inside a record that is mutably borrowed.
        unsafe {
            let base = self.at.as_ptr();
            write_value_len(base, flags, value.len());
            write_expiry(base, flags, expiry);
            ptr::copy_nonoverlapping(value.as_ptr(), base.add(value_at), value.len());
        }
        true
    }

    /// Writes `bytes` into an inline string at `from`, which is at most the string's end, and makes it longer when
    /// needed. The string counts as built piecemeal. False, and nothing is done, when the record would have to move.
    pub(crate) fn splice(&mut self, from: usize, bytes: &[u8]) -> bool {
        let flags = self.as_ptr().flags();
        if flags & KIND_MASK != STRING {
            return false;
        }
        let value_at = usize::from(KEY_AT[usize::from(flags)]) + self.as_ptr().key_len(flags);
        let old_len = self.as_ptr().value_len(flags);
        let new_len = old_len.max(from.saturating_add(bytes.len()));
        let limit = if flags & LONG_VALUE == 0 { usize::from(u8::MAX) } else { INLINE_MAX };
        if from > old_len
            || new_len > limit
            || size_class(value_at + old_len) != size_class(value_at + new_len)
        {
            return false;
        }
        self.set_flags(flags | RAW);
        // SAFETY: as in `overwrite`; `from` is not past the old end, so no byte in between stays unwritten.
        unsafe {
            let base = self.at.as_ptr();
            write_value_len(base, flags, new_len);
            ptr::copy_nonoverlapping(bytes.as_ptr(), base.add(value_at + from), bytes.len());
        }
        true
    }

    /// Puts `with` into the place of a part of an inline value, whose layout stays. False, and nothing is done, when the record
    /// would have to move.
    ///
    /// # Panics
    ///
    /// When the range does not lie within the value.
    pub(crate) fn replace(&mut self, range: Range<usize>, with: &[u8]) -> bool {
        let flags = self.as_ptr().flags();
        if is_hung(flags) {
            return false;
        }
        let value_at = usize::from(KEY_AT[usize::from(flags)]) + self.as_ptr().key_len(flags);
        let old_len = self.as_ptr().value_len(flags);
        assert!(range.start <= range.end && range.end <= old_len, "the caller edits what is there");
        let new_len = old_len - range.len() + with.len();
        let limit = if flags & LONG_VALUE == 0 { usize::from(u8::MAX) } else { INLINE_MAX };
        if new_len > limit || size_class(value_at + old_len) != size_class(value_at + new_len) {
            return false;
        }
        // SAFETY: as in `overwrite`; what lies behind the range is moved within the old and the new length, and what the
        // range held is then covered by `with`.
        unsafe {
            let base = self.at.as_ptr();
            let value = base.add(value_at);
            write_value_len(base, flags, new_len);
            ptr::copy(value.add(range.end), value.add(range.start + with.len()), old_len - range.end);
            ptr::copy_nonoverlapping(with.as_ptr(), value.add(range.start), with.len());
        }
        true
    }

    /// Sets the expiry in place. False, and nothing is done, when its field would change its size.
    pub(crate) fn set_expiry(&mut self, expiry: Option<u64>) -> bool {
        let flags = self.as_ptr().flags();
        if flags & (EXPIRY_48 | EXPIRY_64) != expiry_flag(expiry) {
            return false;
        }
        // SAFETY: nobody else sees the record (3), and the field is there.
        unsafe { write_expiry(self.at.as_ptr(), flags, expiry) };
        true
    }

    /// The value that hangs off the record, for writing; a view that shares it keeps the old one.
    pub(crate) fn into_object_mut(self) -> Option<&'a mut Object> {
        let object = self.as_ptr().object_ptr()?;
        let flags = self.as_ptr().flags();
        let value_at = usize::from(KEY_AT[usize::from(flags)]) + self.as_ptr().key_len(flags);
        // SAFETY: the record owns the object (5) and is exclusively ours during `'a` (3), hence so is what the record
        // owns once `make_mut` has seen to it that it is the sole owner. If that replaces the object, the new pointer
        // takes the place of the one it released. Should cloning panic, the old pointer is still owned and in place.
        unsafe {
            let mut object = ManuallyDrop::new(Arc::from_raw(object));
            if !object.is_unique() {
                left_behind::note(object.bytes_cloned());
            }
            let unique: *mut Object = Arc::make_mut(&mut object);
            let field = self.at.as_ptr().add(value_at).cast::<*const Object>();
            field.write_unaligned(Arc::into_raw(ManuallyDrop::into_inner(object)));
            Some(&mut *unique)
        }
    }

    fn set_flags(&mut self, flags: u8) {
        let word = self.as_ptr().word();
        word.store(word.load(Ordering::Relaxed) & !0xff | u32::from(flags), Ordering::Relaxed);
    }
}

/// # Safety
///
/// `base` is a record with these flags, inline, that nobody else sees.
#[inline]
unsafe fn write_value_len(base: *mut u8, flags: u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let field = base.add(KEY_LEN_AT + key_len_size(flags));
        if flags & LONG_VALUE == 0 {
            field.write(len as u8);
        } else {
            field.cast::<u16>().write_unaligned(len as u16);
        }
    }
}

/// # Safety
///
/// `base` is a record with these flags that nobody else sees, and the flags fit the expiry.
#[inline]
unsafe fn write_expiry(base: *mut u8, flags: u8, expiry: Option<u64>) {
    let Some(at) = expiry else { return };
    let key_at = usize::from(KEY_AT[usize::from(flags)]);
    // SAFETY: the caller's promise.
    unsafe {
        if flags & EXPIRY_48 != 0 {
            let field = base.add(key_at - 6);
            field.cast::<u32>().write_unaligned(at as u32);
            field.add(4).cast::<u16>().write_unaligned((at >> 32) as u16);
        } else {
            base.add(key_at - 8).cast::<u64>().write_unaligned(at);
        }
    }
}

fn layout_for(size: usize) -> Allocation {
    Allocation::from_size_align(size_class(size), RECORD_ALIGN)
        .expect("a record is far smaller than the address space")
}

fn layout_of(record: RecordPtr<'_>) -> Allocation {
    let flags = record.flags();
    let value = if is_hung(flags) { size_of::<*const Object>() } else { record.value_len(flags) };
    layout_for(usize::from(KEY_AT[usize::from(flags)]) + record.key_len(flags) + value)
}

fn allocate(size: usize) -> NonNull<u8> {
    let layout = layout_for(size);
    // SAFETY: the size is not zero: a record has a header.
    let at = unsafe { alloc(layout) };
    NonNull::new(at).unwrap_or_else(|| handle_alloc_error(layout))
}

/// # Safety
///
/// The record at `at` has no reference left and was not freed.
unsafe fn free(at: NonNull<u8>) {
    let record = RecordPtr { at, life: PhantomData };
    if let Some(object) = record.object_ptr() {
        // SAFETY: the record owned it (5), and the record is gone after this.
        drop(unsafe { Arc::from_raw(object) });
    }
    let layout = layout_of(record);
    // SAFETY: allocated with this very layout (1).
    unsafe { dealloc(at.as_ptr(), layout) }
}

/// Asks for a cache line that is about to be read. Harmless whatever the pointer is.
#[inline]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint; it does not access memory in the sense of the language.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

#[cfg(test)]
mod tests;
