//! Bytes as text and back (S1); texts in quotation marks (P4).

use postroom::protocol::text::{to_text, to_wire};
use postroom::protocol::{ProtocolError, Quoted};
use proptest::prelude::*;
use std::borrow::Cow;

#[test]
fn text_passes_untouched() {
    for text in ["", "a.b", "größe", "\u{10fefe}", "\u{10ff00}", "\u{10ff7f}", "😀", "\0\r\n"] {
        assert!(matches!(to_text(text.as_bytes()), Cow::Borrowed(same) if same == text), "{text:?}");
        assert!(matches!(to_wire(text), Cow::Borrowed(same) if same == text.as_bytes()), "{text:?}");
    }
}

#[test]
fn other_bytes_are_escaped() {
    for byte in 0x80..=0xff_u8 {
        let text = to_text(&[byte]).into_owned();
        assert_eq!(text.chars().map(u32::from).collect::<Vec<_>>(), [0x10_ff00 + u32::from(byte)]);
        assert_eq!(*to_wire(&text), [byte]);
    }
    assert_eq!(to_text(b"a.\xe2\x82.b"), "a.\u{10ffe2}\u{10ff82}.b");
    // The escapes themselves, if they come in.
    assert_eq!(to_text("\u{10ff80}".as_bytes()), "\u{10fff4}\u{10ff8f}\u{10ffbe}\u{10ff80}");
}

/// Bytes that are likely to meet: pieces of characters and of escapes.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"a"[..],
        b".",
        b" ",
        "é".as_bytes(),
        "😀".as_bytes(),
        "\u{10ffff}".as_bytes(),
        "\u{10ff80}".as_bytes(),
        "\u{10ff7f}".as_bytes(),
        b"\xf4",
        b"\x8f",
        b"\xbe",
        b"\x80",
        b"\xff",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    ]
}

proptest! {
    /// Back and forth gives the same bytes, so that different bytes give different texts; ASCII is where it was.
    #[test]
    fn nothing_is_lost(bytes in bytes()) {
        let text = to_text(&bytes);
        prop_assert_eq!(&*to_wire(&text), &bytes[..]);
        let ascii = |byte: &u8| byte.is_ascii();
        prop_assert!(bytes.iter().copied().filter(ascii).eq(text.bytes().filter(ascii)));
    }

    /// No text puts more ASCII on the wire than it has: no blanks, no line ends.
    #[test]
    fn nothing_is_smuggled(text in prop_oneof![any::<String>(), "[a\u{10ff00}-\u{10ffff}]{0,8}"]) {
        let ascii = |byte: &u8| byte.is_ascii();
        prop_assert!(to_wire(&text).iter().copied().filter(ascii).eq(text.bytes().filter(ascii)));
    }
}

/// Values of Go's `%q`, as nats-server wrote them.
#[test]
fn quotes() {
    for (bytes, quoted) in [
        (&b"no.x"[..], r#""no.x""#),
        (b"", r#""""#),
        (b"\\\"'", r#""\\\"'""#),
        (b"\x00\x01\x07\x08\x09\x0a\x0b\x0c\x0d\x1f\x7f", r#""\x00\x01\a\b\t\n\v\f\r\x1f\x7f""#),
        ("é\u{301}\u{2028}\u{a0}\u{ad}\u{feff}".as_bytes(), "\"é\u{301}\\u2028\\u00a0\\u00ad\\ufeff\""),
        ("😀\u{1ffff}\u{fffd}\u{10ffff}\u{e000}".as_bytes(), "\"😀\\U0001ffff\u{fffd}\\U0010ffff\\ue000\""),
        (b"\xff\xed\xa0\x80a\xe2\x82", r#""\xff\xed\xa0\x80a\xe2\x82""#),
        ("\u{301}\u{200b}\u{3000}~ ".as_bytes(), "\"\u{301}\\u200b\\u3000~ \""),
    ] {
        assert_eq!(Quoted(to_text(bytes).into_owned()).to_string(), quoted);
    }
    let refusal = ProtocolError::QueuePermission(Quoted("a\"".into()), Quoted("q".into()));
    assert_eq!(refusal.to_string(), r#"Permissions Violation for Subscription to "a\"" using queue "q""#);
}
