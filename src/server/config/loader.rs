//! A configuration: read from a text, a file, or both and the environment.

use super::builder::ConfigBuilder;
use super::problem::{ConfigError, ConfigErrorKind, ConfigProblem, ConfigWarning, WarningKind};
use super::process::ProcessOptions;
use super::source::{ConfigSource, Machine};
use super::table::Reader;
use super::{files, options, parser};
#[cfg(feature = "jetstream")]
use crate::jetstream::JetStreamOptions;
use crate::server::ServerOptions;
use std::path::Path;

/// The content of a configuration: the options of the server, and those of the process that runs
/// it.
///
/// The [room's page](super) has the language and the options.
///
/// # Example
///
/// ```
/// use postroom::server::config::Config;
///
/// let config = Config::parse(
///     r#"
///     port: -1
///     max_payload: 64kb
///     authorization {
///         users = [
///             { user: ann, password: secret, permissions: { publish: "orders.>", subscribe: { deny: "private.>" } } }
///             { user: bob, password: $2a$04$QxT3pQNNBCkSvkbpW4SsKuEhE4kQKV3kf7QB6HBJ3y0kJ6eGf5vXe }
///         ]
///     }
///     log_size_limit: 1gb
///     "#,
///     None,
/// )?;
/// assert_eq!(config.process().port, 0);
/// assert_eq!(config.warnings().len(), 1); // log_size_limit has no effect
/// let options = config.server_options(); // for Server
/// # let _ = options;
/// # Ok::<_, postroom::server::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    pub(super) server: ServerOptions,
    pub(super) process: ProcessOptions,
    #[cfg(feature = "jetstream")]
    jetstream: JetStreamOptions,
    warnings: Vec<ConfigWarning>,
}

impl Config {
    /// Reads a text. Files that it includes are in `dir`; with `None` it cannot include any. Variables that it does not set are
    /// those of the environment. Blocks while files are read.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with all that is wrong: the text is not in the language, an option is unknown, not supported or has a
    /// value that it cannot have, or a file cannot be read.
    pub fn parse(text: &str, dir: Option<&Path>) -> Result<Config, ConfigError> {
        Config::parse_with(text, None, dir, &Machine)
    }

    /// Reads a file. Files that it includes are relative to the folder that it is in; those that options name are relative to
    /// where the process runs, as with nats-server. Otherwise as [`parse`](Self::parse).
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse); also if the file itself cannot be read, is not UTF-8, or has more than 16 MiB.
    pub fn load(path: impl AsRef<Path>) -> Result<Config, ConfigError> {
        let path = path.as_ref();
        let unreadable = |error: std::io::Error| ConfigProblem {
            position: None,
            kind: ConfigErrorKind::File { path: path.display().to_string(), why: error.to_string() },
        };
        let bytes = Machine.read(path).map_err(unreadable)?;
        let text = files::text_of(&bytes, path).map_err(|problem| *problem)?;
        Config::parse_with(text, Some(path), path.parent(), &Machine)
    }

    /// Reads a text, and everything else that it needs from `source`. `file` is only what the text is called.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_with(
        text: &str,
        file: Option<&Path>,
        dir: Option<&Path>,
        source: &dyn ConfigSource,
    ) -> Result<Config, ConfigError> {
        let map = parser::parse(text, file, dir, source).map_err(|problem| *problem)?;
        let mut reader = Reader { source, problems: Vec::new(), warnings: Vec::new() };
        if map.items.is_empty() {
            reader.warnings.push(ConfigWarning { position: None, kind: WarningKind::Empty });
        }
        let mut builder = ConfigBuilder::default();
        reader.read(&map, options::OPTIONS, &mut builder);
        if reader.problems.is_empty() {
            options::check(&mut reader, &builder);
        }
        let Reader { problems, mut warnings, .. } = reader;
        if !problems.is_empty() {
            return Err(ConfigError::new(problems));
        }
        warnings.sort_by(|a, b| a.position.cmp(&b.position));
        #[cfg(feature = "jetstream")]
        let (jetstream, server) = {
            let folder = builder.process.store_dir.clone();
            let jetstream = folder.into_iter().fold(builder.jetstream, JetStreamOptions::store_dir);
            let enabled = builder.jetstream_enabled.then(|| jetstream.clone());
            (jetstream, enabled.into_iter().fold(builder.server, ServerOptions::jetstream))
        };
        #[cfg(not(feature = "jetstream"))]
        let server = builder.server;
        Ok(Config {
            server,
            process: builder.process,
            #[cfg(feature = "jetstream")]
            jetstream,
            warnings,
        })
    }

    /// The parts of the configuration that have no effect, or not the expected one.
    #[must_use]
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }

    /// The options of the server.
    pub fn server_options(&self) -> ServerOptions {
        self.server.clone()
    }

    /// The options of JetStream, whether the text turns it on or not: for flags that do. If it does, they are among the options of the
    /// server, too.
    #[cfg(feature = "jetstream")]
    pub fn jetstream_options(&self) -> &JetStreamOptions {
        &self.jetstream
    }

    /// Puts other options of the server in the place of those that were read: for flags that go before the file.
    pub fn set_server_options(&mut self, options: ServerOptions) {
        self.server = options;
    }

    /// The options of the process.
    #[must_use]
    pub fn process(&self) -> &ProcessOptions {
        &self.process
    }

    /// The options of the process, for flags that go before the file.
    pub fn process_mut(&mut self) -> &mut ProcessOptions {
        &mut self.process
    }
}
