//! The placeholders of a destination, and the faults of a transform.

/// The meaning of one token of a destination. Wildcards of the source are counted from 1; 0 and less mean its first token, as in
/// nats-server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Placeholder {
    /// Itself.
    Literal,
    /// The token that a wildcard matched.
    Wildcard(i32),
    /// A number below `of`, by the tokens of `wildcards`; by the whole subject if there are none.
    Partition {
        /// The bound.
        of: i32,
        /// The wildcards whose tokens decide.
        wildcards: Vec<i32>,
    },
    /// The token that a wildcard matched, cut at each separator.
    Split {
        /// The wildcard.
        wildcard: i32,
        /// The separator.
        at: String,
    },
    /// The token that a wildcard matched, cut once.
    SplitFrom {
        /// The end that bytes are counted from.
        end: End,
        /// The wildcard.
        wildcard: i32,
        /// Bytes from that end.
        at: i32,
    },
    /// The token that a wildcard matched, cut every so many bytes.
    Slice {
        /// The end that bytes are counted from.
        end: End,
        /// The wildcard.
        wildcard: i32,
        /// Bytes of a piece.
        every: i32,
    },
    /// One end of what a wildcard matched.
    Keep {
        /// Which end.
        end: End,
        /// The wildcard.
        wildcard: i32,
        /// Bytes that stay.
        len: i32,
    },
    /// Any number below this.
    Random(i32),
}

/// An end of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// Where it begins.
    Left,
    /// Where it ends.
    Right,
}

/// Why a source or a destination was refused, in the words of nats-server (SM8).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransformError {
    /// The source is not a valid pattern.
    #[error("invalid subject {source_text}")]
    Source {
        /// The source.
        source_text: String,
    },
    /// The destination has a `*`, or only one of source and destination ends in `>`.
    #[error("invalid subject")]
    Subject,
    /// The destination has an empty token or white space.
    #[error("invalid mapping destination: invalid transform")]
    Destination,
    /// The source does not have that many wildcards. Without a number where it has none.
    #[error("invalid mapping destination: wildcard index out of range in {token}{}", index.map_or(String::new(), |index| format!(": [{index}]")))]
    Wildcard {
        /// The placeholder.
        token: String,
        /// The number that it names.
        index: Option<i64>,
    },
    /// No such function.
    #[error("invalid mapping destination: unknown function in {token}")]
    Function {
        /// The placeholder.
        token: String,
    },
    /// An argument is missing.
    #[error("invalid mapping destination: not enough arguments passed to the function in {token}")]
    NotEnoughArguments {
        /// The placeholder.
        token: String,
    },
    /// There is an argument too many.
    #[error("invalid mapping destination: too many arguments passed to the function in {token}")]
    TooManyArguments {
        /// The placeholder.
        token: String,
    },
    /// An argument is not an integer that fits.
    #[error("invalid mapping destination: function argument is invalid or in the wrong format in {token}")]
    Argument {
        /// The placeholder.
        token: String,
    },
}

impl Placeholder {
    /// Reads a token of a destination. Whether the source has the wildcards that it names is not asked.
    ///
    /// # Errors
    ///
    /// [`TransformError`], of the kinds that concern functions and their arguments, and numbers that no source can have.
    pub fn parse(token: &str) -> Result<Self, TransformError> {
        placeholder(token)
    }
}

pub(super) fn placeholder(token: &str) -> Result<Placeholder, TransformError> {
    let argument = || TransformError::Argument { token: token.to_owned() };
    if let Some(digits) = token.strip_prefix('$') {
        // `$JS` and the like are plain tokens.
        let Ok(index) = digits.parse::<i64>() else { return Ok(Placeholder::Literal) };
        let out_of_range = || TransformError::Wildcard { token: token.to_owned(), index: Some(index) };
        return Ok(Placeholder::Wildcard(i32::try_from(index).map_err(|_| out_of_range())?));
    }
    let call = token.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).map(str::trim);
    let Some(call) = call.filter(|call| !call.is_empty()) else { return Ok(Placeholder::Literal) };
    let unknown = || TransformError::Function { token: token.to_owned() };
    let (name, arguments) = call.strip_suffix(')').and_then(|call| call.split_once('(')).ok_or_else(unknown)?;
    let arguments: Vec<&str> = arguments.split(',').collect();
    let name = name.trim();
    let mut name: Vec<char> = name.chars().collect();
    if let Some(first) = name.first_mut() {
        first.make_ascii_lowercase();
    }
    let name: String = name.into_iter().collect();
    let number = |text: &str| text.trim().parse::<i32>().map_err(|_| argument());
    let few = || TransformError::NotEnoughArguments { token: token.to_owned() };
    let two = || match arguments.as_slice() {
        [wildcard, second] => Ok((*wildcard, *second)),
        [] | [_] => Err(few()),
        _ => Err(TransformError::TooManyArguments { token: token.to_owned() }),
    };
    let two_numbers = || two().and_then(|(wildcard, second)| Ok((number(wildcard)?, number(second)?)));
    Ok(match name.as_str() {
        "wildcard" => match arguments.as_slice() {
            [text] if text.trim().is_empty() => return Err(few()),
            [text] => match text.trim().parse::<i64>() {
                Ok(index) => Placeholder::Wildcard(
                    i32::try_from(index)
                        .map_err(|_| TransformError::Wildcard { token: token.to_owned(), index: Some(index) })?,
                ),
                Err(_) => return Err(argument()),
            },
            _ => return Err(TransformError::TooManyArguments { token: token.to_owned() }),
        },
        "partition" => {
            let numbers = arguments.into_iter().map(number).collect::<Result<Vec<_>, _>>()?;
            Placeholder::Partition { of: numbers[0], wildcards: numbers[1..].to_vec() }
        }
        "split" => {
            let (wildcard, at) = two()?;
            let at = at.trim_start();
            if at.contains([' ', '.']) {
                return Err(argument());
            }
            Placeholder::Split { wildcard: number(wildcard)?, at: at.to_owned() }
        }
        "splitFromLeft" | "splitFromRight" => {
            let (wildcard, at) = two_numbers()?;
            Placeholder::SplitFrom { end: end_of(&name), wildcard, at }
        }
        "sliceFromLeft" | "sliceFromRight" => {
            let (wildcard, every) = two_numbers()?;
            Placeholder::Slice { end: end_of(&name), wildcard, every }
        }
        "left" | "right" => {
            let (wildcard, len) = two_numbers()?;
            Placeholder::Keep { end: if name == "left" { End::Left } else { End::Right }, wildcard, len }
        }
        "random" => match arguments.as_slice() {
            [below] => Placeholder::Random(number(below)?),
            _ => return Err(few()),
        },
        _ => return Err(unknown()),
    })
}

fn end_of(name: &str) -> End {
    if name.ends_with("Left") { End::Left } else { End::Right }
}

/// The faults of a token whatever the source: nothing in it, white space, a `>` too early, no such function.
pub(super) fn check_form(token: &str) -> Result<(), TransformError> {
    match placeholder(token) {
        Err(error @ TransformError::Function { .. }) => Err(error),
        Ok(Placeholder::Literal) if token.is_empty() || token == ">" || token.contains([' ', '\t', '\r', '\n']) => {
            Err(TransformError::Destination)
        }
        _ => Ok(()),
    }
}
