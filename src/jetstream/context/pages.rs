//! Lists that come page by page.

use super::api::{Api, body};
use super::call::Call;
use super::error::Operation;
use super::items::{Items, items};
use crate::jetstream::json::read::{Fatal, Reader};
use crate::jetstream::json::response::Fields;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// An item of a list.
pub(super) trait Item: Default + Send + Sync + 'static {
    fn read(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal>;
}

/// One page, and how many items there are on all of them.
pub(super) struct Page<T> {
    total: usize,
    items: Option<Vec<T>>,
}

impl<T> Page<T> {
    pub(super) fn into_first(self) -> Option<T> {
        self.items.and_then(|items| items.into_iter().next())
    }
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Page { total: 0, items: None }
    }
}

impl<T: Item> Fields for Page<T> {
    const KEYS: &'static [&'static str] = &["total", "streams", "consumers"];

    fn field(&mut self, key: &'static str, from: &mut Reader<'_>) -> Result<(), Fatal> {
        match key {
            "total" => from.integer("int", &mut self.total),
            _ => from.list("list", &mut self.items, |reader, item| item.read(reader)),
        }
    }
}

/// A list that comes page by page: for threads `recv` or a `for` loop, for tasks a [`Stream`](futures_core::Stream).
///
/// The first page was asked for when the list was; each other one is when the one before has come. After an error the list ends. What
/// comes or goes between two pages may be missing or twice.
///
/// # Cancel safety
///
/// Dropping it gives up what was not taken. A task that is dropped between two items loses nothing.
#[must_use = "the items are only to be had from it"]
pub struct Pages<T, E> {
    api: Api,
    /// The call of the API, without the prefix.
    call: String,
    /// Which streams are listed; an empty text is all.
    subject: String,
    items: VecDeque<T>,
    /// Items that came so far.
    taken: usize,
    pending: Option<Call<Page<T>, E>>,
}

#[expect(private_bounds, reason = "the items and errors are those of the lists there are")]
impl<T: Item, E: Operation + 'static> Pages<T, E> {
    pub(super) fn new(api: Api, call: String, subject: String) -> Self {
        let mut pages = Pages { api, call, subject, items: VecDeque::new(), taken: 0, pending: None };
        pages.pending = Some(pages.request());
        pages
    }

    fn request(&self) -> Call<Page<T>, E> {
        let body = body(|object| {
            object.plain("offset", self.taken);
            object.some_text("subject", &self.subject);
        });
        Call::of(self.api.request(&self.call, body), Ok)
    }

    /// Takes a page, and asks for the next one if there is one.
    fn accept(&mut self, page: Result<Page<T>, E>) -> Result<(), E> {
        self.pending = None;
        let Page { total, items } = page?;
        let items = items.unwrap_or_default();
        let is_last = items.is_empty() || self.taken + items.len() >= total;
        self.taken += items.len();
        self.items.extend(items);
        if !is_last {
            self.pending = Some(self.request());
        }
        Ok(())
    }
}

impl<T: Item, E: Operation + 'static> Items for Pages<T, E> {
    type Item = Result<T, E>;

    fn next_blocking(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Some(Ok(item));
            }
            let page = self.pending.take()?.wait();
            if let Err(error) = self.accept(page) {
                return Some(Err(error));
            }
        }
    }
}

items!([T: Item + Unpin, E: Operation + 'static] Pages<T, E> => Result<T, E>);

impl<T: Item + Unpin, E: Operation + 'static> futures_core::Stream for Pages<T, E> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Poll::Ready(Some(Ok(item)));
            }
            let Some(pending) = &mut self.pending else { return Poll::Ready(None) };
            let Poll::Ready(page) = Pin::new(pending).poll(cx) else { return Poll::Pending };
            if let Err(error) = self.accept(page) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

impl<T, E> Unpin for Pages<T, E> {}

impl<T, E> fmt::Debug for Pages<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("call", &self.call).field("taken", &self.taken).finish_non_exhaustive()
    }
}

impl Item for String {
    fn read(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        from.text(self)
    }
}
