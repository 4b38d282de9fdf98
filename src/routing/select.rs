//! The receivers of a message among those that it matches: every plain subscription, and one member of each queue group.

use super::context::Context;
use super::deferred::Deferred;
use super::deliver::{deliver, deliver_to_sink, is_own_echo, try_deliver};
use super::filter::{deliver_filtered, try_deliver_filtered};
use crate::account::Subscription;
use crate::delivery::{Envelope, Refused};
use crate::matcher::Matches;
use crate::message::Message;
use smallvec::SmallVec;
use std::sync::Arc;

/// A member of a queue group, as far as the choice goes.
pub(super) trait Member {
    /// It comes after those that are not (Q6).
    fn is_fallback(&self) -> bool;
}

impl Member for Arc<Subscription> {
    #[inline]
    fn is_fallback(&self) -> bool {
        self.fallback
    }
}

/// Delivers the message to every plain subscription and to one member of each queue group (Q1). Gives back how many accepted it.
pub(super) fn fan_out(
    cx: Context<'_>,
    matches: &Matches<Arc<Subscription>>,
    message: &mut Option<Message>,
    envelope: &Envelope<'_>,
    deferred: &mut Deferred,
) -> usize {
    let mut accepted = 0;
    for group in matches.groups() {
        accepted += deliver_to_group(cx, group.members(), envelope, deferred, message);
    }
    let Some((last, others)) = matches.plain().split_last() else { return accepted };
    for subscription in others {
        accepted += deliver_plain(cx, subscription, envelope, deferred, message, |message| message.clone());
    }
    accepted + deliver_plain(cx, last, envelope, deferred, message, Option::take)
}

/// To one plain subscription. `copy` clones the message, or takes it for the last one.
#[inline(always)]
fn deliver_plain(
    cx: Context<'_>,
    subscription: &Arc<Subscription>,
    envelope: &Envelope<'_>,
    deferred: &mut Deferred,
    message: &mut Option<Message>,
    copy: impl FnOnce(&mut Option<Message>) -> Option<Message>,
) -> usize {
    if subscription.is_filtered() {
        return deliver_filtered(cx, subscription, envelope, deferred, message);
    }
    if let Some(sink) = subscription.target.sink() {
        return match message.as_ref().filter(|_| !is_own_echo(cx, subscription)) {
            Some(shown) => deliver_to_sink(subscription, sink, envelope, deferred, shown, || shown.clone()),
            None => 0,
        };
    }
    deliver(cx, subscription, envelope, deferred, || copy(message).expect("there until the last"))
}

/// One member, chosen at random; the next ones in turn when it can't take the message (Q3, Q4). Fallback members when no other is
/// there (Q6).
fn deliver_to_group(
    cx: Context<'_>,
    members: &[Arc<Subscription>],
    envelope: &Envelope<'_>,
    deferred: &mut Deferred,
    message: &Option<Message>,
) -> usize {
    let Some(message) = message else { return 0 };
    let random = |count| cx.publisher().counters().rng.below(count);
    let offer = |at: usize, deferred: &mut Deferred| {
        let member = &members[at];
        if is_own_echo(cx, member) {
            Err(Refused::Gone)
        } else if member.is_filtered() {
            try_deliver_filtered(cx, member, envelope, deferred, message)
        } else {
            try_deliver(member, envelope, deferred, || message.clone(), message)
        }
    };
    let Attempts { taken, full, disconnected } = try_members(members, random, |at| offer(at, deferred));
    // No member took it: it is lost with the first one whose channel turned out to be dead, unless a full one
    // decides.
    let mut lost = (!taken && full.is_none()).then(|| message.clone());
    for at in disconnected {
        deferred.disconnected(&members[at], lost.take());
    }
    if let (false, Some(at)) = (taken, full) {
        // All are full, and the first of them decides what that means.
        deferred.full(&members[at], members[at].copy_of(message));
    }
    if let Some(lost) = lost {
        deferred.drop(lost);
    }
    taken as usize
}

/// The outcome of offering a message to the members of a group in turn.
#[derive(Debug, Default, PartialEq, Eq)]
struct Attempts {
    taken: bool,
    /// The first member that was full.
    full: Option<usize>,
    /// Members whose channel turned out to be dead.
    disconnected: SmallVec<[usize; 4]>,
}

/// Offers the message to a random member, and to the next ones in turn, until one takes it; to fallback members only if no other member
/// took it or is full.
#[inline]
fn try_members<M: Member>(
    members: &[M],
    random: impl Fn(usize) -> usize,
    mut offer: impl FnMut(usize) -> Result<(), Refused>,
) -> Attempts {
    let mut attempts = Attempts::default();
    for fallback in [false, true] {
        let Some(start) = choose(members, fallback, &random) else { continue };
        for at in (start..members.len()).chain(0..start).filter(|at| members[*at].is_fallback() == fallback) {
            match offer(at) {
                Ok(()) => {
                    attempts.taken = true;
                    break;
                }
                Err(Refused::Full) => attempts.full = attempts.full.or(Some(at)),
                Err(Refused::Disconnected) => attempts.disconnected.push(at),
                Err(Refused::Gone) => {}
            }
        }
        // A full member counts as available: a leaf node, too, leaves the message to a slow
        // local member.
        if attempts.taken || attempts.full.is_some() {
            break;
        }
    }
    attempts
}

/// A random one of the members that are fallback members, or are not.
#[inline]
fn choose<M: Member>(members: &[M], fallback: bool, random: &impl Fn(usize) -> usize) -> Option<usize> {
    if !fallback {
        let start = if members.len() == 1 { 0 } else { random(members.len()) };
        // Mostly there is no other kind, and this looks only at the member that is tried first
        // anyway.
        if !members[start].is_fallback() {
            return Some(start);
        }
    }
    choose_of_kind(members, fallback, random)
}

#[cold]
#[inline(never)]
fn choose_of_kind<M: Member>(members: &[M], fallback: bool, random: &impl Fn(usize) -> usize) -> Option<usize> {
    let mut of_kind = (0..members.len()).filter(|at| members[*at].is_fallback() == fallback);
    let count = of_kind.clone().count();
    of_kind.nth(if count > 1 { random(count) } else { 0 })
}

#[cfg(all(test, not(postroom_shuttle)))]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// A member that is no subscription: only its kind counts here.
    struct Fake {
        fallback: bool,
    }

    impl Member for Fake {
        fn is_fallback(&self) -> bool {
            self.fallback
        }
    }

    fn members(kinds: &str) -> Vec<Fake> {
        kinds.chars().map(|kind| Fake { fallback: kind == 'f' }).collect()
    }

    /// Offers to the members of these kinds; `says` is what each answers: taken, full, disconnected, gone. Gives back who was asked.
    fn offer(kinds: &str, first: usize, says: &str) -> (Attempts, Vec<usize>) {
        let (members, asked) = (members(kinds), RefCell::new(Vec::new()));
        let attempts = try_members(
            &members,
            |count| first % count,
            |at| {
                asked.borrow_mut().push(at);
                match says.as_bytes()[at] {
                    b't' => Ok(()),
                    b'f' => Err(Refused::Full),
                    b'd' => Err(Refused::Disconnected),
                    _ => Err(Refused::Gone),
                }
            },
        );
        (attempts, asked.into_inner())
    }

    #[test]
    fn q3_q4_members_are_asked_in_turn_from_a_random_one_until_one_takes_it() {
        for first in 0..3 {
            assert_eq!(offer("mmm", first, "ttt").1, [first]);
        }
        let (attempts, asked) = offer("mmm", 1, "tfd");
        assert_eq!(asked, [1, 2, 0]);
        assert_eq!(attempts, Attempts { taken: true, full: Some(1), disconnected: [2].into_iter().collect() });
        assert_eq!(offer("mmm", 2, "ggg"), (Attempts::default(), vec![2, 0, 1]));
        assert_eq!(offer("mmmm", 3, "fgfg").0.full, Some(0), "the first in the order in which they are asked");
    }

    #[test]
    fn q6_fallback_members_are_asked_if_no_other_takes_it_or_is_full() {
        assert_eq!(offer("mfm", 0, "tt0").1, [0]);
        assert_eq!(offer("ffm", 0, "ttt").1, [2]);
        let (attempts, asked) = offer("fmf", 1, "tgt");
        assert_eq!((attempts.taken, asked[0], asked.len()), (true, 1, 2));
        let (attempts, asked) = offer("mf", 0, "ft");
        assert_eq!((attempts.taken, attempts.full, asked), (false, Some(0), vec![0]), "a slow one counts as there");
        assert!(offer("ff", 0, "gt").0.taken);
    }
}
