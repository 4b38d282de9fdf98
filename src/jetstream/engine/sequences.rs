//! The sequences of one subject's messages: a sorted list that grows at its end and shrinks anywhere.

use std::collections::VecDeque;

/// The most sequences in one piece: what an insertion or removal moves at most.
const PIECE: usize = 256;

/// Sequences in ascending order; at least one.
///
/// Most subjects of a key-value bucket have one message, which takes no allocation.
#[derive(Debug)]
pub(crate) enum Sequences {
    One(u64),
    Few(Vec<u64>),
    /// Pieces of at most [`PIECE`], none of them empty.
    Many(Box<Pieces>),
}

#[derive(Debug)]
pub(crate) struct Pieces {
    pieces: VecDeque<Vec<u64>>,
    len: usize,
}

impl Sequences {
    pub(crate) fn first(&self) -> u64 {
        match self {
            Sequences::One(seq) => *seq,
            Sequences::Few(few) => few[0],
            Sequences::Many(many) => many.pieces[0][0],
        }
    }

    pub(crate) fn last(&self) -> u64 {
        match self {
            Sequences::One(seq) => *seq,
            Sequences::Few(few) => few[few.len() - 1],
            Sequences::Many(many) => {
                let last = &many.pieces[many.pieces.len() - 1];
                last[last.len() - 1]
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Sequences::One(_) => 1,
            Sequences::Few(few) => few.len(),
            Sequences::Many(many) => many.len,
        }
    }

    /// Adds a sequence above all others.
    pub(crate) fn push(&mut self, seq: u64) {
        debug_assert!(seq > self.last(), "sequences only grow");
        match self {
            Sequences::One(first) => *self = Sequences::Few(vec![*first, seq]),
            Sequences::Few(few) if few.len() < PIECE => few.push(seq),
            Sequences::Few(few) => {
                let full = std::mem::take(few);
                *self = Sequences::Many(Box::new(Pieces { pieces: [full, vec![seq]].into(), len: PIECE + 1 }));
            }
            Sequences::Many(many) => {
                many.len += 1;
                match many.pieces.back_mut().filter(|last| last.len() < PIECE) {
                    Some(last) => last.push(seq),
                    None => many.pieces.push_back(vec![seq]),
                }
            }
        }
    }

    /// Takes a sequence out. `false` if it was the only one: then the subject has no more messages.
    pub(crate) fn remove(&mut self, seq: u64) -> bool {
        match self {
            Sequences::One(only) => {
                debug_assert_eq!(*only, seq, "each message is in its subject's list");
                false
            }
            Sequences::Few(few) => {
                take_out(few, seq);
                if let [only] = few[..] {
                    *self = Sequences::One(only);
                }
                true
            }
            Sequences::Many(many) => {
                let at = many.piece_with(seq);
                let piece = &mut many.pieces[at];
                take_out(piece, seq);
                many.len -= 1;
                if piece.is_empty() {
                    many.pieces.remove(at);
                }
                if let [_] = many.pieces.make_contiguous() {
                    *self = Sequences::Few(many.pieces.pop_front().unwrap_or_default());
                    if let Sequences::Few(few) = self
                        && let [only] = few[..]
                    {
                        *self = Sequences::One(only);
                    }
                }
                true
            }
        }
    }

    /// The first one that is not below `seq`.
    pub(crate) fn at_or_after(&self, seq: u64) -> Option<u64> {
        match self {
            Sequences::One(only) => (*only >= seq).then_some(*only),
            Sequences::Few(few) => few.get(below(few, seq)).copied(),
            Sequences::Many(many) => {
                let piece = many.pieces.get(many.piece_with(seq))?;
                piece.get(below(piece, seq)).copied()
            }
        }
    }

    /// The last one that is not above `seq`.
    pub(crate) fn at_or_before(&self, seq: u64) -> Option<u64> {
        if self.last() <= seq {
            return Some(self.last());
        }
        let before = |piece: &[u64]| below(piece, seq + 1).checked_sub(1).map(|at| piece[at]);
        match self {
            Sequences::One(_) => None,
            Sequences::Few(few) => before(few),
            Sequences::Many(many) => {
                let at = many.piece_with(seq + 1);
                before(&many.pieces[at]).or_else(|| many.pieces[at.checked_sub(1)?].last().copied())
            }
        }
    }

    /// How many are not below `seq`.
    pub(crate) fn count_from(&self, seq: u64) -> usize {
        if seq <= self.first() {
            return self.len();
        }
        match self {
            Sequences::One(_) => 0,
            Sequences::Few(few) => few.len() - below(few, seq),
            Sequences::Many(many) => {
                let at = many.piece_with(seq);
                let in_it = many.pieces.get(at).map_or(0, |piece| piece.len() - below(piece, seq));
                in_it + many.pieces.iter().skip(at + 1).map(Vec::len).sum::<usize>()
            }
        }
    }
}

impl Pieces {
    /// The piece that has `seq` if any has; behind the last if all are below it.
    fn piece_with(&self, seq: u64) -> usize {
        self.pieces.partition_point(|piece| piece[piece.len() - 1] < seq)
    }
}

/// How many of a sorted piece are below `seq`.
fn below(piece: &[u64], seq: u64) -> usize {
    piece.partition_point(|&other| other < seq)
}

fn take_out(piece: &mut Vec<u64>, seq: u64) {
    let found = piece.binary_search(&seq);
    debug_assert!(found.is_ok(), "each message is in its subject's list");
    if let Ok(at) = found {
        piece.remove(at);
    }
    if piece.len() * 4 < piece.capacity() {
        piece.shrink_to(piece.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_is_a_sorted_set(
            steps in prop::collection::vec(1..4_u64, 1..1_500),
            removals in prop::collection::vec(any::<prop::sample::Index>(), 0..1_500),
            looks in prop::collection::vec(0..5_000_u64, 20),
        ) {
            let mut seq = steps[0];
            let (mut list, mut model) = (Sequences::One(seq), BTreeSet::from([seq]));
            for step in &steps[1..] {
                seq += step;
                list.push(seq);
                model.insert(seq);
            }
            for removal in removals {
                let all: Vec<u64> = model.iter().copied().collect();
                let seq = *removal.get(&all);
                prop_assert_eq!(list.remove(seq), model.len() > 1);
                if model.len() > 1 {
                    model.remove(&seq);
                }
                prop_assert_eq!((list.len(), list.first(), list.last()), (model.len(), *model.first().unwrap(), *model.last().unwrap()));
            }
            for at in looks {
                prop_assert_eq!(list.at_or_after(at), model.range(at..).next().copied());
                prop_assert_eq!(list.at_or_before(at), model.range(..=at).next_back().copied());
                prop_assert_eq!(list.count_from(at), model.range(at..).count());
            }
        }
    }
}
