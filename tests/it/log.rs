//! The log of this process, for tests that look for lines in it.
//!
//! Tests run side by side, so that a line is found by a name that only one test uses.

use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that are kept.
const LINES_MAX: usize = 100_000;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Keep;

impl io::Write for Keep {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES_MAX {
            lines.push(String::from_utf8_lossy(octets).trim_end().to_owned());
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Keep {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

/// Begins to keep what the node logs at level info and above. Call it first in a test that asks for lines.
pub fn keep() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        let subscriber = causeway::ops::logging::subscriber(
            causeway::ops::logging::Shape::Text,
            "warn,causeway=info",
            Keep,
            false,
        )
        .unwrap();
        tracing::subscriber::set_global_default(subscriber).expect("no other log is started in this process");
    });
}

/// Lines that hold all of these words.
pub fn lines_with(words: &[&str]) -> Vec<String> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().filter(|line| words.iter().all(|word| line.contains(word))).cloned().collect()
}
