//! The walls of the house, enforced: which room may use which, what stays behind one door, how long a file may be, and what
//! the default build pulls in. Each rule is also shown a text that breaks it, so that a rule that has gone blind is noticed.
//!
//! `rules` holds the manual's tables of NATS's rules against the tests that cite them.

mod build;
mod manual;
mod prose;
mod public;
mod rules;
mod shape;
mod source;
mod words;

use source::Source;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

/// A rule of a source: it gives its complaints.
type Rule = fn(&Source) -> Vec<String>;

/// Rooms, and the other rooms that each may use. Downward only; engines do not know each other. A new room needs a row.
const MAY_USE: [(&str, &[&str]); 25] = [
    // Words.
    // For every room: it counts in tests, and is nothing otherwise.
    ("steps", &[]),
    ("subject", &[]),
    ("blocking", &[]),
    ("sync", &["blocking"]),
    ("user_code", &["sync"]),
    ("limits", &["error"]),
    ("id", &[]),
    ("error", &["subject"]),
    ("activity", &["id", "subject", "sync", "user_code"]),
    ("message", &["id", "subject", "error", "activity", "user_code"]),
    ("time", &["sync", "activity", "user_code"]),
    ("rng", &["sync"]),
    // Engines.
    ("matcher", &["subject", "sync", "rng", "limits"]),
    ("delivery", &["id", "subject", "error", "message", "sync", "time", "limits", "rng", "user_code"]),
    ("protocol", &["subject", "message", "limits"]),
    // Hub.
    ("observe", &["id", "subject", "error", "message", "user_code", "delivery"]),
    (
        "services",
        &["id", "subject", "error", "message", "sync", "time", "rng", "activity", "user_code", "delivery", "observe"],
    ),
    (
        "account",
        &[
            "id",
            "subject",
            "error",
            "message",
            "limits",
            "sync",
            "time",
            "user_code",
            "matcher",
            "delivery",
            "observe",
            "services",
        ],
    ),
    (
        "connection",
        &[
            "id",
            "subject",
            "error",
            "message",
            "limits",
            "sync",
            "rng",
            "user_code",
            "delivery",
            "observe",
            "services",
            "account",
        ],
    ),
    (
        "routing",
        &[
            "id",
            "subject",
            "error",
            "message",
            "blocking",
            "sync",
            "time",
            "user_code",
            "matcher",
            "delivery",
            "observe",
            "services",
            "account",
            "connection",
        ],
    ),
    ("broker", &["id", "error", "sync", "user_code", "matcher", "observe", "services", "account", "connection"]),
    // Door: the two give out each other's handles.
    (
        "bus",
        &[
            "id",
            "subject",
            "error",
            "limits",
            "sync",
            "time",
            "rng",
            "activity",
            "user_code",
            "matcher",
            "delivery",
            "observe",
            "services",
            "account",
            "connection",
            "broker",
            "client",
        ],
    ),
    (
        "client",
        &[
            "id",
            "subject",
            "error",
            "message",
            "limits",
            "sync",
            "time",
            "activity",
            "user_code",
            "delivery",
            "observe",
            "services",
            "account",
            "connection",
            "routing",
            "broker",
            "bus",
        ],
    ),
    // Over all: what there is once for all rooms.
    (OVER_ALL, &["error", "subject", "message", "limits", "bus", "client", "jetstream", "server", "bridge"]),
    ("unwind", &["message", "time", "delivery", "services", "bus", "client", "server", "bridge", "testkit"]),
];

/// One file of the errors lies over all rooms: the error into which all others convert.
const OVER_ALL: &str = "error::any";

/// The rooms that the machine of JetStream may use: words alone, and no clock or lock among them.
const ENGINE_MAY_USE: [&str; 5] = ["steps", "subject", "message", "limits", "rng"];

/// Rooms that are in the house only as users are.
const GUESTS: [&str; 5] = ["server", "testkit", "bridge", "jetstream", "bin"];

/// Guests that use another: the server takes the streams that a program gives it.
const KNOWN_GUESTS: [(&str, &str); 1] = [("server", "jetstream")];

const ENGINE: &str = "src/jetstream/engine/";

fn rooms_use_only_what_lies_below(source: &Source) -> Vec<String> {
    let Some(room) = source.room() else { return Vec::new() };
    if room == "manual" {
        return source.lines_with("crate::").map(|at| format!("{at}: the manual has no code")).collect();
    }
    if source.path.starts_with(ENGINE) {
        return Vec::new();
    }
    if room == "bin" {
        // Its `crate::` is the binary itself; of the library it sees what a user sees.
        return Vec::new();
    }
    let room = if source.path == "src/error/any.rs" { OVER_ALL } else { room };
    if GUESTS.contains(&room) {
        return guests_use_what_users_use(source, room);
    }
    let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{}: room `{room}` is not in the table", source.path)];
    };
    let paths = source.crate_paths();
    let wrong = paths.filter(|(_, path)| {
        let first = path.split("::").next().unwrap_or_default();
        first != room && first != "steps" && !allowed.contains(&first)
    });
    wrong.map(|(line, path)| format!("{}:{line}: `{room}` must not use `crate::{path}`", source.path)).collect()
}

/// A guest is in the house as a user is: it uses the names that are public, and of other guests only those
/// of [`KNOWN_GUESTS`].
fn guests_use_what_users_use(source: &Source, room: &str) -> Vec<String> {
    static PUBLIC: LazyLock<BTreeSet<String>> =
        LazyLock::new(|| public::names(&source::all(Path::new(env!("CARGO_MANIFEST_DIR")), "src")));
    let wrong = source.crate_paths().filter(|(_, path)| {
        let first = path.split("::").next().unwrap_or_default();
        // What a type has is the type's.
        let path = path.trim_end_matches("::self");
        let end = path.find(|c: char| c.is_uppercase()).and_then(|at| path[at..].find("::").map(|end| at + end));
        let is_public = PUBLIC.contains(&path[..end.unwrap_or(path.len())])
            && (!GUESTS.contains(&first) || KNOWN_GUESTS.contains(&(room, first)));
        first != room && first != "steps" && !is_public
    });
    wrong.map(|(line, path)| format!("{}:{line}: `{room}` must not use `crate::{path}`", source.path)).collect()
}

/// JetStream's engine is as pure as an engine is, though the room around it is a guest.
fn the_engine_is_a_machine(source: &Source) -> Vec<String> {
    if !source.path.starts_with(ENGINE) {
        return Vec::new();
    }
    let paths = source.crate_paths();
    let wrong = paths.filter(|(_, path)| {
        let of_itself = path.starts_with("jetstream::engine");
        !of_itself && !ENGINE_MAY_USE.contains(&path.split("::").next().unwrap_or_default())
    });
    wrong.map(|(line, path)| format!("{}:{line}: the engine must not use `crate::{path}`", source.path)).collect()
}

/// A way round the table: from a room's own root up to the crate's.
fn nobody_climbs_out_of_a_room(source: &Source) -> Vec<String> {
    let depth = source.path.trim_end_matches("/mod.rs").matches('/').count();
    let climb = "super::".repeat(depth);
    let wrong = source.code_lines().filter(|(_, line)| {
        // A module written inside the file is indented, and one level deeper.
        let inside = line.starts_with(' ') as usize;
        line.contains(&format!("{climb}{}", "super::".repeat(inside)))
    });
    let wrong: Vec<_> = wrong.map(|(line, _)| format!("{}:{line}: leaves its room by `super`", source.path)).collect();
    if source.room().is_some() { wrong } else { Vec::new() }
}

/// Words that only the files behind them may have.
const DOORS: [(&str, &[&str], &str); 10] = [
    ("Instant::now", &["src/time/clock.rs"], "time comes from the bus's clock"),
    ("SystemTime::now", &["src/time/clock.rs"], "time comes from the bus's clock"),
    ("fastrand", &["src/rng.rs"], "luck comes from `rng`"),
    ("RandomState::new", &["src/rng.rs"], "luck comes from `rng`"),
    ("RandomState::default", &[], "luck comes from `rng`"),
    ("std::net", &["src/server/", "src/bridge/", "src/bin/"], "the default build has no sockets"),
    ("parking_lot", &["src/sync/"], "locks are `sync`'s, which know who holds them"),
    (
        "catch_unwind",
        // Beside code of users: tokio and the client library of NATS, which say some things in no other way than by a panic.
        &[
            "src/user_code.rs",
            "src/sync/per_thread.rs",
            "src/testkit/shrink.rs",
            "src/server/runtime.rs",
            "src/bridge/connector.rs",
        ],
        "code of users' is run by `user_code`",
    ),
    ("thread::sleep", &[], "wait for the state, or use the manual clock"),
    (
        "crossbeam_channel",
        &["src/delivery/", "src/client/mod.rs", "src/routing/backpressure.rs", "src/lib.rs"],
        "channels are `delivery`'s, and those of users in public types",
    ),
];

fn doors_are_used(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for (word, behind, why) in DOORS {
        if !behind.iter().any(|place| source.path.starts_with(place)) {
            complaints.extend(source.lines_with(word).map(|at| format!("{at}: `{word}`: {why}")));
        }
    }
    complaints
}

/// A hash map of the standard library seeds itself, so its order is luck too: only with a hasher of ours.
fn maps_have_a_seed(source: &Source) -> Vec<String> {
    let plain = ["HashMap::new()", "HashSet::new()", "HashMap::with_capacity(", "AHashMap::new()"];
    let found = plain.iter().flat_map(|word| source.lines_with(word));
    found.map(|at| format!("{at}: a hash map with a seed that nobody gave")).collect()
}

fn files_are_short(source: &Source) -> Vec<String> {
    const LINES_MAX: usize = 800;
    let lines = source.text.lines().count();
    if lines > LINES_MAX { vec![format!("{}: {lines} lines", source.path)] } else { Vec::new() }
}

fn nobody_sleeps(source: &Source) -> Vec<String> {
    // Put together, so that this file does not complain of itself.
    let words = ["thread", "time"].map(|module| format!("{module}::sleep("));
    words.iter().flat_map(|word| source.lines_with(word)).map(|at| format!("{at}: sleeps")).collect()
}

const OF_SRC: [Rule; 8] = [
    rooms_use_only_what_lies_below,
    the_engine_is_a_machine,
    nobody_climbs_out_of_a_room,
    doors_are_used,
    maps_have_a_seed,
    files_are_short,
    words::names_stay_renamed,
    words::values_have_types,
];

fn check(folder: &str, rules: &[Rule]) {
    let sources = source::all(Path::new(env!("CARGO_MANIFEST_DIR")), folder);
    assert!(!sources.is_empty(), "{folder} has sources");
    let complaints: Vec<String> = rules.iter().flat_map(|rule| sources.iter().flat_map(rule)).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn the_source_keeps_to_the_walls() {
    check("src", &OF_SRC);
}

#[test]
fn tests_and_examples_are_short_and_never_sleep() {
    check("tests", &[files_are_short, nobody_sleeps]);
    check("examples", &[files_are_short, nobody_sleeps]);
    check("benches", &[files_are_short]);
}

#[test]
fn each_rule_sees_what_breaks_it() {
    let broken: [(Rule, &str, &str); 21] = [
        (rooms_use_only_what_lies_below, "src/subject/text.rs", "use crate::message::Message;"),
        (rooms_use_only_what_lies_below, "src/matcher/trie.rs", "    let x = crate::delivery::OverflowPolicy::Close;"),
        (rooms_use_only_what_lies_below, "src/delivery/wait_list.rs", "use crate::{sync::Mutex, matcher::Matcher};"),
        (rooms_use_only_what_lies_below, "src/account/mod.rs", "use crate::{\n    limits,\n    bus::{Bus},\n};"),
        (rooms_use_only_what_lies_below, "src/time/clock.rs", "use crate::limits;"),
        (rooms_use_only_what_lies_below, "src/error/publish.rs", "use crate::bus::Bus;"),
        (rooms_use_only_what_lies_below, "src/delivery/mod.rs", "use crate::Bus;"),
        (rooms_use_only_what_lies_below, "src/attic/mod.rs", ""),
        (rooms_use_only_what_lies_below, "src/jetstream/mod.rs", "use crate::delivery::OverflowPolicy;"),
        (the_engine_is_a_machine, "src/jetstream/engine/stream.rs", "use crate::Message;"),
        (the_engine_is_a_machine, "src/jetstream/engine/stream.rs", "use crate::jetstream::server::Api;"),
        (nobody_climbs_out_of_a_room, "src/matcher/mod.rs", "use super::delivery;"),
        (nobody_climbs_out_of_a_room, "src/matcher/trie.rs", "use super::super::delivery;"),
        (doors_are_used, "src/connection/inbox.rs", "let now = std::time::Instant::now();"),
        (doors_are_used, "src/matcher/mod.rs", "use crossbeam_channel::Sender;"),
        (doors_are_used, "src/server/handler.rs", "use parking_lot::Mutex;"),
        (doors_are_used, "src/routing/finish.rs", "std::panic::catch_unwind(call)"),
        (rooms_use_only_what_lies_below, "src/server/handler.rs", "use crate::sync::{Mutex, spawn};"),
        (maps_have_a_seed, "src/connection/inbox.rs", "let all = HashMap::new();"),
        (files_are_short, "src/connection/inbox.rs", LONG.as_str()),
        (nobody_sleeps, "tests/x.rs", concat!("std::thread", "::sleep(pause);")),
    ];
    for (rule, path, text) in &broken {
        assert_eq!(rule(&Source::new(path, text)).len(), 1, "{path}: {}", text.lines().next().unwrap_or_default());
    }
    let fine = [
        (rooms_use_only_what_lies_below as Rule, "src/subject/text.rs", "//! as [`crate::Message`]\n/// crate::bus"),
        (
            rooms_use_only_what_lies_below,
            "src/delivery/wait_list.rs",
            "use crate::{sync::{Mutex, RwLock}, time::Timers};",
        ),
        (rooms_use_only_what_lies_below, "src/bin/postroom/run.rs", "use crate::flags::Flags;"),
        (rooms_use_only_what_lies_below, "src/error/any.rs", "use crate::bridge::RuleError;"),
        (the_engine_is_a_machine, "src/jetstream/engine/log.rs", "use crate::jetstream::engine::error::ApiError;"),
        (nobody_climbs_out_of_a_room, "src/time/clock.rs", "mod tests {\n    use super::*;\n}"),
        (nobody_climbs_out_of_a_room, "src/matcher/trie.rs", "use super::bucket::Bucket;"),
        (doors_are_used, "src/time/clock.rs", "let now = Instant::now();"),
    ];
    for (rule, path, text) in fine {
        assert_eq!(rule(&Source::new(path, text)), Vec::<String>::new());
    }
}

static LONG: LazyLock<String> = LazyLock::new(|| "\n".repeat(801));
