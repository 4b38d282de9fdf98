//! The pin of a consumer whose messages all go to one client (JC176 to JC179).

use crate::jetstream::engine::time::Timestamp;
use crate::rng::Rng;
use smol_str::SmolStr;
use std::time::Duration;

/// Characters of an id, as nats-server makes them.
const ID_LEN: usize = 22;

const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A client that gets everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    pub(crate) id: SmolStr,
    pub(crate) group: SmolStr,
    pub(crate) since: Timestamp,
    /// When it ends, if no request that has it comes in.
    pub(crate) ends: Timestamp,
}

impl Pin {
    pub(crate) fn new(group: SmolStr, now: Timestamp, timeout: Duration, rng: &Rng) -> Self {
        Pin { id: random_text(rng, ID_LEN).into(), group, since: now, ends: now.after(timeout) }
    }
}

/// A text of digits and letters.
pub(crate) fn random_text(rng: &Rng, len: usize) -> String {
    (0..len).map(|_| char::from(DIGITS[rng.below(DIGITS.len())])).collect()
}

/// The name of a consumer that has none (JC8).
pub(crate) fn random_name(rng: &Rng) -> SmolStr {
    random_text(rng, 8).into()
}
