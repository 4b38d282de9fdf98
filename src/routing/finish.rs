//! Deferred actions, carried out once no lock is held: wake-ups, full queues, callbacks.

use super::backpressure::apply_overflow;
use super::calls::{call_all, call_soon};
use super::context::Context;
use super::deferred::{Action, Deferred};
use super::follow_up::follow_up;
use super::loss::{Outcome, disconnected};
use super::retry::report_panic;
use super::waiting::WaitingPublisher;
use crate::delivery::Envelope;

/// The outcome of the deferred actions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Finished {
    /// Copies that were accepted in the end.
    pub(super) accepted: usize,
    /// Some copies were meant for a subscription and were lost.
    pub(super) lost: bool,
    /// Some wait for room.
    pub(super) waits: bool,
}

/// Carries the actions out. Copies that are to wait for room are left in `waiting`, or waited for if that is `None`.
///
/// Full queues come before callbacks: a callback may publish to the same subscriber, and must not overtake.
#[cold]
#[inline(never)]
pub(super) fn finish(
    cx: Context<'_>,
    mut deferred: Deferred,
    had: usize,
    envelope: &Envelope<'_>,
    mut waiting: Option<&mut Vec<WaitingPublisher>>,
) -> Finished {
    if let (Some(Action::Run(..)), true) = (&deferred.first, deferred.more.is_empty()) {
        if let Some(Action::Run(subscription, message)) = deferred.first.take() {
            call_soon(cx, subscription, message);
        }
        return Finished::default();
    }
    if !deferred.is_mixed {
        call_all(cx, deferred.first, deferred.more);
        return Finished::default();
    }
    let (account, services) = (cx.account(), cx.services());
    let (mut calls, mut full) = (Vec::new(), Vec::new());
    let (mut accepted, mut routed, mut delayed) = (0, 0, 0);
    for action in deferred.first.into_iter().chain(deferred.more) {
        match action {
            Action::FollowUp(subscription, after) => follow_up(account, services, &subscription, after),
            Action::Run(..) => calls.push(action),
            Action::Full(subscription, message) => full.push((subscription, message)),
            Action::Disconnected(subscription, message) => {
                routed += (disconnected(account, services, &subscription, message) != Outcome::Gone) as u64;
            }
            Action::Drop(message) => drop(message),
            Action::Panicked(subscription, panic) => report_panic(cx, &subscription, None, panic),
            Action::Delayed => delayed += 1,
        }
    }
    let had_waiting = waiting.as_ref().map_or(0, |waiting| waiting.len());
    for (subscription, message) in full {
        let outcome = apply_overflow(cx, subscription, message, envelope.routed, waiting.as_deref_mut(), &mut calls);
        accepted += (outcome == Outcome::Accepted) as usize;
        routed += (outcome != Outcome::Gone) as u64;
    }
    let waits = match waiting.map(|waiting| &mut waiting[had_waiting..]) {
        None | Some([]) => false,
        Some(waiting) => {
            if had == 0 && routed == 0 {
                WaitingPublisher::leave_match_open(waiting);
            }
            true
        }
    };
    let counters = cx.publisher().counters();
    counters.count_more_routed(routed, had == 0 && (routed > 0 || waits));
    if delayed > 0 {
        counters.count_delayed(delayed);
    }
    if !calls.is_empty() {
        call_all(cx, None, calls);
    }
    Finished { accepted, lost: routed > accepted as u64, waits }
}
