//! The subscriptions of a bus, as chaos sees them: found without a look at all of them.

use crate::id::{ClientId, MessageId, SubscriptionId};
use crate::matcher::{Matcher, MatcherOptions};
use crate::observe::SubscriptionInfo;
use crate::steps;
use std::collections::{BTreeMap, BTreeSet};

/// A subscription.
pub(super) struct Listener {
    info: SubscriptionInfo,
    /// Its queue group on its pattern, if it is a member of one.
    group: Option<u64>,
    /// Messages of others that it does not see yet.
    late: u64,
    /// Messages that it is away for, as a member of its queue group.
    away: u64,
    /// The last message that did not see it. It is not there for that one, though it may be for the next.
    unseen_by: Option<MessageId>,
}

pub(super) struct Listeners {
    all: BTreeMap<SubscriptionId, Listener>,
    /// The late ones of each client.
    late: BTreeMap<ClientId, BTreeSet<SubscriptionId>>,
    /// Finds the groups that match a subject: members of one queue group on one pattern.
    matcher: Matcher<u64>,
    groups: BTreeMap<u64, Group>,
    /// The groups by queue and pattern.
    keys: BTreeMap<(String, String), u64>,
    groups_so_far: u64,
}

struct Group {
    key: (String, String),
    entry: crate::matcher::EntryId,
    members: usize,
    /// Members that are neither late nor away.
    present: BTreeSet<SubscriptionId>,
}

impl Default for Listeners {
    fn default() -> Self {
        let mut options = MatcherOptions::default();
        // Asked while the bus routes, by every thread in turn: there is nothing to remember.
        (options.shards, options.cache_entries) = (1, 0);
        Listeners {
            all: BTreeMap::new(),
            late: BTreeMap::new(),
            matcher: Matcher::with_options(options),
            groups: BTreeMap::new(),
            keys: BTreeMap::new(),
            groups_so_far: 0,
        }
    }
}

impl Listeners {
    /// A new subscription, which does not see the first `late` messages of others.
    pub(super) fn insert(&mut self, info: &SubscriptionInfo, late: u64) {
        let group = info.queue.as_deref().map(|queue| self.join(queue, info));
        self.all.insert(info.id, Listener { info: info.clone(), group, late, away: 0, unseen_by: None });
        if late > 0 {
            self.late.entry(info.client).or_default().insert(info.id);
        }
        self.note_presence(info.id);
    }

    pub(super) fn remove(&mut self, id: SubscriptionId) {
        let Some(listener) = self.all.remove(&id) else { return };
        self.forget_late(listener.info.client, id);
        let Some(number) = listener.group else { return };
        let Some(group) = self.groups.get_mut(&number) else { return };
        group.present.remove(&id);
        group.members -= 1;
        if group.members == 0
            && let Some(group) = self.groups.remove(&number)
        {
            self.matcher.remove(&listener.info.pattern, group.entry);
            self.keys.remove(&group.key);
        }
    }

    /// The subscriptions of a client are in force: it has published something since, and the two arrive in order (C15).
    pub(super) fn heard(&mut self, client: ClientId) {
        for id in self.late.remove(&client).unwrap_or_default() {
            steps::count(1);
            if let Some(listener) = self.all.get_mut(&id) {
                listener.late = 0;
            }
            self.note_presence(id);
        }
    }

    /// None is late or away any more.
    pub(super) fn clear(&mut self) {
        self.late.clear();
        let absent: Vec<SubscriptionId> =
            self.all.values().filter(|one| (one.late, one.away) != (0, 0)).map(|one| one.info.id).collect();
        for id in absent {
            if let Some(listener) = self.all.get_mut(&id) {
                (listener.late, listener.away) = (0, 0);
            }
            self.note_presence(id);
        }
    }

    /// Whether it does not see message `id` because it is late; that message counts.
    pub(super) fn is_late(&mut self, subscription: SubscriptionId, id: MessageId) -> bool {
        let Some(listener) = self.all.get_mut(&subscription).filter(|one| one.late > 0) else { return false };
        (listener.late, listener.unseen_by) = (listener.late - 1, Some(id));
        if listener.late == 0 {
            let client = listener.info.client;
            self.forget_late(client, subscription);
            self.note_presence(subscription);
        }
        true
    }

    pub(super) fn away(&self, subscription: SubscriptionId) -> u64 {
        self.all.get(&subscription).map_or(0, |listener| listener.away)
    }

    /// It is away for so many messages after this one, which does not see it if `unseen_by` names it.
    pub(super) fn set_away(&mut self, subscription: SubscriptionId, messages: u64, unseen_by: Option<MessageId>) {
        let Some(listener) = self.all.get_mut(&subscription) else { return };
        listener.away = messages;
        listener.unseen_by = unseen_by.or(listener.unseen_by);
        self.note_presence(subscription);
    }

    pub(super) fn contains(&self, subscription: SubscriptionId) -> bool {
        self.all.contains_key(&subscription)
    }

    /// Whether the queue group of `of` has another member that message `id` could go to, with a client for which `is_connected` says yes.
    pub(super) fn has_other_member(
        &self,
        of: &SubscriptionInfo,
        subject: &str,
        id: MessageId,
        is_connected: impl Fn(ClientId) -> bool,
    ) -> bool {
        let Some(queue) = of.queue.as_deref() else { return false };
        let found = self.matcher.matches(subject);
        let groups = found.groups().iter().filter(|group| group.name() == queue).flat_map(|group| group.members());
        let mut present = groups.filter_map(|number| self.groups.get(number)).flat_map(|group| &group.present);
        present.any(|other| {
            steps::count(1);
            let other = self.all.get(other).filter(|other| other.info.id != of.id && other.unseen_by != Some(id));
            other.is_some_and(|other| is_connected(other.info.client))
        })
    }

    /// The number of the group of a new member.
    fn join(&mut self, queue: &str, info: &SubscriptionInfo) -> u64 {
        let key = (queue.to_owned(), info.pattern.as_str().to_owned());
        let number = *self.keys.entry(key.clone()).or_insert_with(|| {
            self.groups_so_far += 1;
            let entry = self.matcher.insert_queue(&info.pattern, queue, self.groups_so_far);
            self.groups.insert(self.groups_so_far, Group { key, entry, members: 0, present: BTreeSet::new() });
            self.groups_so_far
        });
        if let Some(group) = self.groups.get_mut(&number) {
            group.members += 1;
        }
        number
    }

    fn forget_late(&mut self, client: ClientId, id: SubscriptionId) {
        if let Some(late) = self.late.get_mut(&client) {
            late.remove(&id);
            if late.is_empty() {
                self.late.remove(&client);
            }
        }
    }

    fn note_presence(&mut self, id: SubscriptionId) {
        let Some(listener) = self.all.get(&id) else { return };
        let Some(group) = listener.group.and_then(|number| self.groups.get_mut(&number)) else { return };
        if (listener.late, listener.away) == (0, 0) {
            group.present.insert(id);
        } else {
            group.present.remove(&id);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.all.len() + self.late.len() + self.groups.len() + self.keys.len()
    }
}
