//! Files as written, places in them, and what is found there.
//!
//! Every mistake is told as `FILE:LINE:COL: error|warning: KEY = VALUE: what is wrong; allowed: …`
//! (decisions.md 35), and all of them at once, so that one run of `causeway check` is enough.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Longest value that is quoted whole, in characters.
const QUOTED_CHARS_MAX: usize = 80;

/// Whether a node can start in spite of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, and the operator should know.
    Warning,
}

/// One mistake, or something worth knowing, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, as the operator named it or as another file refers to it.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// How bad.
    pub severity: Severity,
    /// `KEY = VALUE: what is wrong; allowed: …`.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}:{}:{}: {severity}: {}", self.file.display(), self.line, self.column, self.text)
    }
}

/// A file as written, and what was found in it so far.
#[derive(Debug)]
pub(super) struct Source {
    /// As shown to the operator.
    pub(super) path: PathBuf,
    /// Its folder, which relative paths start from.
    folder: PathBuf,
    /// Its text.
    pub(super) text: String,
    findings: RefCell<Vec<Finding>>,
    /// Where it stops being TOML: what is found from there on, or missing, would only follow from that.
    broken_at: Cell<Option<usize>>,
}

impl Source {
    /// A file with this content.
    pub(super) fn new(path: &Path, text: String) -> Rc<Self> {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Rc::new(Self {
            path: path.to_owned(),
            folder,
            text,
            findings: RefCell::default(),
            broken_at: Cell::new(None),
        })
    }

    /// A path as written in this file, seen from where the program runs.
    pub(super) fn resolve(&self, written: &str) -> PathBuf {
        self.folder.join(written)
    }

    /// What stands in this range: quoted as written, on one line, shortened if long.
    pub(super) fn quote(&self, range: Range<usize>) -> String {
        let written = self.text.get(range).unwrap_or_default();
        let line = written.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(QUOTED_CHARS_MAX) {
            Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
            None => line,
        }
    }

    /// Notes that the file is no TOML from here on, or cannot be read at all.
    pub(super) fn broken(&self, offset: usize, text: String) {
        if self.broken_at.get().is_none() {
            self.push(offset, Severity::Error, text);
            let line = self.text.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
            self.broken_at.set(Some(line));
        }
    }

    /// Notes something about this place.
    pub(super) fn note(&self, offset: usize, severity: Severity, text: String) {
        if self.broken_at.get().is_none_or(|broken| offset < broken) {
            self.push(offset, severity, text);
        }
    }

    /// Notes something about what is not written, but should be, or is left to its default.
    pub(super) fn note_absent(&self, offset: usize, severity: Severity, text: String) {
        if self.broken_at.get().is_none() {
            self.push(offset, severity, text);
        }
    }

    /// Line and column, from 1.
    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }

    fn push(&self, offset: usize, severity: Severity, text: String) {
        let (line, column) = self.position(offset);
        self.findings.borrow_mut().push(Finding { file: self.path.clone(), line, column, severity, text });
    }

    /// Everything noted so far, in the order of the lines; the file is as new afterwards.
    pub(super) fn take_findings(&self) -> Vec<Finding> {
        let mut findings = self.findings.take();
        findings.sort_by_key(|finding| (finding.line, finding.column));
        findings.dedup();
        findings
    }
}

/// A value, and where it was written: what a later check (a file that cannot be read, a key that does
/// not fit its certificate) is told with.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    /// The value.
    pub(super) value: T,
    /// Where.
    pub(super) place: Place,
}

/// Where a value was written, or would have been.
#[derive(Clone, Debug)]
pub(super) struct Place {
    source: Rc<Source>,
    offset: usize,
    /// `KEY = VALUE`, or `SECTION.KEY = VALUE (default)`.
    shown: String,
    /// Whether it stands in the file.
    pub(super) written: bool,
}

impl Place {
    /// A value that was written here.
    pub(super) fn written(source: &Rc<Source>, key: &str, at: usize, value: Range<usize>) -> Self {
        let shown = format!("{key} = {}", source.quote(value));
        Self { source: Rc::clone(source), offset: at, shown, written: true }
    }

    /// A whole table, shown as its header.
    pub(super) fn table(source: &Rc<Source>, header: &str, at: usize) -> Self {
        Self { source: Rc::clone(source), offset: at, shown: header.to_owned(), written: true }
    }

    /// A value that is the default; `at` is where its section begins.
    pub(super) fn default(source: &Rc<Source>, path: &str, at: usize, value: &str) -> Self {
        let shown = format!("{path} = {value} (default)");
        Self { source: Rc::clone(source), offset: at, shown, written: false }
    }

    /// Notes a mistake.
    pub(super) fn error(&self, wrong: impl fmt::Display, allowed: &str) {
        self.note(Severity::Error, wrong, allowed);
    }

    /// Notes something the operator should know.
    pub(super) fn warning(&self, wrong: impl fmt::Display, allowed: &str) {
        self.note(Severity::Warning, wrong, allowed);
    }

    /// A warning about this place that is found later, outside of this room.
    pub(super) fn later(&self) -> Warner {
        let (line, column) = self.source.position(self.offset);
        Warner { file: self.source.path.clone(), line, column, shown: self.shown.clone() }
    }

    fn note(&self, severity: Severity, wrong: impl fmt::Display, allowed: &str) {
        let text = format!("{}: {wrong}; allowed: {allowed}", self.shown);
        if self.written {
            self.source.note(self.offset, severity, text);
        } else {
            self.source.note_absent(self.offset, severity, text);
        }
    }
}

/// Remembers where something stands, for what is only found by looking outward: DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warner {
    file: PathBuf,
    line: usize,
    column: usize,
    shown: String,
}

impl Warner {
    /// A warning about this place.
    pub fn warning(&self, wrong: impl fmt::Display, allowed: &str) -> Finding {
        Finding {
            file: self.file.clone(),
            line: self.line,
            column: self.column,
            severity: Severity::Warning,
            text: format!("{}: {wrong}; allowed: {allowed}", self.shown),
        }
    }
}
