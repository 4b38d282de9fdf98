//! Events as texts for people.

use super::event::{BridgeEvent, Direction, LossEpisode};
use super::state::BridgeState;
use std::fmt;

impl fmt::Display for BridgeEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BridgeEvent::Connected { server, .. } => write!(f, "connected to {server}"),
            BridgeEvent::Disconnected => f.write_str("the connection was lost"),
            BridgeEvent::ConnectFailed { reason, attempts } => {
                write!(f, "no server could be reached in {attempts} attempts: {reason}")
            }
            BridgeEvent::Lost(episode) => episode.fmt(f),
            BridgeEvent::Denied { subscribe, subject } => {
                let operation = if *subscribe { "subscribe" } else { "publish" };
                write!(f, "the server does not allow to {operation} to {subject:?}")
            }
            BridgeEvent::ServerError { text } => write!(f, "the server reports an error: {text}"),
            BridgeEvent::Unconfirmable => f.write_str("the server can't confirm what it got"),
            BridgeEvent::Closed => f.write_str("the bridge was closed"),
        }
    }
}

impl fmt::Display for LossEpisode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LossEpisode { direction, reason, first, count, ended, .. } = self;
        let so_far = if *ended { "" } else { " so far" };
        write!(f, "{count} {direction} messages lost{so_far}: {reason}; first on {:?}", first.subject)
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Outgoing => "outgoing",
            Direction::Incoming => "incoming",
        })
    }
}

impl fmt::Display for BridgeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, reason) = match self {
            BridgeState::Connecting { reason } => ("connecting", reason),
            BridgeState::Connected { server, .. } => return write!(f, "connected to {server}"),
            BridgeState::Disconnected { reason } => ("disconnected", reason),
            BridgeState::Closed => return f.write_str("closed"),
        };
        f.write_str(state)?;
        reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}
