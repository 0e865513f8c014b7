//! `causeway completions`: what makes a shell complete the words of the command line.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Ended, Streams};

/// Words of the verb.
#[derive(clap::Args, Debug)]
pub struct Words {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the verb.
pub fn run(words: &Words, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let mut script = Vec::new();
    clap_complete::generate(words.shell, &mut super::Words::command(), "causeway", &mut script);
    streams.output.write_all(&script)?;
    Ok(Ended::Done)
}

#[cfg(test)]
mod tests {
    use super::super::testing::run;
    use super::super::{DONE, USAGE};

    #[test]
    fn every_usual_shell_gets_a_script_with_every_verb() {
        for shell in ["bash", "zsh", "fish"] {
            let (code, script, errors) = run(&["completions", shell], "");
            assert_eq!((code, errors.as_str()), (DONE, ""), "{shell}");
            for word in ["announce", "export", "passwd", "without-content"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
        assert_eq!(run(&["completions", "csh"], "").0, USAGE);
    }
}
