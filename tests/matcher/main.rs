//! The matcher against the linear oracle, against the clock of several threads, and against the allocator.
//!
//! | module        | proof                                                                                 |
//! |---------------|---------------------------------------------------------------------------------------|
//! | `duo`         | (tool) a matcher and an oracle that get the same calls and have to give the same answers |
//! | `configs`     | (tool) the layouts that every such test runs over                                      |
//! | `properties`  | random sequences of calls                                                             |
//! | `admission`   | the subjects that the route cache remembers, and that those used once do not flush it |
//! | `exhaustive`  | every pattern and subject over a small alphabet                                       |
//! | `effective`   | a change counts for every match that begins after it returned (G2)                    |
//! | `concurrency` | threads that change and match at once                                                 |
//! | `lifetimes`   | values are let go of, and their own code runs under no lock (G4)                      |
//! | `memory`      | memory returns (G6), and a match allocates nothing                                    |

mod admission;
mod concurrency;
mod configs;
mod duo;
mod effective;
mod exhaustive;
mod lifetimes;
mod memory;
mod properties;
