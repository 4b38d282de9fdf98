//! Which path gets which answer (M1).

use super::accounts::{account_statz, accountz};
#[cfg(feature = "jetstream")]
use super::jetstream::{JszOptions, jsz as jsz_of};
use super::query::Query;
use super::source::Source;
use super::{
    ConnzOptions, HealthzOptions, Monitor, MonitorError, SubszOptions, connz, healthz, json, subsz, unsupported, varz,
};
use crate::protocol::Quoted;
use serde::Serialize;
use std::fmt::Write;

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// For a redirection.
    pub(crate) location: Option<String>,
    pub(crate) body: Vec<u8>,
}

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json"), ("Access-Control-Allow-Origin", "*")];
const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain; charset=utf-8")];
const HTML: &[(&str, &str)] = &[("Content-Type", "text/html; charset=utf-8")];
const NOT_FOUND: &[(&str, &str)] =
    &[("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")];

impl Answer {
    fn json(value: &impl Serialize) -> Self {
        Answer { status: 200, headers: JSON, location: None, body: json::indented(value) }
    }

    fn refusal(status: u16, text: impl Into<Vec<u8>>) -> Self {
        Answer { status, headers: TEXT, location: None, body: text.into() }
    }

    fn not_found() -> Self {
        Answer { status: 404, headers: NOT_FOUND, location: None, body: b"404 page not found\n".to_vec() }
    }
}

/// 400 with the reason, whichever it is.
impl From<String> for Answer {
    fn from(reason: String) -> Self {
        Answer::refusal(400, reason)
    }
}

impl From<MonitorError> for Answer {
    fn from(error: MonitorError) -> Self {
        error.to_string().into()
    }
}

impl Monitor {
    /// Any method is answered as GET is.
    pub(crate) fn answer(&self, source: &dyn Source, path: &str, query: &str) -> Answer {
        let clean = clean(path);
        if clean != path {
            return redirect(clean, query);
        }
        let base = base_path(&self.place().base_path);
        let inner = if base == "/" { Some(path) } else { path.strip_prefix(base.as_str()) };
        let inner = match inner {
            Some("") => "/",
            // Only the base path itself is the root there.
            Some("/") if base != "/" => return Answer::not_found(),
            Some(inner) => inner,
            None => return Answer::not_found(),
        };
        self.look_up(source, inner, &Query::parse(query), &base).unwrap_or_else(|refusal| refusal)
    }

    /// Requests are counted where nats-server counts them: most of them whatever the parameters, `/connz` and `/routez` only if
    /// those can be read.
    fn look_up(&self, source: &dyn Source, path: &str, query: &Query, base: &str) -> Result<Answer, Answer> {
        match path {
            "/" => {
                self.count("/");
                Ok(root(&source.identity().version, base))
            }
            "/varz" => {
                self.count("/varz");
                Ok(Answer::json(&varz(self, source)))
            }
            "/connz" => {
                let options = connz_options(query)?;
                self.count("/connz");
                Ok(Answer::json(&connz(source, &options?)?))
            }
            "/subsz" | "/subscriptionsz" => {
                self.count("/subsz");
                let options = SubszOptions::new().subscriptions(query.boolean("subs")?).offset(query.count("offset")?);
                let options = options.limit(query.count("limit")?).account(query.text("acc")).test(query.text("test"));
                Ok(Answer::json(&subsz(source, &options)?))
            }
            "/healthz" => {
                self.count("/healthz");
                let enabled = query.boolean("js-enabled")?;
                if enabled {
                    source.warn(format_args!("Healthcheck: js-enabled deprecated, use js-enabled-only instead"));
                }
                let options = HealthzOptions::new().jetstream_only(query.boolean("js-enabled-only")? || enabled);
                let options = options.server_only(query.boolean("js-server-only")?);
                query.boolean("js-meta-only")?;
                let options = options.details(query.boolean("details")?).account(query.text("account"));
                let options = options.stream(query.text("stream")).consumer(query.text("consumer"));
                let healthz = healthz(source, &options);
                if let Some(error) = &healthz.error {
                    source.warn(format_args!("Healthcheck failed: {}", Quoted(error.clone())));
                } else if !healthz.errors.is_empty() {
                    source.warn(format_args!("Healthcheck failed: {} errors", healthz.errors.len()));
                }
                Ok(Answer { status: healthz.status_code, body: json::compact(&healthz), ..Answer::json(&()) })
            }
            "/accountz" => {
                self.count("/accountz");
                Ok(Answer::json(&accountz(source, query.text("acc"))?))
            }
            "/accstatz" => {
                self.count("/accstatz");
                Ok(Answer::json(&account_statz(source, query.boolean("unused")?)))
            }
            "/routez" => {
                query.subscriptions()?;
                self.count("/routez");
                Ok(Answer::json(&unsupported::routez(source)))
            }
            "/gatewayz" => {
                self.count("/gatewayz");
                query.subscriptions()?;
                query.boolean("accs")?;
                Ok(Answer::json(&unsupported::gatewayz(source)))
            }
            "/leafz" => {
                self.count("/leafz");
                query.boolean("subs")?;
                Ok(Answer::json(&unsupported::leafz(source)))
            }
            "/jsz" => {
                self.count("/jsz");
                jsz(source, query)
            }
            "/ipqueuesz" => Ok(Answer { body: b"{}".to_vec(), ..Answer::json(&()) }),
            "/raftz" => Err(Answer::refusal(404, "No Raft nodes registered")),
            // DIFFERENCE: nats-server also has `/stacksz` and `/debug/vars`, which tell of Go's runtime.
            _ => Err(Answer::not_found()),
        }
    }
}

/// The outer error: parameters that can't be read; the inner one: an order that there is not.
fn connz_options(query: &Query) -> Result<Result<ConnzOptions, MonitorError>, String> {
    let options = ConnzOptions::new().auth(query.boolean("auth")?).subscriptions(query.subscriptions()?);
    let options = options.offset(query.count("offset")?).limit(query.count("limit")?).cid(query.unsigned("cid")?);
    let mut options = options.state(query.state()?).user(query.text("user")).account(query.text("acc"));
    query.text("mqtt_client").clone_into(&mut options.mqtt_client);
    Ok(query.text("sort").parse().map(|sort| options.sort(sort)))
}

fn jsz(source: &dyn Source, query: &Query) -> Result<Answer, Answer> {
    for name in ["accounts", "streams", "consumers", "direct-consumers", "config"] {
        query.boolean(name)?;
    }
    query.count("offset")?;
    query.count("limit")?;
    let leader_only = query.boolean("leader-only")?;
    for name in ["raft", "stream-leader-only"] {
        query.boolean(name)?;
    }
    #[cfg(feature = "jetstream")]
    if let Some(server) = source.jetstream() {
        let options = JszOptions {
            account: query.text("acc"),
            accounts: query.boolean("accounts")?,
            streams: query.boolean("streams")?,
            consumers: query.boolean("consumers")?,
            config: query.boolean("config")?,
            raft: query.boolean("raft")?,
            offset: query.integer("offset")?,
            limit: query.integer("limit")?,
        };
        return Ok(Answer { body: jsz_of(source, &server, options), ..Answer::json(&()) });
    }
    if leader_only {
        return Err(Answer::refusal(400, "filtered response: not leader"));
    }
    Ok(Answer::json(&unsupported::jsz(source)))
}

/// A page with a link to each answer.
fn root(version: &str, base: &str) -> Answer {
    let base = base.trim_end_matches('/');
    let paths = "varz jsz connz accountz accstatz subsz routez leafz gatewayz raftz healthz";
    let link = |name: &str| format!("<li><a href=\".{base}/{name}\">/{name}</a></li>\n");
    let links: String = paths.split(' ').map(link).collect();
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>postroom</title></head>\n<body>\n<h1>postroom</h1>\n\
         <p>Speaks as nats-server {version}.</p>\n<ul>\n{links}</ul>\n</body>\n</html>\n"
    );
    Answer { status: 200, headers: HTML, location: None, body: page.into_bytes() }
}

/// With one slash at the beginning and none at the end; `/` for none.
fn base_path(configured: &str) -> String {
    let path = clean(&format!("/{configured}"));
    if path == "/" { path } else { path.trim_end_matches('/').to_owned() }
}

/// A path without empty parts, `.` and `..`. A slash at the end stays.
fn clean(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    format!("/{}{end}", parts.join("/"))
}

/// The path is escaped anew, and in the header what is not ASCII of the query, too.
fn redirect(path: String, query: &str) -> Answer {
    let mut target = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) {
            target.push(char::from(byte));
        } else {
            let _ = write!(target, "%{byte:02X}");
        }
    }
    if !query.is_empty() {
        target = format!("{target}?{query}");
    }
    let shown = target.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;");
    let body = format!("<a href=\"{shown}\">Temporary Redirect</a>.\n\n").into_bytes();
    let mut location = String::new();
    for byte in target.bytes() {
        if byte.is_ascii() {
            location.push(char::from(byte));
        } else {
            let _ = write!(location, "%{byte:02x}");
        }
    }
    Answer { status: 307, headers: HTML, location: Some(location), body }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::ServerOptions;
    use crate::server::monitor::HttpPlace;
    use crate::server::monitor::fake::Fake;
    use serde_json::Value;

    fn ask(monitor: &Monitor, target: &str) -> (u16, String) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let answer = monitor.answer(&Fake::new(ServerOptions::new()), path, query);
        (answer.status, String::from_utf8(answer.body).unwrap())
    }

    fn json(target: &str) -> Value {
        let (status, text) = ask(&Monitor::default(), target);
        assert_eq!(status, 200, "{target}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn each_path_has_its_answer() {
        assert_eq!(json("/varz")["server_id"], "NFAKE");
        assert_eq!(json("/connz")["num_connections"], 2);
        assert_eq!(json("/subsz")["num_subscriptions"], 4);
        assert_eq!(json("/subscriptionsz")["total"], 0);
        assert_eq!(json("/accountz")["accounts"], serde_json::json!(["$SYS", "$G"]));
        assert_eq!(json("/accountz?acc=%24G")["account_detail"]["client_connections"], 2);
        assert_eq!(json("/accstatz")["account_statz"].as_array().map(Vec::len), Some(1));
        assert_eq!(json("/accstatz?unused=1")["account_statz"][1]["sent"]["msgs"], 30);
        assert_eq!(json("/routez")["routes"], serde_json::json!([]));
        assert_eq!(json("/gatewayz")["inbound_gateways"], serde_json::json!({}));
        assert_eq!(json("/leafz")["leafs"], serde_json::json!([]));
        assert_eq!(json("/jsz")["disabled"], true);
        assert_eq!(json("/ipqueuesz"), serde_json::json!({}));
        assert_eq!(ask(&Monitor::default(), "/healthz"), (200, r#"{"status":"ok"}"#.to_owned()));
        assert!(ask(&Monitor::default(), "/").1.contains("href=\"./varz\""));
    }

    /// The words of nats-server 2.15.1 (M1).
    #[test]
    fn what_has_no_answer_is_refused_in_the_servers_words() {
        let refused = [
            ("/nope", 404, "404 page not found\n"),
            ("/varz/", 404, "404 page not found\n"),
            ("/varz/x", 404, "404 page not found\n"),
            ("/raftz", 404, "No Raft nodes registered"),
            ("/connz?sort=bogus", 400, "invalid sorting option: bogus"),
            ("/connz?sort=CID", 400, "invalid sorting option: CID"),
            ("/connz?sort=stop", 400, "sort by stop only valid on closed connections"),
            ("/connz?sort=stop&state=all", 400, "sort by stop only valid on closed connections"),
            ("/connz?sort=reason", 400, "sort by reason only valid on closed connections"),
            ("/connz?state=bogus&sort=bogus", 400, "Error decoding state for bogus"),
            ("/subsz?test=foo.*", 400, "invalid test subject, must be valid publish subject: foo.*"),
            ("/accountz?acc=x", 400, "Account x does not exist"),
            ("/jsz?leader-only=1", 400, "filtered response: not leader"),
        ];
        for (target, status, text) in refused {
            assert_eq!(ask(&Monitor::default(), target), (status, text.to_owned()), "{target}");
        }
        for target in
            ["/routez?subs=x", "/gatewayz?accs=x", "/leafz?subs=x", "/accstatz?unused=x", "/healthz?details=x"]
        {
            let (status, text) = ask(&Monitor::default(), target);
            assert_eq!(status, 400);
            assert!(text.starts_with("Error decoding boolean for '"), "{text}");
        }
    }

    #[test]
    fn requests_are_counted_by_path() {
        let monitor = Monitor::default();
        for target in
            ["/varz", "/subscriptionsz", "/subsz?limit=x", "/connz?limit=x", "/connz?sort=bogus", "/nope", "/"]
        {
            ask(&monitor, target);
        }
        let counts: Vec<_> = monitor.requests().into_iter().collect();
        let expected = [("/", 1), ("/connz", 1), ("/subsz", 2), ("/varz", 1)];
        assert_eq!(counts, expected.map(|(path, count)| (path.to_owned(), count)));
    }

    #[test]
    fn paths_lie_below_the_base_path() {
        let monitor = Monitor::default();
        monitor.set_place(HttpPlace { base_path: "nats/".into(), ..HttpPlace::default() });
        let statuses = ["/nats", "/nats/varz", "/nats/", "/varz", "/", "/natsx/varz"].map(|path| ask(&monitor, path).0);
        assert_eq!(statuses, [200, 200, 404, 404, 404, 404]);
        assert!(ask(&monitor, "/nats").1.contains("href=\"./nats/varz\""));
    }

    #[test]
    fn an_unclean_path_is_redirected() {
        let answer = Monitor::default().answer(&Fake::new(ServerOptions::new()), "/./varz", "x=1");
        assert_eq!((answer.status, answer.location.as_deref()), (307, Some("/varz?x=1")));
        let answer = Monitor::default().answer(&Fake::new(ServerOptions::new()), "//v>a%rz\u{e9}", "a=<\u{e9}>");
        assert_eq!(answer.location.as_deref(), Some("/v%3Ea%25rz%C3%A9?a=<%c3%a9>"));
        let cleaned = ["//varz", "/a/../varz", "/", "/varz/", "//", "/.."].map(clean);
        assert_eq!(cleaned, ["/varz", "/varz", "/", "/varz/", "/", "/"]);
    }
}
