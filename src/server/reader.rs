//! The reader of a connection: reads, and does what the client asks, until the connection ends.

use super::batch::{Batch, HOOKS};
use super::check::Checking;
use super::connection::Connection;
use super::handler::ClientSession;
use super::outbound::stalled;
use super::registry::Registry;
use crate::protocol::{DisconnectReason, Session};
use crate::{Bus, blocking};
use bytes::{BufMut, BytesMut};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::yield_now;

/// The bytes that a connection reads at once: little at first, more while reads fill the buffer.
const READ_MIN: usize = 512;
const READ_MAX: usize = 64 << 10;

/// How long, in real time, a publisher waits for a slow connection: longer once that is over its bound (L3).
const STALL: Duration = Duration::from_millis(5);

/// Reads, and does what the client asks, until the connection ends.
pub(super) async fn read(
    mut reader: impl AsyncRead + Unpin,
    mut session: Session,
    mut handler: ClientSession,
    registry: &Arc<Registry>,
    connection: &Arc<Connection>,
) {
    let bus = &registry.bus;
    let mut input = BytesMut::new();
    let mut at_once = READ_MIN;
    let mut timer = pin!(bus.sleep(Duration::ZERO));
    let mut timer_is_for = None;
    let mut checking = Checking::default();
    // The input has ended, but not what is to be done of it.
    let mut at_end = false;
    let reason = loop {
        if session.poll_timeout() != timer_is_for {
            timer_is_for = session.poll_timeout();
            let now = bus.clock().now();
            timer.set(bus.sleep(timer_is_for.map_or(Duration::ZERO, |at| at.saturating_sub(now))));
        }
        let paused = handler.is_paused();
        let on_hold = checking.is_on();
        let reads = if on_hold { !at_end && input.len() < READ_MAX } else { !paused };
        let room = if paused && !on_hold { 0 } else { session.reserve(&mut input, at_once) };
        let mut within = (&mut input).limit(room);
        let mut more = false;
        let result = tokio::select! {
            biased;
            () = connection.attention.notified() => {
                session.reconfigure(registry.session_limits());
                if !checking.is_on() {
                    begin_check(&mut checking, registry, connection);
                }
                connection.close_reason().map_or(Ok(()), Err)
            }
            () = &mut timer, if timer_is_for.is_some() => {
                timer_is_for = None;
                session.handle_timeout(bus.clock().now(), &mut handler)
            }
            () = yield_now(), if paused && !on_hold => work(&mut session, &mut input, &mut handler, bus),
            checked = checking.outcome(), if on_hold => {
                at_end = false;
                connection.state.lock().checked = Some(checked);
                if !session.is_waiting() {
                    handler.recognise_again();
                    begin_check(&mut checking, registry, connection);
                }
                match connection.close_reason() {
                    Some(reason) => Err(reason),
                    None if checking.is_on() => Ok(()),
                    None => work(&mut session, &mut input, &mut handler, bus),
                }
            }
            // During a check, this read only sees the end of a client that waits for nothing else.
            read = reader.read_buf(&mut within), if reads => match read {
                Ok(0) if on_hold && asks_for_more(session.rest(&input)) => {
                    at_end = true;
                    Ok(())
                }
                Ok(0) => Err(DisconnectReason::ClientClosed),
                Err(_) => Err(DisconnectReason::ReadError),
                Ok(_) if on_hold => Ok(()),
                Ok(count) => {
                    more = count >= room.min(at_once);
                    if count >= at_once {
                        at_once = (at_once * 2).min(READ_MAX);
                    } else if count < at_once / 4 {
                        at_once = (at_once / 2).max(READ_MIN);
                    }
                    work(&mut session, &mut input, &mut handler, bus)
                }
            },
        };
        connection.traffic.note(&session);
        handler.settle_subscriptions().await;
        if let Err(reason) = result {
            break reason;
        }
        if connection.out.has_ended() {
            // Had another reason been given, that would be the first.
            break connection.close_reason().unwrap_or(DisconnectReason::SlowConsumerPendingBytes);
        }
        if session.is_waiting() && !checking.is_on() {
            begin_check(&mut checking, registry, connection);
        }
        if let Some(slow) = stalled() {
            // A publisher that is faster than its readers is slowed down, for a moment only (L3).
            tokio::select! {
                () = slow.unstalled() => {}
                () = registry.bus.sleep_real(STALL) => {}
                () = connection.attention.notified() => connection.nudge(),
            }
        }
        if more && !handler.is_paused() {
            // The writers that were woken wait for this thread, and can't be taken over by another.
            yield_now().await;
        }
    };
    connection.close_in_turns(reason).await;
}

/// A slice of what the client asks for.
fn work(
    session: &mut Session,
    input: &mut BytesMut,
    handler: &mut ClientSession,
    bus: &Bus,
) -> Result<(), DisconnectReason> {
    let _batch = Batch::begin();
    // Clears the mark of earlier deliveries by this thread: they do not count here.
    let _ = stalled();
    let now = bus.clock().now();
    handler.begin_slice(now);
    blocking::with_hooks(&HOOKS, || session.handle_input(input, now, handler))
}

/// Begins what the connection is to have compared, if there is something.
fn begin_check(checking: &mut Checking, registry: &Registry, connection: &Connection) {
    let Some(check) = connection.state.lock().to_check.take() else { return };
    let name = || format!("the server, which checks the password of wire connection {},", connection.cid);
    let hold = registry.bus.activity().map(|activity| activity.hold(name()));
    checking.begin(check, registry.checks.clone(), hold);
}

/// Whether there is anything in the input but PING and PONG, which mean nothing to a client that has gone.
fn asks_for_more(input: &[u8]) -> bool {
    let is_idle = |line: &[u8]| [&b""[..], b"PING", b"PONG"].iter().any(|idle| line.eq_ignore_ascii_case(idle));
    !input.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).all(is_idle)
}
