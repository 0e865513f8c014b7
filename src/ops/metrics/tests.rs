//! What `/metrics` shows.

use super::*;
use crate::imps::status::Code;
use crate::relay::events::{Direction, Events as _};

/// The names of architecture §4.
const CONTRACT: [&str; 18] = [
    "causeway_ssp_posts_total{direction=\"in\",peer=\"south.example\",status=\"200\"} 0",
    "causeway_ssp_transactions_total{code=\"200\",direction=\"out\",peer=\"south.example\",primitive=\"SendMessageRequest\"} 0",
    "causeway_ssp_transaction_duration_seconds_count{peer=\"south.example\"} 0",
    "causeway_ssp_link_up{peer=\"south.example\"} 0",
    "causeway_ssp_refused_total{peer=\"south.example\",reason=\"identity\"} 0",
    "causeway_csp_requests_total{code=\"200\",encoding=\"wbxml\",primitive=\"LoginRequest\",version=\"1.2\"} 0",
    "causeway_csp_sessions 0",
    "causeway_messages_accepted_total{origin=\"csp\"} 0",
    "causeway_messages_delivered_total{to=\"ssp\"} 0",
    "causeway_messages_failed_total{reason=\"expired\"} 0",
    "causeway_outbox_messages{peer=\"south.example\"} 0",
    "causeway_outbox_oldest_seconds{peer=\"south.example\"} 0",
    "causeway_store_commit_duration_seconds_count 0",
    "causeway_store_commits_failed_total 0",
    "causeway_wire_rejected_total{listener=\"csp\",reason=\"malformed\"} 0",
    "causeway_certificate_expiry_seconds{name=\"north.example\"} 60",
    "causeway_reload_total{outcome=\"good\",what=\"peers\"} 0",
    "process_resident_memory_bytes ",
];

fn south() -> Domain {
    "south.example".parse().unwrap()
}

fn metrics() -> Metrics {
    let metrics = Metrics::new(Registry::new()).unwrap();
    metrics.set_peers([south()]);
    metrics
}

fn at(metrics: &Metrics, seconds: u64) -> String {
    metrics.render(Moment::from_millis(seconds * 1000)).unwrap()
}

#[test]
fn every_name_of_the_contract_is_there_from_the_start() {
    let metrics = metrics();
    metrics.certificate("north.example", Moment::from_millis(160_000));
    let text = at(&metrics, 100);
    for line in CONTRACT {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line} is missing in\n{text}");
    }
}

#[test]
fn the_reference_page_lists_every_metric() {
    let page = include_str!("../../../docs/reference/metrics.md");
    let metrics = metrics();
    metrics.certificate("north.example", Moment::from_millis(1));
    for family in metrics.registry.gather() {
        let name = family.name();
        assert!(
            name.starts_with("process_") || page.contains(&format!("`{name}")),
            "{name} is not described"
        );
    }
    for reason in Refused::ALL.iter().map(|reason| reason.as_str()) {
        assert!(page.contains(&format!("`{reason}`")), "the reason {reason} is not described");
    }
    for reason in Undelivered::ALL.iter().map(|reason| reason.as_str()) {
        assert!(page.contains(&format!("`{reason}`")), "the reason {reason} is not described");
    }
    for word in page.split('`').filter(|word| word.starts_with("causeway_")) {
        let name = word.split('{').next().unwrap();
        assert!(at(&metrics, 1).contains(&format!("# TYPE {name} ")), "{name} does not exist");
    }
}

#[test]
fn strangers_share_one_label() {
    let metrics = metrics();
    for number in 0..50 {
        let stranger: Domain = format!("s{number}.example").parse().unwrap();
        metrics.ssp_post(&stranger, Direction::In, Some(403));
        metrics.ssp_refused(Some(&stranger), Refused::UnknownPeer);
    }
    metrics.ssp_refused(None, Refused::Handshake);
    metrics.ssp_post(&south(), Direction::Out, None);
    metrics.ssp_post(&south(), Direction::Out, Some(9999));
    metrics.ssp_transaction(&south(), Direction::In, "SendMessageRequest", Code::new(777).unwrap());
    for name_here_or_there in ["DeliveryReport", "DeliveryStatusReport"] {
        metrics.ssp_transaction(&south(), Direction::In, name_here_or_there, Code::SUCCESSFUL);
    }
    let text = at(&metrics, 1);
    assert!(!text.contains("s1.example"));
    for line in [
        "causeway_ssp_posts_total{direction=\"in\",peer=\"other\",status=\"403\"} 50",
        "causeway_ssp_refused_total{peer=\"other\",reason=\"unknown-peer\"} 50",
        "causeway_ssp_refused_total{peer=\"other\",reason=\"handshake\"} 1",
        "causeway_ssp_posts_total{direction=\"out\",peer=\"south.example\",status=\"none\"} 1",
        "causeway_ssp_posts_total{direction=\"out\",peer=\"south.example\",status=\"other\"} 1",
        "causeway_ssp_transactions_total{code=\"other\",direction=\"in\",peer=\"south.example\",primitive=\"SendMessageRequest\"} 1",
        "causeway_ssp_transactions_total{code=\"200\",direction=\"in\",peer=\"south.example\",primitive=\"DeliveryStatusReport\"} 2",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

#[test]
fn ages_are_those_of_the_moment_of_asking() {
    let metrics = metrics();
    metrics.outbox(&south(), 3, Some(Moment::from_millis(10_000)));
    metrics.certificate("north.example", Moment::from_millis(100_000));
    let text = at(&metrics, 40);
    assert!(text.contains("causeway_outbox_messages{peer=\"south.example\"} 3"), "{text}");
    assert!(text.contains("causeway_outbox_oldest_seconds{peer=\"south.example\"} 30"), "{text}");
    assert!(text.contains("causeway_certificate_expiry_seconds{name=\"north.example\"} 60"), "{text}");
    metrics.outbox(&south(), 0, None);
    let text = at(&metrics, 160);
    assert!(text.contains("causeway_outbox_oldest_seconds{peer=\"south.example\"} 0"), "{text}");
    assert!(text.contains("causeway_certificate_expiry_seconds{name=\"north.example\"} -60"), "{text}");
}

#[test]
fn a_peer_that_is_gone_leaves_no_gauge_behind() {
    let metrics = metrics();
    metrics.ssp_link(&south(), true);
    assert!(at(&metrics, 1).contains("causeway_ssp_link_up{peer=\"south.example\"} 1"));
    metrics.set_peers([]);
    let text = at(&metrics, 1);
    assert!(!text.contains("causeway_ssp_link_up{peer=\"south.example\"}"));
    assert!(text.contains("causeway_ssp_posts_total{direction=\"in\",peer=\"south.example\""));
}
