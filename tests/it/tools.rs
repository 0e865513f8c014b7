//! Independent programs that judge what we do: `openssl`, `wbxml2xml`, `tshark`.

use std::path::PathBuf;

/// Where this program is. Where it is missing a test says so and returns; with
/// `CAUSEWAY_REQUIRE_TOOLS=1` that is a failure.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        let required = std::env::var("CAUSEWAY_REQUIRE_TOOLS").is_ok_and(|value| value == "1");
        assert!(!required, "CAUSEWAY_REQUIRE_TOOLS is set, but {name} is not installed");
        eprintln!("skipped: {name} is not installed");
    }
    found
}
