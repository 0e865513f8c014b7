//! What the window promises, one rule at a time.

use super::*;
use crate::relay::ports::testing;

fn row(number: i64, order: u64) -> StoredOutgoing {
    of(number, 1, order)
}

/// A row of this lane.
pub(super) fn of(number: i64, lane: u64, order: u64) -> StoredOutgoing {
    let mut row = testing::row(number, Vec::new());
    (row.outgoing.lane, row.outgoing.order) = (lane, order);
    row
}

fn window(rows: &[(i64, u64)]) -> Window {
    let mut window = Window::default();
    load(&mut window, 0, rows.iter().map(|&(number, order)| row(number, order)).collect());
    window
}

/// Asks for what is above a row, and gets these and no others.
fn load(window: &mut Window, after: i64, rows: Vec<StoredOutgoing>) {
    let part = window.wants().unwrap();
    assert_eq!(part.after, after);
    let part = Excerpt { limit: rows.len() + 1, ..part };
    window.loaded(&part, rows);
}

fn drain(window: &mut Window, now: u64) -> Vec<i64> {
    std::iter::from_fn(|| window.next(Moment::from_millis(now))).map(|row| row.row).collect()
}

#[test]
fn a_pair_keeps_its_order_and_others_pass() {
    let mut window = window(&[(1, 7), (2, 7), (3, 8), (4, 7)]);
    assert_eq!(drain(&mut window, 0), [1, 3]);
    window.done(1, 7);
    assert_eq!(drain(&mut window, 0), [2]);
    window.done(3, 8);
    window.done(2, 7);
    assert_eq!(drain(&mut window, 0), [4]);
    window.done(4, 7);
    assert_eq!((window.held(), window.lines.len()), (0, 0));
}

/// A message of ada to these users, as a row.
fn message(number: i64, to: &[&str]) -> StoredOutgoing {
    use crate::imps::primitive::{MessageInfo, Recipient, SendMessageRequest, User};
    let user = |name: &str| User::from(name.parse::<crate::imps::UserId>().unwrap());
    let sender = user("wv:ada@north.example");
    let recipients: Vec<_> =
        to.iter().map(|name| Recipient::User(user(&format!("wv:{name}@south.example")))).collect();
    let order = crate::element::im::order("wv:ada@north.example", &recipients);
    let info = MessageInfo {
        id: Some(format!("{number}@north.example").parse().unwrap()),
        recipients,
        sender: Some(sender.clone().into()),
        ..MessageInfo::default()
    };
    let request = SendMessageRequest { delivery_report: false, info, content: Some("hi".into()) };
    let meta = crate::imps::primitive::MetaInfo {
        client_originated: true,
        service: crate::imps::ServiceId::of("north.example".parse().unwrap()),
        user: Some(sender),
    };
    let style = crate::wire::ssp::Style { version: crate::imps::Version::V1_3, legacy: false };
    let body = crate::wire::ssp::encode_primitive(&request.into(), Some(&meta), style).unwrap();
    let mut row = row(number, order);
    row.outgoing.body = body.into();
    row
}

#[test]
fn a_message_for_several_keeps_its_place_in_the_line_of_each() {
    let mut window = Window::default();
    let to: [&[&str]; 6] = [&["bo"], &["bo", "cy"], &["cy"], &["di"], &["cy", "di"], &["bo"]];
    let rows: Vec<_> = (1..).zip(to).map(|(number, to)| message(number, to)).collect();
    let orders: Vec<u64> = rows.iter().map(|row| row.outgoing.order).collect();
    load(&mut window, 0, rows);
    assert_eq!(drain(&mut window, 0), [1, 4]);
    window.done(4, orders[3]);
    assert!(drain(&mut window, 0).is_empty());
    window.done(1, orders[0]);
    assert_eq!(drain(&mut window, 0), [2]);
    window.done(2, orders[1]);
    assert_eq!(drain(&mut window, 0), [3, 6]);
    window.done(3, orders[2]);
    assert_eq!(drain(&mut window, 0), [5]);
    window.done(5, orders[4]);
    window.done(6, orders[5]);
    assert_eq!((window.held(), window.lines.len(), window.several.len()), (0, 0, 0));
}

#[test]
fn a_row_given_up_in_the_middle_of_its_lines_holds_nobody_back() {
    let mut window = Window::default();
    let rows: Vec<_> =
        (1..).zip([&["bo"][..], &["bo", "cy"], &["cy"]]).map(|(number, to)| message(number, to)).collect();
    load(&mut window, 0, rows);
    assert_eq!(drain(&mut window, 0), [1]);
    window.forget(2);
    assert_eq!(drain(&mut window, 0), [3]);
    assert_eq!((window.held(), window.several.len()), (0, 0));
}

#[test]
fn what_is_left_of_a_row_stays_before_those_behind_it() {
    let mut window = Window::default();
    let rows: Vec<_> = (1..)
        .zip([&["bo", "cy"][..], &["bo"], &["cy"], &["di"]])
        .map(|(number, to)| message(number, to))
        .collect();
    let orders: Vec<u64> = rows.iter().map(|row| row.outgoing.order).collect();
    load(&mut window, 0, rows);
    assert_eq!(drain(&mut window, 0), [1, 4]);
    let left = || {
        let mut left = message(9, &["cy"]);
        left.outgoing.order = orders[0];
        StoredOutgoing { not_before: Moment::from_millis(50), attempts: 1, ..left }
    };
    window.committed(left());
    window.replaced(1, orders[0], left());
    assert_eq!(drain(&mut window, 0), [2], "bo has it; what is for cy stays behind the rest for cy");
    assert_eq!(drain(&mut window, 50), [9]);
    window.done(9, orders[0]);
    assert_eq!(drain(&mut window, 50), [3]);
    for (row, order) in [(2, orders[1]), (3, orders[2]), (4, orders[3])] {
        window.done(row, order);
    }
    assert_eq!((window.held(), window.lines.len(), window.several.len()), (0, 0, 0));
}

#[test]
fn a_row_that_waits_holds_back_its_pair_only() {
    let mut window = window(&[(1, 7), (2, 7), (3, 8)]);
    let first = window.next(Moment::default()).unwrap();
    window.later(first, Moment::from_millis(50));
    assert_eq!(drain(&mut window, 10), [3]);
    assert_eq!(window.next_due(), Some(Moment::from_millis(50)));
    let again = window.next(Moment::from_millis(50)).unwrap();
    assert_eq!((again.row, again.attempts), (1, 1));
    window.done(1, 7);
    assert_eq!(drain(&mut window, 50), [2]);
}

#[test]
fn the_peer_was_heard_from_and_nothing_waits_any_more() {
    let mut window = window(&[(1, 7)]);
    let first = window.next(Moment::default()).unwrap();
    window.later(first, Moment::from_millis(600_000));
    window.hurry();
    assert_eq!(drain(&mut window, 1), [1]);
}

#[test]
fn what_does_not_fit_is_read_from_the_store_again() {
    let mut window = window(&[]);
    let theirs = |numbers: std::ops::RangeInclusive<i64>| -> Vec<StoredOutgoing> {
        numbers.map(|number| of(number, number.unsigned_abs(), 10_000 + number.unsigned_abs())).collect()
    };
    for row in theirs(1..=5000) {
        window.committed(row);
    }
    assert_eq!((window.held(), window.wants()), (WINDOW_ROWS_MAX, None));
    let gone = drain(&mut window, 0);
    assert_eq!(gone.len(), WINDOW_ROWS_MAX);
    let part = window.wants().unwrap();
    assert_eq!(part.after, 4096);
    window.committed(row(5001, 1)); // not taken: older rows are missing, and the page may be read already
    assert_eq!(window.held(), 0);
    window.loaded(&Excerpt { limit: 2000, ..part }, theirs(4097..=5000));
    assert_eq!(drain(&mut window, 0).first(), Some(&4097));
    load(&mut window, 5000, vec![row(5001, 1)]);
    assert_eq!(drain(&mut window, 0), [5001]);
    assert_eq!(window.wants(), None);
}

#[test]
fn what_one_sender_has_beyond_its_part_waits_in_the_store_and_others_pass() {
    let mut window = window(&[]);
    for number in 1..=2000 {
        window.committed(of(number, 5, number.unsigned_abs()));
    }
    let held = window.held();
    assert!((500..1000).contains(&held), "{held}");
    window.committed(of(2001, 6, 2001));
    assert_eq!(window.take_unwritten(vec![of(2002, 7, 2002)]), Ok(()));
    assert!(window.take_unwritten(vec![of(2003, 5, 2003)]).is_err(), "older ones are in the store");
    let drawn: Vec<i64> = (0..3).filter_map(|_| window.next(Moment::default())).map(|row| row.row).collect();
    assert_eq!(drawn, [1, 2001, 2002]);
    assert_eq!(window.wants(), None, "enough is here");
    let gone = drain(&mut window, 0);
    assert_eq!(gone.len(), held - 1);
    let part = window.wants().unwrap();
    let after = i64::try_from(held).unwrap();
    assert_eq!((part.after, &part.lanes), (after, &ports::Lanes::Only(5)), "and now the rest of it");
    let rest = (after + 1..=2000).map(|number| of(number, 5, number.unsigned_abs())).collect();
    window.loaded(&Excerpt { limit: 5000, ..part }, rest);
    assert!(window.take_unwritten(vec![of(2004, 5, 2004)]).is_err(), "a part of the window, not more");
    assert_eq!(drain(&mut window, 0).len(), 2000 - held);
    assert!(window.take_unwritten(vec![of(2005, 5, 2005)]).is_ok(), "nothing is left behind");
}

#[test]
fn a_sender_is_passed_over_while_the_store_is_read_for_all() {
    let mut window = Window::default();
    let mut number = 0;
    let mut row_of = |lane: u64| {
        number += 1;
        of(number, lane, number.unsigned_abs())
    };
    while window.wants().is_some_and(|part| part.lanes == ports::Lanes::Without(Vec::new())) {
        let part = window.wants().unwrap();
        let page = (0..part.limit).map(|_| row_of(5)).collect();
        window.loaded(&part, page);
    }
    let part = window.wants().unwrap();
    assert_eq!(part.lanes, ports::Lanes::Without(vec![5]), "the rest of it is no matter now");
    window.loaded(&part, vec![row_of(6)]);
    let drawn: Vec<u64> =
        (0..2).filter_map(|_| window.next(Moment::default())).map(|row| row.outgoing.lane).collect();
    assert_eq!(drawn, [5, 6]);
}

#[test]
fn large_bodies_fill_the_window_with_fewer_rows() {
    let mut window = window(&[]);
    for number in 1..=100 {
        let mut row = of(number, number.unsigned_abs(), number.unsigned_abs());
        row.outgoing.body = vec![0; WINDOW_OCTETS_MAX / 10].into();
        window.committed(row);
    }
    assert_eq!(window.held(), 10);
    assert_eq!(drain(&mut window, 0).len(), 10);
    assert_eq!(window.wants().map(|part| part.after), Some(10));
}

#[test]
fn what_is_not_written_is_taken_only_if_it_can_leave() {
    let mut ignorant = Window::default();
    assert!(ignorant.take_unwritten(vec![row(1, 7)]).is_err(), "older rows may be in the store");
    let mut window = window(&[(1, 7)]);
    assert!(window.take_unwritten(vec![row(2, 7), row(3, 8)]).is_ok());
    assert_eq!(drain(&mut window, 0), [1, 3]);
    window.committed(row(4, 7));
    window.done(1, 7);
    assert_eq!(drain(&mut window, 0), [2], "those of one pair keep their order, on disk or not");
    window.later(row(2, 7), Moment::from_millis(50));
    assert_eq!(window.take_unwritten(vec![row(5, 7), row(6, 8)]), Err(vec![row(5, 7), row(6, 8)]));
    assert!(window.take_unwritten(vec![row(7, 9)]).is_ok());
    assert_eq!(drain(&mut window, 0), [7]);
    let many = (10..).take(WINDOW_ROWS_MAX).map(|number| row(number, number.unsigned_abs()));
    assert!(window.take_unwritten(many.collect()).is_err(), "there is no room");
}

#[test]
fn a_row_announced_out_of_order_is_not_lost() {
    let mut window = window(&[]);
    window.committed(row(2, 1));
    window.committed(row(1, 2));
    assert_eq!(drain(&mut window, 0), [1, 2]);
}

#[test]
fn a_row_given_up_frees_its_pair() {
    let mut window = window(&[(1, 7), (2, 7), (3, 9)]);
    let first = window.next(Moment::default()).unwrap();
    window.later(first, Moment::from_millis(600_000));
    assert_eq!(drain(&mut window, 0), [3]);
    window.forget(1);
    assert_eq!(drain(&mut window, 0), [2]);
    assert_eq!(window.held(), 0);
}
