//! A server's subscriptions: `/subsz` (M5).

use super::paging::Page;
use super::source::{Source, Sublist, SubscriptionSnapshot};
use super::{GLOBAL_ACCOUNT, MonitorError, text};
use crate::subject::relation;
use serde::Serialize;
use std::ops::ControlFlow;
use std::time::SystemTime;

/// The options of a question about subscriptions (M5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct SubszOptions {
    subscriptions: bool,
    page: Page,
    account: String,
    test: String,
}

impl SubszOptions {
    /// How many there are, and no list of them.
    pub fn new() -> Self {
        SubszOptions::default()
    }

    /// Whether to list the connections' subscriptions. Default false.
    pub fn subscriptions(mut self, listed: bool) -> Self {
        self.subscriptions = listed;
        self
    }

    /// How many to leave away at the beginning. Default 0.
    pub fn offset(mut self, offset: usize) -> Self {
        self.page.offset = offset;
        self
    }

    /// How many to list at most; 0 means the default, 1,024.
    pub fn limit(mut self, limit: usize) -> Self {
        self.page.limit = limit;
        self
    }

    /// Only those of this account; empty means all.
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = account.into();
        self
    }

    /// List only those that a message to this subject would reach; empty means all.
    pub fn test(mut self, subject: impl Into<String>) -> Self {
        self.test = subject.into();
        self
    }
}

/// Counts of subscriptions, and a list if asked for (M5); as JSON it is what `/subsz` answers.
///
/// The counts are those of the bus: subscriptions of in-process clients are in them, but not in the list.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Subsz {
    /// The server's id.
    pub server_id: String,
    /// When this was asked.
    #[serde(serialize_with = "text::as_rfc3339")]
    pub now: SystemTime,
    /// The bus's counts.
    #[serde(flatten)]
    pub stats: SublistStats,
    /// How many could be listed; 0 if no list was asked for.
    pub total: usize,
    /// How many were left away at the beginning.
    pub offset: usize,
    /// How many were to be listed at most.
    pub limit: usize,
    /// The list, if asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subscriptions_list: Vec<SubDetail>,
}

/// The counters of a registry of subscriptions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SublistStats {
    /// Subscriptions there are.
    pub num_subscriptions: usize,
    /// Subjects whose receivers are remembered.
    pub num_cache: usize,
    /// Subscriptions that were added.
    pub num_inserts: u64,
    /// Subscriptions that were removed.
    pub num_removes: u64,
    /// Subjects that were looked up.
    pub num_matches: u64,
    /// Share of them whose receivers were remembered.
    pub cache_hit_rate: f64,
    /// Always 0: not measured.
    //
    // DIFFERENCE: nats-server looks through what it remembers; here each thread remembers for itself.
    pub max_fanout: usize,
    /// Receivers of a published message, on average.
    pub avg_fanout: f64,
}

impl From<Sublist> for SublistStats {
    fn from(sublist: Sublist) -> Self {
        let matches = sublist.matches;
        SublistStats {
            num_subscriptions: sublist.subscriptions,
            num_cache: sublist.cache,
            num_inserts: sublist.inserts,
            num_removes: sublist.removes,
            num_matches: matches,
            cache_hit_rate: if matches == 0 { 0.0 } else { sublist.cache_hits as f64 / matches as f64 },
            max_fanout: 0,
            avg_fanout: sublist.average_fanout,
        }
    }
}

/// One subscription of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SubDetail {
    /// Its account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<&'static str>,
    /// The account's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_tag: Option<&'static str>,
    /// The pattern that it is subscribed to.
    pub subject: String,
    /// Its queue group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qgroup: Option<String>,
    /// The client's name for it.
    pub sid: String,
    /// Messages delivered.
    pub msgs: u64,
    /// It ends after so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// Its connection.
    pub cid: u64,
}

impl SubDetail {
    /// As shown with its connection.
    pub(super) fn of_connection(entry: &SubscriptionSnapshot, cid: u64) -> Self {
        let SubscriptionSnapshot { subject, queue, sid, msgs, max } = entry.clone();
        SubDetail { account: None, account_tag: None, subject, qgroup: queue, sid, msgs, max, cid }
    }

    /// As shown among those of an account.
    pub(super) fn of_account(entry: &SubscriptionSnapshot, cid: u64) -> Self {
        let account = Some(GLOBAL_ACCOUNT);
        SubDetail { account, account_tag: account, ..SubDetail::of_connection(entry, cid) }
    }
}

/// All that match are counted, and only those of the page made out.
pub(crate) fn subsz(source: &dyn Source, options: &SubszOptions) -> Result<Subsz, MonitorError> {
    let test = Some(options.test.as_str()).filter(|subject| !subject.is_empty());
    if let Some(subject) = test.filter(|subject| !is_literal(subject)) {
        return Err(MonitorError::TestSubject(subject.to_owned()));
    }
    let of_global = matches!(options.account.as_str(), "" | GLOBAL_ACCOUNT);
    let (mut total, mut listed) = (0, Vec::new());
    if options.subscriptions && of_global {
        let _ = source.subscriptions(None, &mut |cid, subject, make| {
            if test.is_none_or(|test| relation::matches(subject, test)) {
                if options.page.shows(total) {
                    listed.push(SubDetail::of_account(&make(), cid));
                }
                total += 1;
            }
            ControlFlow::Continue(())
        });
    }
    Ok(Subsz {
        server_id: source.identity().id,
        now: source.now(),
        stats: if of_global { source.sublist().into() } else { SublistStats::default() },
        total,
        offset: options.page.offset,
        limit: options.page.limit(),
        subscriptions_list: listed,
    })
}

/// As nats-server asks: it has no token that is empty or a wildcard.
fn is_literal(subject: &str) -> bool {
    subject.split('.').all(|token| !matches!(token, "" | "*" | ">"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::ServerOptions;
    use crate::server::monitor::fake::Fake;

    fn ask(options: &SubszOptions) -> Subsz {
        subsz(&Fake::new(ServerOptions::new()), options).unwrap()
    }

    #[test]
    fn counts_without_a_list_unless_asked() {
        let subsz = ask(&SubszOptions::new());
        assert_eq!((subsz.total, subsz.limit, subsz.subscriptions_list.len()), (0, 1_024, 0));
        assert_eq!((subsz.stats.num_subscriptions, subsz.stats.num_inserts, subsz.stats.num_removes), (4, 5, 1));
        assert_eq!(subsz.stats.cache_hit_rate, 0.25);
        let text = serde_json::to_string(&subsz).unwrap();
        assert!(
            text.starts_with(r#"{"server_id":"NFAKE","now":"1970-01-12T13:47:43Z","num_subscriptions":4,"#),
            "{text}"
        );
        assert!(text.ends_with(r#""avg_fanout":1.5,"total":0,"offset":0,"limit":1024}"#), "{text}");
        assert_eq!(ask(&SubszOptions::new().account("x")).stats, SublistStats::default());
    }

    #[test]
    fn lists_what_a_message_would_reach() {
        let all = SubszOptions::new().subscriptions(true);
        let subjects =
            |options| ask(&options).subscriptions_list.iter().map(|sub| sub.subject.clone()).collect::<Vec<_>>();
        assert_eq!(subjects(all.clone()), ["foo.>", "bar", "foo.*"]);
        assert_eq!(subjects(all.clone().offset(1).limit(1)), ["bar"]);
        assert_eq!(ask(&all.clone().offset(1).limit(1)).total, 3);
        assert_eq!(subjects(all.clone().test("foo.a.b")), ["foo.>"]);
        assert_eq!(subjects(all.clone().account("$SYS")), [""; 0]);
        let text = serde_json::to_string(&ask(&all.test("bar")).subscriptions_list).unwrap();
        let one =
            r#"{"account":"$G","account_tag":"$G","subject":"bar","qgroup":"q","sid":"2","msgs":0,"max":5,"cid":5}"#;
        assert_eq!(text, format!("[{one}]"));
    }

    #[test]
    fn only_what_is_on_the_page_is_made_out() {
        let fake = Fake::new(ServerOptions::new());
        let options = SubszOptions::new().subscriptions(true).offset(2).limit(1);
        let page = subsz(&fake, &options).unwrap();
        assert_eq!((page.total, page.subscriptions_list.len(), fake.made.into_inner()), (3, 1, 1));
    }

    #[test]
    fn a_test_subject_has_no_wildcards() {
        for subject in ["foo.*", ">", "a..b", "."] {
            let asked = SubszOptions::new().test(subject);
            let refused = subsz(&Fake::new(ServerOptions::new()), &asked).unwrap_err();
            assert_eq!(refused, MonitorError::TestSubject(subject.into()));
        }
        assert!(is_literal("a.*b.c>"));
    }
}
