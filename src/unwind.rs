//! Which handles may be used on both sides of a `catch_unwind`: all.
//!
//! The compiler can't know, since handles share state that is changed through `&`, and keep functions of users. It holds because a panic in
//! code of a user's is caught where that is called (G9), with no lock held and no state half changed (G4).

use crate::bus::{Bus, BusBuilder, InterestWatcher};
use crate::client::{Client, Drain, Publisher, Responses, Subscriber, SubscriptionGuard};
use crate::delivery::EventStream;
use crate::message::Message;
use crate::services::Event;
use crate::time::{Clock, ManualClock, ScheduledTask};
use std::panic::{RefUnwindSafe, UnwindSafe};

macro_rules! unwind_safe {
    ($($(#[$attribute:meta])* $handle:ty),* $(,)?) => {$(
        $(#[$attribute])*
        impl UnwindSafe for $handle {}
        $(#[$attribute])*
        impl RefUnwindSafe for $handle {}
    )*};
}

unwind_safe! {
    Responses,
    Bus,
    BusBuilder,
    Client,
    Clock,
    Drain,
    EventStream<Event>,
    InterestWatcher,
    ManualClock,
    Message,
    Publisher,
    ScheduledTask,
    Subscriber,
    SubscriptionGuard,
    #[cfg(feature = "server")]
    crate::server::Server,
    #[cfg(feature = "bridge")]
    crate::bridge::Bridge,
    #[cfg(feature = "bridge")]
    EventStream<crate::bridge::BridgeEvent>,
    #[cfg(feature = "testkit")]
    crate::testkit::TestKit,
}
