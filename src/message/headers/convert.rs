//! Headers from and into pairs of texts.

use super::{HeaderError, HeaderMap, entries};
use smol_str::SmolStr;
use std::fmt;
use std::iter::FusedIterator;

impl HeaderMap {
    /// Adds each pair of name and value at the end, as [`append`](HeaderMap::append) does.
    ///
    /// # Errors
    ///
    /// Those of [`append`](HeaderMap::append), for the first pair that is refused. The pairs before it have been added.
    ///
    /// # Example
    ///
    /// ```
    /// # use postroom::HeaderMap;
    /// # use postroom::error::HeaderError;
    /// let mut headers = HeaderMap::new();
    /// headers.try_extend([("A", "1"), ("B", "2")])?;
    /// let copy = HeaderMap::try_from_iter(&headers)?;
    /// assert_eq!(copy, headers);
    /// assert!(HeaderMap::try_from_iter([("A:", "1")]).is_err());
    /// # Ok::<(), HeaderError>(())
    /// ```
    pub fn try_extend<N: AsRef<str>, V: AsRef<str>>(
        &mut self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<(), HeaderError> {
        pairs.into_iter().try_for_each(|(name, value)| self.append(name, value))
    }

    /// Headers from pairs of name and value, in order. There is no `FromIterator`, which cannot fail.
    ///
    /// # Errors
    ///
    /// Those of [`append`](HeaderMap::append), for the first pair that is refused.
    pub fn try_from_iter<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, HeaderError> {
        let mut headers = HeaderMap::new();
        headers.try_extend(pairs)?;
        Ok(headers)
    }
}

impl<N: AsRef<str>, V: AsRef<str>, const LEN: usize> TryFrom<[(N, V); LEN]> for HeaderMap {
    type Error = HeaderError;

    fn try_from(pairs: [(N, V); LEN]) -> Result<Self, HeaderError> {
        HeaderMap::try_from_iter(pairs)
    }
}

impl<N: AsRef<str>, V: AsRef<str>> TryFrom<Vec<(N, V)>> for HeaderMap {
    type Error = HeaderError;

    fn try_from(pairs: Vec<(N, V)>) -> Result<Self, HeaderError> {
        HeaderMap::try_from_iter(pairs)
    }
}

/// The headers of a [`HeaderMap`] as pairs of name and value, in order; made by [`HeaderMap::iter`].
#[derive(Clone)]
pub struct Iter<'a>(pub(super) entries::Iter<'a>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl FusedIterator for Iter<'_> {}

impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.clone()).finish()
    }
}

impl<'a> IntoIterator for &'a HeaderMap {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The headers of a [`HeaderMap`] as owned pairs of name and value, in order.
#[derive(Debug)]
pub struct IntoIter(std::vec::IntoIter<(SmolStr, SmolStr)>);

impl Iterator for IntoIter {
    type Item = (String, String);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (name.into(), value.into()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for IntoIter {}

impl FusedIterator for IntoIter {}

impl IntoIterator for HeaderMap {
    type Item = (String, String);
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter(self.entries.into_vec().into_iter())
    }
}
