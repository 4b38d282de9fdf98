//! The faults that a JetStream server, or the network to it, may cause: what a program sees of each.

use super::{House, SECOND, take, worker};
use postroom::TestKit;
use postroom::jetstream::context::AckKind;
use postroom::jetstream::{ConsumerConfig, MessagesError, PublishOptions};
use postroom::testkit::{Chaos, DeliveryState, Fault, shrink};
use std::time::Duration;

fn house(fault: Fault) -> House {
    House::of(TestKit::builder().seed(1).chaos(Chaos::new().with(fault)))
}

fn permitted(house: &House) -> Vec<&'static str> {
    house.kit.faults().iter().map(|fault| fault.permitted_by).collect()
}

/// JS49: who tries again with the same id has its message stored once, and hears that it was.
#[test]
fn a_publisher_whose_acknowledgement_is_lost_tries_again() {
    let house = house(Fault::lost_answer().on("orders.>").times(1));
    house.orders();
    let once = || PublishOptions::new().message_id("1").timeout(SECOND);
    let lost = house.js.publish_with("orders.eu", "", once());
    let auto = house.kit.auto_advance();
    assert!(lost.wait().unwrap_err().is_timeout());
    drop(auto);
    let again = house.js.publish_with("orders.eu", "", once()).wait().unwrap();
    assert_eq!((again.sequence, again.duplicate), (1, true));
    let stream = house.kit.streams().get("ORDERS").unwrap();
    assert_eq!((stream.stored, stream.message(1).unwrap().duplicates), (1, 1));
}

/// JC112: a lost acknowledgement is one that was not sent; a double one is noticed.
#[test]
fn a_lost_acknowledgement_lets_the_message_come_again() {
    let house = house(Fault::lost_ack().on("$JS.ACK.ORDERS.worker.>").times(2));
    let pull = worker(&house.orders(), ConsumerConfig::pull("worker").ack_wait(SECOND * 30));
    house.publish("orders.eu");
    take(&pull, 1)[0].ack().unwrap();
    assert_eq!(take(&pull, 1).len(), 0);
    house.kit.advance(SECOND * 30);
    let second = take(&pull, 1);
    assert_eq!(second[0].info().unwrap().delivered, 2);
    let auto = house.kit.auto_advance();
    assert!(second[0].double_ack_with(&AckKind::Ack).wait().unwrap_err().is_timeout());
    drop(auto);
    second[0].double_ack().wait().unwrap();
    house.kit.streams().none_pending(">");
    assert_eq!(permitted(&house), ["C18, JC112", "C18, JC112"]);
}

/// JC112: a redelivery comes no sooner than it was asked for, and may come later, behind what is newer.
#[test]
fn a_redelivery_may_be_late() {
    let house = house(Fault::late_redelivery(SECOND * 7).on("orders.eu"));
    let config = ConsumerConfig::push("c", "deliver").ack_wait(SECOND * 10).max_deliver(2);
    worker(&house.orders(), config);
    let deliveries = house.kit.client().subscribe("deliver").unwrap();
    house.publish("orders.eu");
    house.kit.advance(SECOND * 10);
    house.publish("orders.us");
    assert_eq!(deliveries.len(), 2);
    house.kit.advance(SECOND * 7 - Duration::from_nanos(1));
    assert_eq!(deliveries.len(), 2);
    house.kit.advance(Duration::from_nanos(1));
    let subjects: Vec<String> = deliveries.try_iter().map(|message| message.subject().to_string()).collect();
    assert_eq!(subjects, ["orders.eu", "orders.us", "orders.eu"]);
    assert_eq!(permitted(&house), ["JC112"]);
}

/// JC76: the reader hears that its consumer was deleted.
#[test]
fn a_consumer_is_deleted_under_its_reader() {
    let house = house(Fault::consumer_deleted().on("$JS.API.CONSUMER.MSG.NEXT.ORDERS.worker").times(1));
    let orders = house.orders();
    let pull = worker(&orders, ConsumerConfig::pull("worker"));
    let error = pull.messages().unwrap().recv().unwrap().unwrap_err();
    assert!(error.is_consumer_gone() && matches!(error, MessagesError::Status { .. }), "{error}");
    assert!(orders.get_consumer("worker").wait().unwrap_err().is_not_found());
    // In order, it heals.
    let healing = Fault::consumer_deleted().on("$JS.API.CONSUMER.MSG.NEXT.ORDERS.*").times(2);
    house.kit.inject(healing);
    house.publish("orders.eu");
    let mut lines = orders.ordered_pull(ConsumerConfig::ephemeral()).unwrap();
    assert_eq!(lines.recv().unwrap().unwrap().info().unwrap().stream_sequence, 1);
    house.publish("orders.eu");
    assert_eq!(lines.recv().unwrap().unwrap().info().unwrap().stream_sequence, 2);
    assert_eq!(permitted(&house), ["JC76"; 3]);
}

/// JC2, JC130: an ephemeral consumer that was not used in time is not there any more.
#[test]
fn an_ephemeral_consumer_is_gone() {
    let house = house(Fault::consumer_gone().times(1));
    let pull = worker(&house.orders(), ConsumerConfig::ephemeral());
    let batch = pull.fetch(1).messages().recv().unwrap();
    assert_eq!(batch.unwrap_err(), MessagesError::NoResponders);
    let stream = house.kit.streams().get("ORDERS").unwrap();
    assert!(stream.consumers[0].is_deleted);
    assert_eq!(permitted(&house), ["JC2, JC130"]);
}

/// JC76, R2: moments of 409 and 503, after which all is as before.
#[test]
fn moments_of_409_and_503_pass() {
    let house = house(Fault::pull_ended().times(1));
    let pull = worker(&house.orders(), ConsumerConfig::pull("worker"));
    house.publish("orders.eu");
    let error = pull.fetch(5).messages().recv().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "409 Server Shutdown");
    // An endless flow asks again.
    house.kit.inject(Fault::pull_ended().times(3));
    let mut flow = pull.messages().unwrap();
    flow.recv().unwrap().unwrap().ack().unwrap();
    house.kit.inject(Fault::no_responders().on("orders.>").times(1));
    assert!(house.js.publish("orders.eu", "").wait().unwrap_err().is_no_responders());
    house.publish("orders.eu");
    house.kit.inject(Fault::no_responders().on("$JS.API.CONSUMER.MSG.NEXT.>").times(1));
    assert_eq!(pull.fetch(1).messages().recv().unwrap().unwrap_err(), MessagesError::NoResponders);
    assert_eq!(permitted(&house), ["JC76", "JC76", "JC76", "JC76", "R2", "R2"]);
}

/// A failing run is shrunk to the one fault that it takes: a worker that does its work twice.
#[test]
fn a_run_with_jetstream_is_shrunk() {
    let test = |chaos: Chaos| {
        let house = House::of(TestKit::builder().chaos(chaos));
        let pull = worker(&house.orders(), ConsumerConfig::pull("worker").ack_wait(SECOND));
        let mut done = 0;
        for _ in 0..20 {
            house.publish("orders.eu");
            for message in take(&pull, 5) {
                done += 1;
                message.ack().unwrap();
            }
            house.kit.advance(SECOND);
        }
        assert_eq!(done, 20, "each order is worked on once");
    };
    let chaos = Chaos::new()
        .with(Fault::lost_ack().chance(0.2))
        .with(Fault::late_redelivery(SECOND).chance(0.2))
        .with(Fault::no_responders().on("nowhere"));
    let shrunk = shrink(chaos.seed(1), test).expect("an acknowledgement is lost");
    assert!(shrunk.before > 1 && shrunk.faults.len() == 1, "{shrunk}");
    assert!(shrunk.to_string().contains("acknowledgement lost"), "{shrunk}");
}

/// What a message met stands in the record of the stream.
#[test]
fn records_show_what_a_fault_did() {
    let house = house(Fault::lost_ack());
    let pull = worker(&house.orders(), ConsumerConfig::pull("worker").ack_wait(SECOND).max_deliver(2));
    let dead = house.kit.streams().expect_dead("orders.eu").deliveries(2);
    house.publish("orders.eu");
    for _ in 0..3 {
        take(&pull, 1).iter().for_each(|message| message.ack().unwrap());
        house.kit.advance(SECOND);
    }
    dead.verify();
    let stream = house.kit.streams().get("ORDERS").unwrap();
    assert_eq!(stream.message(1).unwrap().for_consumer("worker").unwrap().state, DeliveryState::Exhausted);
}
