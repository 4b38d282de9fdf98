//! The layouts that a test of the matcher runs over.

use postroom::matcher::MatcherOptions;

/// {1, 2, 16 shards} x {the smallest cache, default cache, no cache}.
pub(crate) fn all(seed: u64) -> Vec<MatcherOptions> {
    let default = MatcherOptions::default();
    let mut all = Vec::new();
    for shards in [1, 2, 16] {
        for cache_entries in [2, default.cache_entries, 0] {
            all.push(options(shards, cache_entries, seed));
        }
    }
    all
}

pub(crate) fn options(shards: usize, cache_entries: usize, seed: u64) -> MatcherOptions {
    let mut options = MatcherOptions::default();
    options.shards = shards;
    options.cache_entries = cache_entries;
    options.seed = Some(seed);
    options
}
