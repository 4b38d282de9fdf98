//! Whole runs of the bus against a model that is too simple to be wrong.
//!
//! Goal: what every queue holds, what every counter says and what every call returns, for any sequence of operations. Method: random
//! operations, the same on the bus and on `model`, compared after every step, over shards x route cache x overflow policy; and random
//! operations of several threads, where the sums must agree whenever all of them rest.
#![allow(missing_docs)]

mod model;
mod runs;
mod several_threads;
