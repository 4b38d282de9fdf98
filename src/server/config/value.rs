//! The tree that a configuration text is: values with the places they stand at.

use super::problem::{Position, ValueKind};
use std::sync::Arc;

/// A value, and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value {
    pub(super) at: Position,
    pub(super) data: Data,
}

/// The content of a value. Maps and arrays are shared, because a variable may put the same one in many
/// places.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    String(String),
    Boolean(bool),
    Integer(i64),
    Float(f64),
    /// As written, and checked to be a date.
    Datetime(String),
    Array(Arc<Node<Value>>),
    Map(Arc<Node<Entry>>),
}

/// The inside of a map or array, with what its bounds need to know.
#[derive(Debug, PartialEq)]
pub(super) struct Node<T> {
    pub(super) items: Vec<T>,
    /// Values in it, itself counted, with those in shared nodes counted wherever they are.
    pub(super) count: usize,
    /// Maps and arrays inside each other, itself counted.
    pub(super) height: usize,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Where the key stands, which is what problems name.
    pub(super) at: Position,
    pub(super) value: Value,
    /// A variable has named it. Such a key may be unknown, as it is there for that.
    pub(super) used: bool,
}

impl Node<Value> {
    pub(super) fn array(items: Vec<Value>) -> Self {
        let count = items.iter().fold(1, |sum: usize, item| sum.saturating_add(item.count()));
        let height = 1 + items.iter().map(Value::height).max().unwrap_or(0);
        Node { items, count, height }
    }
}

impl Node<Entry> {
    pub(super) fn map(items: Vec<Entry>) -> Self {
        let count = items.iter().fold(1, |sum: usize, entry| sum.saturating_add(entry.value.count()));
        let height = 1 + items.iter().map(|entry| entry.value.height()).max().unwrap_or(0);
        Node { items, count, height }
    }
}

impl Value {
    pub(super) fn count(&self) -> usize {
        match &self.data {
            Data::Array(node) => node.count,
            Data::Map(node) => node.count,
            _ => 1,
        }
    }

    pub(super) fn height(&self) -> usize {
        match &self.data {
            Data::Array(node) => node.height,
            Data::Map(node) => node.height,
            _ => 0,
        }
    }

    pub(super) fn kind(&self) -> ValueKind {
        match &self.data {
            Data::String(_) => ValueKind::String,
            Data::Boolean(_) => ValueKind::Boolean,
            Data::Integer(_) => ValueKind::Integer,
            Data::Float(_) => ValueKind::Float,
            Data::Datetime(_) => ValueKind::Datetime,
            Data::Array(_) => ValueKind::Array,
            Data::Map(_) => ValueKind::Map,
        }
    }
}
