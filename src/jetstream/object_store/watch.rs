//! The metadata of objects as it comes, and of all objects that are there (JO9).

use super::error::{InvalidInfo, WatchError};
use super::info::ObjectInfo;
use super::place;
use crate::jetstream::context::items::{Items, items};
use crate::jetstream::context::{JsMessage, MessagesError, Ordered};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

type Watched = Result<ObjectInfo, WatchError>;

fn read(received: Result<JsMessage, MessagesError>) -> Watched {
    let message = received?;
    let Some(time) = message.info().map(|info| info.published) else {
        return Err(InvalidInfo { words: "the delivery does not say its time".to_owned() }.into());
    };
    Ok(place::info_of(message.payload(), time)?)
}

/// Objects as they are put, changed and deleted: for threads `recv` or a `for` loop, for tasks a [`Stream`](futures_core::Stream). Made by
/// [`ObjectStore::watch`](super::ObjectStore::watch).
///
/// After an error of the messages nothing follows.
///
/// # Cancel safety
///
/// A task that is dropped between two objects loses nothing.
#[derive(Debug)]
#[must_use = "the objects are only to be had from it"]
pub struct Watch {
    ordered: Ordered,
}

impl Watch {
    pub(super) fn new(ordered: Ordered) -> Self {
        Watch { ordered }
    }

    /// Whether all that was there when it began has been shown. True at once if only changes are shown.
    pub fn is_current(&self) -> bool {
        self.ordered.is_current()
    }
}

/// The objects of a store that are there. Made by [`ObjectStore::list`](super::ObjectStore::list).
#[derive(Debug)]
#[must_use = "the objects are only to be had from it"]
pub struct List {
    ordered: Ordered,
}

impl List {
    pub(super) fn new(ordered: Ordered) -> Self {
        List { ordered }
    }
}

/// Whether a list shows it.
fn is_listed(watched: &Watched) -> bool {
    !matches!(watched, Ok(info) if info.deleted)
}

impl Items for Watch {
    type Item = Watched;

    fn next_blocking(&mut self) -> Option<Watched> {
        self.ordered.next_blocking_until(false).map(read)
    }
}

items!([] Watch => Watched);

impl futures_core::Stream for Watch {
    type Item = Watched;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Watched>> {
        self.ordered.poll_next_until(false, cx).map(|received| received.map(read))
    }
}

impl Items for List {
    type Item = Watched;

    fn next_blocking(&mut self) -> Option<Watched> {
        std::iter::from_fn(|| self.ordered.next_blocking_until(true)).map(read).find(is_listed)
    }
}

items!([] List => Watched);

impl futures_core::Stream for List {
    type Item = Watched;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Watched>> {
        loop {
            let Poll::Ready(received) = self.ordered.poll_next_until(true, cx) else { return Poll::Pending };
            let watched = received.map(read);
            if watched.as_ref().is_none_or(is_listed) {
                return Poll::Ready(watched);
            }
        }
    }
}
