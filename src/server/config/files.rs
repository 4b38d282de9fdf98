//! The files of a configuration: their names, and their bytes as text.

use super::cursor::Scan;
use super::problem::{ConfigErrorKind, ConfigProblem, Position};
use std::path::{Component, Path, PathBuf};

/// DIFFERENCE: a file must be UTF-8; nats-server takes any bytes.
pub(super) fn text_of<'a>(bytes: &'a [u8], path: &Path) -> Scan<&'a str> {
    std::str::from_utf8(bytes).map_err(|error| {
        let good = std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("valid up to there");
        let line = u32::try_from(good.matches('\n').count() + 1).unwrap_or(u32::MAX);
        let column = good.len() - good.rfind('\n').map_or(0, |end| end + 1) + 1;
        let column = u32::try_from(column).unwrap_or(u32::MAX);
        let position = Position { file: Some(path.into()), line, column };
        Box::new(ConfigProblem::new(position, ConfigErrorKind::Bytes { what: "bytes that are not UTF-8" }))
    })
}

/// A path without `.` and `..`, as far as its text alone says.
pub(super) fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(clean.components().next_back(), Some(Component::Normal(_))) => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}
