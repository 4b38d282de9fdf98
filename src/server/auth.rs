//! Authentication: credentials against the list of users that may connect (P1).

use super::check::{Check, Checked};
use super::users::{Auth, Credentials, Secret, User};
use crate::Permissions;
use crate::protocol::{Connect, ProtocolError, Quoted};
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

/// The credentials that a connection shows, completed with those of the default user if it shows none (P1). For a connection that
/// came in as that user `before`, they are added also at a further CONNECT, where it does not show others. `None` if nothing is
/// added.
pub(super) fn fill_in(auth: &Auth, connect: &Connect, before: bool) -> Option<Connect> {
    let user = auth.users.known_as(auth.no_auth_user.as_deref()?)?;
    let anonymous = ![&connect.user, &connect.pass, &connect.auth_token].into_iter().any(shows);
    let mut filled = connect.clone();
    match &user.credentials {
        Credentials::Password { name, password } if anonymous || before => {
            filled.user = filled.user.filter(|user| !user.is_empty()).or_else(|| Some(name.clone()));
            filled.pass = filled.pass.filter(|pass| !pass.is_empty()).or_else(|| Some(password.0.clone()));
        }
        Credentials::Nkey(key) if (anonymous || before) && !shows(&connect.nkey) => filled.nkey = Some(key.clone()),
        _ => return None,
    }
    Some(filled)
}

/// The user that these credentials claim, where there are users.
fn claimed<'a>(auth: &'a Auth, connect: &Connect) -> Option<&'a User> {
    // If no user has an nkey, one that is shown does not count; if some user has one, it alone does.
    let by_nkey = shows(&connect.nkey) && auth.users.has_nkeys();
    match (by_nkey, &connect.nkey, &connect.user) {
        (true, Some(key), _) => auth.users.with_nkey(key),
        (false, _, Some(name)) => auth.users.named(name),
        _ => None,
    }
}

/// The comparison with a hash that is needed to recognise a connection, as [`fill_in`] completed it; `None` if none is.
pub(super) fn check_of(auth: &Auth, connect: &Connect) -> Option<Check> {
    let (secret, shown) = match &auth.token {
        Some(token) => (token, &connect.auth_token),
        None => match &claimed(auth, connect)?.credentials {
            Credentials::Password { password, .. } => (password, &connect.pass),
            Credentials::Nkey(_) => return None,
        },
    };
    let check = Check { hash: secret.0.clone(), shown: shown.clone().unwrap_or_default() };
    // A hash is not itself the password: no connection comes in so as the user of those that show
    // none.
    (secret.is_hash() && check.hash != check.shown).then_some(check)
}

/// The user of these credentials, as [`fill_in`] completed them. A hash counts as shown if that is what was
/// `checked`.
///
/// # Errors
///
/// `Authorization Violation`, whatever is wrong (P8).
pub(super) fn recognise(
    auth: &Auth,
    connect: &Connect,
    nonce: Option<&str>,
    checked: Option<&Checked>,
) -> Result<Recognised, ProtocolError> {
    if !auth.is_required() {
        return Ok(Recognised::default());
    }
    let is_shown = |secret: &Secret, shown: &Option<String>| {
        let shown = shown.as_deref().unwrap_or_default();
        if secret.is_hash() {
            checked.is_some_and(|checked| checked.proves(secret, shown))
        } else {
            same(secret.0.as_bytes(), shown.as_bytes())
        }
    };
    if let Some(token) = &auth.token {
        let proven = is_shown(token, &connect.auth_token);
        return if proven { Ok(Recognised::default()) } else { Err(ProtocolError::Authorization) };
    }
    let user = claimed(auth, connect).ok_or(ProtocolError::Authorization)?;
    let proven = match &user.credentials {
        Credentials::Password { password, .. } => is_shown(password, &connect.pass),
        Credentials::Nkey(key) => {
            auth.no_auth_user.as_ref() == Some(key) || has_signed(key, nonce, connect.sig.as_deref())
        }
    };
    if !proven {
        return Err(ProtocolError::Authorization);
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

/// The name of a connection for its lines in the log: `user:ann`, `nkey:U…`, `token`; `None` where no credentials are
/// needed.
pub(super) fn label(auth: &Auth, connect: &Connect, user: Option<&str>) -> Option<String> {
    match user {
        Some(key) if shows(&connect.nkey) => Some(format!("nkey:{key}")),
        Some(user) => Some(format!("user:{user}")),
        None => auth.token.as_ref().map(|_| "token".to_owned()),
    }
}

/// Whether a connection showed the name of a user that is not known, or not any more.
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

/// Compares in a time that depends on the length shown alone.
fn same(secret: &[u8], shown: &[u8]) -> bool {
    let differing = shown.iter().enumerate().fold(0, |all, (at, byte)| all | (byte ^ secret.get(at).unwrap_or(&!byte)));
    differing == 0 && secret.len() == shown.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::ServerOptions;

    fn shows(user: &str, pass: &str) -> Connect {
        let mut connect = Connect::default();
        (connect.user, connect.pass) = (Some(user.into()), Some(pass.into()));
        connect
    }

    fn outcome(options: &ServerOptions, connect: &Connect) -> Option<Option<String>> {
        let filled = fill_in(&options.auth, connect, false).unwrap_or_else(|| connect.clone());
        let checked = check_of(&options.auth, &filled).map(Check::done);
        recognise(&options.auth, &filled, None, checked.as_ref()).ok().map(|who| who.user)
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
    fn what_was_checked_proves_that_and_nothing_else() {
        let hash =
            |password: &str| bcrypt::hash_with_result(password, 4).unwrap().format_for_version(bcrypt::Version::TwoA);
        let options = |hash: &str| ServerOptions::new().user(User::new("bob", hash));
        let (bob, known) = (shows("bob", "s3cret"), hash("s3cret"));
        let checked = check_of(&options(&known).auth, &bob).map(Check::done);
        let known_to =
            |hash: &str, shown: &Connect| recognise(&options(hash).auth, shown, None, checked.as_ref()).is_ok();
        assert!(known_to(&known, &bob));
        assert!(!known_to(&hash("s3cret"), &bob), "another hash is another check");
        assert!(!known_to(&known, &shows("bob", "other")));
        assert!(recognise(&options(&known).auth, &bob, None, None).is_err());
    }

    #[test]
    fn no_credentials_means_the_no_auth_user() {
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
        let outcome = |nonce| recognise(&options.auth, &connect, nonce, None).ok().map(|who| who.user);
        assert_eq!(outcome(Some("nonce")), Some(Some(pair.public_key())));
        assert_eq!(outcome(Some("other")), None);
        assert_eq!(outcome(None), None);
    }
}
