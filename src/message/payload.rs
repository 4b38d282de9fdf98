//! The payload of a message.

use crate::user_code::{self, Reporter};
use bytes::{Bytes, BytesMut};
use std::borrow::Cow;
use std::sync::Arc;

/// A payload as it is handed to a publish: borrowed, or owned and then never copied.
///
/// | made from | becomes |
/// |---|---|
/// | `&[u8]`, `&[u8; N]`, `&str`, `&&str`, `&String`, `&Vec<u8>` | copied once per message, if a subscription matches it; inline up to [`Payload::INLINE_MAX`] bytes |
/// | `Vec<u8>`, `String`, `Box<[u8]>`, `Box<str>`, `Bytes`, `BytesMut` | moved, shared by all receivers, never copied |
/// | `Arc<[u8]>`, `Arc<str>` | shared with all receivers, never copied |
/// | [`Payload::from_static`] | referred to: no copy, no allocation, no count |
///
/// Size: 0 to [`Limits::max_payload`](crate::Limits::max_payload) bytes, headers included; an empty one is legal (S8).
///
/// # Example
///
/// ```
/// use postroom::Payload;
///
/// let borrowed = Payload::from("hello");
/// let owned = Payload::from(vec![1, 2, 3]);
/// assert_eq!((borrowed.len(), owned.as_slice()), (5, &[1, 2, 3][..]));
/// ```
#[derive(Clone, Debug)]
pub struct Payload<'a>(Source<'a>);

#[derive(Clone, Debug)]
enum Source<'a> {
    Borrowed(&'a [u8]),
    Owned(Bytes),
}

impl<'a> Payload<'a> {
    /// Bytes that a message holds itself, without an allocation, when they were borrowed.
    pub const INLINE_MAX: usize = Body::INLINE_MAX;

    /// Refers to bytes that live as long as the program: no copy is ever made.
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        Payload(Source::Owned(Bytes::from_static(bytes)))
    }

    /// The bytes: shared if they were given owned, else copied.
    ///
    /// # Example
    ///
    /// ```
    /// use bytes::Bytes;
    /// use postroom::Payload;
    ///
    /// assert_eq!(Payload::from("copied").into_bytes(), "copied");
    /// let owned = Bytes::from(vec![0; 64]);
    /// assert_eq!(Payload::from(owned.clone()).into_bytes().as_ptr(), owned.as_ptr());
    /// ```
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        match &mut self.0 {
            Source::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
            Source::Owned(bytes) => std::mem::take(bytes),
        }
    }

    /// No bytes.
    pub const fn empty() -> Self {
        Payload(Source::Borrowed(&[]))
    }

    /// Bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there are no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Source::Borrowed(bytes) => bytes,
            Source::Owned(bytes) => bytes,
        }
    }

    /// The payload of a message, to be published again.
    pub(crate) fn of(body: &'a Body) -> Self {
        match body {
            Body::Inline { .. } => Payload(Source::Borrowed(body.as_slice())),
            Body::Shared { bytes, .. } => Payload(Source::Owned(bytes.clone())),
        }
    }

    /// The payload inside a message. Taken out in place: moving the whole costs more than looking at it. `reporter` is that of the bus
    /// on which it is published.
    #[inline]
    pub(crate) fn take_body(&mut self, reporter: Reporter) -> Body {
        match &mut self.0 {
            Source::Borrowed(bytes) => Body::copied(bytes),
            Source::Owned(bytes) => Body::Shared { reporter, bytes: std::mem::take(bytes) },
        }
    }

    /// Whether its drop does nothing.
    pub(crate) fn owns_nothing(&self) -> bool {
        match &self.0 {
            Source::Borrowed(_) => true,
            Source::Owned(bytes) => bytes.is_empty(),
        }
    }

    /// Lets go of bytes that did not go into a message.
    pub(crate) fn release(&mut self, reporter: Reporter) {
        if let Source::Owned(bytes) = &mut self.0 {
            user_code::release(bytes, reporter);
        }
    }
}

/// The bytes in a message. An inline payload costs neither an allocation on the publishing thread nor a release on the
/// receiving one, which together cost more than the queue.
#[derive(Clone)]
pub(crate) enum Body {
    Inline {
        len: u8,
        bytes: Words,
    },
    /// The owner of the bytes may be a user's.
    Shared {
        reporter: Reporter,
        bytes: Bytes,
    },
}

impl Drop for Body {
    #[inline]
    fn drop(&mut self) {
        if let Body::Shared { reporter, bytes } = self {
            user_code::release(bytes, *reporter);
        }
    }
}

/// Bytes that begin at a word, so that moving a message moves them in whole pieces.
#[derive(Clone, Copy)]
#[repr(align(8))]
pub(crate) struct Words([u8; Body::INLINE_MAX]);

impl Body {
    pub(crate) const INLINE_MAX: usize = 32;

    #[inline]
    fn copied(bytes: &[u8]) -> Self {
        if bytes.len() > Self::INLINE_MAX {
            return Body::Shared { reporter: Reporter::default(), bytes: Bytes::copy_from_slice(bytes) };
        }
        Body::Inline { len: bytes.len() as u8, bytes: Words::of(bytes) }
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Body::Inline { len, bytes } => &bytes.0[..usize::from(*len)],
            Body::Shared { bytes, .. } => bytes,
        }
    }

    /// The bytes, of which it is empty from now on if they are shared.
    pub(crate) fn take_bytes(&mut self) -> Bytes {
        match self {
            Body::Inline { .. } => self.to_bytes(),
            Body::Shared { bytes, .. } => std::mem::take(bytes),
        }
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        match self {
            Body::Inline { .. } => Bytes::copy_from_slice(self.as_slice()),
            Body::Shared { bytes, .. } => bytes.clone(),
        }
    }
}

impl Words {
    /// Up to 32 bytes, and zeros. Goes through registers in steps of a fixed size: a call to copy a length that is known only at run
    /// time, and the wait for its piecemeal stores when they are read back whole, would cost a tenth of a publish.
    #[inline]
    fn of(bytes: &[u8]) -> Self {
        let (low, high) = match bytes.len() {
            0..=16 => (up_to_16(bytes), 0),
            len => (word16(bytes, 0), word16(bytes, len - 16) >> (8 * (32 - len))),
        };
        let mut words = [0; Body::INLINE_MAX];
        words[..16].copy_from_slice(&low.to_le_bytes());
        words[16..].copy_from_slice(&high.to_le_bytes());
        Words(words)
    }
}

/// At most 16 bytes as a number, the first byte the lowest. The last piece overlaps the one before it.
#[inline]
fn up_to_16(bytes: &[u8]) -> u128 {
    let len = bytes.len();
    match len {
        16 => word16(bytes, 0),
        8..=15 => word8(bytes, 0) | word8(bytes, len - 8) >> (8 * (16 - len)) << 64,
        4..=7 => word4(bytes, 0) | word4(bytes, len - 4) << (8 * (len - 4)),
        _ => bytes.iter().rev().fold(0, |number, &byte| number << 8 | u128::from(byte)),
    }
}

#[inline]
fn word4(bytes: &[u8], at: usize) -> u128 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")).into()
}

#[inline]
fn word8(bytes: &[u8], at: usize) -> u128 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes")).into()
}

#[inline]
fn word16(bytes: &[u8], at: usize) -> u128 {
    u128::from_le_bytes(bytes[at..at + 16].try_into().expect("sixteen bytes"))
}

macro_rules! borrowed {
    ($($from:ty => |$it:ident| $slice:expr),* $(,)?) => {$(
        impl<'a> From<&'a $from> for Payload<'a> {
            #[inline]
            fn from($it: &'a $from) -> Self {
                Payload(Source::Borrowed($slice))
            }
        }
    )*};
}

borrowed! {
    [u8] => |bytes| bytes,
    str => |text| text.as_bytes(),
    String => |text| text.as_bytes(),
    Vec<u8> => |bytes| bytes,
}

impl<'a> From<&'a &str> for Payload<'a> {
    #[inline]
    fn from(text: &'a &str) -> Self {
        Payload(Source::Borrowed(text.as_bytes()))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    #[inline]
    fn from(bytes: &'a [u8; N]) -> Self {
        Payload(Source::Borrowed(bytes))
    }
}

impl<const N: usize> From<[u8; N]> for Payload<'_> {
    fn from(bytes: [u8; N]) -> Self {
        Payload(Source::Owned(Bytes::copy_from_slice(&bytes)))
    }
}

macro_rules! owned {
    ($($from:ty),*) => {$(
        impl From<$from> for Payload<'_> {
            #[inline]
            fn from(bytes: $from) -> Self {
                Payload(Source::Owned(Bytes::from(bytes)))
            }
        }
    )*};
}

owned!(Vec<u8>, String, Box<[u8]>);

impl From<Bytes> for Payload<'_> {
    #[inline]
    fn from(bytes: Bytes) -> Self {
        Payload(Source::Owned(bytes))
    }
}

impl From<BytesMut> for Payload<'_> {
    fn from(bytes: BytesMut) -> Self {
        bytes.freeze().into()
    }
}

impl From<Box<str>> for Payload<'_> {
    fn from(text: Box<str>) -> Self {
        text.into_boxed_bytes().into()
    }
}

impl From<Arc<[u8]>> for Payload<'_> {
    fn from(bytes: Arc<[u8]>) -> Self {
        Bytes::from_owner(bytes).into()
    }
}

impl From<Arc<str>> for Payload<'_> {
    fn from(text: Arc<str>) -> Self {
        Arc::<[u8]>::from(text).into()
    }
}

impl From<&Bytes> for Payload<'_> {
    #[inline]
    fn from(bytes: &Bytes) -> Self {
        Payload(Source::Owned(bytes.clone()))
    }
}

impl From<()> for Payload<'_> {
    fn from((): ()) -> Self {
        Payload::empty()
    }
}

impl<'a> From<Cow<'a, [u8]>> for Payload<'a> {
    fn from(bytes: Cow<'a, [u8]>) -> Self {
        match bytes {
            Cow::Borrowed(bytes) => bytes.into(),
            Cow::Owned(bytes) => bytes.into(),
        }
    }
}

impl<'a> From<Cow<'a, str>> for Payload<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_no_larger_than_intended() {
        assert_eq!(size_of::<Body>(), 40);
    }

    #[test]
    fn owned_bytes_are_not_copied_and_borrowed_ones_go_inline_up_to_the_limit() {
        let vec = vec![7; 100];
        let at = vec.as_ptr();
        assert_eq!(Payload::from(vec).take_body(Reporter::default()).to_bytes().as_ptr(), at);
        for len in 0..=Body::INLINE_MAX + 1 {
            let bytes: Vec<u8> = (0..len as u8).collect();
            let body = Payload::from(&bytes).take_body(Reporter::default());
            assert_eq!(body.as_slice(), bytes);
            assert_eq!(matches!(body, Body::Inline { .. }), len <= Body::INLINE_MAX);
        }
    }
}
