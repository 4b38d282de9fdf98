//! The forms of names that consumers and their groups may have.

/// The most bytes of a priority group's name.
const GROUP_MAX: usize = 16;

/// Whether a consumer may be called so (JC8).
pub(crate) fn is_name(name: &str) -> bool {
    let forbidden = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n' | '\x0C' | '.' | '*' | '>' | '/' | '\\');
    !name.is_empty() && !name.contains(forbidden)
}

/// Whether a priority group may be called so (JC30).
pub(crate) fn is_group_name(name: &str) -> bool {
    let of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'=' | b'-');
    (1..=GROUP_MAX).contains(&name.len()) && name.bytes().all(of_a_name)
}
