//! Events as texts for people.

use super::event::{Denied, Event, SlowConsumer};
use crate::id::ClientId;
use std::fmt;

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::SlowConsumer(episode) => episode.fmt(f),
            Event::SubscriptionClosed { subscription, reason } => write!(f, "{subscription} has ended: {reason}"),
            Event::CallbackPanicked { subscription, message } => {
                write!(f, "a callback of {subscription} panicked: {message}")
            }
            Event::UserCodePanicked { code, message } => write!(f, "{code} panicked: {message}"),
            Event::PermissionDenied { client, name, denied } => {
                named(f, *client, name.as_deref())?;
                write!(f, " may not {denied}")
            }
            Event::ClientClosed { client, name } => {
                named(f, *client, name.as_deref())?;
                f.write_str(" was closed")
            }
            Event::BusClosed => f.write_str("the bus was closed"),
        }
    }
}

fn named(f: &mut fmt::Formatter<'_>, client: ClientId, name: Option<&str>) -> fmt::Result {
    write!(f, "client {client}")?;
    name.map_or(Ok(()), |name| write!(f, " ({name})"))
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denied::Publish { subject } => write!(f, "publish to {subject:?}"),
            Denied::Reply { reply } => write!(f, "publish with reply {reply:?}"),
            Denied::Subscribe { pattern, queue: None } => write!(f, "subscribe to {pattern:?}"),
            Denied::Subscribe { pattern, queue: Some(queue) } => {
                write!(f, "subscribe to {pattern:?} in queue group {queue:?}")
            }
        }
    }
}

impl fmt::Display for SlowConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SlowConsumer { subscription, first, last, dropped, ended } = self;
        let so_far = if *ended { "" } else { " so far" };
        write!(f, "{subscription} is slow: {dropped} messages dropped{so_far}, first {first}")?;
        if *dropped > 1 { write!(f, ", last {last}") } else { Ok(()) }
    }
}
