//! Where responses go: requests that have crossed, and the subjects that their responses are for.

use crate::Bus;
use crate::sync::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Requests that are remembered in one direction.
pub(super) const REQUESTS_MAX: usize = 65_536;

/// Bytes of their subjects and replies: room for as many as there may be, unless these are long.
const BYTES_MAX: usize = REQUESTS_MAX * 256;

/// How long after its last response, or after it was sent, a request is remembered.
pub(super) const AGE_MAX: Duration = Duration::from_secs(300);

/// A request that has crossed.
#[derive(Debug)]
pub(super) struct Request {
    /// Where its responses go, on the side that it came from.
    pub(super) reply: String,
    /// Its subject on the side that it came from.
    pub(super) subject: String,
    /// The rule that took it from the bus, if one did.
    pub(super) rule: Option<usize>,
    /// Whether the requester is told that there are no responders (R2).
    pub(super) wants_no_responders: bool,
}

/// The requests that have crossed in one direction, by a number and a key that are the last token of the reply subject on the other
/// side. The key is drawn for each: a client that has seen one reply can't respond to another request.
///
/// Any number of responses may come for each. Bounded in number and age; the one that was used longest ago goes first.
#[derive(Debug)]
pub(super) struct Requests {
    bus: Bus,
    max: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    open: BTreeMap<u64, Open>,
    /// The bytes of their subjects and replies.
    bytes: usize,
    /// When each was used last, as far as is known here, in about that order. May name some that are closed.
    order: VecDeque<(Duration, u64)>,
}

#[derive(Debug)]
struct Open {
    request: Arc<Request>,
    key: u64,
    used: Duration,
}

impl Requests {
    pub(super) fn new(bus: &Bus, max: usize) -> Self {
        Requests { bus: bus.clone(), max, inner: Mutex::default() }
    }

    /// The last token of the reply subject on the other side.
    pub(super) fn open(&self, request: Request) -> String {
        let now = self.bus.clock().now();
        let key = self.bus.random();
        let mut inner = self.inner.lock();
        inner.make_room(now, self.max);
        inner.next += 1;
        let number = inner.next;
        inner.bytes += request.weight();
        inner.open.insert(number, Open { request: Arc::new(request), key, used: now });
        inner.order.push_back((now, number));
        format!("{number:x}-{key:x}")
    }

    /// The request that a response is for, by the last token of the subject that it came on.
    pub(super) fn find(&self, token: &str) -> Option<Arc<Request>> {
        let (number, key) = parse(token)?;
        let now = self.bus.clock().now();
        let mut inner = self.inner.lock();
        let open = inner.open.get_mut(&number).filter(|open| open.key == key)?;
        open.used = now;
        Some(open.request.clone())
    }

    /// There will be no more responses, or none is wanted.
    pub(super) fn close(&self, token: &str) {
        let Some((number, key)) = parse(token) else { return };
        let mut inner = self.inner.lock();
        if inner.open.get(&number).is_some_and(|open| open.key == key) {
            inner.remove(number);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.inner.lock().open.len()
    }
}

fn parse(token: &str) -> Option<(u64, u64)> {
    let (number, key) = token.split_once('-')?;
    Some((u64::from_str_radix(number, 16).ok()?, u64::from_str_radix(key, 16).ok()?))
}

impl Request {
    fn weight(&self) -> usize {
        self.reply.len() + self.subject.len()
    }
}

impl Inner {
    fn remove(&mut self, number: u64) {
        if let Some(open) = self.open.remove(&number) {
            self.bytes -= open.request.weight();
        }
    }

    fn make_room(&mut self, now: Duration, max: usize) {
        if self.order.len() > self.open.len() * 2 + 64 {
            let open = &self.open;
            self.order.retain(|(_, number)| open.contains_key(number));
        }
        while let Some(&(used, number)) = self.order.front() {
            let full = self.open.len() >= max || self.bytes >= BYTES_MAX;
            match self.open.get(&number).map(|open| open.used) {
                None => {}
                Some(since) if since > used => self.order.push_back((since, number)),
                Some(_) if full || now.saturating_sub(used) >= AGE_MAX => {
                    self.remove(number);
                }
                Some(_) => return,
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Clock;

    fn request(n: usize) -> Request {
        Request { reply: format!("reply.{n}"), subject: "a".into(), rule: None, wants_no_responders: true }
    }

    #[test]
    fn requests_are_found_again_any_number_of_times() {
        let requests = Requests::new(&Bus::new(), 8);
        let (one, two) = (requests.open(request(1)), requests.open(request(2)));
        assert_eq!(requests.find(&one).unwrap().reply, "reply.1");
        assert_eq!(requests.find(&one).unwrap().reply, "reply.1");
        let (number, key) = parse(&one).unwrap();
        assert!(requests.find(&format!("{:x}-{key:x}", number + 1)).is_none(), "one token does not tell the next");
        requests.close(&format!("{:x}-{key:x}", number + 1));
        requests.close(&one);
        assert!(requests.find(&one).is_none() && requests.find("x").is_none());
        assert_eq!(requests.find(&two).unwrap().reply, "reply.2");
        assert_eq!(requests.len(), 1);
    }

    #[test]
    fn they_are_bounded_in_bytes() {
        let requests = Requests::new(&Bus::new(), REQUESTS_MAX);
        let long = |n| Request { subject: "s".repeat(4_096), ..request(n) };
        let tokens: Vec<String> = (0..6_000).map(|n| requests.open(long(n))).collect();
        assert!(requests.len() * 4_096 <= BYTES_MAX + 4_096, "{}", requests.len());
        assert!(requests.find(&tokens[0]).is_none() && requests.find(&tokens[5_999]).is_some());
        tokens.iter().for_each(|token| requests.close(token));
        assert_eq!((requests.len(), requests.inner.lock().bytes), (0, 0));
    }

    #[test]
    fn they_are_bounded_in_number_and_age() {
        let clock = Clock::manual();
        let requests = Requests::new(&Bus::builder().clock(&clock).build(), 100);
        let tokens: Vec<String> = (0..150).map(|n| requests.open(request(n))).collect();
        assert_eq!(requests.len(), 100);
        assert!(requests.find(&tokens[49]).is_none() && requests.find(&tokens[50]).is_some());
        clock.advance(AGE_MAX);
        requests.open(request(150));
        assert_eq!(requests.len(), 1, "the old ones are gone");
        for n in 0..100_000 {
            let token = requests.open(request(n));
            requests.close(&token);
        }
        assert!(requests.inner.lock().order.len() < 1_000, "closed ones are forgotten");
    }
}
