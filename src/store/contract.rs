//! What every store must do, as tests over `&dyn Store`. [`keeps_the_contract`] makes a test of each
//! for the store that an expression opens; the store must be empty and have the limits below.

mod accounts;
mod commits;
mod common;
mod content;
mod groups;
mod lists;
mod mailbox;
mod operators;
mod outbox;
mod presence;
mod sessions;

use std::sync::Arc;

use crate::element::im::{Mail, MailKind, StoredMail};
use crate::imps::{Domain, Moment, Terms, UserId};
use crate::relay::ports::{Account, Change, Outcome, Outgoing, SeenKey, Settlement, Store, StoredOutgoing};

pub(super) use accounts::*;
pub(super) use commits::*;
pub(super) use common::*;
pub(super) use content::*;
pub(super) use groups::*;
pub(super) use lists::*;
pub(super) use mailbox::*;
pub(super) use operators::*;
pub(super) use outbox::*;
pub(super) use presence::*;
pub(super) use sessions::*;

/// Rows that fit into a mailbox.
pub(super) const MAILBOX_MESSAGES_MAX: u64 = 5;
/// Octets that fit into a mailbox.
pub(super) const MAILBOX_OCTETS_MAX: u64 = 1000;
/// Octets that fit into the queue for a peer.
pub(super) const QUEUE_OCTETS_MAX: u64 = 500;
/// What one author may have of that.
pub(super) const SHARE_OCTETS_MAX: u64 = 499;

pub(super) fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

pub(super) fn domain(text: &str) -> Domain {
    text.parse().unwrap()
}

pub(super) fn user(text: &str) -> UserId {
    text.parse().unwrap()
}

pub(super) fn account(text: &str) -> Account {
    Account {
        user: user(text),
        sealed_password: Arc::from(*b"sealed"),
        created: at(7),
        terms: Terms::default(),
    }
}

pub(super) fn mail(owner: &str, id: &str, octets: usize) -> Mail {
    Mail {
        owner: user(owner),
        kind: MailKind::Message,
        message_id: id.parse().unwrap(),
        sender: "wv:Bo@south.example".into(),
        origin: domain("south.example"),
        accepted: at(10),
        expires: at(1000),
        report_wanted: true,
        reply_to: Some("t-1".parse().unwrap()),
        content_type: "text/plain".into(),
        content_octets: 3,
        session: None,
        replaces: None,
        body: vec![0x6d; octets].into(),
    }
}

pub(super) fn deliver(mail: Mail) -> Change {
    let seen = SeenKey {
        origin: mail.origin.clone(),
        message_id: mail.message_id.clone(),
        recipient: mail.owner.key().into(),
        until: at(5000),
    };
    Change::Deliver { mail, seen: Some(seen) }
}

pub(super) fn outgoing(peer: &str, primitive: &str, octets: usize) -> Outgoing {
    Outgoing {
        replaces: None,
        via: None,
        own: domain("north.example"),
        peer: domain(peer),
        settlement: Settlement::Request,
        primitive: primitive.into(),
        message_id: Some("m-1@north.example".parse().unwrap()),
        author: Some(user("wv:Ada@north.example")),
        order: u64::MAX - 3,
        lane: 1,
        accepted: at(20),
        expires: at(2000),
        reply_to: None,
        body: vec![0x6f; octets].into(),
    }
}

pub(super) async fn all(store: &dyn Store, changes: Vec<Change>) -> Vec<Outcome> {
    store.commit(changes).await.unwrap()
}

pub(super) async fn one(store: &dyn Store, change: Change) -> Outcome {
    all(store, vec![change]).await[0]
}

fn row(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Row(row) => row,
        other => panic!("a row was wanted, not {other:?}"),
    }
}

async fn with_ada(store: &dyn Store) {
    assert_eq!(one(store, Change::AddAccount(account("wv:Ada@north.example"))).await, Outcome::Done);
}

pub(super) async fn mailbox(store: &dyn Store, owner: &str) -> Vec<StoredMail> {
    store.mailbox(user(owner), None, 0, 100).await.unwrap()
}

pub(super) async fn outbox(store: &dyn Store, peer: &str) -> Vec<StoredOutgoing> {
    store.outbox(domain("north.example"), domain(peer), 0, 100).await.unwrap()
}

fn ids(rows: &[StoredMail]) -> Vec<&str> {
    rows.iter().map(|row| row.mail.message_id.as_str()).collect()
}

/// Makes a test of each check above for the store that the expression opens.
macro_rules! keeps_the_contract {
    ($open:expr) => {
        $crate::store::contract::keeps_the_contract! { $open =>
            a_message_comes_back_as_it_was_delivered
            a_message_is_delivered_once
            a_notice_is_for_its_session_and_gives_way_to_a_newer_one
            a_newer_notice_for_a_peer_takes_the_place_of_the_old_one
            a_full_mailbox_takes_no_more_until_something_is_taken
            a_full_mailbox_has_as_much_room_again_for_reports
            who_has_no_account_has_no_mailbox
            rows_are_numbered_upwards_and_read_in_pages
            one_message_and_the_newest_are_found
            a_row_is_dropped_once_and_by_its_owner
            what_hangs_on_a_change_happens_only_with_it
            expired_mail_is_found_in_pages
            an_outbox_keeps_order_and_every_field
            a_part_of_an_outbox_is_of_some_senders
            a_row_can_wait_and_leave
            a_row_may_have_its_number_before_it_is_written
            what_is_left_of_a_row_takes_its_place_in_a_full_queue
            a_user_fills_its_share_of_a_queue_and_no_more
            a_full_queue_is_that_of_one_peer
            the_queue_of_a_guest_is_a_sixteenth_of_that_of_a_peer
            queues_are_summed_up
            expired_outgoing_is_found_in_pages
            reports_are_expected_from_one_peer_until_forgotten
            a_seen_key_is_forgotten_when_it_is_over
            a_peer_is_suspended_until_it_is_resumed
            who_is_blocked_is_kept_until_it_is_unblocked
            guests_are_kept_with_when_something_passed_last
            operators_see_what_waits_in_pages_without_what_it_says
            a_row_that_waits_can_be_hurried
            accounts_come_and_go
            terms_are_kept_with_their_account
            what_a_home_wants_to_hear_is_kept_with_the_account
            messages_of_a_removed_account_go_back_to_their_authors
            csp_sessions_are_kept_touched_and_dropped
            links_are_kept_changed_and_dropped
            lists_are_kept_and_changed_by_whoever_was_first
            lists_go_with_their_account
            content_is_kept_within_a_quota
            octets_are_litter_unless_somebody_keeps_them
            content_goes_with_its_account
            presence_is_kept_and_changed_by_whoever_was_first
            what_is_followed_is_bounded_and_ends_with_the_session
            subscriptions_of_a_visitor_are_counted
            it_is_known_since_when_a_peer_is_out_of_reach
            those_who_watched_are_remembered_within_a_bound
            watchers_are_read_in_pages_domain_by_domain
            groups_are_kept_as_they_were_made
            edits_of_a_group_mean_the_same_on_disk_and_in_memory
            groups_are_found_by_session_wish_and_end
            visits_are_kept_until_they_end
            a_group_keeps_its_newest_messages
            what_was_said_long_ago_is_forgotten
            groups_elsewhere_are_joined_at_login_too
            a_dropped_promise_is_carried_out
            nothing_to_do_is_done
            invitations_are_remembered_until_they_are_dropped
            an_inviter_makes_so_many_invitations_an_hour
            what_the_provider_told_is_kept_until_it_is_answered
            a_profile_is_set_and_cleared
            users_are_found_in_the_directory
            groups_that_want_to_be_found_are
            who_has_no_account_has_no_profile_and_no_invitations
        }
    };
    ($open:expr => $($check:ident)+) => {
        $(#[tokio::test]
        async fn $check() {
            let open = $open;
            $crate::store::contract::$check(&open.store).await;
        })+
    };
}
pub(super) use keeps_the_contract;
