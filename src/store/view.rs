//! What can be read of the store: single values and ordered scans.
//!
//! The writer reads through its [`super::Store`]; other threads through a [`StoreReader`], which the
//! store takes away from them when it is dropped, and gives another database when it is rebuilt.

use std::{
    ops::Bound,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use super::{Key, Prefix, StoreError, StoreErrorKind, poison::Poison};

/// A key and its value, as bytes ([`super::key`] takes the key apart).
pub type Entry = (Vec<u8>, Vec<u8>);

/// An open database, to be read.
#[derive(Debug, Clone)]
pub struct View {
    pub(super) dir: PathBuf,
    pub(super) db: sled::Db,
    pub(super) poison: Poison,
}

/// The store as other threads read it.
#[derive(Debug, Clone)]
pub struct StoreReader {
    dir: PathBuf,
    view: Arc<RwLock<Option<View>>>,
}

/// The store's hand on its readers.
#[derive(Debug)]
pub(super) struct Shared(Arc<RwLock<Option<View>>>);

impl StoreReader {
    /// Reads. The store is neither rebuilt nor closed meanwhile, so this must not take long.
    ///
    /// # Errors
    /// [`StoreErrorKind::Closed`] when the store is closed, and what `read` gives.
    pub fn read<T, E: From<StoreError>>(
        &self,
        read: impl FnOnce(&View) -> Result<T, E>,
    ) -> Result<T, E> {
        // Nobody changes it halfway: it is good after a panic as well.
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        match &*view {
            Some(view) => read(view),
            None => Err(StoreError::new("read", &self.dir, StoreErrorKind::Closed).into()),
        }
    }
}

impl Shared {
    pub(super) fn new(view: &View) -> Self {
        Self(Arc::new(RwLock::new(Some(view.clone()))))
    }

    pub(super) fn reader(&self, dir: &Path) -> StoreReader {
        StoreReader { dir: dir.to_owned(), view: Arc::clone(&self.0) }
    }

    /// Readers go on with that one.
    pub(super) fn replace(&self, view: &View) {
        self.put(Some(view.clone()));
    }

    /// Nobody reads any more.
    pub(super) fn close(&self) {
        self.put(None);
    }

    fn put(&self, view: Option<View>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = view;
    }
}

impl View {
    /// The value under `key`.
    ///
    /// # Errors
    ///
    /// When the disk cannot be read or the store is poisoned.
    pub fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.readable()?.get(key.as_bytes()).map_err(|error| self.unread(error))?;
        Ok(value.filter(|value| !value.is_empty()).map(|value| value.to_vec()))
    }

    /// Keys and values under `prefix`, in key order.
    ///
    /// # Errors
    ///
    /// When the store is poisoned; each entry fails when it cannot be read.
    pub fn scan<'a>(
        &'a self,
        prefix: &Prefix,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Entry, StoreError>> + use<'a>, StoreError>
    {
        Ok(self.entries(self.readable()?.scan_prefix(prefix.as_bytes())))
    }

    /// Keys and values from `from` up to and without `to`, in key order.
    ///
    /// # Errors
    ///
    /// As [`View::scan`].
    pub fn scan_range(
        &self,
        from: &Key,
        to: &Key,
    ) -> Result<impl DoubleEndedIterator<Item = Result<Entry, StoreError>> + '_, StoreError> {
        Ok(self.entries(self.readable()?.range(from.as_bytes()..to.as_bytes())))
    }

    /// Keys and values under `prefix` behind the key `last`, in key order.
    ///
    /// # Errors
    ///
    /// As [`View::scan`].
    pub fn scan_behind<'a>(
        &'a self,
        prefix: &'a Prefix,
        last: &[u8],
    ) -> Result<impl Iterator<Item = Result<Entry, StoreError>> + 'a, StoreError> {
        let from = (Bound::Excluded(last.max(prefix.as_bytes())), Bound::Unbounded);
        let behind = self.entries(self.readable()?.range::<&[u8], _>(from));
        let is_inside = |entry: &Result<Entry, StoreError>| match entry {
            Ok((key, _)) => key.starts_with(prefix.as_bytes()),
            Err(_) => true,
        };
        Ok(behind.take_while(is_inside))
    }

    /// The last key under `prefix`, with its value.
    ///
    /// # Errors
    ///
    /// When the disk cannot be read or the store is poisoned.
    pub fn last(&self, prefix: &Prefix) -> Result<Option<Entry>, StoreError> {
        self.scan(prefix)?.next_back().transpose()
    }

    /// Something read here cannot be right. Closes the store for good, so that the next opening
    /// looks through everything.
    pub fn distrust(&self) {
        self.poison.set();
    }

    /// The state directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn readable(&self) -> Result<&sled::Tree, StoreError> {
        self.poison.check().map_err(|kind| StoreError::new("read", &self.dir, kind))?;
        Ok(&self.db)
    }

    fn entries(
        &self,
        entries: sled::Iter,
    ) -> impl DoubleEndedIterator<Item = Result<Entry, StoreError>> + '_ {
        entries.filter_map(|entry| match entry {
            Ok((_, value)) if value.is_empty() => None,
            Ok((key, value)) => Some(Ok((key.to_vec(), value.to_vec()))),
            Err(error) => Some(Err(self.unread(error))),
        })
    }

    pub(super) fn unread(&self, error: sled::Error) -> StoreError {
        if !matches!(error, sled::Error::Io(_)) {
            self.distrust();
        }
        StoreError::new("read", &self.dir, error)
    }
}
