//! A bucket against a map with histories, under random operations, with watches that see all of them.

use crate::support::setup;
use postroom::jetstream::kv::{Config, Entry, Operation, Store, WatchOptions};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

const HISTORY: usize = 3;

#[derive(Clone, Debug)]
enum Op {
    Put(usize, u8),
    Create(usize, u8),
    /// With the last revision, or with one that is off by this.
    Update(usize, u8, u64),
    Delete(usize),
    DeleteExpected(usize, u64),
    Purge(usize),
    /// A watch of all keys begins, with the history or without.
    Watch(bool),
    Check(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let (key, value, off) = (0..4_usize, any::<u8>(), prop_oneof![3 => Just(0_u64), 1 => 1..3_u64]);
    prop_oneof![
        4 => (key.clone(), value).prop_map(|(key, value)| Op::Put(key, value)),
        3 => (key.clone(), value).prop_map(|(key, value)| Op::Create(key, value)),
        3 => (key.clone(), value, off.clone()).prop_map(|(key, value, off)| Op::Update(key, value, off)),
        2 => key.clone().prop_map(Op::Delete),
        1 => (key.clone(), off).prop_map(|(key, off)| Op::DeleteExpected(key, off)),
        2 => key.clone().prop_map(Op::Purge),
        1 => any::<bool>().prop_map(Op::Watch),
        2 => key.prop_map(Op::Check),
    ]
}

type Seen = (String, Vec<u8>, u64, Operation);

fn seen(entry: &Entry) -> Seen {
    (entry.key.clone(), entry.value.to_vec(), entry.revision, entry.operation)
}

/// The bucket as it should be.
#[derive(Default)]
struct Model {
    keys: BTreeMap<String, VecDeque<Seen>>,
    last: u64,
    /// All that was written.
    log: Vec<Seen>,
}

impl Model {
    fn write(&mut self, key: &str, value: &[u8], operation: Operation) -> u64 {
        self.last += 1;
        let entry = (key.to_owned(), value.to_vec(), self.last, operation);
        let history = self.keys.entry(key.to_owned()).or_default();
        if operation == Operation::Purge {
            history.clear();
        }
        history.push_back(entry.clone());
        if history.len() > HISTORY {
            history.pop_front();
        }
        self.log.push(entry);
        self.last
    }

    fn revision(&self, key: &str) -> u64 {
        self.entry(key).map_or(0, |entry| entry.2)
    }

    fn entry(&self, key: &str) -> Option<&Seen> {
        self.keys.get(key)?.back()
    }

    fn is_live(&self, key: &str) -> bool {
        self.entry(key).is_some_and(|entry| entry.3 == Operation::Put)
    }

    /// Entries that a watch shows first.
    fn initial(&self, with_history: bool) -> Vec<Seen> {
        let each = self.keys.values().flat_map(|history| {
            let skip = if with_history { 0 } else { history.len() - 1 };
            history.iter().skip(skip).cloned()
        });
        let mut all: Vec<_> = each.collect();
        all.sort_by_key(|entry| entry.2);
        all
    }
}

fn check(kv: &Store, model: &Model, key: &str) {
    assert_eq!(kv.entry(key).wait().unwrap().as_ref().map(seen).as_ref(), model.entry(key));
    let value = model.entry(key).filter(|_| model.is_live(key)).map(|entry| entry.1.clone());
    assert_eq!(kv.get(key).wait().unwrap().map(|value| value.to_vec()), value);
    let history: Vec<_> = kv.history(key).wait().unwrap().into_iter().map(|entry| seen(&entry.unwrap())).collect();
    assert_eq!(history, model.keys.get(key).map(|history| Vec::from(history.clone())).unwrap_or_default());
    for entry in &history {
        assert_eq!(kv.entry_for_revision(key, entry.2).wait().unwrap().as_ref().map(seen).as_ref(), Some(entry));
    }
    let mut keys: Vec<_> = kv.keys(">").wait().unwrap().into_iter().map(Result::unwrap).collect();
    keys.sort();
    assert_eq!(keys, model.keys.keys().filter(|key| model.is_live(key)).cloned().collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// JK5 to JK9, JK12 to JK17.
    #[test]
    fn a_bucket_is_a_map_with_histories(ops in proptest::collection::vec(op(), 1..80)) {
        let setup = setup();
        let kv = setup.bucket(Config::new("b").history(HISTORY as u64));
        let mut model = Model::default();
        let mut watches = Vec::new();
        let name = |key: usize| ["a", "b.c", "b.d", "e"][key];
        for op in &ops {
            match *op {
                Op::Put(key, value) => {
                    let revision = kv.put(name(key), [value]).wait().unwrap();
                    prop_assert_eq!(revision, model.write(name(key), &[value], Operation::Put));
                }
                Op::Create(key, value) => match kv.create(name(key), [value]).wait() {
                    Ok(revision) => {
                        prop_assert!(!model.is_live(name(key)));
                        prop_assert_eq!(revision, model.write(name(key), &[value], Operation::Put));
                    }
                    Err(error) => prop_assert!(error.is_already_exists() && model.is_live(name(key)), "{}", error),
                },
                Op::Update(key, value, off) => {
                    match kv.update(name(key), [value], model.revision(name(key)) + off).wait() {
                        Ok(revision) => {
                            prop_assert_eq!(off, 0);
                            prop_assert_eq!(revision, model.write(name(key), &[value], Operation::Put));
                        }
                        Err(error) => prop_assert!(error.is_wrong_last_revision() && off > 0, "{}", error),
                    }
                }
                Op::Delete(key) => {
                    let revision = kv.delete(name(key)).wait().unwrap();
                    prop_assert_eq!(revision, model.write(name(key), &[], Operation::Delete));
                }
                Op::DeleteExpected(key, off) => {
                    match kv.delete_expect_revision(name(key), model.revision(name(key)) + off).wait() {
                        Ok(revision) => {
                            prop_assert_eq!(off, 0);
                            prop_assert_eq!(revision, model.write(name(key), &[], Operation::Delete));
                        }
                        Err(error) => prop_assert!(error.is_wrong_last_revision() && off > 0, "{}", error),
                    }
                }
                Op::Purge(key) => {
                    let revision = kv.purge(name(key)).wait().unwrap();
                    prop_assert_eq!(revision, model.write(name(key), &[], Operation::Purge));
                }
                Op::Watch(with_history) => {
                    let options = WatchOptions::new();
                    let options = if with_history { options.include_history() } else { options };
                    let mut watch = kv.watch_with([">"], options).wait().unwrap();
                    let initial: Vec<_> = watch.initial().iter().map(|entry| seen(&entry.unwrap())).collect();
                    prop_assert_eq!(initial, model.initial(with_history));
                    watches.push((watch, model.log.len()));
                }
                Op::Check(key) => check(&kv, &model, name(key)),
            }
        }
        (0..4).for_each(|key| check(&kv, &model, name(key)));
        prop_assert_eq!(kv.status().wait().unwrap().values(), model.keys.values().map(VecDeque::len).sum::<usize>() as u64);
        // Each watch has seen each write since it began, in order and once.
        for (mut watch, from) in watches {
            let rest = &model.log[from..];
            let shown: Vec<_> = watch.iter().take(rest.len()).map(|entry| seen(&entry.unwrap())).collect();
            prop_assert_eq!(&shown[..], rest);
        }
    }
}
