//! The header block of the wire: written and read.

use std::borrow::Cow;

use smol_str::SmolStr;

use super::super::status::StatusCode;
use super::format::{LINE_END, SEPARATOR, VERSION};
use super::{HeaderError, HeaderMap, check_name, find_line_break};

/// Appends the block of `headers` to `out`, with a status and its description in the first line if there is one.
///
/// White space around the description is cut off, and an empty one is left out. Exactly [`encoded_len`] bytes are
/// appended. Headers without a status make a block of [`HeaderMap::wire_len`] bytes, even if there are none.
///
/// # Errors
///
/// [`HeaderError::DescriptionChar`] if the description, without the white space around it, holds CR or LF; then
/// nothing is appended. Without a status this function does not fail.
///
/// # Example
///
/// ```
/// use postroom::{HeaderMap, StatusCode};
/// use postroom::headers::encode;
/// use postroom::error::HeaderError;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("Nats-Subject", "nobody")?;
///
/// let mut block = Vec::new();
/// encode(Some((StatusCode::NO_RESPONDERS, "")), &headers, &mut block)?;
/// assert_eq!(block, b"NATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n");
/// # Ok::<(), HeaderError>(())
/// ```
///
/// Source: H1, H7, R3.
pub fn encode(status: Option<(StatusCode, &str)>, headers: &HeaderMap, out: &mut Vec<u8>) -> Result<(), HeaderError> {
    let status = match status {
        Some((code, description)) => Some((code, check_description(description)?)),
        None => None,
    };
    out.reserve(encoded_len(status, headers));
    out.extend_from_slice(VERSION.as_bytes());
    if let Some((code, description)) = status {
        out.push(b' ');
        out.extend_from_slice(&digits(code));
        if !description.is_empty() {
            out.push(b' ');
            out.extend_from_slice(description.as_bytes());
        }
    }
    out.extend_from_slice(LINE_END.as_bytes());
    for (name, value) in headers.iter() {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(SEPARATOR.as_bytes());
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(LINE_END.as_bytes());
    }
    out.extend_from_slice(LINE_END.as_bytes());
    Ok(())
}

/// The number of bytes that [`encode`] appends for the same arguments; costs no walk over the headers.
///
/// # Example
///
/// ```
/// use postroom::{HeaderMap, StatusCode};
/// use postroom::headers::encoded_len;
///
/// let status = Some((StatusCode::TIMEOUT, "Request Timeout"));
/// assert_eq!(encoded_len(status, &HeaderMap::new()), "NATS/1.0 408 Request Timeout\r\n\r\n".len());
/// ```
///
/// Source: H1.
#[must_use]
pub fn encoded_len(status: Option<(StatusCode, &str)>, headers: &HeaderMap) -> usize {
    let status_len = status.map_or(0, |(code, description)| {
        let description = description.trim();
        let blank = usize::from(!description.is_empty());
        1 + digits(code).len() + blank + description.len()
    });
    headers.wire_len() + status_len
}

/// Reads a block: the status with its description, if the first line has one, and the headers.
///
/// The block is expected to be complete, as the lengths of a protocol line cut it out. Read are: lines that end in
/// LF or CR LF; white space around values and the description, which is cut off; values folded over several lines, of
/// which every further one starts with white space (the line breaks are dropped, the white space stays). Blank lines
/// are passed over wherever they are, and the last one may be missing. The description is empty if there is none.
///
/// # Errors
///
/// Positions are byte offsets into `block`:
///
/// - [`HeaderError::NotUtf8`] if the block is not UTF-8;
/// - [`HeaderError::Version`] if it does not start with `NATS/1.0` followed by white space, the end of the line or
///   the end of the block (an empty block included);
/// - [`HeaderError::Status`] if the next word of the line is not a number of three digits, 100 to 999;
/// - [`HeaderError::DescriptionChar`] if a CR stands within the description;
/// - [`HeaderError::MissingColon`] if a line is neither blank nor folded and has no colon;
/// - [`HeaderError::EmptyName`] if it starts with the colon;
/// - [`HeaderError::NameChar`] if what stands before the colon is not a name, a blank before the colon included;
/// - [`HeaderError::ValueChar`] if a CR stands within a value.
///
/// # Example
///
/// ```
/// use postroom::headers::decode;
/// use postroom::StatusCode;
/// use postroom::error::HeaderError;
///
/// let (status, headers) = decode(b"NATS/1.0 503 No Responders\r\nA: 1\r\nA:2 \r\n\r\n")?;
/// let (code, description) = status.expect("the first line has one");
/// assert_eq!((code, description.as_str()), (StatusCode::NO_RESPONDERS, "No Responders"));
/// assert_eq!(headers.get_all("A").collect::<Vec<_>>(), ["1", "2"]);
///
/// assert_eq!(decode(b"HTTP/1.1 200\r\n\r\n"), Err(HeaderError::Version { position: 0 }));
/// # Ok::<(), HeaderError>(())
/// ```
///
/// Source: H7. DIFFERENCE: async-nats also takes a version with the status glued to it, an empty name and a CR within
/// a value; none of these could be sent on.
pub fn decode(block: &[u8]) -> Result<(Option<(StatusCode, SmolStr)>, HeaderMap), HeaderError> {
    let text = std::str::from_utf8(block).map_err(|error| HeaderError::NotUtf8 { position: error.valid_up_to() })?;
    let mut lines = Lines { text, start: 0 };
    let status = decode_first_line(lines.next().unwrap_or_default().1)?;

    let mut headers = HeaderMap::new();
    while let Some((start, line)) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err(HeaderError::MissingColon { position: start });
        };
        check_name(name).map_err(|error| error.shifted(start))?;
        let value_start = start + name.len() + 1;
        let folded = unfold(value, &mut lines);
        let value = folded.trim();
        if let Some((_, found)) = find_line_break(value) {
            return Err(HeaderError::ValueChar { position: find_stray_cr(text, value_start), found });
        }
        headers.push(name.into(), value.into());
    }
    Ok((status, headers))
}

/// The lines of a block with the byte offsets at which they start, line ends cut off.
struct Lines<'a> {
    text: &'a str,
    start: usize,
}

impl<'a> Lines<'a> {
    /// The next line if it continues a value, which white space at its start says (H7).
    fn next_folded(&mut self) -> Option<&'a str> {
        let rest = &self.text[self.start..];
        // A line end is white space to `char` too, but a blank line continues nothing.
        let blank = rest.starts_with('\n') || rest.starts_with(LINE_END);
        if blank || !rest.starts_with(char::is_whitespace) {
            return None;
        }
        self.next().map(|(_, line)| line)
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.start;
        let rest = &self.text[start..];
        if rest.is_empty() {
            return None;
        }
        let (line, taken) = match rest.find('\n') {
            Some(end) => (rest[..end].strip_suffix('\r').unwrap_or(&rest[..end]), end + 1),
            None => (rest, rest.len()),
        };
        self.start += taken;
        Some((start, line))
    }
}

/// Reads the version and the status behind it.
fn decode_first_line(line: &str) -> Result<Option<(StatusCode, SmolStr)>, HeaderError> {
    let Some(rest) = line.strip_prefix(VERSION) else {
        let common = line.bytes().zip(VERSION.bytes()).take_while(|(a, b)| a == b).count();
        return Err(HeaderError::Version { position: common });
    };
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return Err(HeaderError::Version { position: VERSION.len() });
    }
    let status = rest.trim();
    if status.is_empty() {
        return Ok(None);
    }
    let start = line.len() - rest.trim_start().len();
    let (code, description) = status.split_once(char::is_whitespace).unwrap_or((status, ""));
    let code = parse_code(code).ok_or(HeaderError::Status { position: start })?;
    let description = check_description(description).map_err(|error| {
        // The description is the end of the line but for the white space behind it.
        error.shifted(start + status.len() - description.len())
    })?;
    Ok(Some((code, description.into())))
}

fn parse_code(word: &str) -> Option<StatusCode> {
    // Takes three digits, so neither a sign nor leading zeros beyond them, both of which `parse` would
    // take.
    if word.len() != 3 || !word.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    StatusCode::new(word.parse().ok()?)
}

fn digits(code: StatusCode) -> [u8; 3] {
    // A status is below 1000, so each of these is one digit.
    let digit = |unit: u16| b'0' + (code.as_u16() / unit % 10) as u8;
    [digit(100), digit(10), digit(1)]
}

/// Cuts off the white space around a description and refuses line breaks within it.
fn check_description(description: &str) -> Result<&str, HeaderError> {
    let trimmed = description.trim();
    match find_line_break(trimmed) {
        None => Ok(trimmed),
        Some((at, found)) => {
            let cut = description.len() - description.trim_start().len();
            Err(HeaderError::DescriptionChar { position: cut + at, found })
        }
    }
}

/// Puts a value together with the lines that continue it; copies only if there are any.
fn unfold<'a>(first: &'a str, lines: &mut Lines<'a>) -> Cow<'a, str> {
    let mut value = Cow::Borrowed(first);
    while let Some(line) = lines.next_folded() {
        value.to_mut().push_str(line);
    }
    value
}

/// Where the value that starts at `start` holds a CR that ends no line; the caller knows that it does.
fn find_stray_cr(text: &str, start: usize) -> usize {
    let rest = &text[start..];
    // The part cut off in front of the value may hold such a CR as well, but does no harm.
    let from = text.len() - rest.trim_start().len();
    let bytes = text.as_bytes();
    (from..bytes.len()).find(|&at| bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n')).unwrap_or(from)
}
