//! Delegated services in the shape of CSP (reference ssp-primitives §6): contact lists and messages. The forms are
//! those of 1.3 there, whatever the version of the client here.

use super::{arrives, becomes, both};
use crate::imps::Version;
use crate::imps::Version::{V1_1, V1_2, V1_3};

const LIST: &str = "<ContactList>wv:ada/friends@alpha.example</ContactList>";
const NICK: &str = "<NickName><Name>Bo</Name><UserID>wv:bo@beta.example</UserID></NickName>";
const PROPERTIES: &str = "<ContactListProperties><Property><Name>Default</Name><Value>T</Value></Property>
                          </ContactListProperties>";
const OK: &str = "<Status code=\"200\"/>";

/// Requests whose children are the same on both sides, in every version.
fn same(name: &str, children: &str) {
    for version in Version::ALL {
        let (here, there) = (format!("{name}-Request"), format!("{name}Request"));
        if children.is_empty() {
            both(version, &format!("<{here}/>"), &format!("<{there}/>"));
        } else {
            both(version, &format!("<{here}>{children}</{here}>"), &format!("<{there}>{children}</{there}>"));
        }
    }
}

#[test]
fn requests_about_contact_lists() {
    same("GetList", "");
    same(
        "CreateList",
        &format!("{LIST}<NickList>{NICK}<UserID>wv:cy@alpha.example</UserID></NickList>{PROPERTIES}"),
    );
    same("DeleteList", LIST);
    same("ListManage", &format!("{LIST}<AddNickList>{NICK}</AddNickList>"));
    same(
        "ListManage",
        &format!("{LIST}<RemoveNickList><UserID>wv:bo@beta.example</UserID></RemoveNickList>"),
    );
    same("ListManage", &format!("{LIST}{PROPERTIES}"));
    let read = |receive: &str| format!("<ListManage-Request>{LIST}{receive}</ListManage-Request>");
    let receive = "<ReceiveList>T</ReceiveList>";
    let there = format!("<ListManageRequest>{LIST}{receive}</ListManageRequest>");
    both(V1_2, &read(receive), &there);
    arrives(V1_1, &read(""), &there);
}

#[test]
fn answers_about_contact_lists_say_the_status_first() {
    let default = "<DefaultContactList>wv:ada/all@alpha.example</DefaultContactList>";
    let lists = format!(
        "<GetListResponse>{OK}<ContactListIDList>{LIST}</ContactListIDList>{default}</GetListResponse>"
    );
    let inside = format!("<ContactListIDList>{LIST}</ContactListIDList>");
    both(V1_3, &format!("<GetList-Response>{inside}{default}</GetList-Response>"), &lists);
    for version in [V1_1, V1_2] {
        both(version, &format!("<GetList-Response>{LIST}{default}</GetList-Response>"), &lists);
    }
    both(
        V1_3,
        &format!("<CreateList-Response>{LIST}{PROPERTIES}</CreateList-Response>"),
        &format!("<CreateListResponse>{OK}{LIST}{PROPERTIES}</CreateListResponse>"),
    );
    for version in Version::ALL {
        both(
            version,
            &format!(
                "<ListManage-Response><Result><Code>201</Code><DetailedResult><Code>531</Code>
                 <UserID>wv:x@alpha.example</UserID></DetailedResult></Result><NickList>{NICK}</NickList>{PROPERTIES}
                 </ListManage-Response>"
            ),
            &format!(
                "<ListManageResponse><Status code=\"201\"><DetailedResult code=\"531\">
                 <UserID userID=\"wv:x@alpha.example\"/></DetailedResult></Status><NickList>{NICK}</NickList>
                 {PROPERTIES}</ListManageResponse>"
            ),
        );
    }
}

#[test]
fn block_and_grant_lists_have_their_switch_where_the_version_wants_it() {
    same("GetBlockedList", "");
    let entities = "<UserID>wv:bo@beta.example</UserID><UserID>wv:@gamma.example</UserID>
                    <GroupID>wv:/g@beta.example</GroupID>";
    let there = format!(
        "<BlockEntityRequest><BlockList><AddList>{entities}</AddList></BlockList><BlockListInUse>T</BlockListInUse>
         </BlockEntityRequest>"
    );
    both(
        V1_3,
        &format!(
            "<BlockEntity-Request><BlockList><AddList>{entities}</AddList></BlockList>
             <BlockListInUse>T</BlockListInUse></BlockEntity-Request>"
        ),
        &there,
    );
    let inside = format!(
        "<BlockEntity-Request><BlockList><InUse>T</InUse><AddList>{entities}</AddList></BlockList>
         </BlockEntity-Request>"
    );
    for version in [V1_1, V1_2] {
        both(version, &inside, &there);
        becomes(version, &inside.replace("BlockEntity", "BlockUser"), &there);
    }
    both(
        V1_2,
        "<GetBlockedList-Response><GrantList><InUse>F</InUse><EntityList/></GrantList></GetBlockedList-Response>",
        &format!(
            "<GetBlockedListResponse>{OK}<GrantList><EntityList/></GrantList><GrantListInUse>F</GrantListInUse>
             </GetBlockedListResponse>"
        ),
    );
}

#[test]
fn what_waits_for_a_user_is_told_fetched_and_refused_as_between_client_and_server() {
    let info = "<MessageInfo><MessageID>m-1</MessageID><ContentType>text/plain</ContentType>
                <DateTime>20040301T091500Z</DateTime></MessageInfo>";
    let content = "<ContentData>hello</ContentData>";
    for version in Version::ALL {
        for name in ["NewMessage", "MessageNotification"] {
            let content = if name == "NewMessage" { content } else { "" };
            let text = format!("<{name}>{info}{content}</{name}>");
            both(version, &text, &text);
        }
        let delivered = "<MessageDelivered><MessageID>m-1</MessageID></MessageDelivered>";
        both(version, delivered, delivered);
        both(
            version,
            &format!("<GetMessage-Response>{info}{content}</GetMessage-Response>"),
            &format!("<GetMessageResponse>{OK}{info}{content}</GetMessageResponse>"),
        );
    }
    same("GetMessage", "<MessageID>m-1</MessageID>");
    same("RejectMessage", "<MessageID>m-1</MessageID><MessageID>m-2</MessageID>");
    same("GetMessageList", "<GroupID>wv:/g@alpha.example</GroupID><MessageCount>5</MessageCount>");
    same(
        "SetDeliveryMethod",
        "<DeliveryMethod>N</DeliveryMethod><AcceptedContentLength>500</AcceptedContentLength>",
    );
    let list = |inner: &str| format!("<GetMessageList-Response>{inner}</GetMessageList-Response>");
    let there = format!(
        "<GetMessageListResponse>{OK}<MessageInfoList>{info}</MessageInfoList></GetMessageListResponse>"
    );
    both(V1_2, &list(info), &there);
    both(V1_3, &list(&format!("<MessageInfoList>{info}</MessageInfoList>")), &there);
}

#[test]
fn a_conversation_is_extended_and_a_map_is_asked_for_in_the_words_of_1_3() {
    let asked = "<ExtendConversationID>x1</ExtendConversationID>
                 <UserIDList><UserID>wv:cy@alpha.example</UserID></UserIDList>
                 <ExtendConversationUser><UserID>wv:bo@beta.example</UserID><ClientID><URL>phone</URL></ClientID>
                 </ExtendConversationUser><SubscribeNotification>T</SubscribeNotification>
                 <ScreenName><SName>Ada</SName><GroupID>wv:/g@alpha.example</GroupID></ScreenName>";
    both(
        V1_3,
        &format!("<ExtendConversation-Request>{asked}</ExtendConversation-Request>"),
        &format!("<ExtendConversationRequest>{asked}</ExtendConversationRequest>"),
    );
    let made = "<ExtendConversationID>x1</ExtendConversationID><GroupID>wv:ada/talk@alpha.example</GroupID>
                <ResponseNote>come</ResponseNote>";
    both(
        V1_3,
        &format!(
            "<ExtendConversation-Response>{made}<Result><Code>200</Code></Result></ExtendConversation-Response>"
        ),
        &format!("<ExtendConversationResponse>{made}{OK}</ExtendConversationResponse>"),
    );
    let whose = "<UserID>wv:bo@beta.example</UserID>";
    both(
        V1_3,
        &format!("<GetMap-Request>{whose}</GetMap-Request>"),
        &format!("<GetMapRequest>{whose}</GetMapRequest>"),
    );
    let map = "<Map><ContentType>text/plain</ContentType><ContentData>here</ContentData></Map>
               <URL>https://maps.example/1</URL>";
    both(
        V1_3,
        &format!("<GetMap-Response>{map}</GetMap-Response>"),
        &format!("<GetMapResponse>{OK}{map}</GetMapResponse>"),
    );
}
