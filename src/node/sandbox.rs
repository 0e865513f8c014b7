//! What the process may still do once it has read its configuration.
//!
//! Whoever takes over the node through a mistake in it shall find little: the files of the configuration can
//! be read, the data folder written, nothing else (landlock); no program that is run gains rights by it (no
//! new privileges; nothing can be run, either); no capability is left but that of binding ports below 1024,
//! and this one only where such a port is configured.
//!
//! A process becomes so thread by thread, and threads pass it on to those that they begin. So it is done before
//! the first thread of the runtime begins, which is before anything is bound or heard. Not every system can do
//! all of this: what was done is told, for the log.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use caps::{CapSet, Capability, CapsHashSet};
use landlock::{
    ABI, Access as _, AccessFs, BitFlags, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus,
    path_beneath_rules,
};

use super::watch::material_files;
use crate::config::Settings;

/// The newest form of landlock whose rights we know; older kernels enforce what they can.
const KNOWN: ABI = ABI::V5;
/// Ports below it are for those who may.
const FREE_PORTS_BEGIN: u16 = 1024;
/// What the libraries look at: names of hosts, the processors there are, figures about ourselves.
const SYSTEM: [&str; 9] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/dev/null",
    "/dev/urandom",
    "/proc/self",
    "/proc/stat",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
];

/// Why the sandbox could not be entered.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The data folder could not be made.
    #[error("{}: {cause}", path.display())]
    Data {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The kernel knows landlock and refused it.
    #[error("files cannot be closed off: {0}")]
    Files(#[from] landlock::RulesetError),
    /// Capabilities could not be given up.
    #[error("capabilities cannot be given up: {0}")]
    Capabilities(#[from] caps::errors::CapsError),
}

/// What is really enforced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enforced {
    /// `fully`, `partially` (an older kernel) or `not` (one without landlock).
    pub files: &'static str,
    /// No program gains rights when it is run.
    pub no_new_privileges: bool,
    /// Capabilities that are left.
    pub capabilities: Vec<String>,
}

/// Closes off this thread and every one that it begins from now on. There is no way back.
pub fn enter(settings: &Settings) -> Result<Enforced, SandboxError> {
    let data = &settings.node.data;
    if !data.exists() {
        // A rule needs something that is there. It is made as the store makes it.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data)
            .map_err(|cause| SandboxError::Data { path: data.clone(), cause })?;
    }
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = AccessFs::from_all(KNOWN) & !BitFlags::from(AccessFs::Execute);
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .create()?
        .add_rules(path_beneath_rules(readable(settings), read))?
        .add_rules(path_beneath_rules(writable(settings), write))?
        .restrict_self()?;
    let capabilities = give_up(binds_low_port(settings))?;
    Ok(Enforced {
        files: match status.ruleset {
            RulesetStatus::FullyEnforced => "fully",
            RulesetStatus::PartiallyEnforced => "partially",
            RulesetStatus::NotEnforced => "not",
        },
        no_new_privileges: status.no_new_privs,
        capabilities,
    })
}

/// The folders of all files of the configuration, not the files: a file that is replaced is another one.
fn readable(settings: &Settings) -> Vec<PathBuf> {
    let mut files =
        vec![settings.file.clone(), settings.ssp.peers_file.clone(), settings.node.secret_key.clone()];
    files.extend(settings.admin.token_file.clone());
    files.extend(settings.dns.trust_anchors.iter().map(|anchors| anchors.file.clone()));
    files.extend(material_files(settings));
    let mut folders: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    for file in files {
        // A link may lead to another folder, where its next target will be, too.
        for path in [Some(file.clone()), file.canonicalize().ok()].into_iter().flatten() {
            let folder = folder_of(&path);
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
    }
    folders
}

fn writable(settings: &Settings) -> Vec<PathBuf> {
    let mut folders = vec![settings.node.data.clone()];
    if !settings.node.secret_key.exists() {
        folders.push(folder_of(&settings.node.secret_key));
    }
    folders
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn binds_low_port(settings: &Settings) -> bool {
    let (ssp, csp) = (&settings.ssp, &settings.csp);
    let all = ssp.listen.iter().chain(&csp.listen).chain(&csp.tls_listen).chain(&csp.cir.tcp_listen);
    all.chain([&settings.admin.listen]).any(|address| (1..FREE_PORTS_BEGIN).contains(&address.port()))
}

/// Gives up all capabilities, or all but that of binding low ports; gives those that are left.
fn give_up(bind_low_ports: bool) -> Result<Vec<String>, caps::errors::CapsError> {
    let mut kept = CapsHashSet::new();
    let low = Capability::CAP_NET_BIND_SERVICE;
    if bind_low_ports && caps::has_cap(None, CapSet::Permitted, low)? {
        kept.insert(low);
    }
    caps::clear(None, CapSet::Ambient)?;
    // What programs that are run could get; to shrink it takes a capability of its own.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        caps::clear(None, CapSet::Bounding)?;
    }
    caps::set(None, CapSet::Effective, &kept)?;
    caps::clear(None, CapSet::Inheritable)?;
    caps::set(None, CapSet::Permitted, &kept)?;
    Ok(caps::read(None, CapSet::Permitted)?.iter().map(ToString::to_string).collect())
}
