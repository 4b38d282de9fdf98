//! The rare parts of a message: headers and a status, as they were made or as they came off a wire.

use super::headers::{self, HeaderMap};
use super::status::StatusCode;
use crate::error::HeaderError;
use crate::user_code::{Reporter, UserBytes};
use bytes::Bytes;
use smol_str::SmolStr;
use std::sync::{Arc, OnceLock};

/// Headers and a status.
#[derive(Clone, Debug)]
pub(crate) struct Head(Form);

#[derive(Clone, Debug)]
enum Form {
    Made(Parts),
    /// A block that is passed on byte for byte (H2), and its content, once it was asked for.
    Came {
        block: UserBytes,
        says: OnceLock<Result<Parts, HeaderError>>,
    },
}

/// The content of a head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) status: Option<(StatusCode, SmolStr)>,
    pub(crate) headers: HeaderMap,
}

impl Head {
    /// `None` if there is nothing to say: then nothing is sent (H7).
    pub(crate) fn made(status: Option<(StatusCode, SmolStr)>, headers: HeaderMap) -> Option<Arc<Head>> {
        let says_something = status.is_some() || !headers.is_empty();
        says_something.then(|| Arc::new(Head(Form::Made(Parts { status, headers }))))
    }

    /// A block as it came; `None` if it has no bytes (H3). `reporter` is that of the bus on which it is published.
    pub(crate) fn came(block: Bytes, reporter: Reporter) -> Option<Arc<Head>> {
        let block = UserBytes { bytes: block, reporter };
        (!block.bytes.is_empty()).then(|| Arc::new(Head(Form::Came { block, says: OnceLock::new() })))
    }

    /// Whether it can be read, which only a block that came may fail.
    pub(crate) fn check(&self) -> Result<(), HeaderError> {
        match &self.0 {
            Form::Made(_) => Ok(()),
            Form::Came { block, says } => read(&block.bytes, says).as_ref().map(|_| ()).map_err(|error| *error),
        }
    }

    /// Its content; empty if it can't be read.
    pub(crate) fn parts(&self) -> &Parts {
        static NONE: Parts = Parts { status: None, headers: HeaderMap::new() };
        match &self.0 {
            Form::Made(parts) => parts,
            Form::Came { block, says } => read(&block.bytes, says).as_ref().unwrap_or(&NONE),
        }
    }

    /// Whether two heads say the same, or can't be read and have the same bytes. No head is the same as one that says nothing.
    pub(crate) fn same(one: Option<&Head>, other: Option<&Head>) -> bool {
        let unreadable = |head: Option<&Head>| head.filter(|head| head.check().is_err()).map(Head::block);
        match (unreadable(one), unreadable(other)) {
            (None, None) => match (one, other) {
                (Some(one), Some(other)) => one.parts() == other.parts(),
                (Some(head), None) | (None, Some(head)) => *head.parts() == Parts::default(),
                (None, None) => true,
            },
            (one, other) => one == other,
        }
    }

    /// Its form on the wire: what came, or what is made of the parts.
    pub(crate) fn block(&self) -> Bytes {
        match &self.0 {
            Form::Made(parts) => parts.encoded(),
            Form::Came { block, .. } => block.bytes.clone(),
        }
    }

    /// Bytes of the block.
    pub(crate) fn size(&self) -> usize {
        match &self.0 {
            Form::Made(parts) => headers::encoded_len(parts.status(), &parts.headers),
            Form::Came { block, .. } => block.bytes.len(),
        }
    }
}

impl Parts {
    fn status(&self) -> Option<(StatusCode, &str)> {
        self.status.as_ref().map(|(status, text)| (*status, text.as_str()))
    }

    fn encoded(&self) -> Bytes {
        let mut block = Vec::new();
        if headers::encode(self.status(), &self.headers, &mut block).is_err() {
            // Only the text next to the status can be at fault, and it is of no use.
            let status = self.status().map(|(status, _)| (status, ""));
            headers::encode(status, &self.headers, &mut block).expect("headers are checked when they are set");
        }
        block.into()
    }
}

fn read<'a>(block: &[u8], says: &'a OnceLock<Result<Parts, HeaderError>>) -> &'a Result<Parts, HeaderError> {
    says.get_or_init(|| headers::decode(block).map(|(status, headers)| Parts { status, headers }))
}
