//! Guesses at the intended text: subjects and patterns that almost match.

use crate::Pattern;
use crate::subject::relation;
use std::fmt;

/// A token that is left out or is too many.
const TOKEN: usize = 3;

/// A token that has nothing to do with the one in its place.
const FOREIGN: usize = 6;

/// A subject that a pattern almost matches, and why it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Near {
    pub(super) subject: String,
    pub(super) cost: usize,
    why: String,
}

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.subject, self.why)
    }
}

/// How far a subject is from a pattern that does not match it; `None` if the one can hardly have been meant by the
/// other.
pub(super) fn near(pattern: &Pattern, subject: &str) -> Option<Near> {
    let wanted: Vec<&str> = pattern.as_str().split('.').collect();
    let found: Vec<&str> = subject.split('.').collect();
    let found_near = |cost, why| Some(Near { subject: subject.to_owned(), cost, why });
    // `orders.*` for `orders.eu.new`.
    if let (Some((&"*", head)), true) = (wanted.split_last(), found.len() > wanted.len()) {
        let wider = head.iter().chain(&[">"]).copied().collect::<Vec<_>>().join(".");
        if Pattern::new(&wider).is_ok_and(|wider| wider.matches(subject)) {
            return found_near(1, format!("`*` stands for one token; `{wider}` matches"));
        }
    }
    // `orders.>` for `orders`.
    if let Some((&">", head)) = wanted.split_last()
        && head == found
    {
        return found_near(1, "`>` stands for at least one token".to_owned());
    }
    let aligned = align(&wanted, &found);
    let literal: usize = wanted.iter().filter(|token| !is_wildcard(token)).map(|token| token.chars().count()).sum();
    // A third of what was written may be wrong, and one letter always.
    let may_be = (literal / 3).clamp(1, 8).max(if aligned.matching > 0 { TOKEN } else { 1 });
    let shares_something = aligned.matching > 0 || aligned.similar > 0;
    if aligned.cost == 0 || aligned.cost > may_be || !shares_something {
        return None;
    }
    found_near(aligned.cost, aligned.why.join(", "))
}

fn is_wildcard(token: &str) -> bool {
    relation::is_wildcard(token)
}

/// The alignment of two lists of tokens at the least cost.
#[derive(Clone, Default)]
struct Aligned {
    cost: usize,
    /// Tokens that are the same, letter by letter.
    matching: usize,
    /// Tokens that are similar.
    similar: usize,
    why: Vec<String>,
}

impl Aligned {
    fn with(&self, cost: usize, matching: bool, similar: bool, why: Option<String>) -> Self {
        let mut next = self.clone();
        next.cost += cost;
        next.matching += usize::from(matching);
        next.similar += usize::from(similar);
        next.why.extend(why);
        next
    }
}

fn align(wanted: &[&str], found: &[&str]) -> Aligned {
    // Row by row; `line[j]` aligns the wanted tokens so far with the first `j` found ones.
    let mut line: Vec<Aligned> = vec![Aligned::default()];
    for (j, token) in found.iter().enumerate() {
        line.push(line[j].with(TOKEN, false, false, Some(format!("`{token}` is too many"))));
    }
    for token in wanted {
        let mut next = vec![line[0].with(TOKEN, false, false, Some(format!("`{token}` is missing")))];
        for (j, found) in found.iter().enumerate() {
            let (cost, same) = token_cost(token, found);
            let why = (cost > 0).then(|| format!("`{found}`, not `{token}`"));
            let mut best = line[j].with(cost, same, cost > 0 && cost < FOREIGN, why);
            let missing = line[j + 1].with(TOKEN, false, false, Some(format!("`{token}` is missing")));
            // A `>` that has taken one token takes the next for nothing.
            let more = if *token == ">" {
                next[j].with(if j == 0 { TOKEN } else { 0 }, false, false, None)
            } else {
                next[j].with(TOKEN, false, false, Some(format!("`{found}` is too many")))
            };
            for other in [missing, more] {
                if other.cost < best.cost {
                    best = other;
                }
            }
            next.push(best);
        }
        line = next;
    }
    line.pop().unwrap_or_default()
}

/// The cost of taking one token for another, and whether they are the same.
fn token_cost(wanted: &str, found: &str) -> (usize, bool) {
    if is_wildcard(wanted) {
        return (0, false);
    }
    if wanted == found {
        return (0, true);
    }
    if is_wildcard(found) {
        return (1, false);
    }
    if wanted.eq_ignore_ascii_case(found) {
        return (1, false);
    }
    let (shorter, longer) = if wanted.len() < found.len() { (wanted, found) } else { (found, wanted) };
    // `ord` for `orders`, `created` for `order-created`.
    if shorter.chars().count() >= 3 && (longer.starts_with(shorter) || longer.ends_with(shorter)) {
        return (1, false);
    }
    let edits = edits(wanted, found);
    let letters = longer.chars().count();
    (if edits * 2 <= letters && (edits == 1 || letters > 3) { edits } else { FOREIGN }, false)
}

/// Letters put in, left out, exchanged or swapped with their neighbour to get from one word to the other.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut before = vec![0; b.len() + 1];
    let mut line: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i];
        for j in 1..=b.len() {
            let change = line[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(line[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut line, next);
    }
    line[b.len()]
}

/// The word that is nearest to another, if one is near.
pub(super) fn nearest<'a>(word: &str, among: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = among.map(|other| (token_cost(word, other).0, other)).filter(|(cost, _)| *cost < FOREIGN);
    near.min_by_key(|(cost, _)| *cost).map(|(_, other)| other)
}

/// The subjects that are nearest to a pattern, the nearest first, each once.
pub(super) fn nearest_subjects<'a>(
    pattern: &Pattern,
    subjects: impl Iterator<Item = &'a str>,
    max: usize,
) -> Vec<Near> {
    let mut all: Vec<Near> = subjects.filter_map(|subject| near(pattern, subject)).collect();
    all.sort_by(|a, b| (a.cost, &a.subject).cmp(&(b.cost, &b.subject)));
    all.dedup();
    all.truncate(max);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(pattern: &str, subject: &str) -> Option<String> {
        near(&Pattern::new(pattern).unwrap(), subject).map(|near| near.why)
    }

    #[test]
    fn near_misses_are_found_and_explained() {
        for (pattern, subject, expected) in [
            ("order.eu", "orders.eu", "`orders`, not `order`"),
            ("orders.*", "orders.eu.new", "`*` stands for one token; `orders.>` matches"),
            ("orders.>", "orders", "`>` stands for at least one token"),
            ("orders.created", "orders.craeted", "`craeted`, not `created`"),
            ("Orders.eu", "orders.eu", "`orders`, not `Orders`"),
            ("orders.eu", "orders", "`eu` is missing"),
            ("orders.new", "shop.orders.new", "`shop` is too many"),
            ("ord.*", "orders.eu", "`orders`, not `ord`"),
            ("pings", "ping", "`ping`, not `pings`"),
            ("order.>", "orders.eu.new.x", "`orders`, not `order`"),
        ] {
            assert_eq!(why(pattern, subject).as_deref(), Some(expected), "{pattern} {subject}");
        }
    }

    #[test]
    fn what_has_nothing_in_common_is_not_near() {
        for (pattern, subject) in [
            ("orders.eu", "invoices.de"),
            ("a", "b"),
            ("orders.*", "invoices.eu"),
            ("svc.add", "log.info"),
            ("orders.>", "payments.eu.new"),
        ] {
            assert_eq!(why(pattern, subject), None, "{pattern} {subject}");
        }
    }

    #[test]
    fn words_are_compared_by_letters() {
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("created", "craeted"), 1);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(nearest("totl", ["id", "total"].into_iter()), Some("total"));
        assert_eq!(nearest("x", ["id", "total"].into_iter()), None);
    }
}
