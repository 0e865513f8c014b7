//! Instant messages (reference ssp-primitives §1, ssp-types §4, §7): a test for every table, a line for every row.

use super::{arrives, becomes, both, from_csp, to_ssp};
use crate::imps::Version;
use crate::imps::Version::{V1_1, V1_2, V1_3};

/// A SendMessage with this in its MessageInfo and behind it.
fn csp(info: &str, behind: &str) -> String {
    format!(
        "<SendMessage-Request><DeliveryReport>T</DeliveryReport><MessageInfo>{info}</MessageInfo>{behind}
         </SendMessage-Request>"
    )
}

fn ssp(attributes: &str, info: &str, behind: &str) -> String {
    let attributes = if attributes.is_empty() { String::new() } else { format!(" {attributes}") };
    let info = if info.is_empty() {
        format!("<MessageInfo{attributes}/>")
    } else {
        format!("<MessageInfo{attributes}>{info}</MessageInfo>")
    };
    format!("<SendMessageRequest deliveryReport=\"Yes\">{info}{behind}</SendMessageRequest>")
}

#[test]
fn the_scalars_of_message_info_are_elements_there_and_attributes_here() {
    for version in Version::ALL {
        both(
            version,
            &csp(
                "<MessageID>m-1@alpha.example</MessageID><MessageURI>https://alpha.example/c/1</MessageURI>
                 <ContentType>image/png</ContentType><ContentSize>12</ContentSize>
                 <DateTime>20040301T091500Z</DateTime><Validity>3600</Validity>",
                "",
            ),
            &ssp(
                "messageID=\"m-1@alpha.example\" messageURI=\"https://alpha.example/c/1\" \
                 contentType=\"image/png\" contentSize=\"12\" validity=\"3600\"",
                "<DateTime format=\"iso8601\">2004-03-01T09:15:00Z</DateTime>",
                "",
            ),
        );
    }
    let named = ssp("contentName=\"boat.png\"", "", "");
    both(V1_3, &csp("<ContentName>boat.png</ContentName>", ""), &named);
    arrives(V1_2, &csp("", "").replace("<MessageInfo></MessageInfo>", "<MessageInfo/>"), &named);
    becomes(V1_3, &csp("<Font><Size>Big</Size></Font>", ""), &ssp("", "", ""));
}

#[test]
fn every_recipient_has_an_element_of_its_own_and_a_contact_list_never_crosses() {
    let user = "<User><UserID>wv:bo@beta.example</UserID></User>";
    let group = "<Group><GroupID>wv:/sailing@beta.example</GroupID></Group>";
    let name = "<Group><ScreenName><SName>Skipper</SName><GroupID>wv:/sailing@beta.example</GroupID></ScreenName></Group>";
    let list = "<ContactList>wv:ada/friends@alpha.example</ContactList>";
    let crossing = "<Recipient><User userID=\"wv:bo@beta.example\"/></Recipient>
                    <Recipient><GroupID groupID=\"wv:/sailing@beta.example\"/></Recipient>
                    <Recipient><ScreenName groupID=\"wv:/sailing@beta.example\">Skipper</ScreenName></Recipient>";
    for version in Version::ALL {
        both(
            version,
            &csp(&format!("<Recipient>{user}{group}{name}</Recipient>"), ""),
            &ssp("", crossing, ""),
        );
        let kept = to_ssp(&from_csp(version, &csp(&format!("<Recipient>{user}{list}</Recipient>"), "")));
        assert!(!kept.contains("friends"), "{kept}");
    }
}

#[test]
fn clients_and_names_of_users_pass_where_the_version_has_them() {
    let there = "<Recipient><User userID=\"wv:bo@beta.example\" friendlyName=\"Bo\"><ClientID url=\"phone\" msisdn=\"+358\"/>
                 <ApplicationID applicationID=\"game\"/></User></Recipient>";
    let here = |name: &str, application: &str| {
        csp(
            &format!(
                "<Recipient><User><UserID>wv:bo@beta.example</UserID>{name}<ClientID><URL>phone</URL>
                 <MSISDN>+358</MSISDN></ClientID>{application}</User></Recipient>"
            ),
            "",
        )
    };
    let all = here("<FriendlyName>Bo</FriendlyName>", "<ApplicationID>game</ApplicationID>");
    both(V1_3, &all, &ssp("", there, ""));
    for version in [V1_1, V1_2] {
        arrives(version, &here("", ""), &ssp("", there, ""));
    }
}

#[test]
fn the_shown_name_wins_over_the_sender_on_its_way_to_a_client() {
    let name = "<ScreenName groupID=\"wv:/sailing@beta.example\">Skipper</ScreenName>";
    let group = "<GroupID groupID=\"wv:/sailing@beta.example\"/>";
    let user = "<User userID=\"wv:bo@beta.example\"/>";
    let hidden =
        "<Sender><Group><ScreenName><SName>Skipper</SName><GroupID>wv:/sailing@beta.example</GroupID>
                  </ScreenName></Group></Sender>";
    let from = |author: &str, shown: &str| ssp("", &format!("<Sender>{author}{shown}</Sender>"), "");
    let display = format!("<SenderDisplay>{name}</SenderDisplay>");
    for version in Version::ALL {
        both(version, &csp(hidden, ""), &from(group, &display));
        arrives(version, &csp(hidden, ""), &from(user, &display));
        both(
            version,
            &csp("<Sender><Group><GroupID>wv:/sailing@beta.example</GroupID></Group></Sender>", ""),
            &from(group, ""),
        );
        both(
            version,
            &csp("<Sender><User><UserID>wv:bo@beta.example</UserID></User></Sender>", ""),
            &from(user, ""),
        );
    }
}

#[test]
fn content_is_text_or_base64_on_both_sides() {
    let none = "<MessageInfo/>";
    for version in Version::ALL {
        let text =
            csp("", "<ContentData>a &lt; b</ContentData>").replace("<MessageInfo></MessageInfo>", none);
        let there = "<ContentData contentType=\"text/plain\">a &lt; b</ContentData>";
        both(version, &text, &ssp("", "", there));
        let type_here = "<ContentType>image/png</ContentType>";
        let picture = csp(
            &format!("{type_here}<ContentEncoding>BASE64</ContentEncoding>"),
            "<ContentData>iQD/</ContentData>",
        );
        let there = "<ContentData contentType=\"image/png\" encoding=\"base64\">iQD/</ContentData>";
        both(version, &picture, &ssp("contentType=\"image/png\"", "", there));
    }
}

#[test]
fn the_answer_and_its_details() {
    let here = |code: u16, details: &str| {
        format!(
            "<SendMessage-Response><Result><Code>{code}</Code>{details}</Result><MessageID>m-1</MessageID>
             </SendMessage-Response>"
        )
    };
    let there = |code: u16, details: &str| {
        let status = if details.is_empty() {
            format!("<Status code=\"{code}\"/>")
        } else {
            format!("<Status code=\"{code}\">{details}</Status>")
        };
        format!("<SendMessageResponse messageID=\"m-1\">{status}</SendMessageResponse>")
    };
    for version in Version::ALL {
        both(version, &here(200, ""), &there(200, ""));
        both(
            version,
            &here(
                201,
                "<Description>Partly</Description><DetailedResult><Code>531</Code><Description>Who?</Description>
                 <UserID>wv:x@beta.example</UserID><GroupID>wv:/g@beta.example</GroupID></DetailedResult>",
            ),
            &there(
                201,
                "<StatusDescription>Partly</StatusDescription><DetailedResult code=\"531\">
                 <StatusDescription>Who?</StatusDescription><UserID userID=\"wv:x@beta.example\"/>
                 <GroupID groupID=\"wv:/g@beta.example\"/></DetailedResult>",
            ),
        );
    }
    let later = "<TryAgainTimeout>120</TryAgainTimeout>";
    both(V1_3, &here(507, later), &there(507, later));
    arrives(V1_2, &here(507, ""), &there(507, later));
    let domain = "<DetailedResult><Code>516</Code><Domain>gamma.example</Domain></DetailedResult>";
    let domain_there = "<DetailedResult code=\"516\"><Domain>gamma.example</Domain></DetailedResult>";
    both(V1_2, &here(201, domain), &there(201, domain_there));
    arrives(V1_1, &here(201, "<DetailedResult><Code>516</Code></DetailedResult>"), &there(201, domain_there));
}

#[test]
fn a_delivery_report() {
    for version in Version::ALL {
        both(
            version,
            "<DeliveryReport-Request><Result><Code>538</Code></Result>
             <DeliveryTime>20040301T091500Z</DeliveryTime><MessageInfo><MessageID>m-1</MessageID>
             <Recipient><User><UserID>wv:bo@beta.example</UserID></User></Recipient>
             <Sender><User><UserID>wv:ada@alpha.example</UserID></User></Sender></MessageInfo>
             </DeliveryReport-Request>",
            "<DeliveryStatusReport><DeliveryResult><Status code=\"538\"/></DeliveryResult>
             <DeliveryTime format=\"iso8601\">2004-03-01T09:15:00Z</DeliveryTime><MessageInfo messageID=\"m-1\">
             <Recipient><User userID=\"wv:bo@beta.example\"/></Recipient>
             <Sender><User userID=\"wv:ada@alpha.example\"/></Sender></MessageInfo></DeliveryStatusReport>",
        );
    }
}

#[test]
fn forwarding_by_a_delegated_element() {
    let sender = "<Sender><User><UserID>wv:ada@alpha.example</UserID></User></Sender>";
    let here = |sender: &str| {
        format!(
            "<ForwardMessage-Request><MessageID>m-1</MessageID>{sender}<Recipient><User>
             <UserID>wv:bo@beta.example</UserID></User></Recipient></ForwardMessage-Request>"
        )
    };
    let there = |sender: &str| {
        format!(
            "<ForwardMessageRequest messageID=\"m-1\"><Recipient><User userID=\"wv:bo@beta.example\"/></Recipient>
             {sender}</ForwardMessageRequest>"
        )
    };
    both(V1_3, &here(sender), &there("<Sender><User userID=\"wv:ada@alpha.example\"/></Sender>"));
    both(V1_2, &here(""), &there(""));
    let answer = "<ForwardMessageResponse messageID=\"m-2\"><Status code=\"200\"/></ForwardMessageResponse>";
    both(V1_3, "<ForwardMessage-Response><MessageID>m-2</MessageID></ForwardMessage-Response>", answer);
}
