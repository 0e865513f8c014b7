# Daily habits. Each is one line that can be typed without `just` too.

# Two federated providers on this machine; they exchange messages and keep running.
demo:
    cargo run --release -- demo

# What must pass before a change is accepted.
check:
    .ci/run

# The tests alone.
test:
    cargo test

# Accept changed golden files and generated pages.
bless:
    INSTA_UPDATE=always CAUSEWAY_BLESS=1 cargo test

# Counts anew which play carries which primitive, for the conformance page.
plays:
    rm -f target/plays.tsv
    CAUSEWAY_PLAYS="$PWD/target/plays.tsv" cargo test --test it scenarios
    CAUSEWAY_PLAYS="$PWD/target/plays.tsv" CAUSEWAY_BLESS=1 cargo test --test it conformance

# Benchmarks: `just bench codec`.
bench *names:
    cargo bench {{ if names == "" { "" } else { "--bench " + names } }}

# A fuzz target (xml, wbxml, csp, ssp, ssp_sessions, csp_session) for so many seconds; see docs/how-to/fuzz.md.
fuzz target seconds="60":
    tests/fuzz/seed {{target}}
    RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz {{target}} -- -max_total_time={{seconds}} -rss_limit_mb=2048

# Worlds of the simulation, so many from a seed on; see docs/how-to/simulate.md.
sim first="0" count="200":
    CAUSEWAY_SEEDS={{first}}+{{count}} cargo test --test it simulation::two -- --nocapture

# One world with its log.
replay seed:
    CAUSEWAY_SEED={{seed}} cargo test --test it simulation::two -- --nocapture

# Two providers under load are killed again and again, at moments that come from the seed.
kills rounds="200" seed="1":
    CAUSEWAY_KILLS={{rounds}} CAUSEWAY_KILLS_SEED={{seed}} cargo test --test it rounds_of_kills -- --nocapture

# Licences, forbidden and doubled dependencies, advisories.
deny:
    cargo deny check
