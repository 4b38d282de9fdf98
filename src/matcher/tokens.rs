//! The tokens of one trie's patterns, as numbers.

use ahash::RandomState;
use hashbrown::HashTable;
use smol_str::SmolStr;

/// Token texts as numbers, counted by the edges that use them.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    by_text: HashTable<u32>,
    slots: Vec<(SmolStr, u32)>,
    free: Vec<u32>,
}

impl Tokens {
    pub(super) fn find(&self, hasher: &RandomState, text: &str) -> Option<u32> {
        if self.by_text.is_empty() {
            return None;
        }
        self.by_text
            .find(hasher.hash_one(text.as_bytes()), |&token| {
                self.text(token) == text
            })
            .copied()
    }

    pub(super) fn text(&self, token: u32) -> &str {
        &self.slots[token as usize].0
    }

    /// The number of `text`, with one more user.
    pub(super) fn hold(&mut self, hasher: &RandomState, text: &str) -> u32 {
        if let Some(token) = self.find(hasher, text) {
            self.slots[token as usize].1 += 1;
            return token;
        }
        let slot = (SmolStr::new(text), 1);
        let token = match self.free.pop() {
            Some(token) => {
                self.slots[token as usize] = slot;
                token
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        let slots = &self.slots;
        self.by_text
            .insert_unique(hasher.hash_one(text.as_bytes()), token, |&t| {
                hasher.hash_one(slots[t as usize].0.as_bytes())
            });
        token
    }

    pub(super) fn release(&mut self, hasher: &RandomState, token: u32) {
        let slot = &mut self.slots[token as usize];
        slot.1 -= 1;
        if slot.1 > 0 {
            return;
        }
        let text = std::mem::take(&mut slot.0);
        if let Ok(found) = self
            .by_text
            .find_entry(hasher.hash_one(text.as_bytes()), |&known| known == token)
        {
            found.remove();
        }
        self.free.push(token);
    }
}
