//! The program: words of the command line become a verb of `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(causeway::cli::main())
}
