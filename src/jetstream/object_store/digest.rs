//! Names and digests: SHA-256 and base64url, as the clients write them (JO2, JO4).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Characters of a content's name.
const NUID_LEN: usize = 22;

/// The token of a name in a subject.
pub(super) fn token(name: &str) -> String {
    URL_SAFE.encode(name)
}

/// The digest of a content, piece by piece.
#[derive(Clone, Default)]
pub(super) struct Digest(Sha256);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

impl Digest {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest as metadata has it.
    pub(super) fn text(&self) -> String {
        format!("SHA-256={}", URL_SAFE.encode(self.0.clone().finalize()))
    }
}

/// Whether two digests are the same, whether padded or not.
pub(super) fn are_same(one: &str, other: &str) -> bool {
    one.trim_end_matches('=') == other.trim_end_matches('=')
}

/// A name for a content, made of what nothing else has.
pub(super) fn nuid(of: &[&[u8]]) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut hash = Sha256::default();
    of.iter().for_each(|part| hash.update(part));
    hash.finalize().iter().take(NUID_LEN).map(|byte| char::from(DIGITS[usize::from(*byte) % DIGITS.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JO2, JO4: as seen of the clients.
    #[test]
    fn names_and_digests_are_written_as_clients_write_them() {
        assert_eq!(token("hello world"), "aGVsbG8gd29ybGQ=");
        assert_eq!(Digest::default().text(), "SHA-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=");
        let mut digest = Digest::default();
        digest.update(b"ab");
        digest.update(b"c");
        let text = "SHA-256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0=";
        assert_eq!(digest.text(), text);
        assert!(are_same(text, text.trim_end_matches('=')) && !are_same(text, "SHA-256="));
        let (one, other) = (nuid(&[b"a", b"1"]), nuid(&[b"a", b"2"]));
        assert_eq!((one.len(), other.len()), (NUID_LEN, NUID_LEN));
        assert_ne!(one, other);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
