//! Writes records: one writer at a time, each record on disk before the next word is said.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::chain::segments;
use super::record::{Act, BEGINNING, LINE_OCTETS_MAX, Outcome, Record, Torn, Who};
use crate::imps::Moment;

/// The file with the newest records, in the data folder.
pub const FILE: &str = "audit.jsonl";
/// File in the data folder whose lock a writer holds.
pub(super) const LOCK: &str = "audit.lock";
/// Octets of a file after which the next begins: the old one becomes `audit-NUMBER.jsonl`, with the number of
/// its last record. Nothing is ever removed by itself.
pub const SEGMENT_OCTETS_MAX: u64 = 16 * 1024 * 1024;
/// How long a writer waits for another.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// Between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(5);
/// Octets at the end of a file in which the last record must be: lines that were torn lie behind it.
const TAIL_OCTETS_MAX: usize = 8 * LINE_OCTETS_MAX;

/// Why a record was not written.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The system said no.
    #[error("the audit log {}: {cause}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Another process holds the lock for too long.
    #[error("the audit log {}: another process writes it and does not end; find who holds it open", .0.display())]
    Busy(PathBuf),
    /// No record is found where the newest must be.
    #[error("the audit log {}: its end holds no record; `causeway audit verify` says more, then move the file away", .0.display())]
    Lost(PathBuf),
    /// It cannot be said in JSON: a mistake of the program.
    #[error("the audit log: {0}")]
    Json(#[from] serde_json::Error),
}

/// Writes the audit log of a data folder.
#[derive(Clone, Debug)]
pub struct Audit {
    folder: PathBuf,
    segment: u64,
}

/// Where the chain goes on.
struct End {
    seq: u64,
    hash: String,
    /// What lies behind the last record and is none.
    torn: Vec<u8>,
    /// The last line has an end, or there is none.
    ended: bool,
}

impl Audit {
    /// The log in this data folder, which is made with the first record.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), segment: SEGMENT_OCTETS_MAX }
    }

    /// The same with files of another length.
    #[cfg(test)]
    pub(super) fn with_segments_of(self, segment: u64) -> Self {
        Self { segment, ..self }
    }

    /// Whether records can be written, as far as this is known beforehand; asked before an act, so that none
    /// is done that would not be written down.
    pub fn ready(&self) -> Result<(), AuditError> {
        let _turn = self.turn()?;
        self.open().map(drop)
    }

    /// Writes a record; it is on disk when this returns. Waits for other writers, and for the disk.
    pub fn record(&self, now: Moment, who: &Who, act: &Act, outcome: Outcome) -> Result<Record, AuditError> {
        let _turn = self.turn()?;
        let (mut file, path) = self.open()?;
        let fail = |cause| AuditError::File { path: path.clone(), cause };
        let mut length = file.metadata().map_err(fail)?.len();
        let mut end = end(&mut file, length).map_err(fail)?;
        if length >= self.segment
            && let Some(whole) = end.as_ref().filter(|end| end.torn.is_empty() && end.ended)
        {
            let old = self.folder.join(format!("audit-{:012}.jsonl", whole.seq));
            fs::rename(&path, old).map_err(fail)?;
            file = self.open()?.0;
            length = 0;
        }
        if end.is_none() {
            end = Some(self.end_before(&mut file, length)?);
        }
        let Some(End { seq, hash, mut torn, ended }) = end else { return Err(AuditError::Lost(path)) };
        let mut octets = Vec::with_capacity(LINE_OCTETS_MAX);
        if !ended {
            octets.push(b'\n');
            if !torn.is_empty() {
                torn.push(b'\n');
            }
        }
        let mut record = Record::new(now, who, act, outcome);
        record.seq = seq.saturating_add(1);
        record.prev = hash;
        record.torn = (!torn.is_empty()).then(|| Torn::of(&torn));
        octets.extend_from_slice(record.line()?.as_bytes());
        octets.push(b'\n');
        if let Err(cause) = file.write_all(&octets) {
            // What was begun is taken back; if that fails too, the next record says so.
            let _ = file.set_len(length);
            return Err(fail(cause));
        }
        file.sync_data().map_err(fail)?;
        Ok(record)
    }

    /// The same, from a task; a failure is told in the log of the node, too.
    pub async fn recorded(
        &self,
        now: Moment,
        who: Who,
        act: Act,
        outcome: Outcome,
    ) -> Result<Record, AuditError> {
        let audit = self.clone();
        let writing = tokio::task::spawn_blocking(move || audit.record(now, &who, &act, outcome));
        let fail = |cause: tokio::task::JoinError| AuditError::File {
            path: self.folder.join(FILE),
            cause: io::Error::other(cause),
        };
        let written = writing.await.map_err(fail).and_then(|written| written);
        if let Err(error) = &written {
            tracing::error!(%error, "what an operator did is not recorded");
        }
        written
    }

    /// Where the chain goes on if the newest file holds no record.
    fn end_before(&self, file: &mut File, length: u64) -> Result<End, AuditError> {
        let path = self.folder.join(FILE);
        let fail = |path: &Path, cause| AuditError::File { path: path.to_owned(), cause };
        if length > TAIL_OCTETS_MAX as u64 {
            return Err(AuditError::Lost(path));
        }
        let mut torn = Vec::new();
        file.seek(SeekFrom::Start(0)).map_err(|cause| fail(&path, cause))?;
        file.read_to_end(&mut torn).map_err(|cause| fail(&path, cause))?;
        let ended = torn.last().is_none_or(|last| *last == b'\n');
        let before = segments(&self.folder).map_err(|cause| fail(&self.folder, cause))?;
        let Some(last) = before.last() else {
            return Ok(End { seq: 0, hash: BEGINNING.to_owned(), torn, ended });
        };
        let mut older = File::open(last).map_err(|cause| fail(last, cause))?;
        let length = older.metadata().map_err(|cause| fail(last, cause))?.len();
        let found = end(&mut older, length).map_err(|cause| fail(last, cause))?;
        let End { seq, hash, .. } = found.ok_or_else(|| AuditError::Lost(last.clone()))?;
        Ok(End { seq, hash, torn, ended })
    }

    fn open(&self) -> Result<(File, PathBuf), AuditError> {
        let path = self.folder.join(FILE);
        let file = self.opened(&path).map_err(|cause| AuditError::File { path: path.clone(), cause })?;
        Ok((file, path))
    }

    fn opened(&self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).mode(0o600);
        match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        if !self.folder.exists() {
            // As the store makes it.
            DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        }
        let file = options.create(true).open(path)?;
        // A verb that root runs leaves a file that the node can write.
        let (folder, made) = (fs::metadata(&self.folder)?, file.metadata()?);
        if folder.uid() != made.uid() {
            chown(path, Some(folder.uid()), Some(folder.gid()))?;
        }
        File::open(&self.folder)?.sync_all()?;
        Ok(file)
    }

    /// The lock, which the system takes back when the file is closed, however that comes.
    fn turn(&self) -> Result<File, AuditError> {
        let path = self.folder.join(LOCK);
        let fail = |cause| AuditError::File { path: path.clone(), cause };
        let lock = self.opened(&path).map_err(fail)?;
        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::Error(cause)) => return Err(fail(cause)),
                Err(TryLockError::WouldBlock) if began.elapsed() >= LOCK_WAIT => {
                    return Err(AuditError::Busy(path));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            }
        }
    }
}

/// The last record of a file, and what lies behind it; `None`: there is no record near its end.
fn end(file: &mut File, length: u64) -> io::Result<Option<End>> {
    let mut octets = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_OCTETS_MAX as u64)))?;
    file.read_to_end(&mut octets)?;
    let mut behind = octets.len();
    for line in octets.split_inclusive(|octet| *octet == b'\n').rev() {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        if let Some(record) = Record::read(bare) {
            let torn = octets.get(behind..).unwrap_or_default().to_vec();
            let ended = octets.last() == Some(&b'\n');
            return Ok(Some(End { seq: record.seq, hash: record.hash, torn, ended }));
        }
        behind -= line.len();
    }
    Ok(None)
}
