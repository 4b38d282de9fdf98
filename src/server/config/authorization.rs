//! Authentication: the map `authorization`, and the users in it.

use super::builder::{ConfigBuilder, says_nothing};
use super::permissions;
use super::problem::ConfigErrorKind;
use super::table::{Reader, Row, Support, row, sets};
use super::value::{Data, Entry, Value};
use crate::Permissions;
use crate::server::users::{Auth, Secret, User};
use nkeys::{KeyPair, KeyPairType};
use std::collections::BTreeSet;
use std::time::Duration;

/// The values of the map, while it is read.
#[derive(Default)]
pub(super) struct Authorization {
    user: Option<String>,
    password: Option<String>,
    token: Option<String>,
    timeout: Option<Duration>,
    /// There may be an empty list.
    users: Option<Vec<User>>,
    default_permissions: Option<Permissions>,
}

const CALLOUT: &str = "nobody can be asked who a client is";
const PROXY: &str = "no proxy is trusted";

pub(super) static AUTHORIZATION: &[Row<Authorization>] = &[
    row(&["user", "username"], sets!(|_, entry| user = entry.some_string()?), ""),
    row(&["password", "pass"], sets!(|_, entry| password = entry.some_string()?), ""),
    row(&["token"], sets!(|_, entry| token = entry.some_string()?), ""),
    row(&["timeout"], sets!(|reader, entry| timeout = reader.timeout(entry)?), ""),
    row(&["users"], Support::Supported(users), "see below"),
    row(
        &["default_permissions", "default_permission", "permissions"],
        sets!(|reader, entry| default_permissions = Some(permissions::read(reader, entry)?)),
        "of `users` without their own",
    ),
    row(&["auth_callout", "auth_hook"], Support::Refused(|_| false), CALLOUT),
    row(&["proxy_required"], Support::Refused(Value::is_false), PROXY),
];

/// The values of an entry of `users`, while it is read.
#[derive(Default)]
pub(super) struct UserBuilder {
    user: Option<String>,
    password: Option<String>,
    nkey: Option<String>,
    permissions: Option<Permissions>,
}

pub(super) static USER: &[Row<UserBuilder>] = &[
    row(&["user", "username"], sets!(|_, entry| user = entry.some_string()?), ""),
    row(&["password", "pass"], sets!(|_, entry| password = entry.some_string()?), ""),
    row(&["nkey"], Support::Supported(nkey), ""),
    row(
        &["permissions", "permission", "authorization"],
        sets!(|reader, entry| permissions = Some(permissions::read(reader, entry)?)),
        "",
    ),
    row(
        &["allowed_connection_types", "connection_types", "clients"],
        Support::Supported(connection_types),
        "`STANDARD` must be one of them",
    ),
    row(&["proxy_required"], Support::Refused(Value::is_false), PROXY),
];

pub(super) fn read(reader: &mut Reader<'_>, builder: &mut ConfigBuilder, entry: &Entry) -> Result<(), ConfigErrorKind> {
    let mut read = Authorization::default();
    reader.read(entry.map()?, AUTHORIZATION, &mut read);
    let Authorization { user, password, token, timeout, users, default_permissions } = read;
    let conflict = |one, other| Err(ConfigErrorKind::Conflict { one, other });
    if token.is_some() && (user.is_some() || password.is_some()) {
        return conflict("a user with a password", "a token");
    }
    if users.is_some() && user.is_some() {
        return conflict("a single user", "a list of users");
    }
    if users.is_some() && token.is_some() {
        return conflict("a token", "a list of users");
    }
    if user.is_none() && password.is_some() {
        says_nothing(reader, &entry.at, "password", "there is no user whose it is");
    }
    let mut auth = Auth { timeout, token: token.map(Secret), ..Auth::default() };
    auth.no_auth_user = builder.server.auth.no_auth_user.take();
    builder.has_single_user = user.is_some();
    match (users, user) {
        (Some(users), _) if !users.is_empty() => {
            auth.users = users.into_iter().collect();
            auth.default_permissions = default_permissions;
        }
        (_, user) => {
            if default_permissions.is_some() {
                // P2: as the real one has it, they are for entries of `users` only.
                says_nothing(
                    reader,
                    &entry.at,
                    "permissions",
                    "they are those of entries of `users`, and there are none",
                );
            }
            auth.users = user.map(|user| User::new(user, password.unwrap_or_default())).into_iter().collect();
        }
    }
    builder.server.auth = auth;
    Ok(())
}

fn users(reader: &mut Reader<'_>, into: &mut Authorization, entry: &Entry) -> Result<(), ConfigErrorKind> {
    let mut users = Vec::new();
    let mut names = BTreeSet::new();
    for value in entry.array()? {
        let Data::Map(map) = &value.data else {
            let fault = ConfigErrorKind::WrongType {
                option: entry.key.clone(),
                expected: "an array of maps",
                found: value.kind(),
            };
            reader.problem(&value.at, fault);
            continue;
        };
        let mut read = UserBuilder::default();
        let before = reader.problems.len();
        reader.read(map, USER, &mut read);
        if reader.problems.len() > before {
            continue;
        }
        match read.user() {
            Ok((what, user)) => {
                if names.insert(user.name().to_owned()) {
                    users.push(user);
                } else {
                    reader.problem(&value.at, ConfigErrorKind::Duplicate { what, name: user.name().to_owned() });
                    // A variable may repeat one user very often.
                    break;
                }
            }
            Err(fault) => reader.problem(&value.at, fault),
        }
    }
    into.users = Some(users);
    Ok(())
}

impl UserBuilder {
    fn user(self) -> Result<(&'static str, User), ConfigErrorKind> {
        let UserBuilder { user, password, nkey, permissions } = self;
        let invalid = |why: &str| Err(ConfigErrorKind::Invalid { option: "users".to_owned(), why: why.to_owned() });
        let (what, user) = match (user, nkey) {
            (None, None) => return invalid("an entry needs `user` or `nkey`"),
            (Some(_), Some(_)) => return invalid("an entry with `nkey` has no `user`"),
            (None, Some(_)) if password.is_some() => return invalid("an entry with `nkey` has no `password`"),
            (None, Some(nkey)) => ("nkey", User::nkey(nkey)),
            (Some(user), None) => ("user", User::new(user, password.unwrap_or_default())),
        };
        Ok((what, User { permissions, ..user }))
    }
}

fn nkey(_: &mut Reader<'_>, into: &mut UserBuilder, entry: &Entry) -> Result<(), ConfigErrorKind> {
    if let Some(key) = entry.some_string()? {
        let is_user = KeyPair::from_public_key(&key).is_ok_and(|pair| pair.key_pair_type() == KeyPairType::User);
        if !is_user {
            return Err(entry.invalid(format!("{key:?} is not the public nkey of a user")));
        }
        into.nkey = Some(key);
    }
    Ok(())
}

/// Every connection here is a standard one, so that a list without it would shut its user out.
fn connection_types(_: &mut Reader<'_>, _: &mut UserBuilder, entry: &Entry) -> Result<(), ConfigErrorKind> {
    const TYPES: [&str; 7] = ["STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "MQTT", "MQTT_WS", "IN_PROCESS"];
    let types = entry.value.strings().ok_or_else(|| entry.wrong("a string or an array of strings"))?;
    let types: Vec<_> = types.iter().map(|name| name.to_uppercase()).collect();
    if let Some(unknown) = types.iter().find(|name| !TYPES.contains(&name.as_str())) {
        return Err(entry.invalid(format!("unknown connection type {unknown:?}")));
    }
    if !types.is_empty() && !types.iter().any(|name| name == TYPES[0]) {
        const WHY: &str = "all connections are `STANDARD`, so that this user could not connect";
        return Err(ConfigErrorKind::Unsupported { option: entry.key.clone(), why: WHY });
    }
    Ok(())
}
