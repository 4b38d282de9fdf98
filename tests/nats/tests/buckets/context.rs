//! The context in this process.

use super::system::{Items, PATIENCE, Refusal, Seen, Shown, Start, System, seen};
use postroom::jetstream::kv::{Config, CreateError, Entry, Operation, PutError, Store, UpdateError, WatchOptions};
use postroom::jetstream::object_store::{self, ObjectInfo, ObjectMetadata, ObjectStore};
use postroom::jetstream::{self, ContextOptions, JetStream};
use postroom::{Bridge, Client};
use std::io::Read;
use std::time::Duration;

pub(crate) struct InProcess {
    js: JetStream,
    bucket: Option<Store>,
    store: Option<ObjectStore>,
    _bridge: Option<Bridge>,
}

impl InProcess {
    pub(crate) fn new(client: Client, bridge: Option<Bridge>) -> Self {
        let js = jetstream::with_options(client, ContextOptions::new().timeout(PATIENCE));
        InProcess { js, bucket: None, store: None, _bridge: bridge }
    }

    fn bucket(&self) -> &Store {
        self.bucket.as_ref().expect("it was opened")
    }

    fn store(&self) -> &ObjectStore {
        self.store.as_ref().expect("it was opened")
    }
}

fn of_entry(entry: &Entry) -> Seen {
    let operation = match entry.operation {
        Operation::Put => "put",
        Operation::Delete => "delete",
        _ => "purge",
    };
    seen(&entry.key, std::str::from_utf8(&entry.value).expect("a text"), entry.revision, operation)
}

fn of_info(info: &ObjectInfo) -> Shown {
    Shown {
        name: info.name.clone(),
        size: info.size,
        chunks: info.chunks,
        digest: info.digest.clone(),
        description: info.description.clone(),
        link: info.link.as_ref().and_then(|link| link.name.clone()),
    }
}

macro_rules! refusals {
    ($($error:ident),*) => {
        $(
            impl From<$error> for Refusal {
                fn from(error: $error) -> Self {
                    match error {
                        error if error.is_wrong_last_revision() => Refusal::WrongRevision,
                        error if error.is_invalid_key() => Refusal::InvalidKey,
                        error => Refusal::Other(error.to_string()),
                    }
                }
            }
        )*
    };
}

use postroom::jetstream::kv::{DeleteError, PurgeError};
refusals!(PutError, UpdateError, DeleteError, PurgeError);

impl From<CreateError> for Refusal {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Exists(_) => Refusal::Exists,
            CreateError::Key(_) => Refusal::InvalidKey,
            error => Refusal::Other(error.to_string()),
        }
    }
}

impl System for InProcess {
    fn open_bucket(&mut self) {
        let bucket = match self.js.get_key_value("b").wait() {
            Ok(bucket) => bucket,
            Err(error) => {
                assert!(error.is_not_found(), "{error}");
                let config = Config::new("b").history(5).limit_markers(Duration::from_secs(1));
                self.js.create_key_value(config).wait().expect("a bucket")
            }
        };
        self.bucket = Some(bucket);
    }

    fn put(&self, key: &str, value: &str) -> Result<u64, Refusal> {
        Ok(self.bucket().put(key, value).wait()?)
    }

    fn create(&self, key: &str, value: &str) -> Result<u64, Refusal> {
        Ok(self.bucket().create(key, value).wait()?)
    }

    fn update(&self, key: &str, value: &str, revision: u64) -> Result<u64, Refusal> {
        Ok(self.bucket().update(key, value, revision).wait()?)
    }

    fn delete(&self, key: &str, expected: Option<u64>) -> Result<(), Refusal> {
        match expected {
            Some(revision) => self.bucket().delete_expect_revision(key, revision).wait()?,
            None => self.bucket().delete(key).wait()?,
        };
        Ok(())
    }

    fn purge(&self, key: &str, expected: Option<u64>) -> Result<(), Refusal> {
        match expected {
            Some(revision) => self.bucket().purge_expect_revision(key, revision).wait()?,
            None => self.bucket().purge(key).wait()?,
        };
        Ok(())
    }

    fn get(&self, key: &str) -> Option<String> {
        let value = self.bucket().get(key).wait().expect("a read")?;
        Some(String::from_utf8(value.to_vec()).expect("a text"))
    }

    fn entry(&self, key: &str) -> Option<Seen> {
        self.bucket().entry(key).wait().expect("a read").as_ref().map(of_entry)
    }

    fn revision(&self, key: &str, revision: u64) -> Option<Seen> {
        self.bucket().entry_for_revision(key, revision).wait().expect("a read").as_ref().map(of_entry)
    }

    fn history(&self, key: &str) -> Vec<Seen> {
        let history = self.bucket().history(key).wait().expect("a history");
        history.into_iter().map(|entry| of_entry(&entry.expect("an entry"))).collect()
    }

    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.bucket().keys(">").wait().expect("keys").into_iter().map(Result::unwrap).collect();
        keys.sort();
        keys
    }

    fn watch(&self, keys: &[&str], start: Start) -> Items<Seen> {
        let options = match start {
            Start::New => WatchOptions::new().updates_only(),
            Start::Last => WatchOptions::new(),
            Start::Revision(revision) => WatchOptions::new().from_revision(revision),
        };
        let watch = self.bucket().watch_with(keys, options).wait().expect("a watch");
        Box::new(watch.into_iter().map(|entry| of_entry(&entry.expect("an entry"))))
    }

    fn status(&self) -> (u64, u64) {
        let status = self.bucket().status().wait().expect("a status");
        (status.values(), status.history())
    }

    fn open_store(&mut self) {
        let store = match self.js.get_object_store("b").wait() {
            Ok(store) => store,
            Err(error) => {
                assert!(error.is_not_found(), "{error}");
                self.js.create_object_store(object_store::Config::new("b")).wait().expect("a store")
            }
        };
        self.store = Some(store);
    }

    fn put_object(&self, name: &str, description: &str, content: &[u8]) -> Shown {
        let meta = ObjectMetadata::new(name).description(description);
        of_info(&self.store().put_from(meta, content).wait().expect("a put"))
    }

    fn info(&self, name: &str) -> Option<Shown> {
        match self.store().info(name).wait() {
            Ok(info) => Some(of_info(&info)),
            Err(error) => {
                assert!(error.is_not_found(), "{error}");
                None
            }
        }
    }

    fn get_object(&self, name: &str) -> Option<Result<Vec<u8>, String>> {
        let mut object = match self.store().get(name).wait() {
            Ok(object) => object,
            Err(error) => {
                assert!(error.is_not_found(), "{error}");
                return None;
            }
        };
        let mut content = Vec::new();
        Some(object.read_to_end(&mut content).map(|_| content).map_err(|error| error.to_string()))
    }

    fn delete_object(&self, name: &str) {
        self.store().delete(name).wait().expect("it is deleted");
    }

    fn rename_object(&self, name: &str, other: &str) {
        self.store().update_metadata(name, other).wait().expect("it is renamed");
    }

    fn link_object(&self, name: &str, target: &str) {
        let target = self.store().info(target).wait().expect("an object");
        self.store().add_link(name, &target).wait().expect("a link");
    }

    fn objects(&self) -> Vec<String> {
        let list = self.store().list().wait().expect("a list");
        let mut names: Vec<_> = list.into_iter().map(|info| info.expect("an object").name).collect();
        names.sort();
        names
    }

    fn watch_objects(&self) -> Items<(String, bool)> {
        let watch = self.store().watch().wait().expect("a watch");
        Box::new(watch.into_iter().map(|info| info.map(|info| (info.name, info.deleted)).expect("an object")))
    }

    fn seal(&mut self) {
        self.store().seal().wait().expect("it is sealed");
    }
}
