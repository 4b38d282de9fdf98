//! A real NATS client, unmodified, on a bus instead of a server: what a test of an application does.
//!
//! `cargo run -p postroom-nats-tests --example test_double`

use futures_util::StreamExt;
use postroom::{Bus, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // These three lines take the place of a server in a container.
    let bus = Bus::new();
    let server = Server::bind(&bus, "127.0.0.1:0")?;
    let url = server.url().expect("it listens");
    let client = async_nats::connect(&url).await?;

    // The application under test, which knows nothing but its NATS client.
    let mut orders = client.queue_subscribe("orders.*", "billing".into()).await?;
    let billing = client.clone();
    let application = tokio::spawn(async move {
        let order = orders.next().await.expect("an order");
        let invoice = format!("invoice for {}", String::from_utf8_lossy(&order.payload));
        billing.publish(order.reply.expect("somebody asks"), invoice.into()).await
    });
    client.flush().await?;

    // The test asks from inside the process.
    let tester = bus.connect();
    while !bus.has_interest("orders.eu") {
        tokio::task::yield_now().await;
    }
    let answer = tester.request_async("orders.eu", "42 letters").await?;
    assert_eq!(answer.payload_str()?, "invoice for 42 letters");
    application.await??;

    // Nobody listens: both kinds of clients are told at once.
    assert!(tester.request("weather", "").unwrap_err().is_no_responders());
    let error = client.request("weather", "".into()).await.unwrap_err();
    assert_eq!(error.kind(), async_nats::RequestErrorKind::NoResponders);

    println!("{} answered on {}", answer.payload_str()?, url);
    Ok(())
}
