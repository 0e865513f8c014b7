//! `causeway check`: every mistake in the configuration and in what it names, without starting anything.
//!
//! One line a mistake on standard error (decisions.md 35); exit code 1 if one of them is an error. Warnings
//! (DNS does not answer, no own SRV record, a certificate that ends soon) leave it at 0.

use anyhow::Context as _;
use tokio::task::JoinSet;

use super::{Configuration, Ended, Streams, now, today};
use crate::config::{self, Finding, Settings, Severity};
use crate::imps::Moment;
use crate::net::discover::{Discover, DiscoverError};
use crate::store::sqlite;

/// Questions to DNS at a time.
const QUESTIONS_MAX: usize = 32;

/// Words of the verb.
#[derive(clap::Args, Debug)]
pub struct Words {
    #[command(flatten)]
    configuration: Configuration,
    /// Print what is found as a JSON list on standard output instead
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(words: &Words, streams: &mut Streams<'_>) -> anyhow::Result<Ended> {
    let loaded = config::load(&words.configuration.file, today());
    let mut findings = loaded.findings;
    if let Some(settings) = &loaded.settings {
        findings.extend(suspended(settings));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("DNS could not be asked")?;
        findings.extend(runtime.block_on(look_outward(settings, now())));
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if words.json {
        let findings: Vec<_> = findings.iter().map(as_json).collect();
        writeln!(streams.output, "{}", serde_json::to_string(&findings)?)?;
    } else {
        for finding in &findings {
            writeln!(streams.errors, "{finding}")?;
        }
        let file = words.configuration.file.display();
        writeln!(streams.output, "{file}: {}, {}", counted(errors, "error"), counted(warnings, "warning"))?;
    }
    Ok(if errors == 0 { Ended::Done } else { Ended::Failed })
}

/// Peers that an operator has suspended: the file does not say so.
pub(super) fn suspended(settings: &Settings) -> Vec<Finding> {
    // A store that cannot be read yet, or at all, is for `serve` to speak of.
    let suspensions = sqlite::suspensions(&settings.node.data).unwrap_or_default();
    let told = settings.peers.iter().filter_map(|peer| {
        let found = suspensions.iter().find(|found| found.peer == peer.agreement.domain)?;
        let since = found.since.date_time();
        let allowed = format!("`causeway peer resume {}` ends that", found.peer);
        Some(peer.place.warning(format_args!("suspended by an operator since {since}"), &allowed))
    });
    told.collect()
}

/// Asks DNS for every domain that is found through it, ours and peers'.
async fn look_outward(settings: &Settings, now: Moment) -> Vec<Finding> {
    let discover = match Discover::new(&settings.discovery()) {
        Ok(discover) => std::sync::Arc::new(discover),
        Err(error) => {
            let first = settings.found_by_dns.first();
            return first
                .map(|(_, place)| place.warning(error, "[dns] servers, or a system with resolvers"))
                .into_iter()
                .collect();
        }
    };
    let mut findings = Vec::new();
    for chunk in settings.found_by_dns.chunks(QUESTIONS_MAX) {
        let mut questions = JoinSet::new();
        for (number, (domain, place)) in chunk.iter().cloned().enumerate() {
            let discover = std::sync::Arc::clone(&discover);
            let own = settings.node.domains.contains(&domain);
            questions.spawn(async move {
                let wrong = discover.find(&domain, &[], now).await.err()?;
                let allowed = match (own, &wrong) {
                    (true, _) => {
                        format!("SRV records at _imps-server._tcp.{domain}, so that peers find this node")
                    }
                    (false, DiscoverError::NoService { .. }) => {
                        "endpoints, or a domain with SRV records".to_owned()
                    }
                    (false, DiscoverError::Temporary { .. }) => "endpoints, or a DNS that answers".to_owned(),
                };
                Some((number, place.warning(wrong, &allowed)))
            });
        }
        // In the order of the files, whoever answered first.
        let mut answers: Vec<_> = questions.join_all().await.into_iter().flatten().collect();
        answers.sort_by_key(|(number, _)| *number);
        findings.extend(answers.into_iter().map(|(_, finding)| finding));
    }
    findings
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A finding for programs.
#[derive(serde::Serialize)]
struct Told<'f> {
    file: String,
    line: usize,
    column: usize,
    severity: &'static str,
    text: &'f str,
}

fn as_json(finding: &Finding) -> Told<'_> {
    Told {
        file: finding.file.display().to_string(),
        line: finding.line,
        column: finding.column,
        severity: if finding.severity == Severity::Error { "error" } else { "warning" },
        text: &finding.text,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio_util::sync::CancellationToken;

    use super::super::testing::{Folder, run};
    use super::super::{DONE, FAILED};
    use crate::imps::Domain;
    use crate::net::dns_server::{DnsServer, Zone};

    /// A good configuration, with DNS asked here.
    fn written(folder: &Folder, dns: SocketAddr) -> String {
        let certs = folder.path("certs");
        assert_eq!(run(&["cert", "ca", &certs], "").0, DONE);
        assert_eq!(run(&["cert", "issue", &certs, "north.example"], "").0, DONE);
        folder.write("peers.toml", "[[peer]]\ndomain = \"south.example\"\nservices = [\"im\"]\n");
        folder.write(
            "causeway.toml",
            &format!(
                "[node]\ndomains = [\"north.example\"]\n[ssp]\ncertificate = \"certs/north.example.pem\"\n\
                 key = \"certs/north.example.key\"\n[dns]\nservers = [\"{dns}\"]\n"
            ),
        )
    }

    /// A DNS server on a thread of its own while `act` runs.
    fn with_dns(zone: Zone, act: impl FnOnce(SocketAddr)) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let stop = CancellationToken::new();
        let server =
            runtime.block_on(DnsServer::start("127.0.0.1:0".parse().unwrap(), zone, stop.clone())).unwrap();
        act(server.addr());
        stop.cancel();
    }

    fn zone(domains: &[&str]) -> Zone {
        let mut zone = Zone::new();
        for domain in domains {
            let domain: Domain = domain.parse().unwrap();
            zone.service(&domain, (0, 0), (&format!("ssp.{domain}"), 5222), 60);
            zone.address(&format!("ssp.{domain}"), "127.0.0.1".parse().unwrap(), 60);
        }
        zone
    }

    #[test]
    fn a_good_configuration_says_so() {
        let folder = Folder::new("check-good");
        with_dns(zone(&["north.example", "south.example"]), |dns| {
            let file = written(&folder, dns);
            let (code, output, errors) = run(&["check", "--config", &file], "");
            assert_eq!((code, errors.as_str()), (DONE, ""));
            assert_eq!(output, format!("{file}: 0 errors, 0 warnings\n"));
        });
    }

    #[test]
    fn missing_records_are_warnings_at_the_domain_they_concern() {
        let folder = Folder::new("check-dns");
        with_dns(zone(&[]), |dns| {
            let file = written(&folder, dns);
            let (code, output, errors) = run(&["check", "--config", &file], "");
            assert_eq!(code, DONE);
            assert_eq!(output, format!("{file}: 0 errors, 2 warnings\n"));
            let lines: Vec<&str> = errors.lines().collect();
            assert!(
                lines[0].starts_with(&format!(
                    "{file}:2:12: warning: domains = \"north.example\": north.example offers no service: "
                )) && lines[0].ends_with(
                    "; allowed: SRV records at _imps-server._tcp.north.example, so that peers find this node"
                ),
                "{errors}"
            );
            let peers = folder.path("peers.toml");
            assert!(
                lines[1].starts_with(&format!(
                    "{peers}:2:1: warning: domain = \"south.example\": south.example offers no service: "
                )),
                "{errors}"
            );
        });
    }

    #[test]
    fn errors_end_with_code_1_and_machines_get_json() {
        let folder = Folder::new("check-bad");
        let file =
            folder.write("causeway.toml", "[node]\n[csp]\nmax-document-bytes = 12\n[ssp]\nlisten = []\n");
        let (code, output, errors) = run(&["check", "--config", &file], "");
        assert_eq!(code, FAILED);
        assert_eq!(errors.lines().count(), 3, "{errors}");
        assert_eq!(output, format!("{file}: 2 errors, 1 warning\n"));
        let (code, output, errors) = run(&["check", "--json", "--config", &file], "");
        assert_eq!((code, errors.as_str()), (FAILED, ""));
        let told: serde_json::Value = serde_json::from_str(&output).unwrap();
        let mistake = &told[1];
        assert_eq!((mistake["file"].as_str(), mistake["line"].as_u64()), (Some(&*file), Some(3)));
        assert_eq!((mistake["column"].as_u64(), mistake["severity"].as_str()), (Some(1), Some("error")));
        assert!(
            mistake["text"].as_str().unwrap().starts_with("max-document-bytes = 12: too small"),
            "{output}"
        );
    }
}
