//! Items for threads and tasks: the methods that all sequences of a context have.
//!
//! A sequence is a [`Stream`](futures_core::Stream), and becomes an iterator. It is not both at once: `next` would be ambiguous.

use std::fmt;
use std::iter::FusedIterator;

/// A sequence that can block a thread for its next item.
pub trait Items {
    /// An item.
    type Item;

    /// Blocks for the next item; `None` when nothing follows.
    fn next_blocking(&mut self) -> Option<Self::Item>;
}

/// A blocking iterator that owns its sequence: [`Batch`](super::Batch), [`Messages`](super::Messages), [`Ordered`](super::Ordered),
/// [`Pages`](super::Pages), or what a bucket gives, such as a [`Watch`](crate::jetstream::kv::Watch).
#[derive(Debug)]
#[must_use = "an iterator does nothing unless it is used"]
pub struct IntoIter<T>(pub(in crate::jetstream) T);

impl<T: Items> Iterator for IntoIter<T> {
    type Item = T::Item;

    fn next(&mut self) -> Option<T::Item> {
        self.0.next_blocking()
    }
}

impl<T: Items> FusedIterator for IntoIter<T> {}

/// A blocking iterator over a sequence.
pub(in crate::jetstream) struct Iter<'a, T>(pub(in crate::jetstream) &'a mut T);

impl<T: Items> Iterator for Iter<'_, T> {
    type Item = T::Item;

    fn next(&mut self) -> Option<T::Item> {
        self.0.next_blocking()
    }
}

impl<T: Items> FusedIterator for Iter<'_, T> {}

impl<T> fmt::Debug for Iter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Iter")
    }
}

/// The methods of a sequence that has [`Items`] and is a [`Stream`](futures_core::Stream).
macro_rules! items {
    ([$($generics:tt)*] $name:ty => $item:ty) => {
        #[allow(private_bounds, reason = "items and errors are those there are")]
        impl<$($generics)*> $name {
            /// Blocks this thread for the next item; `None` when nothing follows.
            pub fn recv(&mut self) -> Option<$item> {
                $crate::jetstream::context::items::Items::next_blocking(self)
            }

            /// As `recv`, without blocking a thread.
            ///
            /// # Cancel safety
            ///
            /// Dropping the future loses nothing.
            pub fn recv_async(&mut self) -> impl Future<Output = Option<$item>> + Unpin + '_ {
                std::future::poll_fn(|cx| futures_core::Stream::poll_next(Pin::new(&mut *self), cx))
            }

            /// Iterates over the items, blocking for each.
            pub fn iter(&mut self) -> impl std::iter::FusedIterator<Item = $item> + '_ {
                $crate::jetstream::context::items::Iter(self)
            }
        }

        #[allow(private_bounds, reason = "as above")]
        impl<$($generics)*> IntoIterator for $name {
            type Item = $item;
            type IntoIter = $crate::jetstream::context::items::IntoIter<Self>;

            fn into_iter(self) -> Self::IntoIter {
                $crate::jetstream::context::items::IntoIter(self)
            }
        }
    };
}

pub(in crate::jetstream) use items;
