//! Bodies of tests, each on four systems.

use super::places::{Ours, Place, Real};
use super::system::{Refusal, Start, System, seen};

fn in_process(body: impl Fn(&mut dyn System)) {
    let place = Ours::start();
    body(&mut place.context());
}

fn on_our_server(body: impl Fn(&mut dyn System)) {
    let place = Ours::start();
    body(&mut place.foreign());
}

fn on_the_real_server(body: impl Fn(&mut dyn System)) {
    let place = Real::start();
    body(&mut place.foreign());
}

fn across_a_bridge(body: impl Fn(&mut dyn System)) {
    let place = Real::start();
    body(&mut place.context());
}

/// A test for each body and system.
macro_rules! on_four_systems {
    ($($body:ident),*) => {
        $(
            mod $body {
                #[test]
                fn in_process() {
                    super::in_process(super::bodies::$body);
                }

                #[test]
                fn on_our_server() {
                    super::on_our_server(super::bodies::$body);
                }

                #[test]
                fn on_the_real_server() {
                    super::on_the_real_server(super::bodies::$body);
                }

                #[test]
                fn across_a_bridge() {
                    super::across_a_bridge(super::bodies::$body);
                }
            }
        )*
    };
}

on_four_systems!(values, compare_and_set, histories_and_keys, watches, objects, links_and_names, sealed);

mod bodies {
    use super::*;

    /// JK5, JK8, JK9, JK17.
    pub(super) fn values(system: &mut dyn System) {
        system.open_bucket();
        assert_eq!(system.put("a.b", "1"), Ok(1));
        assert_eq!(system.put("x", ""), Ok(2));
        assert_eq!((system.get("a.b").as_deref(), system.get("x").as_deref()), (Some("1"), Some("")));
        assert_eq!((system.get("none"), system.entry("none")), (None, None));
        assert_eq!(system.put("a.b", "3"), Ok(3));
        assert_eq!(system.revision("a.b", 1), Some(seen("a.b", "1", 1, "put")));
        assert_eq!((system.revision("a.b", 2), system.revision("a.b", 9)), (None, None));
        system.delete("a.b", None).unwrap();
        assert_eq!((system.get("a.b"), system.entry("a.b")), (None, Some(seen("a.b", "", 4, "delete"))));
        assert_eq!(system.status(), (4, 5));
        system.purge("a.b", None).unwrap();
        assert_eq!(system.entry("a.b"), Some(seen("a.b", "", 5, "purge")));
        assert_eq!((system.revision("a.b", 1), system.status()), (None, (2, 5)));
        for key in ["", ".a", "a.", "a b"] {
            assert_eq!(system.put(key, "x"), Err(Refusal::InvalidKey), "{key}");
        }
    }

    /// JK6, JK7.
    pub(super) fn compare_and_set(system: &mut dyn System) {
        system.open_bucket();
        assert_eq!(system.create("k", "1"), Ok(1));
        assert_eq!(system.create("k", "2"), Err(Refusal::Exists));
        assert_eq!(system.update("k", "2", 1), Ok(2));
        assert_eq!(system.update("k", "3", 1), Err(Refusal::WrongRevision));
        assert_eq!(system.update("new", "3", 7), Err(Refusal::WrongRevision));
        assert_eq!(system.delete("k", Some(1)), Err(Refusal::WrongRevision));
        assert_eq!(system.purge("k", Some(1)), Err(Refusal::WrongRevision));
        assert_eq!(system.delete("k", Some(2)), Ok(()));
        assert_eq!(system.update("k", "4", 0), Err(Refusal::WrongRevision));
        assert_eq!(system.create("k", "4"), Ok(4));
        assert_eq!(system.purge("k", Some(4)), Ok(()));
        assert_eq!(system.create("k", "6"), Ok(6));
        assert_eq!(system.history("k"), [seen("k", "", 5, "purge"), seen("k", "6", 6, "put")]);
    }

    /// JK15, JK16.
    pub(super) fn histories_and_keys(system: &mut dyn System) {
        system.open_bucket();
        assert!(system.keys().is_empty() && system.history("a").is_empty());
        for n in 1..=7 {
            system.put("a", &n.to_string()).unwrap();
        }
        system.put("b.c", "8").unwrap();
        system.put("gone", "9").unwrap();
        system.delete("gone", None).unwrap();
        let kept: Vec<_> = (3..=7).map(|n| seen("a", &n.to_string(), n, "put")).collect();
        assert_eq!(system.history("a"), kept);
        assert_eq!(system.history("gone"), [seen("gone", "9", 9, "put"), seen("gone", "", 10, "delete")]);
        assert_eq!(system.keys(), ["a", "b.c"]);
    }

    /// JK12 to JK14.
    pub(super) fn watches(system: &mut dyn System) {
        system.open_bucket();
        for (key, value) in [("a", "1"), ("b.x", "2"), ("a", "3"), ("c", "4")] {
            system.put(key, value).unwrap();
        }
        let mut last = system.watch(&[">"], Start::Last);
        let mut new = system.watch(&["b.*"], Start::New);
        let mut two = system.watch(&["a", "b.>"], Start::Last);
        let mut from = system.watch(&[">"], Start::Revision(3));
        system.put("b.y", "5").unwrap();
        system.delete("b.x", None).unwrap();
        let [a, c, y, x] = [
            seen("a", "3", 3, "put"),
            seen("c", "4", 4, "put"),
            seen("b.y", "5", 5, "put"),
            seen("b.x", "", 6, "delete"),
        ];
        let b = seen("b.x", "2", 2, "put");
        let mut take = |count: usize| last.by_ref().take(count).collect::<Vec<_>>();
        assert_eq!(take(5), [b.clone(), a.clone(), c.clone(), y.clone(), x.clone()]);
        assert_eq!(new.by_ref().take(2).collect::<Vec<_>>(), [y.clone(), x.clone()]);
        assert_eq!(two.by_ref().take(4).collect::<Vec<_>>(), [b, a.clone(), y.clone(), x.clone()]);
        assert_eq!(from.by_ref().take(4).collect::<Vec<_>>(), [a, c, y, x]);
        // Many, in order.
        for n in 7..=500 {
            system.put("b.z", &n.to_string()).unwrap();
        }
        assert!(new.by_ref().take(494).eq((7..=500).map(|n| seen("b.z", &n.to_string(), n, "put"))));
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
    }

    /// JO2 to JO6, JO9.
    pub(super) fn objects(system: &mut dyn System) {
        system.open_store();
        assert_eq!((system.info("none"), system.get_object("none"), system.objects().len()), (None, None, 0));
        let mut changes = system.watch_objects();
        for length in [0, 1, 131_071, 131_072, 131_073, 1_000_000] {
            let name = format!("of {length} bytes");
            let put = system.put_object(&name, "a test's", &content(length));
            assert_eq!(
                (put.name.as_str(), put.size, put.description.as_str()),
                (name.as_str(), length as u64, "a test's")
            );
            assert_eq!(system.info(&name), Some(put));
            assert!(system.get_object(&name).unwrap().unwrap() == content(length));
            assert_eq!(changes.next(), Some((name, false)));
        }
        let old = system.put_object("again", "", &content(300_000));
        let new = system.put_object("again", "", b"short");
        assert_ne!(old.digest, new.digest);
        assert_eq!(system.get_object("again"), Some(Ok(b"short".to_vec())));
        system.delete_object("again");
        assert_eq!((system.info("again"), system.get_object("again")), (None, None));
        let changed: Vec<_> = changes.by_ref().take(3).map(|(_, is_deleted)| is_deleted).collect();
        assert_eq!((changed, system.objects().len()), (vec![false, false, true], 6));
    }

    /// JO7, JO8.
    pub(super) fn links_and_names(system: &mut dyn System) {
        system.open_store();
        let put = system.put_object("one", "", &content(200_000));
        system.link_object("link", "one");
        assert_eq!(system.info("link").unwrap().link.as_deref(), Some("one"));
        assert!(system.get_object("link").unwrap().unwrap() == content(200_000));
        system.rename_object("one", "two");
        assert_eq!(system.info("one"), None);
        assert_eq!(system.info("two").unwrap().digest, put.digest);
        assert!(system.get_object("two").unwrap().unwrap() == content(200_000));
        assert_eq!(system.objects(), ["link", "two"]);
    }

    /// JO10.
    pub(super) fn sealed(system: &mut dyn System) {
        system.open_store();
        system.put_object("kept", "", b"content");
        system.seal();
        assert_eq!(system.get_object("kept"), Some(Ok(b"content".to_vec())));
        assert_eq!(system.objects(), ["kept"]);
    }
}
