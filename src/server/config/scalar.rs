//! Strings, numbers and dates: how each is written.

use super::cursor::{Cursor, Scan, is_blank, is_line_end};
use super::problem::ConfigErrorKind;
use super::value::Data;

/// A word without quotes may also be the name of a variable.
pub(super) enum Word {
    Data(Data),
    /// Without its `$`.
    Variable(String),
}

fn string(text: &str) -> Word {
    Word::Data(Data::String(text.to_owned()))
}

/// `'…'`, without escapes.
pub(super) fn single_quoted(cursor: &mut Cursor<'_>) -> Scan<Word> {
    cursor.bump();
    let start = cursor.offset();
    cursor.skip(|c| c != '\'');
    let text = cursor.since(start);
    cursor.bump().ok_or_else(|| cursor.expected("the closing `'`"))?;
    Ok(string(text))
}

/// `"…"`, with escapes. DIFFERENCE: it must end. nats-server drops a quote that is the last sign of a text.
pub(super) fn double_quoted(cursor: &mut Cursor<'_>) -> Scan<Word> {
    cursor.bump();
    let mut text = Bytes::default();
    loop {
        match cursor.peek() {
            None => return Err(cursor.expected("the closing `\"`")),
            Some('\\') => text.escape(cursor)?,
            Some('"') => {
                let text = text.finish(cursor)?;
                cursor.bump();
                return Ok(Word::Data(Data::String(text)));
            }
            Some(_) => text.take(cursor),
        }
    }
}

/// `( … )`: everything up to a `)` that is a line of its own.
pub(super) fn block(cursor: &mut Cursor<'_>) -> Scan<Word> {
    cursor.bump();
    let start = cursor.offset();
    loop {
        cursor.skip(|c| c != ')');
        let text = cursor.since(start);
        let first = cursor.before() == Some(b'\n');
        cursor.bump().ok_or_else(|| cursor.expected("a line that is only `)`"))?;
        match cursor.peek() {
            Some('\n') if first => return Ok(string(text)),
            // As the real one has it: at the very end of the text the bracket belongs to the string.
            None if first => return Ok(string(cursor.since(start))),
            _ => {}
        }
    }
}

/// Reads a word without quotes that begins with none of the signs of another kind. Its end shows its kind.
pub(super) fn bare(cursor: &mut Cursor<'_>) -> Scan<Word> {
    rest_of_bare(cursor, cursor.offset())
}

fn ends_bare(c: char) -> bool {
    is_line_end(c) || is_blank(c) || matches!(c, ';' | ',' | ']' | '}')
}

/// A bare word that began at `start`, with the signs that need not be looked at any more behind the cursor.
fn rest_of_bare(cursor: &mut Cursor<'_>, start: usize) -> Scan<Word> {
    let mut text = Bytes::default();
    text.bytes.extend(cursor.since(start).bytes());
    let mut escapes = false;
    loop {
        match cursor.peek() {
            Some('\\') => {
                escapes = true;
                text.escape(cursor)?;
            }
            // A closing quote ends it too, and makes it a string.
            Some('\'') => {
                let text = text.finish(cursor)?;
                cursor.bump();
                return Ok(Word::Data(Data::String(text)));
            }
            Some(c) if !ends_bare(c) => text.take(cursor),
            _ => break,
        }
    }
    let text = text.finish(cursor)?;
    let boolean = match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    };
    Ok(match (boolean, text.strip_prefix('$')) {
        _ if escapes => Word::Data(Data::String(text)),
        (Some(boolean), _) => Word::Data(Data::Boolean(boolean)),
        // The hash of a password, which people forget to quote.
        (_, Some(name)) if !name.starts_with("2a$") => Word::Variable(name.to_owned()),
        _ => Word::Data(Data::String(text)),
    })
}

/// The bytes of a string while it is read: escapes may spell out a character byte by byte.
#[derive(Default)]
struct Bytes {
    bytes: Vec<u8>,
}

impl Bytes {
    fn take(&mut self, cursor: &mut Cursor<'_>) {
        let start = cursor.offset();
        cursor.bump();
        self.bytes.extend(cursor.since(start).bytes());
    }

    fn escape(&mut self, cursor: &mut Cursor<'_>) -> Scan<()> {
        cursor.bump();
        let byte = match cursor.peek() {
            Some('t') => b'\t',
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('"') => b'"',
            Some('\\') => b'\\',
            Some('x') => {
                cursor.bump();
                let mut digit = || -> Scan<u8> {
                    let digit = cursor.peek().and_then(|c| c.to_digit(16));
                    let digit = digit.ok_or_else(|| cursor.expected("two hexadecimal digits after `\\x`"))?;
                    cursor.bump();
                    Ok(digit as u8)
                };
                let byte = 16 * digit()? + digit()?;
                self.bytes.push(byte);
                return Ok(());
            }
            _ => return Err(cursor.expected("one of `x`, `t`, `n`, `r`, `\"` and `\\` after `\\`")),
        };
        cursor.bump();
        self.bytes.push(byte);
        Ok(())
    }

    /// DIFFERENCE: escapes that do not make up UTF-8 are a fault; nats-server keeps the bytes.
    fn finish(self, cursor: &Cursor<'_>) -> Scan<String> {
        let not_utf8 = |_| cursor.problem_here(ConfigErrorKind::Bytes { what: "escapes that are not UTF-8" });
        String::from_utf8(self.bytes).map_err(not_utf8)
    }
}

fn is_suffix(c: char) -> bool {
    "kmgtpe".contains(c.to_ascii_lowercase())
}

fn ends_number(c: Option<char>) -> bool {
    c.is_none_or(|c| is_line_end(c) || is_blank(c) || matches!(c, '}' | ';' | ','))
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// Reads a word that begins with a digit: an integer, a float, a date, an address, or after all a string. DIFFERENCE: digits
/// are those of ASCII; nats-server takes any script's, and then cannot read the number.
pub(super) fn number(cursor: &mut Cursor<'_>) -> Scan<Word> {
    let start = cursor.offset();
    cursor.skip(is_digit);
    match cursor.peek() {
        Some('-') => date(cursor, start),
        Some('.') => fraction(cursor, start),
        Some(c) if is_suffix(c) => suffix(cursor, start),
        c if ends_number(c) => integer(cursor, start),
        // As the real one has it: this sign belongs to the string whatever it is, even a `]`.
        _ => {
            cursor.bump();
            rest_of_bare(cursor, start)
        }
    }
}

/// Reads a word that begins with `-`: an integer or a float.
pub(super) fn negative(cursor: &mut Cursor<'_>) -> Scan<Word> {
    let start = cursor.offset();
    cursor.bump();
    cursor.bump_if(is_digit).ok_or_else(|| cursor.expected("a digit after `-`"))?;
    cursor.skip(is_digit);
    match cursor.peek() {
        Some('.') => fraction(cursor, start),
        Some(c) if is_suffix(c) => suffix(cursor, start),
        _ => integer(cursor, start),
    }
}

/// A number with a suffix; text if anything else follows, such as the digits of `1e5`.
fn suffix(cursor: &mut Cursor<'_>, start: usize) -> Scan<Word> {
    cursor.bump();
    cursor.skip(|c| matches!(c, 'b' | 'B' | 'i' | 'I'));
    if ends_number(cursor.peek()) { integer(cursor, start) } else { rest_of_bare(cursor, start) }
}

/// `k` is 1,000 and `kb`, `ki`, `kib` are 1,024; so on for `m`, `g`, `t`, `p` and `e`. DIFFERENCE: a number that does not fit,
/// or has a suffix of no meaning such as `kbb`, is a fault; nats-server lets it overflow, or loses it.
fn integer(cursor: &Cursor<'_>, start: usize) -> Scan<Word> {
    let text = cursor.since(start);
    let fault = |why| cursor.problem_here(ConfigErrorKind::Number { text: text.to_owned(), why });
    let (digits, suffix) = text.split_at(text.find(is_suffix).unwrap_or(text.len()));
    let factor = match suffix.to_ascii_lowercase().as_bytes() {
        [] => Some(1),
        [letter] => power(1_000, *letter),
        [letter, b'b'] | [letter, b'i'] | [letter, b'i', b'b'] => power(1_024, *letter),
        _ => None,
    };
    let factor = factor.ok_or_else(|| fault("has an unknown suffix"))?;
    let number = digits.parse::<i64>().ok().and_then(|number| number.checked_mul(factor));
    let number = number.ok_or_else(|| fault("does not fit into 64 bits"))?;
    Ok(Word::Data(Data::Integer(number)))
}

fn power(base: i64, letter: u8) -> Option<i64> {
    let exponent = b"kmgtpe".iter().position(|known| *known == letter)?;
    base.checked_pow(exponent as u32 + 1)
}

fn fraction(cursor: &mut Cursor<'_>, start: usize) -> Scan<Word> {
    cursor.bump();
    cursor.bump_if(is_digit).ok_or_else(|| cursor.expected("a digit after `.`"))?;
    cursor.skip(is_digit);
    if cursor.bump_if(|c| c == '.').is_some() {
        // Two points: an address such as 127.0.0.1:4222.
        cursor.skip(|c| is_digit(c) || matches!(c, '.' | ':' | '-'));
        return Ok(string(cursor.since(start)));
    }
    let text = cursor.since(start);
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    let fault = || ConfigErrorKind::Number { text: text.to_owned(), why: "is out of range" };
    Ok(Word::Data(Data::Float(number.ok_or_else(|| cursor.problem_here(fault()))?)))
}

/// `2026-01-31T12:00:00Z`, in just this form.
fn date(cursor: &mut Cursor<'_>, start: usize) -> Scan<Word> {
    const FORM: &str = "a date and time such as 2026-01-31T12:00:00Z, or quotes";
    if cursor.since(start).len() != 4 {
        return Err(cursor.expected(FORM));
    }
    for form in "-00-00T00:00:00Z".chars() {
        let fits = |c: char| if form == '0' { is_digit(c) } else { c == form };
        cursor.bump_if(fits).ok_or_else(|| cursor.expected(FORM))?;
    }
    let text = cursor.since(start);
    let number = |from: usize, to: usize| text[from..to].parse::<u32>().expect("digits");
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    let is_date = (1..=days).contains(&day) && number(11, 13) < 24 && number(14, 16) < 60 && number(17, 19) < 60;
    if !is_date {
        return Err(cursor.problem_here(ConfigErrorKind::Number { text: text.to_owned(), why: "is no date" }));
    }
    Ok(Word::Data(Data::Datetime(text.to_owned())))
}
