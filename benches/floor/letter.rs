//! The message of the floor's channels, the source of payloads, and the count that proves that no message was
//! lost.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;

/// The subject both sides send to, unless a workload needs more than one.
pub(crate) const SUBJECT: &str = "a.b.c";

/// The `'static` payload of `pair_static`.
pub(crate) static STATIC_PAYLOAD: [u8; 16] = *b"\x01\0\0\0\0\0\0\0 letters";

/// Stands for a header block; the floor never fills it, but its slot pays for the pointer.
pub(crate) type Headers = Vec<(Bytes, Bytes)>;

/// The same fields a message of the bus has, in the plainest form: this is all the floor carries.
#[derive(Clone)]
pub(crate) struct Letter {
    pub(crate) subject: Bytes,
    pub(crate) reply: Option<Bytes>,
    pub(crate) headers: Option<Arc<Headers>>,
    pub(crate) payload: Bytes,
}

impl Letter {
    /// A letter to [`SUBJECT`] without reply and headers.
    #[inline]
    pub(crate) fn new(payload: Bytes) -> Self {
        Self { subject: Bytes::from_static(SUBJECT.as_bytes()), reply: None, headers: None, payload }
    }

    /// A letter whose payload is copied, because its source will have changed before it is read.
    #[inline]
    pub(crate) fn copied(payload: &[u8]) -> Self {
        Self::new(Bytes::copy_from_slice(payload))
    }

    /// The number in the payload, which a receiver looks at. The rest is made opaque, or it might never be
    /// written.
    #[inline]
    pub(crate) fn read(&self) -> u64 {
        let letter = black_box(self);
        debug_assert!(letter.reply.is_none() && letter.headers.is_none() && !letter.subject.is_empty());
        stamp(&letter.payload)
    }
}

/// A buffer that is different for every message, so that whoever keeps the payload has to copy it.
pub(crate) struct Source<const N: usize> {
    buffer: [u8; N],
    next: u64,
}

impl<const N: usize> Source<N> {
    pub(crate) fn new() -> Self {
        Self { buffer: [0x5a; N], next: 0 }
    }

    /// The next payload. It starts with its own number, little-endian.
    #[inline]
    pub(crate) fn next(&mut self) -> &[u8] {
        self.buffer[..8].copy_from_slice(&self.next.to_le_bytes());
        self.next += 1;
        // Opaque, or the optimiser might see through the copy and build the bytes at their destination.
        black_box(&self.buffer)
    }

    /// The sum that has to arrive if each payload was received `copies` times.
    pub(crate) fn expected(&self, copies: u64) -> Tally {
        let sum = (0..self.next).fold(0_u64, |sum, number| sum.wrapping_add(number));
        Tally { count: self.next * copies, sum: sum.wrapping_mul(copies) }
    }
}

/// The number a payload starts with.
#[inline]
pub(crate) fn stamp(payload: &[u8]) -> u64 {
    u64::from_le_bytes(payload[..8].try_into().expect("a payload has at least eight bytes"))
}

/// How many messages were received, and the sum of their numbers: a lost one cannot hide behind a doubled one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    count: u64,
    sum: u64,
}

impl Tally {
    /// Counts a message by the number it carried.
    #[inline]
    pub(crate) fn take(&mut self, stamp: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(stamp);
    }

    /// How many were counted so far.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The sum of `count` copies of [`STATIC_PAYLOAD`].
    pub(crate) fn of_static(count: u64) -> Self {
        Self { count, sum: count.wrapping_mul(stamp(&STATIC_PAYLOAD)) }
    }

    /// A measurement of work that was not done is worth nothing: stop the whole run.
    #[track_caller]
    pub(crate) fn check(self, expected: Self) {
        assert_eq!(self, expected, "messages were lost, doubled or mixed up");
    }
}
