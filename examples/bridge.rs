//! Growing out of one process: an application on a bus is bridged to a real NATS server, and one of its components moves to another
//! process while messages flow. Nothing is lost, nothing comes twice, and no component has a line that knows of it.
//!
//! `cargo run -p postroom-nats-tests --example bridge`. Needs nats-server 2.15.1: on the PATH, named by `NATS_SERVER`, or to be had by pip.

use postroom::bridge::Rule;
use postroom::{Bridge, Bus, Subscriber};
use postroom_nats_tests::nats_server::NatsServer;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

type Failure = Box<dyn std::error::Error>;

/// Orders that each of the two processes is to price before the next step.
const ENOUGH: usize = 5_000;

/// Orders that may wait for their price.
const OPEN_MAX: usize = 500;

const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [role, url] if role == "pricing" => elsewhere(url),
        _ => here(),
    }
}

/// A component: puts prices on orders, as a member of a queue group. `place` is only for the report.
struct Pricing {
    orders: Arc<Subscriber>,
    work: JoinHandle<usize>,
}

impl Pricing {
    fn start(bus: &Bus, place: &'static str) -> Result<Self, Failure> {
        let client = bus.connect();
        let orders = Arc::new(client.queue_subscribe("orders.new", "pricing")?);
        let incoming = orders.clone();
        let work = thread::spawn(move || {
            let mut priced = 0;
            for order in incoming.iter() {
                let order = order.payload_str().expect("a number");
                client.publish("orders.priced", format!("{order} {place}")).expect("the bus is open");
                priced += 1;
            }
            priced
        });
        Ok(Pricing { orders, work })
    }

    /// Finishes what it has got, and nothing more comes. Gives back how many orders it priced.
    fn finish(self) -> usize {
        self.orders.drain().wait();
        self.work.join().expect("it ended well")
    }
}

/// A component: places orders and waits for their prices.
struct Customer {
    client: postroom::Client,
    prices: Subscriber,
    placed: usize,
    /// How often each order came back with a price.
    priced: Vec<u32>,
    /// By place: how many orders were priced there, and the last of them.
    places: HashMap<String, (usize, usize)>,
}

impl Customer {
    fn new(bus: &Bus) -> Result<Self, Failure> {
        let client = bus.connect();
        let prices = client.subscribe("orders.priced")?;
        Ok(Customer { client, prices, placed: 0, priced: Vec::new(), places: HashMap::new() })
    }

    /// Places orders, and takes their prices, until this is so.
    fn go_on_until(&mut self, is_so: impl Fn(&Self) -> bool) -> Result<(), Failure> {
        while !is_so(self) {
            self.client.publish("orders.new", self.placed.to_string())?;
            self.placed += 1;
            self.priced.push(0);
            if self.open() >= OPEN_MAX {
                self.take()?;
            }
        }
        Ok(())
    }

    fn until_all_are_priced(&mut self) -> Result<(), Failure> {
        while self.open() > 0 {
            self.take()?;
        }
        Ok(())
    }

    fn take(&mut self) -> Result<(), Failure> {
        let price = self.prices.recv_timeout(PATIENCE)?;
        let (order, place) = price.payload_str()?.split_once(' ').ok_or("a price has two words")?;
        let order: usize = order.parse()?;
        self.priced[order] += 1;
        let (count, last) = self.places.entry(place.to_owned()).or_insert((0, order));
        assert!(*count == 0 || order > *last, "order {order} came back from {place} behind {last}");
        (*count, *last) = (*count + 1, order);
        Ok(())
    }

    fn open(&self) -> usize {
        self.placed - self.places.values().map(|(count, _)| count).sum::<usize>()
    }

    fn priced_by(&self, place: &str) -> usize {
        self.places.get(place).map_or(0, |(count, _)| *count)
    }
}

/// The process in which all began.
fn here() -> Result<(), Failure> {
    let bus = Bus::new();
    let mut customer = Customer::new(&bus)?;
    let pricing = Pricing::start(&bus, "here")?;
    customer.go_on_until(|so_far| so_far.priced_by("here") >= ENOUGH)?;

    // The bus gets a way to the server. As long as somebody here prices orders, none of them takes it.
    let server = NatsServer::start("");
    let bridge = Bridge::builder(&bus)
        .server(server.url())
        .export(Rule::new("orders.new")?.queue("pricing"))
        .import("orders.priced")
        .require_connected(PATIENCE)
        .start()?;
    customer.go_on_until(|so_far| so_far.priced_by("here") >= 2 * ENOUGH)?;
    assert_eq!(bridge.stats().outgoing.taken, 0, "local members are preferred");

    // The same component in another process. When it says so, it is reached by way of the server.
    let mut other = Command::new(std::env::current_exe()?)
        .args(["pricing", &server.url()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = BufReader::new(other.stdout.take().ok_or("it is piped")?).lines();
    let ready = thread::spawn(move || (said.next(), said));
    customer.go_on_until(|_| ready.is_finished())?;
    let (word, mut said) = ready.join().expect("it only reads");
    assert_eq!(word.ok_or("it ended")??, "ready");

    // Here it ends, and the next order goes there. The customer does not wait for that.
    let leaving = thread::spawn(move || pricing.finish());
    customer.go_on_until(|so_far| so_far.priced_by("there") >= ENOUGH)?;
    let priced_here = leaving.join().expect("it ended well");
    customer.until_all_are_priced()?;

    // A message still on its way, if one came twice, is here after this.
    drop(other.stdin.take());
    let priced_there: usize = said.next().ok_or("it ended")??.parse()?;
    assert!(other.wait()?.success());
    bridge.drain(PATIENCE).wait()?;
    let stats = bridge.stats();
    assert!(customer.prices.is_empty(), "more prices than orders");
    assert!(customer.priced.iter().all(|times| *times == 1), "each order has one price");
    assert_eq!(priced_here + priced_there, customer.placed);
    assert_eq!((stats.outgoing.delivered, stats.incoming.delivered), (priced_there as u64, priced_there as u64));
    println!("{} orders, each priced once: {priced_here} here, {priced_there} in the other process", customer.placed);
    println!("across the bridge: {} out, {} in, lost {}", priced_there, priced_there, stats.outgoing.lost.total());
    Ok(())
}

/// The other process: a bus of its own, the same component, and a bridge to the same server.
fn elsewhere(url: &str) -> Result<(), Failure> {
    let bus = Bus::new();
    let pricing = Pricing::start(&bus, "there")?;
    let bridge = Bridge::builder(&bus)
        .server(url)
        .import(Rule::new("orders.new")?.queue("pricing"))
        .export("orders.priced")
        .require_connected(PATIENCE)
        .start()?;
    bridge.flush(PATIENCE).wait()?;
    println!("ready");
    // Until the first process has closed the pipe.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    let priced = pricing.finish();
    bridge.drain(PATIENCE).wait()?;
    println!("{priced}");
    Ok(())
}
