//! The subscriptions of pull requests, each of which ends when the requests have got all that they asked for.
//!
//! Requests with the same reply subject share one subscription: their messages keep the order in which the server sent them.

use super::incoming;
use super::pull::Pull;
use super::reply::AGE_MAX;
use super::server_link::{ConnectionLost, ServerLink};
use crate::sync::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::{AbortHandle, unconstrained};

/// Reply subjects whose messages are waited for. If there are more, those go that came first.
const PULLS_MAX: usize = 4_096;

/// Where the server says how many messages of a pull request are not sent.
const PENDING: &str = "Nats-Pending-Messages";

/// The pull requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    /// By the reply subject on the bus.
    open: HashMap<String, OpenPull>,
    number: u64,
}

#[derive(Debug)]
struct OpenPull {
    number: u64,
    /// The reply subject on the server.
    reply: String,
    outstanding: Arc<Mutex<Outstanding>>,
    task: AbortHandle,
}

/// What the server still owes.
#[derive(Debug)]
struct Outstanding {
    requests: u64,
    messages: u64,
}

impl Outstanding {
    fn of(pull: &Pull) -> Self {
        Outstanding { requests: 1, messages: pull.messages.unwrap_or(u64::MAX) }
    }

    /// Adds a request, unless the subscription has ended.
    fn add(&mut self, pull: &Pull) -> bool {
        if self.is_over() {
            return false;
        }
        self.requests += 1;
        self.messages = self.messages.saturating_add(pull.messages.unwrap_or(u64::MAX));
        true
    }

    /// Takes note of a message with this status, and the number of messages that it says are not sent.
    fn take(&mut self, status: Option<u16>, pending: Option<u64>) {
        match (status, pending) {
            (None, _) => self.messages = self.messages.saturating_sub(1),
            // A heartbeat.
            (Some(100), _) => {}
            (Some(_), Some(pending)) if self.messages != u64::MAX => {
                self.messages = self.messages.saturating_sub(pending);
                self.requests = self.requests.saturating_sub(1);
            }
            (Some(_), _) => self.requests = self.requests.saturating_sub(1),
        }
    }

    fn is_over(&self) -> bool {
        self.requests == 0 || self.messages == 0
    }

    fn end(&mut self) {
        self.requests = 0;
    }
}

impl Pulls {
    /// Subscribes to the messages of a request that is to be sent next. Gives its reply subject on the server.
    pub(super) async fn begin(&mut self, link: &Arc<ServerLink>, pull: Pull) -> Result<String, ConnectionLost> {
        if let Some(open) = self.open.get(&pull.bus_reply)
            && !open.task.is_finished()
            && open.outstanding.lock().add(&pull)
        {
            // Known by the first one's name.
            link.core.called.close(&pull.token);
            return Ok(open.reply.clone());
        }
        self.make_room();
        let reply = format!("{}.{}", link.inbox(), pull.reply());
        let subscriber = link.subscribe(reply.clone()).await?;
        let outstanding = Arc::new(Mutex::new(Outstanding::of(&pull)));
        // Without a budget for the reason that rules have.
        let receive = receive(link.clone(), pull.token, outstanding.clone(), subscriber);
        let task = tokio::spawn(unconstrained(receive)).abort_handle();
        self.number += 1;
        let open = OpenPull { number: self.number, reply: reply.clone(), outstanding, task };
        self.open.insert(pull.bus_reply, open);
        Ok(reply)
    }

    /// Forgets those that have ended, once there are many, and ends the oldest if there are too many others.
    fn make_room(&mut self) {
        if self.open.len() < 2 * PULLS_MAX {
            return;
        }
        self.open.retain(|_, open| !open.task.is_finished());
        let mut numbers: Vec<u64> = self.open.values().map(|open| open.number).collect();
        numbers.sort_unstable();
        if let Some(&first) = numbers.iter().rev().nth(PULLS_MAX - 1) {
            self.open.retain(|_, open| {
                if open.number < first {
                    // The drop of its subscriber ends the subscription on the server.
                    open.task.abort();
                }
                open.number >= first
            });
        }
    }
}

/// Passes the messages on to the requester, until all have come, statuses say that no more do, or there was none for a long time.
async fn receive(
    link: Arc<ServerLink>,
    token: String,
    outstanding: Arc<Mutex<Outstanding>>,
    mut subscriber: async_nats::Subscriber,
) {
    loop {
        let message = tokio::select! {
            message = incoming::next(&mut subscriber) => message,
            () = link.core.bus.sleep(AGE_MAX) => None,
        };
        let Some(message) = message else { break };
        let pending = message.headers.as_ref().and_then(|headers| headers.get(PENDING));
        let pending = pending.and_then(|pending| pending.as_str().parse().ok());
        let is_taken = incoming::take_response(&link, &token, &message);
        let mut outstanding = outstanding.lock();
        outstanding.take(message.status.map(|status| status.as_u16()), pending);
        if !is_taken || outstanding.is_over() {
            break;
        }
    }
    outstanding.lock().end();
    link.core.called.close(&token);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(messages: Option<u64>) -> Pull {
        Pull { token: "1-1".to_owned(), bus_reply: "r".to_owned(), messages }
    }

    #[test]
    fn a_subscription_ends_with_the_last_message_or_the_last_status() {
        let mut one = Outstanding::of(&pull(Some(2)));
        one.take(None, None);
        one.take(Some(100), None);
        assert!(!one.is_over());
        one.take(None, None);
        assert!(one.is_over() && !one.add(&pull(Some(1))));

        let mut two = Outstanding::of(&pull(Some(4)));
        assert!(two.add(&pull(Some(100))));
        (0..10).for_each(|_| two.take(None, None));
        two.take(Some(408), Some(94));
        assert!(two.is_over());

        let mut unknown = Outstanding::of(&pull(None));
        unknown.add(&pull(Some(1)));
        unknown.take(Some(408), Some(1));
        assert!(!unknown.is_over());
        unknown.take(Some(404), None);
        assert!(unknown.is_over());
    }
}
