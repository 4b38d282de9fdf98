//! The application: four services that know each other only by subject.
//!
//! | service | listens to | does |
//! |---|---|---|
//! | stock | `stock.reserve`, asked | takes from the shelf, or says that there is not enough |
//! | orders | `orders.place`, asked | asks stock, puts the order on `orders.accepted`, answers with its number |
//! | packers | `orders.accepted`, three threads in the queue group `packers` | pack it and say so on `orders.packed.NUMBER` |
//! | invoices | `orders.packed.*` | write an invoice to `invoices.NUMBER` |
//!
//! It takes a bus and knows nothing of tests.
#![allow(unreachable_pub, dead_code, reason = "the example uses one part of it, its tests another")]

use postroom::{Bus, ConnectOptions, Message, RequestError, Subscriber};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long stock may take for an answer, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 3;

const PACKERS: usize = 3;

/// How invoices treats an order that it is told of again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invoicing {
    /// As if it were new: the customer pays twice.
    Naive,
    /// It has an invoice already.
    Once,
}

/// An open shop. Dropping it closes the bus and waits for the services to end.
pub struct Shop {
    bus: Bus,
    threads: Vec<JoinHandle<()>>,
}

type Any = Box<dyn std::error::Error>;

impl Shop {
    /// Opens with this on the shelf.
    pub fn open(bus: &Bus, shelf: &[(&str, u64)], invoicing: Invoicing) -> Result<Shop, Any> {
        let mut shop = Shop { bus: bus.clone(), threads: Vec::new() };
        shop.stock(shelf)?;
        shop.open_without_stock(invoicing)?;
        Ok(shop)
    }

    /// Opens while somebody else keeps the stock.
    pub fn open_with_stock_elsewhere(bus: &Bus, invoicing: Invoicing) -> Result<Shop, Any> {
        let mut shop = Shop { bus: bus.clone(), threads: Vec::new() };
        shop.open_without_stock(invoicing)?;
        Ok(shop)
    }

    fn open_without_stock(&mut self, invoicing: Invoicing) -> Result<(), Any> {
        self.orders()?;
        self.packers()?;
        self.invoices(invoicing)
    }

    fn serve(&mut self, name: &str, questions: Subscriber, mut handle: impl FnMut(Message) + Send + 'static) {
        let thread = thread::Builder::new().name(name.to_owned());
        let run = move || {
            for question in &questions {
                handle(question);
            }
        };
        self.threads.push(thread.spawn(run).expect("the system has room for a thread"));
    }

    fn stock(&mut self, shelf: &[(&str, u64)]) -> Result<(), Any> {
        let client = self.bus.connect_with(ConnectOptions::new().name("stock"));
        let mut shelf: BTreeMap<String, u64> = shelf.iter().map(|(item, count)| (item.to_string(), *count)).collect();
        self.serve("stock", client.subscribe("stock.reserve")?, move |question| {
            let wanted = read(&question);
            let (item, count) = (wanted["item"].as_str().unwrap_or_default(), wanted["count"].as_u64().unwrap_or(0));
            let left = shelf.get_mut(item).filter(|left| **left >= count);
            let reserved = left.map(|left| *left -= count).is_some();
            respond(&question, json!({ "reserved": reserved }));
        });
        Ok(())
    }

    fn orders(&mut self) -> Result<(), Any> {
        // Stock may start later than we do: then its answer is late, and we ask again.
        let client = self.bus.connect_with(ConnectOptions::new().name("orders").no_responders(false));
        let mut number = 0;
        let questions = client.subscribe("orders.place")?;
        self.serve("orders", questions, move |question| {
            let order = read(&question);
            let reserved = (0..ATTEMPTS).find_map(|_| {
                match client.request_timeout("stock.reserve", order.to_string(), PATIENCE) {
                    Ok(answer) => Some(Ok(read(&answer)["reserved"] == true)),
                    Err(RequestError::Timeout { .. }) => None,
                    Err(error) => Some(Err(error.to_string())),
                }
            });
            match reserved.unwrap_or_else(|| Err("stock does not answer".into())) {
                Ok(true) => {
                    number += 1;
                    let accepted = json!({ "number": number, "order": order });
                    if let Err(error) = client.publish("orders.accepted", accepted.to_string()) {
                        return respond(&question, json!({ "error": error.to_string() }));
                    }
                    respond(&question, json!({ "number": number }));
                }
                Ok(false) => respond(&question, json!({ "error": "out of stock" })),
                Err(error) => respond(&question, json!({ "error": error })),
            }
        });
        Ok(())
    }

    fn packers(&mut self) -> Result<(), Any> {
        for packer in 1..=PACKERS {
            let name = format!("packer {packer}");
            let client = self.bus.connect_with(ConnectOptions::new().name(&name));
            let orders = client.queue_subscribe("orders.accepted", "packers")?;
            self.serve(&name, orders, move |order| {
                let subject = format!("orders.packed.{}", read(&order)["number"]);
                // Only fails when the shop closes.
                let _ = client.publish(subject, order.payload_bytes());
            });
        }
        Ok(())
    }

    fn invoices(&mut self, invoicing: Invoicing) -> Result<(), Any> {
        let client = self.bus.connect_with(ConnectOptions::new().name("invoices"));
        let mut written = HashSet::new();
        self.serve("invoices", client.subscribe("orders.packed.*")?, move |packed| {
            let order = read(&packed);
            let number = order["number"].as_u64().unwrap_or(0);
            let is_new = written.insert(number);
            if is_new || invoicing == Invoicing::Naive {
                let invoice = json!({ "number": number, "order": order["order"] });
                // Only fails when the shop closes.
                let _ = client.publish(format!("invoices.{number}"), invoice.to_string());
            }
        });
        Ok(())
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.bus.close();
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            if !thread::panicking() {
                ended.expect("a service panicked");
            }
        }
    }
}

/// A text that is not JSON is null, and lacks every field.
fn read(message: &Message) -> Value {
    serde_json::from_slice(message.payload()).unwrap_or_default()
}

/// Nobody may wait for the answer any more.
fn respond(question: &Message, answer: Value) {
    let _ = question.respond(answer.to_string());
}
