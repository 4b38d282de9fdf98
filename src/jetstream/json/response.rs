//! A response as a client reads it: its fields, or the error that stands in their place (JS10). Unknown keys are passed over.

use super::read::{self, Decode, Fatal, Reader};
use crate::jetstream::engine::error::ApiError;

/// The fields of a response.
pub(crate) trait Fields: Default {
    /// Their keys.
    const KEYS: &'static [&'static str];

    /// Takes over the value of one of the keys.
    fn field(&mut self, key: &'static str, from: &mut Reader<'_>) -> Result<(), Fatal>;
}

/// Why a response has no fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResponseFault {
    /// It is a refusal.
    Refused(ApiError),
    /// It can't be read; the words say why.
    Unreadable(String),
}

#[derive(Default)]
struct Envelope<T> {
    fields: T,
    error: Option<WireError>,
}

#[derive(Default)]
struct WireError {
    code: u16,
    err_code: u16,
    description: String,
}

impl<T: Fields> Decode for Envelope<T> {
    const NAME: &'static str = "response";

    fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        let keys: Vec<&'static str> = T::KEYS.iter().copied().chain(["error"]).collect();
        let Envelope { fields, error } = self;
        from.object("response", &keys, |reader, key| match key {
            "error" => reader.optional(error, |reader, error| {
                reader.object("error", &["code", "err_code", "description"], |reader, key| match key {
                    "code" => reader.integer("int", &mut error.code),
                    "err_code" => reader.integer("uint16", &mut error.err_code),
                    _ => reader.text(&mut error.description),
                })?;
                Ok(())
            }),
            _ => fields.field(key, reader),
        })?;
        Ok(())
    }
}

/// Reads a response.
///
/// # Errors
///
/// The error that the response carries, or why it can't be read.
pub(crate) fn decode<T: Fields>(payload: &[u8]) -> Result<T, ResponseFault> {
    if payload.iter().all(u8::is_ascii_whitespace) {
        return Err(ResponseFault::Unreadable("it is empty".to_owned()));
    }
    let mut envelope = Envelope { fields: T::default(), error: None };
    let read = read::decode(payload, false, &mut envelope);
    if let Some(WireError { code, err_code, description }) = envelope.error {
        return Err(ResponseFault::Refused(ApiError::received(code, err_code, description)));
    }
    read.map_err(ResponseFault::Unreadable)?;
    Ok(envelope.fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jetstream::engine::error::codes;

    #[derive(Debug, Default, PartialEq, Eq)]
    struct Purged {
        purged: u64,
    }

    impl Fields for Purged {
        const KEYS: &'static [&'static str] = &["purged"];

        fn field(&mut self, _: &'static str, from: &mut Reader<'_>) -> Result<(), Fatal> {
            from.integer("uint64", &mut self.purged)
        }
    }

    #[test]
    fn a_response_gives_its_fields_or_its_error() {
        let of = |text: &str| decode::<Purged>(text.as_bytes());
        assert_eq!(of(r#"{"type":"x","new":[1,{}],"success":true,"purged":7}"#), Ok(Purged { purged: 7 }));
        let refused = r#"{"error":{"code":404,"err_code":10059,"description":"stream not found"},"purged":0}"#;
        assert_eq!(of(refused), Err(ResponseFault::Refused(codes::STREAM_NOT_FOUND.error())));
        for text in ["", " ", "x", r#"{"purged":"#, r#"{"purged":"7"}"#] {
            assert!(matches!(of(text), Err(ResponseFault::Unreadable(_))), "{text:?}");
        }
    }
}
