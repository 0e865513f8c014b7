//! Negotiation of capabilities and of the time to live (reference csp.md §5.1, §6).
//!
//! How a client may be called is agreed in `cir`; which functions it gets, in `functions`.

use super::abilities::CONTENT_TYPES_MAX;
use crate::imps::Version;
use crate::imps::primitive::{Bearer, Capabilities, ClientType, DeliveryMethod};

/// ServerPollMin for clients that state none, seconds. Never 0: such clients poll wildly or not at all.
pub const POLL_MIN_SECONDS_DEFAULT: u32 = 30;
/// The shortest ServerPollMin granted, seconds.
pub const POLL_MIN_SECONDS_LEAST: u32 = 5;
/// The longest ServerPollMin granted, seconds: a client without CIR hears of nothing in between.
pub const POLL_MIN_SECONDS_MOST: u32 = 3600;
/// KeepAliveTime for clients that state no TimeToLive, seconds.
pub const KEEP_ALIVE_SECONDS_DEFAULT: u32 = 3600;
/// The shortest KeepAliveTime granted, seconds. A real client takes 5 or less for two hours.
pub const KEEP_ALIVE_SECONDS_LEAST: u32 = 60;
/// The longest KeepAliveTime granted, seconds.
pub const KEEP_ALIVE_SECONDS_MOST: u32 = 7200;
/// Transactions a client may have open at a time, and in one message.
pub const MULTI_TRANS_MAX: u32 = 8;
/// Sessions that one user may have; a further login ends the one that was silent longest.
pub const SESSIONS_PER_USER_MAX: u8 = 32;
/// What becomes of a message to a user who is online with several clients: each gets it that can take it.
const ONLINE_HANDLING: &str = "FORKALL";
/// And to one who is offline: it is kept.
const OFFLINE_HANDLING: &str = "SENDSTORE";
/// Transfer encodings echoed at most.
const ECHOED_MAX: usize = 16;

/// The time to live granted for a wish, seconds (reference csp.md §6).
pub fn agreed_keep_alive(wish: Option<u32>) -> u32 {
    wish.map_or(KEEP_ALIVE_SECONDS_DEFAULT, |wish| {
        wish.clamp(KEEP_ALIVE_SECONDS_LEAST, KEEP_ALIVE_SECONDS_MOST)
    })
}

/// ServerPollMin for a wish, seconds; 0 is no wish.
pub(super) fn agreed_poll_min(wish: Option<u32>) -> u32 {
    match wish {
        None | Some(0) => POLL_MIN_SECONDS_DEFAULT,
        Some(wish) => wish.clamp(POLL_MIN_SECONDS_LEAST, POLL_MIN_SECONDS_MOST),
    }
}

/// Transactions in one message towards the client: only where it states MultiTransPerMessage (1.3). MultiTrans
/// alone says how many may be open, and a real client that states it reads one of a message all the same
/// (reference csp.md §1).
pub(super) fn agreed_per_message(asked: &Capabilities) -> u32 {
    let open = asked.multi_trans.unwrap_or(1).max(1);
    asked.multi_trans_per_message.map_or(1, |count| count.clamp(1, MULTI_TRANS_MAX).min(open))
}

/// HTTP and HTTPS as asked. WSP only if the client has nothing else: then a gateway carries what
/// arrives here, and a client whose bearer is not agreed would fall silent. Never SMS.
fn agreed_bearers(asked: &[Bearer]) -> Vec<Bearer> {
    let mut agreed = Vec::new();
    for bearer in [Bearer::Http, Bearer::Https] {
        if asked.contains(&bearer) {
            agreed.push(bearer);
        }
    }
    if agreed.is_empty() {
        agreed.push(if asked.contains(&Bearer::Wsp) { Bearer::Wsp } else { Bearer::Http });
    }
    agreed
}

/// What the server will use of a client's capabilities: in 1.1 the whole list with corrections, in
/// 1.2 and 1.3 the AgreedCapabilityList. Never empty: an empty one hangs a real client's login
/// (reference client-android §3).
pub fn agreed_capabilities(asked: &Capabilities, version: Version) -> Capabilities {
    let bearers = agreed_bearers(&asked.bearers);
    let server_poll_min = Some(agreed_poll_min(asked.server_poll_min));
    let multi_trans = Some(asked.multi_trans.unwrap_or(1).clamp(1, MULTI_TRANS_MAX));
    let content_types = || asked.accepted_content_types.iter().take(CONTENT_TYPES_MAX).cloned().collect();
    let transfer_encodings = || {
        let known =
            |word: &str| ["None", "BASE64"].iter().any(|known| known.eq_ignore_ascii_case(word.trim()));
        asked.transfer_encodings.iter().filter(|word| known(word)).take(ECHOED_MAX).cloned().collect()
    };
    match version {
        Version::V1_1 => Capabilities {
            client_type: Some(asked.client_type.unwrap_or(ClientType::Other)),
            initial_delivery_method: Some(asked.initial_delivery_method.unwrap_or(DeliveryMethod::Push)),
            any_content: asked.any_content,
            accepted_charsets: super::charset::known(&asked.accepted_charsets),
            accepted_content_types: content_types(),
            transfer_encodings: transfer_encodings(),
            accepted_content_length: asked.accepted_content_length,
            bearers,
            multi_trans,
            parser_size: asked.parser_size,
            server_poll_min,
            ..Capabilities::default()
        },
        Version::V1_2 => Capabilities { bearers, server_poll_min, ..Capabilities::default() },
        Version::V1_3 => Capabilities {
            accepted_content_types: content_types(),
            any_content: asked.any_content,
            pull_length: asked.pull_length,
            push_length: asked.push_length,
            text_content_length: asked.text_content_length,
            transfer_encodings: transfer_encodings(),
            multi_trans,
            multi_trans_per_message: asked.multi_trans_per_message.map(|_| agreed_per_message(asked)),
            // The one way there is, whichever was asked for (reference csp.md §4.6).
            online_etem: asked.online_etem.as_ref().map(|_| ONLINE_HANDLING.into()),
            offline_etem: asked.offline_etem.as_ref().map(|_| OFFLINE_HANDLING.into()),
            session_priority: asked.session_priority,
            user_session_limit: Some(SESSIONS_PER_USER_MAX.into()),
            server_poll_min,
            bearers,
            ..Capabilities::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imps::primitive::CirMethod;

    /// What the phone client of reference client-android §3 states.
    fn phone() -> Capabilities {
        Capabilities {
            client_type: Some(ClientType::MobilePhone),
            accepted_content_length: Some(262_144),
            parser_size: Some(262_144),
            multi_trans: Some(1),
            initial_delivery_method: Some(DeliveryMethod::Push),
            server_poll_min: Some(30),
            bearers: vec![Bearer::Http],
            cir_methods: vec![CirMethod::Stcp, CirMethod::Ssms, CirMethod::Shttp],
            udp_port: Some(3717),
            default_language: Some("eng".into()),
            ..Capabilities::default()
        }
    }

    #[test]
    fn in_1_1_the_whole_list_comes_back_without_cir() {
        let expected =
            Capabilities { cir_methods: Vec::new(), udp_port: None, default_language: None, ..phone() };
        assert_eq!(agreed_capabilities(&phone(), Version::V1_1), expected);
    }

    #[test]
    fn from_1_2_on_only_what_is_agreed_comes_back() {
        let expected = Capabilities {
            bearers: vec![Bearer::Http],
            server_poll_min: Some(30),
            ..Capabilities::default()
        };
        assert_eq!(agreed_capabilities(&phone(), Version::V1_2), expected);
        assert_eq!(
            agreed_capabilities(&phone(), Version::V1_3),
            Capabilities { multi_trans: Some(1), user_session_limit: Some(32), ..expected }
        );
    }

    #[test]
    fn a_1_3_client_hears_how_many_sessions_it_may_have_and_what_becomes_of_messages() {
        let asked = Capabilities {
            online_etem: Some("DETECT".into()),
            offline_etem: Some("REJECT".into()),
            session_priority: Some(3),
            ..phone()
        };
        let agreed = agreed_capabilities(&asked, Version::V1_3);
        assert_eq!(
            (agreed.online_etem.as_deref(), agreed.offline_etem.as_deref()),
            (Some("FORKALL"), Some("SENDSTORE"))
        );
        assert_eq!((agreed.session_priority, agreed.user_session_limit), (Some(3), Some(32)));
        assert_eq!(agreed_capabilities(&asked, Version::V1_2).user_session_limit, None);
    }

    #[test]
    fn several_transactions_in_a_message_are_agreed_with_who_states_that_alone() {
        for (open, together, agreed) in [
            (None, None, 1),
            (Some(3), None, 1),
            (Some(3), Some(2), 2),
            (Some(2), Some(5), 2),
            (Some(99), Some(99), 8),
            (None, Some(4), 1),
        ] {
            let asked = Capabilities {
                multi_trans: open,
                multi_trans_per_message: together,
                ..Capabilities::default()
            };
            assert_eq!(agreed_per_message(&asked), agreed, "{open:?} {together:?}");
        }
    }

    #[test]
    fn an_agreed_list_is_never_empty_and_always_has_a_poll_interval() {
        for version in Version::ALL {
            let agreed = agreed_capabilities(&Capabilities::default(), version);
            assert_eq!(agreed.bearers, [Bearer::Http]);
            assert_eq!(agreed.server_poll_min, Some(30));
            assert!(agreed.cir_methods.is_empty());
        }
        for (wish, granted) in [(Some(0), 30), (Some(1), 5), (Some(12), 12), (Some(99_999), 3600), (None, 30)]
        {
            assert_eq!(agreed_poll_min(wish), granted);
        }
    }

    #[test]
    fn bearers_are_agreed_as_asked_and_sms_never() {
        use Bearer::{Http, Https, Sms, Wsp};
        for (asked, agreed) in [
            (vec![Sms, Http], vec![Http]),
            (vec![Https], vec![Https]),
            (vec![Wsp, Https, Http], vec![Http, Https]),
            (vec![Sms, Wsp], vec![Wsp]),
            (vec![Sms], vec![Http]),
        ] {
            assert_eq!(agreed_bearers(&asked), agreed);
        }
    }

    #[test]
    fn a_time_to_live_is_kept_within_its_bounds() {
        for (wish, granted) in [
            (Some(7205), 7200),
            (Some(3600), 3600),
            (Some(2), 60),
            (Some(0), 60),
            (Some(u32::MAX), 7200),
            (None, 3600),
        ] {
            assert_eq!(agreed_keep_alive(wish), granted);
        }
    }
}
