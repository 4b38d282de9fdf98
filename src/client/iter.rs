//! The stream and the iterators of a subscriber.

use super::subscriber::Subscriber;
use crate::delivery::WaiterKey;
use crate::message::Message;
use futures_core::Stream;
use futures_core::stream::FusedStream;
use std::fmt;
use std::iter::FusedIterator;
use std::pin::Pin;
use std::task::{Context, Poll};

impl Subscriber {
    /// A [`Stream`] that borrows the subscriber, so that several tasks can have one each, and the subscriber can still be asked and ended.
    ///
    /// # Example
    ///
    /// ```
    /// use futures_core::Stream;
    /// use postroom::Bus;
    /// use std::future::poll_fn;
    /// use std::pin::Pin;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let client = Bus::new().connect();
    /// let orders = client.subscribe("orders")?;
    /// client.publish("orders", "1")?;
    /// client.publish("orders", "2")?;
    /// let mut stream = orders.stream();
    /// let first = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await; // or by `next` of a `StreamExt`
    /// assert_eq!(first.unwrap().payload(), b"1");
    /// orders.unsubscribe();
    /// assert_eq!(poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await.unwrap().payload(), b"2");
    /// assert!(poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await.is_none());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn stream(&self) -> SubscriberStream<'_> {
        SubscriberStream { subscriber: self, key: WaiterKey::persistent(), is_elapsed: false }
    }

    /// Iterates over messages, blocking for each, until the subscription ends.
    pub fn iter(&self) -> Iter<'_> {
        Iter(self)
    }

    /// Iterates over what is queued now, without blocking.
    pub fn try_iter(&self) -> impl Iterator<Item = Message> + '_ {
        std::iter::from_fn(|| self.try_recv().ok())
    }
}

/// A stream of a subscriber's messages; made by [`Subscriber::stream`]. It ends when the subscription has ended and its queue is empty.
#[must_use = "a stream does nothing unless it is polled"]
pub struct SubscriberStream<'a> {
    subscriber: &'a Subscriber,
    key: WaiterKey,
    is_elapsed: bool,
}

impl Stream for SubscriberStream<'_> {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let SubscriberStream { subscriber, key, is_elapsed } = &mut *self;
        let found = subscriber.poll_recv(key, cx);
        *is_elapsed |= matches!(found, Poll::Ready(Err(_)));
        found.map(Result::ok)
    }
}

impl FusedStream for SubscriberStream<'_> {
    fn is_terminated(&self) -> bool {
        self.is_elapsed
    }
}

impl Drop for SubscriberStream<'_> {
    fn drop(&mut self) {
        self.subscriber.leave(&mut self.key);
    }
}

impl fmt::Debug for SubscriberStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SubscriberStream").field(self.subscriber).finish()
    }
}

/// A blocking iterator over a subscriber's messages; made by [`Subscriber::iter`].
#[derive(Debug)]
#[must_use = "an iterator does nothing unless it is asked for items"]
pub struct Iter<'a>(&'a Subscriber);

impl Iterator for Iter<'_> {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.0.recv().ok()
    }
}

impl FusedIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Subscriber {
    type Item = Message;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// A blocking iterator that owns its subscriber.
#[derive(Debug)]
#[must_use = "dropping it unsubscribes"]
pub struct IntoIter(Subscriber);

impl Iterator for IntoIter {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.0.recv().ok()
    }
}

impl FusedIterator for IntoIter {}

impl IntoIterator for Subscriber {
    type Item = Message;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter(self)
    }
}
