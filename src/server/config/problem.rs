//! The problems of a configuration, and where they are.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A place in a configuration: the file, if it is one, and line and column there.
///
/// Shown as `FILE:LINE:COLUMN`, or `LINE:COLUMN` for a text that is not a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Position {
    /// The file, named as it was opened; `None` for a text.
    pub file: Option<Arc<Path>>,
    /// The line, from 1.
    pub line: u32,
    /// The column in bytes, from 1. DIFFERENCE: nats-server counts from 0 on the first line.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
        }
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The kind of a value in a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueKind {
    /// Quoted or bare text.
    String,
    /// `true`, `false`, `yes`, `no`, `on`, `off`.
    Boolean,
    /// A whole number, with its suffix if it has one.
    Integer,
    /// A number with a point.
    Float,
    /// A date with time, such as `2026-01-31T12:00:00Z`.
    Datetime,
    /// `[ … ]`.
    Array,
    /// `{ … }`.
    Map,
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ValueKind::String => "a string",
            ValueKind::Boolean => "a boolean",
            ValueKind::Integer => "an integer",
            ValueKind::Float => "a float",
            ValueKind::Datetime => "a datetime",
            ValueKind::Array => "an array",
            ValueKind::Map => "a map",
        })
    }
}

/// The kind of a problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// The text breaks off, or something else stands where the language needs this.
    #[error("expected {expected}, found {found}")]
    Syntax {
        /// The expected text.
        expected: &'static str,
        /// The text that stands there.
        found: String,
    },
    /// An invalid number, or one that does not fit into 64 bits.
    #[error("number `{text}` {why}")]
    Number {
        /// As it is written.
        text: String,
        /// Its fault.
        why: &'static str,
    },
    /// A byte that no configuration may hold: NUL, or what is not UTF-8.
    #[error("{what} in the text")]
    Bytes {
        /// Which.
        what: &'static str,
    },
    /// Maps and arrays lie too deep in each other.
    #[error("more than {max} maps and arrays inside each other")]
    TooDeep {
        /// How deep they may lie.
        max: usize,
    },
    /// The configuration has too many values, those of variables and included files counted.
    #[error("more than {max} values")]
    TooMany {
        /// How many there may be.
        max: usize,
    },
    /// Neither a key of this name stands before it, nor is there such an environment variable.
    #[error("variable `${name}` is neither a key before this place nor in the environment")]
    UnknownVariable {
        /// Its name, without the `$`.
        name: String,
    },
    /// Environment variables that refer to each other in a circle, or too far.
    #[error("environment variable `${name}` refers to itself, or to more than {max} others")]
    VariableCycle {
        /// Its name, without the `$`.
        name: String,
        /// How long a chain may be.
        max: usize,
    },
    /// The text of an environment variable is not a value.
    #[error("environment variable `${name}`: {kind}")]
    Variable {
        /// Its name, without the `$`.
        name: String,
        /// The fault in its text.
        kind: Box<ConfigErrorKind>,
    },
    /// A file cannot be read: an included one, the configuration itself, or one that an option names.
    #[error("cannot read `{path}`: {why}")]
    File {
        /// Its path.
        path: String,
        /// The error of the system.
        why: String,
    },
    /// A file includes itself, directly or through others.
    #[error("`{path}` includes itself")]
    IncludeCycle {
        /// Its path.
        path: String,
    },
    /// Files include each other too deep, or there are too many of them.
    #[error("include files {what}: {max} are allowed")]
    TooManyIncludes {
        /// Which bound it is.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// nats-server does not know such an option either.
    #[error("unknown field {field:?}")]
    UnknownField {
        /// Its name as written.
        field: String,
    },
    /// An option that nats-server has and Postroom has not, and that cannot be passed over: clients would see the
    /// difference, or a client could do what the configuration forbids.
    #[error("`{option}` is not supported: {why}")]
    Unsupported {
        /// Its name as written.
        option: String,
        /// Why it cannot be ignored.
        why: &'static str,
    },
    /// A value of the wrong kind.
    #[error("`{option}` must be {expected}, not {found}")]
    WrongType {
        /// The option's name as written.
        option: String,
        /// The expected kind of value.
        expected: &'static str,
        /// The kind of the given value.
        found: ValueKind,
    },
    /// A value of the right kind that cannot be.
    #[error("`{option}`: {why}")]
    Invalid {
        /// The option's name as written.
        option: String,
        /// The fault in its value.
        why: String,
    },
    /// Options that exclude each other.
    #[error("cannot have both {one} and {other}")]
    Conflict {
        /// One of them.
        one: &'static str,
        /// The other.
        other: &'static str,
    },
    /// A user or nkey that is there twice.
    #[error("duplicate {what} {name:?}")]
    Duplicate {
        /// `user` or `nkey`.
        what: &'static str,
        /// The name or public key.
        name: String,
    },
}

/// One thing that is wrong with a configuration.
///
/// Shown as `POSITION: FAULT`, where there is a position.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigProblem {
    /// Where: the option's key, or the value in an array, or the character that should not be there. `None` only if the
    /// configuration itself could not be read.
    pub position: Option<Position>,
    /// What.
    pub kind: ConfigErrorKind,
}

impl ConfigProblem {
    pub(super) fn new(position: Position, kind: ConfigErrorKind) -> Self {
        ConfigProblem { position: Some(position), kind }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.position {
            Some(position) => write!(f, "{position}: {}", self.kind),
            None => self.kind.fmt(f),
        }
    }
}

/// A configuration that cannot be used: everything that is wrong with it, in the order of the text.
///
/// A fault in the language ends the reading, so it stands alone; faults in options are all there.
///
/// # Example
///
/// ```
/// use postroom::server::config::{Config, ConfigErrorKind};
///
/// let error = Config::parse("port: 4222\nhots: localhost", None).unwrap_err();
/// assert_eq!(error.to_string(), r#"2:1: unknown field "hots""#);
/// assert_eq!(error.problems()[0].kind, ConfigErrorKind::UnknownField { field: "hots".into() });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Never empty.
    problems: Vec<ConfigProblem>,
}

impl ConfigError {
    pub(super) fn new(mut problems: Vec<ConfigProblem>) -> Self {
        assert!(!problems.is_empty(), "an error without a problem");
        problems.sort_by(|a, b| a.position.cmp(&b.position));
        ConfigError { problems }
    }

    /// All of them; at least one.
    #[must_use]
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }

    /// Where the first problem is.
    #[must_use]
    pub fn position(&self) -> Option<&Position> {
        self.problems[0].position.as_ref()
    }
}

impl From<ConfigProblem> for ConfigError {
    fn from(problem: ConfigProblem) -> Self {
        ConfigError::new(vec![problem])
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Something that the configuration says and the server will not do, or will do otherwise than one might think.
///
/// Shown as `POSITION: TEXT`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConfigWarning {
    /// Where; `None` for the configuration as a whole.
    pub position: Option<Position>,
    /// What.
    pub kind: WarningKind,
}

/// The subject of a [`ConfigWarning`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WarningKind {
    /// There is no option in it.
    #[error("config has no values or is empty")]
    Empty,
    /// The option has no effect here; clients do not notice.
    #[error("`{option}` has no effect: {why}")]
    NoEffect {
        /// Its name as written.
        option: String,
        /// Why not.
        why: &'static str,
    },
    /// A number where a duration such as `"10s"` belongs; it was taken as seconds.
    #[error("`{option}` should be converted to a duration, such as \"{seconds}s\"")]
    Seconds {
        /// The option's name as written.
        option: String,
        /// How many seconds it was taken for.
        seconds: i64,
    },
    /// A timeout of more than a minute: perhaps an unquoted `1m`, which is a million.
    #[error("`{option}` of {seconds} seconds is high; if a duration was meant, quote it: \"1m\" and not 1m")]
    LongTimeout {
        /// The option's name as written.
        option: String,
        /// How long it is.
        seconds: f64,
    },
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.position {
            Some(position) => write!(f, "{position}: {}", self.kind),
            None => self.kind.fmt(f),
        }
    }
}
