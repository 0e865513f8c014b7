//! The program: words of the command line become a verb of `cli`.

fn main() {}
