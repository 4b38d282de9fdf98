//! The same handles in tasks, on any executor, here tokio: `cargo run --example async`.

use postroom::{Bus, OverflowPolicy, RequestError, SubscribeOptions};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::new();
    let client = bus.connect();

    // A service in a task. It ends when the client is drained.
    let questions = client.subscribe("square")?;
    let service = tokio::spawn(async move {
        let mut answered = 0;
        while let Ok(question) = questions.recv_async().await {
            let n: u64 = question.payload_str().unwrap().parse().unwrap();
            question.respond((n * n).to_string()).unwrap();
            answered += 1;
        }
        answered
    });
    assert_eq!(client.request_async("square", "12").await?.payload(), b"144");
    // No runtime's timer is needed for the deadline, and none is waited for where nobody answers.
    let nobody = client.request_timeout_async("cube", "12", Duration::from_secs(60)).await;
    assert!(nobody.is_err_and(|error: RequestError| error.is_no_responders()));

    // A full queue suspends the publishing task and blocks no thread: here one thread runs both sides.
    let one_at_a_time = SubscribeOptions::new().capacity(1).overflow(OverflowPolicy::Block(Duration::from_secs(60)));
    let numbers = client.subscribe_with("numbers", one_at_a_time)?;
    let adder = tokio::spawn(async move {
        let mut sum = 0;
        while let Ok(number) = numbers.recv_async().await {
            sum += number.payload_str().unwrap().parse::<u64>().unwrap();
        }
        (sum, numbers.ledger().dropped.total())
    });
    for n in 1..=100 {
        assert_eq!(client.publish_async("numbers", n.to_string()).await?, 1);
    }

    client.drain().await;
    assert_eq!(adder.await?, (5050, 0));
    assert_eq!(service.await?, 1);
    println!("1 + 2 + … + 100 = 5050, and nothing was dropped");
    Ok(())
}
