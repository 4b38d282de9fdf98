//! INFO: how a server describes itself.

use super::json::{self, Kind};
use serde::{Deserialize, Serialize};

/// The fields of INFO (C2). Absent ones read as empty; those that clients need not see are left out where they are false, empty
/// or 0, as nats-server does.
///
/// # Example
///
/// ```
/// use postroom::protocol::Info;
///
/// let mut info = Info::default();
/// info.version = "2.15.1".to_owned();
/// info.max_payload = 1_048_576;
/// let line = info.to_line();
/// assert!(line.starts_with(b"INFO {\"server_id\":") && line.ends_with(b"} \r\n"));
/// assert_eq!(Info::parse(&line["INFO ".len()..])?, info);
/// # Ok::<_, postroom::protocol::InfoError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Info {
    /// A public nkey, `N…`, 56 characters.
    pub server_id: String,
    /// The id, unless the server has a name.
    pub server_name: String,
    /// Three numbers: clients read them.
    pub version: String,
    /// The version of the protocol: 1.
    pub proto: i64,
    /// The commit of the build.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub git_commit: String,
    /// The compiler of the build.
    pub go: String,
    /// Where it listens.
    pub host: String,
    /// Where it listens.
    pub port: i64,
    /// Whether headers are supported (H4).
    pub headers: bool,
    /// Whether CONNECT must show credentials (C3).
    #[serde(skip_serializing_if = "is_false")]
    pub auth_required: bool,
    /// Whether the connection must now be secured (C27).
    #[serde(skip_serializing_if = "is_false")]
    pub tls_required: bool,
    /// Whether that takes a certificate of the client.
    #[serde(skip_serializing_if = "is_false")]
    pub tls_verify: bool,
    /// Whether the connection may now be secured (C4).
    #[serde(skip_serializing_if = "is_false")]
    pub tls_available: bool,
    /// Bytes of payload and headers of one message (L4).
    pub max_payload: i64,
    /// Whether there is JetStream.
    #[serde(skip_serializing_if = "is_false")]
    pub jetstream: bool,
    /// The number of this connection.
    #[serde(skip_serializing_if = "is_zero")]
    pub client_id: u64,
    /// Where the client connects from; empty without an address (C4).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_ip: String,
    /// The text that a client with an nkey has to sign (P1).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub nonce: String,
    /// The cluster's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// Whether the cluster's name was made up.
    #[serde(skip_serializing_if = "is_false")]
    pub cluster_dynamic: bool,
    /// JetStream's domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Where else to connect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connect_urls: Vec<String>,
    /// Where else to connect by WebSocket.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ws_connect_urls: Vec<String>,
    /// Lame duck mode: the server is about to end (C19).
    #[serde(skip_serializing_if = "is_false")]
    pub ldm: bool,
    /// Sent in answer to the first PING after CONNECT (C9).
    #[serde(skip_serializing_if = "is_false")]
    pub connect_info: bool,
    /// The client's account, then.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_account: String,
    /// Whether that is the system account.
    #[serde(skip_serializing_if = "is_false")]
    pub acc_is_sys: bool,
    /// The level of JetStream's interface.
    #[serde(skip_serializing_if = "is_zero")]
    pub api_lvl: u64,
    /// A public key for encryption, `X…`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub xkey: String,
}

/// The JSON of an INFO cannot be read: no object, or a wrong type for a known field.
#[derive(Debug, thiserror::Error)]
#[error("INFO cannot be read: {0}")]
pub struct InfoError(serde_json::Error);

impl Info {
    /// The line `INFO {…} ␍␊`, with the blank that nats-server puts before its end (C1).
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = b"INFO ".to_vec();
        serde_json::to_writer(&mut line, self).expect("texts and numbers can be written to memory");
        line.extend_from_slice(b" \r\n");
        line
    }

    /// Reads the JSON of an INFO; unknown fields are ignored.
    ///
    /// # Errors
    ///
    /// It is not JSON, not an object, has a known field of a wrong type, or something follows it.
    pub fn parse(json: &[u8]) -> Result<Self, InfoError> {
        // A list in the order of the fields would be taken too.
        if !json.trim_ascii_start().starts_with(b"{") {
            return Err(InfoError(serde::de::Error::custom("not an object")));
        }
        serde_json::from_slice(json).map_err(InfoError)
    }
}

/// Whether a server takes this JSON in an INFO that a client sent it (C6).
pub(super) fn is_tolerated(json: &[u8]) -> bool {
    json::read(json, &NAMES, |_, _| {}).is_ok()
}

const INT: Kind = Kind::Integer(i64::MIN as i128..=i64::MAX as i128);
const BYTE: Kind = Kind::Integer(0..=u8::MAX as i128);

/// All that nats-server knows, routes' and gateways' fields included.
const NAMES: [(&str, Kind); 49] = [
    ("server_id", Kind::Text),
    ("server_name", Kind::Text),
    ("version", Kind::Text),
    ("proto", INT),
    ("git_commit", Kind::Text),
    ("go", Kind::Text),
    ("host", Kind::Text),
    ("port", INT),
    ("headers", Kind::Bool),
    ("auth_required", Kind::Bool),
    ("tls_required", Kind::Bool),
    ("tls_verify", Kind::Bool),
    ("tls_available", Kind::Bool),
    ("max_payload", Kind::Integer(i32::MIN as i128..=i32::MAX as i128)),
    ("jetstream", Kind::Bool),
    ("ip", Kind::Text),
    ("client_id", Kind::Integer(0..=u64::MAX as i128)),
    ("client_ip", Kind::Text),
    ("nonce", Kind::Text),
    ("cluster", Kind::Text),
    ("cluster_dynamic", Kind::Bool),
    ("domain", Kind::Text),
    ("connect_urls", Kind::Texts),
    ("ws_connect_urls", Kind::Texts),
    ("ldm", Kind::Bool),
    ("compression", Kind::Text),
    ("connect_info", Kind::Bool),
    ("remote_account", Kind::Text),
    ("acc_is_sys", Kind::Bool),
    ("api_lvl", INT),
    ("import", Kind::Subjects),
    ("export", Kind::Subjects),
    ("lnoc", Kind::Bool),
    ("lnocu", Kind::Bool),
    ("info_on_connect", Kind::Bool),
    ("route_pool_size", INT),
    ("route_pool_idx", INT),
    ("route_account", Kind::Text),
    ("route_acc_add_reqid", Kind::Text),
    ("gossip_mode", BYTE),
    ("gateway", Kind::Text),
    ("gateway_urls", Kind::Texts),
    ("gateway_url", Kind::Text),
    ("gateway_cmd", BYTE),
    ("gateway_cmd_payload", Kind::Text),
    ("gateway_nrp", Kind::Bool),
    ("gateway_iom", Kind::Bool),
    ("leafnode_urls", Kind::Texts),
    ("xkey", Kind::Text),
];

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}
