//! The common features (reference ssp-primitives §3): a test for every table, a line for every row.

use super::{arrives, becomes, both, from_csp, from_ssp, to_csp, to_ssp};
use crate::imps::Version::{V1_1, V1_2, V1_3};
use crate::imps::primitive::{InviteResponse, InviteUserResponse, Recipient};
use crate::imps::{Primitive, Version};

const ALICE_CSP: &str = "<User><UserID>wv:alice@alpha.example</UserID></User>";
const ALICE_SSP: &str = "<User userID=\"wv:alice@alpha.example\"/>";
const BOB_CSP: &str = "<User><UserID>wv:bob@beta.example</UserID></User>";
const BOB_SSP: &str = "<User userID=\"wv:bob@beta.example\"/>";
const GROUP_CSP: &str = "<GroupID>wv:/sailing@beta.example</GroupID>";
const GROUP_SSP: &str = "<GroupID groupID=\"wv:/sailing@beta.example\"/>";
const NAME_CSP: &str =
    "<ScreenName><SName>Skipper</SName><GroupID>wv:/sailing@beta.example</GroupID></ScreenName>";
const NAME_SSP: &str = "<ScreenName groupID=\"wv:/sailing@beta.example\">Skipper</ScreenName>";
const URLS_CSP: &str = "<URLList><URL>https://alpha.example/1</URL></URLList>";
const URLS_SSP: &str = "<ContentIDList><ContentID url=\"https://alpha.example/1\"/></ContentIDList>";
/// Presence attributes cross in the namespace of SSP 1.3.
const NAMES_SSP: &str = "<AttributeList><PresenceSubList xmlns=\"http://www.openmobilealliance.org/DTD/IMPS-PA1.3\">\
                         <OnlineStatus/></PresenceSubList></AttributeList>";

fn names(version: Version) -> String {
    let space = match version {
        V1_1 => "http://www.wireless-village.org/PA1.1",
        V1_2 => "http://www.openmobilealliance.org/DTD/WV-PA1.2",
        V1_3 => "http://www.openmobilealliance.org/DTD/IMPS-PA1.3",
    };
    format!("<PresenceSubList xmlns=\"{space}\"><OnlineStatus/></PresenceSubList>")
}

#[test]
fn invite_request() {
    let csp = |version, sender: &str, application: &str| {
        format!(
            "<Invite-Request><InviteID>i1</InviteID><InviteType>GR</InviteType>{sender}<Recipient>{BOB_CSP}</Recipient>
             {application}{GROUP_CSP}{}{URLS_CSP}<InviteNote>Come</InviteNote>{NAME_CSP}<Validity>3600</Validity>
             </Invite-Request>",
            names(version)
        )
    };
    let ssp = |sender: &str, application: &str| {
        format!(
            "<InviteRequest inviteID=\"i1\" inviteType=\"GR\" validity=\"3600\">{sender}<Invited>{BOB_SSP}</Invited>
             {GROUP_SSP}{application}{NAMES_SSP}{URLS_SSP}<InviteNote>Come</InviteNote>{NAME_SSP}</InviteRequest>"
        )
    };
    let sender = (format!("<Sender>{ALICE_CSP}</Sender>"), format!("<Inviting>{ALICE_SSP}</Inviting>"));
    let application = ("<ApplicationID>chess</ApplicationID>", "<ApplicationID applicationID=\"chess\"/>");
    both(V1_3, &csp(V1_3, &sender.0, application.0), &ssp(&sender.1, application.1));
    for version in [V1_1, V1_2] {
        // The home says who the inviter is, and older clients have no applications.
        both(version, &csp(version, "", ""), &ssp("", ""));
        arrives(version, &csp(version, "", ""), &ssp(&sender.1, application.1));
    }
}

#[test]
fn every_type_of_invitation_and_every_party() {
    for kind in ["GR", "GM", "AP", "PR", "SC", "EC", "EG", "IM"] {
        let parties = [
            (BOB_CSP, BOB_SSP),
            ("<Group><GroupID>wv:/sailing@beta.example</GroupID></Group>", GROUP_SSP),
            (&*format!("<Group>{NAME_CSP}</Group>"), NAME_SSP),
        ];
        for (csp, ssp) in parties {
            both(
                V1_3,
                &format!(
                    "<Invite-Request><InviteID>i</InviteID><InviteType>{kind}</InviteType><Sender>{ALICE_CSP}</Sender>
                     <Recipient>{csp}</Recipient></Invite-Request>"
                ),
                &format!(
                    "<InviteRequest inviteID=\"i\" inviteType=\"{kind}\"><Inviting>{ALICE_SSP}</Inviting>
                     <Invited>{ssp}</Invited></InviteRequest>"
                ),
            );
        }
    }
}

#[test]
fn what_the_invitees_client_is_told() {
    let request = from_ssp(&format!(
        "<InviteRequest inviteID=\"i1\" inviteType=\"GR\" validity=\"3600\"><Inviting>{ALICE_SSP}</Inviting>
         <Invited>{BOB_SSP}</Invited>{GROUP_SSP}<InviteNote>Come</InviteNote>{NAME_SSP}</InviteRequest>"
    ));
    let Primitive::InviteRequest(request) = request else { panic!() };
    let bob = request.recipients[0].clone();
    let told = |version| to_csp(version, &Box::new(request.for_invitee(bob.clone())).into());
    let text = |recipient: &str, name: &str| {
        format!(
            "<InviteUser-Request><InviteID>i1</InviteID><InviteType>GR</InviteType>\
             <Sender><Group>{NAME_CSP}</Group></Sender>{recipient}{GROUP_CSP}<InviteNote>Come</InviteNote>{name}\
             <Validity>3600</Validity></InviteUser-Request>"
        )
    };
    assert_eq!(told(V1_1), text("", NAME_CSP));
    assert_eq!(told(V1_2), text("", ""), "the name stands as the sender alone");
    assert_eq!(told(V1_3), text(&format!("<Recipient>{BOB_CSP}</Recipient>"), NAME_CSP));
}

#[test]
fn invite_response_from_the_invitee_to_the_inviter() {
    let crossing = format!(
        "<InviteResponse inviteID=\"i1\" acceptance=\"Yes\"><Status code=\"200\"/><Inviting>{ALICE_SSP}</Inviting>\
         <Responding>{BOB_SSP}</Responding><ResponseNote>Gladly</ResponseNote>{NAME_SSP}</InviteResponse>"
    );
    for version in Version::ALL {
        let recipient =
            if version == V1_3 { format!("<Recipient>{ALICE_CSP}</Recipient>") } else { String::new() };
        let written = format!(
            "<InviteUser-Response><InviteID>i1</InviteID><Acceptance>T</Acceptance><Sender>{BOB_CSP}</Sender>{recipient}
             <ResponseNote>Gladly</ResponseNote>{NAME_CSP}</InviteUser-Response>"
        );
        let Primitive::InviteUserResponse(answer) = from_csp(version, &written) else { panic!() };
        assert_eq!(answer.recipient.is_some(), version == V1_3);
        let InviteUserResponse { id, acceptance, sender, recipient, note, screen_name } = answer;
        // Who invited is remembered for clients that cannot say it.
        let alice: crate::imps::UserId = "wv:alice@alpha.example".parse().unwrap();
        let inviter = recipient.or(Some(crate::imps::primitive::Party::User(alice.into())));
        let response = InviteResponse { id, acceptance, responder: sender, inviter, note, screen_name };
        assert_eq!(to_ssp(&response.into()), crossing);
    }
    let shown = |rest: &str| {
        format!(
            "<Invite-Response><InviteID>i1</InviteID><Acceptance>T</Acceptance><Sender>{BOB_CSP}</Sender>{rest}
             </Invite-Response>"
        )
    };
    for version in [V1_1, V1_2] {
        arrives(version, &shown("<ResponseNote>Gladly</ResponseNote>"), &crossing);
    }
    let rest = format!("<Recipient>{ALICE_CSP}</Recipient><InviteNote>Gladly</InviteNote>{NAME_CSP}");
    arrives(V1_3, &shown(&rest), &crossing);
}

#[test]
fn cancel_invite_request() {
    let csp = |version, early: &str, late: bool| {
        let (sender, more) = if late {
            (
                format!("<Sender>{ALICE_CSP}</Sender>"),
                format!("<ApplicationID>chess</ApplicationID>{GROUP_CSP}{}", names(version)),
            )
        } else {
            (String::new(), String::new())
        };
        format!(
            "<{early}><InviteID>i1</InviteID>{sender}<Recipient>{BOB_CSP}</Recipient>{more}
             <InviteNote>Another time</InviteNote>{URLS_CSP}{NAME_CSP}</{early}>"
        )
    };
    let ssp = |sender: &str, more: &str| {
        format!(
            "<CancelInviteRequest inviteID=\"i1\">{sender}<Canceled>{BOB_SSP}</Canceled>{more}{URLS_SSP}
             <CancelNote>Another time</CancelNote>{NAME_SSP}</CancelInviteRequest>"
        )
    };
    let more = format!("{GROUP_SSP}<ApplicationID applicationID=\"chess\"/>{NAMES_SSP}");
    let whole = ssp(&format!("<Canceling>{ALICE_SSP}</Canceling>"), &more);
    both(V1_3, &csp(V1_3, "CancelInvite-Request", true), &whole);
    for version in [V1_1, V1_2] {
        both(version, &csp(version, "CancelInvite-Request", false), &ssp("", ""));
        arrives(version, &csp(version, "CancelInvite-Request", false), &whole);
    }
    let Primitive::CancelInviteRequest(request) = from_ssp(&whole) else { panic!() };
    let bob: Recipient = request.recipients[0].clone();
    let told = to_csp(V1_2, &Box::new(request.for_invitee(bob)).into());
    assert_eq!(
        told,
        format!(
            "<CancelInviteUser-Request><InviteID>i1</InviteID><Sender><Group>{NAME_CSP}</Group></Sender>\
             <InviteNote>Another time</InviteNote>{URLS_CSP}</CancelInviteUser-Request>"
        )
    );
}

#[test]
fn search_request() {
    let pairs = [("USER_LAST_NAME", "Berg"), ("USER_ONLINE_STATUS", "T")];
    let early = |(element, string): (&str, &str)| {
        format!(
            "<SearchPairList><SearchElement>{element}</SearchElement><SearchString>{string}</SearchString></SearchPairList>"
        )
    };
    let late = |(element, string): (&str, &str)| {
        format!(
            "<SearchPair><SearchElement>{element}</SearchElement><SearchString>{string}</SearchString></SearchPair>"
        )
    };
    let crossing = |(element, string): (&str, &str)| {
        format!("<SearchPair searchElement=\"{element}\" searchString=\"{string}\"/>")
    };
    let ssp = format!("<SearchRequest searchLimit=\"2\">{}</SearchRequest>", pairs.map(crossing).concat());
    for version in [V1_1, V1_2] {
        let csp = format!(
            "<Search-Request>{}<SearchLimit>2</SearchLimit></Search-Request>",
            pairs.map(early).concat()
        );
        both(version, &csp, &ssp);
    }
    let csp = |criteria: &str| {
        format!(
            "<Search-Request><SearchPairList>{}</SearchPairList>{criteria}<SearchLimit>2</SearchLimit></Search-Request>",
            pairs.map(late).concat()
        )
    };
    both(V1_3, &csp(""), &ssp);
    // An expression has no place in SSP: one becomes several searches before.
    becomes(V1_3, &csp("<AdvancedCriteria>1 OR 2</AdvancedCriteria>"), &ssp);
    for version in Version::ALL {
        both(
            version,
            "<Search-Request><SearchLimit>2</SearchLimit><SearchID>4711</SearchID><SearchIndex>3</SearchIndex></Search-Request>",
            "<SearchRequest searchID=\"4711\" searchIndex=\"3\" searchLimit=\"2\"/>",
        );
        both(
            version,
            "<StopSearch-Request><SearchID>0x1F</SearchID></StopSearch-Request>",
            "<StopSearchRequest searchID=\"0x1F\"/>",
        );
    }
}

#[test]
fn search_response() {
    for version in Version::ALL {
        both(
            version,
            &format!(
                "<Search-Response><SearchID>4711</SearchID><SearchFindings>23</SearchFindings><CompletionFlag>F</CompletionFlag>
                 <SearchIndex>1</SearchIndex><SearchResult><UserList>{BOB_CSP}</UserList></SearchResult></Search-Response>"
            ),
            "<SearchResponse searchID=\"4711\" searchIndex=\"1\" searchFindings=\"23\" completion=\"No\"><Status code=\"200\"/>
             <SearchResult><UserID userID=\"wv:bob@beta.example\"/></SearchResult></SearchResponse>",
        );
        both(
            version,
            &format!(
                "<Search-Response><SearchFindings>1</SearchFindings><CompletionFlag>T</CompletionFlag>
                 <SearchResult><GroupList>{GROUP_CSP}</GroupList></SearchResult></Search-Response>"
            ),
            &format!(
                "<SearchResponse searchFindings=\"1\" completion=\"Yes\"><Status code=\"200\"/>
                 <SearchResult>{GROUP_SSP}</SearchResult></SearchResponse>"
            ),
        );
    }
}

#[test]
fn verify_id_request() {
    for version in [V1_2, V1_3] {
        both(
            version,
            &format!(
                "<VerifyID-Request><IDList><UserID>wv:bob@beta.example</UserID><ContactList>wv:bob/pals@beta.example</ContactList>
                 {GROUP_CSP}{NAME_CSP}<Domain>beta.example</Domain></IDList></VerifyID-Request>"
            ),
            &format!(
                "<VerifyIDRequest><UserID userID=\"wv:bob@beta.example\"/>
                 <ContactListID contactListID=\"wv:bob/pals@beta.example\"/>{GROUP_SSP}{NAME_SSP}
                 <Domain>beta.example</Domain></VerifyIDRequest>"
            ),
        );
    }
}

#[test]
fn system_messages() {
    let options = "<AnswerOptions><AnswerOption><AnswerOptionID>1</AnswerOptionID><AnswerOptionText>Accept</AnswerOptionText>
                   </AnswerOption></AnswerOptions>";
    let csp = |verification: &str| {
        format!(
            "<SystemMessage-Request><SystemMessageList><SystemMessage><SystemMessageID>sm</SystemMessageID>
             <RequiresResponse>T</RequiresResponse><SystemMessageText>New terms</SystemMessageText>{options}{verification}
             </SystemMessage></SystemMessageList></SystemMessage-Request>"
        )
    };
    let ssp = |to: &str| {
        format!(
            "<SystemMessageRequest>{to}<SystemMessage systemMessageID=\"sm\" requiresResponse=\"Yes\">
             <SystemMessageText>New terms</SystemMessageText><AnswerOption answerOptionID=\"1\">Accept</AnswerOption>
             </SystemMessage></SystemMessageRequest>"
        )
    };
    both(V1_3, &csp(""), &ssp(""));
    arrives(V1_3, &csp(""), &ssp(BOB_SSP));
    becomes(V1_3, &csp("<VerificationMechanism><InText>xyz</InText></VerificationMechanism>"), &ssp(""));
    both(
        V1_3,
        "<SystemMessage-User><SystemMessageResponseList><SystemMessageResponse><SystemMessageID>sm</SystemMessageID>
         <ChosenOptionID>1</ChosenOptionID><VerificationKey>xyz</VerificationKey></SystemMessageResponse>
         </SystemMessageResponseList></SystemMessage-User>",
        "<SystemMessageUser><SystemMessageResponse systemMessageID=\"sm\" chosenOptionID=\"1\" verificationKey=\"xyz\"/>
         </SystemMessageUser>",
    );
}

#[test]
fn public_profiles() {
    let property = "<Property><Name>PP_CITY</Name><Value>Lund</Value></Property>";
    both(
        V1_3,
        "<GetPublicProfile-Request><UserID>wv:bob@beta.example</UserID></GetPublicProfile-Request>",
        "<GetPublicProfileRequest><UserID userID=\"wv:bob@beta.example\"/></GetPublicProfileRequest>",
    );
    both(
        V1_3,
        &format!(
            "<GetPublicProfile-Response><Result><Code>200</Code></Result><PublicProfile><UserID>wv:bob@beta.example</UserID>
             {property}</PublicProfile></GetPublicProfile-Response>"
        ),
        &format!(
            "<GetPublicProfileResponse><Status code=\"200\"/><PublicProfile userID=\"wv:bob@beta.example\">{property}
             </PublicProfile></GetPublicProfileResponse>"
        ),
    );
    both(
        V1_3,
        &format!(
            "<UpdatePublicProfile-Request><ClearPublicProfile>T</ClearPublicProfile><PublicProfile>
             <UserID>wv:bob@beta.example</UserID>{property}</PublicProfile></UpdatePublicProfile-Request>"
        ),
        &format!(
            "<UpdatePublicProfileRequest clear=\"Yes\"><PublicProfile userID=\"wv:bob@beta.example\">{property}
             </PublicProfile></UpdatePublicProfileRequest>"
        ),
    );
}

#[test]
fn which_provider_this_is() {
    let csp = "<GetSPInfo-Response><Name>Beta</Name><Description>A provider</Description><URL>https://beta.example/</URL>
               </GetSPInfo-Response>";
    let ssp =
        "<GetSPInfoResponse><Status code=\"200\"/><Name>Beta</Name><Description>A provider</Description>
               <URL>https://beta.example/</URL></GetSPInfoResponse>";
    for version in Version::ALL {
        both(version, csp, ssp);
        both(version, "<GetSPInfo-Request/>", "<GetSPInfoRequest/>");
    }
}

#[test]
fn services_are_offered_wanted_and_granted_as_trees() {
    let tree = "<Functions><WVSSPFeat><FundamentalFeat><Feature name=\"SRCH\"/></FundamentalFeat><IMFeat/></WVSSPFeat></Functions>";
    for text in [
        "<GetServiceRequest/>".to_owned(),
        format!("<GetServiceResponse><Status code=\"200\"/>{tree}</GetServiceResponse>"),
        format!("<ServiceRequest>{tree}</ServiceRequest>"),
        format!("<ServiceResponse><Status code=\"200\"/>{tree}</ServiceResponse>"),
        format!("<ServiceIndication>{tree}</ServiceIndication>"),
    ] {
        assert_eq!(to_ssp(&from_ssp(&text)), text);
    }
}
