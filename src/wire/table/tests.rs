//! What every word of a row does, on a struct made for the purpose.

use super::rows::{V1_1, V1_2, V1_3};
use super::*;
use crate::imps::UserId;
use crate::imps::primitive::Bearer;
use crate::wire::xml::{self, DateForm, Doctype, XmlSink};
use crate::wire::{Limits, tree};

#[derive(Debug, Default, PartialEq)]
struct Sample {
    id: Box<str>,
    silent: bool,
    shown: Option<bool>,
    users: Vec<UserId>,
    bearers: Vec<Bearer>,
    old: Option<u32>,
    deep: Option<Box<str>>,
    things: Vec<Thing>,
    gone: Option<u32>,
}

#[derive(Debug, PartialEq)]
enum Thing {
    Number(u32),
    Word(Box<str>),
}

table! { Csp Sample {
    id:      attr("ID").also("Ident"),
    silent:  flag("Silent"),
    shown:   opt("Shown"),
    users:   either(many("User").of("UserID").until(V1_2), many("UserID").inside("UserIDList").since(V1_3)),
    bearers: many("Bearer").lenient(),
    old:     opt("Old").with("form", "x").until(V1_1),
    deep:    inside("A", opt("B").of("C").token()),
    things:  wrapped("Thing", each()),
    gone:    lost(),
}}

choice! { Csp Thing {
    Number: one("It").of("Number"),
    Word:   one("It").of("Word"),
}}

fn read_sample(text: &str) -> Result<Sample, Fault> {
    let tree = xml::read(text, Doctype::Refused, &Limits::for_document(10_000)).unwrap();
    Form::<Csp>::read(tree.root(), &Context::new(V1_3))
}

fn written(sample: &Sample, version: Version) -> String {
    let mut sink = XmlSink::fragment(DateForm::Basic);
    write_element::<Csp, _>("S", sample, &mut sink, &Context::new(version));
    String::from_utf8(sink.into_octets()).unwrap()
}

fn sample() -> Sample {
    Sample {
        id: "7".into(),
        silent: true,
        users: vec!["wv:a@x.test".parse().unwrap()],
        bearers: vec![Bearer::Http],
        old: Some(1),
        deep: Some("d".into()),
        things: vec![Thing::Word("w".into()), Thing::Number(3)],
        ..Sample::default()
    }
}

#[test]
fn each_version_gets_its_own_rows() {
    let start = "<S ID=\"7\"><Silent>T</Silent>";
    let end = "<A><B><C>d</C></B></A><Thing><It><Word>w</Word></It></Thing>\
               <Thing><It><Number>3</Number></It></Thing></S>";
    let user = "<User><UserID>wv:a@x.test</UserID></User><Bearer>HTTP</Bearer>";
    assert_eq!(written(&sample(), V1_1), format!("{start}{user}<Old form=\"x\">1</Old>{end}"));
    assert_eq!(written(&sample(), V1_2), format!("{start}{user}{end}"));
    let list = "<UserIDList><UserID>wv:a@x.test</UserID></UserIDList><Bearer>HTTP</Bearer>";
    assert_eq!(written(&sample(), V1_3), format!("{start}{list}{end}"));
}

#[test]
fn every_version_is_read_whatever_the_document_says() {
    for version in Version::ALL {
        let wanted = Sample { old: if version == V1_1 { Some(1) } else { None }, ..sample() };
        assert_eq!(read_sample(&written(&sample(), version)), Ok(wanted));
    }
}

#[test]
fn order_unknown_elements_blanks_and_unknown_words_do_not_matter() {
    let read = read_sample(
        "<S iDENT=' 8 ' more='1'><Thing><Odd/><It><Number> 0003 </Number></It></Thing><Odd><Silent>T</Silent></Odd>
         <Bearer>PIGEON</Bearer><bearer> https </bearer><Shown> </Shown><User><UserID/></User><UserIDList/></S>",
    );
    let wanted = Sample {
        id: "8".into(),
        bearers: vec![Bearer::Https],
        things: vec![Thing::Number(3)],
        ..Sample::default()
    };
    assert_eq!(read, Ok(wanted));
}

#[test]
fn faults_say_where_what_and_how_bad() {
    for (text, path, code) in [
        ("<S/>", "ID", 400),
        ("<S ID='1'><Silent>maybe</Silent></S>", "Silent", 402),
        ("<S ID='1'><User><UserID>a b</UserID></User></S>", "User/UserID", 427),
        ("<S ID='1'><UserIDList><UserID>a b</UserID></UserIDList></S>", "UserIDList/UserID", 427),
        ("<S ID='1'><Thing><It><Number>x</Number></It></Thing></S>", "Thing/It/Number", 402),
    ] {
        let fault = read_sample(text).unwrap_err();
        assert_eq!((fault.path.as_str(), fault.code.get()), (path, code), "{text}");
        assert!(fault.what.contains("octet"), "{fault}");
    }
}

#[test]
fn numbers_are_clamped_and_read_from_octets() {
    let parse = |octets: &[u8]| <u32 as Scalar<Csp>>::parse(tree::Raw::Octets(octets));
    assert_eq!(parse(&[]), Ok(0));
    assert_eq!(parse(&[0, 1, 0]), Ok(256));
    assert_eq!(parse(&[1; 9]), Ok(u32::MAX));
    assert_eq!(<u16 as Scalar<Csp>>::parse(tree::Raw::Text(" 99999999999999999999999 ")), Ok(u16::MAX));
    assert!(<u16 as Scalar<Csp>>::parse(tree::Raw::Text("-1")).is_err());
}

#[test]
fn rows_describe_themselves() {
    let rows = <Sample as Table<Csp>>::rows();
    let find = |field| rows.iter().find(|row| row.field == field).unwrap();
    assert_eq!((find("id").attribute, &find("id").also[..]), (Some("ID"), &["Ident"][..]));
    assert_eq!(find("users").elements, ["User", "UserID"]);
    assert_eq!(find("users").also, ["UserIDList", "UserID"]);
    assert_eq!((find("old").cardinality, find("old").until), (Cardinality::Optional, Some(V1_1)));
    assert_eq!(find("deep").elements, ["A", "B", "C"]);
    assert_eq!(find("gone").cardinality, Cardinality::Lost);
}
