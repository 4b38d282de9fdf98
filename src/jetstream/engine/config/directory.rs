//! A stream among the others of its account: what is refused because of them (JS18 to JS21, JS37, JM3, JM15).

use super::refusal::invalid;
use super::source::check_filters;
use super::{AccountLimits, ConsumerLimits, ServerLimits, Storage, StreamConfig, StreamSource};
use super::{normalise, update};
use crate::jetstream::engine::error::{ApiError, codes};
use crate::subject::mapping::Transform;
use crate::subject::relation;

/// The streams of an account, and the limits that they are held to.
#[derive(Clone, Copy, Debug)]
pub struct Directory<'a> {
    /// The configurations of all streams of the account, as [`Directory::create`] and [`Directory::update`] gave them.
    pub streams: &'a [&'a StreamConfig],
    /// Limits of the server.
    pub server: &'a ServerLimits,
    /// Limits of the account.
    pub account: &'a AccountLimits,
}

/// The outcome of a request to create a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Created {
    /// There was none of that name; this is its configuration.
    New(Box<StreamConfig>),
    /// There is one, with the same configuration (JS18).
    Same,
}

impl Directory<'_> {
    /// Judges a request to create a stream, from its name on (JS19).
    ///
    /// # Errors
    ///
    /// The first fault in the server's order.
    pub fn create(&self, mut config: StreamConfig, pedantic: bool) -> Result<Created, ApiError> {
        if config.name.contains(['/', '\\']) {
            return Err(codes::STREAM_NAME_CONTAINS_PATH_SEPARATORS.error());
        }
        if config.sealed {
            return Err(invalid("stream configuration for create can not be sealed"));
        }
        if config.mirror_direct && config.mirror.is_none() {
            return Err(invalid("stream has no mirror but does have mirror direct"));
        }
        let existing = self.find(&config.name);
        self.check_limits(&config, existing)?;
        config = self.checked(config, pedantic)?;
        if config.num_replicas > 1 {
            return Err(codes::STREAM_REPLICAS_NOT_SUPPORTED.error());
        }
        if let Some(existing) = existing {
            return if *existing == config { Ok(Created::Same) } else { Err(codes::STREAM_NAME_EXIST.error()) };
        }
        self.check_overlap(&config)?;
        check_filters(&config)?;
        Ok(Created::New(Box::new(config)))
    }

    /// Judges a request to update the stream of that name, and gives its new configuration (JS21, JS38). `violated` names a
    /// consumer that new limits of consumers would forbid.
    ///
    /// # Errors
    ///
    /// The first fault in the server's order.
    pub fn update(
        &self,
        name: &str,
        config: StreamConfig,
        pedantic: bool,
        violated: impl FnOnce(&ConsumerLimits) -> Option<String>,
    ) -> Result<StreamConfig, ApiError> {
        let config = self.checked(config, pedantic)?;
        if config.name != name {
            return Err(codes::STREAM_MISMATCH.error());
        }
        let old = self.find(name).ok_or_else(|| codes::STREAM_NOT_FOUND.error())?;
        // The server judges again here; it finds what the first time has filled in.
        let mut config = self.checked(config, pedantic)?;
        if config.num_replicas > 1 {
            return Err(codes::STREAM_REPLICAS_NOT_SUPPORTED.error());
        }
        update::check_change(old, &config)?;
        if config.sealed {
            normalise::seal(&mut config);
        }
        let growth = config.max_bytes.max(0) - old.max_bytes.max(0);
        if growth > 0 {
            self.check_bytes(config.storage, growth)?;
        }
        if config.consumer_limits != old.consumer_limits
            && let Some(consumer) = violated(&config.consumer_limits)
        {
            return Err(codes::STREAM_UPDATE.with(format!("change to limits violates consumers: {consumer}")));
        }
        self.check_overlap(&config)?;
        if let Some(republish) = config.republish.as_mut().filter(|republish| republish.dest.is_empty()) {
            // Here an empty destination is `>`; in a request to create a stream it means none.
            if let Err(error) = Transform::new(&republish.src, ">") {
                let text = format!("stream configuration for republish from '{}' to '>': {error}", republish.src);
                return Err(codes::STREAM_UPDATE.with(text));
            }
            republish.dest = ">".to_owned();
        }
        Ok(config)
    }

    /// Fills in defaults and judges a configuration by itself (JS34, JS36).
    ///
    /// # Errors
    ///
    /// The first fault in the server's order.
    pub fn checked(&self, mut config: StreamConfig, pedantic: bool) -> Result<StreamConfig, ApiError> {
        config.check_fields(self.server, pedantic)?;
        self.check_cycles(&config)?;
        self.follow_origin(&mut config, pedantic)?;
        config.check_subjects(self.account, pedantic)?;
        Ok(config)
    }

    fn find(&self, name: &str) -> Option<&StreamConfig> {
        self.streams.iter().copied().find(|config| config.name == name)
    }

    /// JS20. An existing stream is counted already.
    fn check_limits(&self, config: &StreamConfig, existing: Option<&StreamConfig>) -> Result<(), ApiError> {
        if existing.is_some() {
            return Ok(());
        }
        let streams = i64::try_from(self.streams.len()).unwrap_or(i64::MAX);
        if self.account.max_streams >= 0 && streams >= self.account.max_streams {
            return Err(codes::MAXIMUM_STREAMS_LIMIT.error());
        }
        if self.account.max_consumers >= 0 && config.max_consumers > self.account.max_consumers {
            return Err(codes::MAXIMUM_CONSUMERS_LIMIT.error());
        }
        self.check_bytes(config.storage, config.max_bytes.max(1))
    }

    /// Whether so many bytes more may be reserved.
    fn check_bytes(&self, storage: Storage, more: i64) -> Result<(), ApiError> {
        let of_storage = self.streams.iter().filter(|config| config.storage == storage);
        let reserved: i64 = of_storage.map(|config| config.max_bytes.max(0)).fold(0, i64::saturating_add);
        let (account, server, code) = match storage {
            Storage::Memory => (self.account.max_memory, self.server.max_memory, codes::MEMORY_RESOURCES_EXCEEDED),
            Storage::File => (self.account.max_storage, self.server.max_storage, codes::STORAGE_RESOURCES_EXCEEDED),
        };
        let exceeds = |limit: i64| limit >= 0 && reserved.saturating_add(more) > limit;
        if exceeds(account) || exceeds(server) { Err(code.error()) } else { Ok(()) }
    }

    /// JS37.
    fn check_overlap(&self, config: &StreamConfig) -> Result<(), ApiError> {
        let others = self.streams.iter().filter(|other| other.name != config.name);
        let mut theirs = others.flat_map(|other| &other.subjects);
        let overlaps = theirs.any(|other| config.subjects.iter().any(|subject| relation::overlaps(subject, other)));
        if overlaps { Err(codes::STREAM_SUBJECT_OVERLAP.error()) } else { Ok(()) }
    }

    /// JM15: a chain of local sources and mirrors that leads back, through subjects that the filters let pass.
    fn check_cycles(&self, config: &StreamConfig) -> Result<(), ApiError> {
        let mut open: Vec<&StreamSource> = origins(config).collect();
        let mut seen: Vec<&str> = Vec::new();
        while let Some(source) = open.pop() {
            if source.external.is_some() {
                continue;
            }
            let subjects = if source.name == config.name {
                &config.subjects
            } else {
                let Some(origin) = self.find(&source.name) else { continue };
                &origin.subjects
            };
            let passes = source.filter_subject.is_empty()
                || subjects.is_empty()
                || subjects.iter().any(|subject| relation::overlaps(subject, &source.filter_subject));
            if !passes {
                continue;
            }
            if source.name == config.name {
                return Err(invalid("detected cycle"));
            }
            if let Some(origin) = self.find(&source.name).filter(|origin| !seen.contains(&origin.name.as_str())) {
                seen.push(&origin.name);
                open.extend(origins(origin));
            }
        }
        Ok(())
    }

    /// JM3, JM16, JM17: what depends on an origin that is there.
    fn follow_origin(&self, config: &mut StreamConfig, pedantic: bool) -> Result<(), ApiError> {
        if let Some(mirror) = config.mirror.as_ref().filter(|mirror| mirror.external.is_none())
            && let Some(origin) = self.find(&mirror.name)
        {
            if pedantic && origin.allow_direct != config.mirror_direct {
                let text = match origin.allow_direct {
                    true => "origin stream has direct get set, mirror has it disabled",
                    false => "origin stream has direct get disabled, mirror has it set",
                };
                return Err(codes::PEDANTIC.with(text));
            }
            config.mirror_direct = origin.allow_direct;
            if config.max_msg_size > 0 && origin.max_msg_size > 0 && config.max_msg_size < origin.max_msg_size {
                return Err(codes::MIRROR_MAX_MESSAGE_SIZE_TOO_BIG.error());
            }
        }
        for source in config.source_list().iter().filter(|source| source.external.is_none()) {
            let origin = self.find(&source.name);
            let max = origin.map_or(-1, |origin| origin.max_msg_size);
            if config.max_msg_size > 0 && max > 0 && config.max_msg_size < max {
                return Err(codes::SOURCE_MAX_MESSAGE_SIZE_TOO_BIG.error());
            }
        }
        for source in origins(config) {
            let Some(external) = source.external.as_ref().filter(|external| !external.deliver.is_empty()) else {
                continue;
            };
            let subjects = self.find(&source.name).map(|origin| origin.subjects.as_slice()).unwrap_or_default();
            let within = format!("{}.>", external.deliver);
            let overlaps = |subject: &&String| {
                relation::overlaps(subject, &external.deliver) || relation::overlaps(subject, &within)
            };
            if let Some(subject) = subjects.iter().find(overlaps) {
                return Err(codes::STREAM_EXTERNAL_DEL_PREFIX_OVERLAPS.filled(&[&external.deliver, subject]));
            }
        }
        Ok(())
    }
}

fn origins(config: &StreamConfig) -> impl Iterator<Item = &StreamSource> {
    config.mirror.iter().chain(config.source_list())
}
