//! The registry of the bridges of one process, and how messages are kept from going round.
//!
//! Three guards, each behind the one before:
//!
//! 1. A bridge does not get what it sent itself: no-echo, on the bus and on the server.
//! 2. Bridges of one bus that lead to the same server system know it (one has heard the other's probe on the server), and do not send
//!    there what came from there.
//! 3. While a bus has several bridges, what they send carries the bus's id in the header [`LOOP_HEADER`]; a message that comes back to a bus
//!    that it has passed is dropped. This holds over any number of hops.

use super::no_responders::NoResponderVotes;
use super::reply::Request;
use crate::HeaderMap;
use crate::id::ClientId;
use crate::sync::{Mutex, RwLock};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// The header with the ids of the buses that a message has passed, the last one last.
pub const LOOP_HEADER: &str = "Postroom-Via";

/// Ids that a message may carry; with more, it counts as one that goes round.
const HOPS_MAX: usize = 16;

/// The bridges of all buses of the process.
static BRIDGES: Mutex<Vec<Weak<Member>>> = Mutex::new(Vec::new());

static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// One bridge, as others of its bus know it. Leaves when it is dropped.
#[derive(Debug)]
pub(super) struct Member {
    /// Unique in the process.
    pub(super) number: u64,
    bus: u64,
    /// Its connection on the bus.
    client: ClientId,
    /// Shared by the bridges of the bus.
    votes: Arc<NoResponderVotes>,
    /// Connections on the bus of bridges that lead to the same system.
    //
    // ORDERING: `any` is Relaxed; it only saves the lock, and a bridge that links waits for nothing
    // else.
    same: RwLock<Vec<ClientId>>,
    any: AtomicBool,
    /// Whether the bus has other bridges: Relaxed for the same reason.
    several: AtomicBool,
}

impl Member {
    pub(super) fn join(bus: u64, client: ClientId) -> Arc<Self> {
        with_bridges(bus, |all, others| {
            let member = Arc::new(Member {
                number: NUMBERS.fetch_add(1, Ordering::Relaxed),
                bus,
                client,
                votes: others.first().map(|other| other.votes.clone()).unwrap_or_default(),
                same: RwLock::default(),
                any: AtomicBool::new(false),
                several: AtomicBool::new(!others.is_empty()),
            });
            others.iter().for_each(|other| other.several.store(true, Ordering::Relaxed));
            all.push(Arc::downgrade(&member));
            member
        })
    }

    /// The bridge has heard, on its server, of the bridge with this number: if that is one of the same bus, both lead to the same system.
    pub(super) fn heard_of(&self, number: u64) {
        with_bridges(self.bus, |_, bridges| {
            let other = bridges.iter().find(|other| other.number == number && other.number != self.number);
            if let Some(other) = other {
                self.link(other.client);
                other.link(self.client);
            }
        });
    }

    /// The connection to the server is gone: the knowledge of where it leads is cleared, too.
    pub(super) fn forget(&self) {
        with_bridges(self.bus, |_, bridges| {
            bridges.iter().for_each(|other| other.unlink(self.client));
            self.same.write().clear();
            self.any.store(false, Ordering::Relaxed);
        });
    }

    /// Whether a message that this connection published on the bus came from the system that the bridge leads to.
    #[inline]
    pub(super) fn came_from_there(&self, client: Option<ClientId>) -> bool {
        self.any.load(Ordering::Relaxed) && client.is_some_and(|client| self.same.read().contains(&client))
    }

    /// Whether messages are to carry the bus's id.
    #[inline]
    pub(super) fn is_stamping(&self) -> bool {
        self.several.load(Ordering::Relaxed)
    }

    /// There is no responder behind this bridge for the request, which its sinks in these queue groups match. Gives back how many sinks of
    /// other bridges, of those that `counts` is true of, are known to have found no responder for it.
    pub(super) fn found_no_responder(
        &self,
        request: &Request,
        sinks: impl FnOnce() -> Vec<Option<String>>,
        counts: impl Fn(Option<&str>) -> bool,
    ) -> usize {
        if self.is_stamping() { self.votes.add(request, self.number, sinks(), counts) } else { 0 }
    }

    /// Other bridges of the same bus are there that may lead to the same system, and of which nothing was heard yet.
    pub(super) fn has_unknown_bridges(&self) -> bool {
        self.is_stamping() && {
            let known = self.same.read().len();
            with_bridges(self.bus, |_, bridges| bridges.len() > known + 1)
        }
    }

    /// The header's value with this bus's id at the end.
    pub(super) fn stamped(&self, headers: &HeaderMap) -> String {
        match headers.get(LOOP_HEADER) {
            Some(via) if !via.is_empty() => format!("{via},{:016x}", self.bus),
            _ => format!("{:016x}", self.bus),
        }
    }

    /// Whether a message with this header has passed the bus before, or too many.
    pub(super) fn has_passed(&self, via: &str) -> bool {
        let own = format!("{:016x}", self.bus);
        via.split(',').any(|id| id.trim() == own) || via.split(',').count() >= HOPS_MAX
    }

    fn link(&self, client: ClientId) {
        let mut same = self.same.write();
        if !same.contains(&client) {
            same.push(client);
        }
        self.any.store(true, Ordering::Relaxed);
    }

    fn unlink(&self, client: ClientId) {
        let mut same = self.same.write();
        same.retain(|other| *other != client);
        self.any.store(!same.is_empty(), Ordering::Relaxed);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        with_bridges(self.bus, |all, others| {
            all.retain(|bridge| bridge.strong_count() > 0);
            for other in others {
                other.unlink(self.client);
                other.several.store(others.len() > 1, Ordering::Relaxed);
            }
        });
    }
}

/// Calls `f` with all bridges there are, and those of a bus, while none comes or goes.
fn with_bridges<R>(bus: u64, f: impl FnOnce(&mut Vec<Weak<Member>>, &[&Member]) -> R) -> R {
    // Dropped when the list is unlocked: the thread that drops the last handle of one runs its drop, which locks
    // the list.
    let held: Vec<Arc<Member>>;
    let mut all = BRIDGES.lock();
    held = all.iter().filter_map(Weak::upgrade).collect();
    let of_bus: Vec<&Member> = held.iter().filter(|member| member.bus == bus).map(Arc::as_ref).collect();
    f(&mut all, &of_bus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridges_of_one_bus_that_hear_of_each_other_lead_to_the_same_system() {
        let (bus, other_bus) = (u64::MAX, u64::MAX - 1);
        let a = Member::join(bus, ClientId::new(1));
        assert!(!a.is_stamping());
        let b = Member::join(bus, ClientId::new(2));
        let c = Member::join(other_bus, ClientId::new(1));
        assert!(a.is_stamping() && b.is_stamping() && !c.is_stamping());
        a.heard_of(c.number);
        assert!(!a.came_from_there(Some(ClientId::new(1))));
        assert!(a.has_unknown_bridges());
        a.heard_of(b.number);
        assert!(!a.has_unknown_bridges());
        assert!(
            a.came_from_there(Some(ClientId::new(2)))
                && b.came_from_there(Some(ClientId::new(1)))
                && !b.came_from_there(Some(ClientId::new(7)))
        );
        b.forget();
        assert!(!a.came_from_there(Some(ClientId::new(2))) && !b.came_from_there(Some(ClientId::new(1))));
        drop(b);
        assert!(!a.is_stamping());
    }

    #[test]
    fn members_come_and_go_while_others_look_at_them() {
        let bus = u64::MAX - 2;
        let stays = Member::join(bus, ClientId::new(0));
        std::thread::scope(|scope| {
            for client in 1..4 {
                let stays = &stays;
                scope.spawn(move || {
                    for _ in 0..20_000 {
                        let one = Member::join(bus, ClientId::new(client));
                        one.heard_of(stays.number);
                        stays.has_unknown_bridges();
                        drop(one);
                    }
                });
            }
        });
        assert!(!stays.is_stamping() && !stays.has_unknown_bridges());
        assert!(!stays.came_from_there(Some(ClientId::new(1))));
    }

    #[test]
    fn a_message_that_comes_back_is_known() {
        let (x, y) = (Member::join(0xA, ClientId::new(1)), Member::join(0xB, ClientId::new(1)));
        let mut headers = HeaderMap::new();
        headers.insert(LOOP_HEADER, x.stamped(&headers)).unwrap();
        assert!(!y.has_passed(headers.get(LOOP_HEADER).unwrap()));
        headers.insert(LOOP_HEADER, y.stamped(&headers)).unwrap();
        let via = headers.get(LOOP_HEADER).unwrap();
        assert_eq!(via, "000000000000000a,000000000000000b");
        assert!(x.has_passed(via) && y.has_passed(via));
        assert!(y.has_passed(&vec!["c"; HOPS_MAX].join(",")), "too many hops");
    }
}
