//! The options of CONNECT: how a client describes itself.

use super::json::{self, Kind, Value};

/// A client's options, with the defaults of one that never sent CONNECT (C11). Absent keys of a further CONNECT keep their
/// values (C12).
///
/// # Example
///
/// ```
/// use postroom::protocol::Connect;
///
/// let mut options = Connect::default();
/// options.merge(br#"{"verbose":false,"name":"x"}"#)?;
/// options.merge(br#"{"Echo":false,"name":null,"unknown":1}"#)?;
/// assert_eq!((options.verbose, options.echo, options.name.as_deref()), (false, false, Some("x")));
/// # Ok::<_, postroom::protocol::ConnectError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connect {
    /// `+OK` for every operation (C13).
    pub verbose: bool,
    /// Publish subjects are checked (S6).
    pub pedantic: bool,
    /// Gets its own messages (C25).
    pub echo: bool,
    /// Understands headers (H4, H5).
    pub headers: bool,
    /// Wants to know when a request has no responders (R2).
    pub no_responders: bool,
    /// 0 or 1 (C9).
    pub protocol: i64,
    /// `None` if absent or null.
    pub name: Option<String>,
    /// The client library's language.
    pub lang: Option<String>,
    /// The client library's version.
    pub version: Option<String>,
    /// Credentials, each as it came (P1).
    pub user: Option<String>,
    /// The password.
    pub pass: Option<String>,
    /// The token.
    pub auth_token: Option<String>,
    /// The public nkey.
    pub nkey: Option<String>,
    /// A JWT; not supported, and so always refused where credentials are asked for.
    pub jwt: Option<String>,
    /// The signature of the nonce.
    pub sig: Option<String>,
    /// The account the client asks for: refused unless empty (C7).
    pub account: Option<String>,
    /// Whether it asks for a new account: refused (C7).
    pub new_account: bool,
}

/// The JSON of a CONNECT cannot be read: no object, a wrong type for a known key, something behind it. The connection is closed
/// without a word (C7).
#[derive(Debug, thiserror::Error)]
#[error("CONNECT cannot be read: {0}")]
pub struct ConnectError(serde_json::Error);

impl Connect {
    /// Takes over what the JSON of a CONNECT says. Keys are known in either case, others ignored; absent ones and null change
    /// nothing.
    ///
    /// # Errors
    ///
    /// The JSON is invalid, is not an object (null counts as an empty one), has a known key with a value of a wrong type, or
    /// something follows it. Some options may have been taken over by then.
    pub fn merge(&mut self, json: &[u8]) -> Result<(), ConnectError> {
        json::read(json, &NAMES, |name, value| self.set(name, value)).map_err(ConnectError)
    }

    fn set(&mut self, name: &'static str, value: Value) {
        match (name, value) {
            ("verbose", Value::Bool(on)) => self.verbose = on,
            ("pedantic", Value::Bool(on)) => self.pedantic = on,
            ("echo", Value::Bool(on)) => self.echo = on,
            ("headers", Value::Bool(on)) => self.headers = on,
            ("no_responders", Value::Bool(on)) => self.no_responders = on,
            ("new_account", Value::Bool(on)) => self.new_account = on,
            ("protocol", Value::Integer(number)) => self.protocol = number as i64,
            ("name", Value::Text(text)) => self.name = Some(text),
            ("lang", Value::Text(text)) => self.lang = Some(text),
            ("version", Value::Text(text)) => self.version = Some(text),
            ("user", Value::Text(text)) => self.user = Some(text),
            ("pass", Value::Text(text)) => self.pass = Some(text),
            ("auth_token", Value::Text(text)) => self.auth_token = Some(text),
            ("nkey", Value::Text(text)) => self.nkey = Some(text),
            ("jwt", Value::Text(text)) => self.jwt = Some(text),
            ("sig", Value::Text(text)) => self.sig = Some(text),
            ("account", Value::Text(text)) => self.account = Some(text),
            // Known to nats-server, so of the right type; without a meaning here.
            _ => {}
        }
    }

    /// Whether it asks for an account, which no client may.
    pub(super) fn asks_for_account(&self) -> bool {
        self.new_account || self.account.as_ref().is_some_and(|account| !account.is_empty())
    }
}

const NAMES: [(&str, Kind); 22] = [
    ("verbose", Kind::Bool),
    ("pedantic", Kind::Bool),
    ("echo", Kind::Bool),
    ("headers", Kind::Bool),
    ("no_responders", Kind::Bool),
    ("tls_required", Kind::Bool),
    ("new_account", Kind::Bool),
    ("protocol", Kind::Integer(i64::MIN as i128..=i64::MAX as i128)),
    ("name", Kind::Text),
    ("lang", Kind::Text),
    ("version", Kind::Text),
    ("user", Kind::Text),
    ("pass", Kind::Text),
    ("auth_token", Kind::Text),
    ("nkey", Kind::Text),
    ("jwt", Kind::Text),
    ("sig", Kind::Text),
    ("proxy_sig", Kind::Text),
    ("account", Kind::Text),
    ("remote_account", Kind::Text),
    ("import", Kind::Subjects),
    ("export", Kind::Subjects),
];

impl Default for Connect {
    fn default() -> Self {
        Connect {
            verbose: true,
            pedantic: true,
            echo: true,
            headers: false,
            no_responders: false,
            protocol: 0,
            name: None,
            lang: None,
            version: None,
            user: None,
            pass: None,
            auth_token: None,
            nkey: None,
            jwt: None,
            sig: None,
            account: None,
            new_account: false,
        }
    }
}
