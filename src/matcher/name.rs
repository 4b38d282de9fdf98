//! The text of a literal pattern, lying beside its entry.

use smol_str::SmolStr;

/// Longer texts lie in an allocation of their own, which costs a look-up among a million one more cache miss.
const INLINE: usize = 38;

#[derive(Debug)]
pub(super) enum Name {
    Inline { len: u8, bytes: [u8; INLINE] },
    Shared(SmolStr),
}

impl Name {
    pub(super) fn new(text: &SmolStr) -> Self {
        let len = text.len();
        if len > INLINE {
            return Name::Shared(text.clone());
        }
        let mut bytes = [0; INLINE];
        bytes[..len].copy_from_slice(text.as_bytes());
        Name::Inline { len: len as u8, bytes }
    }

    #[inline]
    pub(super) fn is(&self, text: &str) -> bool {
        self.as_bytes() == text.as_bytes()
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Name::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Name::Shared(text) => text.as_bytes(),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("made from a text")
    }
}
