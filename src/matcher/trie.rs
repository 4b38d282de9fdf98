//! A trie of wildcard patterns for one thread at a time: no lock inside.
//!
//! Tokens are interned to numbers, and an edge is an entry `(parent, token) -> child` of one hash table, so that a step
//! costs one probe with an integer key, whatever the number of siblings, and a node costs 32 bytes. A subject's tokens are
//! looked up once each, however many branches the search follows.

use super::bucket::{Bucket, Taken};
use super::matches::Matches;
use super::tokens::Tokens;
use ahash::RandomState;
use hashbrown::HashTable;
use smallvec::SmallVec;
use smol_str::SmolStr;

const ROOT: u32 = 0;
/// Neither a node nor a token.
const NONE: u32 = u32::MAX;
/// The token `*` as an edge: kept in the node itself, every search looks at it.
const STAR: u32 = u32::MAX - 1;

/// With fewer nodes than this a trie is not worth compacting.
const NODES_KEPT: usize = 64;

#[derive(Debug)]
pub(super) struct Trie<T> {
    nodes: Vec<Node<T>>,
    free: Vec<u32>,
    edges: HashTable<Edge>,
    tokens: Tokens,
    hasher: RandomState,
}

#[derive(Debug)]
struct Node<T> {
    parent: u32,
    /// The token on the edge from the parent.
    token: u32,
    star: u32,
    /// Children, the star included.
    children: u32,
    /// Patterns that end here. Boxed, since most nodes hold none.
    here: Option<Box<Bucket<T>>>,
    /// Patterns that go on with `>` and end.
    tail: Option<Box<Bucket<T>>>,
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    parent: u32,
    token: u32,
    child: u32,
}

impl<T> Trie<T> {
    pub(super) fn new(hasher: RandomState) -> Self {
        Trie {
            nodes: vec![Node::new(NONE, NONE)],
            free: Vec::new(),
            edges: HashTable::new(),
            tokens: Tokens::default(),
            hasher,
        }
    }

    pub(super) fn node_count(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    pub(super) fn insert(&mut self, pattern: &str, queue: Option<SmolStr>, id: u64, value: T) {
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
        *place = Some(Box::new(match place.take() {
            None => Bucket::first(queue, id, value),
            Some(bucket) => bucket.with(queue, id, value),
        }));
    }

    /// Takes the entry out, and the nodes that nothing needs any more.
    pub(super) fn remove(&mut self, pattern: &str, id: u64) -> Option<Taken<T>> {
        let mut node = ROOT;
        let mut tail = false;
        for token in pattern.split('.') {
            match token {
                ">" => tail = true,
                "*" => node = Some(self.nodes[node as usize].star).filter(|&star| star != NONE)?,
                _ => node = self.edge(node, self.tokens.find(&self.hasher, token)?)?,
            }
        }
        let end = &mut self.nodes[node as usize];
        let place = if tail { &mut end.tail } else { &mut end.here };
        let (left, taken) = place.take()?.without(id);
        *place = left.map(Box::new);
        self.prune(node);
        taken
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
            let Node { parent, token, .. } = self.nodes[node as usize];
            tokens.push(if token == STAR {
                "*"
            } else {
                self.tokens.text(token)
            });
            node = parent;
        }
        tokens.reverse();
        tokens.join(".")
    }

    fn edge(&self, parent: u32, token: u32) -> Option<u32> {
        let hash = self.hasher.hash_one(key(parent, token));
        self.edges
            .find(hash, |edge| edge.parent == parent && edge.token == token)
            .map(|edge| edge.child)
    }

    fn child_or_new(&mut self, parent: u32, text: &str) -> u32 {
        if text == "*" {
            let star = self.nodes[parent as usize].star;
            return if star != NONE {
                star
            } else {
                self.new_node(parent, STAR)
            };
        }
        let known = self
            .tokens
            .find(&self.hasher, text)
            .and_then(|token| self.edge(parent, token));
        known.unwrap_or_else(|| {
            let token = self.tokens.hold(&self.hasher, text);
            self.new_node(parent, token)
        })
    }

    fn new_node(&mut self, parent: u32, token: u32) -> u32 {
        let node = Node::new(parent, token);
        let child = match self.free.pop() {
            Some(at) => {
                self.nodes[at as usize] = node;
                at
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1)
                    .ok()
                    .filter(|&at| at < STAR)
                    .expect("fewer than 2^32 - 2 trie nodes")
            }
        };
        self.nodes[parent as usize].children += 1;
        if token == STAR {
            self.nodes[parent as usize].star = child;
        } else {
            self.add_edge(Edge {
                parent,
                token,
                child,
            });
        }
        child
    }

    /// Frees `node` and its ancestors as far as they hold neither entries nor children.
    fn prune(&mut self, mut node: u32) {
        while node != ROOT {
            let Node {
                parent,
                token,
                children,
                ..
            } = self.nodes[node as usize];
            let held = &self.nodes[node as usize];
            if children > 0 || held.here.is_some() || held.tail.is_some() {
                break;
            }
            self.nodes[parent as usize].children -= 1;
            if token == STAR {
                self.nodes[parent as usize].star = NONE;
            } else {
                let hash = self.hasher.hash_one(key(parent, token));
                if let Ok(edge) = self.edges.find_entry(hash, |edge| edge.child == node) {
                    edge.remove();
                }
                self.tokens.release(&self.hasher, token);
            }
            self.free.push(node);
            node = parent;
        }
        if self.nodes.len() > NODES_KEPT && self.node_count() < self.nodes.len() / 4 {
            self.compact();
        }
    }

    /// Gives memory back once three quarters of the nodes are free: each time is paid for by as many removals.
    ///
    /// Nodes in use may lie anywhere, so all of them get new numbers; their tokens do too.
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

        let old = std::mem::take(&mut self.nodes);
        let tokens = std::mem::take(&mut self.tokens);
        self.nodes.reserve_exact(kept as usize * 2);
        self.edges = HashTable::with_capacity(kept as usize);
        for (at, mut node) in old.into_iter().enumerate() {
            let child = moved(at as u32);
            if child == NONE {
                continue;
            }
            node.parent = moved(node.parent);
            node.star = moved(node.star);
            if node.token != NONE && node.token != STAR {
                node.token = self.tokens.hold(&self.hasher, tokens.text(node.token));
                let edge = Edge {
                    parent: node.parent,
                    token: node.token,
                    child,
                };
                self.add_edge(edge);
            }
            self.nodes.push(node);
        }
    }

    fn add_edge(&mut self, edge: Edge) {
        let hasher = &self.hasher;
        let hash = |edge: &Edge| hasher.hash_one(key(edge.parent, edge.token));
        self.edges.insert_unique(hash(&edge), edge, hash);
    }
}

impl<T: Clone> Trie<T> {
    /// Adds the entries of all patterns that match the tokens of `subject`, which are taken as plain text (S7); an empty
    /// token makes a subject that nothing matches (S6).
    pub(super) fn collect(&self, subject: &str, routed: bool, into: &mut Matches<T>) {
        if self.node_count() == 1 && self.nodes[0].tail.is_none() {
            return;
        }
        let mut tokens: SmallVec<[u32; 16]> = SmallVec::new();
        for text in subject.split('.') {
            if text.is_empty() {
                return;
            }
            tokens.push(self.tokens.find(&self.hasher, text).unwrap_or(NONE));
        }
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
                match (
                    if token == NONE || star_only {
                        None
                    } else {
                        self.edge(at, token)
                    },
                    node.star,
                ) {
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
    fn new(parent: u32, token: u32) -> Self {
        Node {
            parent,
            token,
            star: NONE,
            children: 0,
            here: None,
            tail: None,
        }
    }
}

fn key(parent: u32, token: u32) -> u64 {
    u64::from(parent) << 32 | u64::from(token)
}
