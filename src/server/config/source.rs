//! Where a configuration gets what is not in its text: files and the environment.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// The inputs of a configuration besides its own text: included files, certificates, and environment
/// variables.
///
/// [`Config::parse`](super::Config::parse) and [`Config::load`](super::Config::load) use the file system and the process's
/// environment. With another source, [`Config::parse_with`](super::Config::parse_with) is a pure function.
///
/// # Example
///
/// ```
/// use postroom::server::config::{Config, ConfigSource};
/// use std::path::Path;
///
/// struct Texts;
///
/// impl ConfigSource for Texts {
///     fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
///         if path == Path::new("limits.conf") { Ok(b"max_connections: 10".to_vec()) } else { Err(std::io::ErrorKind::NotFound.into()) }
///     }
///
///     fn variable(&self, name: &str) -> Option<String> {
///         (name == "NAME").then(|| "unit-test".to_owned())
///     }
/// }
///
/// let config = Config::parse_with("include limits.conf\nserver_name: $NAME", None, Some(Path::new("")), &Texts)?;
/// assert_eq!(config.server_options().max_connections(10).name("unit-test"), config.server_options());
/// # Ok::<_, postroom::server::config::ConfigError>(())
/// ```
pub trait ConfigSource {
    /// The content of a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read; the text of the error becomes part of the [`ConfigError`](super::ConfigError).
    fn read(&self, path: &Path) -> Result<Vec<u8>>;

    /// The value of an environment variable, if it is set.
    fn variable(&self, name: &str) -> Option<String>;
}

/// The file system and the process's environment.
pub(super) struct Machine;

impl ConfigSource for Machine {
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        const BYTES_MAX: u64 = 16 << 20;
        let mut bytes = Vec::new();
        File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > BYTES_MAX {
            return Err(Error::new(ErrorKind::FileTooLarge, format!("more than {BYTES_MAX} bytes")));
        }
        Ok(bytes)
    }

    fn variable(&self, name: &str) -> Option<String> {
        // A name that no variable can have would make `var` panic on some systems.
        let possible = !name.is_empty() && !name.contains(['=', '\0']);
        if possible { std::env::var(name).ok() } else { None }
    }
}
