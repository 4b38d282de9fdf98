//! From a run that fails to the shortest list of faults.

use crate::{MS, client};
use postroom::TestKit;
use postroom::testkit::{Chaos, Fault, Violation, explore, shrink};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Publishes 60 messages and gives back what arrived.
fn arrived(chaos: Chaos) -> Vec<u32> {
    let kit = TestKit::builder().chaos(chaos).build();
    let all = kit.client().subscribe("a").unwrap();
    let app = client(&kit, "app");
    for nth in 0..60u32 {
        drop(app.publish("a", nth.to_string()));
        kit.clock().advance(MS);
    }
    kit.clock().advance(MS * 1_000);
    all.try_iter().map(|message| message.payload_str().unwrap().parse().unwrap()).collect()
}

fn many() -> Chaos {
    Chaos::new()
        .with(Fault::delay(MS * 2).chance(0.3))
        .with(Fault::redelivery().chance(0.2))
        .with(Fault::permission().chance(0.2))
}

#[test]
fn one_fault_is_found_among_many() {
    let shrunk = shrink(many().seed(3), |chaos| {
        let got = arrived(chaos);
        assert!(got.windows(2).all(|pair| pair[0] != pair[1]), "twice");
    });
    let shrunk = shrunk.expect("it fails");
    assert_eq!((shrunk.faults.len(), shrunk.faults[0].permitted_by), (1, "J52"), "{shrunk}");
    assert!(shrunk.before > 10 && shrunk.runs < 60, "{shrunk}");
    assert!(shrunk.to_string().starts_with("with seed 3 the test fails: twice\n1 of "), "{shrunk}");
}

#[test]
fn faults_that_only_fail_together_are_found_together() {
    let shrunk = shrink(many().seed(9), |chaos| {
        let got = arrived(chaos);
        let twice = got.windows(2).filter(|pair| pair[0] == pair[1]).count();
        let missing = (0..60).filter(|nth| !got.contains(nth)).count();
        assert!(twice < 2 || missing < 3, "two came twice and three are missing");
    });
    let shrunk = shrunk.expect("it fails");
    let mut permitted: Vec<_> = shrunk.faults.iter().map(|fault| fault.permitted_by).collect();
    permitted.sort_unstable();
    assert_eq!(permitted, ["J52", "J52", "P3, P4", "P3, P4", "P3, P4"], "{shrunk}");
}

#[test]
fn a_test_that_fails_anyway_or_passes_is_known_at_once() {
    assert_eq!(shrink(many().seed(1), |chaos| drop(arrived(chaos))), None);
    let shrunk = shrink(many().seed(1), |chaos| {
        arrived(chaos);
        panic!("always");
    });
    let shrunk = shrunk.expect("it fails");
    assert_eq!((shrunk.faults.len(), shrunk.runs, shrunk.panic.as_str()), (0, 2, "always"));
}

#[test]
fn seeds_are_searched_until_one_fails_and_the_list_repeats_it() {
    let seeds = Cell::new(0);
    let chaos = Chaos::new().with(Fault::delay(MS).chance(0.5)).with(Fault::violation(Violation::Lose).chance(0.003));
    let test = |chaos: Chaos| {
        seeds.set(seeds.get() + 1);
        assert_eq!(arrived(chaos).len(), 60);
    };
    let panic = catch_unwind(AssertUnwindSafe(|| explore(0..200, chaos.clone(), test))).expect_err("one of them fails");
    let told = panic.downcast::<String>().unwrap();
    assert!(seeds.get() > 3, "the first seeds pass");
    assert!(told.contains("1 of ") && told.contains("lost without a reason"), "{told}");
    let seed: u64 = told.split("Chaos::seed(").nth(1).unwrap().split(')').next().unwrap().parse().unwrap();
    assert_eq!(arrived(chaos.seed(seed)).len(), 59, "{told}");
}
