//! Messages by sequence.
//!
//! They lie in blocks of [`BLOCK`] sequences, which are there only where messages are: a gap of any length costs nothing. Within a
//! block a removed message leaves its slot behind until half of the slots are empty; so a removal moves one slot on average,
//! wherever it is.
//!
//! A slot takes 40 bytes, and a message one allocation more, with header block and payload in it, copied when it is stored: what
//! was received may be a piece of something larger, which must not be kept alive by it.

use super::time::Timestamp;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Sequences of one block.
const BLOCK: u64 = 256;

/// A stored message.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) time: Timestamp,
    /// The number of its subject.
    pub(crate) subject: u32,
    /// Consumers that still need it, on a stream that keeps messages for them.
    pub(crate) needed: u32,
    head_len: u32,
    /// The sequence, from the block's first.
    offset: u8,
    pub(crate) ttl: Ttl,
    /// Header block and payload; `None` once it is removed.
    data: Option<Arc<[u8]>>,
}

/// The end of a message, as its header says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ttl {
    /// It ends with the stream's max_age.
    None,
    /// It has a time of its own, which its header says.
    Own,
    /// It never expires.
    Never,
}

impl Slot {
    pub(crate) fn head(&self) -> &[u8] {
        &self.bytes()[..self.head_len as usize]
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes()[self.head_len as usize..]
    }

    /// Header block and payload as `Bytes`, not copied.
    pub(crate) fn shared(&self) -> (Bytes, Bytes) {
        let Some(data) = &self.data else { return (Bytes::new(), Bytes::new()) };
        let all = Bytes::from_owner(Data(Arc::clone(data)));
        (all.slice(..self.head_len as usize), all.slice(self.head_len as usize..))
    }

    fn bytes(&self) -> &[u8] {
        self.data.as_deref().unwrap_or_default()
    }
}

/// An owner for `Bytes`.
struct Data(Arc<[u8]>);

impl AsRef<[u8]> for Data {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[derive(Debug, Default)]
struct Block {
    /// In order; removed ones among them.
    slots: Vec<Slot>,
    /// The place of the first that is there.
    first: usize,
    /// How many are there.
    live: usize,
}

impl Block {
    /// The place of a sequence, there or not.
    fn find(&self, offset: u8) -> Result<usize, usize> {
        // As long as nothing was ever missing it is the offset itself, and never behind that.
        let place = usize::from(offset);
        match self.slots.get(place) {
            Some(slot) if slot.offset == offset => Ok(place),
            _ => self.slots[..self.slots.len().min(place)].binary_search_by_key(&offset, |slot| slot.offset),
        }
    }

    fn get(&self, offset: u8) -> Option<&Slot> {
        self.find(offset).ok().map(|at| &self.slots[at]).filter(|slot| slot.data.is_some())
    }

    fn get_mut(&mut self, offset: u8) -> Option<&mut Slot> {
        self.find(offset).ok().map(|at| &mut self.slots[at]).filter(|slot| slot.data.is_some())
    }

    fn remove(&mut self, offset: u8) -> Option<Slot> {
        let at = self.find(offset).ok()?;
        let data = self.slots[at].data.take()?;
        let removed = Slot { data: Some(data), ..self.slots[at] };
        self.live -= 1;
        if self.live * 2 < self.slots.len() && self.slots.len() >= 8 {
            self.slots.retain(|slot| slot.data.is_some());
            self.slots.shrink_to_fit();
            self.first = 0;
        } else {
            while self.slots.get(self.first).is_some_and(|slot| slot.data.is_none()) {
                self.first += 1;
            }
        }
        Some(removed)
    }

    /// Those that are there, from an offset on.
    fn from(&self, offset: u8) -> impl DoubleEndedIterator<Item = &Slot> {
        let at = self.find(offset).unwrap_or_else(|at| at).max(self.first);
        self.slots[at.min(self.slots.len())..].iter().filter(|slot| slot.data.is_some())
    }

    /// Those that are there, up to an offset.
    fn until(&self, offset: u8) -> impl DoubleEndedIterator<Item = &Slot> {
        let end = self.find(offset).map_or_else(|at| at, |at| at + 1);
        self.slots[self.first.min(end)..end].iter().filter(|slot| slot.data.is_some())
    }
}

/// All messages of a stream.
#[derive(Debug, Default)]
pub(crate) struct Store {
    blocks: BTreeMap<u64, Block>,
    len: u64,
    /// Where header block and payload are put together before they are copied into one allocation.
    joined: Vec<u8>,
}

impl Store {
    /// How many messages there are.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Header block and payload in one allocation.
    pub(crate) fn join(&mut self, head: &[u8], payload: &[u8]) -> Arc<[u8]> {
        if head.is_empty() {
            return Arc::from(payload);
        }
        self.joined.clear();
        self.joined.extend_from_slice(head);
        self.joined.extend_from_slice(payload);
        let data = Arc::from(self.joined.as_slice());
        // One large message must not keep its size for ever.
        self.joined.shrink_to(1 << 16);
        data
    }

    /// Adds a message above all that ever were there.
    pub(crate) fn push(&mut self, seq: u64, new: NewSlot) {
        let slot = Slot {
            time: new.time,
            subject: new.subject,
            needed: new.needed,
            head_len: new.head_len,
            offset: offset(seq),
            ttl: new.ttl,
            data: Some(new.data),
        };
        let block = match self.blocks.last_entry() {
            Some(last) if *last.key() == seq / BLOCK => last.into_mut(),
            _ => self.blocks.entry(seq / BLOCK).or_default(),
        };
        block.slots.push(slot);
        block.live += 1;
        self.len += 1;
    }

    pub(crate) fn get(&self, seq: u64) -> Option<&Slot> {
        self.blocks.get(&(seq / BLOCK))?.get(offset(seq))
    }

    pub(crate) fn get_mut(&mut self, seq: u64) -> Option<&mut Slot> {
        self.blocks.get_mut(&(seq / BLOCK))?.get_mut(offset(seq))
    }

    pub(crate) fn remove(&mut self, seq: u64) -> Option<Slot> {
        let number = seq / BLOCK;
        let block = self.blocks.get_mut(&number)?;
        let removed = block.remove(offset(seq))?;
        if block.live == 0 {
            self.blocks.remove(&number);
        }
        self.len -= 1;
        Some(removed)
    }

    /// Messages from a sequence on, ascending.
    pub(crate) fn from(&self, seq: u64) -> impl Iterator<Item = (u64, &Slot)> {
        self.blocks.range(seq / BLOCK..).flat_map(move |(&number, block)| {
            let from = if number == seq / BLOCK { offset(seq) } else { 0 };
            block.from(from).map(move |slot| (number * BLOCK + u64::from(slot.offset), slot))
        })
    }

    /// Messages up to a sequence, descending.
    pub(crate) fn until(&self, seq: u64) -> impl Iterator<Item = (u64, &Slot)> {
        self.blocks.range(..=seq / BLOCK).rev().flat_map(move |(&number, block)| {
            let until = if number == seq / BLOCK { offset(seq) } else { u8::MAX };
            block.until(until).rev().map(move |slot| (number * BLOCK + u64::from(slot.offset), slot))
        })
    }

    /// The first that is not below a sequence.
    pub(crate) fn at_or_after(&self, seq: u64) -> Option<u64> {
        self.from(seq).next().map(|(seq, _)| seq)
    }

    /// How many are not below a sequence: one look at each block behind it.
    pub(crate) fn count_from(&self, seq: u64) -> u64 {
        let number = seq / BLOCK;
        let within = self.blocks.get(&number).map_or(0, |block| block.from(offset(seq)).count());
        let behind = self.blocks.range(number + 1..).map(|(_, block)| block.live).sum::<usize>();
        (within + behind) as u64
    }

    /// The first that was stored at an instant or after it.
    pub(crate) fn at_time(&self, time: Timestamp) -> Option<u64> {
        let last_of = |block: &Block| block.slots.last().map(|slot| slot.time);
        let block = self.blocks.iter().find(|(_, block)| last_of(block) >= Some(time));
        let start = block.map(|(number, _)| number * BLOCK)?;
        self.from(start).find(|(_, slot)| slot.time >= time).map(|(seq, _)| seq)
    }
}

/// A message to be stored.
#[derive(Debug)]
pub(crate) struct NewSlot {
    pub(crate) time: Timestamp,
    pub(crate) subject: u32,
    pub(crate) needed: u32,
    pub(crate) ttl: Ttl,
    pub(crate) head_len: u32,
    /// Header block and payload.
    pub(crate) data: Arc<[u8]>,
}

fn offset(seq: u64) -> u8 {
    (seq % BLOCK) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_slot_is_no_larger_than_intended() {
        assert_eq!(size_of::<Slot>(), 40);
    }

    fn push(store: &mut Store, seq: u64) {
        let payload = seq.to_string();
        let head: &[u8] = if seq.is_multiple_of(3) { b"NATS/1.0\r\nA: b\r\n\r\n" } else { b"" };
        let new = NewSlot {
            time: Timestamp::from_nanos(seq * 10),
            subject: 0,
            needed: 0,
            ttl: Ttl::None,
            head_len: head.len() as u32,
            data: store.join(head, payload.as_bytes()),
        };
        store.push(seq, new);
    }

    #[test]
    fn a_gap_of_any_length_costs_nothing() {
        let mut store = Store::default();
        for seq in [1, 1 << 40, 1 << 50] {
            push(&mut store, seq);
        }
        assert_eq!(store.blocks.len(), 3);
        assert_eq!(store.from(2).map(|(seq, _)| seq).collect::<Vec<_>>(), [1 << 40, 1 << 50]);
        store.remove(1 << 40);
        assert_eq!((store.blocks.len(), store.len()), (2, 2));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_is_a_map_by_sequence(
            steps in prop::collection::vec(prop_oneof![9 => Just(1), 1 => 1..600_u64], 1..900),
            removals in prop::collection::vec(any::<prop::sample::Index>(), 0..900),
            looks in prop::collection::vec(0..6_000_u64, 20),
        ) {
            let (mut store, mut model) = (Store::default(), BTreeMap::new());
            let mut seq = 0;
            let mut removals = removals.into_iter();
            for (at, step) in steps.into_iter().enumerate() {
                seq += step;
                push(&mut store, seq);
                model.insert(seq, seq.to_string());
                if at % 2 == 0 && let Some(removal) = removals.next() {
                    let all: Vec<u64> = model.keys().copied().collect();
                    let seq = *removal.get(&all);
                    let removed = store.remove(seq).unwrap();
                    let expected = model.remove(&seq).unwrap();
                    prop_assert_eq!(removed.payload(), expected.as_bytes());
                    prop_assert!(store.remove(seq).is_none());
                }
            }
            prop_assert_eq!(store.len(), model.len() as u64);
            for at in looks {
                prop_assert_eq!(store.get(at).map(Slot::payload), model.get(&at).map(String::as_bytes));
                prop_assert_eq!(store.get(at).map(|slot| slot.head().is_empty()), model.get(&at).map(|_| !at.is_multiple_of(3)));
                let after: Vec<u64> = store.from(at).map(|(seq, _)| seq).collect();
                prop_assert_eq!(after, model.range(at..).map(|(seq, _)| *seq).collect::<Vec<_>>());
                let before: Vec<u64> = store.until(at).map(|(seq, _)| seq).collect();
                prop_assert_eq!(before, model.range(..=at).rev().map(|(seq, _)| *seq).collect::<Vec<_>>());
                prop_assert_eq!(store.count_from(at), model.range(at..).count() as u64);
                let at_time = store.at_time(Timestamp::from_nanos(at * 10));
                prop_assert_eq!(at_time, model.range(at..).next().map(|(seq, _)| *seq));
            }
        }
    }
}
