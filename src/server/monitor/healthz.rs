//! Whether a server is well: `/healthz` (M6).

use super::source::Source;
use serde::Serialize;

/// The options of a question about a server's health (M6). Without JetStream, streams and consumers are never unwell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct HealthzOptions {
    account: String,
    stream: String,
    consumer: String,
    details: bool,
    jetstream_only: bool,
    server_only: bool,
}

impl HealthzOptions {
    /// Whether the server as a whole is well.
    pub fn new() -> Self {
        HealthzOptions::default()
    }

    /// Asks about this account.
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = account.into();
        self
    }

    /// Asks about this stream of the account.
    pub fn stream(mut self, stream: impl Into<String>) -> Self {
        self.stream = stream.into();
        self
    }

    /// Asks about this consumer of the stream.
    pub fn consumer(mut self, consumer: impl Into<String>) -> Self {
        self.consumer = consumer.into();
        self
    }

    /// Whether JetStream is asked for as a whole, and no account, stream or consumer. Default false.
    pub fn jetstream_only(mut self, only: bool) -> Self {
        self.jetstream_only = only;
        self
    }

    /// Whether the server is asked for without JetStream. Default false.
    pub fn server_only(mut self, only: bool) -> Self {
        self.server_only = only;
        self
    }

    /// Whether to list what is wrong one by one, in [`Healthz::errors`]. Default false.
    pub fn details(mut self, details: bool) -> Self {
        self.details = details;
        self
    }
}

/// Whether a server is well (M6); as JSON it is what `/healthz` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Healthz {
    /// `ok`, `error`, or `unavailable` if JetStream is what is asked for.
    pub status: &'static str,
    /// The status of the answer over HTTP: 200, 400 if the question was wrong, 404 if there is no such account, stream or
    /// consumer, 500 if no connections are accepted.
    #[serde(skip)]
    pub status_code: u16,
    /// The problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The problems, one by one, if details are asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<HealthzError>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HealthzError {
    /// `CONNECTION`, `BAD_REQUEST`, `ACCOUNT`, `STREAM` or `CONSUMER`.
    #[serde(rename = "type")]
    pub error_type: &'static str,
    /// The account that it is about; empty for none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub account: String,
    /// The stream that it is about; empty for none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stream: String,
    /// The consumer that it is about; empty for none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub consumer: String,
    /// Its description.
    pub error: String,
}

pub(crate) fn healthz(source: &dyn Source, options: &HealthzOptions) -> Healthz {
    let wrong = |status_code, error_type, error: &str| {
        let none = String::new;
        let (account, stream, consumer) = (none(), none(), none());
        let error = HealthzError { error_type, account, stream, consumer, error: error.to_owned() };
        Some((status_code, "error", error))
    };
    let wrong = if options.account.is_empty() && !options.stream.is_empty() {
        wrong(400, "BAD_REQUEST", "\"account\" must not be empty when checking stream health")
    } else if options.stream.is_empty() && !options.consumer.is_empty() {
        wrong(400, "BAD_REQUEST", "\"stream\" must not be empty when checking consumer health")
    } else if !source.is_ready() {
        wrong(500, "CONNECTION", "failed to be ready for connections after 1ms: server")
    } else if options.server_only || options.jetstream_only {
        None
    } else {
        missing(source, options).map(|error| (404, "unavailable", error))
    };
    let well = Healthz { status: "ok", status_code: 200, error: None, errors: Vec::new() };
    match wrong {
        None => well,
        Some((status_code, _, error)) if options.details => {
            Healthz { status: "error", status_code, errors: vec![error], ..well }
        }
        Some((status_code, status, error)) => Healthz { status, status_code, error: Some(error.error), ..well },
    }
}

#[cfg(not(feature = "jetstream"))]
fn missing(_: &dyn Source, _: &HealthzOptions) -> Option<HealthzError> {
    None
}

/// The account, stream or consumer that is asked for and that is not there. As nats-server, which looks for their folders on disk, it
/// finds streams with file storage alone, and the account once there was one.
#[cfg(feature = "jetstream")]
fn missing(source: &dyn Source, options: &HealthzOptions) -> Option<HealthzError> {
    use super::GLOBAL_ACCOUNT;
    use crate::jetstream::engine::config::Storage;
    let server = source.jetstream()?;
    let HealthzOptions { account, stream, consumer, .. } = options;
    if account.is_empty() {
        return None;
    }
    let quoted = |name: &String| crate::protocol::Quoted(name.clone());
    let error = |error_type, stream: &str, consumer: &str, error| HealthzError {
        error_type,
        account: account.clone(),
        stream: stream.to_owned(),
        consumer: consumer.to_owned(),
        error,
    };
    if account != GLOBAL_ACCOUNT || !server.has_stored_streams() {
        return Some(error("ACCOUNT", "", "", format!("JetStream account {} not found", quoted(account))));
    }
    if stream.is_empty() {
        return None;
    }
    if server.storage_of(stream) != Some(Storage::File) {
        let text = format!("JetStream stream {} not found on account {}", quoted(stream), quoted(account));
        return Some(error("STREAM", stream, "", text));
    }
    if !consumer.is_empty() && !server.has_consumer(stream, consumer) {
        let (account, within) = (quoted(account), quoted(stream));
        let text =
            format!("JetStream consumer {} not found for stream {within} on account {account}", quoted(consumer));
        return Some(error("CONSUMER", stream, consumer, text));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::ServerOptions;
    use crate::server::monitor::fake::Fake;
    use crate::server::monitor::json::compact;

    fn ask(fake: &Fake, options: &HealthzOptions) -> (u16, String) {
        let healthz = super::healthz(fake, options);
        (healthz.status_code, String::from_utf8(compact(&healthz)).unwrap())
    }

    #[test]
    fn a_server_is_well_while_it_accepts_connections() {
        let mut fake = Fake::new(ServerOptions::new());
        let plain = HealthzOptions::new();
        assert_eq!(ask(&fake, &plain), (200, r#"{"status":"ok"}"#.to_owned()));
        assert_eq!(ask(&fake, &plain.clone().account("a").stream("s").consumer("c")).0, 200);
        fake.ready = false;
        let text = "failed to be ready for connections after 1ms: server";
        assert_eq!(ask(&fake, &plain), (500, format!(r#"{{"status":"error","error":"{text}"}}"#)));
        let details = format!(r#"{{"status":"error","errors":[{{"type":"CONNECTION","error":"{text}"}}]}}"#);
        assert_eq!(ask(&fake, &plain.details(true)), (500, details));
    }

    #[test]
    fn a_stream_needs_an_account_and_a_consumer_a_stream() {
        let fake = Fake::new(ServerOptions::new());
        let (code, text) = ask(&fake, &HealthzOptions::new().stream("s"));
        assert_eq!(code, 400);
        assert_eq!(text, r#"{"status":"error","error":"\"account\" must not be empty when checking stream health"}"#);
        let (code, text) = ask(&fake, &HealthzOptions::new().consumer("c").details(true));
        assert_eq!(code, 400);
        assert!(text.contains(r#"{"type":"BAD_REQUEST","error":"\"stream\" must not be empty"#), "{text}");
    }
}
