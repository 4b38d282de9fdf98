//! The options of `/connz`: which connections are listed, and how.

use crate::server::monitor::MonitorError;
use crate::server::monitor::paging::Page;
use std::str::FromStr;

/// Which connections to list, in which order, and what to tell of each (M3).
///
/// # Example
///
/// ```
/// use postroom::server::{ConnState, ConnzOptions, ShowSubscriptions, SortBy};
///
/// let busiest = ConnzOptions::new().sort(SortBy::MsgsFrom).limit(10).subscriptions(ShowSubscriptions::List);
/// let gone = ConnzOptions::new().state(ConnState::Closed).sort(SortBy::Stop);
/// # let _ = (busiest, gone);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct ConnzOptions {
    pub(super) sort: SortBy,
    pub(super) auth: bool,
    pub(super) subscriptions: ShowSubscriptions,
    pub(super) page: Page,
    pub(super) cid: u64,
    pub(super) state: ConnState,
    pub(super) user: String,
    pub(super) account: String,
    pub(super) filter_subject: String,
    pub(in crate::server::monitor) mqtt_client: String,
}

impl ConnzOptions {
    /// The open connections by number, at most 1,024.
    pub fn new() -> Self {
        ConnzOptions::default()
    }

    /// The order. Default: by number.
    pub fn sort(mut self, sort: SortBy) -> Self {
        self.sort = sort;
        self
    }

    /// Whether to tell user and account. Default false.
    pub fn auth(mut self, shown: bool) -> Self {
        self.auth = shown;
        self
    }

    /// The details of each connection's subscriptions. Default: how many.
    pub fn subscriptions(mut self, shown: ShowSubscriptions) -> Self {
        self.subscriptions = shown;
        self
    }

    /// How many to leave away at the beginning. Default 0.
    pub fn offset(mut self, offset: usize) -> Self {
        self.page.offset = offset;
        self
    }

    /// How many to list at most; 0 means the default, 1,024.
    pub fn limit(mut self, limit: usize) -> Self {
        self.page.limit = limit;
        self
    }

    /// Only the connection with this number; 0 means all.
    pub fn cid(mut self, cid: u64) -> Self {
        self.cid = cid;
        self
    }

    /// Open or closed ones, or both. Default: open ones.
    pub fn state(mut self, state: ConnState) -> Self {
        self.state = state;
        self
    }

    /// Only those of this user; empty means all.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// Only those of this account; empty means all. All open ones are in `$G`; as in nats-server, closed ones are not found by
    /// that name.
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = account.into();
        self
    }

    /// Among the open connections, only those with a subscription that overlaps with this pattern; empty or `>` means
    /// all. Needs an account.
    pub fn filter_subject(mut self, pattern: impl Into<String>) -> Self {
        self.filter_subject = pattern.into();
        self
    }

    pub(super) fn wants_account(&self, name: &str) -> bool {
        self.account.is_empty() || self.account == name
    }

    /// There are no MQTT clients.
    pub(super) fn wants_user(&self, name: Option<&str>) -> bool {
        self.mqtt_client.is_empty() && (self.user.is_empty() || name == Some(&self.user))
    }
}

/// Open or closed connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnState {
    /// Those that are open.
    #[default]
    Open,
    /// The last 10,000 that were closed.
    Closed,
    /// Both.
    All,
}

/// How much to tell of subscriptions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShowSubscriptions {
    /// How many there are.
    #[default]
    Count,
    /// The subjects.
    List,
    /// All there is to know.
    Detail,
}

/// By what connections are sorted. As in nats-server the largest comes first, but for [`Cid`](SortBy::Cid),
/// [`Start`](SortBy::Start), [`Uptime`](SortBy::Uptime) and [`Reason`](SortBy::Reason).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SortBy {
    /// `cid`: the number.
    #[default]
    Cid,
    /// `start`: the same, as numbers are given in that order.
    Start,
    /// `subs`: how many subscriptions.
    Subs,
    /// `pending`: bytes that wait to be written.
    Pending,
    /// `msgs_to`: messages sent to it.
    MsgsTo,
    /// `msgs_from`: messages that came from it.
    MsgsFrom,
    /// `bytes_to`: bytes sent to it.
    BytesTo,
    /// `bytes_from`: bytes that came from it.
    BytesFrom,
    /// `last`: when it was last active.
    Last,
    /// `idle`: for how long it has not been active.
    Idle,
    /// `uptime`: how long it has been, or was, open.
    Uptime,
    /// `stop`: when it was closed.
    Stop,
    /// `reason`: why it was closed.
    Reason,
    /// `rtt`: the round trip time.
    Rtt,
}

/// From nats-server's words; an empty text is the default.
impl FromStr for SortBy {
    type Err = MonitorError;

    fn from_str(word: &str) -> Result<Self, MonitorError> {
        Ok(match word {
            "" | "cid" => SortBy::Cid,
            "start" => SortBy::Start,
            "subs" => SortBy::Subs,
            "pending" => SortBy::Pending,
            "msgs_to" => SortBy::MsgsTo,
            "msgs_from" => SortBy::MsgsFrom,
            "bytes_to" => SortBy::BytesTo,
            "bytes_from" => SortBy::BytesFrom,
            "last" => SortBy::Last,
            "idle" => SortBy::Idle,
            "uptime" => SortBy::Uptime,
            "stop" => SortBy::Stop,
            "reason" => SortBy::Reason,
            "rtt" => SortBy::Rtt,
            _ => return Err(MonitorError::SortOption(word.to_owned())),
        })
    }
}
