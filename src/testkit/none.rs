//! Messages that must not have been published.

use super::expect::{Mismatch, list};
use super::journal::Journal;
use super::report::{self, OrPanic, times};
use super::{TestKit, Unsettled};
use crate::subject::{Pattern, ToPattern};

impl TestKit {
    /// Checks that nothing was published on a pattern since the kit began. Waits until the bus has settled, so that it is a fact
    /// and not a guess.
    ///
    /// It counts as [`Expectation`](super::Expectation) does. For messages that must not come from now on,
    /// there is [`Expectation::never`](super::Expectation::never).
    ///
    /// # Panics
    ///
    /// If something was, with the messages; if the bus does not settle; if that is not a valid pattern (S2 to S4); if so much was
    /// published that the journal can't tell; if nothing was written down, since the kit was
    /// [`untapped`](super::TestKitBuilder::untapped).
    ///
    /// # Example
    ///
    /// ```
    /// use postroom::testkit::TestKit;
    ///
    /// let kit = TestKit::new();
    /// kit.bus().connect().publish("orders.eu", "hello")?;
    /// kit.none("refunds.>");
    /// # Ok::<_, postroom::PublishError>(())
    /// ```
    #[track_caller]
    pub fn none(&self, pattern: impl ToPattern) {
        self.try_none(pattern).or_panic();
    }

    /// As [`TestKit::none`].
    ///
    /// # Errors
    ///
    /// [`Mismatch`] if something was published there, if the bus does not settle, or if so much was published that the journal can't tell.
    ///
    /// # Panics
    ///
    /// If that is not a valid pattern (S2 to S4), or if nothing was written down.
    #[track_caller]
    pub fn try_none(&self, pattern: impl ToPattern) -> Result<(), Mismatch> {
        let (pattern, journal) = (report::pattern(pattern), self.journal());
        judge(&pattern, journal, self.try_settle(self.settle_limit()))
    }

    /// As [`TestKit::none`], for tasks; see [`TestKit::settle_async`].
    ///
    /// # Panics
    ///
    /// As [`TestKit::none`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub async fn none_async(&self, pattern: impl ToPattern) {
        self.try_none_async(pattern).await.or_panic();
    }

    /// As [`TestKit::none_async`].
    ///
    /// # Errors
    ///
    /// As [`TestKit::try_none`].
    ///
    /// # Panics
    ///
    /// As [`TestKit::try_none`].
    pub async fn try_none_async(&self, pattern: impl ToPattern) -> Result<(), Mismatch> {
        let (pattern, journal) = (report::pattern(pattern), self.journal());
        judge(&pattern, journal, self.try_settle_async(self.settle_limit()).await)
    }
}

fn judge(pattern: &Pattern, journal: &Journal, settled: Result<(), Unsettled>) -> Result<(), Mismatch> {
    settled.map_err(|unsettled| Mismatch(format!("expected nothing on `{pattern}`\n{unsettled}")))?;
    let mut found = journal.on(pattern, 0);
    found.entries.retain(|entry| entry.is_published());
    if found.entries.is_empty() && found.cut == 0 {
        return Ok(());
    }
    let mut text = format!("expected nothing on `{pattern}`, it came {}\n", times(found.entries.len()));
    list(&mut text, found.entries.iter());
    if found.cut > 0 {
        text.push_str(&report::cut(found.cut));
    }
    Err(Mismatch(text))
}
