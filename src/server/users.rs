//! The users that may connect: found by their names without a search through all of them.

use super::options::{User, Who};
use crate::steps;
use std::collections::BTreeMap;
use std::ops::Deref;

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
        let known = match &user.who {
            Who::Password { name, .. } => self.by_name.entry(name.clone()),
            Who::Nkey(key) => self.by_nkey.entry(key.clone()),
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
