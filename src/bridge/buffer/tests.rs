use super::*;

#[derive(Debug)]
struct Text(String);

impl Item for Text {
    fn subject(&self) -> &str {
        &self.0
    }

    fn size(&self) -> usize {
        10
    }
}

fn buffer(messages: usize, overflow: OverflowPolicy) -> Buffer<Text> {
    Buffer::new(Direction::Outgoing, Bounds { messages, bytes: 1 << 20, overflow }, Clock::system())
}

fn barrier(buffer: &Buffer<Text>) -> oneshot::Receiver<Result<(), u64>> {
    let (done, waiter) = oneshot::channel();
    assert!(buffer.barrier(Barrier { done, is_told: true }));
    waiter
}

fn push(buffer: &Buffer<Text>, subject: &str) -> Pushed {
    buffer.push(&Text(subject.to_owned()), || Text(subject.to_owned()), false)
}

#[test]
fn an_evicted_message_takes_all_its_bytes_along() {
    let buffer = buffer(2, OverflowPolicy::DropOldest);
    let long = "s".repeat(100);
    for _ in 0..10 {
        assert_eq!(push(&buffer, &long), Pushed::Taken);
    }
    let flow = buffer.flow();
    assert_eq!((flow.queued, flow.queued_bytes, flow.lost.of(LossReason::Oldest)), (2, 2 * 110, 8));
}

#[test]
fn barriers_without_a_waiter_do_not_add_up() {
    let buffer = buffer(2, OverflowPolicy::DropOldest);
    let slots = || buffer.inner.lock().slots.len();
    for _ in 0..1_000 {
        drop(barrier(&buffer));
    }
    assert!(slots() <= 2, "{}", slots());
    for n in 0..1_000 {
        push(&buffer, &n.to_string());
        drop(barrier(&buffer));
    }
    assert!(slots() <= 6, "{}", slots());
    let waiters: Vec<_> = (0..100).map(|_| barrier(&buffer)).collect();
    assert!(slots() >= 100, "{}", slots());
    drop(waiters);
}
