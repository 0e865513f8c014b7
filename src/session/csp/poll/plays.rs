//! The queue of server requests as short plays between a mailbox and one client.

use super::super::testing::{Counting, at};
use super::*;
use crate::imps::Status;
use crate::imps::primitive::{DeliveryMethod, MessageDelivered};

const KEEP_ALIVE: Duration = Duration::from_secs(600);

/// A mailbox and one client's queue.
struct Play {
    poll: Poll,
    abilities: Abilities,
    mailbox: Vec<Row>,
}

fn text(id: i64) -> Row {
    Row { id, kind: RowKind::Message { octets: 10, content_type: None, group: None } }
}

impl Play {
    fn with(rows: impl IntoIterator<Item = i64>) -> Self {
        let mailbox = rows.into_iter().map(text).collect();
        Self { poll: Poll::new(&mut Counting::default()), abilities: Abilities::default(), mailbox }
    }

    fn load(&mut self) {
        while let Some(wants) = self.poll.wants_more() {
            let beyond: Vec<Row> = self.mailbox.iter().filter(|row| row.id > wants.after).cloned().collect();
            let complete = beyond.len() <= wants.count;
            self.poll.loaded(wants, beyond.into_iter().take(wants.count).collect(), complete);
        }
    }

    fn offer(&mut self, occasion: Occasion, seconds: u64) -> Option<Offer> {
        self.load();
        self.poll.next(occasion, &self.abilities, KEEP_ALIVE, at(seconds))
    }

    /// A poll, and which row it brings, with the `Poll` flag.
    fn polls(&mut self, seconds: u64) -> Option<(i64, bool)> {
        self.offer(Occasion::Poll, seconds).map(|offer| (row(&offer), offer.poll))
    }

    /// The client answers; the store lets go of the row.
    fn delivers(&mut self, offer: &Offer) {
        let answered = self.poll.answered(&offer.transaction, &delivered("m"));
        assert_eq!(answered, Answered::Delivered { row: row(offer) });
        self.lets_go(row(offer));
    }

    fn lets_go(&mut self, row: i64) {
        self.mailbox.retain(|waiting| waiting.id != row);
        self.poll.removed(row);
    }
}

fn row(offer: &Offer) -> i64 {
    match offer.what {
        Offered::Row { id, .. } => id,
        Offered::Disconnect(code) => panic!("disconnected with {code}"),
    }
}

fn form(offer: &Offer) -> Form {
    match offer.what {
        Offered::Row { form, .. } => form,
        Offered::Disconnect(code) => panic!("disconnected with {code}"),
    }
}

fn delivered(message: &str) -> Primitive {
    MessageDelivered { message_id: message.parse().unwrap() }.into()
}

fn status(code: u16) -> Primitive {
    Status::new(Code::new(code).unwrap()).into()
}

#[test]
fn an_empty_mailbox_gives_an_empty_body() {
    let mut play = Play::with([]);
    assert_eq!(play.polls(0), None);
    assert!(!play.poll.flag(KEEP_ALIVE, at(0)));
    assert_eq!(play.poll.wants_more(), None);
}

#[test]
fn the_oldest_goes_first_and_poll_says_whether_more_waits() {
    let mut play = Play::with([3, 7]);
    let first = play.offer(Occasion::Poll, 0).unwrap();
    assert_eq!((row(&first), first.poll), (3, true));
    play.delivers(&first);
    let second = play.offer(Occasion::Answer, 1).unwrap();
    assert_eq!((row(&second), second.poll), (7, false));
    play.delivers(&second);
    assert_eq!(play.offer(Occasion::Answer, 2), None);
}

#[test]
fn a_client_that_polls_before_it_answers_gets_an_empty_body_and_the_next_with_its_answer() {
    let mut play = Play::with([1, 2, 3]);
    let mut seen = Vec::new();
    let mut next = play.offer(Occasion::Poll, 0);
    while let Some(offer) = next {
        seen.push(row(&offer));
        if offer.poll {
            assert_eq!(play.polls(0), None, "the poll that came before the answer");
        }
        play.delivers(&offer);
        next = play.offer(Occasion::Answer, 0);
    }
    assert_eq!(seen, [1, 2, 3]);
}

#[test]
fn while_an_answer_is_awaited_no_response_sends_the_client_polling() {
    let mut play = Play::with([1, 2]);
    play.load();
    assert!(play.poll.flag(KEEP_ALIVE, at(0)));
    let offer = play.offer(Occasion::Poll, 0).unwrap();
    assert!(!play.poll.flag(KEEP_ALIVE, at(1)));
    play.delivers(&offer);
    assert!(play.poll.flag(KEEP_ALIVE, at(1)));
}

#[test]
fn a_client_that_never_answers_does_not_block_what_comes_behind() {
    let mut play = Play::with([1, 2, 3]);
    assert_eq!(play.polls(0), Some((1, true)));
    assert_eq!(play.polls(1), None);
    assert_eq!(play.polls(30), Some((2, true)));
    // Silence does the same as a second poll.
    assert_eq!(play.polls(91), Some((3, false)));
    assert_eq!(play.polls(200), None);
    assert!(!play.poll.flag(KEEP_ALIVE, at(200)), "nothing would come");
}

#[test]
fn an_unanswered_request_is_repeated_after_twice_the_keep_alive_time_under_its_id() {
    let mut play = Play::with([1]);
    let first = play.offer(Occasion::Poll, 0).unwrap();
    assert_eq!(play.poll.waits_at(KEEP_ALIVE), Some(at(1200)));
    assert_eq!(play.polls(1199), None);
    assert!(play.poll.flag(KEEP_ALIVE, at(1200)));
    let again = play.offer(Occasion::Poll, 1200).unwrap();
    assert_eq!((row(&again), &again.transaction), (1, &first.transaction));
    play.delivers(&first);
    assert_eq!(play.polls(9999), None);
}

#[test]
fn what_never_reached_the_client_goes_out_again_at_once() {
    let mut play = Play::with([1]);
    let first = play.offer(Occasion::Poll, 0).unwrap();
    play.poll.lost(&first.transaction);
    assert_eq!(play.offer(Occasion::Poll, 1), Some(first.clone()));
    play.poll.lost(&"foreign".parse().unwrap());
    play.delivers(&first);
}

#[test]
fn message_delivered_and_status_200_both_count_and_an_unknown_id_does_not() {
    let mut play = Play::with([1, 2]);
    let first = play.offer(Occasion::Poll, 0).unwrap();
    assert_eq!(play.poll.answered(&first.transaction, &status(200)), Answered::Delivered { row: 1 });
    let stranger: TransactionId = "9".parse().unwrap();
    assert_eq!(play.poll.answered(&stranger, &status(200)), Answered::Unknown { message: None });
    // After a restart the id is unknown, but the client says what it has.
    let message = Some("m@north.example".parse().unwrap());
    assert_eq!(play.poll.answered(&stranger, &delivered("m@north.example")), Answered::Unknown { message });
    // Answered, and not yet let go by the store: neither offered nor answered again.
    assert_eq!(play.poll.answered(&first.transaction, &status(200)), Answered::Unknown { message: None });
    assert_eq!(play.polls(5000), Some((2, false)));
}

#[test]
fn a_row_that_could_not_be_settled_is_unanswered_again() {
    let mut play = Play::with([1]);
    let first = play.offer(Occasion::Poll, 0).unwrap();
    play.poll.answered(&first.transaction, &status(200));
    play.poll.unsettled(1, at(10));
    assert_eq!(play.polls(1209), None);
    assert_eq!(play.offer(Occasion::Poll, 1210).map(|offer| offer.transaction), Some(first.transaction));
}

#[test]
fn a_refused_message_stays_in_the_mailbox_and_out_of_this_session() {
    let mut play = Play::with([1, 2]);
    let first = play.offer(Occasion::Poll, 0).unwrap();
    let code = Code::UNSUPPORTED_MEDIA_TYPE;
    assert_eq!(play.poll.answered(&first.transaction, &status(415)), Answered::Refused { row: 1, code });
    assert_eq!(play.offer(Occasion::Answer, 0).map(|offer| row(&offer)), Some(2));
    assert_eq!(play.polls(9999), Some((2, false)));
}

#[test]
fn method_n_notifies_and_the_row_waits_to_be_fetched() {
    let mut play = Play::with([1]);
    play.abilities.method = DeliveryMethod::Notify;
    let offer = play.offer(Occasion::Poll, 0).unwrap();
    assert_eq!(form(&offer), Form::MessageNotification);
    assert_eq!(play.poll.answered(&offer.transaction, &status(200)), Answered::Notified { row: 1 });
    assert_eq!(play.polls(9999), None);
    assert_eq!(play.mailbox.len(), 1);
}

#[test]
fn a_repeat_in_another_form_is_another_transaction() {
    let mut play = Play::with([1]);
    let pushed = play.offer(Occasion::Poll, 0).unwrap();
    play.abilities.method = DeliveryMethod::Notify;
    let notified = play.offer(Occasion::Poll, 5000).unwrap();
    assert_eq!((form(&pushed), form(&notified)), (Form::NewMessage, Form::MessageNotification));
    assert_ne!(pushed.transaction, notified.transaction);
}

#[test]
fn a_report_is_done_with_whatever_status() {
    let mut play = Play::with([]);
    play.mailbox = vec![Row { id: 4, kind: RowKind::Report }];
    let offer = play.offer(Occasion::Poll, 0).unwrap();
    assert_eq!(form(&offer), Form::DeliveryReport);
    assert_eq!(play.poll.answered(&offer.transaction, &status(501)), Answered::Acknowledged { row: 4 });
}

#[test]
fn what_another_session_took_is_not_offered_and_its_late_answer_is_unknown() {
    let mut play = Play::with([1, 2]);
    let first = play.offer(Occasion::Poll, 0).unwrap();
    play.lets_go(1);
    play.lets_go(2);
    assert_eq!(play.polls(0), None);
    assert_eq!(play.poll.answered(&first.transaction, &status(200)), Answered::Unknown { message: None });
}

#[test]
fn arrivals_join_the_queue_in_the_order_of_their_rows_whatever_overtakes_them() {
    let mut play = Play::with([]);
    play.load();
    for id in [5, 3, 4, 3] {
        play.poll.arrived(text(id));
    }
    play.mailbox = vec![text(3), text(4), text(5)];
    for expected in [3, 4, 5] {
        let offer = play.offer(Occasion::Poll, 0).unwrap();
        assert_eq!(row(&offer), expected);
        play.delivers(&offer);
    }
    assert_eq!(play.polls(0), None);
}

#[test]
fn what_arrives_during_a_look_at_the_store_is_not_overlooked() {
    let mut play = Play::with([1]);
    let wants = play.poll.wants_more().unwrap();
    play.poll.arrived(text(2));
    play.mailbox.push(text(2));
    play.poll.loaded(wants, vec![text(1)], true);
    for expected in [1, 2] {
        let offer = play.offer(Occasion::Poll, 0).unwrap();
        assert_eq!(row(&offer), expected);
        play.delivers(&offer);
    }
    assert_eq!(play.poll.wants_more(), None, "the store is not asked without end");
}

#[test]
fn an_old_look_at_the_store_does_not_bring_back_what_is_gone() {
    let mut play = Play::with([1]);
    let wants = play.poll.wants_more().unwrap();
    let offer = play.offer(Occasion::Poll, 0).unwrap();
    play.delivers(&offer);
    play.poll.loaded(wants, vec![text(1)], true);
    assert_eq!(play.polls(0), None);
}

#[test]
fn a_large_mailbox_passes_through_a_small_window() {
    let mut play = Play::with(1..=1000);
    for expected in 1..=1000 {
        let offer = play.offer(Occasion::Poll, 0).unwrap();
        assert!(play.poll.window.len() <= WINDOW_ROWS_MAX);
        assert_eq!((row(&offer), offer.poll), (expected, expected < 1000));
        play.delivers(&offer);
    }
}

#[test]
fn the_farewell_is_the_last_request() {
    let mut play = Play::with([1]);
    play.load();
    play.poll.say_farewell(Code::FORCED_LOGOUT);
    play.poll.arrived(text(2));
    assert!(play.poll.flag(KEEP_ALIVE, at(0)));
    let offer = play.offer(Occasion::Answer, 0).unwrap();
    assert_eq!((offer.what, offer.poll), (Offered::Disconnect(Code::FORCED_LOGOUT), false));
}

#[test]
fn a_client_that_takes_several_in_a_message_gets_no_more_than_that_open_at_a_time() {
    let mut play = Play::with(1..=5);
    play.abilities.per_message = 3;
    let along = |play: &mut Play| {
        play.load();
        play.poll.next_along(&play.abilities, KEEP_ALIVE, at(0))
    };
    let first = play.offer(Occasion::Poll, 0).unwrap();
    let (second, third) = (along(&mut play).unwrap(), along(&mut play).unwrap());
    assert_eq!([&first, &second, &third].map(row), [1, 2, 3]);
    assert!(third.poll, "more waits");
    assert_eq!(along(&mut play), None);
    assert_eq!(play.polls(1), None, "its answer comes first");
    play.delivers(&first);
    let fourth = play.offer(Occasion::Answer, 2).unwrap();
    assert_eq!((row(&fourth), along(&mut play)), (4, None));
    for offer in [&second, &third, &fourth] {
        play.delivers(offer);
    }
    let fifth = play.offer(Occasion::Answer, 3).unwrap();
    assert_eq!((row(&fifth), fifth.poll, along(&mut play)), (5, false, None));
    let mut one = Play::with(1..=2);
    one.offer(Occasion::Poll, 0).unwrap();
    assert_eq!(along(&mut one), None, "most take one");
}
