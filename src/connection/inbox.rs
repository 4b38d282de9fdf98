//! Where a connection's requests wait for their answers: one subscription `<root>.*` for all of them (R7).
//!
//! An answer finds its request by the last token of the subject that it is routed by: a key of eight digits, drawn for this request alone, and the
//! number of a slot. So there is no search, a late answer can't be taken for that of a later request, and a client that has seen
//! the reply subject of one request can't answer another. A reply has at most 23 bytes, which lie in the subject itself, while
//! fewer than 4,096 requests of the connection are open: `_INBOX.`, five digits of the connection, a dot, the key, two digits of
//! the slot.

use super::inbox_name::{ALPHABET, DIGITS, KEY_DIGITS, KEY_MASK, connection_name, decode, encode, new_name};
use crate::account::{Ledger, Subscription, SubscriptionOwner};
use crate::delivery::{DeliveryTarget, InternalSink, Policy, Receiver, TargetKind, WaitList};
use crate::error::RequestError;
use crate::limits::Limits;
use crate::message::Message;
use crate::rng::{Secret, Use};
use crate::subject::{Pattern, Subject};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, OnceLock};
use crate::user_code::{Reporter, UserWaker};
use smol_str::SmolStr;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};

/// The longest reply that is put together without an allocation.
const REPLY_MAX: usize = 64;

/// The inbox of a connection, once it is there, and the names below which its inboxes lie.
#[derive(Debug)]
pub(crate) struct InboxSlot {
    /// Inboxes of this connection begin with this and a dot.
    root: SmolStr,
    /// The source of names, and the number of the connection that they are drawn for.
    secret: (Arc<Secret>, u64),
    /// Names drawn for the user. ORDERING: Relaxed; only counts.
    named: AtomicU64,
    inbox: OnceLock<(Arc<Inbox>, Arc<Subscription>)>,
}

impl InboxSlot {
    pub(super) fn new(prefix: &Subject, secret: Arc<Secret>, connection: u64) -> Self {
        let root = SmolStr::from(format!("{prefix}.{}", connection_name(&secret, connection)));
        InboxSlot { root, secret: (secret, connection), named: AtomicU64::new(0), inbox: OnceLock::new() }
    }

    /// The inbox and its subscription, if a request was ever made.
    pub(crate) fn get(&self) -> Option<&(Arc<Inbox>, Arc<Subscription>)> {
        self.inbox.get()
    }

    /// What the inbox subscribes to.
    pub(super) fn pattern(&self) -> Pattern {
        Pattern::new(format!("{}.*", self.root)).expect("the root is a subject")
    }

    pub(super) fn make(&self, limits: Limits, connection: Weak<dyn SubscriptionOwner>, reporter: Reporter) -> Inbox {
        Inbox::new(&self.root, limits, connection, self.secret.clone(), reporter)
    }

    /// Keeps the inbox, unless another thread was first: then the second one's subscription is given back.
    pub(super) fn set(
        &self,
        inbox: Arc<Inbox>,
        subscription: Arc<Subscription>,
    ) -> (&Arc<Inbox>, Option<Arc<Subscription>>) {
        let mut second = Some(subscription.clone());
        let kept = self.inbox.get_or_init(|| {
            second = None;
            (inbox, subscription)
        });
        (&kept.0, second)
    }

    /// A subject for responses that no other part uses or can guess; the inbox itself is not subscribed to it.
    pub(super) fn new_name(&self) -> Subject {
        let (secret, connection) = &self.secret;
        let name = new_name(secret, *connection, self.named.fetch_add(1, Ordering::Relaxed));
        Subject::from_smol(SmolStr::from(format!("{}-{name}", self.root)))
    }

    /// Whether responses there go to requests of this connection.
    pub(crate) fn owns(&self, reply: &Subject) -> bool {
        let below = |root: &str| reply.as_str().strip_prefix(root).is_some_and(|rest| rest.starts_with('.'));
        self.inbox.get().is_some() && below(&self.root)
    }
}

#[derive(Debug)]
pub(crate) struct Inbox {
    root: SmolStr,
    slots: Mutex<Slots>,
    limits: Limits,
    /// The source of the keys, and the number of the connection that they are drawn for.
    secret: (Arc<Secret>, u64),
    /// Keys drawn. ORDERING: Relaxed; only counts.
    drawn: AtomicU64,
    // ORDERING: Relaxed; both only count, and what orders `answered` before the end of the connection is the lock of the slots.
    answered: AtomicU64,
    late: AtomicU64,
    /// Waiters for the moment when no request is open.
    pub(crate) idle: WaitList,
    /// The connection that the inbox belongs to.
    connection: Weak<dyn SubscriptionOwner>,
    reporter: Reporter,
}

#[derive(Debug, Default)]
struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// The connection closes when no request is open any more.
    draining: bool,
    closed: bool,
}

/// No place is taken.
struct Idle {
    draining: bool,
}

#[derive(Debug, Default)]
struct Slot {
    /// The key of the last request that had this slot.
    key: u64,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    /// Responses that may wait here; more are turned away.
    capacity: usize,
    /// Only one answer is wanted.
    single: bool,
    /// The first answer, apart so that a single one needs no queue.
    first: Option<Message>,
    more: VecDeque<Message>,
    /// The bytes of `first` and `more` together.
    bytes: usize,
    answered: bool,
    waker: Option<UserWaker>,
}

/// One request's place in the inbox; gives it back when dropped.
#[derive(Debug)]
pub(crate) struct PendingReply {
    inbox: Arc<Inbox>,
    slot: u32,
    key: u64,
    /// The place is still ours.
    open: bool,
}

impl Inbox {
    pub(crate) fn new(
        root: &SmolStr,
        limits: Limits,
        connection: Weak<dyn SubscriptionOwner>,
        secret: (Arc<Secret>, u64),
        reporter: Reporter,
    ) -> Self {
        Inbox {
            root: root.clone(),
            slots: Mutex::default(),
            limits,
            secret,
            drawn: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            late: AtomicU64::new(0),
            idle: WaitList::default(),
            connection,
            reporter,
        }
    }

    pub(crate) fn target(self: &Arc<Self>, policy: Arc<Policy>) -> DeliveryTarget {
        let direct = TargetKind::Internal(Box::new(InboxSink(self.clone())));
        DeliveryTarget::new(policy, Receiver::Other(Box::new(direct)))
    }

    /// A place for the answers to one request.
    pub(crate) fn open(self: &Arc<Self>, single: bool) -> Result<PendingReply, RequestError> {
        let (secret, connection) = &self.secret;
        let nth = self.drawn.fetch_add(1, Ordering::Relaxed);
        let key = secret.number(Use::Request.of(*connection), nth) & KEY_MASK;
        let mut slots = self.slots.lock();
        if slots.closed {
            return Err(RequestError::Closed);
        }
        let slot = match slots.free.pop() {
            Some(slot) => slot,
            None if slots.slots.len() >= self.limits.max_requests => {
                return Err(RequestError::TooManyRequests { max: self.limits.max_requests });
            }
            None => {
                slots.slots.push(Slot::default());
                (slots.slots.len() - 1) as u32
            }
        };
        let place = &mut slots.slots[slot as usize];
        place.key = key;
        let capacity = if single { 1 } else { self.limits.request_many_capacity };
        place.waiting = Some(Waiting {
            capacity,
            single,
            first: None,
            more: VecDeque::new(),
            bytes: 0,
            answered: false,
            waker: None,
        });
        drop(slots);
        Ok(PendingReply { inbox: self.clone(), slot, key, open: true })
    }

    /// From now on the connection is told when no request is open any more.
    pub(crate) fn drain(&self) {
        self.slots.lock().draining = true;
    }

    pub(crate) fn close(&self) {
        let wakers: Vec<UserWaker> = {
            let mut slots = self.slots.lock();
            slots.closed = true;
            slots.slots.iter_mut().filter_map(|slot| slot.waiting.as_mut()?.waker.take()).collect()
        };
        wakers.into_iter().for_each(UserWaker::wake);
    }

    /// No request waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting() == 0
    }

    /// Requests that wait.
    pub(crate) fn waiting(&self) -> usize {
        let slots = self.slots.lock();
        slots.slots.len() - slots.free.len()
    }

    /// Responses that no request waited for any more, or that were more than wanted.
    pub(crate) fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    pub(crate) fn ledger(&self) -> Ledger {
        let answered = self.answered.load(Ordering::Relaxed);
        Ledger { matched: answered, delivered: answered, ..Ledger::default() }
    }

    /// Tells the waiters, and a draining connection, that no request is open any more.
    fn became_idle(&self, idle: Option<Idle>) {
        let Some(Idle { draining }) = idle else { return };
        if draining && let Some(connection) = self.connection.upgrade() {
            connection.check_drain();
        }
        self.idle.wake_all();
    }

    fn accept(&self, routed: &str, message: Message, wake: &mut Option<UserWaker>) -> Result<(), Message> {
        let token = routed.get(self.root.len() + 1..);
        let parts = token.and_then(|token| token.split_at_checked(KEY_DIGITS));
        let numbers = parts.and_then(|(key, slot)| decode(key).zip(decode(slot)));
        let Some((key, slot)) = numbers else { return Err(message) };
        let mut slots = self.slots.lock();
        let place = slots.slots.get_mut(slot as usize).filter(|place| place.key == key);
        let Some(waiting) = place.and_then(|place| place.waiting.as_mut()) else { return Err(message) };
        let bytes = waiting.bytes + message.weight();
        let full = waiting.first.is_some() as usize + waiting.more.len() >= waiting.capacity
            || bytes > self.limits.subscription_capacity_bytes;
        if full || (waiting.single && waiting.answered) {
            return Err(message);
        }
        (waiting.answered, waiting.bytes) = (true, bytes);
        if waiting.first.is_none() && waiting.more.is_empty() {
            waiting.first = Some(message);
        } else {
            waiting.more.push_back(message);
        }
        *wake = waiting.waker.take();
        // Under the lock: the thread that takes the answer may drop the last handle of the connection, which enters the
        // counts.
        self.answered.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

struct InboxSink(Arc<Inbox>);

impl InternalSink for InboxSink {
    fn deliver(&self, routed: &str, message: Message, wake: &mut Option<UserWaker>) -> Result<(), Message> {
        let result = self.0.accept(routed, message, wake);
        if result.is_err() {
            self.0.late.fetch_add(1, Ordering::Relaxed);
        }
        result
    }
}

impl PendingReply {
    /// Where the answers are to go.
    pub(crate) fn reply(&self) -> Subject {
        let (mut key, mut slot) = ([ALPHABET[0]; DIGITS], [0; DIGITS]);
        encode(self.key, &mut key);
        let (key, slot) = (&key[DIGITS - KEY_DIGITS..], encode(u64::from(self.slot), &mut slot));
        let root = self.inbox.root.as_str();
        let at = root.len() + 1;
        let len = at + KEY_DIGITS + slot.len();
        let mut text = [0; REPLY_MAX];
        let reply = match text.get_mut(..len) {
            Some(text) => {
                text[..root.len()].copy_from_slice(root.as_bytes());
                text[root.len()] = b'.';
                text[at..at + KEY_DIGITS].copy_from_slice(key);
                text[at + KEY_DIGITS..].copy_from_slice(slot);
                SmolStr::new(std::str::from_utf8(text).expect("a subject, a dot and digits"))
            }
            None => SmolStr::from(format!("{root}.{}{}", String::from_utf8_lossy(key), String::from_utf8_lossy(slot))),
        };
        Subject::from_smol(reply)
    }

    /// The next answer; `Err` once the connection is closed and all answers are taken. While there is none, `waker` is left to be
    /// woken by it.
    pub(crate) fn poll(&mut self, waker: Option<&Waker>) -> Poll<Result<Message, ()>> {
        // Cloned before the lock: cloning, too, is a user's code.
        let mut waker = waker.map(|waker| UserWaker::new(waker, self.inbox.reporter));
        let mut slots = self.inbox.slots.lock();
        let closed = slots.closed;
        let place = slots.slots[self.slot as usize].waiting.as_mut();
        let waiting = place.filter(|_| self.open).expect("polled after completion");
        let next = waiting.first.take().or_else(|| waiting.more.pop_front());
        if let Some(message) = next {
            waiting.bytes -= message.weight();
            if waiting.single {
                self.open = false;
                let (done, idle) = slots.give_back(self.slot);
                drop(slots);
                drop(done);
                self.inbox.became_idle(idle);
            }
            return Poll::Ready(Ok(message));
        }
        if closed {
            return Poll::Ready(Err(()));
        }
        if waker.is_some() {
            std::mem::swap(&mut waiting.waker, &mut waker);
        }
        drop(slots);
        Poll::Pending
    }
}

impl Slots {
    /// Ends a place; what was in it, and whether no other is taken.
    fn give_back(&mut self, slot: u32) -> (Option<Waiting>, Option<Idle>) {
        let waiting = self.slots[slot as usize].waiting.take();
        self.free.push(slot);
        let idle = self.free.len() == self.slots.len();
        (waiting, idle.then_some(Idle { draining: self.draining }))
    }
}

impl Drop for PendingReply {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let (waiting, idle) = self.inbox.slots.lock().give_back(self.slot);
        // Responses and wakers are a user's: dropped with no lock held.
        if let Some(waiting) = waiting {
            let untaken = waiting.first.is_some() as u64 + waiting.more.len() as u64;
            if untaken > 0 {
                self.inbox.late.fetch_add(untaken, Ordering::Relaxed);
            }
        }
        self.inbox.became_idle(idle);
    }
}

#[cfg(all(test, not(postroom_shuttle)))]
mod tests {
    use super::*;

    fn inbox() -> Inbox {
        let secret = (Arc::new(Secret::new(None)), 1);
        Inbox::new(
            &SmolStr::new("_INBOX.12345"),
            Limits::default(),
            Weak::<crate::connection::Connection>::new(),
            secret,
            Reporter::default(),
        )
    }

    #[test]
    fn a_reply_lies_in_the_subject_itself_while_few_requests_are_open() {
        let inbox = Arc::new(inbox());
        let mut tickets: Vec<_> = (0..4_096).map(|_| inbox.open(true).unwrap()).collect();
        assert!(tickets.iter().all(|ticket| ticket.reply().as_str().len() <= 23));
        tickets.push(inbox.open(true).unwrap());
        let reply = tickets.last().unwrap().reply();
        assert_eq!(reply.as_str().len(), 24);
        let answer = Message::new("a", "1").unwrap();
        assert!(InboxSink(inbox.clone()).deliver(reply.as_str(), answer, &mut None).is_ok());
    }

    #[test]
    fn only_the_reply_itself_finds_its_request() {
        let inbox = Arc::new(inbox());
        let ticket = inbox.open(true).unwrap();
        let reply = ticket.reply().as_str().to_owned();
        let deliver =
            |to: &str| InboxSink(inbox.clone()).deliver(to, Message::new("a", "1").unwrap(), &mut None).is_ok();
        for at in "_INBOX.12345.".len()..reply.len() {
            for digit in ['0', '1', '_'].into_iter().filter(|digit| !reply[at..].starts_with(*digit)) {
                assert!(!deliver(&format!("{}{digit}{}", &reply[..at], &reply[at + 1..])));
            }
            assert!(at == "_INBOX.12345.".len() || !deliver(&reply[..at]));
        }
        assert!(!deliver(&format!("{reply}1")) && deliver(&reply));
    }

    #[test]
    fn an_answer_to_an_earlier_use_of_the_slot_is_late() {
        let inbox = Arc::new(inbox());
        let first = inbox.open(true).unwrap();
        let reply = first.reply();
        drop(first);
        let mut second = inbox.open(true).unwrap();
        assert_ne!(second.reply(), reply);
        let deliver =
            |to: Subject| InboxSink(inbox.clone()).deliver(to.as_str(), Message::new("a", "1").unwrap(), &mut None);
        assert!(deliver(reply).is_err());
        assert!(deliver(second.reply()).is_ok());
        assert!(deliver(second.reply()).is_err(), "one answer is wanted");
        assert_eq!((inbox.late(), inbox.ledger().delivered), (2, 1));
        assert!(matches!(second.poll(None), Poll::Ready(Ok(_))));
        assert!(inbox.is_idle());
    }
}
