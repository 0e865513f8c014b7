//! One node to a store.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::OpenError;

/// File in the data folder whose lock a running node holds.
const FILE: &str = "serve.lock";

/// Held by a running node for as long as it lives; the system lets go of it when the process ends,
/// however it ends. Verbs of the command line write beside a running node and do not take it.
#[derive(Debug)]
pub struct ServeLock {
    /// Closing the file gives the lock back.
    _file: File,
}

impl ServeLock {
    /// Takes the lock of this data folder, which must exist ([`super::Sqlite::open`] makes it).
    pub fn take(data: &Path) -> Result<Self, OpenError> {
        let path = data.join(FILE);
        let fail = |cause| OpenError::File { path: path.clone(), cause };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { data: data.to_owned() }),
            Err(TryLockError::Error(cause)) => Err(fail(cause)),
        }
    }
}
