//! Streams as a test sees them: what became of every message, and what a test expects of that.
//!
//! | file | reason to change |
//! |---|---|
//! | `record` | what is known of a stream, a message, a consumer |
//! | `keeper` | how the steps of streams become records, and which steps are impossible |
//! | `window` | the handle of a test |
//! | `expect` | acknowledgements and redeliveries that have to come, and those that must not |
//! | `table` | records as text |

mod expect;
mod keeper;
mod record;
mod table;
mod window;

pub use expect::StreamExpectation;
pub(super) use keeper::Keeper;
pub use record::{ConsumerRecord, DeliveryState, MessageFate, MessageProgress, StreamMessageRecord, StreamRecord};
pub use window::Streams;
