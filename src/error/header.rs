//! Errors in a header or a header block.

/// Why a header or a header block was refused.
///
/// Positions are byte offsets: into the name or value for [`HeaderMap::insert`](crate::HeaderMap::insert) and
/// [`append`](crate::HeaderMap::append), into the description for [`encode`](crate::headers::encode()), into the whole block
/// for [`decode`](crate::headers::decode()).
///
/// # Example
///
/// ```
/// use postroom::HeaderMap;
/// use postroom::error::HeaderError;
///
/// let error = HeaderMap::new().insert("Message Id", "7").unwrap_err();
/// assert_eq!(error, HeaderError::NameChar { position: 7, found: ' ' });
/// assert_eq!(error.to_string(), "character ' ' at byte 7 is not allowed in a header name");
/// ```
///
/// Source: H7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// A name has no bytes.
    #[error("empty header name at byte {position}")]
    EmptyName {
        /// Where the name should start.
        position: usize,
    },

    /// A name holds something else than ASCII 33 to 126, or a colon.
    #[error("character {found:?} at byte {position} is not allowed in a header name")]
    NameChar {
        /// Where the character is.
        position: usize,
        /// The character.
        found: char,
    },

    /// A value holds a line break that is not part of the white space around it.
    #[error("line break {found:?} at byte {position} in a header value")]
    ValueChar {
        /// Where the character is.
        position: usize,
        /// The character, `'\r'` or `'\n'`.
        found: char,
    },

    /// A status description holds a line break that is not part of the white space around it.
    #[error("line break {found:?} at byte {position} in a status description")]
    DescriptionChar {
        /// Where the character is.
        position: usize,
        /// The character, `'\r'` or `'\n'`.
        found: char,
    },

    /// A block is not UTF-8.
    #[error("header block is not UTF-8 from byte {position}")]
    NotUtf8 {
        /// Where the first invalid sequence starts.
        position: usize,
    },

    /// A block does not start with `NATS/1.0` and then a blank or the end of the line.
    #[error("header block has no NATS/1.0 version at byte {position}")]
    Version {
        /// Where it departs from that.
        position: usize,
    },

    /// The text behind the version is not a number of three digits from 100 to 999.
    #[error("status at byte {position} is not a number from 100 to 999")]
    Status {
        /// Where the status starts.
        position: usize,
    },

    /// A line of a block has no colon.
    #[error("header line at byte {position} has no colon")]
    MissingColon {
        /// Where the line starts.
        position: usize,
    },
}

impl HeaderError {
    /// The byte offset of the fault; the page of the type says into what.
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::headers::decode;
    ///
    /// assert_eq!(decode(b"NATS/1.0 5\r\n\r\n").unwrap_err().position(), 9);
    /// ```
    #[must_use]
    pub fn position(&self) -> usize {
        match *self {
            Self::EmptyName { position }
            | Self::NameChar { position, .. }
            | Self::ValueChar { position, .. }
            | Self::DescriptionChar { position, .. }
            | Self::NotUtf8 { position }
            | Self::Version { position }
            | Self::Status { position }
            | Self::MissingColon { position } => position,
        }
    }

    /// Moves the position by `bytes`, from within a part to within the whole.
    pub(crate) fn shifted(mut self, bytes: usize) -> Self {
        match &mut self {
            Self::EmptyName { position }
            | Self::NameChar { position, .. }
            | Self::ValueChar { position, .. }
            | Self::DescriptionChar { position, .. }
            | Self::NotUtf8 { position }
            | Self::Version { position }
            | Self::Status { position }
            | Self::MissingColon { position } => *position += bytes,
        }
        self
    }
}
