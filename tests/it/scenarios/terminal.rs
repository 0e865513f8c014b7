//! `causeway client`: people at terminals, or scripts, each the program in a process of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use causeway::cli::laboratory::Writing;
use causeway::element::common::system::Announcement;
use causeway::imps::primitive::{AnswerOption, SystemMessage};
use causeway::net::pki;

use crate::process::{Process, program};
use crate::world::{Folder, PASSWORD, PATIENCE, Place, World, free_port};

const SERVICES: &str = "services = [\"presence\", \"im\", \"group\", \"content\", \"search\"]\n";

/// A running client. It is killed when it goes out of scope.
struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
}

impl Client {
    /// Starts one and gives it its password, nothing more.
    fn start(place: &Place, user: &str, words: &[&str], password: &str) -> Self {
        Self::start_at(&format!("http://{}/", place.csp), place, user, words, password)
    }

    /// The same at another URL.
    fn start_at(url: &str, place: &Place, user: &str, words: &[&str], password: &str) -> Self {
        let address = format!("{user}@{}", place.provider.domain);
        let poll: &[&str] = if words.contains(&"--poll") { &[] } else { &["--poll", "0.02"] };
        let mut child = program()
            .args(["client", "--url", url, "--user", &address])
            .args(poll)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, output) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut client = Self { input: child.stdin.take(), child, output };
        client.types(password);
        client
    }

    /// Starts one whose user gets an account by it, and waits until it is logged in.
    fn online(place: &Place, user: &str, words: &[&str]) -> Self {
        let words: Vec<&str> = words.iter().copied().chain(["--plain"]).collect();
        let mut client = Self::start(place, user, &words, PASSWORD);
        client.sees(&["is logged in"]);
        client
    }

    fn types(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for a line with all these words in it.
    fn sees(&mut self, words: &[&str]) -> String {
        let end = Instant::now() + PATIENCE;
        let mut others = Vec::new();
        loop {
            match self.output.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) if words.iter().all(|words| line.contains(words)) => return line,
                Ok(line) => others.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("{words:?} is not seen, but {others:#?}")
                }
            }
        }
    }

    /// Waits for its end: exit status and standard error.
    fn ends(mut self) -> (ExitStatus, String) {
        drop(self.input.take());
        let mut errors = String::new();
        std::io::Read::read_to_string(self.child.stderr.as_mut().unwrap(), &mut errors).unwrap();
        (self.child.wait().unwrap(), errors)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn places(world: &World) -> (Place, Place) {
    let place = |domain, peer| {
        // Links to content cross between providers behind https only.
        let sections = "[content]\nurl = \"https://imps.example/\"\n";
        let writing = Writing { peers: &[peer], agreement: SERVICES, sections, ..Writing::default() };
        world.place_with(domain, &writing)
    };
    (place("north.example", "south.example"), place("south.example", "north.example"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_at_terminals_of_two_providers_talk() {
    let world = World::new().await;
    let (north, south) = places(&world);
    let _nodes = (world.start(&north).await, world.start(&south).await);
    tokio::task::spawn_blocking(move || {
        // Given ada with CSP 1.3 in XML, and bo, abroad, with CSP 1.1 in WBXML
        let mut ada = Client::online(&north, "ada", &["--version", "1.3"]);
        let mut bo = Client::online(&south, "bo", &["--version", "1.1", "--encoding", "wbxml"]);
        // They talk
        ada.types("/reports on");
        ada.types("/to bo@south.example");
        ada.types("grüße & 🙂");
        bo.sees(&["ada@north.example: grüße & 🙂"]);
        ada.sees(&["bo@south.example has your message"]);
        bo.types("/tell ada@north.example see you at six");
        ada.sees(&["bo@south.example: see you at six"]);
        // Each becomes a contact of the other, under a name
        bo.types("/add ada@north.example Ada");
        ada.types("/add bo@south.example Bo");
        ada.types("/status busy in a meeting");
        bo.sees(&["-- Ada is", "busy", "\"in a meeting\""]);
        bo.types("/who");
        bo.sees(&["Ada", "ada@north.example", "online, busy"]);
        // A group of ada's provider, into which bo is invited
        ada.types("/create sailing the tides");
        ada.sees(&["-- you are in sailing"]);
        ada.types("/invite Bo");
        bo.sees(&["-- Ada invites you into the group sailing@north.example", "/accept"]);
        bo.types("/accept");
        bo.sees(&["-- you are in"]);
        ada.sees(&["-- Bo accepts your invitation"]);
        ada.sees(&["[sailing] bo", "came"]);
        bo.types("ahoy");
        ada.sees(&["[sailing] bo: ahoy"]);
        ada.types("/whisper bo not so loud");
        bo.sees(&["ada (to you alone): not so loud"]);
        bo.types("/leave");
        ada.sees(&["[sailing] bo left"]);
        // A picture
        let folder = Folder::new();
        let picture = folder.path().join("map.png");
        let octets: Vec<u8> = (0..=255).cycle().take(20_000).collect();
        std::fs::write(&picture, &octets).unwrap();
        ada.types(&format!("/send {} Bo", picture.display()));
        bo.sees(&["Ada sends a file", "image/png, 20000 octets"]);
        let kept = folder.path().join("kept.png");
        bo.types(&format!("/save {}", kept.display()));
        bo.sees(&["kept.png: 20000 octets"]);
        assert_eq!(std::fs::read(&kept).unwrap(), octets);
        // What does not work is told, and nothing already there is overwritten
        bo.types(&format!("/save {}", kept.display()));
        bo.sees(&["! ", "kept.png"]);
        // The same as a link, which leads to ada's provider
        ada.types(&format!("/share {} Bo", picture.display()));
        bo.sees(&["Ada shares https://imps.example/content/ada/", "image/png, 20000 octets"]);
        ada.types("/tell nobody@south.example hello?");
        ada.sees(&["! nobody@south.example: Unknown user (531)"]);
        ada.types("/fly");
        ada.sees(&["! there is no /fly"]);
        // Both go
        ada.types("/quit");
        let (status, errors) = ada.ends();
        assert_eq!(
            (status.code(), errors.as_str()),
            (Some(1), "causeway: 2 lines were not carried out; the lines that begin with ! say why\n")
        );
        bo.sees(&["-- Ada is offline"]);
        assert_eq!(bo.ends().0.code(), Some(1));
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_other_command_does_what_the_help_says() {
    let world = World::new().await;
    let (north, south) = places(&world);
    let (node, _south) = (world.start(&north).await, world.start(&south).await);
    let sap = std::sync::Arc::clone(node.sap());
    tokio::task::spawn_blocking(move || {
        let mut ada = Client::online(&north, "ada", &["--version", "1.3"]);
        let mut bo = Client::online(&south, "bo", &["--version", "1.2", "--encoding", "wbxml"]);
        ada.types("/help");
        ada.sees(&["/quit", "log out and end"]);
        // With whom one talks
        ada.types("hello?");
        ada.sees(&["! with whom? /to WHO first"]);
        ada.types("/to");
        ada.sees(&["you talk with nobody"]);
        ada.types("/to bo@south.example");
        ada.types("/to");
        ada.sees(&["you talk with bo@south.example"]);
        // Who may see whom: bo is asked, and changes his mind
        ada.types("/add bo@south.example Bo");
        bo.sees(&["ada@north.example", "/allow ada@north.example"]);
        bo.types("/allow ada@north.example");
        bo.sees(&["-- ada@north.example may see you"]);
        ada.sees(&["-- Bo is online"]);
        bo.types("/status away at the sea");
        bo.sees(&["-- whoever may see you sees you away, \"at the sea\""]);
        ada.sees(&["-- Bo is online, away, \"at the sea\""]);
        ada.types("/look Bo");
        ada.sees(&["-- Bo is", "at the sea"]);
        bo.types("/deny ada@north.example");
        ada.sees(&["-- Bo shows you nothing any more"]);
        ada.types("/look Bo");
        ada.sees(&["-- Bo is showing nothing to you"]);
        ada.types("/remove Bo");
        ada.types("/remove Bo");
        ada.sees(&["! ", "Bo@north.example is not among your contacts"]);
        // Who may write to whom
        bo.types("/block ada@north.example");
        bo.sees(&["-- ada@north.example may not write to you"]);
        bo.types("/block");
        bo.sees(&["blocked: ada@north.example"]);
        ada.types("are you there?");
        ada.sees(&["! ", "bo@south.example"]);
        bo.types("/unblock ada@north.example");
        bo.types("/block");
        bo.sees(&["blocked: nobody"]);
        ada.types("and now?");
        bo.sees(&["ada@north.example: and now?"]);
        // A group that bo finds where he looks, and enters by himself
        ada.types("/create sailing The tides");
        ada.sees(&["-- you are in sailing"]);
        ada.types("/find group sail");
        ada.sees(&["   /sailing@north.example"]);
        ada.types("/find user b");
        ada.sees(&["-- nothing found"]);
        ada.types("/find user ad");
        ada.sees(&["   ada@north.example"]);
        bo.types("/join sailing@north.example Captain");
        bo.sees(&["-- you are in sailing@north.example"]);
        bo.sees(&["in it: ada"]);
        ada.sees(&["[sailing] Captain", "came"]);
        ada.types("/in");
        ada.sees(&["Captain"]);
        ada.types("/invite bo@south.example");
        bo.sees(&["ada@north.example invites you into the group sailing@north.example"]);
        bo.types("/decline");
        ada.sees(&["-- bo@south.example declines your invitation"]);
        ada.types("/delete sailing");
        bo.sees(&["-- you are out of sailing@north.example"]);
        bo.types("/leave");
        bo.sees(&["! which group?"]);
        // What is known of people
        ada.types("/profile ada");
        ada.sees(&["   ada@north.example"]);
        bo.types("/profile ada@north.example");
        bo.sees(&["! profiles are a thing of CSP 1.3"]);
        // What the provider asks
        ada.types("/answer 1");
        ada.sees(&["! your provider asks nothing"]);
        let question = SystemMessage {
            id: "tides-1".into(),
            requires_response: true,
            text: Some("Do you mind the tide?".into()),
            options: vec![
                AnswerOption { id: 1, text: "Yes".into() },
                AnswerOption { id: 2, text: "No".into() },
            ],
            verification: None,
        };
        let told = Announcement { message: question, key: None, seconds: 60 };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(sap.announce(None, &told)).unwrap();
        ada.sees(&["your provider says: Do you mind the tide?"]);
        ada.sees(&["/answer 2: No"]);
        ada.types("/answer maybe");
        ada.sees(&["! \"maybe\" is no choice"]);
        ada.types("/answer 2");
        let answered = || runtime.block_on(sap.announced_to("tides-1", None, 10)).unwrap()[0].chosen;
        let end = Instant::now() + PATIENCE;
        while answered() != Some(2) {
            assert!(Instant::now() < end, "the answer does not arrive");
            std::thread::yield_now();
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_called_need_not_poll() {
    let world = World::new().await;
    let (north, _) = places(&world);
    let _node = world.start(&north).await;
    tokio::task::spawn_blocking(move || {
        for version in ["1.1", "1.2", "1.3"] {
            // Given clients that would look for news in an hour
            let words = ["--poll", "3600", "--version", version];
            let (mut ada, mut bo) =
                (Client::online(&north, "ada", &words), Client::online(&north, "bo", &words));
            for text in ["one", "two", "three"] {
                ada.types(&format!("/tell bo {text}"));
                bo.sees(&[&format!("ada@north.example: {text}")]);
                bo.types(&format!("/tell ada {text}"));
                ada.sees(&[&format!("bo@north.example: {text}")]);
            }
            for client in [ada, bo] {
                assert_eq!(client.ends().0.code(), Some(0));
            }
        }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_talks_and_its_exit_code_says_how_it_went() {
    let world = World::new().await;
    let (north, _) = places(&world);
    let _node = world.start(&north).await;
    tokio::task::spawn_blocking(move || {
        for (version, encoding) in [("1.1", "xml"), ("1.2", "wbxml"), ("1.3", "wbxml")] {
            let words = ["--version", version, "--encoding", encoding];
            // Registration is open for those who send their password
            let cy = Client::online(&north, "cy", &words);
            assert_eq!(cy.ends().0.code(), Some(0), "the end of the input logs out");
            // With a digest from then on
            let mut cy = Client::start(&north, "cy", &words, PASSWORD);
            cy.types("/wait 30");
            cy.types("/quit");
            let mut di = Client::online(&north, "di", &words);
            cy.sees(&["cy@north.example is logged in, CSP"]);
            di.types("/tell cy done");
            cy.sees(&["di@north.example: done"]);
            let (status, errors) = cy.ends();
            assert_eq!((status.code(), errors.as_str()), (Some(0), ""));
            assert_eq!(di.ends().0.code(), Some(0));
        }
        // A wrong password, a provider that is not there, wrong usage
        let (status, errors) = Client::start(&north, "cy", &[], "wrong").ends();
        assert_eq!(status.code(), Some(1));
        assert!(errors.starts_with("causeway: cy@north.example cannot log in"), "{errors}");
        assert!(errors.contains("409"), "{errors}");
        let run = crate::process::run;
        let away = run(&["client", "--url", "http://127.0.0.1:9/", "--user", "a@north.example"], "x\n");
        assert_eq!(away.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&away.stderr).contains("does not answer"), "{away:?}");
        let wrong = run(&["client", "--url", "north.example", "--user", "a@north.example"], "x\n");
        assert_eq!(wrong.status.code(), Some(1));
        let wrong = run(&["client", "--url", "http://x/", "--user", "a", "--version", "2"], "x\n");
        assert_eq!(wrong.status.code(), Some(2));
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_outlives_its_provider() {
    let world = World::new().await;
    let (north, _) = places(&world);
    let mut node = Process::start(&north).await;
    let (mut ada, mut bo) = (Client::online(&north, "ada", &[]), Client::online(&north, "bo", &[]));
    node.kill();
    ada.sees(&["! ", "does not answer", "tried again"]);
    ada.types("/tell bo are you there?");
    ada.sees(&["! ", "does not answer"]);
    let _node = Process::start(&north).await;
    ada.sees(&["-- connected again"]);
    bo.sees(&["-- connected again"]);
    ada.types("/tell bo there you are");
    bo.sees(&["ada@north.example: there you are"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_speaks_https_to_whom_its_ca_vouches_for() {
    let world = World::new().await;
    let folder = world.laboratory.folder().to_owned();
    pki::issue(&folder, &["localhost".parse().unwrap()], false).unwrap();
    let listen = free_port();
    let csp_lines = format!(
        "tls-listen = [\"{listen}\"]\ncertificate = \"../localhost.pem\"\nkey = \"../localhost.key\"\n"
    );
    let north = world.place_with("north.example", &Writing { csp_lines: &csp_lines, ..Writing::default() });
    let _node = world.start(&north).await;
    tokio::task::spawn_blocking(move || {
        let ca = folder.join("ca.pem");
        let url = format!("https://localhost:{}/", listen.port());
        let words = ["--plain", "--ca", ca.to_str().unwrap()];
        let mut ada = Client::start_at(&url, &north, "ada", &words, PASSWORD);
        ada.sees(&["ada@north.example is logged in"]);
        ada.types("/tell ada to myself");
        ada.sees(&["ada@north.example: to myself"]);
        assert_eq!(ada.ends().0.code(), Some(0));
        // Another name, or a CA that vouches for others only
        let elsewhere = format!("https://{listen}/");
        let other = Folder::new();
        pki::create_ca(other.path(), false).unwrap();
        let stranger = other.path().join("ca.pem");
        for (url, ca) in [(&elsewhere, &ca), (&url, &stranger)] {
            let words = ["--plain", "--ca", ca.to_str().unwrap()];
            let (status, errors) = Client::start_at(url, &north, "ada", &words, PASSWORD).ends();
            assert_eq!(status.code(), Some(1), "{url}");
            assert!(errors.contains("certificate"), "{url}: {errors}");
        }
        let none = ["--ca", "none.pem"];
        let (status, errors) = Client::start_at(&url, &north, "ada", &none, PASSWORD).ends();
        assert_eq!(status.code(), Some(1));
        assert!(errors.contains("https cannot be spoken: none.pem"), "{errors}");
    })
    .await
    .unwrap();
}
