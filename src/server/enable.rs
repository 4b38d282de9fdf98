//! JetStream as the options have it: from the start, and after a change of them.

use super::error::ServerError;
use super::options::ServerOptions;
use super::registry::Registry;

/// Starts JetStream, if the options have it and it does not run.
///
/// # Errors
///
/// [`ServerError::JetStream`].
pub(super) fn start(registry: &Registry) -> Result<(), ServerError> {
    match registry.options().jetstream.clone() {
        Some(options) => registry.jetstream.start(&registry.bus, options, registry.name(), &registry.log),
        None => Ok(()),
    }
}

/// Brings JetStream in line with options that have just changed.
///
/// # Errors
///
/// [`ServerError::JetStream`] if it was to start, and can't.
pub(super) fn reload(registry: &Registry, before: &ServerOptions) -> Result<(), ServerError> {
    let options = registry.options();
    match (&before.jetstream, &options.jetstream) {
        (None, Some(_)) => {
            registry.log.info(format_args!("Restarting JetStream"));
            start(registry)?;
        }
        (Some(_), None) => registry.jetstream.stop(&registry.log),
        (Some(old), Some(new)) if old.limits() != new.limits() => {
            if let Some(server) = registry.jetstream.get() {
                server.set_limits(new.limits().clone());
            }
        }
        _ => {}
    }
    Ok(())
}
