//! The bus as one would explain it: lists and loops.

use postroom::OverflowPolicy;
use postroom::stats::DropReason;
use std::collections::{BTreeMap, VecDeque};

pub(crate) fn matches(pattern: &str, subject: &str) -> bool {
    let (mut pattern, mut subject) = (pattern.split('.'), subject.split('.'));
    loop {
        match (pattern.next(), subject.next()) {
            (Some(">"), Some(_)) | (None, None) => return true,
            (Some(p), Some(s)) if p == "*" || p == s => {}
            _ => return false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) subject: String,
    /// The number of the publish; a 503 has none.
    pub(crate) number: Option<u64>,
    pub(crate) size: usize,
}

#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) client: usize,
    pub(crate) pattern: &'static str,
    pub(crate) queue: Option<&'static str>,
    pub(crate) capacity: usize,
    pub(crate) capacity_bytes: usize,
    pub(crate) overflow: OverflowPolicy,
    pub(crate) open: bool,
    pub(crate) items: VecDeque<Item>,
    pub(crate) delivered: u64,
    pub(crate) drops: BTreeMap<u8, u64>,
    let_in: u64,
    limit: Option<u64>,
}

impl Subscription {
    pub(crate) fn new(
        client: usize,
        pattern: &'static str,
        queue: Option<&'static str>,
        (capacity, capacity_bytes): (usize, usize),
        overflow: OverflowPolicy,
    ) -> Self {
        let (items, drops) = Default::default();
        let (open, delivered, let_in, limit) = (true, 0, 0, None);
        Subscription {
            client,
            pattern,
            queue,
            capacity,
            capacity_bytes,
            overflow,
            open,
            items,
            delivered,
            drops,
            let_in,
            limit,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.size).sum()
    }

    pub(crate) fn matched(&self) -> u64 {
        self.delivered + self.drops.values().sum::<u64>() + self.items.len() as u64
    }

    pub(crate) fn fits(&self, size: usize) -> bool {
        self.items.len() < self.capacity && self.bytes() + size <= self.capacity_bytes
    }

    fn lose(&mut self, reason: DropReason) {
        *self.drops.entry(reason as u8).or_default() += 1;
    }

    /// True if it was accepted.
    pub(crate) fn offer(&mut self, item: Item) -> bool {
        if self.overflow == OverflowPolicy::DropOldest && item.size <= self.capacity_bytes {
            while !self.fits(item.size) {
                self.items.pop_front();
                self.lose(DropReason::Oldest);
            }
        }
        if self.fits(item.size) {
            self.items.push_back(item);
            self.let_in += 1;
            self.open = self.limit.is_none_or(|limit| self.let_in < limit);
            return true;
        }
        match self.overflow {
            OverflowPolicy::DropNewest | OverflowPolicy::DropOldest => self.lose(DropReason::QueueFull),
            OverflowPolicy::Close => {
                self.lose(DropReason::SlowConsumer);
                self.open = false;
            }
            _ => self.lose(DropReason::BlockTimeout),
        }
        false
    }

    /// A 503: it has no room made for it, and does not count towards the limit (R5).
    pub(crate) fn tell(&mut self, item: Item) {
        if self.fits(item.size) {
            self.items.push_back(item);
        } else {
            self.lose(DropReason::QueueFull);
        }
    }

    pub(crate) fn unsubscribe_after(&mut self, limit: u64) {
        self.limit = Some(limit);
        self.open &= self.let_in < limit;
    }

    pub(crate) fn discard(&mut self) {
        self.open = false;
        while self.items.pop_front().is_some() {
            self.lose(DropReason::Discarded);
        }
    }
}
