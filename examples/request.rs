//! Requests: one answer, several answers, no answer: `cargo run --example request`.

use postroom::request::{RequestManyOptions, ResponsesEnd};
use postroom::{Bus, Clock};
use std::thread;
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = Clock::manual();
    let bus = Bus::builder().clock(&clock).build();
    let client = bus.connect();

    // A service on a thread of its own. It has its own connection: a client that drains asks nothing more.
    let shop = bus.connect();
    let questions = shop.subscribe("price.*")?;
    let service = thread::spawn(move || {
        for question in &questions {
            let price = match question.subject().tokens().next_back() {
                Some("tea") => "3.50",
                _ => "not for sale",
            };
            question.respond(price).expect("whoever asks is there");
        }
    });
    assert_eq!(client.request("price.tea", "")?.payload(), b"3.50");
    assert_eq!(client.request("price.rain", "")?.payload(), b"not for sale");

    // Nobody there: known at once, without waiting for a timeout.
    let error = client.request("weight.tea", "").unwrap_err();
    assert!(error.is_no_responders(), "{error}");

    // Somebody is there, but says nothing: the bus's clock decides when that is too long.
    let silent = client.subscribe("oracle")?;
    let error = thread::scope(|scope| {
        let asking = scope.spawn(|| client.request_timeout("oracle", "?", Duration::from_secs(3600)));
        clock.wait_for_timers(1);
        clock.advance(Duration::from_secs(3600));
        asking.join().unwrap().unwrap_err()
    });
    assert!(error.is_timeout(), "{error}");
    // An answer that comes too late is counted.
    silent.recv()?.respond("42")?;
    assert_eq!(client.stats().traffic.late_replies, 1);

    // Several answers to one request, until there are three.
    let _stores: Vec<_> = ["north", "south", "west"]
        .into_iter()
        .map(|name| client.subscribe_fn("stock.tea", move |question| _ = question.respond(name)))
        .collect::<Result<_, _>>()?;
    let mut answers = client.request_many("stock.tea", "", RequestManyOptions::new().max(3))?;
    let mut names: Vec<_> = answers.iter().map(|answer| answer.payload_str().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["north", "south", "west"]);
    assert_eq!(answers.end(), Some(ResponsesEnd::Max));

    shop.drain().wait();
    service.join().unwrap();
    println!("tea costs 3.50 and is in stock in the {}", names.join(", the "));
    Ok(())
}
