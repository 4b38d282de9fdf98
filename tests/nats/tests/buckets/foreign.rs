//! async-nats.

use super::system::{Items, PATIENCE, Refusal, Seen, Shown, Start, System, seen};
use async_nats::jetstream::kv::{self, CreateErrorKind, Entry, Operation, Store, UpdateErrorKind};
use async_nats::jetstream::object_store::{
    self, InfoErrorKind, ObjectInfo, ObjectMetadata, ObjectStore, UpdateMetadata,
};
use async_nats::jetstream::{self, Context};
use futures_util::{Stream, StreamExt, TryStreamExt};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::runtime::{Builder, Runtime};

pub(crate) struct Foreign {
    runtime: std::sync::Arc<Runtime>,
    js: Context,
    bucket: Option<Store>,
    store: Option<ObjectStore>,
}

impl Foreign {
    pub(crate) fn connect(addr: &str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let client = runtime.block_on(async_nats::connect(addr)).expect("a connection");
        let js = {
            let _entered = runtime.enter();
            jetstream::new(client)
        };
        Foreign { runtime: runtime.into(), js, bucket: None, store: None }
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("in time") })
    }

    fn bucket(&self) -> &Store {
        self.bucket.as_ref().expect("it was opened")
    }

    fn store(&self) -> &ObjectStore {
        self.store.as_ref().expect("it was opened")
    }

    /// A stream as an iterator.
    fn items<T: 'static>(&self, stream: impl Stream<Item = T> + 'static) -> Items<T> {
        let runtime = self.runtime.clone();
        let mut stream = Box::pin(stream);
        Box::new(std::iter::from_fn(move || {
            runtime.block_on(async { tokio::time::timeout(PATIENCE, stream.next()).await.expect("in time") })
        }))
    }
}

fn of_entry(entry: &Entry) -> Seen {
    let operation = match entry.operation {
        Operation::Put => "put",
        Operation::Delete => "delete",
        Operation::Purge => "purge",
    };
    seen(&entry.key, std::str::from_utf8(&entry.value).expect("a text"), entry.revision, operation)
}

fn of_info(info: &ObjectInfo) -> Shown {
    Shown {
        name: info.name.clone(),
        size: info.size as u64,
        chunks: info.chunks as u64,
        digest: info.digest.clone().unwrap_or_default(),
        description: info.description.clone().unwrap_or_default(),
        link: info.options.as_ref().and_then(|options| options.link.as_ref()?.name.clone()),
    }
}

fn of_update(error: kv::UpdateError) -> Refusal {
    match error.kind() {
        UpdateErrorKind::WrongLastRevision => Refusal::WrongRevision,
        UpdateErrorKind::InvalidKey => Refusal::InvalidKey,
        _ => Refusal::Other(error.to_string()),
    }
}

impl System for Foreign {
    fn open_bucket(&mut self) {
        let bucket = self.block_on(async {
            match self.js.get_key_value("b").await {
                Ok(bucket) => bucket,
                Err(_) => {
                    let limit_markers = Some(Duration::from_secs(1));
                    let config = kv::Config { bucket: "b".into(), history: 5, limit_markers, ..Default::default() };
                    self.js.create_key_value(config).await.expect("a bucket")
                }
            }
        });
        self.bucket = Some(bucket);
    }

    fn put(&self, key: &str, value: &str) -> Result<u64, Refusal> {
        self.block_on(self.bucket().put(key, value.to_owned().into())).map_err(|error| match error.kind() {
            kv::PutErrorKind::InvalidKey => Refusal::InvalidKey,
            _ => Refusal::Other(error.to_string()),
        })
    }

    fn create(&self, key: &str, value: &str) -> Result<u64, Refusal> {
        self.block_on(self.bucket().create(key, value.to_owned().into())).map_err(|error| match error.kind() {
            CreateErrorKind::AlreadyExists => Refusal::Exists,
            CreateErrorKind::InvalidKey => Refusal::InvalidKey,
            _ => Refusal::Other(error.to_string()),
        })
    }

    fn update(&self, key: &str, value: &str, revision: u64) -> Result<u64, Refusal> {
        self.block_on(self.bucket().update(key, value.to_owned().into(), revision)).map_err(of_update)
    }

    fn delete(&self, key: &str, expected: Option<u64>) -> Result<(), Refusal> {
        self.block_on(self.bucket().delete_expect_revision(key, expected)).map_err(of_update)
    }

    fn purge(&self, key: &str, expected: Option<u64>) -> Result<(), Refusal> {
        self.block_on(self.bucket().purge_expect_revision(key, expected)).map_err(of_update)
    }

    fn get(&self, key: &str) -> Option<String> {
        let value = self.block_on(self.bucket().get(key)).expect("a read")?;
        Some(String::from_utf8(value.to_vec()).expect("a text"))
    }

    fn entry(&self, key: &str) -> Option<Seen> {
        self.block_on(self.bucket().entry(key)).expect("a read").as_ref().map(of_entry)
    }

    fn revision(&self, key: &str, revision: u64) -> Option<Seen> {
        self.block_on(self.bucket().entry_for_revision(key, revision)).expect("a read").as_ref().map(of_entry)
    }

    fn history(&self, key: &str) -> Vec<Seen> {
        self.block_on(async {
            let history = self.bucket().history(key).await.expect("a history");
            history.map(|entry| of_entry(&entry.expect("an entry"))).collect().await
        })
    }

    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> =
            self.block_on(async { self.bucket().keys().await.expect("keys").try_collect().await.expect("keys") });
        keys.sort();
        keys
    }

    fn watch(&self, keys: &[&str], start: Start) -> Items<Seen> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let bucket = self.bucket();
        let watch = self.block_on(async {
            match (start, &keys[..]) {
                (Start::New, [key]) => bucket.watch(key).await,
                (Start::New, _) => bucket.watch_many(&keys).await,
                (Start::Last, [key]) => bucket.watch_with_history(key).await,
                (Start::Last, _) => bucket.watch_many_with_history(&keys).await,
                (Start::Revision(revision), _) => bucket.watch_from_revision(&keys[0], revision).await,
            }
        });
        self.items(watch.expect("a watch").map(|entry| of_entry(&entry.expect("an entry"))))
    }

    fn status(&self) -> (u64, u64) {
        self.block_on(async {
            // Its status is that of the time when it was opened.
            let bucket = self.js.get_key_value("b").await.expect("a bucket");
            let status = bucket.status().await.expect("a status");
            (status.values(), status.history() as u64)
        })
    }

    fn open_store(&mut self) {
        let store = self.block_on(async {
            match self.js.get_object_store("b").await {
                Ok(store) => store,
                Err(_) => {
                    let config = object_store::Config { bucket: "b".into(), ..Default::default() };
                    self.js.create_object_store(config).await.expect("a store")
                }
            }
        });
        self.store = Some(store);
    }

    fn put_object(&self, name: &str, description: &str, content: &[u8]) -> Shown {
        let meta =
            ObjectMetadata { name: name.to_owned(), description: Some(description.to_owned()), ..Default::default() };
        of_info(&self.block_on(self.store().put(meta, &mut &content[..])).expect("a put"))
    }

    fn info(&self, name: &str) -> Option<Shown> {
        match self.block_on(self.store().info(name)) {
            // This client shows what was deleted too.
            Ok(info) => Some(of_info(&info)).filter(|_| !info.deleted),
            Err(error) => {
                assert_eq!(error.kind(), InfoErrorKind::NotFound, "{error}");
                None
            }
        }
    }

    fn get_object(&self, name: &str) -> Option<Result<Vec<u8>, String>> {
        self.info(name)?;
        self.block_on(async {
            let mut object = self.store().get(name).await.expect("an object");
            let mut content = Vec::new();
            Some(object.read_to_end(&mut content).await.map(|_| content).map_err(|error| error.to_string()))
        })
    }

    fn delete_object(&self, name: &str) {
        self.block_on(self.store().delete(name)).expect("it is deleted");
    }

    fn rename_object(&self, name: &str, other: &str) {
        // This client checks the new name as if it were encoded: it takes plain ones.
        let metadata = UpdateMetadata { name: other.to_owned(), ..Default::default() };
        self.block_on(self.store().update_metadata(name, metadata)).expect("it is renamed");
    }

    fn link_object(&self, name: &str, target: &str) {
        self.block_on(async {
            let target = self.store().info(target).await.expect("an object");
            self.store().add_link(name, &target).await.expect("a link");
        });
    }

    fn objects(&self) -> Vec<String> {
        let mut names: Vec<String> = self.block_on(async {
            let list = self.store().list().await.expect("a list");
            list.map(|info| info.expect("an object").name).collect().await
        });
        names.sort();
        names
    }

    fn watch_objects(&self) -> Items<(String, bool)> {
        let watch = self.block_on(self.store().watch()).expect("a watch");
        self.items(watch.map(|info| info.map(|info| (info.name, info.deleted)).expect("an object")))
    }

    fn seal(&mut self) {
        let mut store = self.store.take().expect("it was opened");
        self.block_on(store.seal()).expect("it is sealed");
        self.store = Some(store);
    }
}
