//! What only this store promises: the file, its threads, and other processes beside it.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use std::{fs, process};

use super::*;
use crate::store::contract::{
    MAILBOX_MESSAGES_MAX, MAILBOX_OCTETS_MAX, QUEUE_OCTETS_MAX, SHARE_OCTETS_MAX, account, all, at,
    csp_record, deliver, mail, mailbox, one, outbox, outgoing, user,
};

/// A folder of its own for one test.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("causeway-store-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn open(&self) -> Sqlite {
        Sqlite::open(&Settings::at(&self.0)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Open {
    store: Sqlite,
    _folder: Folder,
}

fn small(data: &Path) -> Settings {
    Settings {
        mailbox_messages_max: MAILBOX_MESSAGES_MAX,
        mailbox_octets_max: MAILBOX_OCTETS_MAX,
        queue_bytes_per_peer: QUEUE_OCTETS_MAX,
        queue_bytes_per_user: SHARE_OCTETS_MAX,
        ..Settings::at(data)
    }
}

mod on_disk {
    use super::*;

    crate::store::contract::keeps_the_contract! {{
        let folder = Folder::new();
        Open { store: Sqlite::open(&small(&folder.0)).unwrap(), _folder: folder }
    }}
}

mod in_memory {
    use super::*;

    crate::store::contract::keeps_the_contract! {{
        let folder = Folder::new();
        Open { store: Sqlite::in_memory_with(&small(&folder.0), "test").unwrap(), _folder: folder }
    }}
}

const ADA: &str = "wv:ada@north.example";

async fn with_something(store: &Sqlite) {
    let outcomes = all(
        store,
        vec![
            Change::AddAccount(account(ADA)),
            deliver(mail(ADA, "m-1", 3)),
            Change::Send(outgoing("south.example", "SendMessage", 5)),
            Change::PutCspSession(Box::new(csp_record("s-1", ADA))),
        ],
    )
    .await;
    assert!(matches!(outcomes[..], [Outcome::Done, Outcome::Row(_), Outcome::Row(_), Outcome::Done]));
}

async fn has_something(store: &Sqlite) {
    assert_eq!(store.all_accounts().await.unwrap(), [account(ADA)]);
    assert_eq!(mailbox(store, ADA).await[0].mail, mail(ADA, "m-1", 3));
    assert_eq!(outbox(store, "south.example").await[0].outgoing, outgoing("south.example", "SendMessage", 5));
    assert_eq!(store.csp_sessions().await.unwrap(), [csp_record("s-1", ADA)]);
    assert_eq!(one(store, deliver(mail(ADA, "m-1", 3))).await, Outcome::Duplicate);
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let folder = Folder::new();
    let store = folder.open();
    let instance = store.instance().to_owned();
    with_something(&store).await;
    let last = mailbox(&store, ADA).await[0].row.max(outbox(&store, "south.example").await[0].row);
    drop(store);
    let files: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, [DATABASE], "the log was folded in");

    let store = folder.open();
    has_something(&store).await;
    assert_eq!(store.instance(), instance);
    let dropped = Change::DropOutgoing { row: outbox(&store, "south.example").await[0].row };
    all(&store, vec![dropped, Change::DropMail { owner: user(ADA), row: mailbox(&store, ADA).await[0].row }])
        .await;
    one(&store, deliver(mail(ADA, "m-1", 3))).await;
    let unwritten = store.number().unwrap();
    drop(store);
    let Outcome::Row(next) = one(&folder.open(), deliver(mail(ADA, "m-2", 3))).await else { panic!() };
    assert!(next > last, "numbers are not reused, though the tables were empty");
    assert!(next > unwritten, "nor are those whose rows were never written");
}

#[tokio::test]
async fn a_kill_loses_nothing_that_was_answered() {
    let (folder, copy) = (Folder::new(), Folder::new());
    let store = folder.open();
    with_something(&store).await;
    // What lies on the disk at this moment is what a killed process would leave.
    fs::create_dir(&copy.0).unwrap();
    for name in [DATABASE.to_owned(), format!("{DATABASE}-wal")] {
        fs::copy(folder.0.join(&name), copy.0.join(&name)).unwrap();
    }
    has_something(&copy.open()).await;
    has_something(&store).await;
}

#[tokio::test]
async fn many_at_once_are_each_answered() {
    let folder = Folder::new();
    let store = folder.open();
    one(&store, Change::AddAccount(account(ADA))).await;
    let promises: Vec<_> =
        (0..1000).map(|id| store.commit(vec![deliver(mail(ADA, &format!("m-{id}"), 10))])).collect();
    let mut rows = Vec::new();
    for promise in promises {
        let [Outcome::Row(row)] = promise.await.unwrap()[..] else { panic!() };
        rows.push(row);
    }
    assert!(rows.is_sorted_by(|one, next| one < next), "in the order of the calls");
    assert_eq!(store.mailbox(user(ADA), None, 0, 2000).await.unwrap().len(), 1000);
}

#[tokio::test]
async fn an_account_made_by_another_process_is_seen() {
    let folder = Folder::new();
    let node = folder.open();
    let _lock = ServeLock::take(&folder.0).unwrap();
    assert_eq!(node.accounts(vec![user(ADA)]).await.unwrap(), [None], "and remembered");
    let verb = folder.open();
    assert_eq!(one(&verb, Change::AddAccount(account(ADA))).await, Outcome::Done);
    drop(verb);
    let asked = Instant::now();
    while node.accounts(vec![user(ADA)]).await.unwrap() == [None] {
        assert!(asked.elapsed() < Duration::from_secs(1), "not seen within a second");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // A change after that sees it at once, and so do the counters.
    assert!(matches!(one(&node, deliver(mail(ADA, "m-1", 3))).await, Outcome::Row(_)));
    let verb = folder.open();
    assert_eq!(one(&verb, Change::RemoveAccount(user(ADA))).await, Outcome::Done);
    assert_eq!(one(&node, deliver(mail(ADA, "m-2", 3))).await, Outcome::Missing);
    assert_eq!(node.accounts(vec![user(ADA)]).await.unwrap(), [None]);
}

#[test]
fn many_processes_may_open_a_new_store_at_once() {
    let folder = Folder::new();
    let instances: Vec<String> = thread::scope(|scope| {
        let openers: Vec<_> = (0..6).map(|_| scope.spawn(|| folder.open().instance().to_owned())).collect();
        openers.into_iter().map(|opener| opener.join().unwrap()).collect()
    });
    assert!(instances.iter().all(|instance| *instance == instances[0]));
}

#[test]
fn only_one_node_runs_on_a_store() {
    let folder = Folder::new();
    let _store = folder.open();
    let lock = ServeLock::take(&folder.0).unwrap();
    assert!(matches!(ServeLock::take(&folder.0), Err(OpenError::InUse { .. })));
    drop(lock);
    ServeLock::take(&folder.0).unwrap();
}

#[test]
fn nobody_else_reads_the_store() {
    let folder = Folder::new();
    let _store = folder.open();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.0), 0o700);
    for name in [DATABASE, "causeway.db-wal", "causeway.db-shm"] {
        assert_eq!(mode(&folder.0.join(name)), 0o600, "{name}");
    }
}

#[test]
fn a_newer_store_and_a_foreign_file_are_refused() {
    let folder = Folder::new();
    drop(folder.open());
    let path = folder.0.join(DATABASE);
    let known: i64 = {
        let connection = Connection::open(&path).unwrap();
        let known = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        connection.pragma_update(None, "user_version", 1000).unwrap();
        known
    };
    let refused = Sqlite::open(&Settings::at(&folder.0)).unwrap_err();
    assert!(matches!(refused, OpenError::Newer { found: 1000, known: k, .. } if k == known));
    assert!(refused.to_string().contains("newer version"));
    fs::write(&path, "no database at all, but a text of some length, so that it is read").unwrap();
    assert!(matches!(Sqlite::open(&Settings::at(&folder.0)), Err(OpenError::Database { .. })));
    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(Sqlite::open(&Settings::at(&folder.0)), Err(OpenError::Foreign { .. })));
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let folder = Folder::new();
    let store = folder.open();
    let last = store.commit(vec![Change::AddAccount(account(ADA))]);
    store.close();
    assert_eq!(last.await.unwrap(), [Outcome::Done], "what was handed in is carried out");
    assert_eq!(store.commit(vec![Change::AddAccount(account(ADA))]).await, Err(StoreError::Closed));
    assert_eq!(store.all_accounts().await, Err(StoreError::Closed));
    store.close();
}

/// Does something while another process holds the database, so that no commit can happen.
fn while_held<T>(folder: &Folder, what: impl FnOnce() -> T) -> T {
    let other = Connection::open(folder.0.join(DATABASE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let done = what();
    other.execute_batch("ROLLBACK").unwrap();
    done
}

#[tokio::test]
async fn too_much_that_waits_is_refused_and_the_rest_is_kept() {
    let folder = Folder::new();
    let settings = Settings { waiting_operations_max: 4, waiting_octets_max: 100, ..Settings::at(&folder.0) };
    let store = Sqlite::open(&settings).unwrap();
    one(&store, Change::AddAccount(account(ADA))).await;
    let promises: Vec<_> = while_held(&folder, || {
        (0..1000).map(|_| store.commit(vec![Change::DropOutgoing { row: 0 }])).collect()
    });
    let mut refused = 0;
    for promise in promises {
        match promise.await {
            Ok(outcomes) => assert_eq!(outcomes, [Outcome::Missing]),
            Err(error) => {
                assert!(matches!(error, StoreError::Overloaded(_)));
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
    let [first, second] = while_held(&folder, || {
        [("a", 200), ("b", 1)].map(|(id, octets)| store.commit(vec![deliver(mail(ADA, id, octets))]))
    });
    assert!(matches!(second.await, Err(StoreError::Overloaded(_))), "octets are bounded too");
    assert!(matches!(first.await.unwrap()[..], [Outcome::Row(_)]), "a single one always fits");
}

/// A writer without a thread, to break things under it.
fn writer() -> Writer {
    writer_in(&Trouble::default())
}

/// The same, with a handle that makes its disk bad.
fn writer_in(trouble: &Trouble) -> Writer {
    writer_telling(trouble, Arc::new(Silent))
}

/// The same, which tells what happens.
fn writer_telling(trouble: &Trouble, events: Arc<dyn Events>) -> Writer {
    let mut connection = Connection::open_in_memory().unwrap();
    common(&connection).unwrap();
    schema::migrate(&mut connection, None, at(0)).unwrap();
    let (limits, memory) = (Settings::at("").limits(), Arc::new(Memory::new()));
    Writer::new(connection, limits, Numbers::default(), memory, events, trouble.clone())
}

fn count(writer: &Writer, table: &str) -> i64 {
    writer.connection().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[test]
fn an_operation_that_fails_fails_alone_and_wholly() {
    let mut writer = writer();
    writer
        .connection()
        .execute_batch(
            "CREATE TRIGGER bad BEFORE INSERT ON outbox WHEN new.primitive = 'Bad'
             BEGIN SELECT raise(ABORT, 'no'); END",
        )
        .unwrap();
    let good = [Change::AddAccount(account(ADA)), deliver(mail(ADA, "m-1", 3))];
    let bad = [
        deliver(mail(ADA, "m-2", 3)),
        Change::AddAccount(account("wv:cy@north.example")),
        Change::Send(outgoing("south.example", "Bad", 1)),
    ];
    let last = [deliver(mail(ADA, "m-2", 3)), Change::Send(outgoing("south.example", "Good", 1))];
    let answers = writer.run(&[&good, &bad, &last]);
    assert!(matches!(answers[0].as_ref().unwrap()[..], [Outcome::Done, Outcome::Row(_)]));
    assert!(matches!(&answers[1], Err(StoreError::Failed(text)) if text.contains("no")));
    assert!(matches!(answers[2].as_ref().unwrap()[..], [Outcome::Row(_), Outcome::Row(_)]));
    assert_eq!(["account", "mailbox", "outbox", "seen"].map(|table| count(&writer, table)), [1, 2, 1, 2]);
    // Alone in its batch it fails as well, and the next one is served.
    assert!(writer.run(&[&bad])[0].is_err());
    assert!(writer.run(&[&last])[0].is_ok());
    assert_eq!(["account", "mailbox", "outbox", "seen"].map(|table| count(&writer, table)), [1, 2, 2, 2]);
}

#[test]
fn a_commit_that_fails_is_answered_to_all_and_changes_nothing() {
    let trouble = Trouble::default();
    trouble.set(Some(Ailment::Fails));
    let mut writer = writer_in(&trouble);
    let first = [Change::AddAccount(account(ADA)), deliver(mail(ADA, "m-1", 3))];
    let second = [Change::Send(outgoing("south.example", "A", 1))];
    let answers = writer.run(&[&first, &second]);
    assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Failed(_)))));
    assert_eq!(["account", "mailbox", "outbox"].map(|table| count(&writer, table)), [0, 0, 0]);
    trouble.set(None);
    let answers = writer.run(&[&first, &second]);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(["account", "mailbox", "outbox"].map(|table| count(&writer, table)), [1, 1, 1]);
}

/// What a writer tells.
#[derive(Default)]
struct Told(Mutex<(u32, u32, Vec<bool>)>);

impl Events for Told {
    fn store_commit(&self, _took: Duration) {
        self.0.lock().unwrap().0 += 1;
    }

    fn store_commit_failed(&self) {
        self.0.lock().unwrap().1 += 1;
    }

    fn store_writes(&self, writes: bool) {
        self.0.lock().unwrap().2.push(writes);
    }
}

#[test]
fn a_disk_in_trouble_is_told_once_and_each_commit_that_fails_is_counted() {
    for ailment in [Ailment::Fails, Ailment::Full, Ailment::ReadOnly] {
        let (trouble, told) = (Trouble::default(), Arc::new(Told::default()));
        let mut writer = writer_telling(&trouble, told.clone());
        assert!(writer.run(&[&[Change::AddAccount(account(ADA))]])[0].is_ok());
        trouble.set(Some(ailment));
        let big = [deliver(mail(ADA, "big", 100_000))];
        for _ in 0..3 {
            assert!(matches!(writer.run(&[&big])[0], Err(StoreError::Failed(_))), "{ailment:?}");
            writer.probe();
        }
        assert_eq!(*told.0.lock().unwrap(), (1, 3, vec![false]), "{ailment:?}");
        // Nobody has to send for it to be found that the disk is well
        trouble.set(None);
        writer.probe();
        writer.probe();
        assert_eq!(told.0.lock().unwrap().2, [false, true], "{ailment:?}");
        assert!(writer.run(&[&big])[0].is_ok(), "{ailment:?}");
        assert_eq!(*told.0.lock().unwrap(), (2, 3, vec![false, true]), "{ailment:?}");
        assert_eq!(["mailbox", "seen"].map(|table| count(&writer, table)), [1, 1], "no probe is left");
    }
}

#[test]
fn an_operation_that_fails_among_others_is_no_trouble_of_the_disk() {
    let told = Arc::new(Told::default());
    let mut writer = writer_telling(&Trouble::default(), told.clone());
    let sql = "CREATE TRIGGER bad BEFORE INSERT ON outbox BEGIN SELECT raise(ABORT, 'no'); END";
    writer.connection().execute_batch(sql).unwrap();
    let answers = writer
        .run(&[&[Change::AddAccount(account(ADA))], &[Change::Send(outgoing("south.example", "Bad", 1))]]);
    assert!(answers[0].is_ok() && answers[1].is_err());
    assert_eq!(*told.0.lock().unwrap(), (1, 0, vec![]));
}

#[test]
fn what_nobody_waits_for_is_tried_again_until_it_is_stored() {
    let trouble = Trouble::default();
    trouble.set(Some(Ailment::Fails));
    let mut writer = writer_in(&trouble);
    let waiting = Waiting::default();
    let operation = |changes: Vec<Change>| {
        let (reply, answer) = tokio::sync::oneshot::channel();
        (writer::Operation { octets: writer::octets(&changes), changes, reply }, answer)
    };
    let (forgotten, _) = operation(vec![Change::AddAccount(account(ADA))]);
    let (awaited, mut answer) = operation(vec![Change::AddAccount(account("wv:cy@north.example"))]);
    waiting.operations.store(2, Ordering::Relaxed);
    writer.serve_batch(vec![forgotten, awaited], 0, &waiting);
    assert!(answer.try_recv().unwrap().is_err(), "whoever waits hears that it failed");
    assert_eq!((waiting.operations.load(Ordering::Relaxed), count(&writer, "account")), (0, 0));
    trouble.set(None);
    writer.serve_batch(Vec::new(), 0, &waiting);
    assert_eq!(count(&writer, "account"), 1);
}

#[test]
fn a_full_disk_is_an_error_until_there_is_room() {
    let mut writer = writer();
    writer.run(&[&[Change::AddAccount(account(ADA))]]);
    let pages = |writer: &Writer, pages: i64| {
        writer.connection().pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    };
    pages(&writer, 50);
    let (big, small) = ([deliver(mail(ADA, "big", 1_000_000))], [deliver(mail(ADA, "small", 3))]);
    let answers = writer.run(&[&small, &big]);
    assert!(matches!(answers[1], Err(StoreError::Failed(_))));
    let kept = i64::from(answers[0].is_ok());
    assert_eq!(count(&writer, "mailbox"), kept, "what was said is what is so");
    pages(&writer, 10_000);
    let answers = writer.run(&[&[deliver(mail(ADA, "next", 3))], &big]);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(count(&writer, "mailbox"), kept + 2);
}

#[test]
fn much_is_forgotten_page_by_page() {
    let mut writer = writer();
    let mut changes = vec![Change::AddAccount(account(ADA))];
    changes.extend((0..1200).map(|id| deliver(mail(ADA, &format!("m-{id}"), 1))));
    writer.run(&[&changes])[0].as_ref().unwrap();
    assert_eq!(count(&writer, "seen"), 1200);
    writer.run(&[&[Change::Forget { before: at(6000) }]]);
    let mut left = vec![];
    while writer.has_chores() {
        writer.run(&[]);
        left.push(count(&writer, "seen"));
    }
    assert_eq!(left, [700, 200, 0]);
}

#[test]
fn a_removed_account_is_forgotten_with_its_last_message() {
    let mut writer = writer();
    let made = writer.run(&[&[Change::AddAccount(account(ADA)), deliver(mail(ADA, "m-1", 3))]]);
    let Ok([_, Outcome::Row(row)]) = made[0].as_deref() else { panic!("{made:?}") };
    let (drop, forget) = (Change::DropMail { owner: user(ADA), row: *row }, Change::Forget { before: at(0) });
    writer.run(&[&[Change::RemoveAccount(user(ADA)), forget.clone()]]);
    writer.run(&[]);
    assert_eq!(count(&writer, "account"), 1, "its message is not given back yet");
    assert_eq!(writer.run(&[&[drop, forget]]), [Ok(vec![Outcome::Done, Outcome::Done])]);
    writer.run(&[]);
    assert_eq!(count(&writer, "account"), 0);
    assert!(!writer.has_chores());
}

#[test]
fn the_hot_questions_touch_no_body_on_their_way() {
    let writer = writer();
    let plan = |sql: &str| -> String {
        let mut statement = writer.connection().prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(
        plan("SELECT count(*), sum(octets) FROM mailbox WHERE owner = 1"),
        "SEARCH mailbox USING COVERING INDEX mailbox_owner (owner=?)"
    );
    assert_eq!(
        plan("SELECT body FROM mailbox WHERE owner = 1 AND row > 5 ORDER BY row LIMIT 10"),
        "SEARCH mailbox USING INDEX mailbox_owner (owner=? AND row>?)"
    );
    assert_eq!(
        plan("SELECT sum(octets) FROM outbox WHERE peer = 'x'"),
        "SEARCH outbox USING COVERING INDEX outbox_link (peer=?)"
    );
    assert_eq!(
        plan(
            "SELECT sum(octets) FROM outbox WHERE author IS NOT NULL AND lower(author) = 'x' AND peer = 'y'"
        ),
        "SEARCH outbox USING INDEX outbox_author (<expr>=? AND peer=?)"
    );
    assert_eq!(
        plan("SELECT body FROM outbox WHERE peer = 'x' AND own = 'y' AND row > 5 ORDER BY row LIMIT 10"),
        "SEARCH outbox USING INDEX outbox_link (peer=? AND own=? AND row>?)"
    );
    assert_eq!(
        plan("SELECT body FROM outbox WHERE expires <= 5 ORDER BY expires, row LIMIT 10"),
        "SEARCH outbox USING INDEX outbox_expires (expires<?)"
    );
}
