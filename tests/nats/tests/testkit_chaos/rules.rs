//! When a fault happens: chance, count, messages, time, client; and what is said of it.

use crate::{SECOND, client, kit};
use postroom::TestKit;
use postroom::testkit::{Chaos, Fault, Violation};

/// Which of so many publishes were lost.
fn lost(seed: u64, chaos: Chaos, count: u64) -> Vec<u64> {
    let kit = TestKit::builder().seed(seed).chaos(chaos).build();
    let app = client(&kit, "app");
    let all = kit.client().subscribe("a").unwrap();
    for nth in 0..count {
        app.publish("a", nth.to_string()).unwrap();
    }
    let got: Vec<u64> = all.try_iter().map(|message| message.payload_str().unwrap().parse().unwrap()).collect();
    assert_eq!(got.len() + kit.faults().iter().filter(|fault| fault.what.contains("lost")).count(), count as usize);
    (0..count).filter(|nth| !got.contains(nth)).collect()
}

fn lose() -> Fault {
    Fault::violation(Violation::Lose)
}

#[test]
fn a_chance_is_what_it_says_and_follows_from_the_seed() {
    let half = |seed| lost(seed, Chaos::new().with(lose().chance(0.25)), 2_000);
    assert_eq!(half(1), half(1));
    assert_ne!(half(1), half(2));
    for seed in 1..6 {
        assert!((400..600).contains(&half(seed).len()), "{} of 2,000 at 0.25", half(seed).len());
    }
    assert_eq!(lost(1, Chaos::new().with(lose().chance(0.0)), 100), [0; 0]);
    assert_eq!(lost(1, Chaos::new().with(lose().chance(1.0)), 100).len(), 100);
}

#[test]
fn counts_and_messages_bound_it() {
    assert_eq!(lost(1, Chaos::new().with(lose().times(2)), 10), [0, 1]);
    assert_eq!(lost(1, Chaos::new().with(lose().messages(3..5)), 10), [3, 4]);
    assert_eq!(lost(1, Chaos::new().with(lose().messages(8..)), 10), [8, 9]);
    assert_eq!(lost(1, Chaos::new().with(lose().messages(..=1)), 10), [0, 1]);
    assert_eq!(lost(1, Chaos::new().with(lose().messages(3..).times(2)), 10), [3, 4]);
    let behind = (std::ops::Bound::Excluded(7), std::ops::Bound::Unbounded);
    assert_eq!(lost(1, Chaos::new().with(lose().messages(behind)), 10), [8, 9]);
    assert_eq!(lost(1, Chaos::new().with(lose().of("somebody else")), 10), [0; 0]);
    assert_eq!(lost(1, Chaos::new().with(lose().on("b.>")), 10), [0; 0]);
}

#[test]
fn a_time_bounds_it() {
    let kit = kit(lose().during(SECOND..SECOND * 2));
    let app = client(&kit, "app");
    let all = kit.client().subscribe("a").unwrap();
    for nth in 0..4 {
        app.publish("a", nth.to_string()).unwrap();
        kit.clock().advance(SECOND / 2);
    }
    assert_eq!(crate::queued(&all), ["0", "1"]);
}

#[test]
fn one_fault_does_not_change_the_luck_of_another() {
    let alone = lost(5, Chaos::new().with(lose().chance(0.1)), 500);
    // Neither one before it nor one after it, nor how often those happen.
    let others = Chaos::new()
        .with(Fault::permission().on("b").chance(0.5))
        .with(lose().chance(0.1))
        .with(Fault::late_subscription(1).on("b"));
    assert_eq!(lost(5, others, 500), alone);
    let both = lost(5, Chaos::new().with(lose().chance(0.1)).with(lose().chance(0.1)), 500);
    assert!(alone.iter().all(|nth| both.contains(nth)) && both.len() > alone.len(), "two of the same are two");
}

#[test]
fn clients_have_luck_of_their_own() {
    // Whatever another client publishes in between.
    let run = |others: u64| {
        let kit = TestKit::builder().seed(3).chaos(Chaos::new().with(lose().on("a").chance(0.2))).build();
        let (app, other) = (client(&kit, "app"), client(&kit, "other"));
        for nth in 0..200u64 {
            app.publish("a", nth.to_string()).unwrap();
            for _ in 0..nth % (others + 1) {
                other.publish("a", "").unwrap();
            }
        }
        let of_app = kit.faults().into_iter().filter(|fault| fault.client == app.id());
        assert!(kit.faults().len() as u64 >= others, "the other has its share");
        of_app.count()
    };
    assert_eq!(run(0), run(7));
}

#[test]
fn what_happened_is_told_in_words() {
    let kit = kit(Fault::permission().on("orders.*").of("app").chance(0.999_999).times(3));
    let app = client(&kit, "app");
    drop(app.publish("orders.eu", ""));
    let faults = kit.faults();
    assert_eq!(
        faults[0].to_string(),
        format!("#1 at 0ns: permission denied: message 1 on `orders.eu`, client {} `app` (fault 0, P3, P4)", app.id())
    );
    let report = kit.report();
    assert!(report.starts_with("the kit's seed was 1: TestKit::builder().seed(1) repeats this run"), "{report}");
    assert!(report.contains("permission denied on `orders.*` of `app`, 3 times, chance 0.999999 (P3, P4)"), "{report}");
    assert!(report.ends_with(&format!("1 faults happened:\n  {}", faults[0])), "{report}");
}

#[test]
fn of_very_many_faults_some_are_remembered_fewer_printed_and_all_counted() {
    let kit = kit(Fault::permission());
    let app = client(&kit, "app");
    for _ in 0..100_010 {
        app.publish("a", "").unwrap_err();
    }
    assert_eq!(kit.faults().len(), 100_000);
    let report = kit.report();
    assert!(report.contains("100010 faults happened:") && report.ends_with("and 99970 more"), "{report}");
}

#[test]
fn what_can_not_be_asked_for_is_refused() {
    let refused = |ask: fn() -> Fault| std::panic::catch_unwind(ask).is_err();
    assert!(refused(|| Fault::permission().chance(1.5)));
    assert!(refused(|| Fault::permission().on("a..b")));
    assert!(refused(|| Fault::delay_between(SECOND, SECOND / 2)));
}

/// Runs itself in a process of its own, where it fails, and looks at what that prints.
#[test]
fn a_panic_prints_the_seed_and_the_faults() {
    const CHILD: &str = "POSTROOM_CHAOS_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let twice = Fault::violation(Violation::Duplicate).times(1);
        let kit = TestKit::builder().seed(4711).chaos(Chaos::new().with(twice)).build();
        let all = kit.client().subscribe("a").unwrap();
        client(&kit, "app").publish("a", "").unwrap();
        assert_eq!(all.len(), 1);
        return;
    }
    let this = std::env::current_exe().unwrap();
    let arguments = ["--exact", "rules::a_panic_prints_the_seed_and_the_faults", "--nocapture"];
    let run = std::process::Command::new(this).args(arguments).env(CHILD, "1").output().unwrap();
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success());
    assert!(told.contains("the kit's seed was 4711"), "{told}");
    assert!(told.contains("delivered twice without a reason: message 1 on `a`"), "{told}");
}
