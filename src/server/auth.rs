//! Who a connection is: credentials against the list of those who may connect (P1).

use super::options::{Auth, Secret, Who};
use crate::Permissions;
use crate::protocol::{Connect, Quoted, Refusal};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// A connection that may come in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Recognised {
    /// Its user's name or public nkey; none where no users are known.
    pub(super) user: Option<String>,
    pub(super) permissions: Option<Permissions>,
}

fn shows(field: &Option<String>) -> bool {
    field.as_ref().is_some_and(|text| !text.is_empty())
}

/// What a connection shows, with the credentials of the user who is meant by those that show none (P1). To one that came in as that
/// user `before`, they are added also at a further CONNECT, where it does not show others. `None` if nothing is added.
pub(super) fn fill_in(auth: &Auth, connect: &Connect, before: bool) -> Option<Connect> {
    let user = auth.users.known_as(auth.no_auth_user.as_deref()?)?;
    let anonymous = ![&connect.user, &connect.pass, &connect.auth_token].into_iter().any(shows);
    let mut filled = connect.clone();
    match &user.who {
        Who::Password { name, password } if anonymous || before => {
            filled.user = filled.user.filter(|user| !user.is_empty()).or_else(|| Some(name.clone()));
            filled.pass = filled.pass.filter(|pass| !pass.is_empty()).or_else(|| Some(password.0.clone()));
        }
        Who::Nkey(key) if (anonymous || before) && !shows(&connect.nkey) => filled.nkey = Some(key.clone()),
        _ => return None,
    }
    Some(filled)
}

/// Who shows these credentials, as [`fill_in`] completed them.
///
/// # Errors
///
/// `Authorization Violation`, whatever is wrong (P8).
pub(super) fn recognise(auth: &Auth, connect: &Connect, nonce: Option<&str>) -> Result<Recognised, Refusal> {
    if !auth.is_required() {
        return Ok(Recognised::default());
    }
    if let Some(token) = &auth.token {
        let shown = connect.auth_token.as_deref().unwrap_or_default();
        return if token.is(shown) { Ok(Recognised::default()) } else { Err(Refusal::Authorization) };
    }
    // Where nobody has an nkey, one that is shown does not count; and where somebody has, it alone does.
    let by_nkey = shows(&connect.nkey) && auth.users.has_nkeys();
    let found = match (by_nkey, &connect.nkey, &connect.user) {
        (true, Some(key), _) => auth.users.with_nkey(key),
        (false, _, Some(name)) => auth.users.named(name),
        _ => None,
    };
    let user = found.ok_or(Refusal::Authorization)?;
    let proven = match &user.who {
        Who::Password { password, .. } => password.is(connect.pass.as_deref().unwrap_or_default()),
        Who::Nkey(key) => auth.no_auth_user.as_ref() == Some(key) || has_signed(key, nonce, connect.sig.as_deref()),
    };
    if !proven {
        return Err(Refusal::Authorization);
    }
    let permissions = user.permissions.clone().or_else(|| auth.default_permissions.clone());
    Ok(Recognised { user: Some(user.name().to_owned()), permissions })
}

/// Whom a connection said to be, for the log.
pub(super) fn shown(connect: &Connect) -> String {
    let filled = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
    if let Some(key) = filled(&connect.nkey) {
        format!("Nkey {}", Quoted(key))
    } else if let Some(user) = filled(&connect.user) {
        format!("User {}", Quoted(user))
    } else if filled(&connect.auth_token).is_some() {
        "Token \"[REDACTED]\"".to_owned()
    } else {
        "User \"N/A\"".to_owned()
    }
}

/// Who a connection is, for its lines in the log: `user:ann`, `nkey:U…`, `token`; `None` where nobody has to be anyone.
pub(super) fn label(auth: &Auth, connect: &Connect, user: Option<&str>) -> Option<String> {
    match user {
        Some(key) if shows(&connect.nkey) => Some(format!("nkey:{key}")),
        Some(user) => Some(format!("user:{user}")),
        None => auth.token.as_ref().map(|_| "token".to_owned()),
    }
}

/// Whether a connection showed the name of a user who is not known, or not any more.
pub(super) fn names_a_stranger(auth: &Auth, connect: &Connect) -> bool {
    let shown = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
    match (shown(&connect.nkey), shown(&connect.user)) {
        (Some(nkey), _) => auth.users.with_nkey(&nkey).is_none(),
        (None, Some(user)) => auth.users.named(&user).is_none(),
        (None, None) => false,
    }
}

/// Whether the signature is that of the nonce's text with this key.
fn has_signed(key: &str, nonce: Option<&str>, signature: Option<&str>) -> bool {
    let (Some(nonce), Some(signature)) = (nonce, signature) else { return false };
    // The server takes both alphabets: one without padding, the other with.
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature).or_else(|_| STANDARD.decode(signature)) else { return false };
    nkeys::KeyPair::from_public_key(key).is_ok_and(|key| key.verify(nonce.as_bytes(), &signature).is_ok())
}

impl Secret {
    /// Whether it is a hash, which only `bcrypt` can compare (P1).
    pub(super) fn is_hash(&self) -> bool {
        self.0.starts_with("$2a$")
    }

    fn is(&self, shown: &str) -> bool {
        if !self.is_hash() {
            return same(self.0.as_bytes(), shown.as_bytes());
        }
        // Made to be slow: others must not wait for it, where there is another thread to serve them.
        let verify = || bcrypt::verify(shown, &self.0).unwrap_or(false);
        let runtime = tokio::runtime::Handle::try_current().map(|handle| handle.runtime_flavor());
        match runtime {
            Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(verify),
            _ => verify(),
        }
    }
}

/// Compares in a time that depends on the length shown alone.
fn same(secret: &[u8], shown: &[u8]) -> bool {
    let differing = shown.iter().enumerate().fold(0, |all, (at, byte)| all | (byte ^ secret.get(at).unwrap_or(&!byte)));
    differing == 0 && secret.len() == shown.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ServerOptions, User};

    fn shows(user: &str, pass: &str) -> Connect {
        let mut connect = Connect::default();
        (connect.user, connect.pass) = (Some(user.into()), Some(pass.into()));
        connect
    }

    fn outcome(options: &ServerOptions, connect: &Connect) -> Option<Option<String>> {
        let filled = fill_in(&options.auth, connect, false).unwrap_or_else(|| connect.clone());
        recognise(&options.auth, &filled, None).ok().map(|who| who.user)
    }

    #[test]
    fn users_are_known_by_name_and_password() {
        let hash = bcrypt::hash_with_result("s3cret", 4).unwrap().format_for_version(bcrypt::Version::TwoA);
        let options = ServerOptions::new().user(User::new("ann", "pw")).user(User::new("bob", hash));
        assert_eq!(outcome(&options, &shows("ann", "pw")), Some(Some("ann".into())));
        assert_eq!(outcome(&options, &shows("bob", "s3cret")), Some(Some("bob".into())));
        for (user, pass) in
            [("ann", "s3cret"), ("ann", ""), ("ann", "pwx"), ("ann", "p"), ("bob", "x"), ("eve", "pw"), ("", "")]
        {
            assert_eq!(outcome(&options, &shows(user, pass)), None, "{user} {pass}");
        }
        assert_eq!(outcome(&options, &Connect::default()), None);
    }

    #[test]
    fn a_hash_is_not_itself_a_password() {
        let hash = bcrypt::hash_with_result("s3cret", 4).unwrap().format_for_version(bcrypt::Version::TwoA);
        let options = ServerOptions::new().user(User::new("bob", hash.clone()));
        assert_eq!(outcome(&options, &shows("bob", &hash)), None);
    }

    #[test]
    fn nobody_in_particular_is_the_no_auth_user() {
        let options = ServerOptions::new().user(User::new("ann", "pw")).no_auth_user("ann");
        assert_eq!(outcome(&options, &Connect::default()), Some(Some("ann".into())));
        // P1: wrong credentials still fail.
        assert_eq!(outcome(&options, &shows("ann", "x")), None);
    }

    #[test]
    fn a_token_is_no_user_name() {
        let options = ServerOptions::new().token("t0k");
        let right = Connect { auth_token: Some("t0k".into()), ..Connect::default() };
        assert_eq!(outcome(&options, &right), Some(None));
        assert_eq!(outcome(&options, &shows("t0k", "")), None);
    }

    #[test]
    fn an_nkey_signs_the_nonce() {
        let pair = nkeys::KeyPair::new_user();
        let options = ServerOptions::new().user(User::nkey(pair.public_key()));
        let connect = Connect {
            nkey: Some(pair.public_key()),
            sig: Some(URL_SAFE_NO_PAD.encode(pair.sign(b"nonce").unwrap())),
            ..Connect::default()
        };
        let outcome = |nonce| recognise(&options.auth, &connect, nonce).ok().map(|who| who.user);
        assert_eq!(outcome(Some("nonce")), Some(Some(pair.public_key())));
        assert_eq!(outcome(Some("other")), None);
        assert_eq!(outcome(None), None);
    }
}
