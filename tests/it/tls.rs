//! Mutual TLS of the SSP listener, judged by an independent program: `openssl s_client`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use causeway::cli::laboratory::Writing;
use causeway::imps::{DateTime, Domain};
use causeway::net::pki::{Authority, Issued, LeafOptions};
use causeway::node::Node;

use crate::log;
use crate::peer::MEDIA_TYPE;
use crate::tools::tool;
use crate::world::{Folder, PATIENCE, Place, World, until};

/// What `openssl s_client` told.
struct Told {
    output: String,
    errors: String,
}

impl Told {
    /// The HTTP status that came back, if any did.
    fn status(&self) -> Option<u16> {
        let line = self.output.lines().find_map(|line| line.trim_start().strip_prefix("HTTP/1.1 "))?;
        line.split(' ').next()?.parse().ok()
    }
}

/// A node and the files that `openssl` needs.
struct Stage {
    openssl: PathBuf,
    domain: &'static str,
    folder: Folder,
    world: World,
    place: Place,
    node: Node,
    revoked: Issued,
}

impl Stage {
    /// `None` if there is no `openssl`. `peers` is the whole of `peers.toml`. The world's CA has a revocation
    /// list.
    async fn new(domain: &'static str, peers: &str) -> Option<Self> {
        let openssl = tool("openssl")?;
        log::keep();
        let world = World::new().await;
        let place = world.place_with(domain, &Writing::default());
        let config = place.provider.config();
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text.replace("[ssp]\n", "[ssp]\ncrls = [\"../crl.pem\"]\n")).unwrap();
        let authority = Authority::load(world.laboratory.folder()).unwrap();
        let revoked = authority.issue(&names(&format!("revoked.{domain}")), &LeafOptions::default()).unwrap();
        let list = authority
            .revocation_list(&[&revoked.certificate_pem], DateTime::from_unix(now() + 3600))
            .unwrap();
        write(&world.laboratory.folder().join("crl.pem"), &list);
        fs::write(place.provider.folder.join("peers.toml"), peers).unwrap();
        let folder = Folder::new();
        fs::copy(world.laboratory.folder().join("ca.pem"), folder.path().join("ca.pem")).unwrap();
        let node = world.start(&place).await;
        Some(Self { openssl, domain, folder, world, place, node, revoked })
    }

    fn authority(&self) -> Authority {
        Authority::load(self.world.laboratory.folder()).unwrap()
    }

    /// Connects with these options and posts an empty document, twice on one connection.
    async fn dial(&self, certificate: Option<&Issued>, options: &[&str]) -> Told {
        let folder = self.folder.path();
        let mut command = Command::new(&self.openssl);
        command.args(["s_client", "-connect", &self.place.ssp.to_string(), "-servername", self.domain]);
        command.args(["-ign_eof", "-verify_return_error", "-verify_hostname", self.domain, "-CAfile"]);
        command.arg(folder.join("ca.pem")).args(options);
        if let Some(issued) = certificate {
            write(&folder.join("cert.pem"), &issued.certificate_pem);
            write(&folder.join("cert.key"), &issued.key_pem);
            command.arg("-cert").arg(folder.join("cert.pem"));
            command.arg("-key").arg(folder.join("cert.key"));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let post = |more: &str| {
            let host = self.domain;
            format!(
                "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: {MEDIA_TYPE}\r\n{more}Content-Length: 0\r\n\r\n"
            )
        };
        let request = post("") + &post("Connection: close\r\n");
        let begin = Instant::now();
        let told = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            // It may have given up already.
            let _ = child.stdin.take().unwrap().write_all(request.as_bytes());
            let output = child.wait_with_output().unwrap();
            Told {
                output: String::from_utf8_lossy(&output.stdout).into_owned(),
                errors: String::from_utf8_lossy(&output.stderr).into_owned(),
            }
        })
        .await
        .unwrap();
        assert!(begin.elapsed() < PATIENCE);
        told
    }

    /// Waits until so many were refused for this reason: they are counted when the caller has gone.
    async fn counted(&self, reason: &str, times: f64) {
        let line = format!("causeway_ssp_refused_total{{peer=\"other\",reason=\"{reason}\"}}");
        until(reason, || async { (self.place.metric(&line).await >= times).then_some(()) }).await;
        assert_eq!(self.place.metric(&line).await, times);
    }
}

fn write(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
}

fn names(name: &str) -> [Domain; 1] {
    [name.parse().unwrap()]
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

fn entry(domain: &str) -> String {
    format!("[[peer]]\ndomain = \"{domain}\"\nservices = [\"im\"]\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_with_a_good_certificate_is_let_in_and_gets_no_ticket() {
    let Some(stage) = Stage::new("north.good.example", &entry("east.good.example")).await else { return };
    let good = stage.authority().issue(&names("east.good.example"), &LeafOptions::default()).unwrap();
    for version in ["-tls1_2", "-tls1_3"] {
        let session = stage.folder.path().join("session");
        let told = stage.dial(Some(&good), &[version, "-sess_out", session.to_str().unwrap()]).await;
        // It believes our certificate, and we let it in: the document is what is wrong, twice on one connection
        assert!(told.output.contains("Verify return code: 0 (ok)"), "{}", told.output);
        assert_eq!(told.status(), Some(400), "{}", told.output);
        assert_eq!(told.output.matches("HTTP/1.1 400").count(), 2, "{}", told.output);
        // Nothing to resume with: no ticket after the handshake, no session id in it
        assert!(!told.output.contains("New Session Ticket"), "{}", told.output);
        assert!(!told.output.contains("TLS session ticket:"), "{}", told.output);
        assert!(told.output.contains("New, TLSv1."), "{}", told.output);
        for id in told.output.lines().filter_map(|line| line.trim().strip_prefix("Session-ID:")) {
            assert_eq!(id.trim(), "", "{}", told.output);
        }
    }
    // Asked to connect six times with the session of the first, openssl gets a new one each time
    let again = stage.dial(Some(&good), &["-tls1_2", "-reconnect"]).await;
    assert!(!again.output.contains("Reused, TLS"), "{}", again.output);
    assert_eq!(again.output.matches("New, TLSv1.2").count(), 6, "{}", again.output);
    // Old versions are not spoken
    for version in ["-tls1", "-tls1_1"] {
        let told = stage.dial(Some(&good), &[version, "-cipher", "DEFAULT@SECLEVEL=0"]).await;
        assert_eq!(told.status(), None);
        let refused = ["alert protocol version", "alert handshake failure"];
        assert!(refused.iter().any(|alert| told.errors.contains(alert)), "{}", told.errors);
        assert!(told.output.contains("Cipher is (NONE)"), "{}", told.output);
    }
    stage.counted("handshake", 2.0).await;
    stage.node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssl_with_a_wrong_certificate_is_told_why_and_so_is_the_operator() {
    let Some(stage) = Stage::new("north.bad.example", &entry("east.bad.example")).await else { return };
    let authority = stage.authority();
    let issue = |name: &str, options: &LeafOptions| authority.issue(&names(name), options).unwrap();
    let now = DateTime::from_unix(now());
    let usual = LeafOptions::at(now);
    let expired = LeafOptions { not_after: DateTime::from_unix(now.unix() - 60), ..usual.clone() };
    let early = LeafOptions { not_before: DateTime::from_unix(now.unix() + 3600), ..usual.clone() };
    let server_only = LeafOptions { client: false, ..usual.clone() };
    let foreign = Authority::new("Somebody else").unwrap();
    let cases = [
        ("certificate expired", "expired on", issue("expired.bad.example", &expired)),
        ("bad certificate|certificate expired", "not valid before", issue("early.bad.example", &early)),
        (
            "unsupported certificate|bad certificate",
            "not made for this use",
            issue("server.bad.example", &server_only),
        ),
        (
            "unknown ca",
            "leads to no configured CA",
            foreign.issue(&names("foreign.bad.example"), &usual).unwrap(),
        ),
        ("certificate revoked", "is revoked", stage.revoked.clone()),
    ];
    let mut counted = 0.0;
    for version in ["-tls1_2", "-tls1_3"] {
        for (alerts, logged, certificate) in &cases {
            let told = stage.dial(Some(certificate), &[version]).await;
            assert_eq!(told.status(), None, "{logged}: {}", told.output);
            let errors = told.errors.to_lowercase();
            assert!(alerts.split('|').any(|alert| errors.contains(alert)), "{logged}: {errors}");
            counted += 1.0;
            stage.counted("handshake", counted).await;
            // The log says which check failed and for whom
            let whom = certificate.certificate().unwrap();
            let whom = causeway::net::certificate::facts(&whom).unwrap().names[0].to_string();
            assert!(
                !log::lines_with(&["WARN", "TLS handshake refused", &whom, logged]).is_empty(),
                "{whom} {logged}"
            );
        }
        // No certificate at all
        let told = stage.dial(None, &[version]).await;
        assert_eq!(told.status(), None, "{}", told.output);
        let errors = told.errors.to_lowercase();
        assert!(errors.contains("certificate required") || errors.contains("handshake failure"), "{errors}");
        counted += 1.0;
        stage.counted("handshake", counted).await;
    }
    assert!(!log::lines_with(&["WARN", "TLS handshake refused", "no certificate was presented"]).is_empty());
    // A certificate that is good, but names nobody we know
    let stranger = issue("stranger.bad.example", &usual);
    let told = stage.dial(Some(&stranger), &[]).await;
    assert_eq!(told.status(), Some(403), "{}", told.output);
    stage.counted("unknown-peer", 2.0).await;
    assert!(!log::lines_with(&["WARN", "turned away", "stranger.bad.example"]).is_empty());
    // The node serves on
    let good = issue("east.bad.example", &usual);
    assert_eq!(stage.dial(Some(&good), &[]).await.status(), Some(400));
    stage.node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ca_of_one_peer_cannot_vouch_for_another() {
    // Given two peers, each with a CA of its own
    let (one, other) = (Authority::new("CA one").unwrap(), Authority::new("CA other").unwrap());
    let shelf = Folder::new();
    write(&shelf.path().join("one.pem"), one.certificate_pem());
    write(&shelf.path().join("other.pem"), other.certificate_pem());
    let entry = |domain: &str, ca: &str| {
        format!("{}trust = [\"{}\"]\n\n", entry(domain), shelf.path().join(ca).display())
    };
    let peers = entry("one.vouch.example", "one.pem") + &entry("other.vouch.example", "other.pem");
    let Some(stage) = Stage::new("north.vouch.example", &peers).await else { return };
    // When the second's CA issues a certificate in the first's name
    let forged = other.issue(&names("one.vouch.example"), &LeafOptions::default()).unwrap();
    // Then the chain is good, and the name is still not believed
    assert_eq!(stage.dial(Some(&forged), &[]).await.status(), Some(403));
    assert!(!log::lines_with(&["WARN", "turned away", "one.vouch.example"]).is_empty());
    // Nor does the CA for everybody count where an entry has its own
    let general = stage.authority().issue(&names("one.vouch.example"), &LeafOptions::default()).unwrap();
    assert_eq!(stage.dial(Some(&general), &[]).await.status(), Some(403));
    for (authority, name) in [(&one, "one.vouch.example"), (&other, "other.vouch.example")] {
        let honest = authority.issue(&names(name), &LeafOptions::default()).unwrap();
        assert_eq!(stage.dial(Some(&honest), &[]).await.status(), Some(400), "{name}");
    }
    stage.node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_servers_only_is_taken_from_the_peer_whose_entry_says_so() {
    let peers = entry("public.usage.example") + "accept-server-eku = true\n\n" + &entry("east.usage.example");
    let Some(stage) = Stage::new("north.usage.example", &peers).await else { return };
    let authority = stage.authority();
    let usual = LeafOptions::at(DateTime::from_unix(now()));
    let issue =
        |name: &str, client| authority.issue(&names(name), &LeafOptions { client, ..usual.clone() }).unwrap();
    assert_eq!(stage.dial(Some(&issue("public.usage.example", false)), &[]).await.status(), Some(400));
    assert_eq!(stage.dial(Some(&issue("east.usage.example", false)), &[]).await.status(), None);
    assert_eq!(stage.dial(Some(&issue("east.usage.example", true)), &[]).await.status(), Some(400));
    // And once the other entry says so too, without a restart
    let peers = peers + "accept-server-eku = true\n";
    fs::write(stage.place.provider.folder.join("peers.toml"), peers).unwrap();
    assert!(stage.node.reload(DateTime::from_unix(now())).await);
    assert_eq!(stage.dial(Some(&issue("east.usage.example", false)), &[]).await.status(), Some(400));
    stage.node.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pinned_key_needs_no_ca_and_any_other_key_is_refused() {
    let nobody = Authority::new("Nobody knows me").unwrap();
    let pinned = nobody.issue(&names("pin.pinned.example"), &LeafOptions::default()).unwrap();
    let facts = causeway::net::certificate::facts(&pinned.certificate().unwrap()).unwrap();
    let pin = causeway::net::certificate::pin_text(&facts.key);
    let peers = format!("{}pins = [\"{pin}\"]\n", entry("pin.pinned.example"));
    let Some(stage) = Stage::new("north.pinned.example", &peers).await else { return };
    assert_eq!(stage.dial(Some(&pinned), &[]).await.status(), Some(400));
    // Another key under the same name, by the CA that is believed for everybody else
    let other = stage.authority().issue(&names("pin.pinned.example"), &LeafOptions::default()).unwrap();
    assert_eq!(stage.dial(Some(&other), &[]).await.status(), Some(403));
    assert!(!log::lines_with(&["WARN", "turned away", "pin.pinned.example"]).is_empty());
    stage.node.drain().await;
}
