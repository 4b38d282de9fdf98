//! A trie of wildcard patterns for one thread at a time: no lock inside.
//!
//! The edges of all nodes are one hash table of nodes, keyed by the parent and the token, which the node itself holds: a
//! step costs one probe and reads the node from which the search continues, whatever the number of siblings. A subject's
//! tokens are hashed once each, however many branches the search follows.

use super::bucket::{Bucket, Take, Taken};
use super::matches::Matches;
use super::split::{Token, hash_text};
use crate::steps;
use ahash::RandomState;
use hashbrown::HashTable;
use smallvec::SmallVec;
use smol_str::SmolStr;

const ROOT: u32 = 0;
/// No node.
const NONE: u32 = u32::MAX;

/// With fewer nodes than this a trie is not worth compacting.
const NODES_KEPT: usize = 64;

#[derive(Debug)]
pub(super) struct Trie<T> {
    /// The root first; empty until there is a pattern.
    nodes: Vec<Node<T>>,
    free: Vec<u32>,
    /// The nodes that are reached by a literal token.
    edges: HashTable<u32>,
    hasher: RandomState,
    /// Memory has been given back; what is left of it is freed with the last pattern.
    was_large: bool,
}

#[derive(Debug)]
struct Node<T> {
    parent: u32,
    /// The child by `*`: kept in the node itself, every search looks at it.
    star: u32,
    /// Children, the star included.
    children: u32,
    /// The token on the edge from the parent; empty for a star.
    token: SmolStr,
    /// Patterns that end here. Boxed, since most nodes hold none.
    here: Option<Box<Bucket<T>>>,
    /// Patterns that continue with `>` and end.
    tail: Option<Box<Bucket<T>>>,
}

impl<T> Trie<T> {
    pub(super) fn new(hasher: RandomState) -> Self {
        Trie { nodes: Vec::new(), free: Vec::new(), edges: HashTable::new(), hasher, was_large: false }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.node_count() == 0 && self.nodes.first().is_none_or(|root| root.tail.is_none())
    }

    /// Nodes in use, the root not counted.
    pub(super) fn node_count(&self) -> usize {
        (self.nodes.len() - self.free.len()).saturating_sub(1)
    }

    pub(super) fn insert(&mut self, pattern: &str, queue: Option<SmolStr>, id: u64, value: T) {
        if self.nodes.is_empty() {
            self.nodes.push(Node::new(NONE, SmolStr::default()));
        }
        let mut node = ROOT;
        let mut tail = false;
        for token in pattern.split('.') {
            match token {
                ">" => tail = true,
                _ => node = self.child_or_new(node, token),
            }
        }
        let end = &mut self.nodes[node as usize];
        let place = if tail { &mut end.tail } else { &mut end.here };
        match place {
            None => *place = Some(Box::new(Bucket::first(queue, id, value))),
            Some(bucket) => bucket.add(queue, id, value),
        }
    }

    /// Takes the entry out, and the nodes that nothing needs any more.
    pub(super) fn remove(&mut self, pattern: &str, id: u64) -> Option<Taken<T>> {
        if self.is_empty() {
            return None;
        }
        let mut node = ROOT;
        let mut tail = false;
        for token in pattern.split('.') {
            match token {
                ">" => tail = true,
                "*" => node = Some(self.nodes[node as usize].star).filter(|&star| star != NONE)?,
                _ => node = self.edge(node, self.token(token))?,
            }
        }
        let end = &mut self.nodes[node as usize];
        let place = if tail { &mut end.tail } else { &mut end.here };
        match place.as_mut()?.take(id) {
            Take::Taken(taken) => Some(taken),
            Take::IsNotHere => None,
            Take::IsOnly => {
                let taken = place.take()?.into_only();
                self.prune(node);
                taken
            }
        }
    }

    /// Every entry, with the pattern it was inserted under.
    pub(super) fn for_each(&self, f: &mut impl FnMut(&str, Option<&SmolStr>, &T)) {
        for (at, node) in self.nodes.iter().enumerate() {
            if let Some(bucket) = &node.here {
                let pattern = self.path(at as u32);
                bucket.for_each(&mut |queue, value| f(&pattern, queue, value));
            }
            if let Some(bucket) = &node.tail {
                let mut pattern = self.path(at as u32);
                if !pattern.is_empty() {
                    pattern.push('.');
                }
                pattern.push('>');
                bucket.for_each(&mut |queue, value| f(&pattern, queue, value));
            }
        }
    }

    fn path(&self, mut node: u32) -> String {
        let mut tokens: SmallVec<[&str; 16]> = SmallVec::new();
        while node != ROOT {
            let Node { parent, token, .. } = &self.nodes[node as usize];
            tokens.push(if self.nodes[*parent as usize].star == node { "*" } else { token });
            node = *parent;
        }
        tokens.reverse();
        tokens.join(".")
    }

    fn token<'a>(&self, text: &'a str) -> Token<'a> {
        let hash = hash_text(&self.hasher, text);
        Token { text, hash }
    }

    #[inline]
    fn edge(&self, parent: u32, token: Token<'_>) -> Option<u32> {
        let is_it = |&child: &u32| {
            let child = &self.nodes[child as usize];
            child.parent == parent && child.token == token.text
        };
        self.edges.find(key(parent, token.hash), is_it).copied()
    }

    fn child_or_new(&mut self, parent: u32, text: &str) -> u32 {
        if text == "*" {
            let star = self.nodes[parent as usize].star;
            if star != NONE {
                return star;
            }
            let star = self.new_node(parent, SmolStr::default());
            self.nodes[parent as usize].star = star;
            return star;
        }
        self.edge(parent, self.token(text)).unwrap_or_else(|| {
            let child = self.new_node(parent, SmolStr::new(text));
            self.add_edge(child);
            child
        })
    }

    fn new_node(&mut self, parent: u32, token: SmolStr) -> u32 {
        self.nodes[parent as usize].children += 1;
        let node = Node::new(parent, token);
        if let Some(at) = self.free.pop() {
            self.nodes[at as usize] = node;
            return at;
        }
        self.nodes.push(node);
        u32::try_from(self.nodes.len() - 1).ok().filter(|&at| at != NONE).expect("fewer than 2^32 - 1 trie nodes")
    }

    fn add_edge(&mut self, child: u32) {
        let key_of = |&child: &u32| {
            let Node { parent, token, .. } = &self.nodes[child as usize];
            key(*parent, hash_text(&self.hasher, token))
        };
        self.edges.insert_unique(key_of(&child), child, key_of);
    }

    /// Frees `node` and its ancestors as far as they hold neither entries nor children.
    fn prune(&mut self, mut node: u32) {
        while node != ROOT {
            let leaf = &mut self.nodes[node as usize];
            if leaf.children > 0 || leaf.here.is_some() || leaf.tail.is_some() {
                break;
            }
            let (parent, token) = (leaf.parent, std::mem::take(&mut leaf.token));
            self.nodes[parent as usize].children -= 1;
            if self.nodes[parent as usize].star == node {
                self.nodes[parent as usize].star = NONE;
            } else {
                let key = key(parent, hash_text(&self.hasher, &token));
                if let Ok(edge) = self.edges.find_entry(key, |&child| child == node) {
                    edge.remove();
                }
            }
            self.free.push(node);
            node = parent;
        }
        if self.nodes.len() > NODES_KEPT && self.node_count() < self.nodes.len() / 4 {
            self.compact();
            self.was_large = true;
        }
        if self.was_large && self.is_empty() {
            // The last piece lies wherever there was room when the heap was full, and would keep the C library from
            // returning what lies below it.
            *self = Trie::new(self.hasher.clone());
        }
    }

    /// Gives memory back once three quarters of the nodes are free: each time is paid for by as many removals.
    ///
    /// Nodes in use may lie anywhere, so all of them get new numbers.
    fn compact(&mut self) {
        let mut moved = vec![ROOT; self.nodes.len()];
        for free in std::mem::take(&mut self.free) {
            moved[free as usize] = NONE;
        }
        let mut kept = 0;
        for at in moved.iter_mut().filter(|at| **at != NONE) {
            *at = kept;
            kept += 1;
        }
        let moved = |at: u32| if at == NONE { NONE } else { moved[at as usize] };

        let mut stars: Vec<u32> = Vec::new();
        let old = std::mem::take(&mut self.nodes);
        self.nodes.reserve_exact(kept as usize * 2);
        for (at, mut node) in old.into_iter().enumerate() {
            if moved(at as u32) != NONE {
                node.parent = moved(node.parent);
                node.star = moved(node.star);
                stars.extend(Some(node.star).filter(|&star| star != NONE));
                self.nodes.push(node);
            }
        }
        stars.sort_unstable();
        self.edges = HashTable::with_capacity(kept as usize - stars.len());
        for child in (ROOT + 1..kept).filter(|child| stars.binary_search(child).is_err()) {
            self.add_edge(child);
        }
    }
}

impl<T> Trie<T> {
    /// Whether `found` says yes to the value of any pattern that leads along `tokens`: it is asked for each, until it does. Only a `>`
    /// stands for a token that `stops`, and for what comes behind it.
    pub(super) fn any(
        &self,
        tokens: &[Token<'_>],
        stops: impl Fn(&str) -> bool,
        found: &mut impl FnMut(&T) -> bool,
    ) -> bool {
        let mut pending: SmallVec<[(u32, usize); 16]> = SmallVec::new();
        pending.push((ROOT, 0));
        while let Some((at, depth)) = pending.pop() {
            steps::count(1);
            let node = &self.nodes[at as usize];
            let rest = tokens.get(depth);
            let bucket = if rest.is_some() { &node.tail } else { &node.here };
            if bucket.as_ref().is_some_and(|bucket| bucket.any(found)) {
                return true;
            }
            let Some(&token) = rest.filter(|token| !stops(token.text)) else { continue };
            pending.extend(Some((node.star, depth + 1)).filter(|_| node.star != NONE));
            pending.extend(self.edge(at, token).map(|child| (child, depth + 1)));
        }
        false
    }
}

impl<T: Clone> Trie<T> {
    /// Adds the entries of all patterns that match `tokens`, which are taken as plain text (S7).
    pub(super) fn collect(&self, tokens: &[Token<'_>], routed: bool, into: &mut Matches<T>) {
        let mut pending: SmallVec<[(u32, u32); 16]> = SmallVec::new();
        pending.push((ROOT, 0));
        while let Some((mut at, mut depth)) = pending.pop() {
            // Follows the literal child at once and leaves the star for later: no push for patterns without branches.
            loop {
                let node = &self.nodes[at as usize];
                let Some(&token) = tokens.get(depth as usize) else {
                    if let Some(bucket) = &node.here {
                        bucket.collect(routed, into);
                    }
                    break;
                };
                if let Some(bucket) = &node.tail {
                    bucket.collect(routed, into);
                }
                depth += 1;
                let star_only = node.children == (node.star != NONE) as u32;
                match (if star_only { None } else { self.edge(at, token) }, node.star) {
                    (Some(child), NONE) => at = child,
                    (Some(child), star) => {
                        pending.push((star, depth));
                        at = child;
                    }
                    (None, NONE) => break,
                    (None, star) => at = star,
                }
            }
        }
    }
}

impl<T> Node<T> {
    fn new(parent: u32, token: SmolStr) -> Self {
        Node { parent, star: NONE, children: 0, token, here: None, tail: None }
    }
}

/// Mixes the parent into a token's hash: both halves of the product depend on all bits of both.
#[inline]
fn key(parent: u32, token: u64) -> u64 {
    let product = u128::from(token ^ u64::from(parent)) * 0x9E37_79B9_7F4A_7C15;
    (product >> 64) as u64 ^ product as u64
}
