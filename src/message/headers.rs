//! Headers: named values that travel in front of a payload, and their form on the wire.
//!
//! **Purpose.** [`HeaderMap`] holds the headers of one message; [`encode`] and [`decode`] turn it into the
//! `NATS/1.0` block of the wire and back.
//!
//! **Promises.** Order is kept, the case of names is kept and counts in comparisons, and a name may come several
//! times. The content of a map is valid, so encoding it cannot fail, cannot start a second header by means of a
//! line break in a value, and decodes to an equal map. [`HeaderMap::wire_len`] knows the encoded size at any
//! time without looking at the headers.
//!
//! **Limits.** The number and size of headers have no bound here: the limit on a message covers both. A look-up walks
//! the list while it is short, which for the few headers that messages carry is the fastest way; among many it takes
//! time with the logarithm of their number.
//!
//! **How it fails.** With a [`HeaderError`], which gives the byte at fault.
//!
//! **Where the rules come from.** H1 (what counts as size), H7 (the format).

mod codec;
mod convert;
mod entries;
mod format;
#[cfg(test)]
mod tests;

use std::fmt;

use entries::Entries;
use smol_str::SmolStr;

use crate::error::HeaderError;
pub use codec::{decode, encode, encoded_len};
pub use convert::{IntoIter, Iter};

/// The parts of every block, with headers or without: the version line and the blank line.
const FRAME_LEN: usize = format::VERSION.len() + 2 * format::LINE_END.len();

/// The headers of a message: names with values, in order, names repeated at will.
///
/// Names are compared byte by byte, so `Id` and `id` are two names. White space around a value is cut off when it
/// goes in, since every reader on the wire would cut it off as well.
///
/// # Sizes
///
/// Names are 1 or more bytes, values 0 or more. Nothing is allocated while the map is empty; names and values of up
/// to 23 bytes lie inline.
///
/// # Example
///
/// ```
/// use postroom::HeaderMap;
/// use postroom::error::HeaderError;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("Trace", "41")?;
/// headers.append("Trace", "42")?;
/// assert_eq!(headers.get("Trace"), Some("41"));
/// assert_eq!(headers.get_all("Trace").collect::<Vec<_>>(), ["41", "42"]);
/// assert_eq!(headers.get("trace"), None);
///
/// let refused = headers.insert("Trace", "43\r\nForged: yes");
/// assert_eq!(refused, Err(HeaderError::ValueChar { position: 2, found: '\r' }));
/// # Ok::<(), HeaderError>(())
/// ```
///
/// Source: H7. DIFFERENCE: async-nats groups equal names when it writes; here every header keeps its place.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HeaderMap {
    /// Valid names with valid, trimmed values, in order.
    entries: Entries,
    /// The sum of [`line_len`] over `entries`.
    lines_len: usize,
}

impl HeaderMap {
    /// A map without headers; allocates nothing.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::HeaderMap;
    ///
    /// assert!(HeaderMap::new().is_empty());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Entries::new(), lines_len: 0 }
    }

    /// A map without headers and with room for `headers` of them.
    ///
    /// # Panics
    ///
    /// If the room would exceed `isize::MAX` bytes.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::HeaderMap;
    ///
    /// assert_eq!(HeaderMap::with_capacity(8).len(), 0);
    /// ```
    #[must_use]
    pub fn with_capacity(headers: usize) -> Self {
        Self { entries: Entries::with_capacity(headers), lines_len: 0 }
    }

    /// Sets `name` to `value` alone: takes the place of the first header of that name and drops the others, or goes
    /// to the end if there is none.
    ///
    /// # Errors
    ///
    /// The map is left as it was, positions being byte offsets into the argument at fault:
    ///
    /// - [`HeaderError::EmptyName`] if `name` has no bytes;
    /// - [`HeaderError::NameChar`] if `name` holds anything but ASCII 33 to 126, or a colon;
    /// - [`HeaderError::ValueChar`] if `value`, without the white space around it, holds CR or LF.
    ///
    /// # Example
    ///
    /// ```
    /// # use postroom::HeaderMap;
    /// # use postroom::error::HeaderError;
    /// let mut headers = HeaderMap::new();
    /// headers.append("A", "1")?;
    /// headers.append("B", "2")?;
    /// headers.append("A", "3")?;
    /// headers.insert("A", " 4 ")?;
    /// assert_eq!(headers.iter().collect::<Vec<_>>(), [("A", "4"), ("B", "2")]);
    /// assert!(headers.insert("A:", "5").is_err());
    /// # Ok::<(), HeaderError>(())
    /// ```
    ///
    /// Source: H7.
    pub fn insert(&mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Result<(), HeaderError> {
        let (name, value) = check_header(name.as_ref(), value.as_ref())?;
        let Some(first) = self.entries.first(name) else {
            self.push(name.into(), value.into());
            return Ok(());
        };
        let before = self.entries.set_value(first, value.into());
        self.lines_len = self.lines_len - before.len() + value.len();
        self.take(name, 1);
        Ok(())
    }

    /// Adds a header at the end, whether or not the name is there already.
    ///
    /// # Errors
    ///
    /// Those of [`insert`](Self::insert); the map is left as it was.
    ///
    /// # Example
    ///
    /// ```
    /// # use postroom::HeaderMap;
    /// # use postroom::error::HeaderError;
    /// let mut headers = HeaderMap::new();
    /// headers.append("A", "1")?;
    /// headers.append("A", "1")?;
    /// assert_eq!(headers.len(), 2);
    /// assert_eq!(headers.append("", "1"), Err(HeaderError::EmptyName { position: 0 }));
    /// # Ok::<(), HeaderError>(())
    /// ```
    ///
    /// Source: H7.
    pub fn append(&mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Result<(), HeaderError> {
        let (name, value) = check_header(name.as_ref(), value.as_ref())?;
        self.push(name.into(), value.into());
        Ok(())
    }

    /// The value of the first header of this name.
    ///
    /// # Example
    ///
    /// ```
    /// # use postroom::HeaderMap;
    /// # use postroom::error::HeaderError;
    /// let mut headers = HeaderMap::new();
    /// headers.insert("Id", "7")?;
    /// assert_eq!(headers.get("Id"), Some("7"));
    /// assert_eq!(headers.get("ID"), None);
    /// # Ok::<(), HeaderError>(())
    /// ```
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entries.first(name).map(|at| self.entries.value(at))
    }

    /// The values of all headers of this name, in order.
    ///
    /// # Example
    ///
    /// ```
    /// # use postroom::HeaderMap;
    /// # use postroom::error::HeaderError;
    /// let mut headers = HeaderMap::new();
    /// headers.append("Hop", "a")?;
    /// headers.append("Hop", "b")?;
    /// assert_eq!(headers.get_all("Hop").collect::<Vec<_>>(), ["a", "b"]);
    /// # Ok::<(), HeaderError>(())
    /// ```
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.entries.all(name).into_iter().map(|at| self.entries.value(at))
    }

    /// Drops all headers of this name and says how many there were.
    ///
    /// # Example
    ///
    /// ```
    /// # use postroom::HeaderMap;
    /// # use postroom::error::HeaderError;
    /// let mut headers = HeaderMap::new();
    /// headers.append("A", "1")?;
    /// headers.append("A", "2")?;
    /// assert_eq!(headers.remove("A"), 2);
    /// assert_eq!(headers.remove("A"), 0);
    /// # Ok::<(), HeaderError>(())
    /// ```
    pub fn remove(&mut self, name: &str) -> usize {
        self.take(name, 0)
    }

    /// Drops all headers.
    ///
    /// # Example
    ///
    /// ```
    /// # use postroom::HeaderMap;
    /// # use postroom::error::HeaderError;
    /// let mut headers = HeaderMap::new();
    /// headers.append("A", "1")?;
    /// headers.clear();
    /// assert_eq!(headers, HeaderMap::new());
    /// # Ok::<(), HeaderError>(())
    /// ```
    pub fn clear(&mut self) {
        self.entries.clear();
        self.lines_len = 0;
    }

    /// Whether there is a header of this name.
    ///
    /// # Example
    ///
    /// ```
    /// # use postroom::HeaderMap;
    /// # use postroom::error::HeaderError;
    /// let mut headers = HeaderMap::new();
    /// headers.insert("A", "")?;
    /// assert!(headers.contains("A"));
    /// assert!(!headers.contains("a"));
    /// # Ok::<(), HeaderError>(())
    /// ```
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.entries.first(name).is_some()
    }

    /// The number of headers, each repetition of a name counted.
    ///
    /// # Example
    ///
    /// ```
    /// # use postroom::HeaderMap;
    /// # use postroom::error::HeaderError;
    /// let mut headers = HeaderMap::new();
    /// headers.append("A", "1")?;
    /// headers.append("A", "2")?;
    /// assert_eq!(headers.len(), 2);
    /// # Ok::<(), HeaderError>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no header.
    ///
    /// # Example
    ///
    /// ```
    /// # use postroom::HeaderMap;
    /// assert!(HeaderMap::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.len() == 0
    }

    /// All headers as pairs of name and value, in order.
    ///
    /// # Example
    ///
    /// ```
    /// # use postroom::HeaderMap;
    /// # use postroom::error::HeaderError;
    /// let mut headers = HeaderMap::new();
    /// headers.append("B", "1")?;
    /// headers.append("A", "2")?;
    /// assert_eq!(headers.iter().collect::<Vec<_>>(), [("B", "1"), ("A", "2")]);
    /// # Ok::<(), HeaderError>(())
    /// ```
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.entries.iter())
    }

    /// The size in bytes of the block that [`encode`] writes for this map and no status, at no cost.
    ///
    /// It is what NATS adds to the payload when it compares a message with the maximum: the line `NATS/1.0`, a line
    /// `Name: value` per header and the blank line, two bytes of line end each. For an empty map that is 12; a
    /// message with no header at all travels without a block and so counts 0 instead, which is for the message to
    /// decide.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::HeaderMap;
    /// use postroom::error::HeaderError;
    ///
    /// let mut headers = HeaderMap::new();
    /// assert_eq!(headers.wire_len(), "NATS/1.0\r\n\r\n".len());
    /// headers.insert("Id", "7")?;
    /// assert_eq!(headers.wire_len(), "NATS/1.0\r\nId: 7\r\n\r\n".len());
    /// # Ok::<(), HeaderError>(())
    /// ```
    ///
    /// Source: H1. DIFFERENCE: white space around a value is not counted, as it is not kept.
    #[must_use]
    #[inline]
    pub fn wire_len(&self) -> usize {
        FRAME_LEN + self.lines_len
    }

    /// Adds what was checked before.
    fn push(&mut self, name: SmolStr, value: SmolStr) {
        self.lines_len += line_len(&name, &value);
        self.entries.push(name, value);
    }

    /// Drops all headers of this name but the first `kept`, keeps the sum in step, and says how many there were.
    fn take(&mut self, name: &str, kept: usize) -> usize {
        let gone = self.entries.take(name, kept);
        self.lines_len -= gone.iter().map(|(name, value)| line_len(name, value)).sum::<usize>();
        gone.len()
    }
}

/// Prints like a map, repeated names and all.
impl fmt::Debug for HeaderMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The size in bytes of one header on the wire.
fn line_len(name: &str, value: &str) -> usize {
    name.len() + format::SEPARATOR.len() + value.len() + format::LINE_END.len()
}

/// Checks a header and cuts off the white space around its value.
fn check_header<'a>(name: &'a str, value: &'a str) -> Result<(&'a str, &'a str), HeaderError> {
    check_name(name)?;
    let trimmed = value.trim();
    match find_line_break(trimmed) {
        None => Ok((name, trimmed)),
        Some((at, found)) => {
            let cut = value.len() - value.trim_start().len();
            Err(HeaderError::ValueChar { position: cut + at, found })
        }
    }
}

/// Checks a name against H7.
fn check_name(name: &str) -> Result<(), HeaderError> {
    if name.is_empty() {
        return Err(HeaderError::EmptyName { position: 0 });
    }
    match name.char_indices().find(|&(_, char)| !char.is_ascii_graphic() || char == ':') {
        None => Ok(()),
        Some((position, found)) => Err(HeaderError::NameChar { position, found }),
    }
}

/// The first CR or LF, either of which would end a line for some reader.
fn find_line_break(text: &str) -> Option<(usize, char)> {
    let at = text.bytes().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    Some((at, char::from(text.as_bytes()[at])))
}
