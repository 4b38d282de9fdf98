//! The configuration while it is read.

use super::problem::{Position, WarningKind};
use super::process::ProcessOptions;
use super::table::Reader;
use crate::server::ServerOptions;
use std::collections::BTreeMap;

/// The values of the top of a configuration, while it is read.
#[derive(Default)]
pub(super) struct ConfigBuilder {
    pub(super) server: ServerOptions,
    pub(super) process: ProcessOptions,
    /// The user of `authorization` stands alone, and not in a list.
    pub(super) has_single_user: bool,
    /// Where options stand that must fit to others.
    pub(super) places: BTreeMap<&'static str, Position>,
}

/// An option that is set but, with what else is set, says nothing.
pub(super) fn says_nothing(reader: &mut Reader<'_>, at: &Position, option: &str, why: &'static str) {
    reader.warn(at, WarningKind::NoEffect { option: option.to_owned(), why });
}
