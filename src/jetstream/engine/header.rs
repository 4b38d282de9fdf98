//! Header blocks as the stream reads and changes them: as bytes, without building a map (JS44).
//!
//! A stored block is the one that was sent, byte for byte, but for the few changes made here.

use std::borrow::Cow;

/// The beginning of a block.
const VERSION: &[u8] = b"NATS/1.0";
const LINE_END: &[u8] = b"\r\n";

/// The most bytes of a stored block (JS47).
pub(crate) const BLOCK_MAX: usize = 65_535;

macro_rules! known {
    ($($field:ident $name:literal;)*) => {
        /// The headers of a publish that mean something to a stream (JS45). The first of a name counts.
        #[derive(Clone, Copy, Debug, Default)]
        pub(crate) struct Known<'a> {
            $(pub(crate) $field: Option<&'a [u8]>,)*
        }

        impl<'a> Known<'a> {
            fn field(&mut self, name: &[u8]) -> Option<&mut Option<&'a [u8]>> {
                match name {
                    $($name => Some(&mut self.$field),)*
                    _ => None,
                }
            }
        }
    };
}

known! {
    msg_id b"Nats-Msg-Id";
    expected_stream b"Nats-Expected-Stream";
    expected_last_seq b"Nats-Expected-Last-Sequence";
    expected_last_subject_seq b"Nats-Expected-Last-Subject-Sequence";
    expected_last_subject b"Nats-Expected-Last-Subject-Sequence-Subject";
    expected_last_msg_id b"Nats-Expected-Last-Msg-Id";
    rollup b"Nats-Rollup";
    ttl b"Nats-TTL";
    increment b"Nats-Incr";
    batch_id b"Nats-Batch-Id";
    batch_sequence b"Nats-Batch-Sequence";
    batch_commit b"Nats-Batch-Commit";
    required_api_level b"Nats-Required-Api-Level";
    schedule b"Nats-Schedule";
    schedule_target b"Nats-Schedule-Target";
    schedule_source b"Nats-Schedule-Source";
    schedule_ttl b"Nats-Schedule-TTL";
    schedule_rollup b"Nats-Schedule-Rollup";
    schedule_time_zone b"Nats-Schedule-Time-Zone";
    schedule_next b"Nats-Schedule-Next";
    scheduler b"Nats-Scheduler";
    stream_source b"Nats-Stream-Source";
    marker_reason b"Nats-Marker-Reason";
}

impl<'a> Known<'a> {
    /// Reads a block in one pass. Empty values are kept apart from absent ones.
    pub(crate) fn of(block: &'a [u8]) -> Self {
        let mut known = Known::default();
        for (name, value) in lines(block) {
            if let Some(field) = name.starts_with(b"Nats-").then(|| known.field(name)).flatten() {
                field.get_or_insert(value);
            }
        }
        known
    }

    /// Whether it expects anything of the stream's state, which an increment may not (JS46).
    pub(crate) fn expects(&self) -> bool {
        let fields = [
            self.expected_stream,
            self.expected_last_seq,
            self.expected_last_subject_seq,
            self.expected_last_subject,
            self.expected_last_msg_id,
        ];
        fields.iter().any(|field| said(*field).is_some())
    }
}

/// A value that has bytes: an empty one mostly equals none.
pub(crate) fn said(value: Option<&[u8]>) -> Option<&[u8]> {
    value.filter(|value| !value.is_empty())
}

/// A value that is digits alone; those of other signs and those that do not fit are no numbers.
pub(crate) fn number(value: &[u8]) -> Option<u64> {
    let are_digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| are_digits)?.parse().ok()
}

/// Names and values of the lines behind the first. Blanks before a value are skipped, those behind it belong to it.
pub(crate) fn lines(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    raw_lines(block).skip(1).filter_map(|line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let value = &line[colon + 1..];
        let blanks = value.iter().take_while(|&&byte| byte == b' ').count();
        Some((&line[..colon], &value[blanks..]))
    })
}

/// The value of the first header of a name.
pub(crate) fn get<'a>(block: &'a [u8], name: &str) -> Option<&'a [u8]> {
    lines(block).find(|(other, _)| *other == name.as_bytes()).map(|(_, value)| value)
}

/// Lines without their ends, up to the blank one.
fn raw_lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.windows(2).position(|pair| pair == LINE_END);
        let line = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or(&[], |end| &rest[end + 2..]);
        Some(line)
    })
    .take_while(|line| !line.is_empty())
}

/// The block as it is stored: without what stands behind the version on the first line, without `Nats-Request-Info`; nothing if
/// there is only a status line. A block of the version alone stays.
pub(crate) fn stored(block: &[u8]) -> Cow<'_, [u8]> {
    if !block.starts_with(VERSION) {
        return Cow::Borrowed(block);
    }
    let first_line = block.windows(2).position(|pair| pair == LINE_END).unwrap_or(block.len());
    let rest = block.get(first_line..).unwrap_or_default();
    let block = match first_line == VERSION.len() {
        true => Cow::Borrowed(block),
        false if rest.len() <= 2 * LINE_END.len() => return Cow::Borrowed(&[]),
        false => Cow::Owned([VERSION, rest].concat()),
    };
    match get(&block, "Nats-Request-Info") {
        None => block,
        Some(_) => Cow::Owned(without(&block, |name| name == b"Nats-Request-Info")),
    }
}

/// The block without the headers of some names; empty if none are left.
pub(crate) fn without(block: &[u8], unwanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(block.len());
    let mut is_empty = true;
    for (at, line) in raw_lines(block).enumerate() {
        let name = &line[..line.iter().position(|&byte| byte == b':').unwrap_or(line.len())];
        if at > 0 && unwanted(name) {
            continue;
        }
        is_empty &= at == 0;
        out.extend_from_slice(line);
        out.extend_from_slice(LINE_END);
    }
    out.extend_from_slice(LINE_END);
    if is_empty { Vec::new() } else { out }
}

/// Puts a header at the end of a block, in the place of those of its name.
pub(crate) fn set(block: &[u8], name: &str, value: &str) -> Vec<u8> {
    let mut out = without(block, |other| other == name.as_bytes());
    append(&mut out, name, value.as_bytes());
    out
}

/// Puts a header at the end of a block, which is made if it is empty.
pub(crate) fn append(block: &mut Vec<u8>, name: &str, value: &[u8]) {
    if block.is_empty() {
        block.extend_from_slice(VERSION);
        block.extend_from_slice(LINE_END);
    } else if block.ends_with(b"\r\n\r\n") {
        block.truncate(block.len() - LINE_END.len());
    }
    for piece in [name.as_bytes(), b": ", value, LINE_END, LINE_END] {
        block.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    /// JS44: names are exact, the first counts, blanks before a value are skipped and those behind it belong to it.
    #[test]
    fn values_are_read_as_the_server_reads_them() {
        let block = b"NATS/1.0\r\nnats-msg-id: x\r\nNats-Msg-Id:  a \r\nNats-Msg-Id: b\r\nNats-TTL:\t5\r\nABC\r\nNats-Rollup:\r\n\r\n";
        let known = Known::of(block);
        assert_eq!(known.msg_id.map(text), Some("a "));
        assert_eq!(known.ttl.map(text), Some("\t5"));
        assert_eq!((known.rollup, said(known.rollup)), (Some(&b""[..]), None));
        assert_eq!(known.expected_stream, None);
        assert!(!known.expects());
        assert_eq!(get(block, "nats-msg-id").map(text), Some("x"));
    }

    /// JS44: what is cut off a block before it is stored.
    #[test]
    fn a_stored_block_is_the_sent_one_but_for_status_and_request_info() {
        let cases: [(&[u8], &[u8]); 7] = [
            (b"NATS/1.0\r\n\r\n", b"NATS/1.0\r\n\r\n"),
            (b"NATS/1.0 503 x\r\nNats-Request-Info: {}\r\n\r\n", b""),
            (b"NATS/1.0\r\nA: b\r\nABC\r\na:c\r\n\r\n", b"NATS/1.0\r\nA: b\r\nABC\r\na:c\r\n\r\n"),
            (b"NATS/1.0 503 No\r\nA: b\r\n\r\n", b"NATS/1.0\r\nA: b\r\n\r\n"),
            (b"NATS/1.0 503\r\n\r\n", b""),
            (b"NATS/1.0\r\nA: b\r\nNats-Request-Info: {}\r\nC: d\r\n\r\n", b"NATS/1.0\r\nA: b\r\nC: d\r\n\r\n"),
            (b"NATS/1.0\r\nNats-Request-Info: {}\r\n\r\n", b""),
        ];
        for (sent, kept) in cases {
            assert_eq!(text(&stored(sent)), text(kept), "{}", text(sent));
        }
    }

    #[test]
    fn headers_are_set_at_the_end() {
        let block = set(b"NATS/1.0\r\nNats-TTL: 1s\r\nA: b\r\n\r\n", "Nats-TTL", "2");
        assert_eq!(text(&block), "NATS/1.0\r\nA: b\r\nNats-TTL: 2\r\n\r\n");
        assert_eq!(text(&set(b"", "A", "b")), "NATS/1.0\r\nA: b\r\n\r\n");
        assert_eq!(text(&set(b"NATS/1.0\r\nA: x\r\n\r\n", "A", "b")), "NATS/1.0\r\nA: b\r\n\r\n");
    }
}
