//! Bytes of the wire as text, and back, without loss.
//!
//! NATS takes any bytes for a subject (S1); the bus holds texts. Valid UTF-8 is taken as it is. A byte that is not part of
//! any is written as the private-use character U+10FF00 + byte, which is one of U+10FF80 to U+10FFFF. These characters
//! themselves, should they come in, are written byte by byte in the same way, so that different bytes give different texts,
//! and `to_wire(to_text(bytes)) == bytes` for all bytes.
//!
//! An escaped byte is never ASCII, so that no text can smuggle a blank or a line end onto the wire.

use std::borrow::Cow;

/// The escape of byte 0.
const ESCAPE: u32 = 0x10_FF00;
/// The first byte of every escape in UTF-8.
const LEAD: u8 = 0xF4;
/// All escapes in UTF-8: 0xF4 0x8F, 0xBE or 0xBF, 0x80 to 0xBF.
const LEN: usize = 4;

/// The text for these bytes of the wire. Borrowed unless something had to be escaped.
///
/// # Example
///
/// ```
/// use postroom::protocol::text::{to_text, to_wire};
///
/// assert_eq!(to_text("größe".as_bytes()), "größe");
/// let text = to_text(b"a.\xff");
/// assert_eq!(text, "a.\u{10ffff}");
/// assert_eq!(*to_wire(&text), *b"a.\xff");
/// ```
///
/// Source: S1.
#[must_use]
#[inline]
pub fn to_text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() || memchr::memchr(LEAD, bytes).is_none() => Cow::Borrowed(text),
        _ => escape(bytes),
    }
}

/// The bytes of the wire for this text. Borrowed unless something was escaped.
///
/// # Example
///
/// ```
/// use postroom::protocol::text::to_wire;
///
/// assert_eq!(*to_wire("a.\u{10ff80}"), *b"a.\x80");
/// ```
///
/// Source: S1.
#[must_use]
#[inline]
pub fn to_wire(text: &str) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return Cow::Borrowed(text.as_bytes());
    }
    match memchr::memchr(LEAD, text.as_bytes()) {
        None => Cow::Borrowed(text.as_bytes()),
        Some(at) => unescape(text, at),
    }
}

#[cold]
fn escape(bytes: &[u8]) -> Cow<'_, str> {
    let mut text = String::with_capacity(bytes.len() + 2 * LEN);
    let mut plain = true;
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            if is_escape(char) {
                plain = false;
                char.encode_utf8(&mut [0; LEN]).bytes().for_each(|byte| text.push(escaped(byte)));
            } else {
                text.push(char);
            }
        }
        for &byte in chunk.invalid() {
            plain = false;
            text.push(escaped(byte));
        }
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if plain => Cow::Borrowed(text),
        _ => Cow::Owned(text),
    }
}

#[cold]
fn unescape(text: &str, first: usize) -> Cow<'_, [u8]> {
    let (head, tail) = text.split_at(first);
    if !tail.contains(is_escape) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    bytes.extend_from_slice(head.as_bytes());
    for char in tail.chars() {
        if is_escape(char) {
            bytes.push((u32::from(char) - ESCAPE) as u8);
        } else {
            bytes.extend_from_slice(char.encode_utf8(&mut [0; LEN]).as_bytes());
        }
    }
    Cow::Owned(bytes)
}

/// Only bytes above ASCII are ever escaped.
fn is_escape(char: char) -> bool {
    u32::from(char) >= ESCAPE + 0x80
}

fn escaped(byte: u8) -> char {
    char::from_u32(ESCAPE + u32::from(byte)).expect("the last plane has a character for each byte")
}
