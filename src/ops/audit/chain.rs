//! Reads the log, and checks that it is what was written.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::log::{FILE, LOCK};
use super::record::{BEGINNING, LINE_OCTETS_MAX, Record, Torn};

/// What somebody knows of the log from elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The hash of a record that must be there: a head that was kept.
    pub head: Option<String>,
    /// The hash of the last record that was taken away on purpose; the log begins behind it.
    pub begins_after: Option<String>,
}

/// A log without a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many records.
    pub records: u64,
    /// The number of the newest; 0: there is none.
    pub last: u64,
    /// The hash of the newest: keep it elsewhere.
    pub head: Option<String>,
    /// The number of the record that was expected.
    pub expected: Option<u64>,
    /// Numbers of records before which a line was torn by a crash, which they say.
    pub torn: Vec<u64>,
    /// Octets at the end that are no record: a crash, or somebody changed them.
    pub torn_at_end: u64,
}

/// What is wrong with a log, and where it begins to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {fault}")]
pub struct Broken {
    /// The file, without its folder.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is no record, and the next record does not say that a crash left it.
    #[error("it is no record")]
    NoRecord,
    /// Its hash is not that of what it says.
    #[error("record {0} was changed: its hash is not that of what it says")]
    Changed(u64),
    /// Its number is not the next.
    #[error("record {expected} should be here, and {found} is: records were removed, inserted or moved")]
    Number {
        /// Which should be here.
        expected: u64,
        /// Which is.
        found: u64,
    },
    /// It does not hold the hash of the record before it.
    #[error("record {0} follows another record than the one before it")]
    Order(u64),
    /// It speaks of a torn line that is not the one before it.
    #[error("record {0} speaks of a torn line that is not there as it was")]
    Torn(u64),
    /// The log begins later than with the first record.
    #[error("the log begins with record {0}: what was before is gone")]
    Begins(u64),
    /// There is no record with the hash that was expected.
    #[error(
        "no record has the hash that was expected: the end of the log is cut off, or all of it was written anew"
    )]
    Unexpected,
}

/// Why a log could not be read, or what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file cannot be read.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The log is not what was written.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// Files of the log that are full, in their order.
pub(super) fn segments(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("audit-")?.strip_suffix(".jsonl"));
        if let Some(number) = number.and_then(|number| number.parse::<u64>().ok()) {
            found.push((number, folder.join(name)));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// A line of the log.
struct Line<'l> {
    file: &'l str,
    /// From 1.
    number: u64,
    /// With its end.
    octets: &'l [u8],
}

/// Gives every line to `take`, the oldest first, as the log is at this moment; stops when it says so.
fn lines(
    folder: &Path,
    mut take: impl FnMut(&Line<'_>) -> Result<(), VerifyError>,
) -> Result<(), VerifyError> {
    let fail = |path: &Path, cause| VerifyError::File { path: path.to_owned(), cause };
    // A writer may be at it. Whoever looks at a copy has no lock, and needs none.
    let turn = File::open(folder.join(LOCK)).ok();
    if let Some(turn) = &turn {
        turn.lock_shared().map_err(|cause| fail(&folder.join(LOCK), cause))?;
    }
    let files = segments(folder).map_err(|cause| fail(folder, cause))?;
    let newest = folder.join(FILE);
    let open = match File::open(&newest) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        found => Some(found.map_err(|cause| fail(&newest, cause))?),
    };
    let length = open.as_ref().map(File::metadata).transpose();
    let length = length.map_err(|cause| fail(&newest, cause))?.map_or(0, |found| found.len());
    drop(turn);
    for path in files {
        let file = File::open(&path).map_err(|cause| fail(&path, cause))?;
        lines_of(&path, BufReader::new(file), &mut take)?;
    }
    open.map_or(Ok(()), |open| lines_of(&newest, BufReader::new(open.take(length)), &mut take))
}

fn lines_of(
    path: &Path,
    mut file: impl BufRead,
    take: &mut impl FnMut(&Line<'_>) -> Result<(), VerifyError>,
) -> Result<(), VerifyError> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut octets = Vec::new();
    for number in 1.. {
        octets.clear();
        // A longer one is no record, and comes in pieces.
        let read = (&mut file).take(LINE_OCTETS_MAX as u64).read_until(b'\n', &mut octets);
        if read.map_err(|cause| VerifyError::File { path: path.to_owned(), cause })? == 0 {
            break;
        }
        take(&Line { file: &name, number, octets: &octets })?;
    }
    Ok(())
}

/// Gives every record to `take`, the oldest first, whether the chain holds or not.
pub fn each(folder: &Path, mut take: impl FnMut(Record, &[u8]) -> io::Result<()>) -> Result<(), VerifyError> {
    lines(folder, |line| {
        let bare = line.octets.strip_suffix(b"\n").unwrap_or(line.octets);
        let Some(record) = Record::read(bare) else { return Ok(()) };
        take(record, bare).map_err(|cause| VerifyError::File { path: folder.join(line.file), cause })
    })
}

/// Checks the whole log; tells the first fault.
pub fn verify(folder: &Path, expected: &Expected) -> Result<Verified, VerifyError> {
    let mut chain = Chain { expected, found: Verified::default(), torn: Vec::new(), torn_at: None };
    lines(folder, |line| {
        chain.line(line).map_err(|(fault, line, file)| Broken { file, line, fault }.into())
    })?;
    let mut found = chain.found;
    found.torn_at_end = chain.torn.len() as u64;
    if expected.head.is_some() && found.expected.is_none() {
        let fault = Fault::Unexpected;
        return Err(Broken { file: FILE.to_owned(), line: found.records, fault }.into());
    }
    Ok(found)
}

/// A check under way.
struct Chain<'e> {
    expected: &'e Expected,
    found: Verified,
    /// Octets since the last record, and where they begin. Bounded: [`TORN_OCTETS_MAX`].
    torn: Vec<u8>,
    torn_at: Option<(u64, String)>,
}

/// Octets between two records; a writer leaves no more.
const TORN_OCTETS_MAX: usize = 16 * LINE_OCTETS_MAX;

impl Chain<'_> {
    fn line(&mut self, line: &Line<'_>) -> Result<(), (Fault, u64, String)> {
        let here = |fault| (fault, line.number, line.file.to_owned());
        let bare = line.octets.strip_suffix(b"\n").unwrap_or(line.octets);
        let Some(record) = Record::read(bare) else {
            let at = self.torn_at.get_or_insert_with(|| (line.number, line.file.to_owned()));
            if self.torn.len() + line.octets.len() > TORN_OCTETS_MAX {
                return Err((Fault::NoRecord, at.0, at.1.clone()));
            }
            self.torn.extend_from_slice(line.octets);
            return Ok(());
        };
        if let Some((at, file)) = self.torn_at.take()
            && record.torn.is_none()
        {
            return Err((Fault::NoRecord, at, file));
        }
        if !record.is_whole(bare) {
            return Err(here(Fault::Changed(record.seq)));
        }
        self.follows(&record).map_err(here)?;
        let torn = std::mem::take(&mut self.torn);
        if record.torn != (!torn.is_empty()).then(|| Torn::of(&torn)) {
            return Err(here(Fault::Torn(record.seq)));
        }
        if record.torn.is_some() {
            self.found.torn.push(record.seq);
        }
        if self.expected.head.as_deref() == Some(record.hash.as_str()) {
            self.found.expected = Some(record.seq);
        }
        self.found.records += 1;
        self.found.last = record.seq;
        self.found.head = Some(record.hash);
        Ok(())
    }

    /// Whether the record is the next.
    fn follows(&self, record: &Record) -> Result<(), Fault> {
        let Some(head) = &self.found.head else {
            let begins_after = self.expected.begins_after.as_deref();
            return match begins_after {
                None if record.seq != 1 => Err(Fault::Begins(record.seq)),
                _ if record.prev != begins_after.unwrap_or(BEGINNING) => Err(Fault::Order(record.seq)),
                _ => Ok(()),
            };
        };
        let expected = self.found.last.saturating_add(1);
        if record.seq != expected {
            return Err(Fault::Number { expected, found: record.seq });
        }
        if record.prev != *head {
            return Err(Fault::Order(record.seq));
        }
        Ok(())
    }
}
