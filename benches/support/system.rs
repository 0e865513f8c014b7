//! What benchmarks ask of the system: folders, and what a process takes.

use std::path::{Path, PathBuf};

/// A folder that goes with the benchmark.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("causeway-bench-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It is in the system's folder for such things anyway.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Resident memory of a process, octets.
#[allow(dead_code, reason = "some of the benchmarks that share this file have no use for it")]
pub(crate) fn resident(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}
