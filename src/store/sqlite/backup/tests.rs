//! What is refused, and what a backup leaves out.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use super::super::Sqlite;
use super::super::tests::Folder;
use super::*;
use crate::element::content::{Item, Quota};
use crate::relay::ports::{Account, Change, ContentChange, ContentStore as _, Store as _};
use crate::store::contract::{account, all, at, csp_record, deliver, mail, mailbox, user};

const ADA: &str = "wv:ada@north.example";

/// A store with an account, a message, a session and two items; its key; and a place for a backup.
struct Stage {
    folder: Folder,
    data: PathBuf,
    key: PathBuf,
    backup: PathBuf,
}

fn item(id: &str, octets: &[u8]) -> Item {
    Item {
        id: format!("{id:_<24}").parse().unwrap(),
        owner: user(ADA),
        name: None,
        content_type: "image/png".into(),
        octets: octets.len() as u64,
        digest: Sha256::digest(octets).into(),
        audience: "link".parse().unwrap(),
        created: at(10),
        expires: at(1000),
    }
}

async fn stage() -> Stage {
    let folder = Folder::new();
    fs::create_dir_all(folder.path()).unwrap();
    let at = |name: &str| folder.path().join(name);
    let (data, key, backup) = (at("data"), at("own.key"), at("backup"));
    let sealed = Sealer::open(&key).unwrap().seal(&user(ADA), "secret").unwrap();
    let store = Sqlite::open(&super::super::Settings::at(&data)).unwrap();
    let mut changes = vec![
        Change::AddAccount(Account { sealed_password: Arc::from(sealed), ..account(ADA) }),
        deliver(mail(ADA, "m-1", 3)),
        Change::PutCspSession(Box::new(csp_record("s-1", ADA))),
    ];
    for (id, octets) in [("aa", &b"one"[..]), ("bb", b"two")] {
        let item = item(id, octets);
        store.write_octets(item.id.clone(), Arc::from(octets)).await.unwrap();
        let quota = Quota { octets: 100, items: 3 };
        changes.push(Change::Content(ContentChange::Keep { item: Box::new(item), quota }));
    }
    all(&store, changes).await;
    Stage { folder, data, key, backup }
}

impl Stage {
    fn back_up(&self) -> Copied {
        back_up(&self.data, Some(&self.key), &self.backup).unwrap()
    }

    /// Into a folder that is not there yet.
    fn restore(&self, name: &str) -> Done<Copied> {
        let new = self.folder.path().join(name);
        restore(&self.backup, &new, &new.join(KEY), false)
    }

    fn change(&self, sql: &str) {
        Connection::open(self.backup.join(DATABASE)).unwrap().execute_batch(sql).unwrap();
    }
}

#[tokio::test]
async fn a_backup_is_for_its_owner_alone_and_what_comes_from_it_is_another_store() {
    let stage = stage().await;
    let copied = stage.back_up();
    assert_eq!(copied, Copied { accounts: 1, mailbox: 1, outbox: 0, content: 2, lost: vec![] });
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&stage.backup), 0o700);
    assert_eq!([DATABASE, KEY].map(|name| mode(&stage.backup.join(name))), [0o600; 2]);
    assert!(matches!(
        back_up(&stage.data, None, &stage.backup),
        Err(BackupError::Exists(folder)) if folder == stage.backup
    ));
    let names: Vec<_> =
        fs::read_dir(stage.folder.path()).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "nothing unfinished is left: {names:?}");
    assert_eq!(stage.restore("new").unwrap(), copied);
    let new = stage.folder.path().join("new");
    assert_eq!(mode(&new.join(KEY)), 0o600);
    assert!(!new.join(STAGE).exists());
    let open = |data: &Path| Sqlite::open(&super::super::Settings::at(data)).unwrap();
    let (old, new) = (open(&stage.data), open(&new));
    assert_ne!(old.instance(), new.instance());
    assert_eq!(new.csp_sessions().await.unwrap()[0].last_active, at(0), "it is over");
    assert_eq!(mailbox(&new, ADA).await[0].mail, mail(ADA, "m-1", 3));
    assert_eq!(new.read_octets(item("bb", b"two").id).await.unwrap().as_deref(), Some(&b"two"[..]));
}

#[tokio::test]
async fn octets_that_are_gone_are_left_out_and_those_that_were_lost_are_told() {
    let stage = stage().await;
    let lost = item("aa", b"one").id;
    fs::remove_file(content::path(&stage.data.join(CONTENT), &lost)).unwrap();
    let copied = stage.back_up();
    assert_eq!((copied.content, copied.lost), (1, vec![lost]));
    assert_eq!(stage.restore("new").unwrap().content, 1);
}

#[tokio::test]
async fn what_would_be_overwritten_is_not_unless_that_is_wanted() {
    let stage = stage().await;
    stage.back_up();
    let (data, key) = (&stage.data, &stage.key);
    assert!(matches!(restore(&stage.backup, data, key, false), Err(BackupError::Occupied(_))));
    let running = ServeLock::take(data).unwrap();
    assert!(matches!(
        restore(&stage.backup, data, key, true),
        Err(BackupError::Open(OpenError::InUse { .. }))
    ));
    drop(running);
    // A log that the old store has left is not taken for one of the new store
    let log = data.join(format!("{DATABASE}-wal"));
    fs::write(&log, b"old").unwrap();
    assert_eq!(restore(&stage.backup, data, key, true).unwrap().content, 2);
    assert!(!log.exists());
    // Another key is not overwritten either
    let other = stage.folder.path().join("other");
    fs::create_dir(&other).unwrap();
    let other_key = other.join(KEY);
    Sealer::open(&other_key).unwrap();
    assert!(matches!(restore(&stage.backup, &other, &other_key, false), Err(BackupError::OtherKey(_))));
    assert_eq!(restore(&stage.backup, &other, &other_key, true).unwrap().accounts, 1);
    assert_eq!(fs::read(&other_key).unwrap(), fs::read(key).unwrap());
}

#[tokio::test]
async fn a_backup_without_its_key_needs_the_right_one() {
    let stage = stage().await;
    back_up(&stage.data, None, &stage.backup).unwrap();
    assert!(!stage.backup.join(KEY).exists());
    assert!(matches!(stage.restore("new"), Err(BackupError::NoKey(_))));
    Sealer::open(&stage.folder.path().join("new").join(KEY)).unwrap();
    assert!(matches!(stage.restore("new"), Err(BackupError::WrongKey(_))));
    fs::copy(&stage.key, stage.folder.path().join("new").join(KEY)).unwrap();
    assert_eq!(stage.restore("new").unwrap().accounts, 1);
}

#[tokio::test]
async fn what_is_no_whole_backup_of_this_program_is_refused_and_nothing_is_changed() {
    let stage = stage().await;
    assert!(matches!(stage.restore("new"), Err(BackupError::NoStore(_))));
    let nowhere = stage.folder.path().join("nowhere");
    assert!(matches!(back_up(&nowhere, None, &stage.backup), Err(BackupError::NoStore(_))));
    stage.back_up();
    let database = stage.backup.join(DATABASE);
    let good = fs::read(&database).unwrap();
    stage.change("PRAGMA user_version = 9999");
    assert!(matches!(stage.restore("new"), Err(BackupError::Open(OpenError::Newer { .. }))));
    fs::write(&database, &good).unwrap();
    stage.change("UPDATE migration SET sha256 = 'x' WHERE step = 1");
    assert!(matches!(stage.restore("new"), Err(BackupError::Open(OpenError::Altered { .. }))));
    fs::write(&database, &good).unwrap();
    stage.change("PRAGMA application_id = 7");
    assert!(matches!(stage.restore("new"), Err(BackupError::Open(OpenError::Foreign { .. }))));
    let mut bad = good.clone();
    bad[4096..].iter_mut().step_by(7).for_each(|octet| *octet ^= 0x55);
    fs::write(&database, &bad).unwrap();
    assert!(matches!(
        stage.restore("new"),
        Err(BackupError::Damaged { .. } | BackupError::Open(OpenError::Database { .. }))
    ));
    fs::write(&database, &good).unwrap();
    let log = stage.backup.join(format!("{DATABASE}-wal"));
    fs::write(&log, b"x").unwrap();
    assert!(matches!(stage.restore("new"), Err(BackupError::Damaged { .. })));
    fs::remove_file(&log).unwrap();
    let octets = content::path(&stage.backup.join(CONTENT), &item("aa", b"one").id);
    for wrong in [Some(&b"eno"[..]), Some(b"o"), None] {
        match wrong {
            Some(wrong) => fs::write(&octets, wrong).unwrap(),
            None => fs::remove_file(&octets).unwrap(),
        }
        assert!(matches!(stage.restore("new"), Err(BackupError::Content { .. })), "{wrong:?}");
    }
    let new = stage.folder.path().join("new");
    assert!(!new.join(DATABASE).exists() && !new.join(KEY).exists() && !new.join(STAGE).exists());
    fs::write(&octets, b"one").unwrap();
    assert_eq!(stage.restore("new").unwrap().content, 2);
}
