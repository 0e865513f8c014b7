//! Groups (reference ssp-primitives §4): a test for every table, a line for every row.

use super::{arrives, becomes, both, from_csp, from_ssp, to_csp, to_ssp};
use crate::imps::Version::{V1_1, V1_2, V1_3};
use crate::imps::primitive::NoticeWish;
use crate::imps::{Primitive, Version};

const NAME_CSP: &str =
    "<ScreenName><SName>Skipper</SName><GroupID>wv:/sailing@beta.example</GroupID></ScreenName>";
const NAME_SSP: &str = "<ScreenName groupID=\"wv:/sailing@beta.example\">Skipper</ScreenName>";
const ID: &str = "<GroupID>wv:/sailing@beta.example</GroupID>";
const AT: &str = "groupID=\"wv:/sailing@beta.example\"";

/// Completes an answer with the group of its request, as the one who asked does.
fn answered(ssp: &str) -> Primitive {
    let mut primitive = from_ssp(ssp);
    let group = "wv:/sailing@beta.example".parse().ok();
    match &mut primitive {
        Primitive::JoinGroupResponse(answer) => answer.group = group,
        Primitive::GetJoinedUsersResponse(answer) => answer.group = group,
        other => panic!("{other:?}"),
    }
    primitive
}

#[test]
fn create_group() {
    let property = "<Property><Name>Topic</Name><Value>Boats</Value></Property>";
    let csp = |own: &str| {
        format!(
            "<CreateGroup-Request>{ID}<GroupProperties>{property}<WelcomeNote><ContentType>text/plain</ContentType>
             <ContentData>Ahoy</ContentData></WelcomeNote></GroupProperties>{own}<JoinGroup>T</JoinGroup>{NAME_CSP}
             <SubscribeNotification>F</SubscribeNotification></CreateGroup-Request>"
        )
    };
    let ssp = |own: &str| {
        format!(
            "<CreateGroupRequest {AT} joinGroup=\"Yes\" subscribeNotif=\"No\">{NAME_SSP}<GroupProperties>{property}
             <WelcomeNote><ContentData contentType=\"text/plain\">Ahoy</ContentData></WelcomeNote></GroupProperties>
             {own}</CreateGroupRequest>"
        )
    };
    let own = "<OwnProperties><Property><Name>ShowID</Name><Value>T</Value></Property></OwnProperties>";
    both(V1_3, &csp(own), &ssp(own));
    for version in [V1_1, V1_2] {
        both(version, &csp(""), &ssp(""));
        arrives(version, &csp(""), &ssp(own));
    }
}

#[test]
fn the_access_type_is_spelt_as_each_version_wants() {
    let csp = |name: &str| {
        format!(
            "<SetGroupProps-Request>{ID}<GroupProperties><Property><Name>{name}</Name><Value>Open</Value>
             </Property></GroupProperties></SetGroupProps-Request>"
        )
    };
    let ssp = format!(
        "<SetGroupPropsRequest {AT}><GroupProperties><Property><Name>AccessType</Name><Value>Open</Value>
         </Property></GroupProperties></SetGroupPropsRequest>"
    );
    both(V1_1, &csp("Accesstype"), &ssp);
    both(V1_2, &csp("Accesstype"), &ssp);
    both(V1_3, &csp("AccessType"), &ssp);
    becomes(V1_3, &csp("Accesstype"), &ssp);
}

#[test]
fn requests_that_name_a_group_and_nothing_else() {
    for (csp, ssp) in [
        ("DeleteGroup-Request", "DeleteGroupRequest"),
        ("GetGroupProps-Request", "GetGroupPropsRequest"),
        ("LeaveGroup-Request", "LeaveGroupRequest"),
        ("GetGroupMembers-Request", "GetGroupMemberRequest"),
        ("GetJoinedUsers-Request", "GetJoinedUsersRequest"),
    ] {
        for version in Version::ALL {
            both(version, &format!("<{csp}>{ID}</{csp}>"), &format!("<{ssp} {AT}/>"));
        }
    }
}

#[test]
fn get_and_set_group_props() {
    let parts =
        "<GroupProperties><Property><Name>Name</Name><Value>Sailing</Value></Property></GroupProperties>
                 <OwnProperties><Property><Name>AutoJoin</Name><Value>T</Value></Property></OwnProperties>";
    for version in Version::ALL {
        both(
            version,
            &format!("<GetGroupProps-Response>{parts}</GetGroupProps-Response>"),
            &format!("<GetGroupPropsResponse><Status code=\"200\"/>{parts}</GetGroupPropsResponse>"),
        );
        both(
            version,
            &format!("<SetGroupProps-Request>{ID}{parts}</SetGroupProps-Request>"),
            &format!("<SetGroupPropsRequest {AT}>{parts}</SetGroupPropsRequest>"),
        );
    }
}

#[test]
fn join_group() {
    let own = "<OwnProperties><Property><Name>ShowID</Name><Value>T</Value></Property></OwnProperties>";
    let csp = |own: &str| {
        format!(
            "<JoinGroup-Request>{ID}{NAME_CSP}<JoinedRequest>T</JoinedRequest>
             <SubscribeNotification>F</SubscribeNotification>{own}</JoinGroup-Request>"
        )
    };
    let ssp = |own: &str| {
        format!(
            "<JoinGroupRequest {AT} joinedListRequest=\"Yes\" subscribeNotif=\"No\">{NAME_SSP}{own}</JoinGroupRequest>"
        )
    };
    both(V1_1, &csp(""), &ssp(""));
    arrives(V1_1, &csp(""), &ssp(own));
    both(V1_2, &csp(own), &ssp(own));
    both(V1_3, &csp(own), &ssp(own));
    // Without a name the group's home picks one.
    let bare = format!("<JoinGroup-Request>{ID}</JoinGroup-Request>");
    becomes(V1_1, &bare, &format!("<JoinGroupRequest {AT} joinedListRequest=\"No\" subscribeNotif=\"No\"/>"));
}

#[test]
fn the_answer_to_a_join() {
    let ssp = "<JoinGroupResponse><Status code=\"200\"/><JoinedList><Name>Skipper</Name><Name>Cook</Name></JoinedList>
               <WelcomeNote><ContentData contentType=\"text/plain\">Ahoy</ContentData></WelcomeNote></JoinGroupResponse>";
    let note =
        "<WelcomeNote><ContentType>text/plain</ContentType><ContentData>Ahoy</ContentData></WelcomeNote>";
    let maps = "<UserMapList><UserMapping><Mapping><SName>Skipper</SName></Mapping>
                <Mapping><SName>Cook</SName></Mapping></UserMapping></UserMapList>";
    let forms = [
        (V1_1, format!("<UserList>{NAME_CSP}{}</UserList>", NAME_CSP.replace("Skipper", "Cook"))),
        (V1_2, maps.to_owned()),
        (V1_3, format!("<Joined>{maps}</Joined>")),
    ];
    for (version, joined) in forms {
        let csp = super::dense(&format!("<JoinGroup-Response>{joined}{note}</JoinGroup-Response>"));
        assert_eq!(to_csp(version, &answered(ssp)), csp, "{version}");
        assert_eq!(to_ssp(&from_csp(version, &csp)), super::dense(ssp), "{version}");
    }
    // Addresses stay at the group's home; the form of 1.3 also names the asker.
    let csp = format!("<JoinGroup-Response><Joined><UserMapList><UserMapping><Mapping><SName>Cook</SName>
        <UserID>wv:cook@alpha.example</UserID></Mapping></UserMapping></UserMapList></Joined>{NAME_CSP}</JoinGroup-Response>");
    becomes(
        V1_3,
        &csp,
        "<JoinGroupResponse><Status code=\"200\"/><JoinedList><Name>Cook</Name></JoinedList></JoinGroupResponse>",
    );
    assert_eq!(to_csp(V1_3, &from_csp(V1_3, &csp)), super::dense(&csp));
}

#[test]
fn leaving_a_group() {
    let csp =
        |result: &str| format!("<LeaveGroup-Response>{ID}<Result>{result}</Result></LeaveGroup-Response>");
    for version in Version::ALL {
        both(
            version,
            &csp("<Code>200</Code>"),
            &format!("<LeaveGroupIndication {AT}><Status code=\"200\"/></LeaveGroupIndication>"),
        );
        arrives(
            version,
            &csp("<Code>809</Code><Description>Rejected: by the captain</Description>"),
            &format!(
                "<LeaveGroupIndication {AT}><User userID=\"wv:dave@alpha.example\"/><Status code=\"809\">
                 <StatusDescription>Rejected</StatusDescription></Status><ReasonText>by the captain</ReasonText>
                 </LeaveGroupIndication>"
            ),
        );
        // Conflict C-29: the reason may be there and empty.
        arrives(
            version,
            &csp("<Code>200</Code>"),
            &format!("<LeaveGroupIndication {AT}><Status code=\"200\"/><ReasonText/></LeaveGroupIndication>"),
        );
    }
}

const MEMBERS_SSP: &str = "<Admins><UserID userID=\"wv:ada@beta.example\"/></Admins>
    <Moderators><UserID userID=\"wv:bo@beta.example\"/></Moderators>
    <OrdinaryUsers><UserID userID=\"wv:cy@alpha.example\"/><UserID userID=\"wv:di@alpha.example\"/></OrdinaryUsers>";

fn members_csp(version: Version) -> String {
    let list = |names: &[&str]| {
        let users: Vec<String> =
            names.iter().map(|name| format!("<User><UserID>wv:{name}.example</UserID></User>")).collect();
        format!("<UserList>{}</UserList>", users.concat())
    };
    let users = list(&["cy@alpha", "di@alpha"]);
    let users = if version == V1_3 { users } else { format!("<Users>{users}</Users>") };
    format!("<Admin>{}</Admin><Mod>{}</Mod>{users}", list(&["ada@beta"]), list(&["bo@beta"]))
}

#[test]
fn members_by_rank() {
    for version in Version::ALL {
        let members = members_csp(version);
        both(
            version,
            &format!("<GetGroupMembers-Response>{members}</GetGroupMembers-Response>"),
            &format!("<GetGroupMemberResponse><Status code=\"200\"/>{MEMBERS_SSP}</GetGroupMemberResponse>"),
        );
        both(
            version,
            &format!("<MemberAccess-Request>{ID}{members}</MemberAccess-Request>"),
            &format!("<MemberAccessRequest {AT}>{MEMBERS_SSP}</MemberAccessRequest>"),
        );
        for other in Version::ALL {
            becomes(
                version,
                &format!("<MemberAccess-Request>{ID}{}</MemberAccess-Request>", members_csp(other)),
                &format!("<MemberAccessRequest {AT}>{MEMBERS_SSP}</MemberAccessRequest>"),
            );
        }
    }
}

#[test]
fn adding_and_removing_members() {
    let ids = "<UserID userID=\"wv:cy@alpha.example\"/><UserID userID=\"wv:di@alpha.example\"/>";
    let old = "<UserList><User><UserID>wv:cy@alpha.example</UserID></User>
               <User><UserID>wv:di@alpha.example</UserID></User></UserList>";
    let new =
        "<UserIDList><UserID>wv:cy@alpha.example</UserID><UserID>wv:di@alpha.example</UserID></UserIDList>";
    for (csp, ssp) in [
        ("AddGroupMembers-Request", "AddGroupMemberRequest"),
        ("RemoveGroupMembers-Request", "RemoveGroupMemberRequest"),
    ] {
        let ssp = format!("<{ssp} {AT}>{ids}</{ssp}>");
        let with = |users: &str| format!("<{csp}>{ID}{users}</{csp}>");
        both(V1_1, &with(old), &ssp);
        both(V1_2, &with(old), &ssp);
        both(V1_3, &with(new), &ssp);
        becomes(V1_3, &with(old), &ssp);
        becomes(V1_1, &with(new), &ssp);
    }
}

#[test]
fn joined_users() {
    let mapping = |name: &str, csp: &str, ssp: &str| {
        (
            format!("<Mapping><SName>{name}</SName>{csp}</Mapping>"),
            format!("<Mapping><SName>{name}</SName>{ssp}</Mapping>"),
        )
    };
    let (ada, ada_ssp) =
        mapping("Ada", "<UserID>wv:ada@beta.example</UserID>", "<UserID userID=\"wv:ada@beta.example\"/>");
    let (bo, bo_ssp) = mapping("Bo", "", "");
    let (cy, cy_ssp) = mapping("Cy", "", "");
    let list = |name: &str, inner: &str| {
        format!("<{name}><UserMapList><UserMapping>{inner}</UserMapping></UserMapList></{name}>")
    };
    let ssp = |inner: &str| {
        format!("<GetJoinedUsersResponse><Status code=\"200\"/>{inner}</GetJoinedUsersResponse>")
    };
    let ranked =
        ssp(&[list("JoinedAdmin", &ada_ssp), list("JoinedMod", &bo_ssp), list("JoinedUsers", &cy_ssp)]
            .concat());
    let csp_ranked = format!(
        "<GetJoinedUsers-Response><AdminMapList><AdminMapping>{ada}</AdminMapping><ModMapping>{bo}</ModMapping>
         <UserMapping>{cy}</UserMapping></AdminMapList></GetJoinedUsers-Response>"
    );
    let flat = ssp(&list("JoinedUsers", &[&*ada_ssp, &bo_ssp].concat()));
    let csp_flat = format!(
        "<GetJoinedUsers-Response><UserMapList><UserMapping>{ada}{bo}</UserMapping></UserMapList>
         </GetJoinedUsers-Response>"
    );
    for version in [V1_2, V1_3] {
        both(version, &csp_ranked, &ranked);
        both(version, &csp_flat, &flat);
        // Conflict C-11: the one known implementation's spelling of the list and of the attribute.
        arrives(
            version,
            &csp_flat,
            &flat.replace("JoinedUsers>", "JoinedUser>").replace("userID=", "userid="),
        );
    }
    // Who is in and blocked is shown from 1.3 on.
    let blocked = ssp(&[list("JoinedUsers", &bo_ssp), list("JoinedBlocked", &cy_ssp)].concat());
    let names = NAME_CSP.replace("Skipper", "Cy");
    let csp = |blocked: &str| {
        super::dense(&format!(
            "<GetJoinedUsers-Response><UserMapList><UserMapping>{bo}</UserMapping></UserMapList>{blocked}
             </GetJoinedUsers-Response>"
        ))
    };
    let with = csp(&format!("<JoinedBlocked><UserList>{names}</UserList></JoinedBlocked>"));
    assert_eq!(to_csp(V1_3, &answered(&blocked)), with);
    assert_eq!(to_csp(V1_2, &answered(&blocked)), csp(""));
    becomes(V1_3, &with, &blocked);
}

#[test]
fn the_reject_list() {
    let user = |name: &str| format!("<UserID>wv:{name}@alpha.example</UserID>");
    let id = |name: &str| format!("<UserID userID=\"wv:{name}@alpha.example\"/>");
    for version in Version::ALL {
        both(
            version,
            &format!(
                "<RejectList-Request>{ID}<AddList>{}{}</AddList><RemoveList>{}</RemoveList></RejectList-Request>",
                user("eve"),
                user("mal"),
                user("cy")
            ),
            &format!(
                "<RejectListRequest {AT}><AddUsers>{}{}</AddUsers><RemoveUsers>{}</RemoveUsers></RejectListRequest>",
                id("eve"),
                id("mal"),
                id("cy")
            ),
        );
        both(
            version,
            &format!(
                "<RejectList-Response><UserList><User>{}</User></UserList></RejectList-Response>",
                user("eve")
            ),
            &format!(
                "<RejectListResponse><Status code=\"200\"/><RejectList>{}</RejectList></RejectListResponse>",
                id("eve")
            ),
        );
        // Names have no place in SSP: whose they are is found out before.
        becomes(
            version,
            &format!(
                "<RejectList-Request>{ID}<AddList>{}{NAME_CSP}</AddList></RejectList-Request>",
                user("eve")
            ),
            &format!("<RejectListRequest {AT}><AddUsers>{}</AddUsers></RejectListRequest>", id("eve")),
        );
    }
}

#[test]
fn the_three_wishes_of_notices() {
    for (wish, element) in [
        (NoticeWish::Set, "SubscribeGroupChangeRequest"),
        (NoticeWish::Unset, "UnsubscribeGroupChangeRequest"),
        (NoticeWish::Get, "GetGroupSubStatusRequest"),
    ] {
        let wish = wish.as_str();
        for version in Version::ALL {
            both(
                version,
                &format!(
                    "<SubscribeGroupNotice-Request>{ID}<SubscribeType>{wish}</SubscribeType>
                     </SubscribeGroupNotice-Request>"
                ),
                &format!("<{element} {AT}/>"),
            );
        }
    }
    let csp = |value: &str| {
        format!("<SubscribeGroupNotice-Response><Value>{value}</Value></SubscribeGroupNotice-Response>")
    };
    let ssp = |attributes: &str, value: &str| {
        format!(
            "<GetGroupSubStatusResponse{attributes} subscribed=\"{value}\"><Status code=\"200\"/></GetGroupSubStatusResponse>"
        )
    };
    both(V1_2, &csp("T"), &ssp("", "Yes"));
    both(V1_3, &csp("F"), &ssp("", "No"));
    arrives(V1_1, &csp("T"), &ssp(&format!(" {AT}"), "Yes"));
}

#[test]
fn a_notice_of_change() {
    let ssp = format!(
        "<GroupChangeNotice {AT}><User userID=\"wv:alice@alpha.example\"/><User userID=\"wv:dave@alpha.example\"/>
         <Joined><Name>Skipper</Name></Joined><Left><Name>Bosun</Name></Left>
         <JoinedBlocked><UserMapList><UserMapping><Mapping><SName>Mal</SName></Mapping></UserMapping></UserMapList></JoinedBlocked>
         <LeftBlocked><UserList><ScreenName {AT}>Eve</ScreenName></UserList></LeftBlocked>
         <GroupProperties><Property><Name>Topic</Name><Value>Regatta</Value></Property></GroupProperties>
         <OwnProperties><Property><Name>PrivilegeLevel</Name><Value>Mod</Value></Property></OwnProperties></GroupChangeNotice>"
    );
    let name = |name: &str| NAME_CSP.replace("Skipper", name);
    let list = |names: &[&str]| names.iter().map(|who| name(who)).collect::<String>();
    let maps =
        "<UserMapList><UserMapping><Mapping><SName>Skipper</SName></Mapping></UserMapping></UserMapList>";
    let properties =
        "<GroupProperties><Property><Name>Topic</Name><Value>Regatta</Value></Property></GroupProperties>
         <OwnProperties><Property><Name>PrivilegeLevel</Name><Value>Mod</Value></Property></OwnProperties>";
    let csp = |moves: &str| format!("<GroupChangeNotice>{ID}{moves}{properties}</GroupChangeNotice>");
    arrives(
        V1_1,
        &csp(&format!("<Joined>{}</Joined><Left>{}</Left>", name("Skipper"), list(&["Bosun", "Eve"]))),
        &ssp,
    );
    arrives(
        V1_2,
        &csp(&format!(
            "<Joined>{maps}</Joined><Left><UserList>{}</UserList></Left>",
            list(&["Bosun", "Eve"])
        )),
        &ssp,
    );
    let full = csp(&format!(
        "<Joined>{maps}</Joined><Left><UserList>{}</UserList></Left>
         <JoinedBlocked><UserList>{}</UserList></JoinedBlocked><LeftBlocked><UserList>{}</UserList></LeftBlocked>",
        name("Bosun"),
        name("Mal"),
        name("Eve")
    ));
    arrives(V1_3, &full, &ssp);
    // A notice of ours has no recipients until it is addressed.
    let users = "<User userID=\"wv:alice@alpha.example\"/><User userID=\"wv:dave@alpha.example\"/>";
    becomes(V1_3, &full, &ssp.replace(users, ""));
    // Who went and was blocked may be named by address.
    let user =
        ssp.replace(&format!("<ScreenName {AT}>Eve</ScreenName>"), "<User userID=\"wv:eve@alpha.example\"/>");
    arrives(V1_3, &full.replace(&name("Eve"), "<User><UserID>wv:eve@alpha.example</UserID></User>"), &user);
}
