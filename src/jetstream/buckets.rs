//! The context's calls on buckets: key-value, object store.

use super::bucket_names::BucketNames;
use super::context::{Call, JetStream};
use super::{kv, object_store};

/// Key-value and object store.
impl JetStream {
    /// Creates a bucket. One of the same name with the same configuration is no error.
    ///
    /// # Errors
    ///
    /// [`CreateKeyValueError::is_already_exists`](kv::CreateKeyValueError::is_already_exists) if there is one with another configuration;
    /// [`CreateKeyValueError::Config`](kv::CreateKeyValueError::Config) if it can't be one.
    pub fn create_key_value(&self, config: kv::Config) -> Call<kv::Store, kv::CreateKeyValueError> {
        kv::manage::create(self.clone(), config)
    }

    /// Gives the bucket of this configuration's name this configuration.
    ///
    /// # Errors
    ///
    /// [`UpdateKeyValueError::is_not_found`](kv::UpdateKeyValueError::is_not_found) if there is none; the server's for what can't be changed.
    pub fn update_key_value(&self, config: kv::Config) -> Call<kv::Store, kv::UpdateKeyValueError> {
        kv::manage::update(self.clone(), config)
    }

    /// Gives the bucket of this configuration's name this configuration, or creates it if there is none.
    ///
    /// # Errors
    ///
    /// Those of both.
    pub fn create_or_update_key_value(&self, config: kv::Config) -> Call<kv::Store, kv::CreateOrUpdateKeyValueError> {
        kv::manage::create_or_update(self.clone(), config)
    }

    /// The bucket of this name.
    ///
    /// # Errors
    ///
    /// [`GetKeyValueError::is_not_found`](kv::GetKeyValueError::is_not_found) if there is none.
    pub fn get_key_value(&self, bucket: impl AsRef<str>) -> Call<kv::Store, kv::GetKeyValueError> {
        kv::manage::get(self.clone(), bucket.as_ref())
    }

    /// Deletes the bucket of this name, with all its entries.
    ///
    /// # Errors
    ///
    /// [`DeleteKeyValueError::is_not_found`](kv::DeleteKeyValueError::is_not_found) if there is none.
    pub fn delete_key_value(&self, bucket: impl AsRef<str>) -> Call<(), kv::DeleteKeyValueError> {
        kv::manage::delete(self, bucket.as_ref())
    }

    /// The names of all buckets, in order. Mirrors are not among them (JK3).
    pub fn key_value_names(&self) -> BucketNames<kv::ListKeyValuesError> {
        kv::manage::names(self)
    }

    /// Creates an object store. One of the same name with the same configuration is no error.
    ///
    /// # Errors
    ///
    /// [`CreateObjectStoreError::is_already_exists`](object_store::CreateObjectStoreError::is_already_exists) if there is one with another
    /// configuration.
    pub fn create_object_store(
        &self,
        config: object_store::Config,
    ) -> Call<object_store::ObjectStore, object_store::CreateObjectStoreError> {
        object_store::manage::create(self.clone(), config)
    }

    /// The object store of this name.
    ///
    /// # Errors
    ///
    /// [`GetObjectStoreError::is_not_found`](object_store::GetObjectStoreError::is_not_found) if there is none.
    pub fn get_object_store(
        &self,
        bucket: impl AsRef<str>,
    ) -> Call<object_store::ObjectStore, object_store::GetObjectStoreError> {
        object_store::ObjectStore::find(self.clone(), bucket.as_ref())
    }

    /// Deletes the object store of this name, with all its objects.
    ///
    /// # Errors
    ///
    /// [`DeleteObjectStoreError::is_not_found`](object_store::DeleteObjectStoreError::is_not_found) if there is none.
    pub fn delete_object_store(&self, bucket: impl AsRef<str>) -> Call<(), object_store::DeleteObjectStoreError> {
        object_store::manage::delete(self, bucket.as_ref())
    }

    /// The names of all object stores, in order.
    pub fn object_store_names(&self) -> BucketNames<object_store::ListObjectStoresError> {
        object_store::manage::names(self)
    }
}
