//! A node as an operator runs it: the program in a process of its own, which can be killed.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use crate::world::{PATIENCE, Place, try_http_get};

/// Lines of a log that are shown when a test fails.
const LOG_LINES_SHOWN: usize = 40;

/// The program.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_causeway"))
}

/// Runs a verb that ends by itself, with these words and this standard input.
pub(crate) fn run(words: &[&str], input: &str) -> Output {
    use std::io::Write as _;
    let mut child = program()
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A verb that does not read its input may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// A running `causeway serve`. It is killed when it goes out of scope.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Runs the node of this place and waits until it is ready. Its log is added to the file `log` in the
    /// provider's folder.
    pub(crate) async fn start(place: &Place) -> Self {
        let begin = Instant::now();
        loop {
            let mut process = Self::spawn(place);
            loop {
                if process.child.try_wait().unwrap().is_some() {
                    // A port that was free a moment ago may serve somebody's connection for an instant.
                    let log = process.log();
                    assert!(log.contains("cannot listen"), "{} does not start", place.provider.domain);
                    break;
                }
                if matches!(try_http_get(place.admin, "/readyz").await, Some((200, _))) {
                    return process;
                }
                assert!(begin.elapsed() < PATIENCE, "{} is not ready", place.provider.domain);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// Runs the node of this place without waiting for anything.
    pub(crate) fn spawn(place: &Place) -> Self {
        let log = place.provider.folder.join("log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child = program()
            .args(["serve", "--config"])
            .arg(place.provider.config())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// Ends it between two instructions: SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal by name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(sent.success(), "kill -s {name} {id}");
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "it does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Resident memory now, octets.
    pub(crate) fn resident(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    /// What the system says about each of its threads under this key.
    pub(crate) fn of_every_thread(&self, key: &str) -> Vec<String> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let status = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("status")).ok();
        let found = |status: String| {
            let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
            Some(line.trim().to_owned())
        };
        threads.filter_map(|thread| found(status(thread.ok()?)?)).collect()
    }

    /// Everything that this and earlier processes of the place have logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let shown = lines.len().saturating_sub(LOG_LINES_SHOWN);
            eprintln!("the end of {}:\n{}", self.log.display(), lines[shown..].join("\n"));
        }
    }
}
