//! The body of an object's metadata, which clients write in the form of the Go client (JO4). Keys that are unknown are kept.

use super::read::{self, Decode, Fatal, Reader};
use super::write::{self, Object};
use crate::HeaderMap;
use crate::jetstream::object_store::{ObjectInfo, ObjectLink};

const NAME: &str = "ObjectInfo";

impl Decode for ObjectInfo {
    const NAME: &'static str = NAME;

    fn decode(&mut self, from: &mut Reader<'_>) -> Result<(), Fatal> {
        from.pairs(NAME, |reader, key| match key.as_str() {
            "name" => reader.text(&mut self.name),
            "description" => reader.text(&mut self.description),
            "headers" => headers(&mut self.headers, reader),
            "metadata" => reader.map(&mut self.metadata),
            "options" => options(self, reader),
            "bucket" => reader.text(&mut self.bucket),
            "nuid" => reader.text(&mut self.nuid),
            "size" => reader.integer("uint64", &mut self.size),
            "chunks" => reader.integer("uint32", &mut self.chunks),
            // The stored message has the time that counts.
            "mtime" => {
                reader.raw();
                Ok(())
            }
            "digest" => reader.text(&mut self.digest),
            "deleted" => reader.flag(&mut self.deleted),
            _ => {
                let value = String::from_utf8_lossy(reader.raw()).into_owned();
                self.unknown.push((key, value));
                Ok(())
            }
        })?;
        Ok(())
    }
}

/// Names with lists of values. What no header can hold is left out.
fn headers(target: &mut HeaderMap, from: &mut Reader<'_>) -> Result<(), Fatal> {
    from.pairs("map[string][]string", |reader, name| {
        let mut values = Vec::new();
        reader.texts(&mut values)?;
        for value in values {
            target.append(&name, value).map_err(|error| format!("header {name:?}: {error}"))?;
        }
        Ok(())
    })?;
    Ok(())
}

fn options(info: &mut ObjectInfo, from: &mut Reader<'_>) -> Result<(), Fatal> {
    from.object("ObjectMetaOptions", &["link", "max_chunk_size"], |reader, key| match key {
        "link" => reader.optional(&mut info.link, |reader, link: &mut ObjectLink| {
            reader.object("ObjectLink", &["bucket", "name"], |reader, key| match key {
                "bucket" => reader.text(&mut link.bucket),
                _ => {
                    let mut name = String::new();
                    reader.text(&mut name)?;
                    link.name = Some(name).filter(|name| !name.is_empty());
                    Ok(())
                }
            })?;
            Ok(())
        }),
        _ => reader.integer("uint32", &mut info.max_chunk_size),
    })?;
    Ok(())
}

/// Reads the metadata of an object.
///
/// # Errors
///
/// Why it can't be read.
pub(crate) fn decode(payload: &[u8]) -> Result<ObjectInfo, String> {
    let mut info = ObjectInfo::default();
    read::decode(payload, false, &mut info)?;
    match info.name.is_empty() {
        true => Err("it names no object".to_owned()),
        false => Ok(info),
    }
}

/// Writes the metadata of an object.
pub(crate) fn encode(info: &ObjectInfo) -> String {
    let mut body = String::with_capacity(256);
    let mut object = Object::new(&mut body);
    object.text("name", &info.name);
    object.some_text("description", &info.description);
    if !info.headers.is_empty() {
        let mut names: Vec<&str> = info.headers.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        let mut headers = Object::new(object.key("headers"));
        for name in names {
            write::list(headers.key(name), info.headers.get_all(name), write::text);
        }
    }
    if !info.metadata.is_empty() {
        let mut metadata = Object::new(object.key("metadata"));
        info.metadata.iter().for_each(|(key, value)| metadata.text(key, value));
    }
    if info.link.is_some() || info.max_chunk_size > 0 {
        let mut options = Object::new(object.key("options"));
        options.some_object("link", info.link.as_ref(), |object, link| {
            object.text("bucket", &link.bucket);
            object.some_text("name", link.name.as_deref().unwrap_or_default());
        });
        options.some_number("max_chunk_size", info.max_chunk_size);
    }
    object.text("bucket", &info.bucket);
    object.text("nuid", &info.nuid);
    object.plain("size", info.size);
    object.instant("mtime", Some(info.modified));
    object.plain("chunks", info.chunks);
    object.some_text("digest", &info.digest);
    object.some_flag("deleted", info.deleted);
    for (key, value) in &info.unknown {
        object.plain(key, value);
    }
    drop(object);
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jetstream::engine::Timestamp;

    /// JO4: as the clients in Go and Rust write it.
    #[test]
    fn metadata_is_read_as_clients_write_it() {
        let go = r#"{"name":"a b","description":"d","headers":{"H":["1","2"]},"metadata":{"k":"v"},"options":{"max_chunk_size":131072},"bucket":"b","nuid":"n","size":7,"mtime":"0001-01-01T00:00:00Z","chunks":1,"digest":"SHA-256=x","revision":9,"more":{"x":[1]}}"#;
        let info = decode(go.as_bytes()).unwrap();
        assert_eq!((info.name.as_str(), info.description.as_str(), info.nuid.as_str()), ("a b", "d", "n"));
        assert_eq!(info.headers.get_all("H").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((info.size, info.chunks, info.max_chunk_size, info.deleted), (7, 1, 131_072, false));
        // Unknown keys survive.
        let mut again = info.clone();
        again.modified = Timestamp::from_nanos(1_000_000_000);
        let expected = go.replace("0001-01-01T00:00:00Z", "1970-01-01T00:00:01Z");
        assert_eq!(encode(&again), expected);

        let rust = r#"{"name":"o","description":null,"metadata":{},"headers":null,"options":{"link":null,"max_chunk_size":131072},"bucket":"b","nuid":"n","size":0,"chunks":0,"mtime":"2026-11-29T10:00:00.5Z","digest":"SHA-256=y"}"#;
        let info = decode(rust.as_bytes()).unwrap();
        assert_eq!((info.link, info.metadata.len(), info.digest.as_str()), (None, 0, "SHA-256=y"));
        // JO8: a link as the JavaScript client writes it.
        let link = decode(br#"{"name":"l","bucket":"b","options":{"link":{"bucket":"c","name":"o"}}}"#).unwrap();
        assert_eq!(link.link, Some(ObjectLink { bucket: "c".to_owned(), name: Some("o".to_owned()) }));
        for fault in ["", "{", "[]", "{}", r#"{"name":"a","size":"x"}"#, r#"{"name":"a","headers":{"a b":["\n"]}}"#] {
            assert!(decode(fault.as_bytes()).is_err(), "{fault}");
        }
    }
}
