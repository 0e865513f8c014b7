//! The program: words of the command line become a verb of `cli`.

use std::process::ExitCode;

/// A message is many small pieces that live for a millisecond, made in one thread and freed in another.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    ExitCode::from(causeway::cli::main())
}
