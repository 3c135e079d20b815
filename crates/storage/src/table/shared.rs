//! One value behind the several handles that redb wants: its trait takes `&self` and asks for `Sync`. An engine
//! is used by one thread at a time, so the lock is never waited for.
#![expect(clippy::disallowed_types, reason = "redb's StorageBackend is Sync and takes &self")]

use std::sync::{Arc, Mutex, MutexGuard};

/// A value and its handles.
#[derive(Debug)]
pub(super) struct Shared<T>(Arc<Mutex<T>>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        Shared(Arc::clone(&self.0))
    }
}

impl<T> Shared<T> {
    pub(super) fn new(value: T) -> Shared<T> {
        Shared(Arc::new(Mutex::new(value)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("no holder panics: disks answer with errors")
    }
}
