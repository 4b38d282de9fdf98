//! Callbacks run one after the other on the thread that published, in the order of the publishes.
//!
//! A callback may publish, and what it publishes may lead to callbacks again. If those ran at once, a subscriber could be called with
//! the later message before the earlier one, which still waits for its turn further down the stack (G3). So callbacks that come up
//! while one runs are put in a queue of the thread, and run when it has returned, or when it begins to wait for something
//! through the bus: an answer, a message, room in a queue. The stack therefore does not grow with the length of a chain.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Poll;

/// The callbacks of one publish: one allocation for all of them.
pub(crate) trait Tasks {
    /// How many have not been begun.
    fn left(&self) -> usize;

    /// Begins the next one, if there is one. It may lead here again before it returns.
    fn run_next(&self);
}

enum Task {
    One(Box<dyn FnOnce()>),
    /// In the queue as long as some have not been begun.
    Several(Rc<dyn Tasks>),
}

#[derive(Default)]
struct DueCallbacks {
    waiting: VecDeque<Task>,
    /// A task runs further down the stack.
    active: bool,
}

#[cfg(not(postroom_shuttle))]
thread_local! {
    static DUE: RefCell<DueCallbacks> = const { RefCell::new(DueCallbacks { waiting: VecDeque::new(), active: false }) };
}

#[cfg(postroom_shuttle)]
shuttle::thread_local! {
    static DUE: RefCell<DueCallbacks> = RefCell::new(DueCallbacks::default());
}

fn with<R>(f: impl FnOnce(&mut DueCallbacks) -> R) -> Option<R> {
    // `None` once the thread is ending and its storage is gone: then callbacks run at once, in their order.
    DUE.try_with(|due| f(&mut due.borrow_mut())).ok()
}

/// Becomes inactive also when a task panics.
struct Active;

impl Drop for Active {
    fn drop(&mut self) {
        with(|due| due.active = false);
    }
}

/// Runs `now` at once, or, if a task is running on this thread, what `later` makes of it after those that wait already.
///
/// Two forms of the same task: what runs at once may borrow.
pub(crate) fn run_one<T: FnOnce() + 'static>(now: impl FnOnce(), later: impl FnOnce() -> T) {
    match with(|due| std::mem::replace(&mut due.active, true)) {
        Some(true) => {
            let task = Task::One(Box::new(later()));
            with(|due| due.waiting.push_back(task));
        }
        Some(false) => {
            let _active = Active;
            now();
            run_waiting();
        }
        None => now(),
    }
}

/// Runs the tasks one after the other, likewise.
pub(crate) fn run_all(tasks: Rc<dyn Tasks>) {
    match with(|due| std::mem::replace(&mut due.active, true)) {
        Some(was_active) => {
            with(|due| due.waiting.push_back(Task::Several(tasks)));
            if !was_active {
                let _active = Active;
                run_waiting();
            }
        }
        None => (0..tasks.left()).for_each(|_| tasks.run_next()),
    }
}

/// Runs what waits for its turn on this thread; true if there was something. To be called before a thread sleeps.
pub(crate) fn run_waiting() -> bool {
    let mut any = false;
    while let Some(task) = with(next).flatten() {
        match task {
            Task::One(task) => task(),
            Task::Several(tasks) => tasks.run_next(),
        }
        any = true;
    }
    any
}

/// Whether something waits for its turn on this thread.
pub(crate) fn has_waiting() -> bool {
    with(|due| !due.waiting.is_empty()).unwrap_or(false)
}

/// Polls, and runs what waits for its turn on this thread before it gives up: a task that is polled inside a callback waits through the bus
/// as much as a thread that blocks there.
pub(crate) fn poll<T>(mut poll: impl FnMut() -> Poll<T>) -> Poll<T> {
    loop {
        let found = poll();
        if found.is_ready() || !run_waiting() {
            return found;
        }
    }
}

fn next(due: &mut DueCallbacks) -> Option<Task> {
    match due.waiting.front()? {
        Task::Several(tasks) if tasks.left() > 1 => Some(Task::Several(tasks.clone())),
        _ => due.waiting.pop_front(),
    }
}

#[cfg(all(test, not(postroom_shuttle)))]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn tasks_that_come_up_run_after_those_that_were_there() {
        let log = Rc::new(RefCell::new(Vec::new()));
        let note = |n: u32| {
            let log = log.clone();
            move || log.borrow_mut().push(n)
        };
        let (first, nested, second) = (note(1), note(3), note(2));
        run_all(Listed::new([
            Box::new(move || {
                first();
                run_one(|| unreachable!("a task is running"), || nested);
            }),
            Box::new(second),
        ]));
        assert_eq!(*log.borrow(), [1, 2, 3]);
    }

    #[test]
    fn tasks_of_the_same_publish_run_while_one_of_them_waits() {
        let log = Rc::new(RefCell::new(Vec::new()));
        let note = |n: u32| {
            let log = log.clone();
            move || log.borrow_mut().push(n)
        };
        let (begins, ends, second, third) = (note(1), note(4), note(2), note(3));
        run_all(Listed::new([
            Box::new(move || {
                begins();
                assert!(run_waiting());
                assert!(!run_waiting());
                ends();
            }),
            Box::new(second),
            Box::new(third),
        ]));
        assert_eq!(*log.borrow(), [1, 2, 3, 4]);
        assert!(!run_waiting());
    }

    struct Listed(RefCell<VecDeque<Box<dyn FnOnce()>>>);

    impl Listed {
        fn new<const N: usize>(tasks: [Box<dyn FnOnce()>; N]) -> Rc<Self> {
            Rc::new(Listed(RefCell::new(tasks.into())))
        }
    }

    impl Tasks for Listed {
        fn left(&self) -> usize {
            self.0.borrow().len()
        }

        fn run_next(&self) {
            let task = self.0.borrow_mut().pop_front();
            if let Some(task) = task {
                task();
            }
        }
    }
}
