//! `cargo bench --bench codec`: decoding and encoding against a bare namespace-aware quick-xml scan of
//! the same octets, measured in the same run (architecture §5). What counts is the ratio.

// A benchmark may panic: that is how it fails. Its numbers are small enough for floats.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::cast_precision_loss)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use causeway::imps::{Primitive, Version};
use causeway::wire::csp;
use causeway::wire::ssp::{self, Style};
use causeway::wire::{Carried, Encoding, Limits};
use quick_xml::NsReader;
use quick_xml::events::Event;

/// Nanoseconds of one call of each: the best of many short rounds, taken in turns, so that whatever else
/// the machine does falls on both alike.
fn nanoseconds<const N: usize>(mut calls: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut best = [f64::INFINITY; N];
    for _ in 0..150 {
        for (call, best) in calls.iter_mut().zip(&mut best) {
            let begin = Instant::now();
            let mut count = 0_u32;
            while begin.elapsed() < Duration::from_millis(2) {
                for _ in 0..20 {
                    call();
                }
                count += 20;
            }
            *best = best.min(begin.elapsed().as_secs_f64() * 1e9 / f64::from(count));
        }
    }
    best
}

fn scan(xml: &[u8]) {
    let mut reader = NsReader::from_reader(xml);
    loop {
        match reader.read_resolved_event() {
            Ok((_, Event::Eof)) => break,
            Ok(event) => {
                black_box(&event);
            }
            Err(error) => panic!("the sample is not well-formed: {error}"),
        }
    }
}

fn compact(xml: &str) -> String {
    let body = xml.find("<WV-").map_or(xml, |at| &xml[at..]);
    body.lines().map(str::trim_start).collect()
}

fn line(what: &str, octets: usize, taken: f64, scanned: f64, limit: Option<f64>) {
    let ratio = taken / scanned;
    let verdict = match limit {
        Some(limit) if ratio <= limit => format!("  (aim {limit:.2}: kept)"),
        Some(limit) => format!("  (aim {limit:.2}: MISSED)"),
        None => String::new(),
    };
    println!(
        "{what:<44} {octets:>7} B {taken:>9.0} ns {:>7.1} MB/s {ratio:>6.2} of the scan{verdict}",
        octets as f64 * 1e3 / taken
    );
}

fn main() {
    let limits = Limits::for_document(4 << 20);
    let csp_xml = compact(include_str!("../tests/golden/csp/11-csp11-c2s-sendmessage.xml"));
    let ssp_xml = compact(include_str!("../tests/golden/ssp/07-send-message-user.xml"));

    let message = csp::read(csp_xml.as_bytes(), Encoding::Xml, None, &limits).expect("sample");
    let binary = csp::Message { encoding: Encoding::Wbxml, ..message.clone() };
    let wbxml = csp::write(&binary).expect("sample");
    println!("SendMessage, decode and encode; the scan is quick-xml's NsReader over the same XML\n");
    let read_csp = |octets: &[u8], encoding| csp::read(octets, encoding, None, &limits).expect("sample");
    let [scanned, decoded, encoded, binary_decoded, binary_encoded] = nanoseconds([
        &mut || scan(black_box(csp_xml.as_bytes())),
        &mut || drop(black_box(read_csp(black_box(csp_xml.as_bytes()), Encoding::Xml))),
        &mut || drop(black_box(csp::write(black_box(&message)).expect("sample"))),
        &mut || drop(black_box(read_csp(black_box(&wbxml), Encoding::Wbxml))),
        &mut || drop(black_box(csp::write(black_box(&binary)).expect("sample"))),
    ]);
    line("CSP 1.1 XML: bare scan", csp_xml.len(), scanned, scanned, None);
    line("CSP 1.1 XML: decode", csp_xml.len(), decoded, scanned, Some(1.2));
    line("CSP 1.1 XML: encode", csp_xml.len(), encoded, scanned, None);
    line("CSP 1.1 WBXML: decode (against the XML scan)", wbxml.len(), binary_decoded, scanned, Some(0.25));
    line("CSP 1.1 WBXML: encode", wbxml.len(), binary_encoded, scanned, None);

    println!();
    let message = ssp::read(ssp_xml.as_bytes(), None, &limits).expect("sample");
    let ssp::Body::Session(session) = message.body else { panic!("the sample is session traffic") };
    let Some((meta, Carried::Primitive(primitive))) =
        session.transactions.into_iter().next().map(|transaction| (transaction.meta, transaction.content))
    else {
        panic!("the sample holds a primitive")
    };
    let primitive: Primitive = *primitive;
    let style = Style { version: Version::V1_3, legacy: false };
    let [scanned, decoded, encoded] = nanoseconds([
        &mut || scan(black_box(ssp_xml.as_bytes())),
        &mut || drop(black_box(ssp::read(black_box(ssp_xml.as_bytes()), None, &limits).expect("sample"))),
        &mut || {
            drop(black_box(
                ssp::encode_primitive(black_box(&primitive), meta.as_ref(), style).expect("sample"),
            ));
        },
    ]);
    line("SSP: bare scan", ssp_xml.len(), scanned, scanned, None);
    line("SSP: decode", ssp_xml.len(), decoded, scanned, Some(1.2));
    line("SSP: encode the primitive", ssp_xml.len(), encoded, scanned, None);
}
