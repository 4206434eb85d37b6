//! Locks, whoever panicked while it held one: the one place that decides this.
//!
//! A handler of the application may panic, and ends its own task. What is behind our locks is changed in steps each of which leaves it whole,
//! so the others go on with it: one bad handler must not end every connection.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A [`Mutex`] that is taken whatever its last holder came to.
pub(crate) trait LockExt<T: ?Sized> {
    /// Locks it.
    fn lock_unpoisoned(&self) -> MutexGuard<'_, T>;
}

impl<T: ?Sized> LockExt<T> for Mutex<T> {
    fn lock_unpoisoned(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A [`RwLock`] that is taken whatever its last holder came to.
pub(crate) trait RwLockExt<T: ?Sized> {
    /// Locks it for reading.
    fn read_unpoisoned(&self) -> RwLockReadGuard<'_, T>;
    /// Locks it for writing.
    fn write_unpoisoned(&self) -> RwLockWriteGuard<'_, T>;
}

impl<T: ?Sized> RwLockExt<T> for RwLock<T> {
    fn read_unpoisoned(&self) -> RwLockReadGuard<'_, T> {
        self.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_unpoisoned(&self) -> RwLockWriteGuard<'_, T> {
        self.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_takes_no_lock_from_others() {
        let (mutex, lock) = (Mutex::new(1), RwLock::new(2));
        let held = std::panic::catch_unwind(|| {
            let _mutex = mutex.lock_unpoisoned();
            let _lock = lock.write_unpoisoned();
            panic!("while both are held");
        });
        assert!(held.is_err() && mutex.is_poisoned() && lock.is_poisoned());
        *mutex.lock_unpoisoned() += 1;
        *lock.write_unpoisoned() += 1;
        assert_eq!((*mutex.lock_unpoisoned(), *lock.read_unpoisoned()), (2, 3));
    }
}
