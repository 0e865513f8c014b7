//! Every kind of tampering is found, and what crashes leave is not taken for it.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::imps::Moment;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("causeway-audit-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        Self(folder)
    }

    /// With records 1 to 5 of users of these numbers.
    fn with_five(name: &str) -> Self {
        let folder = Self::new(name);
        (1..=5).for_each(|number| drop(folder.add(number)));
        folder
    }

    fn audit(&self) -> Audit {
        Audit::at(&self.0)
    }

    fn add(&self, number: u32) -> Record {
        record(&self.audit(), number)
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(self.0.join(FILE)).unwrap().lines().map(str::to_owned).collect()
    }

    fn write(&self, lines: &[String]) {
        fs::write(self.0.join(FILE), lines.join("\n") + "\n").unwrap();
    }

    fn append(&self, octets: &[u8]) {
        let mut all = fs::read(self.0.join(FILE)).unwrap_or_default();
        all.extend_from_slice(octets);
        fs::create_dir_all(&self.0).unwrap();
        fs::write(self.0.join(FILE), all).unwrap();
    }

    fn verify(&self) -> Result<Verified, VerifyError> {
        verify(&self.0, &Expected::default())
    }

    /// The line and the fault.
    fn broken(&self) -> (u64, Fault) {
        match self.verify() {
            Err(VerifyError::Broken(broken)) => (broken.line, broken.fault),
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn record(audit: &Audit, number: u32) -> Record {
    let act = Act::new("user add", format!("wv:u{number}@north.example"));
    audit.record(Moment::from_millis(1_790_000_000_000), &Who::node(), &act, Outcome::Done).unwrap()
}

#[test]
fn a_log_that_nobody_touched_is_whole_and_says_its_head() {
    let folder = Folder::with_five("whole");
    let last = folder.add(6);
    let found = folder.verify().unwrap();
    assert_eq!((found.records, found.last, found.head), (6, 6, Some(last.hash)));
    assert_eq!(
        Folder::new("nothing").verify().map_err(|error| error.to_string().contains("nothing")),
        Err(true)
    );
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(fs::metadata(folder.0.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_record_that_was_changed_is_found() {
    let folder = Folder::with_five("changed");
    let lines = folder.lines();
    for number in 0..5 {
        let mut changed = lines.clone();
        changed[number] = changed[number].replace("wv:u", "wv:x");
        folder.write(&changed);
        assert_eq!(folder.broken(), (number as u64 + 1, Fault::Changed(number as u64 + 1)));
    }
    let mut changed = lines.clone();
    changed[2].insert_str(5, "no json");
    folder.write(&changed);
    assert_eq!(folder.broken(), (3, Fault::NoRecord));
    // Changed with a hash of its own that fits.
    let mut forged = Record::read(lines[2].as_bytes()).unwrap();
    forged.act = "user remove".to_owned();
    let mut changed = lines;
    changed[2] = forged.line().unwrap();
    folder.write(&changed);
    assert_eq!(folder.broken(), (4, Fault::Order(4)));
}

#[test]
fn records_that_were_removed_moved_or_inserted_are_found() {
    let folder = Folder::with_five("removed");
    let lines = folder.lines();
    let mut removed = lines.clone();
    removed.remove(2);
    folder.write(&removed);
    assert_eq!(folder.broken(), (3, Fault::Number { expected: 3, found: 4 }));
    folder.write(&lines[1..]);
    assert_eq!(folder.broken(), (1, Fault::Begins(2)));
    let mut moved = lines.clone();
    moved.swap(1, 3);
    folder.write(&moved);
    assert_eq!(folder.broken(), (2, Fault::Number { expected: 2, found: 4 }));
    let mut inserted = lines.clone();
    inserted.insert(3, lines[2].clone());
    folder.write(&inserted);
    assert_eq!(folder.broken(), (4, Fault::Number { expected: 4, found: 3 }));
    // Inserted with numbers and a hash that fit, up to the next that is real.
    let mut forged = Record::read(lines[2].as_bytes()).unwrap();
    (forged.seq, forged.prev) = (4, forged.hash.clone());
    let mut inserted = lines.clone();
    inserted[3] = forged.line().unwrap();
    folder.write(&inserted);
    assert_eq!(folder.broken(), (5, Fault::Order(5)));
}

#[test]
fn an_end_that_was_cut_off_and_a_log_that_was_written_anew_are_found_with_a_head_that_was_kept() {
    let folder = Folder::with_five("cut");
    let lines = folder.lines();
    let kept = Expected { head: folder.verify().unwrap().head, ..Expected::default() };
    folder.add(6);
    assert_eq!(verify(&folder.0, &kept).unwrap().expected, Some(5));
    folder.write(&lines[..3]);
    assert_eq!(folder.verify().unwrap().last, 3, "it cannot be seen without");
    assert!(verify(&folder.0, &kept).unwrap_err().to_string().contains("cut off"));
    fs::remove_file(folder.0.join(FILE)).unwrap();
    (11..=16).for_each(|number| drop(folder.add(number)));
    assert_eq!(folder.verify().unwrap().last, 6);
    assert!(verify(&folder.0, &kept).is_err());
}

#[test]
fn a_line_that_a_crash_tore_is_told_and_the_chain_goes_on_behind_it() {
    let folder = Folder::with_five("torn");
    let whole = folder.lines();
    for cut in [1, 40, whole[4].len() - 1] {
        folder.write(&whole);
        folder.append(&whole[4].as_bytes()[..cut]);
        let found = folder.verify().unwrap();
        assert_eq!((found.last, found.torn_at_end), (5, cut as u64));
        let next = folder.add(6);
        assert_eq!((next.seq, next.torn.as_ref().map(|torn| torn.octets)), (6, Some(cut as u64 + 1)));
        folder.add(7);
        let found = folder.verify().unwrap();
        assert_eq!((found.last, found.torn, found.torn_at_end), (7, vec![6], 0));
        // What was torn is part of the chain from then on.
        let mut lines = folder.lines();
        lines[5].push('x');
        folder.write(&lines);
        assert_eq!(folder.broken(), (7, Fault::Torn(6)));
        lines.remove(5);
        folder.write(&lines);
        assert_eq!(folder.broken(), (6, Fault::Torn(6)));
    }
    // Only the end of the line is missing.
    folder.write(&whole[..4]);
    folder.append(whole[4].as_bytes());
    assert_eq!(folder.verify().unwrap().last, 5);
    assert_eq!(folder.add(6).torn, None);
    assert_eq!(folder.verify().unwrap().last, 6);
    // The very first was torn.
    let folder = Folder::new("first");
    folder.append(b"{\"seq\":1,");
    assert_eq!(folder.add(1).seq, 1);
    assert_eq!(folder.verify().unwrap().torn, vec![1]);
}

#[test]
fn writers_side_by_side_keep_the_chain() {
    let folder = Folder::new("together");
    let (writers, each) = (8, 20);
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let audit = folder.audit();
            scope.spawn(move || (0..each).for_each(|number| drop(record(&audit, writer * 100 + number))));
        }
    });
    assert_eq!(folder.verify().unwrap().last, u64::from(writers * each));
}

#[test]
fn a_full_file_is_followed_by_the_next_and_old_ones_can_be_taken_away_on_purpose() {
    let folder = Folder::new("files");
    let audit = folder.audit().with_segments_of(1000);
    let heads: Vec<_> = (1..=12).map(|number| record(&audit, number).hash).collect();
    assert_eq!(folder.verify().unwrap().last, 12);
    let full: Vec<_> = fs::read_dir(&folder.0)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name.starts_with("audit-"))
        .collect();
    assert!(full.len() >= 2, "{full:?}");
    let first = full.iter().min().unwrap();
    let last: usize = first["audit-".len()..].trim_end_matches(".jsonl").parse().unwrap();
    // A crash between two files.
    fs::rename(folder.0.join(FILE), folder.0.join("audit-000000000012.jsonl")).unwrap();
    assert_eq!(record(&audit, 13).seq, 13);
    assert_eq!(folder.verify().unwrap().last, 13);
    fs::remove_file(folder.0.join(first)).unwrap();
    assert_eq!(folder.broken(), (1, Fault::Begins(last as u64 + 1)));
    let taken = Expected { begins_after: Some(heads[last - 1].clone()), ..Expected::default() };
    assert_eq!(verify(&folder.0, &taken).unwrap().last, 13);
    let other = Expected { begins_after: Some(heads[last].clone()), ..Expected::default() };
    assert!(verify(&folder.0, &other).is_err());
}

#[test]
fn texts_of_any_length_and_letters_make_lines_that_can_be_read() {
    let folder = Folder::new("texts");
    let text = "\u{1}\n\"ü".repeat(5000);
    let act = Act::new("import", &text).with(text.clone());
    let who = Who { sudo: Some(text), ..Who::command_line() };
    let written = folder.audit().record(Moment::from_millis(0), &who, &act, Outcome::Refused).unwrap();
    assert!(written.on.len() <= TEXT_OCTETS_MAX && written.on.len() > TEXT_OCTETS_MAX - 4);
    folder.add(2);
    assert_eq!(folder.verify().unwrap().last, 2);
    let mut shown = Vec::new();
    each(&folder.0, |record, _| {
        shown.push(record);
        Ok(())
    })
    .unwrap();
    assert_eq!((shown[0].clone(), shown.len()), (written, 2));
}
