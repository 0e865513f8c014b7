//! Files that change are read again without being told (SIGHUP tells too).
//!
//! Every file that the configuration names is looked at now and then: when its time of change, its length or
//! its place on disk is another than before, and has been so for one look more (an editor may still write),
//! everything is read again. A mistake is told once, and once more after the next change.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::federation::Federation;
use crate::config::Settings;
use crate::ops::audit::Who;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Octets of one file that count.
const FILE_OCTETS_MAX: u64 = 16 * 1024 * 1024;

/// What tells one content of a file from another, cheaply; `None`: it cannot be looked at.
type Stamp = Option<(SystemTime, u64, u64)>;

/// The files that count, as they were at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamps(Vec<(PathBuf, Stamp)>);

impl Stamps {
    /// Of the files that these settings name, and those that they came from.
    pub(super) fn of(settings: &Settings) -> Self {
        let mut files = vec![settings.file.clone(), settings.ssp.peers_file.clone()];
        files.extend(material_files(settings));
        Self(files.into_iter().map(|file| (file.clone(), stamp(&file))).collect())
    }

    /// Of the same files, now.
    pub(super) fn renewed(&self) -> Self {
        Self(self.0.iter().map(|(file, _)| (file.clone(), stamp(file))).collect())
    }

    /// The same, but files that were looked at before as they were then: what changes while a file is read is
    /// found at the next look.
    pub(super) fn remembering(mut self, before: &Self) -> Self {
        for (file, stamp) in &mut self.0 {
            if let Some((_, earlier)) = before.0.iter().find(|(known, _)| known == file) {
                *stamp = *earlier;
            }
        }
        self
    }
}

fn stamp(file: &Path) -> Stamp {
    let found = fs::metadata(file).ok()?;
    Some((found.modified().ok()?, found.len(), found.ino()))
}

/// The files that TLS is made of.
pub(super) fn material_files(settings: &Settings) -> Vec<PathBuf> {
    let pairs = settings.ssp.identities.iter().map(|own| &own.files).chain(&settings.csp.tls);
    let mut files: Vec<_> = pairs.flat_map(|pair| [pair.certificate.clone(), pair.key.clone()]).collect();
    files.extend(settings.trust_files());
    files.extend(settings.ssp.crls.iter().cloned());
    files
}

/// A digest of everything that TLS is made of: files, and what the settings say about them. `None`: a file
/// cannot be read.
pub(super) fn material(settings: &Settings) -> Option<[u8; 32]> {
    use std::io::Read as _;
    let mut digest = Sha256::new();
    for file in material_files(settings) {
        let mut octets = zeroize::Zeroizing::new(Vec::new());
        fs::File::open(&file).ok()?.take(FILE_OCTETS_MAX).read_to_end(&mut octets).ok()?;
        digest.update(file.as_os_str().as_encoded_bytes());
        digest.update(octets.len().to_le_bytes());
        digest.update(&*octets);
    }
    digest.update(settings.ssp.crl_expiry.as_str());
    digest.update([u8::from(settings.ssp.http2)]);
    for own in &settings.ssp.identities {
        digest.update(own.domain.as_str());
    }
    for agreement in settings.agreements() {
        digest.update(agreement.domain.as_str());
        agreement.pins.iter().for_each(|pin| digest.update(pin));
        digest.update([u8::from(agreement.accept_server_eku)]);
        agreement.names.iter().for_each(|name| digest.update(name.as_str()));
    }
    Some(digest.finalize().into())
}

/// Looks until stopped.
pub(super) async fn watch(federation: Arc<Federation>, stop: CancellationToken) {
    let mut before = federation.stamps();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let known = federation.stamps();
        let Ok(now) = tokio::task::spawn_blocking({
            let known = known.clone();
            move || known.renewed()
        })
        .await
        else {
            continue;
        };
        if now != known && now == before {
            info!("a file has changed: all are read again");
            federation.reload(federation.today(), Who::file()).await;
        }
        before = now;
    }
}
