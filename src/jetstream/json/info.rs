//! What is told of a stream: its configuration, its contents, when it was made (JS17, JS22 to JS24).

use super::config;
use super::write::Object;
use crate::jetstream::engine::config::StreamConfig;
use crate::jetstream::engine::{StreamState, Timestamp};

/// The version of nats-server whose behaviour this is.
pub(crate) const VERSION: &str = "2.15.1";

/// The level of the JetStream API that is spoken (JS14).
pub const API_LEVEL: u64 = 5;

/// What is told of a stream.
#[derive(Debug)]
pub(crate) struct StreamInfo {
    pub(crate) config: StreamConfig,
    pub(crate) created: Timestamp,
    pub(crate) state: StreamState,
    /// Subjects and their messages, if they were asked for.
    pub(crate) subjects: Vec<(String, u64)>,
    /// Sequences without a message, if they were asked for.
    pub(crate) deleted: Vec<u64>,
    /// When it was told.
    pub(crate) now: Timestamp,
}

/// What a response shows of a stream, which differs from call to call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shown<'a> {
    pub(crate) domain: Option<&'a str>,
    /// The name of the server, as that of the leader of a cluster of one.
    pub(crate) leader: Option<&'a str>,
    /// The server's version and level among the metadata (JS35).
    pub(crate) is_alone: bool,
}

impl StreamInfo {
    /// Writes the keys of a StreamInfo into an object.
    pub(crate) fn encode(&self, object: &mut Object<'_>, shown: Shown<'_>) {
        let mut metadata = self.config.metadata.clone();
        if shown.is_alone {
            metadata.insert("_nats.ver".to_owned(), VERSION.to_owned());
            metadata.insert("_nats.level".to_owned(), API_LEVEL.to_string());
        }
        config::encode(&mut Object::new(object.key("config")), &self.config, &metadata);
        object.instant("created", Some(self.created));
        encode_state(&mut Object::new(object.key("state")), &self.state, &self.subjects, &self.deleted);
        if let Some(domain) = shown.domain {
            object.text("domain", domain);
        }
        object.some_object("cluster", shown.leader.as_ref(), |object, leader| object.text("leader", leader));
        object.instant("ts", Some(self.now));
    }
}

/// Writes the keys of a StreamState into an object.
pub(crate) fn encode_state(object: &mut Object<'_>, state: &StreamState, subjects: &[(String, u64)], deleted: &[u64]) {
    object.plain("messages", state.messages);
    object.plain("bytes", state.bytes);
    object.plain("first_seq", state.first_seq);
    object.instant("first_ts", state.first_time);
    object.plain("last_seq", state.last_seq);
    object.instant("last_ts", state.last_time);
    object.some_number("num_subjects", state.num_subjects);
    if !subjects.is_empty() {
        let mut object = Object::new(object.key("subjects"));
        subjects.iter().for_each(|(subject, count)| object.plain(subject, count));
    }
    object.some_number("num_deleted", state.num_deleted);
    if !deleted.is_empty() {
        super::write::list(object.key("deleted"), deleted, |out, seq| out.push_str(&seq.to_string()));
    }
    object.plain("consumer_count", state.consumers);
}
