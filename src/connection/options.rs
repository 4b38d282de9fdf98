//! The options of a connection.

use crate::account::Permissions;
use crate::subject::Subject;
use smol_str::SmolStr;
use std::fmt;
use std::sync::Arc;

/// The options of a connection: its permissions and its behaviour.
///
/// # Example
///
/// ```
/// use postroom::{Bus, ConnectOptions};
///
/// let bus = Bus::new();
/// let client = bus.connect_with(ConnectOptions::new().name("billing").no_echo(true));
/// let own = client.subscribe("a")?;
/// assert_eq!(client.publish("a", "not to myself")?, 0);
/// # drop(own);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ConnectOptions {
    pub(crate) name: Option<String>,
    pub(crate) no_echo: bool,
    pub(crate) no_responders: bool,
    pub(crate) lenient: bool,
    pub(super) reserved: bool,
    pub(crate) untracked: bool,
    pub(crate) inbox_prefix: Subject,
    pub(crate) permissions: Option<Permissions>,
    pub(crate) on_kick: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl ConnectOptions {
    /// No name, own messages received, no responders announced, all that is published checked, inboxes under `_INBOX`.
    pub fn new() -> Self {
        ConnectOptions {
            name: None,
            no_echo: false,
            no_responders: true,
            lenient: false,
            reserved: false,
            untracked: false,
            inbox_prefix: Subject::from_smol(SmolStr::new_static("_INBOX")),
            permissions: None,
            on_kick: None,
        }
    }

    /// A name for statistics and events.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Whether the connection's own subscriptions do not get what it publishes (C25). Default false.
    pub fn no_echo(mut self, no_echo: bool) -> Self {
        self.no_echo = no_echo;
        self
    }

    /// Whether a message with a reply that reaches no subscriber is answered with a 503 at once (R2). Default true; without it a
    /// request that has no responder waits until its time is up.
    pub fn no_responders(mut self, announced: bool) -> Self {
        self.no_responders = announced;
        self
    }

    /// Whether what is published is checked as little as nats-server checks it for a client that does not ask for more (S5 to S7).
    /// Default false.
    ///
    /// | what | may be |
    /// |---|---|
    /// | a subject to publish on | any text; a `*` or `>` token is plain text that only a wildcard matches, and with an empty token it reaches no subscriber |
    /// | a reply | any text |
    /// | a header block, with [`Client::publish_raw`](crate::Client::publish_raw) | any bytes; they are passed on untouched (H2) |
    /// | a pattern to subscribe to | no more than without this: it is checked as for any other connection (S4) |
    ///
    /// "Any text" has at least one byte and no space, tab, CR and LF, which would end an argument on the wire. This is for parts of
    /// a program that bring messages from elsewhere, such as a server for real NATS clients. Without it, text that breaks the
    /// grammar is a typed error.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::{Bus, ConnectOptions};
    ///
    /// let bus = Bus::new();
    /// let all = bus.connect().subscribe(">")?;
    /// let lenient = bus.connect_with(ConnectOptions::new().lenient(true));
    /// assert_eq!(lenient.publish("orders.*", "")?, 1); // reaches `>` and `orders.*`, not `orders.eu`
    /// assert_eq!(lenient.publish("orders..eu", "")?, 0); // reaches nobody
    /// assert_eq!(all.recv()?.subject(), "orders.*");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn lenient(mut self, lenient: bool) -> Self {
        self.lenient = lenient;
        self
    }

    /// Whether a lenient connection may use the subjects and replies that nats-server keeps for itself (S9, S10): for parts of a program that
    /// speak in the server's place, as JetStream does. Default false. Other connections may use them in any case.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::{Bus, ConnectOptions, Subject};
    /// use postroom::publish::RawMessage;
    ///
    /// let bus = Bus::new();
    /// let inbox = bus.connect().subscribe("inbox.7")?;
    /// let lenient = ConnectOptions::new().lenient(true);
    /// let stored = Subject::new("orders.eu")?;
    /// let delivery = RawMessage::new("inbox.7", "hello").shown_as(&stored).reply("$JS.ACK.ORDERS.worker.1.1.1.0.0");
    ///
    /// assert!(bus.connect_with(lenient.clone()).publish_raw(delivery.clone()).is_err());
    /// bus.connect_with(lenient.reserved(true)).publish_raw(delivery)?;
    /// assert_eq!(inbox.recv()?.subject(), "orders.eu");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn reserved(mut self, reserved: bool) -> Self {
        self.reserved = reserved;
        self
    }

    /// The subjects that it may publish and subscribe to (P2). Default: everything.
    /// [`Client::set_permissions`](crate::Client::set_permissions) changes it.
    ///
    /// Requests need an inbox: with an allow list for subscriptions, it has to cover `<prefix>.<name>.*`, for which an entry such as
    /// `_INBOX.>` will do.
    pub fn permissions(mut self, permissions: Permissions) -> Self {
        self.permissions = Some(permissions);
        self
    }

    /// Whether what this connection has received does not count as activity ([`Activity`](crate::activity::Activity)): for the test itself, which
    /// takes its time with what it got. Default false. On a bus that is not observed it changes nothing.
    pub fn untracked(mut self, untracked: bool) -> Self {
        self.untracked = untracked;
        self
    }

    /// The hook that [`Bus::kick`](crate::Bus::kick) calls for this connection: for parts of a program that hold it on behalf of
    /// another, such as a server for real NATS clients, which closes their socket then. Called on the thread that kicks, with no
    /// lock held.
    pub fn on_kick(mut self, cut: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_kick = Some(Arc::new(cut));
        self
    }

    /// The prefix of inboxes, instead of `_INBOX` (R7).
    pub fn inbox_prefix(mut self, prefix: Subject) -> Self {
        self.inbox_prefix = prefix;
        self
    }
}

impl Default for ConnectOptions {
    fn default() -> Self {
        ConnectOptions::new()
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("name", &self.name)
            .field("no_echo", &self.no_echo)
            .field("no_responders", &self.no_responders)
            .field("lenient", &self.lenient)
            .field("reserved", &self.reserved)
            .field("untracked", &self.untracked)
            .field("inbox_prefix", &self.inbox_prefix)
            .field("permissions", &self.permissions)
            .field("on_kick", &self.on_kick.is_some())
            .finish()
    }
}
