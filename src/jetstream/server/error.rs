//! Why JetStream does not start.

use crate::SubscribeError;
use crate::jetstream::store::StoreError;

/// Why JetStream does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The domain's name is not allowed.
    #[error("invalid domain name: may not contain ., * or >")]
    InvalidDomain,
    /// The bus does not let it subscribe.
    #[error("no subscription for the JetStream API: {0}")]
    Subscribe(#[from] SubscribeError),
    /// The store directory can't be used.
    #[error("the store directory: {0}")]
    Store(#[from] StoreError),
}
