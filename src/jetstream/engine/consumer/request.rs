//! A request to create a consumer: the subject it came by, and what that says of its name and filter (JC8, JC9).

use super::config::ConsumerConfig;
use crate::jetstream::engine::error::{ApiError, codes};

/// The content of a request to create a consumer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerRequest {
    /// The configuration.
    pub config: ConsumerConfig,
    /// Consumers that may be there already.
    pub action: ConsumerAction,
    /// Values are refused that would be corrected otherwise (JC21).
    pub pedantic: bool,
}

/// Consumers that may be there already (JC10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsumerAction {
    /// Anything.
    #[default]
    CreateOrUpdate,
    /// None of the name, or one of the same configuration.
    Create,
    /// One of the name.
    Update,
}

/// The subject that a request came by, behind `CONSUMER.` and without the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsumerAddress<'a> {
    /// `CREATE`.
    Unnamed,
    /// `CREATE` with a name, and a filter if there is one.
    Named {
        /// The name.
        name: &'a str,
        /// The filter.
        filter: Option<&'a str>,
    },
    /// `DURABLE.CREATE` with a name.
    Durable {
        /// The name.
        name: &'a str,
    },
}

impl ConsumerRequest {
    /// Takes the name over from the subject that the request came by, and judges what does not depend on the stream (JC7 to JC9).
    ///
    /// # Errors
    ///
    /// The first fault in the server's order: 10127, 10017, 10018, 10020, 10132, 10131, 10137, 10074.
    pub fn address(&mut self, address: ConsumerAddress<'_>) -> Result<(), ApiError> {
        let config = &mut self.config;
        let name = match address {
            ConsumerAddress::Unnamed => "",
            ConsumerAddress::Named { name, .. } | ConsumerAddress::Durable { name } => name,
        };
        if name.contains(['/', '\\']) {
            return Err(codes::CONSUMER_NAME_CONTAINS_PATH_SEPARATORS.error());
        }
        let is_other = !config.durable_name.is_empty() && config.durable_name != name;
        match address {
            ConsumerAddress::Unnamed if !config.durable_name.is_empty() => {
                return Err(codes::CONSUMER_EPHEMERAL_WITH_DURABLE_NAME.error());
            }
            ConsumerAddress::Unnamed => {}
            ConsumerAddress::Durable { .. } if config.durable_name.is_empty() => {
                return Err(codes::CONSUMER_DURABLE_NAME_NOT_SET.error());
            }
            _ if is_other => return Err(codes::CONSUMER_DURABLE_NAME_NOT_MATCH_SUBJECT.error()),
            _ => name.clone_into(&mut config.name),
        }
        if let ConsumerAddress::Named { filter: Some(filter), .. } = address {
            if !config.filter_subjects.is_empty() {
                return Err(codes::CONSUMER_MULTIPLE_FILTERS_NOT_ALLOWED.error());
            }
            if config.filter_subject != filter {
                return Err(codes::CONSUMER_CREATE_FILTER_SUBJECT_MISMATCH.error());
            }
        }
        if config.num_replicas > 1 {
            return Err(codes::STREAM_REPLICAS_NOT_SUPPORTED.error());
        }
        Ok(())
    }
}
