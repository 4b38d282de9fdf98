//! The place of a consumer in its stream: where it begins, which message is next, and how many are left (JC40, JC41, JC52).

use super::config::{ConsumerConfig, DeliverPolicy};
use super::validate;
use crate::jetstream::engine::filters::Filters;
use crate::jetstream::engine::messages::Messages;
use crate::jetstream::engine::read::Ahead;
use smol_str::SmolStr;
use std::collections::VecDeque;

/// A consumer's filters and its position.
#[derive(Debug)]
pub(crate) struct Cursor {
    filters: Vec<SmolStr>,
    ready: Filters,
    ahead: Ahead,
    /// No message below it comes again as a new one. It follows the search, also through messages that no filter matches.
    next: u64,
    /// The last message of each subject at the beginning, as far as it is still to be delivered; gone ones among them.
    last_of_each: VecDeque<u64>,
    /// The sequence that follows when the list is through.
    resume: u64,
    /// Messages that are still to be delivered for the first time.
    num_pending: u64,
}

impl Cursor {
    /// The beginning, by the policy; `max_msgs_per_subject` is the stream's.
    pub(crate) fn new(config: &ConsumerConfig, messages: &Messages, max_msgs_per_subject: i64) -> Self {
        let filters = validate::filters(config);
        let (first, last) = (messages.first_seq(), messages.last_seq());
        let mut last_of_each = VecDeque::new();
        let start = match config.deliver_policy {
            DeliverPolicy::All => first,
            DeliverPolicy::New => last + 1,
            DeliverPolicy::Last if filters.is_empty() => last,
            DeliverPolicy::Last => {
                let last_of = |filter: &SmolStr| messages.last_by_subject(filter).map(|message| message.seq());
                filters.iter().filter_map(last_of).max().unwrap_or(first)
            }
            DeliverPolicy::ByStartSequence => config.opt_start_seq,
            DeliverPolicy::ByStartTime => {
                let at = config.opt_start_time.as_ref().map(|time| time.at).unwrap_or_default();
                let from = messages.first_at(at).map_or(last + 1, |message| message.seq());
                // Nearer to the first message that a filter matches, if that lies between.
                let first_of = |filter: &SmolStr| messages.next_match(std::slice::from_ref(filter), first);
                let firsts = filters.iter().filter_map(first_of).map(|message| message.seq());
                firsts.filter(|seq| (from..last).contains(seq)).min().unwrap_or(from)
            }
            // With one message a subject it is the same as all.
            DeliverPolicy::LastPerSubject if max_msgs_per_subject == 1 => first,
            DeliverPolicy::LastPerSubject => {
                last_of_each = messages.last_of_each(&filters, last).into();
                last_of_each.front().copied().unwrap_or(last)
            }
        };
        let next = start.max(first).max(1);
        let (ready, ahead) = (Filters::new(&filters), Ahead::default());
        let mut cursor = Cursor { filters, ready, ahead, next, last_of_each, resume: last + 1, num_pending: 0 };
        cursor.recount(messages);
        cursor
    }

    pub(crate) fn filters(&self) -> &[SmolStr] {
        &self.filters
    }

    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn num_pending(&self) -> u64 {
        self.num_pending
    }

    /// Whether a message of a subject that the filters match is still to be delivered for the first time.
    pub(crate) fn is_ahead(&self, seq: u64) -> bool {
        if self.last_of_each.is_empty() {
            return seq >= self.next;
        }
        seq >= self.resume || self.last_of_each.binary_search(&seq).is_ok()
    }

    /// The next message; the search is not repeated where it has found nothing.
    pub(crate) fn peek(&mut self, messages: &Messages) -> Option<u64> {
        while let Some(seq) = self.last_of_each.front() {
            if messages.get(*seq).is_some() {
                return Some(*seq);
            }
            self.pop();
        }
        let found = messages.search(&self.ready, self.next, &mut self.ahead);
        if found.is_none() {
            self.next = self.next.max(messages.last_seq() + 1);
        }
        found
    }

    /// Goes past the message that is next.
    pub(crate) fn take(&mut self, seq: u64) {
        self.num_pending = self.num_pending.saturating_sub(1);
        self.next = seq + 1;
        if self.last_of_each.front() == Some(&seq) {
            self.pop();
        }
    }

    fn pop(&mut self) {
        self.last_of_each.pop_front();
        if self.last_of_each.is_empty() {
            self.next = self.next.max(self.resume);
            self.last_of_each = VecDeque::new();
        }
    }

    /// A message was stored that the filters match.
    pub(crate) fn stored(&mut self, seq: u64) {
        self.num_pending += u64::from(self.is_ahead(seq));
    }

    /// A message is gone that the filters match.
    pub(crate) fn removed(&mut self, seq: u64) {
        if self.is_ahead(seq) {
            self.num_pending = self.num_pending.saturating_sub(1);
        }
    }

    /// Takes other filters; the position stays.
    pub(crate) fn refilter(&mut self, filters: Vec<SmolStr>, messages: &Messages) {
        self.ready = Filters::new(&filters);
        self.filters = filters;
        self.ahead.clear();
        self.last_of_each.retain(|seq| messages.get(*seq).is_some_and(|message| self.ready.matches(message.subject())));
        self.recount(messages);
    }

    /// Goes on at a sequence, back or forward.
    pub(crate) fn move_to(&mut self, next: u64, messages: &Messages) {
        self.next = next;
        self.ahead.clear();
        self.last_of_each = VecDeque::new();
        self.recount(messages);
    }

    /// Goes back to the messages of its list that are open, where it is not beyond it; else goes on at a sequence.
    pub(crate) fn return_to(&mut self, open: Vec<u64>, next: u64, messages: &Messages) {
        let mut listed: Vec<u64> = open.into_iter().filter(|seq| *seq < self.resume).collect();
        listed.extend(&self.last_of_each);
        if listed.is_empty() {
            return self.move_to(next, messages);
        }
        listed.sort_unstable();
        self.next = next;
        self.ahead.clear();
        self.last_of_each = listed.into();
        self.recount(messages);
    }

    /// Skips what lies below a sequence, where no message is left that the filters match.
    pub(crate) fn skip_below(&mut self, first: u64) {
        self.next = self.next.max(first);
        while self.last_of_each.front().is_some_and(|seq| *seq < first) {
            self.pop();
        }
    }

    /// Counts anew what is still to be delivered.
    pub(crate) fn recount(&mut self, messages: &Messages) {
        let listed = self.last_of_each.iter().filter(|seq| messages.get(**seq).is_some()).count() as u64;
        let from = if self.last_of_each.is_empty() { self.next } else { self.resume };
        self.num_pending = listed + messages.count(&self.ready, from);
    }
}
