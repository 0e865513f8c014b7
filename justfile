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

# Benchmarks: `just bench codec`.
bench *names:
    cargo bench {{ if names == "" { "" } else { "--bench " + names } }}

# Licences, forbidden and doubled dependencies, advisories.
deny:
    cargo deny check
