//! Log lines: text for people or JSON for machines, on standard error.
//!
//! *error*: the operator must act; *warn*: a peer misbehaved; *info*: links and life cycle; *debug*:
//! transactions; *trace*: what the parts do inside. What people write and secrets are never logged, at no level; an
//! operator can have the documents of one user or message for a while ([`crate::sap::traces`]).

use std::io;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::sap::traces::TARGET;

/// What `[log] level` may be.
pub const LEVELS: &str =
    "off, error, warn, info, debug, trace, or directives such as info,causeway::net=debug";

/// Why a text is no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no level")]
pub struct LevelError(String);

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A line of text an event, coloured on a terminal.
    Text,
    /// A JSON object an event.
    Json,
}

/// Checks a level or a list of directives. The filter's own reader would take a misspelt level for the
/// name of a module and log everything there, which nobody means.
pub fn check_level(text: &str) -> Result<(), LevelError> {
    let is_level = |word: &str| {
        ["off", "error", "warn", "info", "debug", "trace"].contains(&word.to_ascii_lowercase().as_str())
    };
    let is_module = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':' | b'-'))
    };
    for directive in text.split(',') {
        let good = match directive.split_once('=') {
            Some((module, level)) => is_module(module.trim()) && is_level(level.trim()),
            None => is_level(directive.trim()),
        };
        if !good {
            return Err(LevelError(directive.trim().to_owned()));
        }
    }
    Ok(())
}

/// A subscriber that writes lines of this shape and level to `writer`.
pub fn subscriber<W>(
    shape: Shape,
    level: &str,
    writer: W,
    colours: bool,
) -> Result<Box<dyn Subscriber + Send + Sync>, LevelError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    check_level(level)?;
    // What traces show is there only while an operator wants it, and then at every level.
    let level = format!("{TARGET}=info,{level}");
    let filter = EnvFilter::try_new(&level).map_err(|_| LevelError(level))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(colours);
    Ok(match shape {
        Shape::Text => Box::new(builder.finish()),
        Shape::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

/// Sends the log of this process to standard error; a second call changes nothing.
pub fn start(shape: Shape, level: &str) -> Result<(), LevelError> {
    let colours = io::IsTerminal::is_terminal(&io::stderr());
    let subscriber = subscriber(shape, level, io::stderr, colours)?;
    // It fails only if a log was started before, which then goes on.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(shape: Shape, level: &str) -> String {
        let paper = Paper::default();
        let writer = paper.clone();
        let subscriber = subscriber(shape, level, move || writer.clone(), false).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(peer = "south.example", "link opened");
            tracing::debug!("a transaction");
        });
        let octets = paper.0.lock().unwrap().clone();
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn text_and_json_say_the_same_and_the_level_holds_back_the_rest() {
        let text = written(Shape::Text, "info");
        assert!(text.contains("INFO") && text.contains("link opened peer=\"south.example\""), "{text}");
        assert!(!text.contains("a transaction"));
        let json = written(Shape::Json, "info,causeway=debug");
        assert!(json.starts_with('{') && json.contains(r#""message":"link opened""#), "{json}");
        assert!(json.contains(r#""peer":"south.example""#) && json.contains("a transaction"), "{json}");
        assert_eq!(written(Shape::Text, "off"), "");
    }

    #[test]
    fn a_misspelt_level_is_no_module_name() {
        assert_eq!(check_level("info"), Ok(()));
        assert_eq!(check_level("warn,causeway::net=trace,hyper=off"), Ok(()));
        assert_eq!(check_level("inof"), Err(LevelError("inof".to_owned())));
        assert_eq!(check_level("info,causeway=loud"), Err(LevelError("causeway=loud".to_owned())));
        assert_eq!(check_level(""), Err(LevelError(String::new())));
    }
}
