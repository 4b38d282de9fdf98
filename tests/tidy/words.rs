//! The words of the code: names that gave way to the field's do not return, and one name means one thing in a room.
//!
//! A name is denied where it stands as an identifier of its own, in code and in its tests. The list of denied names only grows: a rename adds
//! its old name.

use crate::source::{self, Source};
use std::collections::BTreeMap;
use std::path::Path;

/// Names that were renamed: the old one, the room where it is denied (all of them if empty), and the new one.
const DENIED: &[(&str, &str, &str)] = &[
    ("AnswersEnd", "", "ResponsesEnd"),
    ("Drops", "", "DropCounts"),
    ("HeldCopy", "", "DelayedDelivery"),
    ("HeldMessage", "", "DelayedMessage"),
    ("Hold", "", "ActivityGuard"),
    ("Raw", "", "RawMessage"),
    ("RequestMany", "", "RequestManyOptions"),
    ("SinkAnswer", "", "SinkResult"),
    ("Answers", "bridge", "Responses"),
    ("Ask", "bridge", "ConfirmBy"),
    ("Flow", "bridge", "FlowStats"),
    ("Gone", "bridge", "ConnectionLost"),
    ("In", "bridge", "Inbound"),
    ("Kind", "bridge", "RuleKind"),
    ("Line", "bridge", "ServerLink"),
    ("Listed", "bridge", "ListedRule"),
    ("Losses", "bridge", "LossCounts"),
    ("Nobodies", "bridge", "NoResponderVotes"),
    ("Out", "bridge", "Outbound"),
    ("There", "bridge", "ActiveSubscription"),
    ("To", "bridge", "Destination"),
    ("VIA", "bridge", "LOOP_HEADER"),
    ("Waiting", "bridge", "BridgeFuture"),
    ("Way", "bridge", "ProbeState"),
    ("answer", "bridge", "response"),
    ("answers", "bridge", "responses"),
    ("complaint", "bridge", "on_server_error"),
    ("far_root", "bridge", "server_inbox"),
    ("graves", "bridge", "evicted"),
    ("heed", "bridge", "watch_events"),
    ("is_told_of_nobody", "bridge", "wants_no_responders"),
    ("mark", "bridge", "checkpoint"),
    ("near_root", "bridge", "bus_inbox"),
    ("unmarked", "bridge", "open"),
    ("come_back", "", "mark_thread_idle"),
    ("engage_thread", "", "mark_busy"),
    ("release_thread", "", "mark_idle"),
    ("Bell", "activity", "TrackedWaker"),
    ("Afterwards", "testkit", "PostRouting"),
    ("Agenda", "testkit", "Schedule"),
    ("Book", "testkit", "KitObserver"),
    ("Entry", "testkit", "JournalEntry"),
    ("Lag", "testkit", "DelayQueue"),
    ("Mismatch", "testkit", "ExpectationError"),
    ("Receipt", "testkit", "DeliveryRecord"),
    ("Silent", "testkit", "IdleSubscription"),
    ("Unlawful", "testkit", "Violation"),
    ("Unsettled", "testkit", "SettleTimeout"),
    ("Who", "testkit", "ClientState"),
    ("calm", "testkit", "clear_faults"),
    ("loose", "testkit", "unordered"),
    ("luck", "testkit", "rng"),
    ("strike", "testkit", "apply"),
    ("untapped", "testkit", "record_on_demand"),
    ("Firing", "time", "TrackedTimer"),
    ("Timetable", "time", "TimerQueue"),
    ("Watched", "time", "TrackedTimers"),
    ("AnswersIter", "", "ResponsesIter"),
    ("Hit", "", "MatchedRoute"),
    ("Leaves", "", "ResponsePermits"),
    ("Mailbox", "", "BoundedQueue"),
    ("Outlet", "", "DeliveryTarget"),
    ("Tally", "", "PackedCounts"),
    ("WakeList", "", "WaitList"),
    ("Wanted", "", "PatternInterest"),
    ("bind_with", "", "builder"),
    ("forget_credentials", "", "without_credentials"),
    ("greet", "", "send_info"),
    ("hold_copy", "", "delay"),
    ("is_uneven", "", "has_byte_waiters"),
    ("late_answers", "", "late_replies"),
    ("mailbox", "", "queue"),
    ("open_pipe", "", "pipe"),
    ("outlet", "", "target"),
    ("runner", "", "callbacks"),
    ("Leave", "account", "ResponsePermit"),
    ("Owner", "account", "ConnectionAccess"),
    ("Place", "account", "CountsKey"),
    ("Owner", "connection", "ConnectionAccess"),
    ("Door", "connection", "InboxSink"),
    ("After", "delivery", "FollowUp"),
    ("Book", "delivery", "LossRecord"),
    ("Direct", "delivery", "InternalSink"),
    ("Place", "delivery", "WaiterKey"),
    ("announce_room", "delivery", "notify_senders"),
    ("wake_room", "delivery", "wake_senders"),
    ("laps", "delivery", "wraps"),
    ("seal", "delivery", "freeze"),
    ("standing", "delivery", "persistent"),
    ("turn_away", "delivery", "cancel_admission"),
    ("uneven", "delivery", "byte_waiters"),
    ("Place", "matcher", "PatternPlace or CacheSlot"),
    ("After", "routing", "FollowUp"),
    ("find_room", "routing", "apply_overflow"),
];

/// Where a value of any type may be looked into: the payload of a panic is one.
const PANICS: [&str; 3] = ["src/user_code.rs", "src/testkit/shrink.rs", "src/bridge/connector.rs"];

/// The identifiers of a line, texts in quotes included.
fn identifiers(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

pub(crate) fn names_stay_renamed(source: &Source) -> Vec<String> {
    let Some(room) = source.room() else { return Vec::new() };
    let denied: BTreeMap<_, _> = DENIED
        .iter()
        .filter(|(_, place, _)| place.is_empty() || *place == room)
        .map(|(old, _, new)| (*old, *new))
        .collect();
    let mut complaints = Vec::new();
    for (at, line) in source.code_lines() {
        for word in identifiers(line) {
            if let Some(new) = denied.get(word) {
                complaints.push(format!("{}:{at}: `{word}` is called `{new}`", source.path));
            }
        }
    }
    complaints
}

/// A value of any type is a wall that is passed unseen: a trait of the lower room says what the upper one gives it.
pub(crate) fn values_have_types(source: &Source) -> Vec<String> {
    if PANICS.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let words = ["dyn Any", "downcast"];
    let found = words.iter().flat_map(|word| source.lines_with(word));
    found.map(|at| format!("{at}: a value of any type; name its trait")).collect()
}

/// How many types of the name `State` each room has.
fn states(sources: &[Source]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for source in sources {
        let Some(room) = source.room() else { continue };
        let is_state = |line: &str| {
            let mut words = identifiers(line).skip_while(|word| !matches!(*word, "struct" | "enum" | "union"));
            words.next().is_some() && words.next() == Some("State")
        };
        *counts.entry(room).or_default() += source.code_lines().filter(|(_, line)| is_state(line)).count();
    }
    counts
}

#[test]
fn a_room_has_one_state() {
    let sources = source::all(Path::new(env!("CARGO_MANIFEST_DIR")), "src");
    let mut counts = states(&sources);
    counts.retain(|_, count| *count > 1);
    assert_eq!(counts, BTreeMap::new(), "rooms with more types called `State` than one");
}

#[test]
fn old_names_and_second_states_are_seen() {
    let seen = |path: &str, text: &str| names_stay_renamed(&Source::new(path, text)).len();
    assert_eq!(seen("src/bridge/core.rs", "fn f(near_root: Way) { self.heed(answer_of) }"), 3);
    assert_eq!(seen("src/bus/route.rs", "fn f(near_root: Way) -> Drops"), 1);
    assert_eq!(seen("src/bridge/core.rs", "// near_root\nlet answered = Outside;"), 0);
    let any = |path: &str| values_have_types(&Source::new(path, "receiver: Arc<dyn Any>,")).len();
    assert_eq!((any("src/message/mod.rs"), any("src/user_code.rs")), (1, 0));
    let two = [("src/a/b.rs", "struct State;"), ("src/a/c.rs", "pub(super) enum State<T> {"), ("src/d.rs", "StateOf")];
    let two = two.map(|(path, text)| Source::new(path, text));
    assert_eq!(states(&two), BTreeMap::from([("a", 2), ("d", 0)]));
}
