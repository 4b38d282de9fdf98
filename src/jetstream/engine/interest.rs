//! Which consumers want a subject.

use crate::subject::relation::is_literal;
use smallvec::SmallVec;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::str::Split;

/// A consumer of one stream; the keeper of the consumers gives the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerId(pub u32);

/// Consumers by their filters. A filter that does not match costs nothing: a publish looks up its subject, and walks the patterns
/// token by token.
#[derive(Debug, Default)]
pub(crate) struct Interests {
    filters: BTreeMap<ConsumerId, Vec<SmolStr>>,
    literals: BTreeMap<SmolStr, Vec<ConsumerId>>,
    patterns: Node,
}

#[derive(Debug, Default)]
struct Node {
    children: BTreeMap<SmolStr, Node>,
    /// Below a `*`.
    any: Option<Box<Node>>,
    here: Vec<ConsumerId>,
    /// With a `>` from here on.
    tail: Vec<ConsumerId>,
}

impl Interests {
    pub(crate) fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Puts a consumer in; no filters are `>`. One that is there is replaced.
    pub(crate) fn insert(&mut self, id: ConsumerId, filters: &[impl AsRef<str>]) {
        self.remove(id);
        let mut filters: Vec<SmolStr> = filters.iter().map(|filter| SmolStr::new(filter.as_ref())).collect();
        if filters.is_empty() {
            filters.push(SmolStr::new(">"));
        }
        for filter in &filters {
            self.place(filter).push(id);
        }
        self.filters.insert(id, filters);
    }

    pub(crate) fn remove(&mut self, id: ConsumerId) {
        for filter in self.filters.remove(&id).unwrap_or_default() {
            let place = self.place(&filter);
            if let Some(at) = place.iter().position(|other| *other == id) {
                place.swap_remove(at);
            }
            if place.is_empty() {
                if is_literal(&filter) {
                    self.literals.remove(&filter);
                } else {
                    self.patterns.prune(&mut filter.split('.'));
                }
            }
        }
    }

    pub(crate) fn filters(&self, id: ConsumerId) -> &[SmolStr] {
        self.filters.get(&id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The consumers that want a subject, each once, ascending.
    pub(crate) fn matching(&self, subject: &str) -> SmallVec<[ConsumerId; 4]> {
        let mut found = SmallVec::new();
        if self.is_empty() {
            return found;
        }
        if let Some(ids) = self.literals.get(subject) {
            found.extend_from_slice(ids);
        }
        self.patterns.collect(subject.split('.'), &mut found);
        if found.len() > 1 {
            found.sort_unstable();
            found.dedup();
        }
        found
    }

    fn place(&mut self, filter: &SmolStr) -> &mut Vec<ConsumerId> {
        if is_literal(filter) {
            return self.literals.entry(filter.clone()).or_default();
        }
        let mut node = &mut self.patterns;
        for token in filter.split('.') {
            node = match token {
                ">" => return &mut node.tail,
                "*" => node.any.get_or_insert_default(),
                token => node.children.entry(SmolStr::new(token)).or_default(),
            };
        }
        &mut node.here
    }
}

impl Node {
    fn collect(&self, mut tokens: Split<'_, char>, found: &mut SmallVec<[ConsumerId; 4]>) {
        let Some(token) = tokens.next() else {
            found.extend_from_slice(&self.here);
            return;
        };
        found.extend_from_slice(&self.tail);
        if let Some(child) = self.children.get(token) {
            child.collect(tokens.clone(), found);
        }
        if let Some(any) = &self.any {
            any.collect(tokens, found);
        }
    }

    /// Takes away nodes on the way of a pattern that lead nowhere.
    fn prune(&mut self, tokens: &mut Split<'_, char>) {
        match tokens.next() {
            None | Some(">") => {}
            Some("*") => {
                if let Some(any) = &mut self.any {
                    any.prune(tokens);
                    self.any.take_if(|any| any.is_empty());
                }
            }
            Some(token) => {
                if let Some(child) = self.children.get_mut(token) {
                    child.prune(tokens);
                    if child.is_empty() {
                        self.children.remove(token);
                    }
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.any.is_none() && self.here.is_empty() && self.tail.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::relation;
    use proptest::prelude::*;

    fn pattern() -> impl Strategy<Value = String> {
        let token = prop::sample::select(vec!["a", "b", "*"]);
        (prop::collection::vec(token, 1..4), any::<bool>())
            .prop_map(|(tokens, tail)| tokens.join(".") + if tail { ".>" } else { "" })
    }

    proptest! {
        #[test]
        fn it_finds_what_a_linear_search_finds(
            consumers in prop::collection::vec(prop::collection::vec(pattern(), 0..3), 1..12),
            removed in prop::collection::vec(0..12_usize, 0..8),
            subjects in prop::collection::vec("[ab](\\.[abc]){0,3}", 8),
        ) {
            let mut interests = Interests::default();
            let mut model = BTreeMap::new();
            for (at, filters) in consumers.iter().enumerate() {
                interests.insert(ConsumerId(at as u32), filters);
                let all = vec![">".to_owned()];
                model.insert(ConsumerId(at as u32), if filters.is_empty() { all } else { filters.clone() });
            }
            for at in removed {
                interests.remove(ConsumerId(at as u32));
                model.remove(&ConsumerId(at as u32));
            }
            for subject in subjects {
                let wants = |filters: &Vec<String>| filters.iter().any(|filter| relation::matches(filter, &subject));
                let expected: Vec<_> = model.iter().filter(|(_, filters)| wants(filters)).map(|(id, _)| *id).collect();
                prop_assert_eq!(interests.matching(&subject).to_vec(), expected, "{}", subject);
            }
            for id in model.keys() {
                interests.remove(*id);
            }
            prop_assert!(interests.patterns.is_empty() && interests.literals.is_empty());
        }
    }
}
