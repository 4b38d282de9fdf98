//! The errors of building a bus.

/// Why a bus was not built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A limit is out of its range.
    #[error("{0}")]
    Limits(LimitsError),
}

impl From<LimitsError> for BuildError {
    fn from(error: LimitsError) -> Self {
        BuildError::Limits(error)
    }
}

/// A field of [`Limits`](crate::Limits) is out of its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limit {name} is {value}, not within {min} to {max}")]
#[non_exhaustive]
pub struct LimitsError {
    /// The field.
    pub name: &'static str,
    /// The value it was set to.
    pub value: usize,
    /// The least it may be.
    pub min: usize,
    /// The most it may be.
    pub max: usize,
}
