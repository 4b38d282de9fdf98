//! Permissions, against a plain reading of the rules P2 to P7 and S12.

use super::{AllowResponses, ConnectionAccess, Permissions, SubscriptionOwner};
use crate::id::ClientId;
use crate::limits::Limits;
use crate::message::Responder;
use crate::steps;
use crate::subject::{Pattern, relation};
use crate::user_code::Reporter;
use proptest::prelude::*;
use smol_str::SmolStr;
use std::sync::{Arc, Weak};
use std::time::Duration;

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).unwrap()
}

/// One line of a list, as it is written in a configuration: `foo.*`, or `foo.* v1`.
type Line = (String, Option<String>);

/// The lists, and the rules read out of them one sentence at a time.
#[derive(Clone, Debug, Default)]
struct Oracle {
    publish: [Vec<String>; 2],
    subscribe: [Vec<Line>; 2],
    responses: bool,
    strict: bool,
}

impl Oracle {
    fn permissions(&self) -> Permissions {
        let mut permissions = Permissions::new();
        let [allow, deny] = &self.publish;
        permissions = allow.iter().fold(permissions, |all, text| all.allow_publish(text).unwrap());
        permissions = deny.iter().fold(permissions, |all, text| all.deny_publish(text).unwrap());
        let [allow, deny] = &self.subscribe;
        permissions = allow.iter().fold(permissions, |all, (text, queue)| match queue {
            None => all.allow_subscribe(text).unwrap(),
            Some(queue) => all.allow_queue_subscribe(text, queue).unwrap(),
        });
        permissions = deny.iter().fold(permissions, |all, (text, queue)| match queue {
            None => all.deny_subscribe(text).unwrap(),
            Some(queue) => all.deny_queue_subscribe(text, queue).unwrap(),
        });
        if self.responses {
            permissions = permissions.allow_responses(AllowResponses::default());
        }
        permissions.strict_subscribe(self.strict)
    }

    fn may_publish(&self, subject: &str) -> bool {
        let [allow, deny] = &self.publish;
        let covered = |list: &[String]| list.iter().any(|entry| relation::matches(entry, subject));
        let unrestricted = allow.is_empty() && !self.responses;
        (unrestricted || covered(allow)) && !covered(deny)
    }

    fn covers(&self, entry: &str, text: &str) -> bool {
        if self.strict { relation::includes(entry, text) } else { relation::matches(entry, text) }
    }

    fn may_subscribe(&self, text: &str, queue: Option<&str>) -> bool {
        let [allow, deny] = &self.subscribe;
        let covering = |list: &[Line]| -> Vec<Line> {
            list.iter().filter(|(entry, _)| self.covers(entry, text)).cloned().collect()
        };
        let named = |lines: &[Line]| lines.iter().any(|(_, named)| names(named.as_deref(), queue));
        let (allow_here, deny_here) = (covering(allow), covering(deny));
        let speaks_of_queues = allow_here.iter().any(|(_, queue)| queue.is_some());
        let plain = |lines: &[Line]| lines.iter().any(|(_, queue)| queue.is_none());
        let allowed = match queue {
            _ if allow.is_empty() => true,
            Some(_) if speaks_of_queues => named(&allow_here),
            _ => plain(&allow_here),
        };
        allowed && !plain(&deny_here) && !named(&deny_here)
    }

    fn withholds(&self, subject: &str, queue: Option<&str>) -> bool {
        let [_, deny] = &self.subscribe;
        deny.iter().any(|(entry, named)| {
            relation::matches(entry, subject) && (named.is_none() || names(named.as_deref(), queue))
        })
    }
}

/// Whether an entry that names a queue group means this one.
fn names(named: Option<&str>, queue: Option<&str>) -> bool {
    let (Some(named), Some(queue)) = (named, queue) else { return false };
    let has_wildcard = named.split('.').any(|token| matches!(token, "*" | ">"));
    named == queue || (has_wildcard && Pattern::new(queue).is_ok() && relation::includes(named, queue))
}

fn token() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("a"), 3 => Just("b"), 2 => Just("*"), 1 => Just("*a")]
}

fn pattern_text() -> impl Strategy<Value = String> {
    (proptest::collection::vec(token(), 1..4), any::<bool>()).prop_map(|(mut tokens, tail)| {
        if tail {
            tokens.push(">");
        }
        tokens.join(".")
    })
}

fn queue_name() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(pattern_text())
}

fn oracle() -> impl Strategy<Value = Oracle> {
    let publish = || proptest::collection::vec(pattern_text(), 0..4);
    let subscribe = || proptest::collection::vec((pattern_text(), queue_name()), 0..4);
    ([publish(), publish()], [subscribe(), subscribe()], any::<bool>(), any::<bool>())
        .prop_map(|(publish, subscribe, responses, strict)| Oracle { publish, subscribe, responses, strict })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn rules_say_what_a_plain_reading_says(
        lists in oracle(),
        texts in proptest::collection::vec((pattern_text(), queue_name()), 8),
        subjects in proptest::collection::vec(pattern_text(), 8),
    ) {
        let rules = lists.permissions().rules();
        for (text, queue) in &texts {
            let queue = queue.as_deref();
            let allowed = lists.may_subscribe(text, queue);
            prop_assert_eq!(rules.may_subscribe(text, queue), allowed, "{} {:?}", text, queue);
            for subject in &subjects {
                prop_assert_eq!(rules.withholds(subject, queue), lists.withholds(subject, queue));
                let gets = allowed && relation::matches(text, subject);
                if gets && lists.withholds(subject, queue) {
                    prop_assert!(rules.may_withhold(&pattern(text), queue), "{} gets {} unseen", text, subject);
                }
                // The purpose of strict matching: no message comes through that the allow list does not
                // cover.
                if gets && lists.strict && !lists.subscribe[0].is_empty() {
                    let covered = lists.subscribe[0].iter().any(|(entry, _)| relation::matches(entry, subject));
                    prop_assert!(covered, "{} gets {}", text, subject);
                }
            }
        }
        for subject in &subjects {
            prop_assert_eq!(rules.may_publish(subject), lists.may_publish(subject), "{}", subject);
        }
    }
}

/// Whether an entry for the queue groups `named` speaks of the group `queue`, token by token.
fn names_any(named: &str, queue: &str) -> bool {
    if named == queue {
        return true;
    }
    let mut tokens = queue.split('.');
    for wanted in named.split('.') {
        match (wanted, tokens.next()) {
            (_, None) => return false,
            (">", _) => return true,
            (_, Some("" | ">")) => return false,
            ("*", _) => {}
            (wanted, Some(token)) if wanted == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

/// Texts that clients may send as a pattern or as the name of a queue group.
fn any_text() -> impl Strategy<Value = String> {
    let token = prop_oneof![3 => token().boxed(), 1 => Just("").boxed(), 1 => Just(">").boxed()];
    proptest::collection::vec(token, 1..4).prop_map(|tokens| tokens.join("."))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// The index says what a search through the lists says, of any text and any name of a queue group.
    #[test]
    fn an_index_of_lists_says_what_the_lists_say(
        entries in proptest::collection::vec((pattern_text(), proptest::option::of(any_text())), 0..30),
        strict in any::<bool>(),
        texts in proptest::collection::vec((any_text(), proptest::option::of(any_text())), 8),
    ) {
        let (mut allow, mut deny) = (Permissions::new().strict_subscribe(strict), Permissions::new());
        deny = deny.strict_subscribe(strict);
        for (text, queue) in &entries {
            (allow, deny) = match queue {
                None => (allow.allow_subscribe(text).unwrap(), deny.deny_subscribe(text).unwrap()),
                Some(queue) => (
                    allow.allow_queue_subscribe(text, queue).unwrap(),
                    deny.deny_queue_subscribe(text, queue).unwrap(),
                ),
            };
            allow = allow.allow_publish(text).unwrap();
            deny = deny.deny_publish(text).unwrap();
        }
        let (allow, deny) = (allow.rules(), deny.rules());
        for (text, queue) in &texts {
            let covering = |strict: bool| entries.iter().filter(move |(entry, _)| {
                if strict { relation::includes(entry, text) } else { relation::matches(entry, text) }
            });
            let plain = covering(strict).any(|(_, named)| named.is_none());
            let speaks = covering(strict).any(|(_, named)| named.is_some());
            let is_named = |strict: bool| covering(strict).any(|(_, named)| {
                named.as_ref().zip(queue.as_ref()).is_some_and(|(named, queue)| names_any(named, queue))
            });
            let may = match queue {
                _ if entries.is_empty() => true,
                Some(_) if speaks => is_named(strict),
                _ => plain,
            };
            let queue = queue.as_deref();
            prop_assert_eq!(allow.may_subscribe(text, queue), may, "{} {:?}", text, queue);
            prop_assert_eq!(deny.may_subscribe(text, queue), !plain && !is_named(strict), "{} {:?}", text, queue);
            let withheld = covering(false).any(|(_, named)| named.is_none()) || is_named(false);
            prop_assert_eq!(deny.withholds(text, queue), withheld, "{} {:?}", text, queue);
            let covered = covering(false).next().is_some();
            prop_assert_eq!(allow.may_publish(text), covered || entries.is_empty(), "{}", text);
            prop_assert_eq!(deny.may_publish(text), !covered, "{}", text);
        }
    }
}

/// Names that no client may give a pattern, but a queue group: as nats-server 2.15.1 answers.
#[test]
fn p6_queue_names_are_any_text() {
    let rules = |queue: &str| Permissions::new().allow_queue_subscribe("qq", queue).unwrap().rules();
    let table = [
        ("v1.*", "v1.a", true),
        ("v1.*", "v1.*", true),
        ("v1.*", "v1.a.b", false),
        ("v1.*", "v1.>", false),
        ("v1.*", "v1", false),
        ("v1.*", "v1.", false),
        ("v1.*", ".", false),
        ("v1.>", "v1.", true),
        ("v1.>", "v1", false),
        (">", "..", true),
        ("v1.", "v1.", true),
        ("v1", "v2", false),
    ];
    for (named, queue, allowed) in table {
        assert_eq!(rules(named).may_subscribe("qq", Some(queue)), allowed, "{named} {queue}");
        assert!(!rules(named).may_subscribe("qq", None));
    }
}

#[derive(Debug)]
struct NoConnection;

impl SubscriptionOwner for NoConnection {
    fn ended(&self) {}

    fn released(&self, _: u32) {}

    fn check_drain(&self) {}

    fn responder(self: Arc<Self>) -> Arc<dyn Responder> {
        unreachable!("there is none")
    }
}

fn answering(bounds: AllowResponses) -> ConnectionAccess {
    ConnectionAccess::new(
        ClientId::new(1),
        Weak::<NoConnection>::new(),
        false,
        Some(Permissions::new().allow_responses(bounds).rules()),
        1,
        Reporter::default(),
    )
}

/// G6: leaves without number and end are kept up to a bound, the youngest longest.
#[test]
fn leaves_to_answer_are_bounded() {
    let access = answering(AllowResponses { max: None, expires: Duration::ZERO });
    let reply = |n: usize| SmolStr::new(format!("r.{n}"));
    let given = Limits::RESPONSES_MAX + 1;
    for n in 0..given {
        assert!(access.lets_in("svc", Some(&reply(n)), None, || Duration::from_nanos(n as u64)));
    }
    let good = |n: usize| access.may_publish(&reply(n), || Duration::from_secs(1));
    let kept = (0..given).filter(|&n| good(n)).count();
    assert_eq!(kept, given - given / 2);
    assert!(good(given - 1) && good(given / 2) && !good(given / 2 - 1) && !good(0));
    // So are the bytes of their replies: 8 MiB.
    let access = answering(AllowResponses { max: None, expires: Duration::ZERO });
    let long = |n: usize| SmolStr::new(format!("{}.{n:05}", "r".repeat(4_090)));
    for n in 0..10_000 {
        access.lets_in("svc", Some(&long(n)), None, || Duration::from_nanos(n as u64));
        assert!(access.permits() * 4_096 <= 8 << 20);
    }
    assert!(access.permits() >= 1_024 && access.may_publish(&long(9_999), || Duration::from_secs(1)));
    // All of one moment: then any of them.
    let access = answering(AllowResponses { max: None, expires: Duration::ZERO });
    for n in 0..given {
        access.lets_in("svc", Some(&reply(n)), None, || Duration::ZERO);
    }
    let kept = (0..given).filter(|&n| access.may_publish(&reply(n), || Duration::ZERO)).count();
    assert_eq!(kept, given - given / 2);
}

/// An expired permit goes without a look-up.
#[test]
fn leaves_that_are_over_are_forgotten() {
    let access = Arc::new(answering(AllowResponses::default()));
    let at = Duration::from_secs;
    for n in 0..100u64 {
        access.lets_in("svc", Some(&SmolStr::new(format!("r.{n}"))), None, || at(0));
    }
    assert_eq!(access.permits(), 100);
    access.lets_in("svc", Some(&SmolStr::new("late")), None, || at(121));
    assert_eq!(access.permits(), 1);
    assert!(access.may_publish("late", || at(241)));
    access.lets_in("svc", Some(&SmolStr::new("later")), None, || at(243));
    assert_eq!(access.permits(), 1, "one that is used up is over as well");
}

/// Each question about a subject or pattern costs the same, however many entries the lists have.
#[test]
fn lists_are_not_searched_entry_by_entry() {
    steps::assert_linear(|entries| {
        let add = |all: Permissions, n: usize| {
            all.allow_publish(format!("p.{n}.>"))?
                .deny_publish(format!("d.{n}.*"))?
                .allow_subscribe(format!("a.{n}.>"))?
                .deny_subscribe(format!("x.{n}.>"))?
                .deny_queue_subscribe("z.>", format!("g{n}"))?
                .deny_queue_subscribe("z.>", format!("w.*.{n}"))
        };
        let all = Permissions::new().allow_publish("z.>").unwrap().allow_subscribe("z.>").unwrap();
        let rules = (0..entries).try_fold(all, add).unwrap().rules();
        for n in 0..entries {
            assert!(rules.may_publish("z.1") && rules.may_publish(&format!("p.{n}.x")));
            assert!(!rules.may_publish(&format!("d.{n}.x")));
            assert!(rules.may_subscribe("z.*", None) && !rules.may_subscribe(&format!("x.{n}.>"), None));
            assert!(!rules.may_subscribe("z.*", Some(&format!("g{n}"))) && rules.may_subscribe("z.1", Some("h")));
            assert!(!rules.may_subscribe("z.*", Some(&format!("w.1.{n}"))));
            assert!(!rules.may_withhold(&pattern("a.*"), None));
            assert!(rules.withholds(&format!("x.{n}.1"), Some("h")) && !rules.withholds("a.1", Some("h")));
        }
    });
}
