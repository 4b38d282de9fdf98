//! The thread that empties a bridge's buffer towards its server.

use std::cell::Cell;

thread_local! {
    static IS_OWN: Cell<bool> = const { Cell::new(false) };
}

/// Makes this thread one that empties a bridge's buffer, until it ends.
pub(super) fn enter() {
    IS_OWN.set(true);
}

/// Whether this thread empties a bridge's buffer towards its server: it must not wait for room there, in its own nor in another's that may
/// wait for it.
pub(super) fn is_own() -> bool {
    IS_OWN.get()
}
