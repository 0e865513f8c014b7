//! The two sides of the conversation with a person, or with a script: lines that come in, lines that go out.
//!
//! Editing a line is the terminal's own work. What others say is printed above the prompt; where the terminal
//! knows how to clear a line, the prompt is taken away first.

use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::process::{Command, Stdio};

use tokio::sync::mpsc;

/// Lines that may wait to be carried out.
const LINES_MAX: usize = 64;
/// Longest line that is read, octets; what follows is another line.
const LINE_OCTETS_MAX: u64 = 65_536;

/// Reads standard input on a thread of its own, so that waiting for a person holds nothing up. The end of the
/// input closes the channel.
pub(super) fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(LINES_MAX);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut line = Vec::new();
        loop {
            line.clear();
            match io::Read::take(&mut input, LINE_OCTETS_MAX).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {
                    let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
                    if sender.blocking_send(text).is_err() {
                        return;
                    }
                }
            }
        }
    });
    receiver
}

/// Asks for a password: the next line of the input, which a terminal does not show. `None`: there is none.
pub(super) async fn password(lines: &mut mpsc::Receiver<String>, screen: &mut Screen<'_>) -> Option<String> {
    let silent = io::stdin().is_terminal() && stty("-echo");
    if io::stdin().is_terminal() {
        screen.ask("password: ");
    }
    let line = tokio::select! {
        line = lines.recv() => line,
        _ = tokio::signal::ctrl_c() => None,
    };
    if silent {
        stty("echo");
        screen.line("");
    }
    line
}

/// Changes the terminal's ways; whether that worked.
fn stty(word: &str) -> bool {
    let status = Command::new("stty").arg(word).stdin(Stdio::inherit()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Where lines are printed.
pub(super) struct Screen<'s> {
    out: &'s mut dyn Write,
    /// A person looks on and types.
    interactive: bool,
    /// The terminal can clear a line.
    clears: bool,
    prompt: String,
    /// The prompt is the last thing that was printed.
    prompting: bool,
}

impl<'s> Screen<'s> {
    /// The screen of this process: a person's if input and output are a terminal.
    pub(super) fn new(out: &'s mut dyn Write) -> Self {
        let interactive = io::stdin().is_terminal() && io::stdout().is_terminal();
        let clears = std::env::var("TERM").is_ok_and(|term| term != "dumb" && !term.is_empty());
        Self { out, interactive, clears, prompt: "> ".to_owned(), prompting: false }
    }

    /// Whether a person looks on.
    pub(super) const fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// Prints a line above the prompt. A screen that is gone is noticed when its input ends.
    pub(super) fn line(&mut self, text: &str) {
        if self.prompting {
            let away = if self.clears { "\r\x1b[K" } else { "\n" };
            let _ = self.out.write_all(away.as_bytes());
            self.prompting = false;
        }
        let _ = writeln!(self.out, "{text}");
        let _ = self.out.flush();
    }

    /// Prints words without ending the line.
    pub(super) fn ask(&mut self, words: &str) {
        let _ = self.out.write_all(words.as_bytes());
        let _ = self.out.flush();
    }

    /// Shows the prompt if it is not there.
    pub(super) fn prompt(&mut self, prompt: &str) {
        if !self.interactive || (self.prompting && self.prompt == prompt) {
            return;
        }
        if self.prompting {
            let away = if self.clears { "\r\x1b[K" } else { "\n" };
            let _ = self.out.write_all(away.as_bytes());
        }
        prompt.clone_into(&mut self.prompt);
        let _ = write!(self.out, "{prompt}");
        let _ = self.out.flush();
        self.prompting = true;
    }

    /// A line was typed: the prompt stands above now.
    pub(super) fn typed(&mut self) {
        self.prompting = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_is_printed_above_the_prompt() {
        for (clears, expected) in
            [(true, "ada> \r\x1b[Kbo: hi\nada> typed\n> "), (false, "ada> \nbo: hi\nada> typed\n> ")]
        {
            let mut out = Vec::new();
            let mut screen =
                Screen { out: &mut out, interactive: true, clears, prompt: String::new(), prompting: false };
            screen.prompt("ada> ");
            screen.prompt("ada> ");
            screen.line("bo: hi");
            screen.prompt("ada> ");
            screen.typed();
            screen.line("typed");
            screen.prompt("> ");
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn a_script_sees_no_prompt() {
        let mut out = Vec::new();
        let mut screen = Screen {
            out: &mut out,
            interactive: false,
            clears: true,
            prompt: String::new(),
            prompting: false,
        };
        screen.prompt("> ");
        screen.line("bo: hi");
        assert_eq!(String::from_utf8(out).unwrap(), "bo: hi\n");
    }
}
