//! The fixed parts of a header block.

pub(super) const VERSION: &str = "NATS/1.0";
pub(super) const LINE_END: &str = "\r\n";
pub(super) const SEPARATOR: &str = ": ";
