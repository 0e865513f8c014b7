//! Every kind of mistake, word for word; defaults; paths.

mod entries;
mod material;
mod mistakes;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::settings::{Backend, CrlExpiry, Dnssec, Federation, LogFormat, Registration};
use super::*;
use crate::imps::agreement::{Endpoint, PeerState, Profile, Service};
use crate::net::pki::{Authority, LeafOptions};
use crate::store::seal::Sealer;

const DAY: i64 = 86_400;

/// The test's own moment: a CA is dated by the system's time.
fn now() -> DateTime {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    DateTime::from_unix(i64::try_from(since.as_secs()).unwrap())
}

/// So many days from now.
fn days(days: i64) -> DateTime {
    DateTime::from_unix(now().unix() + days * DAY)
}

/// A folder with a configuration, removed at the end.
struct Desk {
    folder: PathBuf,
    authority: Authority,
}

impl Desk {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("causeway-config-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let desk = Self { folder, authority: Authority::new("Test CA").unwrap() };
        desk.write("certs/ca.pem", desk.authority.certificate_pem());
        desk.issue("certs/node", &["north.example"], |_| {});
        desk.write("peers.toml", "");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn issue(&self, name: &str, names: &[&str], change: impl FnOnce(&mut LeafOptions)) {
        let names: Vec<Domain> = names.iter().map(|name| name.parse().unwrap()).collect();
        let mut options = LeafOptions::at(now());
        change(&mut options);
        let issued = self.authority.issue(&names, &options).unwrap();
        self.write(&format!("{name}.pem"), &issued.certificate_pem);
        self.write(&format!("{name}.key"), issued.key_pem.as_bytes());
    }

    fn load(&self, text: &str) -> Loaded<Settings> {
        self.write("causeway.toml", text);
        load(&self.path("causeway.toml"), now())
    }

    /// What is found, with the folder taken out and points in time as DATE.
    fn told(&self, text: &str) -> Vec<String> {
        let folder = format!("{}/", self.folder.display());
        let plain = |word: &str| {
            let bare = word.trim_end_matches([',', ';']);
            let date = bare.len() == 20 && bare.ends_with('Z') && bare.as_bytes()[10] == b'T';
            if date { word.replace(bare, "DATE") } else { word.to_owned() }
        };
        let line = |found: &Finding| {
            let line = found.to_string().replace(&folder, "");
            line.split(' ').map(plain).collect::<Vec<_>>().join(" ")
        };
        self.load(text).findings.iter().map(line).collect()
    }

    fn good(&self, text: &str) -> Settings {
        let mut loaded = self.load(text);
        // Examples with dates stay good examples when these are over.
        loaded.findings.retain(|found| !found.text.contains("the entry counts as closed"));
        assert_eq!(loaded.findings, [], "{:#?}", self.told(text));
        loaded.settings.unwrap()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const MINIMAL: &str = "[node]\ndomains = [\"north.example\"]\n";
