//! A laboratory: a private CA, a DNS server and providers on loopback, configured by files as an
//! operator would. The demonstration runs in one, and so do the scenario tests.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tokio_util::sync::CancellationToken;

use super::{Streams, today};
use crate::config;
use crate::imps::{Domain, UserId};
use crate::net::dns_server::{DnsServer, Zone};
use crate::net::pki;
use crate::node::Node;
use crate::store::sqlite::Trouble;

/// How long DNS answers may be kept, seconds.
const TTL_SECONDS: u32 = 60;

/// A CA, a DNS server, and a folder for providers.
#[derive(Debug)]
pub struct Laboratory {
    folder: PathBuf,
    dns: DnsServer,
    stop: CancellationToken,
}

/// What the operator of one provider wrote.
#[derive(Clone, Debug)]
pub struct Provider {
    /// The domain.
    pub domain: Domain,
    /// Where `causeway.toml` and `peers.toml` are.
    pub folder: PathBuf,
}

/// What a provider's files say beyond the necessary.
#[derive(Clone, Debug)]
pub struct Writing<'a> {
    /// Listener for peers.
    pub ssp: SocketAddr,
    /// Listener for clients.
    pub csp: SocketAddr,
    /// Listener for clients that want to be called.
    pub cir: SocketAddr,
    /// Listener for the operator.
    pub admin: SocketAddr,
    /// Domains of `peers.toml`.
    pub peers: &'a [&'a str],
    /// Lines that every entry of `peers.toml` gets besides; services are messages alone if they say none.
    pub agreement: &'a str,
    /// Lines for `[ssp]`.
    pub ssp_lines: &'a str,
    /// Lines for `[csp]`.
    pub csp_lines: &'a str,
    /// Lines for `[csp.cir]`.
    pub cir_lines: &'a str,
    /// Further sections of `causeway.toml`.
    pub sections: &'a str,
}

impl Default for Writing<'_> {
    /// Free ports on loopback, and no peers.
    fn default() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            ssp: free,
            csp: free,
            cir: free,
            admin: free,
            peers: &[],
            agreement: "",
            ssp_lines: "",
            csp_lines: "",
            cir_lines: "",
            sections: "",
        }
    }
}

impl Laboratory {
    /// Makes a CA in the folder and starts a DNS server that knows nobody yet.
    pub async fn new(folder: &Path) -> anyhow::Result<Self> {
        pki::create_ca(folder, false)?;
        let stop = CancellationToken::new();
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let dns =
            DnsServer::start(free, Zone::new(), stop.child_token()).await.context("DNS cannot be served")?;
        Ok(Self { folder: folder.to_owned(), dns, stop })
    }

    /// Its DNS server.
    pub const fn dns(&self) -> &DnsServer {
        &self.dns
    }

    /// Its folder, with `ca.pem` and `ca.key`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Issues the certificate of a provider and writes its files.
    pub fn provider(&self, domain: &str, writing: &Writing<'_>) -> anyhow::Result<Provider> {
        let domain: Domain = domain.parse()?;
        let folder = self.folder.join(domain.as_str());
        fs::create_dir_all(&folder)?;
        pki::issue(&self.folder, std::slice::from_ref(&domain), false)?;
        let Writing { ssp, csp, cir, admin, peers, agreement, .. } = writing;
        let Writing { ssp_lines, csp_lines, cir_lines, sections, .. } = writing;
        let dns = self.dns.addr();
        // Everybody here is one source, and quicker than any person.
        let unlimited = if csp_lines.contains("-requests-per-second") {
            ""
        } else {
            "session-requests-per-second = 0\nsource-requests-per-second = 0\n"
        };
        let node = format!(
            "[node]\ndomains = [\"{domain}\"]\ndata = \"data\"\n\n\
             [ssp]\nlisten = [\"{ssp}\"]\ncertificate = \"../{domain}.pem\"\nkey = \"../{domain}.key\"\n\
             trust = [\"../ca.pem\"]\npeers = \"peers.toml\"\n{ssp_lines}\n\n\
             [csp]\nlisten = [\"{csp}\"]\n{unlimited}{csp_lines}\n\n\
             [csp.cir]\ntcp-listen = [\"{cir}\"]\n{cir_lines}\n\n[admin]\nlisten = \"{admin}\"\n\n\
             [dns]\nservers = [\"{dns}\"]\n\n{sections}\n"
        );
        fs::write(folder.join("causeway.toml"), node)?;
        let services = if agreement.contains("services") { "" } else { "services = [\"im\"]\n" };
        let entries: Vec<_> = peers
            .iter()
            .map(|peer| format!("[[peer]]\ndomain = \"{peer}\"\n{services}{agreement}\n"))
            .collect();
        fs::write(folder.join("peers.toml"), entries.join("\n"))?;
        Ok(Provider { domain, folder })
    }

    /// Says in DNS that a domain is served at this address.
    pub fn publish(&self, domain: &Domain, at: SocketAddr) {
        let host = format!("imps.{domain}");
        self.dns.change(|zone| {
            zone.remove(&format!("_imps-server._tcp.{domain}"));
            zone.remove(&host);
            zone.service(domain, (0, 0), (&host, at.port()), TTL_SECONDS);
            zone.address(&host, at.ip(), TTL_SECONDS);
        });
    }

    /// Runs a provider in this process and publishes it.
    pub async fn start(&self, provider: &Provider) -> anyhow::Result<Node> {
        self.start_over(provider, Trouble::default()).await
    }

    /// The same, over a disk that can be made bad.
    pub async fn start_over(&self, provider: &Provider, trouble: Trouble) -> anyhow::Result<Node> {
        let loaded = config::load(&provider.config(), today());
        let Some(settings) = loaded.settings else {
            let told: Vec<_> = loaded.findings.iter().map(ToString::to_string).collect();
            bail!("{}", told.join("; "));
        };
        let node = Node::start_over(settings, trouble).await?;
        if let Some(ssp) = node.addresses().ssp.first() {
            self.publish(&provider.domain, *ssp);
        }
        Ok(node)
    }
}

impl Drop for Laboratory {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Provider {
    /// Its `causeway.toml`.
    pub fn config(&self) -> PathBuf {
        self.folder.join("causeway.toml")
    }

    /// The address of one of its users.
    pub fn user(&self, name: &str) -> anyhow::Result<UserId> {
        Ok(format!("wv:{name}@{}", self.domain).parse()?)
    }

    /// Makes an account, as `causeway user add` does. Not within an asynchronous task: the verb has a
    /// runtime of its own.
    pub fn add_user(&self, name: &str, password: &str) -> anyhow::Result<()> {
        let (mut output, mut errors) = (io::sink(), Vec::new());
        let line = format!("{password}\n");
        let mut streams = Streams { input: &mut line.as_bytes(), output: &mut output, errors: &mut errors };
        let config = self.config();
        let user = format!("{name}@{}", self.domain);
        let words = ["causeway", "user", "add", &user, "--config"].map(Into::into);
        let code = super::run(words.into_iter().chain([config.into_os_string()]), &mut streams);
        if code != super::DONE {
            bail!("{}", String::from_utf8_lossy(&errors).trim());
        }
        Ok(())
    }
}
