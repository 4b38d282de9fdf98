//! Callbacks run one after the other on the thread that published, in the order of the publishes.
//!
//! A callback may publish, and what it publishes may lead to callbacks again. If those ran at once, a subscriber could be called with
//! the later message before the earlier one, which still waits for its turn further down the stack (G3). So callbacks that come up
//! while one runs are put in a queue of the thread, and run when it has returned, or when it begins to wait for something
//! through the bus: an answer, a message, room in a queue. The stack therefore does not grow with the length of a chain.

use std::cell::RefCell;
use std::collections::VecDeque;

type Task = Box<dyn FnOnce()>;

#[derive(Default)]
struct Runner {
    waiting: VecDeque<Task>,
    /// A task runs further down the stack.
    active: bool,
}

#[cfg(not(postroom_shuttle))]
thread_local! {
    static RUNNER: RefCell<Runner> = const { RefCell::new(Runner { waiting: VecDeque::new(), active: false }) };
}

#[cfg(postroom_shuttle)]
shuttle::thread_local! {
    static RUNNER: RefCell<Runner> = RefCell::new(Runner::default());
}

fn with<R>(f: impl FnOnce(&mut Runner) -> R) -> Option<R> {
    // `None` once the thread is ending and its storage is gone: then callbacks run at once, in their order.
    RUNNER.try_with(|runner| f(&mut runner.borrow_mut())).ok()
}

/// Becomes inactive also when a task panics.
struct Active;

impl Drop for Active {
    fn drop(&mut self) {
        with(|runner| runner.active = false);
    }
}

/// Runs `now` at once, or, if a task is running on this thread, what `later` makes of it after those that wait already.
///
/// Two forms of the same task: what runs at once may borrow.
pub(crate) fn run_one<T: FnOnce() + 'static>(now: impl FnOnce(), later: impl FnOnce() -> T) {
    match with(|runner| std::mem::replace(&mut runner.active, true)) {
        Some(true) => {
            let task: Task = Box::new(later());
            with(|runner| runner.waiting.push_back(task));
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
pub(crate) fn run_all<T: FnOnce() + 'static>(tasks: impl Iterator<Item = T>) {
    let tasks: Vec<Task> = tasks.map(|task| Box::new(task) as Task).collect();
    match with(|runner| std::mem::replace(&mut runner.active, true)) {
        Some(was_active) => {
            with(|runner| runner.waiting.extend(tasks));
            if !was_active {
                let _active = Active;
                run_waiting();
            }
        }
        None => tasks.into_iter().for_each(|task| task()),
    }
}

/// Runs what waits for its turn on this thread; true if there was something. To be called before a thread sleeps.
pub(crate) fn run_waiting() -> bool {
    let mut any = false;
    while let Some(task) = with(|runner| runner.waiting.pop_front()).flatten() {
        task();
        any = true;
    }
    any
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
        let tasks: Vec<Task> = vec![
            Box::new(move || {
                first();
                run_one(|| unreachable!("a task is running"), || nested);
            }),
            Box::new(second),
        ];
        run_all(tasks.into_iter());
        assert_eq!(*log.borrow(), [1, 2, 3]);
    }
}
