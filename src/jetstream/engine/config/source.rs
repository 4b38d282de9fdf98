//! Where a mirror or a stream with sources takes messages from, and what is wrong with it (JM1, JM2, JE10C).

use super::refusal::is_stream_name;
use super::{StreamConfig, Timestamp};
use crate::jetstream::engine::error::{ApiError, Code, codes};
use crate::subject::mapping::Transform;
use crate::subject::{Pattern, relation};

/// The origin of a mirror, or one of a stream's sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamSource {
    /// The origin's name.
    pub name: String,
    /// Where to begin; 0 is "at the beginning".
    pub opt_start_seq: u64,
    /// From when on.
    pub opt_start_time: Option<Timestamp>,
    /// The subjects to take; an empty text is all.
    pub filter_subject: String,
    /// The subjects to take, and their new subjects.
    pub subject_transforms: Vec<SourceTransform>,
    /// Another account or domain.
    pub external: Option<External>,
    /// A consumer that was made before.
    pub consumer: Option<ConsumerSource>,
}

/// A filter, and what becomes of the subjects that it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceTransform {
    /// The subjects that are taken; an empty text is `>`.
    pub src: String,
    /// The new subjects; an empty text leaves them.
    pub dest: String,
}

/// Another account or domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct External {
    /// The prefix in place of `$JS.API`.
    pub api: String,
    /// The prefix of deliveries.
    pub deliver: String,
}

/// A consumer that was made before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerSource {
    /// Its name.
    pub name: String,
    /// Where it delivers.
    pub deliver_subject: String,
}

/// The codes of the same faults in a mirror and in a source.
struct Words {
    name: Code,
    filters: Code,
    source: Code,
    destination: Code,
    overlap: Code,
    consumer: Code,
}

const OF_MIRRORS: Words = Words {
    name: codes::MIRROR_INVALID_STREAM_NAME,
    filters: codes::MIRROR_MULTIPLE_FILTERS_NOT_ALLOWED,
    source: codes::MIRROR_INVALID_SUBJECT_FILTER,
    destination: codes::MIRROR_INVALID_TRANSFORM_DESTINATION,
    overlap: codes::MIRROR_OVERLAPPING_SUBJECT_FILTERS,
    consumer: codes::MIRROR_DURABLE_CONSUMER_CFG_INVALID,
};

const OF_SOURCES: Words = Words {
    name: codes::SOURCE_INVALID_STREAM_NAME,
    filters: codes::SOURCE_MULTIPLE_FILTERS_NOT_ALLOWED,
    source: codes::SOURCE_INVALID_SUBJECT_FILTER,
    destination: codes::SOURCE_INVALID_TRANSFORM_DESTINATION,
    overlap: codes::SOURCE_OVERLAPPING_SUBJECT_FILTERS,
    consumer: codes::SOURCE_DURABLE_CONSUMER_CFG_INVALID,
};

/// Checks the mirror of a config, in the server's order (JS36, step 13).
pub(super) fn check_mirror(config: &StreamConfig) -> Result<(), ApiError> {
    let Some(mirror) = &config.mirror else { return Ok(()) };
    let forbidden = [
        (config.first_seq > 0, codes::MIRROR_WITH_FIRST_SEQ),
        (!config.subjects.is_empty(), codes::MIRROR_WITH_SUBJECTS),
        (!config.source_list().is_empty(), codes::MIRROR_WITH_SOURCES),
        (config.allow_msg_counter, codes::MIRROR_WITH_COUNTERS),
        (config.allow_atomic, codes::MIRROR_WITH_ATOMIC_PUBLISH),
        (config.allow_batched, codes::MIRROR_WITH_BATCH_PUBLISH),
        (config.allow_msg_schedules, codes::MIRROR_WITH_MSG_SCHEDULES),
    ];
    if let Some((_, code)) = forbidden.into_iter().find(|(is, _)| *is) {
        return Err(code.error());
    }
    mirror.check_consumer(&OF_MIRRORS)?;
    mirror.check_filters(&OF_MIRRORS)?;
    if config.subject_delete_marker_ttl > 0 {
        return Err(codes::STREAM_INVALID_CONFIG.with("subject delete markers forbidden on mirrors"));
    }
    // Two transforms may not match one subject (JM7), texts as they are.
    mirror.check_transforms(&OF_MIRRORS, |earlier, transform| {
        !earlier.is_empty() && !transform.is_empty() && relation::overlaps(earlier, transform)
    })?;
    // The stream names of another account or domain are not judged.
    if mirror.external.is_none() && !is_stream_name(&mirror.name) {
        return Err(OF_MIRRORS.name.error());
    }
    mirror.check_external()
}

/// Checks the sources of a config (JS36, step 14): each in turn, then the external parts of all of them.
pub(super) fn check_sources(config: &StreamConfig) -> Result<(), ApiError> {
    let sources = config.source_list();
    if sources.is_empty() {
        return Ok(());
    }
    if config.allow_msg_schedules {
        return Err(codes::SOURCE_WITH_MSG_SCHEDULES.error());
    }
    for (at, source) in sources.iter().enumerate() {
        if !is_stream_name(&source.name) {
            return Err(OF_SOURCES.name.error());
        }
        source.check_filters(&OF_SOURCES)?;
        source.check_transforms(&OF_SOURCES, |_, _| false)?;
        source.check_overlap(&OF_SOURCES)?;
        source.check_consumer(&OF_SOURCES)?;
        if sources[..at].iter().any(|other| source.is_same_origin(other)) {
            return Err(codes::SOURCE_DUPLICATE_DETECTED.error());
        }
        if sources[..at].iter().any(|other| source.has_same_consumer(other)) {
            return Err(codes::SOURCE_DURABLE_CONSUMER_DUPLICATE_DETECTED.error());
        }
    }
    sources.iter().try_for_each(StreamSource::check_external)
}

/// Finds the faults that the server finds only when it sets a mirror or a source up (10049).
pub(super) fn check_filters(config: &StreamConfig) -> Result<(), ApiError> {
    let is_wrong =
        |source: &&StreamSource| !source.filter_subject.is_empty() && Pattern::new(&source.filter_subject).is_err();
    if let Some(mirror) = config.mirror.as_ref().filter(is_wrong) {
        let text = format!("subject filter '{}' for the mirror invalid subject", mirror.filter_subject);
        return Err(codes::STREAM_CREATE.with(text));
    }
    if let Some(source) = config.source_list().iter().find(is_wrong) {
        let text = format!("subject filter '{}' for the source: invalid subject", source.filter_subject);
        return Err(codes::STREAM_CREATE.with(text));
    }
    Ok(())
}

impl StreamSource {
    fn is_same_origin(&self, other: &StreamSource) -> bool {
        let api = |source: &StreamSource| source.external.as_ref().map(|external| external.api.clone());
        self.name == other.name
            && self.filter_subject == other.filter_subject
            && self.subject_transforms == other.subject_transforms
            && self.consumer == other.consumer
            && api(self) == api(other)
    }

    fn has_same_consumer(&self, other: &StreamSource) -> bool {
        let name = |source: &StreamSource| source.consumer.as_ref().map(|consumer| consumer.name.clone());
        self.name == other.name && self.consumer.is_some() && name(self) == name(other)
    }

    fn check_filters(&self, words: &Words) -> Result<(), ApiError> {
        let both = !self.filter_subject.is_empty() && !self.subject_transforms.is_empty();
        if both { Err(words.filters.error()) } else { Ok(()) }
    }

    /// Each in turn: its filter, whether it `overlaps` an earlier one, its destination.
    fn check_transforms(&self, words: &Words, overlaps: impl Fn(&str, &str) -> bool) -> Result<(), ApiError> {
        for (at, SourceTransform { src, dest }) in self.subject_transforms.iter().enumerate() {
            if !src.is_empty() && Pattern::new(src).is_err() {
                return Err(words.source.with(format!("invalid subject {src}")));
            }
            if self.subject_transforms[..at].iter().any(|other| overlaps(&other.src, src)) {
                return Err(words.overlap.error());
            }
            if !dest.is_empty() {
                Transform::new(src, dest).map_err(|error| words.destination.with(error.to_string()))?;
            }
        }
        Ok(())
    }

    /// A transform of a source may not take what another takes whole (JM7), texts as they are.
    fn check_overlap(&self, words: &Words) -> Result<(), ApiError> {
        let all = self.subject_transforms.iter().map(|transform| transform.src.as_str());
        let all: Vec<&str> = all.filter(|src| !src.is_empty()).collect();
        let takes = |a: &str, b: &str| relation::includes(a, b) || relation::includes(b, a);
        let overlap = (0..all.len()).any(|at| all[..at].iter().any(|other| takes(other, all[at])));
        if overlap { Err(words.overlap.error()) } else { Ok(()) }
    }

    /// JM17.
    fn check_external(&self) -> Result<(), ApiError> {
        let Some(external) = &self.external else { return Ok(()) };
        if !external.deliver.is_empty() && !relation::is_literal(&external.deliver) {
            return Err(codes::STREAM_INVALID_EXTERNAL_DELIVERY_SUBJ.with(&external.deliver));
        }
        if external.api.is_empty() {
            return Ok(());
        }
        if Pattern::new(&external.api).is_err() || !relation::is_literal(&external.api) {
            let text =
                format!("stream external api prefix {:?} must be a valid subject without wildcards", external.api);
            return Err(codes::STREAM_INVALID_CONFIG.with(text));
        }
        if relation::overlaps("$JS.API", &external.api) {
            return Err(codes::STREAM_EXTERNAL_API_OVERLAP.filled(&[&external.api, "$JS.API"]));
        }
        Ok(())
    }

    /// JM11: a consumer that was made before is named whole, and decides itself where to begin and what to take.
    fn check_consumer(&self, words: &Words) -> Result<(), ApiError> {
        let Some(consumer) = &self.consumer else { return Ok(()) };
        let is_subject =
            Pattern::new(&consumer.deliver_subject).is_ok() && relation::is_literal(&consumer.deliver_subject);
        let decides_alone = self.opt_start_seq == 0 && self.opt_start_time.is_none() && self.filter_subject.is_empty();
        if consumer.name.is_empty() || !is_subject || !decides_alone {
            return Err(words.consumer.error());
        }
        Ok(())
    }
}
