//! Messages beside other things in one `select!`: `cargo run --example channels_select`.

use crossbeam_channel::{bounded, select};
use postroom::Bus;
use std::thread;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bus = Bus::new();
    let client = bus.connect();

    // The bus puts messages into channels of ours; how much they hold is up to us.
    let (alarm_in, alarms) = bounded(16);
    let (reading_in, readings) = bounded(1_024);
    let alarm_guard = client.subscribe_channel("alarm.>", alarm_in)?;
    let reading_guard = client.subscribe_channel("reading.*", reading_in)?;
    // This one has nothing to do with the bus.
    let (stop, stopped) = bounded::<()>(1);

    let watcher = thread::spawn(move || {
        let (mut seen, mut raised) = (0, Vec::new());
        loop {
            select! {
                recv(alarms) -> alarm => raised.extend(alarm.map(|alarm| alarm.subject().to_string())),
                recv(readings) -> reading => seen += reading.is_ok() as u32,
                recv(stopped) -> _ => break,
            }
        }
        // Messages still in the channels are ours: for the bus they are delivered.
        raised.extend(alarms.try_iter().map(|alarm| alarm.subject().to_string()));
        (seen + readings.try_iter().count() as u32, raised)
    });

    for n in 0..500 {
        client.publish("reading.boiler", n.to_string())?;
    }
    assert_eq!(client.publish("alarm.boiler.hot", "90")?, 1);
    stop.send(())?;
    let (seen, raised) = watcher.join().unwrap();
    assert_eq!((seen, raised), (500, vec!["alarm.boiler.hot".to_owned()]));

    // The receiving ends are gone: the bus notices at the next message, and the subscription ends.
    assert_eq!(client.publish("alarm.boiler.hot", "95")?, 0);
    assert!(alarm_guard.close_reason().is_some());
    assert_eq!(reading_guard.ledger().delivered, 500);
    println!("{seen} readings and one alarm through one select!");
    Ok(())
}
