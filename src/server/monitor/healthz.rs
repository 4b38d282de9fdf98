//! Whether a server is well: `/healthz` (M6).

use super::source::Source;
use serde::Serialize;

/// The options of a question about a server's health (M6). Streams and consumers are never unwell where
/// there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct HealthzOptions {
    account: String,
    stream: String,
    consumer: String,
    details: bool,
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
    /// `ok` or `error`.
    pub status: &'static str,
    /// The status of the answer over HTTP: 200, 400 if the question was wrong, 500 if no connections are accepted.
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
    /// `CONNECTION` or `BAD_REQUEST`.
    #[serde(rename = "type")]
    pub error_type: &'static str,
    /// Its description.
    pub error: String,
}

pub(crate) fn healthz(source: &dyn Source, options: &HealthzOptions) -> Healthz {
    let bad_request = |text: &str| (400, "BAD_REQUEST", text.to_owned());
    let wrong = if options.account.is_empty() && !options.stream.is_empty() {
        Some(bad_request("\"account\" must not be empty when checking stream health"))
    } else if options.stream.is_empty() && !options.consumer.is_empty() {
        Some(bad_request("\"stream\" must not be empty when checking consumer health"))
    } else if !source.is_ready() {
        Some((500, "CONNECTION", "failed to be ready for connections after 1ms: server".to_owned()))
    } else {
        None
    };
    let well = Healthz { status: "ok", status_code: 200, error: None, errors: Vec::new() };
    match wrong {
        None => well,
        Some((status_code, error_type, error)) if options.details => {
            Healthz { status: "error", status_code, errors: vec![HealthzError { error_type, error }], ..well }
        }
        Some((status_code, _, error)) => Healthz { status: "error", status_code, error: Some(error), ..well },
    }
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
