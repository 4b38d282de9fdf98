//! Records are made of the present state, for the changes that a journal names.

use super::config::StreamConfig;
use super::consumer::durable;
use super::consumers::Consumers;
use super::interest::ConsumerId;
use super::journal::Changed;
use super::messages::Messages;
use super::record::Record;
use super::time::Timestamp;
use std::borrow::Cow;

/// Gives out the records of all that has changed since the last time.
pub(super) fn drain(
    config: &StreamConfig,
    created: Timestamp,
    messages: &mut Messages,
    consumers: &mut Consumers,
    write: &mut dyn FnMut(Record<'_>),
) {
    let changes = messages.journal.take();
    let mut has_ends = false;
    for change in &changes {
        match *change {
            Changed::Config => write(Record::Config { config: Cow::Borrowed(config), created }),
            Changed::Stored(seq) => match message(messages, seq) {
                Some(record) => write(record),
                // It is gone already.
                None => has_ends = true,
            },
            Changed::Removed(seq) => {
                has_ends = true;
                write(Record::Removed { seq });
            }
            Changed::Cleared => {
                has_ends = true;
                write(Record::Cleared);
            }
            Changed::Skipped => has_ends = true,
            Changed::Scheduled(seq, due) => write(Record::Schedule { seq, due }),
            Changed::Consumer(id) => consumer(consumers, id, write),
            Changed::ConsumerGone(id) => write(Record::ConsumerGone { id }),
        }
    }
    messages.journal.give_back(changes);
    if has_ends {
        write(ends(messages));
    }
    for id in consumers.take_changed() {
        if let Some(progress) = consumers.get_mut(id).and_then(durable::take_progress) {
            write(Record::Progress { id, progress });
        }
    }
}

/// All that is to be kept but the messages: what a log that begins anew begins with.
pub(super) fn state(
    config: &StreamConfig,
    created: Timestamp,
    messages: &Messages,
    consumers: &Consumers,
    write: &mut dyn FnMut(Record<'_>),
) {
    write(Record::Config { config: Cow::Borrowed(config), created });
    write(ends(messages));
    messages.schedules.all().for_each(|(seq, due)| write(Record::Schedule { seq, due }));
    for (id, one) in consumers.iter() {
        consumer(consumers, id, write);
        if let Some(progress) = durable::progress(one) {
            write(Record::Progress { id, progress });
        }
    }
}

/// The record of a message that is there.
pub(super) fn message(messages: &Messages, seq: u64) -> Option<Record<'_>> {
    let message = messages.get(seq)?;
    let (head, payload) = (message.head(), message.payload());
    Some(Record::Message { seq, time: message.time(), subject: message.subject(), head, payload })
}

fn ends(messages: &Messages) -> Record<'static> {
    Record::Ends { first: messages.first_seq(), last: messages.last_seq(), last_time: messages.last_time() }
}

fn consumer(consumers: &Consumers, id: ConsumerId, write: &mut dyn FnMut(Record<'_>)) {
    let Some(consumer) = consumers.get(id).filter(|consumer| durable::is_kept(consumer)) else { return };
    write(Record::Consumer {
        id,
        name: Cow::Borrowed(consumer.name()),
        created: consumer.created(),
        config: Cow::Borrowed(consumer.config()),
    });
}
