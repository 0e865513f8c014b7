//! Recorded traffic of a scripted peer, said again to a node over real sockets. What the link itself
//! makes of the recordings is tested where the link is; here it is what HTTP, TLS and the store add.

use std::path::Path;

use causeway::imps::Primitive;
use causeway::wire::{Carried, Limits, Mode, ssp};

use crate::peer::{Heard, ScriptedPeer};
use crate::world::{World, modern, receive, text};

/// A POST of the recorded peer: its head and body, and the answers that it brought.
struct Line {
    media_type: String,
    body: String,
    /// Status line of the HTTP answer; empty if the connection was closed.
    http: String,
    answers: Vec<Answer>,
}

/// A protocol answer: its transaction, primitive and codes.
type Answer = (String, &'static str, Vec<u16>);

fn codes(primitive: &Primitive) -> Vec<u16> {
    let status = match primitive {
        Primitive::Status(status) => status,
        Primitive::SendMessageResponse(response) => &response.result,
        other => panic!("{}", other.name()),
    };
    let mut codes = vec![status.code.get()];
    codes.extend(status.details.iter().map(|detail| detail.code.get()));
    // That all recipients failed alike may be said by that code alone, or by 900 and a detail
    codes.retain(|code| *code != 900);
    codes.dedup();
    codes
}

fn answers(message: &ssp::Message) -> Vec<Answer> {
    let ssp::Body::Session(session) = &message.body else { return Vec::new() };
    let answers = session.transactions.iter().filter(|transaction| transaction.mode == Mode::Response);
    answers
        .map(|transaction| match &transaction.content {
            Carried::Primitive(primitive) => (transaction.id.to_string(), primitive.name(), codes(primitive)),
            other => panic!("{}", other.name()),
        })
        .collect()
}

/// The POSTs of c.test in a recording.
fn lines(number: u32) -> Vec<Line> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/transcripts");
    let mut files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let file = files
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with(&number.to_string()))
        .unwrap();
    let recorded = std::fs::read_to_string(file).unwrap();
    let blocks: Vec<_> = recorded
        .split("\n##### ")
        .skip(1)
        .map(|block| {
            let (title, rest) = block.split_once('\n').unwrap();
            let (head, body) = rest.split_once("\n\n").unwrap_or((rest, ""));
            (title.contains("server c.test ->"), title.rsplit_once(' ').unwrap().1, head, body.trim_end())
        })
        .collect();
    let mut lines: Vec<Line> = Vec::new();
    let mut connection = "";
    for (ours, its_connection, head, body) in blocks {
        if ours && head.starts_with("POST ") {
            let media_type = head.lines().find_map(|line| line.strip_prefix("Content-Type: ")).unwrap();
            let (media_type, body) = (media_type.to_owned(), body.to_owned());
            lines.push(Line { media_type, body, http: String::new(), answers: Vec::new() });
            connection = its_connection;
        } else if let Some(line) = lines.last_mut().filter(|_| !ours) {
            if head.starts_with("HTTP/") && its_connection == connection {
                head.lines().next().unwrap().clone_into(&mut line.http);
            } else if head.starts_with("POST ") {
                let message = ssp::read(body.as_bytes(), None, &Limits::for_document(1 << 20)).unwrap();
                line.answers.extend(answers(&message));
            }
        }
    }
    assert!(!lines.is_empty());
    lines
}

async fn heard(peer: &ScriptedPeer, count: usize) -> Vec<Answer> {
    let mut found = Vec::new();
    while found.len() < count {
        let next: Heard = peer.next().await;
        found.extend(answers(&next.message));
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_recorded_peer_says_is_answered_as_recorded() {
    let world = World::new().await;
    let a = world.place("a.test", &["c.test"]);
    let c = ScriptedPeer::start(&world, &a, "c.test").await;
    let node = world.start(&a).await;
    let mut alice = a.phone("alice", modern()).await;
    let mut dave = a.phone("dave", modern()).await;
    let session = c.log_in(1).await;
    assert_eq!(session.ours, "Sc1@c.test");
    for recording in 21..=29 {
        for (number, line) in lines(recording).into_iter().enumerate() {
            let place = format!("recording {recording}, POST {number} of the peer");
            // The recorded peer had opened a second session by then; ours has one
            let body = line.body.replace("Sd1@c.test", &session.ours);
            let answer = c.post_as(&line.media_type, body.as_bytes()).await;
            // Where that server closed the connection we say why
            let expected = match line.http.as_str() {
                "" if line.media_type == "text/xml" => 415,
                "" => 403,
                http => http.split(' ').nth(1).unwrap().parse().unwrap(),
            };
            assert_eq!(answer.status, expected, "{place}");
            let mut expected = line.answers;
            expected.sort();
            let mut answered = heard(&c, expected.len()).await;
            for (_, _, codes) in &mut answered {
                codes.dedup();
            }
            assert_eq!(answered, expected, "{place}");
        }
        // Nothing but the recorded answers
        assert!(!c.has_more().await, "recording {recording}");
    }
    // And what was accepted lies with its readers, in order and once
    for words in ["hi from c", "one", "two", "after bad", "dup", "fan"] {
        assert_eq!(text(&receive(&mut alice).await), words);
    }
    // Recording 29 holds the same words three times, in three forms of the document
    for _ in 0..3 {
        assert_eq!(text(&receive(&mut alice).await), "hi from c");
    }
    assert_eq!(alice.take().await.unwrap(), None);
    // The recorded server lost the second recipient of one message id; we do not
    assert_eq!(text(&receive(&mut dave).await), "fan");
    assert_eq!(dave.take().await.unwrap(), None);
    node.drain().await;
}
