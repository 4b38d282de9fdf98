//! The parts that the benches share. Each uses some of it.

pub(crate) mod frame;
pub(crate) mod machine;
pub(crate) mod options;
pub(crate) mod report;
pub(crate) mod samples;
