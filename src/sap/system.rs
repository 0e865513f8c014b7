//! The one clock and the one source of randomness of a node, behind traits, so that everything above
//! and below can be driven by a simulation instead.

use std::sync::Mutex;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::imps::{Chance, Moment};

/// Tells the time: wall clock at the start, monotonic from then on, so that it never runs backwards.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Moment;
}

/// The clock of the machine.
#[derive(Debug)]
pub struct SystemClock {
    begin: Instant,
    wall_millis: u64,
}

impl Default for SystemClock {
    fn default() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { begin: Instant::now(), wall_millis: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX) }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment::from_millis(self.wall_millis).after(self.begin.elapsed())
    }
}

/// The system's generator, through a buffer: identifiers are made on hot paths.
#[derive(Debug)]
pub struct SystemChance {
    buffer: [u8; 512],
    used: usize,
}

impl Default for SystemChance {
    fn default() -> Self {
        Self { buffer: [0; 512], used: 512 }
    }
}

impl Chance for SystemChance {
    fn fill(&mut self, octets: &mut [u8]) {
        for octet in octets {
            if self.used >= self.buffer.len() {
                // The generator of aws-lc fails only when the system has none; then nothing here is safe.
                if aws_lc_rs::rand::fill(&mut self.buffer).is_err() {
                    std::process::abort();
                }
                self.used = 0;
            }
            if let Some(fresh) = self.buffer.get_mut(self.used) {
                *octet = std::mem::take(fresh);
            }
            self.used += 1;
        }
    }
}

/// A source of randomness that several tasks share.
pub(crate) type SharedChance = Mutex<Box<dyn Chance>>;
