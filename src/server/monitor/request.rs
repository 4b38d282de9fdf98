//! The head of an HTTP request, read as nats-server's library reads it: what stands in a path or a query without being escaped is
//! itself.

/// The content of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Without escapes.
    pub(super) path: String,
    /// As it came.
    pub(super) query: String,
    /// The answer's body is left away.
    pub(super) is_head: bool,
    /// The 1 of HTTP/1.1, which all but the oldest clients speak.
    pub(super) minor: u8,
    /// Whether there may be another request after this one. Not after one with a body, which is never read.
    pub(super) keeps_open: bool,
    /// A client of HTTP/1.0 asked for that.
    pub(super) says_keep_alive: bool,
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: u16,
    /// The text behind the status, after a colon; `None`: not even the status is said again.
    pub(super) why: Option<&'static str>,
}

const MALFORMED: Refused = Refused { status: 400, why: Some("") };
pub(super) const TOO_LARGE: Refused = Refused { status: 431, why: Some("") };
/// A head that did not come in time.
pub(super) const LATE: Refused = MALFORMED;

/// Where the head ends that begins here, if it does; looked for from `from` on.
pub(super) fn end_of_head(input: &[u8], from: usize) -> Option<usize> {
    let mut at = from.saturating_sub(2);
    loop {
        at += 1 + input[at..].iter().position(|byte| *byte == b'\n')?;
        match &input[at..] {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

/// Reads a head, its end included.
///
/// # Errors
///
/// The refusal that nats-server gives.
pub(super) fn parse(head: &[u8]) -> Result<Request, Refused> {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next().unwrap_or_default();
    let mut parts = first.splitn(3, |byte| *byte == b' ');
    let (Some(method), Some(target), Some(version)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(MALFORMED);
    };
    let minor = match version {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9'] => minor - b'0',
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            return Err(Refused { status: 505, why: Some("unsupported protocol version") });
        }
        _ => return Err(MALFORMED),
    };
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Err(MALFORMED);
    }
    let (path, query) = target_of(target)?;
    let (mut hosts, mut closes, mut keeps, mut has_body) = (0, false, false, false);
    for line in lines.take_while(|line| !line.is_empty()) {
        // A line that continues the one before belongs to none of the fields that are looked at.
        if matches!(line[0], b' ' | b'\t') {
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or(MALFORMED)?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(MALFORMED);
        }
        let is = |field: &[u8]| name.eq_ignore_ascii_case(field);
        let lists =
            |word: &[u8]| value.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(word));
        hosts += usize::from(is(b"host"));
        closes |= is(b"connection") && lists(b"close");
        keeps |= is(b"connection") && lists(b"keep-alive");
        has_body |= (is(b"content-length") && value != b"0") || is(b"transfer-encoding");
    }
    match hosts {
        0 if minor > 0 => return Err(Refused { status: 400, why: Some("missing required Host header") }),
        0 | 1 => {}
        _ => return Err(Refused { status: 400, why: Some("too many Host headers") }),
    }
    let says_keep_alive = minor == 0 && keeps && !has_body;
    let keeps_open = !closes && !has_body && (minor > 0 || keeps);
    Ok(Request { path, query, is_head: method == b"HEAD", minor, keeps_open, says_keep_alive })
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Path and query.
fn target_of(target: &[u8]) -> Result<(String, String), Refused> {
    if target == b"*" {
        return Err(Refused { status: 400, why: None });
    }
    if target.iter().any(u8::is_ascii_control) {
        return Err(MALFORMED);
    }
    let (path, query) = match target.iter().position(|byte| *byte == b'?') {
        Some(at) => (&target[..at], &target[at + 1..]),
        None => (target, &[][..]),
    };
    // `http://host/path`, as clients ask who take this for a proxy.
    let path = match path.windows(3).position(|part| part == b"://") {
        Some(at) if path[0].is_ascii_alphabetic() && path[..at].iter().all(u8::is_ascii_alphanumeric) => {
            let rest = &path[at + 3..];
            &rest[rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len())..]
        }
        _ if path.first() == Some(&b'/') => path,
        _ => return Err(MALFORMED),
    };
    let path = if path.is_empty() { &b"/"[..] } else { path };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((text(&unescaped(path).ok_or(MALFORMED)?), text(query)))
}

/// `None` if a percent sign is not followed by two hexadecimal digits.
fn unescaped(path: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, more)) = rest.split_first() {
        rest = more;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (digits, more) = rest.split_at_checked(2)?;
        rest = more;
        let digit = |byte: u8| char::from(byte).to_digit(16);
        bytes.push((digit(digits[0])? * 16 + digit(digits[1])?) as u8);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(target: &str) -> Result<(String, String), u16> {
        let head = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        parse(head.as_bytes()).map(|request| (request.path, request.query)).map_err(|refused| refused.status)
    }

    /// Each as nats-server 2.15.1 has it.
    #[test]
    fn signs_that_are_not_escaped_are_themselves() {
        let is = |path: &str, query: &str| Ok((path.to_owned(), query.to_owned()));
        assert_eq!(asked("/connz?subs=1&acc=$G&x=foo.>"), is("/connz", "subs=1&acc=$G&x=foo.>"));
        assert_eq!(asked("/v?<\"{}[]|^`\\#\u{e9}%zz"), is("/v", "<\"{}[]|^`\\#\u{e9}%zz"));
        assert_eq!(asked("/va>rz"), is("/va>rz", ""));
        assert_eq!(asked("/%76arz%2f"), is("/varz/", ""));
        assert_eq!(asked("/varz#x"), is("/varz#x", ""));
        assert_eq!(asked("/varz??a"), is("/varz", "?a"));
        assert_eq!(asked("http://x:8222/varz?a"), is("/varz", "a"));
        assert_eq!(asked("http://x"), is("/", ""));
        for wrong in ["", "varz", "*", "?a", "/a b", "/a\tb", "/a\u{1}", "/a\u{7f}", "/a%", "/a%4", "/a%zz"] {
            assert_eq!(asked(wrong), Err(400), "{wrong:?}");
        }
    }

    #[test]
    fn heads_are_read_as_far_as_they_matter() {
        let read = |text: &str| parse(text.as_bytes());
        let open = |text: &str| read(text).map(|request| (request.keeps_open, request.says_keep_alive));
        assert_eq!(open("GET / HTTP/1.1\r\nhost: x\r\n\r\n"), Ok((true, false)));
        assert_eq!(open("GET / HTTP/1.1\nHOST:x\nConnection: a, Close\n\n"), Ok((false, false)));
        assert_eq!(open("GET / HTTP/1.0\r\n\r\n"), Ok((false, false)));
        assert_eq!(open("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), Ok((true, true)));
        assert_eq!(open("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), Ok((true, false)));
        assert_eq!(open("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"), Ok((false, false)));
        assert_eq!(open("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"), Ok((false, false)));
        assert!(read("HEAD / HTTP/1.1\r\nHost: x\r\nX: y\r\n z\r\n\r\n").is_ok_and(|request| request.is_head));
        let refused = |text: &str| read(text).unwrap_err();
        assert_eq!(refused("GET / HTTP/1.1\r\n\r\n").why, Some("missing required Host header"));
        assert_eq!(refused("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n").why, Some("too many Host headers"));
        assert_eq!(refused("GET / HTTP/2.0\r\nHost: x\r\n\r\n").status, 505);
        for wrong in ["\r\n\r\n", "GET\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP\r\n\r\n", " / HTTP/1.1\r\n\r\n"] {
            assert_eq!(refused(wrong), MALFORMED, "{wrong:?}");
        }
        assert_eq!(refused("GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n"), MALFORMED);
        assert_eq!(refused("GET / HTTP/1.1\r\nHost : x\r\n\r\n"), MALFORMED);
    }

    #[test]
    fn a_head_ends_at_its_first_empty_line_in_whatever_pieces_it_comes() {
        for head in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\nHost: x\n\n", "GET / HTTP/1.1\r\n\n"] {
            let both = format!("{head}GET /next");
            for come in 0..=both.len() {
                for looked in 0..=come.min(head.len() - 1) {
                    let end = end_of_head(&both.as_bytes()[..come], looked);
                    assert_eq!(end, (come >= head.len()).then_some(head.len()), "{head:?} {come} {looked}");
                }
            }
        }
    }
}
