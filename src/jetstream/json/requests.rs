//! The request for messages, which the API and direct reads share (JS28, JS81).

use super::read::{Decode, Fatal, Reader};
use crate::jetstream::engine::Timestamp;

/// A request for one message, or for several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MessageRequest {
    pub(crate) seq: u64,
    pub(crate) last_by_subj: String,
    pub(crate) next_by_subj: String,
    pub(crate) start_time: Option<Timestamp>,
    pub(crate) batch: i64,
    pub(crate) max_bytes: i64,
    pub(crate) multi_last: Vec<String>,
    pub(crate) up_to_seq: u64,
    pub(crate) up_to_time: Option<Timestamp>,
    pub(crate) no_hdr: bool,
}

impl Decode for MessageRequest {
    const NAME: &'static str = "JSApiMsgGetRequest";

    fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        let keys = [
            "seq",
            "last_by_subj",
            "next_by_subj",
            "batch",
            "max_bytes",
            "start_time",
            "multi_last",
            "up_to_seq",
            "up_to_time",
            "no_hdr",
        ];
        from.object("server.JSApiMsgGetRequest", &keys, |reader, key| match key {
            "seq" => reader.integer("uint64", &mut self.seq),
            "last_by_subj" => reader.text(&mut self.last_by_subj),
            "next_by_subj" => reader.text(&mut self.next_by_subj),
            "batch" => reader.integer("int", &mut self.batch),
            "max_bytes" => reader.integer("int", &mut self.max_bytes),
            "start_time" => reader.instant(&mut self.start_time),
            "multi_last" => reader.texts(&mut self.multi_last),
            "up_to_seq" => reader.integer("uint64", &mut self.up_to_seq),
            "up_to_time" => reader.instant(&mut self.up_to_time),
            _ => reader.flag(&mut self.no_hdr),
        })?;
        Ok(())
    }
}
