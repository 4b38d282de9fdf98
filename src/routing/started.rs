//! A publish that was started in a task: its copies are tried again whenever the task is polled.

use super::calls::call_all;
use super::context::Context;
use super::loss::Outcome;
use super::no_responders::notify_no_responders;
use super::waiting::WaitingPublisher;
use std::task::Poll;

/// Tries the copies that wait, and takes those out that need not wait any longer. Gives back how many were accepted, and whether the message
/// was for one of the subscriptions that these were for.
pub(crate) fn poll_waiting(
    cx: Context<'_>,
    waiting: &mut Vec<WaitingPublisher>,
    task: &mut std::task::Context<'_>,
) -> (usize, bool) {
    let (mut accepted, mut matched) = (0, false);
    let (mut calls, mut none) = (Vec::new(), Vec::new());
    waiting.retain_mut(|copy| match copy.poll_counted(cx, task, &mut calls) {
        Poll::Pending => true,
        Poll::Ready((outcome, unmatched)) => {
            accepted += (outcome == Outcome::Accepted) as usize;
            matched |= outcome != Outcome::Gone;
            none.extend(unmatched);
            false
        }
    });
    // Last, as after a publish: a callback may publish to the same subscribers.
    if !calls.is_empty() {
        call_all(cx, None, calls);
    }
    for unmatched in none {
        notify_no_responders(cx, &unmatched.routed, unmatched.reply.as_ref());
    }
    (accepted, matched)
}
