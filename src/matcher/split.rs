//! A subject cut into tokens with their hashes: at most once, for both tries that it is looked up in.

use ahash::RandomState;
use smallvec::SmallVec;
use std::hash::{BuildHasher, Hasher};

/// The hash of a subject or token. Hashes the bytes alone: the `Hash` of a slice would hash its length
/// first.
#[inline]
pub(super) fn hash_text(hasher: &RandomState, text: &str) -> u64 {
    hash_bytes(hasher, text.as_bytes())
}

#[inline]
pub(super) fn hash_bytes(hasher: &RandomState, text: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(text);
    state.finish()
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) hash: u64,
}

#[derive(Debug)]
pub(super) struct Split<'a> {
    subject: &'a str,
    first: Token<'a>,
    /// Filled at the first use.
    tokens: SmallVec<[Token<'a>; 16]>,
}

impl<'a> Split<'a> {
    /// Cuts off the first token, which chooses the shard; `hash` is that of the whole.
    #[inline]
    pub(super) fn new(hasher: &RandomState, subject: &'a str, hash: u64) -> Self {
        let text = first_token(subject);
        let hash = if text.len() == subject.len() { hash } else { hash_text(hasher, text) };
        Split { subject, first: Token { text, hash }, tokens: SmallVec::new() }
    }

    /// The hash of the first token.
    #[inline]
    pub(super) fn first(&self) -> u64 {
        self.first.hash
    }

    /// All tokens; none at all if one of them is empty, since nothing matches such a subject (S6).
    #[inline]
    pub(super) fn tokens(&mut self, hasher: &RandomState) -> &[Token<'a>] {
        if self.tokens.is_empty() {
            self.cut(hasher);
        }
        &self.tokens
    }

    fn cut(&mut self, hasher: &RandomState) {
        self.tokens.push(self.first);
        let mut rest = self.subject.get(self.first.text.len() + 1..);
        while let Some(uncut) = rest {
            let text = first_token(uncut);
            rest = uncut.get(text.len() + 1..);
            let hash = hash_text(hasher, text);
            self.tokens.push(Token { text, hash });
        }
        if self.tokens.iter().any(|token| token.text.is_empty()) {
            self.tokens.clear();
        }
    }
}

#[inline]
pub(super) fn first_token(text: &str) -> &str {
    // A plain byte loop: tokens are short, and a searcher's set-up would cost more than it saves.
    match text.bytes().position(|byte| byte == b'.') {
        Some(dot) => &text[..dot],
        None => text,
    }
}
