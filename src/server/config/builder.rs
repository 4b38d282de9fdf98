//! The configuration while it is read.

use super::problem::{ConfigErrorKind, Position, WarningKind};
use super::process::ProcessOptions;
use super::table::Reader;
use super::value::Entry;
#[cfg(feature = "jetstream")]
use crate::jetstream::JetStreamOptions;
use crate::server::ServerOptions;
use std::collections::BTreeMap;

/// The values of the top of a configuration, while it is read.
#[derive(Default)]
pub(super) struct ConfigBuilder {
    pub(super) server: ServerOptions,
    pub(super) process: ProcessOptions,
    /// The user of `authorization` stands alone, and not in a list.
    pub(super) has_single_user: bool,
    /// What `jetstream` says, whether it turns JetStream on or not.
    #[cfg(feature = "jetstream")]
    pub(super) jetstream: JetStreamOptions,
    #[cfg(feature = "jetstream")]
    pub(super) jetstream_enabled: bool,
    /// Where options stand that must fit to others.
    pub(super) places: BTreeMap<&'static str, Position>,
}

/// `store_dir`, which stands at the top or in `jetstream`.
pub(super) fn store_dir(_: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Result<(), ConfigErrorKind> {
    let folder = entry.some_string()?;
    if builder.process.store_dir.is_some() {
        return Err(ConfigErrorKind::Duplicate { what: "option", name: "store_dir".to_owned() });
    }
    builder.process.store_dir = folder.map(Into::into);
    Ok(())
}

/// An option that is set but, with what else is set, says nothing.
pub(super) fn says_nothing(reader: &mut Reader<'_>, at: &Position, option: &str, why: &'static str) {
    reader.warn(at, WarningKind::NoEffect { option: option.to_owned(), why });
}
