//! One body of tests on four systems.

use super::systems::{AcrossABridge, Fate, Kept, OnABus, OnOurs, OnReal, System};

/// Runs each body on each of the systems.
macro_rules! on_four {
    ($($name:ident)*) => {
        mod on_a_bus { $(#[test] fn $name() { super::$name(super::System::start as fn() -> super::OnABus); })* }
        mod async_nats_on_ours { $(#[test] fn $name() { super::$name(super::System::start as fn() -> super::OnOurs); })* }
        mod async_nats_on_the_real_one { $(#[test] fn $name() { super::$name(super::System::start as fn() -> super::OnReal); })* }
        mod across_a_bridge { $(#[test] fn $name() { super::$name(super::System::start as fn() -> super::AcrossABridge); })* }
    };
}

on_four! {
    a_stream_is_filled_read_and_deleted
    duplicates_and_expectations
    a_work_queue_is_worked_through
    interest_keeps_what_is_wanted
    redeliveries_end
    purges_and_deletions_move_a_consumer
    rollups_and_limits_of_a_subject
}

fn fetched(all: &[(String, String, u64, u64)]) -> Vec<(&str, u64, u64)> {
    all.iter().map(|(_, payload, seq, delivered)| (payload.as_str(), *seq, *delivered)).collect()
}

/// JS17, JS22, JS25, JS26, JS28, JS43.
fn a_stream_is_filled_read_and_deleted<S: System>(start: fn() -> S) {
    let system = start();
    system.create_stream("S", Kept::Limits, None);
    assert_eq!(system.publish("s.a", &[], "one"), Ok((1, false)));
    assert_eq!(system.publish("s.b.c", &[("A", "1")], "two"), Ok((2, false)));
    assert_eq!(system.publish("none.a", &[], ""), Err(0));
    assert_eq!(system.get("S", 2), Some(("s.b.c".to_owned(), "two".to_owned())));
    assert_eq!(system.get("S", 3), None);
    assert_eq!(system.state("S"), (2, 1, 2));
    assert_eq!(system.stream_names(), ["S"]);
    assert!(system.delete_stream("S"));
    assert!(!system.delete_stream("S"));
    assert_eq!(system.publish("s.a", &[], ""), Err(0));
}

/// JS45, JS48.
fn duplicates_and_expectations<S: System>(start: fn() -> S) {
    let system = start();
    system.create_stream("S", Kept::Limits, None);
    assert_eq!(system.publish("s.a", &[("Nats-Msg-Id", "m")], ""), Ok((1, false)));
    assert_eq!(system.publish("s.a", &[("Nats-Msg-Id", "m")], ""), Ok((1, true)));
    assert_eq!(system.publish("s.a", &[("Nats-Expected-Last-Sequence", "7")], ""), Err(10_071));
    assert_eq!(system.publish("s.a", &[("Nats-Expected-Last-Msg-Id", "x")], ""), Err(10_070));
    assert_eq!(system.publish("s.b", &[("Nats-Expected-Last-Subject-Sequence", "0")], ""), Ok((2, false)));
    assert_eq!(system.publish("s.b", &[("Nats-Expected-Last-Subject-Sequence", "1")], ""), Err(10_071));
}

/// JS78, JC60, JC90, JC110, JC145.
fn a_work_queue_is_worked_through<S: System>(start: fn() -> S) {
    let system = start();
    system.create_stream("S", Kept::WorkQueue, None);
    for number in 0..5 {
        system.publish(&format!("s.{number}"), &[], &number.to_string()).expect("it is stored");
    }
    system.create_consumer("S", "worker", "", None);
    let first = system.fetch("S", "worker", 3, &[Fate::Acked, Fate::Refused, Fate::Open]);
    assert_eq!(fetched(&first), [("0", 1, 1), ("1", 2, 1), ("2", 3, 1)]);
    assert_eq!((system.consumer("S", "worker"), system.state("S").0), ((1, 2, 2), 4));
    let second = system.fetch("S", "worker", 10, &[Fate::Acked, Fate::Ended, Fate::Acked]);
    assert_eq!(fetched(&second), [("1", 2, 2), ("3", 4, 1), ("4", 5, 1)]);
    assert_eq!((system.consumer("S", "worker"), system.state("S")), ((2, 1, 0), (1, 3, 5)));
    assert_eq!(system.fetch("S", "worker", 10, &[]), []);
}

/// JC146, JC147, JS55.
fn interest_keeps_what_is_wanted<S: System>(start: fn() -> S) {
    let system = start();
    system.create_stream("S", Kept::Interest, None);
    assert_eq!(system.publish("s.a", &[], "nobody"), Ok((1, false)));
    system.create_consumer("S", "a", "s.a", None);
    system.create_consumer("S", "all", "s.>", None);
    for subject in ["s.a", "s.b", "s.a"] {
        system.publish(subject, &[], subject).expect("it is stored");
    }
    assert_eq!(system.state("S"), (3, 2, 4));
    system.fetch("S", "all", 10, &[Fate::Acked, Fate::Acked, Fate::Acked]);
    assert_eq!(system.state("S"), (2, 2, 4));
    system.fetch("S", "a", 1, &[Fate::Acked]);
    assert_eq!(system.state("S"), (1, 4, 4));
    system.delete_consumer("S", "a");
    assert_eq!(system.state("S"), (0, 5, 4));
}

/// JC83, JC115, JC116.
fn redeliveries_end<S: System>(start: fn() -> S) {
    let system = start();
    system.create_stream("S", Kept::Limits, None);
    system.create_consumer("S", "c", "", Some(2));
    system.publish("s.a", &[], "a").expect("it is stored");
    system.publish("s.b", &[], "b").expect("it is stored");
    assert_eq!(fetched(&system.fetch("S", "c", 1, &[Fate::Refused])), [("a", 1, 1)]);
    assert_eq!(fetched(&system.fetch("S", "c", 2, &[Fate::Refused, Fate::Acked])), [("a", 1, 2), ("b", 2, 1)]);
    assert_eq!(system.fetch("S", "c", 2, &[]), []);
    assert_eq!(system.state("S"), (2, 1, 2));
}

/// JS77, JC140, JC141.
fn purges_and_deletions_move_a_consumer<S: System>(start: fn() -> S) {
    let system = start();
    system.create_stream("S", Kept::Limits, None);
    for number in 0..6 {
        system.publish(["s.a", "s.b"][number % 2], &[], &number.to_string()).expect("it is stored");
    }
    system.create_consumer("S", "c", "s.a", None);
    assert_eq!(system.consumer("S", "c"), (0, 0, 3));
    system.delete_message("S", 3);
    assert_eq!(system.consumer("S", "c").2, 2);
    assert_eq!(system.purge("S", "s.b"), 3);
    assert_eq!(fetched(&system.fetch("S", "c", 10, &[Fate::Acked])), [("0", 1, 1), ("4", 5, 1)]);
    assert_eq!(system.purge("S", "s.a"), 2);
    assert_eq!((system.state("S"), system.consumer("S", "c")), ((0, 7, 6), (6, 0, 0)));
    system.publish("s.a", &[], "next").expect("it is stored");
    assert_eq!(fetched(&system.fetch("S", "c", 10, &[Fate::Acked])), [("next", 7, 1)]);
}

/// JS73, JS75.
fn rollups_and_limits_of_a_subject<S: System>(start: fn() -> S) {
    let system = start();
    system.create_stream("S", Kept::Limits, Some(2));
    for number in 0..3 {
        system.publish("s.a", &[], &number.to_string()).expect("it is stored");
    }
    system.publish("s.b", &[], "b").expect("it is stored");
    assert_eq!((system.state("S"), system.get("S", 1)), ((3, 2, 4), None));
    system.publish("s.a", &[("Nats-Rollup", "sub")], "alone").expect("it is stored");
    assert_eq!(system.state("S"), (2, 4, 5));
    system.publish("s.c", &[("Nats-Rollup", "all")], "all").expect("it is stored");
    assert_eq!((system.state("S"), system.get("S", 6)), ((1, 6, 6), Some(("s.c".to_owned(), "all".to_owned()))));
}
