//! Presence (reference ssp-primitives §2, and its rows of §6): a test for every table, a line for every row.

use super::{arrives, becomes, both};
use crate::imps::Version;
use crate::imps::Version::{V1_1, V1_2, V1_3};

const BO: &str = "wv:bo@beta.example";
const CY: &str = "wv:cy@beta.example";
const FRIENDS: &str = "<ContactList>wv:ada/friends@alpha.example</ContactList>";

/// A PresenceSubList of a version with this in it.
fn listed(version: Version, attributes: &str) -> String {
    let namespace = match version {
        V1_1 => "http://www.wireless-village.org/PA1.1",
        V1_2 => "http://www.openmobilealliance.org/DTD/WV-PA1.2",
        V1_3 => "http://www.openmobilealliance.org/DTD/IMPS-PA1.3",
    };
    format!("<PresenceSubList xmlns=\"{namespace}\">{attributes}</PresenceSubList>")
}

/// Names of attributes, as they are asked for.
fn names(version: Version) -> String {
    listed(version, "<OnlineStatus/><StatusText/>")
}

/// Values of the same.
fn values(version: Version) -> String {
    listed(
        version,
        "<OnlineStatus><Qualifier>T</Qualifier><PresenceValue>T</PresenceValue></OnlineStatus>
         <StatusText><Qualifier>T</Qualifier><PresenceValue>at sea</PresenceValue></StatusText>",
    )
}

/// Users as a client names them.
fn users(version: Version, users: &[&str]) -> String {
    let each = |text: &str| users.iter().map(|user| text.replace('?', user)).collect::<String>();
    if version == V1_3 {
        format!("<UserIDList>{}</UserIDList>", each("<UserID>?</UserID>"))
    } else {
        each("<User><UserID>?</UserID></User>")
    }
}

/// A contact list as a client names it.
fn contact_list(version: Version) -> String {
    if version == V1_3 {
        format!("<ContactListIDList>{FRIENDS}</ContactListIDList>")
    } else {
        FRIENDS.to_owned()
    }
}

/// Users, contact lists and the default list, as an attribute list of a client names them.
fn whose(version: Version) -> String {
    let user = format!("<UserID>{BO}</UserID>");
    let user = if version == V1_3 { format!("<UserIDList>{user}</UserIDList>") } else { user };
    format!("{user}{}<DefaultList>F</DefaultList>", contact_list(version))
}

#[test]
fn subscribe_request() {
    for version in Version::ALL {
        both(
            version,
            &format!(
                "<SubscribePresence-Request>{}{}</SubscribePresence-Request>",
                users(version, &[BO, CY]),
                names(version)
            ),
            &format!(
                "<SubscribeRequest><UserID userID=\"{BO}\"/><UserID userID=\"{CY}\"/>
                 <AttributeList>{}</AttributeList></SubscribeRequest>",
                names(V1_3)
            ),
        );
        // No list means all; what the watcher's home does by itself never crosses.
        let one = users(version, &[BO]);
        let all = format!("<SubscribeRequest><UserID userID=\"{BO}\"/></SubscribeRequest>");
        both(version, &format!("<SubscribePresence-Request>{one}</SubscribePresence-Request>"), &all);
        let lists = contact_list(version);
        let auto = if version == V1_1 { "" } else { "<AutoSubscribe>T</AutoSubscribe>" };
        let own = format!("<SubscribePresence-Request>{one}{lists}{auto}</SubscribePresence-Request>");
        becomes(version, &own, &all);
    }
}

#[test]
fn unsubscribe_request() {
    for version in Version::ALL {
        both(
            version,
            &format!(
                "<UnsubscribePresence-Request>{}</UnsubscribePresence-Request>",
                users(version, &[BO, CY])
            ),
            &format!(
                "<UnsubscribeRequest><UserID userID=\"{BO}\"/><UserID userID=\"{CY}\"/></UnsubscribeRequest>"
            ),
        );
    }
}

#[test]
fn presence_notification() {
    for version in Version::ALL {
        let csp = format!(
            "<PresenceNotification-Request><Presence><UserID>{BO}</UserID>{}</Presence></PresenceNotification-Request>",
            values(version)
        );
        // The watchers are those whom it is handed to; the names of a version are put into its own namespace.
        arrives(
            version,
            &csp,
            &format!(
                "<PresenceNotification><User userID=\"wv:ada@alpha.example\"><ClientID url=\"phone\"/></User>
                 <PresenceValue userID=\"{BO}\">{}</PresenceValue></PresenceNotification>",
                values(V1_3)
            ),
        );
        becomes(
            version,
            &csp,
            &format!(
                "<PresenceNotification><PresenceValue userID=\"{BO}\">{}</PresenceValue></PresenceNotification>",
                values(V1_3)
            ),
        );
    }
}

#[test]
fn get_presence() {
    for version in Version::ALL {
        let csp =
            format!("<GetPresence-Request>{}{}</GetPresence-Request>", users(version, &[BO]), names(version));
        let ssp = |element: &str| {
            format!(
                "<GetPresenceRequest><{element} userID=\"{BO}\"/><AttributeList>{}</AttributeList></GetPresenceRequest>",
                names(V1_3)
            )
        };
        both(version, &csp, &ssp("VerUserID"));
        arrives(version, &csp, &ssp("UserID"));
        // Who may not be seen is left out and named.
        let answer = |status: &str| {
            format!(
                "<GetPresenceResponse>{status}<PresenceValue userID=\"{BO}\">{}</PresenceValue></GetPresenceResponse>",
                values(V1_3)
            )
        };
        let told = |result: &str| {
            format!(
                "<GetPresence-Response><Result>{result}</Result><Presence><UserID>{BO}</UserID>{}</Presence></GetPresence-Response>",
                values(version)
            )
        };
        both(
            version,
            &told(&format!(
                "<Code>201</Code><DetailedResult><Code>534</Code><UserID>{CY}</UserID></DetailedResult>"
            )),
            &answer(&format!(
                "<Status code=\"201\"><DetailedResult code=\"534\"><UserID userID=\"{CY}\"/></DetailedResult></Status>"
            )),
        );
        // Conflict C-07.
        arrives(version, &told("<Code>200</Code>"), &answer(""));
    }
}

#[test]
fn watcher_lists() {
    let ssp = "<GetWatcherListRequest historyPeriod=\"3600\" maxWatcherList=\"10\"/>";
    let csp = "<GetWatcherList-Request><HistoryPeriod>3600</HistoryPeriod><MaxWatcherList>10</MaxWatcherList>
               </GetWatcherList-Request>";
    both(V1_2, csp, ssp);
    both(V1_3, csp, ssp);
    both(V1_1, "<GetWatcherList-Request/>", "<GetWatcherListRequest/>");
    let answer = format!(
        "<GetWatcherListResponse watcherCount=\"2\" historyPeriod=\"3600\"><Status code=\"200\"/>
         <Watcher status=\"CURRENT_SUBSCRIBER\"><User userID=\"{BO}\"/></Watcher>
         <Watcher status=\"PRESENCE_ACCESS\"><User userID=\"{CY}\"/></Watcher></GetWatcherListResponse>"
    );
    arrives(
        V1_1,
        &format!("<GetWatcherList-Response>{}</GetWatcherList-Response>", users(V1_1, &[BO, CY])),
        &answer,
    );
    let watcher = |user: &str, status: &str| {
        format!("<Watcher>{user}<WatcherStatus>{status}</WatcherStatus></Watcher>")
    };
    for (version, count) in [(V1_2, ""), (V1_3, "<WatcherCount>2</WatcherCount>")] {
        let each = |user: &str, status| {
            let id = format!("<UserID>{user}</UserID>");
            watcher(&if version == V1_3 { id } else { format!("<User>{id}</User>") }, status)
        };
        let csp = format!(
            "<GetWatcherList-Response><HistoryPeriod>3600</HistoryPeriod>{count}{}{}</GetWatcherList-Response>",
            each(BO, "CURRENT_SUBSCRIBER"),
            each(CY, "PRESENCE_ACCESS")
        );
        arrives(version, &csp, &answer);
        let counted =
            if version == V1_3 { answer.clone() } else { answer.replace(" watcherCount=\"2\"", "") };
        becomes(version, &csp, &counted);
    }
}

#[test]
fn what_a_user_publishes_at_an_element_elsewhere() {
    for version in Version::ALL {
        both(
            version,
            &format!("<UpdatePresence-Request>{}</UpdatePresence-Request>", values(version)),
            &format!("<UpdatePresenceRequest>{}</UpdatePresenceRequest>", values(V1_3)),
        );
    }
}

#[test]
fn attribute_lists_kept_elsewhere() {
    for version in Version::ALL {
        let who = whose(version);
        both(
            version,
            &format!("<CreateAttributeList-Request>{}{who}</CreateAttributeList-Request>", names(version)),
            &format!(
                "<CreateAttributeListRequest>{}{}</CreateAttributeListRequest>",
                names(V1_3),
                whose(V1_3)
            ),
        );
        both(
            version,
            &format!("<DeleteAttributeList-Request>{who}</DeleteAttributeList-Request>"),
            &format!("<DeleteAttributeListRequest>{}</DeleteAttributeListRequest>", whose(V1_3)),
        );
        both(
            version,
            "<GetAttributeList-Request><DefaultList>T</DefaultList></GetAttributeList-Request>",
            "<GetAttributeListRequest><DefaultList>T</DefaultList></GetAttributeListRequest>",
        );
        let some = |version| {
            let lists = contact_list(version);
            format!("<DefaultList>F</DefaultList>{lists}{}", users(version, &[BO]))
        };
        both(
            version,
            &format!("<GetAttributeList-Request>{}</GetAttributeList-Request>", some(version)),
            &format!("<GetAttributeListRequest>{}</GetAttributeListRequest>", some(V1_3)),
        );
        let lists = |version| {
            format!(
                "<DefaultAttributeList>{names}</DefaultAttributeList><Presence><UserID>{BO}</UserID>{names}</Presence>",
                names = names(version)
            )
        };
        both(
            version,
            &format!(
                "<GetAttributeList-Response><Result><Code>200</Code></Result>{}</GetAttributeList-Response>",
                lists(version)
            ),
            &format!(
                "<GetAttributeListResponse><Status code=\"200\"/>{}</GetAttributeListResponse>",
                lists(V1_3)
            ),
        );
    }
}

#[test]
fn a_user_is_asked_by_an_element_elsewhere() {
    for version in Version::ALL {
        both(
            version,
            &format!("<PresenceAuth-Request><UserID>{BO}</UserID>{}</PresenceAuth-Request>", names(version)),
            &format!("<PresenceAuthRequest><UserID>{BO}</UserID>{}</PresenceAuthRequest>", names(V1_3)),
        );
    }
    let answer = format!("<UserID>{BO}</UserID><Acceptance>T</Acceptance>");
    both(
        V1_1,
        &format!("<PresenceAuth-User>{answer}</PresenceAuth-User>"),
        &format!("<PresenceAuthUser>{answer}</PresenceAuthUser>"),
    );
    for version in [V1_2, V1_3] {
        both(
            version,
            &format!("<PresenceAuth-User>{answer}{}</PresenceAuth-User>", names(version)),
            &format!("<PresenceAuthUser>{answer}{}</PresenceAuthUser>", names(V1_3)),
        );
    }
}
