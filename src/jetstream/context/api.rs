//! The way to the API: the client, the prefix of its subjects, the time limit.

use super::options::ContextOptions;
use crate::future::RequestFuture;
use crate::jetstream::json::read::{Fatal, Reader};
use crate::jetstream::json::response::Fields;
use crate::jetstream::json::write::Object;
use crate::{Client, Payload, RequestOptions};
use std::sync::Arc;
use std::time::Duration;

/// Where requests go. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Api {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    prefix: String,
    timeout: Option<Duration>,
}

impl Api {
    pub(super) fn new(client: Client, options: ContextOptions) -> Self {
        let ContextOptions { prefix, timeout } = options;
        Api { inner: Arc::new(Inner { client, prefix, timeout }) }
    }

    pub(super) fn client(&self) -> &Client {
        &self.inner.client
    }

    /// How long an operation waits for its response.
    pub(super) fn timeout(&self) -> Duration {
        self.inner.timeout.unwrap_or_else(|| self.inner.client.bus().limits().request_timeout)
    }

    /// The prefix of its subjects, with its last dot.
    pub(super) fn prefix(&self) -> &str {
        &self.inner.prefix
    }

    /// The subject of a call.
    pub(super) fn subject_of(&self, call: &str) -> String {
        [&self.inner.prefix, call].concat()
    }

    /// Sends a request.
    pub(super) fn request<'a>(&self, call: &str, body: impl Into<Payload<'a>>) -> RequestFuture {
        self.inner.client.request_with_async(self.subject_of(call), body, self.request_options())
    }

    pub(super) fn request_options(&self) -> RequestOptions {
        let options = RequestOptions::new();
        match self.inner.timeout {
            Some(timeout) => options.timeout(timeout),
            None => options,
        }
    }
}

/// The body of a request.
pub(super) fn body(write: impl FnOnce(&mut Object<'_>)) -> String {
    let mut body = String::new();
    write(&mut Object::new(&mut body));
    body
}

/// A response that says nothing but that all went well.
#[derive(Debug, Default)]
pub(super) struct Done;

impl Fields for Done {
    const KEYS: &'static [&'static str] = &[];

    fn field(&mut self, _: &'static str, from: &mut Reader<'_>) -> Result<(), Fatal> {
        from.raw();
        Ok(())
    }
}
