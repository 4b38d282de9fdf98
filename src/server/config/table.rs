//! How tables of options are made and read: what the server does with each option of nats-server is a row.

use super::duration;
use super::problem::{ConfigErrorKind, ConfigProblem, ConfigWarning, Position, WarningKind};
use super::source::ConfigSource;
use super::value::{Data, Entry, Node, Value};
use std::time::Duration;

/// A function that reads a set option into `T`.
type Set<T> = fn(&mut Reader<'_>, &mut T, &Entry) -> Result<(), ConfigErrorKind>;

/// An option of nats-server.
pub(super) struct Row<T: 'static> {
    /// Its name and other names for it, in lower case.
    pub(super) names: &'static [&'static str],
    pub(super) support: Support<T>,
    /// Why it is ignored or refused, or what is special about its support.
    pub(super) note: &'static str,
}

/// A row, in one line.
pub(super) const fn row<T>(names: &'static [&'static str], support: Support<T>, note: &'static str) -> Row<T> {
    Row { names, support, note }
}

/// The support of an option whose value goes into one field: `sets!(|reader, entry| timeout = reader.timeout(entry)?)`.
macro_rules! sets {
    (|$reader:tt, $entry:ident| $($field:ident).+ = $value:expr) => {
        $crate::server::config::table::Support::Supported(|$reader, into, $entry| {
            into.$($field).+ = $value;
            Ok(())
        })
    };
}
pub(super) use sets;

/// The treatment of an option.
pub(super) enum Support<T: 'static> {
    /// It works.
    Supported(Set<T>),
    /// No client notices that it does not work: a warning.
    Ignored(Takes),
    /// To pass it over would change what clients see, or leave a hole: an error, unless the value turns the option off.
    Refused(fn(&Value) -> bool),
}

/// The values that an ignored option may have.
pub(super) enum Takes {
    String,
    Strings,
    Boolean,
    Integer,
    Map,
    BooleanOrMap,
    /// Not below zero.
    #[cfg(feature = "jetstream")]
    Natural,
    /// An integer, or a string such as `64K`.
    #[cfg(feature = "jetstream")]
    Size,
    /// The same, not below zero.
    #[cfg(feature = "jetstream")]
    NaturalSize,
    /// What passes this check.
    #[cfg(feature = "jetstream")]
    Checked(fn(&Entry) -> Result<(), ConfigErrorKind>),
}

/// The state of the reading besides the options: problems and warnings found so far.
pub(super) struct Reader<'a> {
    pub(super) source: &'a dyn ConfigSource,
    pub(super) problems: Vec<ConfigProblem>,
    pub(super) warnings: Vec<ConfigWarning>,
}

impl Reader<'_> {
    /// Reads each entry of a map by its row.
    pub(super) fn read<T>(&mut self, map: &Node<Entry>, rows: &[Row<T>], into: &mut T) {
        for entry in &map.items {
            let name = entry.key.to_lowercase();
            let row = rows.iter().find(|row| row.names.contains(&name.as_str()));
            if let Err(fault) = self.read_entry(row, into, entry) {
                self.problem(&entry.at, fault);
            }
        }
    }

    fn read_entry<T>(&mut self, row: Option<&Row<T>>, into: &mut T, entry: &Entry) -> Result<(), ConfigErrorKind> {
        let option = || entry.key.clone();
        match row {
            // A key that a variable refers to may have any name.
            None if entry.used => Ok(()),
            None => Err(ConfigErrorKind::UnknownField { field: option() }),
            Some(Row { support: Support::Supported(set), .. }) => set(self, into, entry),
            Some(Row { support: Support::Ignored(takes), note, .. }) => {
                takes.check(entry)?;
                self.warn(&entry.at, WarningKind::NoEffect { option: option(), why: note });
                Ok(())
            }
            Some(Row { support: Support::Refused(off), note, .. }) => {
                if off(&entry.value) {
                    Ok(())
                } else {
                    Err(ConfigErrorKind::Unsupported { option: option(), why: note })
                }
            }
        }
    }

    pub(super) fn problem(&mut self, at: &Position, kind: ConfigErrorKind) {
        self.problems.push(ConfigProblem::new(at.clone(), kind));
    }

    pub(super) fn warn(&mut self, at: &Position, kind: WarningKind) {
        self.warnings.push(ConfigWarning { position: Some(at.clone()), kind });
    }

    /// A duration, or a number of seconds with a warning. `None` for zero, which means the default.
    pub(super) fn duration(&mut self, entry: &Entry) -> Result<Option<Duration>, ConfigErrorKind> {
        if let Data::Integer(seconds) = entry.value.data {
            self.warn(&entry.at, WarningKind::Seconds { option: entry.key.clone(), seconds });
            let seconds = u64::try_from(seconds).map_err(|_| entry.invalid("must not be negative"))?;
            return Ok(Some(Duration::from_secs(seconds)).filter(|duration| !duration.is_zero()));
        }
        let nanos = entry.nanos("a duration such as \"10s\"")?;
        let nanos = u64::try_from(nanos).map_err(|_| entry.invalid("must not be negative"))?;
        Ok(Some(Duration::from_nanos(nanos)).filter(|duration| !duration.is_zero()))
    }

    /// A number of seconds, or a duration. `None` for zero, which means the default.
    pub(super) fn timeout(&mut self, entry: &Entry) -> Result<Option<Duration>, ConfigErrorKind> {
        const EXPECTED: &str = "a number of seconds or a duration such as \"2s\"";
        let seconds = match entry.value.data {
            Data::Integer(seconds) => seconds as f64,
            Data::Float(seconds) => seconds,
            _ => entry.nanos(EXPECTED)? as f64 / 1e9,
        };
        if seconds > 60.0 {
            self.warn(&entry.at, WarningKind::LongTimeout { option: entry.key.clone(), seconds });
        }
        let timeout = Duration::try_from_secs_f64(seconds).map_err(|error| entry.invalid(error.to_string()))?;
        Ok(Some(timeout).filter(|timeout| !timeout.is_zero()))
    }
}

impl Entry {
    pub(super) fn invalid(&self, why: impl Into<String>) -> ConfigErrorKind {
        ConfigErrorKind::Invalid { option: self.key.clone(), why: why.into() }
    }

    pub(super) fn wrong(&self, expected: &'static str) -> ConfigErrorKind {
        ConfigErrorKind::WrongType { option: self.key.clone(), expected, found: self.value.kind() }
    }

    pub(super) fn string(&self) -> Result<&str, ConfigErrorKind> {
        match &self.value.data {
            Data::String(text) => Ok(text),
            _ => Err(self.wrong("a string")),
        }
    }

    /// A text that stands for nothing when it is empty.
    pub(super) fn some_string(&self) -> Result<Option<String>, ConfigErrorKind> {
        Ok(Some(self.string()?.to_owned()).filter(|text| !text.is_empty()))
    }

    pub(super) fn boolean(&self) -> Result<bool, ConfigErrorKind> {
        match self.value.data {
            Data::Boolean(boolean) => Ok(boolean),
            _ => Err(self.wrong("a boolean")),
        }
    }

    pub(super) fn integer(&self) -> Result<i64, ConfigErrorKind> {
        match self.value.data {
            Data::Integer(integer) => Ok(integer),
            _ => Err(self.wrong("an integer")),
        }
    }

    /// An integer from 0 to `max`. `None` for zero, which means the default.
    pub(super) fn size(&self, max: i64) -> Result<Option<usize>, ConfigErrorKind> {
        let integer = self.integer()?;
        if integer > max {
            return Err(self.invalid(format!("{integer} is more than {max}")));
        }
        let size = usize::try_from(integer).map_err(|_| self.invalid(format!("{integer} is negative")))?;
        Ok(Some(size).filter(|size| *size > 0))
    }

    /// A size of storage: an integer, or a string that ends in `K`, `M`, `G` or `T`, powers of 1,024 there. `name` is the option's
    /// name in texts of faults.
    #[cfg(feature = "jetstream")]
    pub(super) fn storage_size(&self, name: &str) -> Result<i64, ConfigErrorKind> {
        let text = match &self.value.data {
            Data::Integer(integer) => return Ok(*integer),
            Data::String(text) => text,
            _ => return Err(self.invalid(format!("{name} must be int64 or string"))),
        };
        let Some(suffix) = text.chars().next_back() else { return Ok(0) };
        let digits = &text[..text.len() - suffix.len_utf8()];
        let number: i64 = digits.parse().map_err(|error: std::num::ParseIntError| {
            use std::num::IntErrorKind::{NegOverflow, PosOverflow};
            let is_large = matches!(error.kind(), PosOverflow | NegOverflow);
            let why = if is_large { "value out of range" } else { "invalid syntax" };
            self.invalid(format!("{name} strconv.ParseInt: parsing {digits:?}: {why}"))
        })?;
        let shift = match suffix {
            'K' => 10,
            'M' => 20,
            'G' => 30,
            'T' => 40,
            _ => return Err(self.invalid(format!("{name} sizes defined as strings must end in K, M, G, T"))),
        };
        number.checked_mul(1 << shift).ok_or_else(|| self.invalid(format!("{name} does not fit into 64 bits")))
    }

    pub(super) fn map(&self) -> Result<&Node<Entry>, ConfigErrorKind> {
        match &self.value.data {
            Data::Map(map) => Ok(map),
            _ => Err(self.wrong("a map")),
        }
    }

    pub(super) fn array(&self) -> Result<&[Value], ConfigErrorKind> {
        match &self.value.data {
            Data::Array(array) => Ok(&array.items),
            _ => Err(self.wrong("an array")),
        }
    }

    pub(super) fn nanos(&self, expected: &'static str) -> Result<i64, ConfigErrorKind> {
        match &self.value.data {
            Data::String(text) => duration::parse(text).map_err(|why| self.invalid(why)),
            _ => Err(self.wrong(expected)),
        }
    }
}

impl Value {
    /// The strings of an array, or the one string that this is.
    pub(super) fn strings(&self) -> Option<Vec<&str>> {
        let string = |value: &'_ Value| matches!(value.data, Data::String(_));
        match &self.data {
            Data::String(text) => Some(vec![text]),
            Data::Array(array) if array.items.iter().all(string) => {
                Some(array.items.iter().filter_map(Value::as_string).collect())
            }
            _ => None,
        }
    }

    pub(super) fn as_string(&self) -> Option<&str> {
        match &self.data {
            Data::String(text) => Some(text),
            _ => None,
        }
    }

    /// For options that only say something with anything in them.
    pub(super) fn is_empty(&self) -> bool {
        match &self.data {
            Data::Map(map) => map.items.is_empty(),
            Data::Array(array) => array.items.is_empty(),
            Data::String(text) => text.is_empty(),
            _ => false,
        }
    }

    pub(super) fn is_false(&self) -> bool {
        self.data == Data::Boolean(false)
    }
}

impl Takes {
    fn check(&self, entry: &Entry) -> Result<(), ConfigErrorKind> {
        let value = &entry.value;
        let (fits, expected) = match self {
            Takes::String => (value.as_string().is_some(), "a string"),
            Takes::Strings => (value.strings().is_some(), "a string or an array of strings"),
            Takes::Boolean => (matches!(value.data, Data::Boolean(_)), "a boolean"),
            Takes::Integer => (matches!(value.data, Data::Integer(_)), "an integer"),
            Takes::Map => (matches!(value.data, Data::Map(_)), "a map"),
            #[cfg(feature = "jetstream")]
            Takes::Natural => (matches!(value.data, Data::Integer(0..)), "an integer that is not negative"),
            #[cfg(feature = "jetstream")]
            Takes::Checked(check) => return check(entry),
            #[cfg(feature = "jetstream")]
            Takes::Size => return entry.storage_size(&entry.key.to_lowercase()).map(drop),
            #[cfg(feature = "jetstream")]
            Takes::NaturalSize => {
                let size = entry.storage_size(&entry.key.to_lowercase())?;
                return if size < 0 { Err(entry.invalid(format!("{size} is negative"))) } else { Ok(()) };
            }
            Takes::BooleanOrMap => (matches!(value.data, Data::Boolean(_) | Data::Map(_)), "a boolean or a map"),
        };
        if fits { Ok(()) } else { Err(entry.wrong(expected)) }
    }
}
