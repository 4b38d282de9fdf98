//! A push consumer: whether anything receives, heartbeats, and flow control (JC120 to JC126).

use super::pin::random_text;
use crate::jetstream::engine::time::Timestamp;
use crate::rng::Rng;
use crate::subject::Subject;
use std::time::Duration;

/// The first window of flow control.
const WINDOW: u64 = 2 << 20;
/// The largest one.
const WINDOW_MAX: u64 = 32 << 20;

/// The state of a push consumer.
#[derive(Debug)]
pub(crate) struct Push {
    pub(crate) to: Subject,
    pub(crate) is_bound: bool,
    /// The time of the next heartbeat; it goes on while nothing receives, without sending.
    pub(crate) next_heartbeat: Option<Timestamp>,
    flow: Option<Flow>,
}

#[derive(Debug)]
struct Flow {
    window: u64,
    /// Bytes that were sent and not asked for again.
    sent: u64,
    /// The reply subject of the request that is open, and the bytes that its answer takes off.
    open: Option<(Subject, u64)>,
}

impl Push {
    pub(crate) fn new(to: Subject, has_flow_control: bool, heartbeat: Duration, now: Timestamp) -> Self {
        let flow = has_flow_control.then_some(Flow { window: WINDOW, sent: 0, open: None });
        let next_heartbeat = (!heartbeat.is_zero()).then(|| now.after(heartbeat));
        Push { to, is_bound: false, next_heartbeat, flow }
    }

    /// Whether flow control holds messages back.
    pub(crate) fn is_stalled(&self) -> bool {
        self.flow.as_ref().is_some_and(|flow| flow.open.is_some() && flow.sent > flow.window)
    }

    /// The reply subject of the flow control request that is open.
    pub(crate) fn open_request(&self) -> Option<&Subject> {
        self.flow.as_ref().and_then(|flow| flow.open.as_ref()).map(|(reply, _)| reply)
    }

    /// Bytes went out; the reply subject of a flow control request that follows, if one does.
    pub(crate) fn sent(&mut self, bytes: u64, stream: &str, consumer: &str, rng: &Rng) -> Option<Subject> {
        let flow = self.flow.as_mut()?;
        flow.sent += bytes;
        if flow.sent <= flow.window / 2 || flow.open.is_some() {
            return None;
        }
        let text = format!("$JS.FC.{stream}.{consumer}.{}", random_text(rng, 4));
        let reply = Subject::unchecked(text.into());
        flow.open = Some((reply.clone(), flow.sent));
        Some(reply)
    }

    /// The receiver asks for more; `false` if that is not the answer to the request that is open.
    pub(crate) fn answered(&mut self, subject: &Subject) -> bool {
        let Some(flow) = &mut self.flow else { return false };
        let Some((_, bytes)) = flow.open.take_if(|(reply, _)| reply == subject) else { return false };
        flow.sent = flow.sent.saturating_sub(bytes);
        flow.window = (flow.window * 2).min(WINDOW_MAX);
        true
    }
}
