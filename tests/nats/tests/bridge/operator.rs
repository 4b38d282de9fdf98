//! Operators, accounts and users as NATS signs them: claims as JSON, signed by the key of the level above.
//!
//! Each is a token of three parts: what signs, the claims, and the signature over both. The server knows the operator from its
//! configuration and the account from a resolver in memory; the user brings its own, and proves by its key that it is the one named.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// The version of the claims: its signature is over the header, too.
const VERSION: u8 = 2;

/// Without a bound.
const NO_LIMIT: i64 = -1;

/// Seconds since 1970, which claims count in.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// An operator with one account.
pub(crate) struct Operator {
    operator: KeyPair,
    account: KeyPair,
}

/// A user of the account.
pub(crate) struct User {
    key: KeyPair,
    jwt: String,
}

impl Operator {
    pub(crate) fn new() -> Self {
        Operator { operator: KeyPair::new_operator(), account: KeyPair::new_account() }
    }

    /// A server's configuration: of the account's users, those with the public keys in `revoked` are out.
    pub(crate) fn config(&self, revoked: &[String]) -> String {
        let operator = claims(&self.operator, &self.operator, json!({ "type": "operator" }), None);
        let revocations: serde_json::Map<String, Value> =
            revoked.iter().map(|user| (user.clone(), json!(now() + 1))).collect();
        let limits =
            ["subs", "data", "payload", "imports", "exports", "conn", "leaf"].map(|name| (name, json!(NO_LIMIT)));
        let mut limits: serde_json::Map<String, Value> =
            limits.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        limits.insert("wildcards".to_owned(), json!(true));
        let account = json!({ "type": "account", "limits": limits, "revocations": revocations });
        let account = claims(&self.operator, &self.account, account, None);
        format!(
            "operator: {operator}\nresolver: MEMORY\nresolver_preload: {{ {}: {account} }}",
            self.account.public_key()
        )
    }

    /// A user that may do everything, until `expires` if that is given.
    pub(crate) fn user(&self, expires: Option<u64>) -> User {
        let key = KeyPair::new_user();
        let user =
            json!({ "type": "user", "pub": {}, "sub": {}, "subs": NO_LIMIT, "data": NO_LIMIT, "payload": NO_LIMIT });
        let jwt = claims(&self.account, &key, user, expires);
        User { key, jwt }
    }
}

impl User {
    pub(crate) fn public_key(&self) -> String {
        self.key.public_key()
    }

    /// The content of a `.creds` file.
    pub(crate) fn creds(&self) -> String {
        self.creds_signed_by(&self.key)
    }

    /// With a key that may be another's.
    pub(crate) fn creds_signed_by(&self, key: &KeyPair) -> String {
        let (jwt, seed) = (&self.jwt, key.seed().expect("it was made here"));
        format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }
}

/// The claims of `issuer` about `subject`, signed.
fn claims(issuer: &KeyPair, subject: &KeyPair, mut nats: Value, expires: Option<u64>) -> String {
    nats["version"] = json!(VERSION);
    let (issuer_key, subject) = (issuer.public_key(), subject.public_key());
    // If two are made in the same second for the same subject, only one is ever used, so that the subject will do as
    // an id.
    let mut claims =
        json!({ "jti": subject, "iat": now(), "iss": issuer_key, "sub": subject, "name": "test", "nats": nats });
    if let Some(expires) = expires {
        claims["exp"] = json!(expires);
    }
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(json!({ "typ": "JWT", "alg": "ed25519-nkey" })), part(claims));
    let signature = issuer.sign(signed.as_bytes()).expect("it has its seed");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
