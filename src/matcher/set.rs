//! Patterns that are fixed once they are collected, and what each says: found without a search through all of them.

use super::split::{Token, hash_text};
use super::trie::Trie;
use crate::subject::relation;
use ahash::RandomState;
use smallvec::SmallVec;
use smol_str::SmolStr;
use std::collections::HashMap;

/// Patterns, each with a value, for one thread at a time to fill and for any number to look into.
#[derive(Debug)]
pub(crate) struct PatternSet<T> {
    literals: HashMap<SmolStr, T, RandomState>,
    wildcards: Trie<T>,
    hasher: RandomState,
}

/// As which the text is taken that is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A subject, which a pattern matches: a wildcard in it is a token like others (S7), and nothing matches one with an empty token (S6).
    Subject,
    /// A pattern, which another one includes (S12).
    Pattern,
    /// The name of a queue group (P6): nothing but a `>` before it stands for an empty token or a `>` in it.
    Queue,
}

impl<T> PatternSet<T> {
    /// From patterns of which each comes once.
    pub(crate) fn new<'a>(patterns: impl IntoIterator<Item = (&'a str, T)>) -> Self {
        // Fixed: the patterns are not chosen by those whose texts are looked up.
        let hasher = RandomState::with_seeds(1, 2, 3, 4);
        let (literals, wildcards) = (HashMap::with_hasher(hasher.clone()), Trie::new(hasher.clone()));
        let mut set = PatternSet { literals, wildcards, hasher };
        for (pattern, value) in patterns {
            if !relation::is_literal(pattern) {
                set.wildcards.insert(pattern, None, 0, value);
            } else {
                set.literals.insert(SmolStr::new(pattern), value);
            }
        }
        set
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.literals.is_empty() && self.wildcards.is_empty()
    }

    /// Whether `found` says yes to the value of any pattern that covers `text`, which may be any text. It is asked until it does.
    pub(crate) fn any(&self, text: &str, reading: Reading, mut found: impl FnMut(&T) -> bool) -> bool {
        if !self.literals.is_empty() && self.literals.get(text).is_some_and(&mut found) {
            return true;
        }
        if self.wildcards.is_empty() {
            return false;
        }
        let mut tokens: SmallVec<[Token<'_>; 16]> = SmallVec::new();
        for text in text.split('.') {
            if text.is_empty() && reading == Reading::Subject {
                return false;
            }
            tokens.push(Token { text, hash: hash_text(&self.hasher, text) });
        }
        let stops = |token: &str| match reading {
            Reading::Subject => false,
            Reading::Pattern => token == ">",
            Reading::Queue => token.is_empty() || token == ">",
        };
        self.wildcards.any(&tokens, stops, &mut found)
    }
}
