//! The options of a context: where its requests go, and how long they wait.

use std::time::Duration;

/// The options of a [`JetStream`](super::JetStream).
///
/// # Example
///
/// ```
/// use postroom::Bus;
/// use postroom::jetstream::{self, ContextOptions};
/// use std::time::Duration;
///
/// let options = ContextOptions::new().prefix("$JS.hub.API").timeout(Duration::from_secs(2));
/// let js = jetstream::with_options(Bus::new().connect(), options);
/// assert!(js.account_info().wait().unwrap_err().is_no_responders());
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ContextOptions {
    /// With its last dot.
    pub(super) prefix: String,
    pub(super) timeout: Option<Duration>,
}

impl ContextOptions {
    /// The prefix `$JS.API`, and the time limit of the bus's requests.
    pub fn new() -> Self {
        ContextOptions { prefix: "$JS.API.".to_owned(), timeout: None }
    }

    /// The prefix of the API's subjects, without a dot at its end; default `$JS.API`.
    pub fn prefix(mut self, prefix: impl AsRef<str>) -> Self {
        self.prefix = format!("{}.", prefix.as_ref().trim_end_matches('.'));
        self
    }

    /// The prefix of a domain, `$JS.<domain>.API` (JS6).
    pub fn domain(self, domain: impl AsRef<str>) -> Self {
        self.prefix(format!("$JS.{}.API", domain.as_ref()))
    }

    /// How long an operation waits for its response, on the bus's clock. Default: the bus's
    /// [`request_timeout`](crate::Limits::request_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl Default for ContextOptions {
    fn default() -> Self {
        ContextOptions::new()
    }
}
