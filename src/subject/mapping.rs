//! Subjects made of other subjects: the mapping language of nats-server.
//!
//! A [`Transform`] has a source pattern and a destination. A subject that the source matches becomes the destination, in which
//! placeholders stand for the tokens that the source's wildcards matched (SM6):
//!
//! | placeholder | stands for |
//! |---|---|
//! | `$1`, `{{wildcard(1)}}` | the token that the first `*` matched |
//! | `{{partition(10,1,2)}}` | a number below 10, the same for the same tokens (FNV-1a of the 1st and 2nd); `{{partition(10)}}`: of the whole subject |
//! | `{{split(1,-)}}` | the token cut at each `-`, without empty pieces |
//! | `{{splitFromLeft(1,2)}}`, `{{splitFromRight(1,2)}}` | the token cut once, 2 bytes from that end |
//! | `{{sliceFromLeft(1,3)}}`, `{{sliceFromRight(1,3)}}` | the token cut every 3 bytes, counted from that end |
//! | `{{left(1,2)}}`, `{{right(1,2)}}` | that end of the token |
//! | `{{random(10)}}` | any number below 10 |
//! | `>` at the end | the tokens that the source's `>` matched |
//!
//! The first letter of a word may be in either case. A token is cut only between characters; where a cut would fall within one, or
//! beyond the token, the token stays whole.

mod placeholder;

pub use placeholder::{End, Placeholder, TransformError};

use super::{Pattern, relation};
use placeholder::{check_form, placeholder};

/// Turns subjects that a source matches into others.
///
/// # Example
///
/// ```
/// use postroom::subject::mapping::Transform;
///
/// let transform = Transform::new("orders.*.*", "by.$2.{{wildcard(1)}}")?;
/// assert_eq!(transform.apply("orders.eu.new", |_| 0).as_deref(), Some("by.new.eu"));
/// assert_eq!(transform.apply("bills.eu.new", |_| 0), None);
/// # Ok::<(), postroom::subject::mapping::TransformError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transform {
    source: Pattern,
    destination: String,
    parts: Vec<Part>,
    /// It ends with what the source's `>` matched.
    tail: bool,
}

/// A token of a destination, its wildcards as places in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Token(usize),
    Partition { of: i32, places: Vec<usize> },
    Split { place: usize, at: String },
    SplitFrom { end: End, place: usize, at: usize },
    Slice { end: End, place: usize, every: usize },
    Keep { end: End, place: usize, len: usize },
    Random(u32),
}

impl Transform {
    /// An empty source is `>`.
    ///
    /// # Errors
    ///
    /// [`TransformError`], in the server's order: that of the source; the leftmost token that can't be one, or names no function;
    /// [`TransformError::Subject`]; the leftmost argument or wildcard.
    pub fn new(source: &str, destination: &str) -> Result<Self, TransformError> {
        let source = if source.is_empty() { ">" } else { source };
        let Ok(source) = Pattern::new(source) else {
            return Err(TransformError::Source { source_text: source.to_owned() });
        };
        let places: Vec<usize> = wildcards(&source).collect();
        let mut tokens = self::tokens(destination);
        let tail = tokens.last() == Some(&">");
        let before_the_end = &tokens[..tokens.len() - usize::from(tail)];
        before_the_end.iter().try_for_each(|token| check_form(token))?;
        if tokens.contains(&"*") || tail != ends_open(&source) {
            return Err(TransformError::Subject);
        }
        if tail {
            tokens.pop();
        }
        let parts = tokens.into_iter().map(|token| part(token, &places)).collect::<Result<_, _>>()?;
        Ok(Transform { source, destination: destination.to_owned(), parts, tail })
    }

    /// The pattern that a subject must match.
    #[must_use]
    pub fn source(&self) -> &Pattern {
        &self.source
    }

    /// The destination, as it was given.
    #[must_use]
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// The subject that it becomes; `None` if the source does not match it. `random` gives a number below its argument, which is not
    /// 0; only the function of that name asks for it.
    ///
    /// A function may leave nothing of a token, so that what comes out need not be a valid subject.
    pub fn apply(&self, subject: &str, mut random: impl FnMut(u32) -> u32) -> Option<String> {
        if !self.matches(subject) {
            return None;
        }
        let tokens: Vec<&str> = subject.split('.').collect();
        let mut pieces = Vec::with_capacity(self.parts.len() + 1);
        for part in &self.parts {
            pieces.push(part.make(subject, &tokens, &mut random));
        }
        if self.tail {
            pieces.push(tokens[self.source.tokens().count() - 1..].join("."));
        }
        Some(pieces.join("."))
    }

    /// Wildcard tokens of a lenient connection's subject are plain text to the source (SM2).
    fn matches(&self, subject: &str) -> bool {
        relation::matches(self.source.as_str(), subject)
    }
}

impl Part {
    fn make(&self, subject: &str, tokens: &[&str], random: &mut impl FnMut(u32) -> u32) -> String {
        match self {
            Part::Literal(text) => text.clone(),
            Part::Token(place) => tokens[*place].to_owned(),
            Part::Partition { of, places } => {
                let chosen: String = match places.as_slice() {
                    [] => subject.to_owned(),
                    places => places.iter().map(|&place| tokens[place]).collect(),
                };
                let of = u32::try_from(*of).unwrap_or(0);
                fnv1a(chosen.as_bytes()).checked_rem(of).unwrap_or(0).to_string()
            }
            Part::Split { place, at } => {
                let pieces = tokens[*place].split(at.as_str()).filter(|piece| !piece.is_empty());
                pieces.collect::<Vec<_>>().join(".")
            }
            Part::SplitFrom { end, place, at } => match cut(tokens[*place], *end, *at) {
                Some((left, right)) => format!("{left}.{right}"),
                None => tokens[*place].to_owned(),
            },
            Part::Slice { end, place, every } => {
                let mut pieces = Vec::new();
                let mut rest = tokens[*place];
                while let Some((left, right)) = cut(rest, *end, *every) {
                    let (piece, left_over) = if *end == End::Left { (left, right) } else { (right, left) };
                    pieces.push(piece);
                    rest = left_over;
                }
                pieces.push(rest);
                if *end == End::Right {
                    pieces.reverse();
                }
                pieces.join(".")
            }
            Part::Keep { end, place, len } => match cut(tokens[*place], *end, *len) {
                Some((left, _)) if *end == End::Left => left.to_owned(),
                Some((_, right)) => right.to_owned(),
                None => tokens[*place].to_owned(),
            },
            Part::Random(0) => "0".to_owned(),
            Part::Random(below) => random(*below).to_string(),
        }
    }
}

/// Both sides of a cut `at` bytes from an end; `None` if there is nothing on one side.
fn cut(token: &str, end: End, at: usize) -> Option<(&str, &str)> {
    let from_left = if end == End::Left { at } else { token.len().checked_sub(at)? };
    token.split_at_checked(from_left).filter(|(left, right)| !left.is_empty() && !right.is_empty())
}

fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// A token of a destination against the places of the source's wildcards.
fn part(token: &str, places: &[usize]) -> Result<Part, TransformError> {
    let index = |wildcard: i32| {
        if places.is_empty() {
            return Err(TransformError::Wildcard { token: token.to_owned(), index: None });
        }
        // As in nats-server, 0 and less pass and mean the first token.
        let Some(at) = usize::try_from(wildcard).ok().and_then(|number| number.checked_sub(1)) else { return Ok(0) };
        let out_of_range = || TransformError::Wildcard { token: token.to_owned(), index: Some(wildcard.into()) };
        places.get(at).copied().ok_or_else(out_of_range)
    };
    let bytes = |number: i32| usize::try_from(number).unwrap_or(0);
    Ok(match placeholder(token)? {
        Placeholder::Literal => Part::Literal(token.to_owned()),
        Placeholder::Wildcard(wildcard) => Part::Token(index(wildcard)?),
        // Without wildcards in the source it is that of the whole subject.
        Placeholder::Partition { of, .. } if places.is_empty() => Part::Partition { of, places: Vec::new() },
        Placeholder::Partition { of, wildcards } => {
            Part::Partition { of, places: wildcards.into_iter().map(index).collect::<Result<_, _>>()? }
        }
        Placeholder::Split { wildcard, at } => Part::Split { place: index(wildcard)?, at },
        Placeholder::SplitFrom { end, wildcard, at } => Part::SplitFrom { end, place: index(wildcard)?, at: bytes(at) },
        Placeholder::Slice { end, wildcard, every } => {
            Part::Slice { end, place: index(wildcard)?, every: bytes(every) }
        }
        Placeholder::Keep { end, wildcard, len } => Part::Keep { end, place: index(wildcard)?, len: bytes(len) },
        Placeholder::Random(below) => Part::Random(u32::try_from(below).unwrap_or(0)),
    })
}

fn ends_open(pattern: &Pattern) -> bool {
    pattern.tokens().next_back() == Some(">")
}

/// The places of a pattern's `*`.
fn wildcards(pattern: &Pattern) -> impl Iterator<Item = usize> {
    pattern.tokens().enumerate().filter(|(_, token)| *token == "*").map(|(place, _)| place)
}

/// The tokens of a destination: cut at the dots outside of `{{…}}`.
#[must_use]
pub fn tokens(text: &str) -> Vec<&str> {
    let (mut tokens, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b'.' if depth == 0 => {
                tokens.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    tokens.push(&text[start..]);
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(source: &str, destination: &str, subject: &str) -> Option<String> {
        Transform::new(source, destination).unwrap().apply(subject, |below| below - 1)
    }

    /// The results of nats-server 2.15.1 for a stream's subjects.
    #[test]
    fn functions_cut_tokens_as_nats_server_does() {
        let all = "q.{{splitFromLeft(1,2)}}.{{splitFromRight(1,2)}}.{{sliceFromLeft(1,3)}}.{{sliceFromRight(1,3)}}.\
            {{left(1,2)}}.{{right(1,2)}}.{{split(1,-)}}.{{partition(10,1)}}";
        let cases = [
            ("p.1234567", "q.12.34567.12345.67.123.456.7.1.234.567.12.67.1234567.3"),
            ("p.a-b--c", "q.a-.b--c.a-b-.-c.a-b.--c.a-b.--c.a-.-c.a.b.c.6"),
            ("p.ab", "q.ab.ab.ab.ab.ab.ab.ab.6"),
            ("p.abcdefgh", "q.ab.cdefgh.abcdef.gh.abc.def.gh.ab.cde.fgh.ab.gh.abcdefgh.7"),
            ("p.--", "q.--.--.--.--.--.--..1"),
            ("p.part", "q.pa.rt.pa.rt.par.t.p.art.pa.rt.part.8"),
        ];
        for (subject, expected) in cases {
            assert_eq!(map("p.*", all, subject).as_deref(), Some(expected), "{subject}");
        }
        let cases = [
            ("part.*.*", "{{partition(10,1,2)}}", "part.a.b", "6"),
            ("part.*.*", "{{Partition( 10 , 1, 2 )}}", "part.foo.bar", "0"),
            ("part3.*", "{{partition(3)}}", "part3.abc", "0"),
            ("lp", "{{partition(7)}}.{{partition(0)}}", "lp", "0.0"),
            ("a.*.>", "{{random(5)}}.$1.$foo.{{random(0)}}.>", "a.b.c.d", "4.b.$foo.0.c.d"),
            ("a.*.*", "x{{wildcard(1)}}.{{}}.{{ Wildcard( 2 ) }}.$0", "a.b.c", "x{{wildcard(1)}}.{{}}.c.a"),
            ("", "b.>", "a.c", "b.a.c"),
            ("a.*", "{{left(1,1)}}", "a.éx", "éx"),
        ];
        for (source, destination, subject, expected) in cases {
            assert_eq!(map(source, destination, subject).as_deref(), Some(expected), "{source} -> {destination}");
        }
        assert_eq!(map("a.*", "b", "c.d"), None);
    }

    /// The texts of nats-server 2.15.1 for a stream's `subject_transform`.
    #[test]
    fn what_is_wrong_is_said_in_the_servers_words() {
        let cases = [
            ("a..b", "x", "invalid subject a..b"),
            ("a.*", "b.*", "invalid subject"),
            ("a.>", "b", "invalid subject"),
            ("a", "b.>", "invalid subject"),
            ("a.*", "c..d", "invalid mapping destination: invalid transform"),
            ("a.>", "c..d", "invalid mapping destination: invalid transform"),
            ("", "{{foo(1)}}", "invalid mapping destination: unknown function in {{foo(1)}}"),
            ("", "{{left(9,9)}}", "invalid subject"),
            ("a.*", "b c", "invalid mapping destination: invalid transform"),
            (
                "a.*",
                "{{wildcard(2)}}",
                "invalid mapping destination: wildcard index out of range in {{wildcard(2)}}: [2]",
            ),
            (
                "a.*",
                "$3000000000",
                "invalid mapping destination: wildcard index out of range in $3000000000: [3000000000]",
            ),
            ("a", "b.$2", "invalid mapping destination: wildcard index out of range in $2"),
            ("a", "{{left(1,1)}}", "invalid mapping destination: wildcard index out of range in {{left(1,1)}}"),
            ("a", "{{foo(1)}}", "invalid mapping destination: unknown function in {{foo(1)}}"),
            ("a.*", "{{LEFT(1,2)}}", "invalid mapping destination: unknown function in {{LEFT(1,2)}}"),
            (
                "a.*",
                "{{wildcard()}}",
                "invalid mapping destination: not enough arguments passed to the function in {{wildcard()}}",
            ),
            (
                "a.*",
                "{{random(1,2)}}",
                "invalid mapping destination: not enough arguments passed to the function in {{random(1,2)}}",
            ),
            (
                "a.*",
                "{{split(1,a,b)}}",
                "invalid mapping destination: too many arguments passed to the function in {{split(1,a,b)}}",
            ),
            (
                "a.*",
                "{{partition()}}",
                "invalid mapping destination: function argument is invalid or in the wrong format in {{partition()}}",
            ),
            (
                "a.*",
                "{{left(1,x)}}",
                "invalid mapping destination: function argument is invalid or in the wrong format in {{left(1,x)}}",
            ),
        ];
        for (source, destination, expected) in cases {
            let error = Transform::new(source, destination).unwrap_err();
            assert_eq!(error.to_string(), expected, "{source} -> {destination}");
        }
    }
}
