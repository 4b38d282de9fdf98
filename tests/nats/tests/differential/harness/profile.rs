//! How a server is configured, in both languages, and what is worth sending to it.

use postroom::server::{ServerOptions, User};
use postroom::{AllowResponses, Permissions};

/// A configuration of both servers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    /// In nats-server's language.
    pub(crate) config: &'static str,
    /// The same, in ours.
    pub(crate) options: fn() -> ServerOptions,
    /// The credentials that a CONNECT may hold to log in; empty if none are needed.
    pub(crate) logins: &'static [&'static str],
    /// The credentials that are refused. Where there are any, no client subscribes to `>`: at each refusal the real server
    /// publishes an advisory, on `$SYS.ACCOUNT.CLIENT.AUTH.ERR`, some time later. Where there are none, but logins, no
    /// client connects without one.
    pub(crate) wrong_logins: &'static [&'static str],
    pub(crate) max_payload: usize,
    pub(crate) max_control_line: usize,
    /// Whether members of a group may share it: not where later steps show which member got a
    /// message.
    pub(crate) shared_groups: bool,
}

impl Profile {
    /// By number: the wrong ones come behind the others.
    pub(crate) fn login(&self, which: usize) -> Option<&'static str> {
        self.logins.iter().chain(self.wrong_logins).nth(which).copied()
    }

    /// Whether a CONNECT may be refused for its credentials, or be without any.
    pub(crate) fn refuses(&self) -> bool {
        self.logins.is_empty() || !self.wrong_logins.is_empty()
    }

    /// The CONNECT of a user that may connect, and wants no `+OK`.
    pub(crate) fn connect(&self) -> String {
        let login = self.login(0).map_or_else(String::new, |login| format!(",{login}"));
        format!("CONNECT {{\"verbose\":false{login}}}\r\n")
    }
}

/// No configuration at all.
pub(crate) const OPEN: Profile = Profile {
    name: "open",
    config: "",
    options: ServerOptions::new,
    logins: &[],
    wrong_logins: &[],
    max_payload: 1 << 20,
    max_control_line: 4_096,
    shared_groups: true,
};

/// Limits that are met all the time.
pub(crate) const SMALL: Profile = Profile {
    name: "small limits",
    config: "max_payload: 64\nmax_control_line: 128\nmax_subscriptions: 3\nmax_subscription_tokens: 2\n",
    options: || {
        let options = ServerOptions::new().max_payload(64).max_control_line(128);
        options.max_subscriptions(3).max_subscription_tokens(2)
    },
    logins: &[],
    wrong_logins: &[],
    max_payload: 64,
    max_control_line: 128,
    shared_groups: true,
};

/// Users with permissions of every kind.
pub(crate) const USERS: Profile = Profile {
    name: "users",
    config: r#"
authorization {
  default_permissions: { publish: { deny: "a.b" }, subscribe: { deny: ["b.>", "inb.2"] } }
  users: [
    { user: "root", password: "r", permissions: {} }
    { user: "ann", password: "a", permissions: {
        publish: { allow: ["a.>", "b", "a.*", "inb.*"], deny: ["a.c"] }
        subscribe: { allow: ["a.*", "inb.>", "b", "*.b"], deny: ["a.c", "a.c.>"] } } }
    { user: "bob", password: "b", permissions: {
        publish: "a.b"
        subscribe: { allow: ["a.> v1", "b", "b v2", "inb.*", "a.c"], deny: ["a.b v1", "b *.x"] } } }
    { user: "cat", password: "c" }
    { user: "dan", password: "$2a$04$UTP5ZMr9MZIJTsGrWGJlb.y9Jav0HYXuqA2wnu7Jeb1YTeH2Ao4.G", permissions: {
        publish: { allow: [] }, subscribe: { deny: ["a.c", "*.b"] } } }
  ]
}
"#,
    options: users,
    logins: &[
        r#""user":"root","pass":"r""#,
        r#""user":"ann","pass":"a""#,
        r#""user":"bob","pass":"b""#,
        r#""user":"cat","pass":"c""#,
        r#""user":"dan","pass":"dan""#,
    ],
    wrong_logins: &[],
    max_payload: 1 << 20,
    max_control_line: 4_096,
    shared_groups: true,
};

fn users() -> ServerOptions {
    let ann =
        ["a.>", "b", "a.*", "inb.*"].iter().fold(Permissions::new(), |all, text| all.allow_publish(text).unwrap());
    let ann = ann.deny_publish("a.c").unwrap();
    let ann = ["a.*", "inb.>", "b", "*.b"].iter().fold(ann, |all, text| all.allow_subscribe(text).unwrap());
    let ann = ["a.c", "a.c.>"].iter().fold(ann, |all, text| all.deny_subscribe(text).unwrap());
    let bob = Permissions::new().allow_publish("a.b").unwrap().allow_queue_subscribe("a.>", "v1").unwrap();
    let bob = bob.allow_subscribe("b").unwrap().allow_queue_subscribe("b", "v2").unwrap();
    let bob = bob.allow_subscribe("inb.*").unwrap().allow_subscribe("a.c").unwrap();
    let bob = bob.deny_queue_subscribe("a.b", "v1").unwrap().deny_queue_subscribe("b", "*.x").unwrap();
    let dan = Permissions::new().deny_subscribe("a.c").unwrap().deny_subscribe("*.b").unwrap();
    let default = Permissions::new().deny_publish("a.b").unwrap();
    let default = default.deny_subscribe("b.>").unwrap().deny_subscribe("inb.2").unwrap();
    let hash = "$2a$04$UTP5ZMr9MZIJTsGrWGJlb.y9Jav0HYXuqA2wnu7Jeb1YTeH2Ao4.G";
    ServerOptions::new()
        .default_permissions(default)
        .user(User::new("root", "r").permissions(Permissions::new()))
        .user(User::new("ann", "a").permissions(ann))
        .user(User::new("bob", "b").permissions(bob))
        .user(User::new("cat", "c"))
        .user(User::new("dan", hash).permissions(dan))
}

/// Users that may answer (P7). The right to answer depends on which client got the question, so no
/// group is shared.
pub(crate) const RESPONSES: Profile = Profile {
    name: "responses",
    config: r#"
authorization { users: [
  { user: "asker", password: "a" }
  { user: "once", password: "o", permissions: { publish: { allow: ["b"], deny: "a" }, subscribe: "a.>", allow_responses: true } }
  { user: "thrice", password: "t", permissions: {
      publish: { deny: ">" }, subscribe: ["a.>", "b", "inb.1"], allow_responses: { max: 3, expires: "1m" } } }
  { user: "ever", password: "e", permissions: { publish: "nothing", allow_responses: { max: -1, expires: "1m" } } }
] }
"#,
    options: || {
        let mut thrice = AllowResponses::default();
        (thrice.max, thrice.expires) = (Some(3), std::time::Duration::from_secs(60));
        let mut ever = thrice;
        ever.max = None;
        let once = Permissions::new().allow_publish("b").unwrap().deny_publish("a").unwrap();
        let once = once.allow_subscribe("a.>").unwrap().allow_responses(AllowResponses::default());
        let many = Permissions::new().deny_publish(">").unwrap().allow_subscribe("a.>").unwrap();
        let many = many.allow_subscribe("b").unwrap().allow_subscribe("inb.1").unwrap().allow_responses(thrice);
        ServerOptions::new()
            .user(User::new("asker", "a"))
            .user(User::new("once", "o").permissions(once))
            .user(User::new("thrice", "t").permissions(many))
            .user(
                User::new("ever", "e")
                    .permissions(Permissions::new().allow_publish("nothing").unwrap().allow_responses(ever)),
            )
    },
    logins: &[
        r#""user":"asker","pass":"a""#,
        r#""user":"once","pass":"o""#,
        r#""user":"thrice","pass":"t""#,
        r#""user":"ever","pass":"e""#,
    ],
    wrong_logins: &[],
    max_payload: 1 << 20,
    max_control_line: 4_096,
    shared_groups: false,
};

/// A token, and credentials that are not the token.
pub(crate) const TOKEN: Profile = Profile {
    name: "token",
    config: "authorization { token: \"s3cret\" }\n",
    options: || ServerOptions::new().token("s3cret"),
    logins: &[r#""auth_token":"s3cret""#, r#""auth_token":"s3cret","user":"x","pass":"y""#],
    wrong_logins: &[
        r#""auth_token":"S3CRET""#,
        r#""user":"s3cret""#,
        r#""pass":"s3cret","auth_token":null"#,
        r#""user":"x""#,
    ],
    max_payload: 1 << 20,
    max_control_line: 4_096,
    shared_groups: true,
};

/// A public key, and the user for a connection without credentials (P1). The private one is in the directed cases.
pub(crate) const GUEST: Profile = Profile {
    name: "guest",
    config: r#"
no_auth_user: guest
authorization { users: [
  { user: "guest", password: "g", permissions: { publish: ["a.>", "inb.>"], subscribe: { deny: "a.c" } } }
  { user: "ann", password: "a" }
] }
"#,
    options: || {
        let guest = Permissions::new().allow_publish("a.>").unwrap().allow_publish("inb.>").unwrap();
        ServerOptions::new()
            .no_auth_user("guest")
            .user(User::new("guest", "g").permissions(guest.deny_subscribe("a.c").unwrap()))
            .user(User::new("ann", "a"))
    },
    logins: &[r#""user":"ann","pass":"a""#, r#""lang":"x""#, r#""user":"guest","pass":"g""#, r#""user":null"#],
    wrong_logins: &[r#""user":"guest""#, r#""user":"ann","pass":"g""#, r#""pass":"g""#, r#""auth_token":"g""#],
    max_payload: 1 << 20,
    max_control_line: 4_096,
    shared_groups: true,
};

/// A server without header support (H4).
pub(crate) const BARE: Profile = Profile {
    name: "no headers",
    config: "no_header_support: true\n",
    options: || ServerOptions::new().headers(false),
    logins: &[],
    wrong_logins: &[],
    max_payload: 1 << 20,
    max_control_line: 4_096,
    shared_groups: true,
};

/// All of them, each as often as it is worth.
pub(crate) const MIX: [&Profile; 12] =
    [&OPEN, &OPEN, &OPEN, &OPEN, &USERS, &USERS, &SMALL, &SMALL, &RESPONSES, &GUEST, &TOKEN, &BARE];
