//! The users that may connect, found by their names without a search through all of them, and what else authentication knows.

use crate::{Permissions, steps};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

/// The options of authentication.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Auth {
    /// `None`: the default, 2 s; or 1 s more than the TLS timeout where there is TLS.
    pub(crate) timeout: Option<Duration>,
    pub(crate) token: Option<Secret>,
    pub(crate) users: Users,
    /// The user for a connection without credentials.
    pub(crate) no_auth_user: Option<String>,
    /// For users that have none of their own.
    pub(crate) default_permissions: Option<Permissions>,
}

impl Auth {
    /// Whether a connection must show credentials at all (C3).
    pub(crate) fn is_required(&self) -> bool {
        self.token.is_some() || !self.users.is_empty()
    }

    /// Whether there is a user for clients that begin without CONNECT (P1). As in nats-server, that is not one with an nkey.
    pub(crate) fn has_user_of_silent(&self) -> bool {
        self.no_auth_user.as_deref().is_some_and(|name| self.users.named(name).is_some())
    }

    /// Whether clients may have to sign a nonce (C3).
    pub(crate) fn has_nkeys(&self) -> bool {
        self.users.has_nkeys()
    }
}

/// A password or token; a text that begins with `$2` and has bcrypt's form is the hash of one. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// Whether it is a hash, which only `bcrypt` can compare (P1).
    pub(super) fn is_hash(&self) -> bool {
        self.0.starts_with("$2a$")
    }
}

/// A user that may connect (P1).
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct User {
    pub(crate) credentials: Credentials,
    pub(crate) permissions: Option<Permissions>,
}

/// How a user is known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Credentials {
    Password {
        name: String,
        password: Secret,
    },
    /// The public key, `U…`.
    Nkey(String),
}

impl User {
    /// A user with a password, plain or as its bcrypt hash (`$2a$…`). A hash is slow to compare by design: at most
    /// half of the processors do that, and never more than 4, while connections are served; a connection waits for its
    /// turn.
    pub fn new(name: impl Into<String>, password: impl Into<String>) -> Self {
        User {
            credentials: Credentials::Password { name: name.into(), password: Secret(password.into()) },
            permissions: None,
        }
    }

    /// A user that signs the server's nonce with the private half of this public nkey (`U…`).
    pub fn nkey(public: impl Into<String>) -> Self {
        User { credentials: Credentials::Nkey(public.into()), permissions: None }
    }

    /// The permissions of the user. Default: the server's default permissions, or everything.
    pub fn permissions(mut self, permissions: Permissions) -> Self {
        self.permissions = Some(permissions);
        self
    }

    /// The name, or the public nkey.
    pub fn name(&self) -> &str {
        match &self.credentials {
            Credentials::Password { name, .. } => name,
            Credentials::Nkey(key) => key,
        }
    }
}

/// Users in the order in which they were given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Users {
    list: Vec<User>,
    by_name: BTreeMap<String, usize>,
    by_nkey: BTreeMap<String, usize>,
    /// The first user that was given twice.
    twice: Option<usize>,
}

impl Users {
    pub(super) fn push(&mut self, user: User) {
        let at = self.list.len();
        let known = match &user.credentials {
            Credentials::Password { name, .. } => self.by_name.entry(name.clone()),
            Credentials::Nkey(key) => self.by_nkey.entry(key.clone()),
        };
        if *known.or_insert(at) != at {
            self.twice.get_or_insert(at);
        }
        self.list.push(user);
    }

    /// The user with this name and a password.
    pub(super) fn named(&self, name: &str) -> Option<&User> {
        steps::count(1);
        self.by_name.get(name).map(|at| &self.list[*at])
    }

    /// The user with this public nkey.
    pub(super) fn with_nkey(&self, key: &str) -> Option<&User> {
        self.by_nkey.get(key).map(|at| &self.list[*at])
    }

    /// The user with this name or public nkey.
    pub(crate) fn known_as(&self, name: &str) -> Option<&User> {
        let found = [&self.by_name, &self.by_nkey].into_iter().filter_map(|index| index.get(name)).min();
        found.map(|at| &self.list[*at])
    }

    pub(super) fn has_nkeys(&self) -> bool {
        !self.by_nkey.is_empty()
    }

    /// A user that was given twice.
    pub(super) fn twice(&self) -> Option<&User> {
        self.twice.map(|at| &self.list[at])
    }
}

impl Deref for Users {
    type Target = [User];

    fn deref(&self) -> &[User] {
        &self.list
    }
}

impl FromIterator<User> for Users {
    fn from_iter<I: IntoIterator<Item = User>>(users: I) -> Self {
        users.into_iter().fold(Users::default(), |mut all, user| {
            all.push(user);
            all
        })
    }
}

impl PartialEq for Users {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}
