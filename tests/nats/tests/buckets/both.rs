//! Two clients at one place: each reads and watches what the other writes.

use super::places::{Ours, Place, Real};
use super::system::{Refusal, Start, System, seen};

/// Runs a body with each client as the one that makes the bucket and writes.
fn both_ways(body: impl Fn(&mut dyn System, &mut dyn System)) {
    fn at<P: Place>(body: &impl Fn(&mut dyn System, &mut dyn System)) {
        let place = P::start();
        body(&mut place.context(), &mut place.foreign());
        let place = P::start();
        body(&mut place.foreign(), &mut place.context());
    }
    at::<Ours>(&body);
    at::<Real>(&body);
}

/// JK1, JK5 to JK8, JK12 to JK16.
#[test]
fn each_reads_and_watches_the_bucket_of_the_other() {
    both_ways(|writer, reader| {
        writer.open_bucket();
        reader.open_bucket();
        let mut changes = reader.watch(&[">"], Start::New);
        writer.put("a.b", "1").unwrap();
        writer.create("c", "2").unwrap();
        writer.update("c", "3", 2).unwrap();
        assert_eq!((reader.get("a.b").as_deref(), reader.get("c").as_deref()), (Some("1"), Some("3")));
        assert_eq!(reader.create("c", "x"), Err(Refusal::Exists));
        assert_eq!(reader.update("c", "x", 2), Err(Refusal::WrongRevision));
        writer.delete("c", None).unwrap();
        writer.put("d", "5").unwrap();
        writer.purge("d", None).unwrap();
        assert_eq!((reader.get("c"), reader.get("d"), reader.keys()), (None, None, vec!["a.b".to_owned()]));
        assert_eq!(
            changes.by_ref().take(6).collect::<Vec<_>>(),
            [
                seen("a.b", "1", 1, "put"),
                seen("c", "2", 2, "put"),
                seen("c", "3", 3, "put"),
                seen("c", "", 4, "delete"),
                seen("d", "5", 5, "put"),
                seen("d", "", 6, "purge")
            ]
        );
        // Over the markers of the other.
        assert_eq!((reader.create("c", "7"), reader.create("d", "8")), (Ok(7), Ok(8)));
        assert_eq!((writer.get("c").as_deref(), writer.get("d").as_deref()), (Some("7"), Some("8")));
        assert_eq!(writer.history("c"), reader.history("c"));
        assert_eq!((writer.keys(), writer.status()), (reader.keys(), reader.status()));
        let last = |system: &dyn System| system.watch(&["*"], Start::Last).take(2).collect::<Vec<_>>();
        assert_eq!(last(writer), last(reader));
    });
}

/// JO2 to JO10.
#[test]
fn each_reads_and_watches_the_store_of_the_other() {
    both_ways(|writer, reader| {
        writer.open_store();
        reader.open_store();
        let mut changes = reader.watch_objects();
        let content: Vec<u8> = (0..500_000_usize).map(|at| (at * 7 + at / 251) as u8).collect();
        for name in ["hello world", "über/ßß.txt", "empty"] {
            let content = if name == "empty" { &[] } else { &content[..] };
            let put = writer.put_object(name, "described", content);
            assert_eq!(reader.info(name), Some(put));
            assert!(reader.get_object(name).unwrap().unwrap() == content);
            assert_eq!(changes.next(), Some((name.to_owned(), false)));
        }
        // The other replaces it, and removes what it replaces.
        reader.put_object("hello world", "", b"short");
        assert_eq!(writer.get_object("hello world"), Some(Ok(b"short".to_vec())));
        writer.link_object("link", "hello world");
        assert_eq!(reader.get_object("link"), Some(Ok(b"short".to_vec())));
        reader.link_object("link2", "empty");
        assert_eq!(writer.get_object("link2"), Some(Ok(Vec::new())));
        writer.rename_object("hello world", "renamed");
        assert_eq!(reader.get_object("renamed"), Some(Ok(b"short".to_vec())));
        writer.delete_object("empty");
        assert_eq!((reader.info("empty"), reader.get_object("empty")), (None, None));
        assert_eq!(writer.objects(), reader.objects());
        writer.seal();
        assert_eq!(reader.get_object("renamed"), Some(Ok(b"short".to_vec())));
    });
}
