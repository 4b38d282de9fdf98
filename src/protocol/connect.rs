//! What a client says of itself: the options of CONNECT.

/// A client's options, with the defaults of one that never sent CONNECT (C11). Absent keys of a further CONNECT keep their
/// values (C12).
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
    /// Wants to know when a request reaches nobody (R2).
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
}

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
        }
    }
}
