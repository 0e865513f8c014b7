//! Logins: what is asked, and what comes of it.

use super::*;
use crate::imps::primitive::{Branch, Capabilities, DeliveryMethod, Functions};
use crate::session::csp::cir::{Arrival, Served};
use crate::session::csp::digest::digest_bytes;
use crate::session::csp::testing::{Counting, at};

/// A provider with one account, `ada` with the password `s3cret-Pass`.
struct Provider {
    login: Login,
    chance: Counting,
    domains: Vec<Domain>,
    secret: Password,
    registration_open: bool,
    clear_password_allowed: bool,
    same_key: Option<SessionId>,
    named: Option<SessionKey>,
    terms: Terms,
    from: Option<&'static str>,
}

impl Provider {
    fn new() -> Self {
        Self {
            login: Login::new(ServedFunctions::default()),
            chance: Counting::default(),
            domains: vec!["north.example".parse().unwrap(), "mail.north.example".parse().unwrap()],
            secret: Password::new("s3cret-Pass"),
            registration_open: false,
            clear_password_allowed: true,
            same_key: None,
            named: None,
            terms: Terms::default(),
            from: None,
        }
    }

    fn decide(&mut self, request: &LoginRequest, version: Version, seconds: u64) -> LoginOutcome {
        let user = home_user(&request.user, &self.domains);
        let known = user.is_some_and(|user| user.key() == "wv:ada@north.example");
        let arrival = self.from.map(|from| Arrival {
            from: from.parse().unwrap(),
            to: "192.0.2.1:8080".parse().unwrap(),
            secure: false,
            direct: true,
        });
        let served = Served::default();
        let facts = AccountFacts {
            domains: &self.domains,
            password: known.then_some(&self.secret),
            terms: self.terms,
            registration_open: self.registration_open,
            clear_password_allowed: self.clear_password_allowed,
            site: Site { served: &served, arrival: arrival.as_ref() },
            same_key: self.same_key.as_ref(),
            named: self.named.as_ref(),
        };
        self.login.decide(request, version, Encoding::Wbxml, &facts, at(seconds), &mut self.chance)
    }

    /// The first step: nonce and scheme.
    fn challenges(
        &mut self,
        request: &LoginRequest,
        version: Version,
        seconds: u64,
    ) -> (String, DigestSchema) {
        match self.decide(request, version, seconds) {
            LoginOutcome::Challenge(response) => (response.nonce.unwrap().into(), response.schema.unwrap()),
            other => panic!("{other:?}"),
        }
    }

    fn opens(&mut self, request: &LoginRequest, version: Version, seconds: u64) -> Opened {
        match self.decide(request, version, seconds) {
            LoginOutcome::Opened(opened) => *opened,
            other => panic!("{other:?}"),
        }
    }

    fn refuses(&mut self, request: &LoginRequest, version: Version, seconds: u64) -> (u16, LoginError) {
        match self.decide(request, version, seconds) {
            LoginOutcome::Refused { response, why } => {
                assert_eq!((&response.session, &response.nonce), (&None, &None));
                (response.result.code.get(), why)
            }
            other => panic!("{other:?}"),
        }
    }
}

fn request(user: &str) -> LoginRequest {
    LoginRequest {
        user: user.parse().unwrap(),
        client: ClientId { url: Some("JiMMY".into()), ..ClientId::default() },
        application: None,
        password: None,
        digest: None,
        schemas: vec![DigestSchema::Md5, DigestSchema::Sha],
        session: None,
        time_to_live: Some(7205),
        responses: Vec::new(),
        cookie: Some("1795-36".into()),
        functions: None,
        capabilities: None,
    }
}

fn two_way(user: &str, password: &str) -> LoginRequest {
    LoginRequest { password: Some(Password::new(password)), schemas: Vec::new(), ..request(user) }
}

/// The second step that answers this challenge.
fn proof(user: &str, password: &str, (nonce, schema): &(String, DigestSchema)) -> LoginRequest {
    let digest = digest_bytes(*schema, nonce, &Password::new(password)).unwrap();
    LoginRequest { digest: Some(digest.into()), schemas: Vec::new(), ..request(user) }
}

#[test]
fn a_password_opens_a_session() {
    let mut north = Provider::new();
    let opened = north.opens(&two_way("ada", "s3cret-Pass"), Version::V1_2, 0);
    assert_eq!((opened.register, opened.replaces), (None, None));
    let id = opened.response.session.unwrap();
    assert!(id.as_str().len() <= 50 && id.as_str().bytes().all(|b| b.is_ascii_graphic()));
    assert_eq!(opened.response.keep_alive, Some(7200));
    assert_eq!(opened.response.capability_request, Some(true));
    assert_eq!((opened.response.user, opened.response.result.code), (None, Code::SUCCESSFUL));
    let record = opened.session.record();
    assert_eq!((&record.id, record.user.as_str()), (&id, "wv:ada@north.example"));
    assert_eq!((record.version, record.cookie.as_deref()), (Version::V1_2, Some("1795-36")));
    assert_eq!((record.time_to_live, record.last_active), (7200, at(0)));
}

#[test]
fn session_ids_are_never_the_same() {
    let mut north = Provider::new();
    let mut id = || north.opens(&two_way("ada", "s3cret-Pass"), Version::V1_2, 0).response.session;
    assert_ne!(id(), id());
}

#[test]
fn a_nonce_and_its_digest_open_a_session() {
    for (version, code) in [(Version::V1_1, 200), (Version::V1_2, 200), (Version::V1_3, 401)] {
        let mut north = Provider::new();
        let LoginOutcome::Challenge(response) = north.decide(&request("wv:ada"), version, 0) else {
            panic!("no challenge");
        };
        assert_eq!(response.result.code.get(), code);
        assert_eq!((&response.session, response.capability_request), (&None, None));
        assert_eq!(response.user.is_some(), version == Version::V1_3);
        let challenge = (response.nonce.unwrap().into(), response.schema.unwrap());
        assert_eq!(challenge.1, DigestSchema::Sha, "SHA before MD5");
        let opened = north.opens(&proof("wv:ada", "s3cret-Pass", &challenge), version, 59);
        assert!(opened.response.session.is_some());
    }
}

#[test]
fn the_schema_is_one_that_both_can_do() {
    let mut north = Provider::new();
    let offering = |schemas: &[DigestSchema]| LoginRequest { schemas: schemas.into(), ..request("ada") };
    use DigestSchema::{Md4, Md5, Pwd};
    assert_eq!(north.challenges(&offering(&[Pwd, Md5]), Version::V1_2, 0).1, Md5);
    assert_eq!(north.challenges(&offering(&[]), Version::V1_1, 0).1, Md5);
    for (offered, version, code) in
        [(vec![Md4], Version::V1_1, 402), (vec![Md4, Pwd], Version::V1_2, 543), (vec![], Version::V1_3, 543)]
    {
        let (found, why) = north.refuses(&offering(&offered), version, 0);
        assert_eq!((found, why), (code, LoginError::NoCommonSchema { offered }));
    }
}

#[test]
fn wrong_credentials_are_409_and_never_401() {
    for version in Version::ALL {
        let mut north = Provider::new();
        let challenge = north.challenges(&request("ada"), version, 0);
        let strangers = north.challenges(&request("nobody"), version, 0);
        for wrong in [
            two_way("ada", "S3cret-Pass"),
            two_way("ada", ""),
            two_way("nobody", ""),
            two_way("nobody", "s3cret-Pass"),
            proof("ada", "wrong", &challenge),
            proof("nobody", "", &strangers),
            LoginRequest { digest: Some("".into()), ..request("ada") },
            LoginRequest { digest: Some("rubbish!".into()), ..request("ada") },
        ] {
            assert_eq!(north.refuses(&wrong, version, 1).0, 409, "{wrong:?}");
        }
    }
}

#[test]
fn an_unknown_user_looks_like_a_known_one_until_the_end() {
    let mut north = Provider::new();
    let challenge = north.challenges(&request("nobody"), Version::V1_2, 0);
    assert_eq!(challenge.1, DigestSchema::Sha);
    let (code, why) = north.refuses(&proof("nobody", "x", &challenge), Version::V1_2, 1);
    assert_eq!(code, 409);
    assert!(matches!(why, LoginError::UnknownUser { .. }));
}

#[test]
fn a_nonce_serves_once_and_for_a_minute_and_only_its_user_and_client() {
    let mut north = Provider::new();
    let challenge = north.challenges(&request("ada"), Version::V1_2, 0);
    let right = proof("ada", "s3cret-Pass", &challenge);
    let other_phone = LoginRequest { client: ClientId::default(), ..right.clone() };
    assert!(matches!(north.refuses(&other_phone, Version::V1_2, 1).1, LoginError::NoNonce { .. }));
    north.opens(&right, Version::V1_2, 2);
    let (code, why) = north.refuses(&right, Version::V1_2, 3);
    assert_eq!(code, 409, "a replay");
    assert!(matches!(why, LoginError::NoNonce { .. }));

    let challenge = north.challenges(&request("ada"), Version::V1_2, 10);
    let late = proof("ada", "s3cret-Pass", &challenge);
    assert!(matches!(north.refuses(&late, Version::V1_2, 70).1, LoginError::NoNonce { .. }));

    // A wrong guess uses it up.
    let challenge = north.challenges(&request("ada"), Version::V1_2, 100);
    north.refuses(&proof("ada", "wrong", &challenge), Version::V1_2, 101);
    north.refuses(&proof("ada", "s3cret-Pass", &challenge), Version::V1_2, 102);

    // The last nonce counts.
    let first = north.challenges(&request("ada"), Version::V1_2, 200);
    let second = north.challenges(&request("ADA@north.example"), Version::V1_2, 200);
    assert_ne!(first.0, second.0);
    north.opens(&proof("ada", "s3cret-Pass", &second), Version::V1_2, 201);
}

#[test]
fn a_foreign_domain_is_516_and_every_own_domain_is_at_home() {
    let mut north = Provider::new();
    for wrong in [request("ada@south.example"), two_way("ada@south.example", "s3cret-Pass")] {
        assert_eq!(north.refuses(&wrong, Version::V1_2, 0).0, 516);
    }
    north.challenges(&request("ada@mail.north.example"), Version::V1_2, 0);
    assert_eq!(home_user(&"ada".parse().unwrap(), &[]), None);
}

#[test]
fn open_registration_makes_an_account_of_a_2_way_login() {
    let mut north = Provider::new();
    north.registration_open = true;
    let opened = north.opens(&two_way("eve", "new"), Version::V1_2, 0);
    assert_eq!(opened.register, Some(Password::new("new")));
    assert_eq!(opened.session.record().user.as_str(), "wv:eve@north.example");
    for refused in [two_way("eve", ""), two_way("eve/list", "new"), two_way("ada", "new")] {
        assert_eq!(north.refuses(&refused, Version::V1_2, 0).0, 409);
    }
    let challenge = north.challenges(&request("eve"), Version::V1_2, 0);
    assert_eq!(north.refuses(&proof("eve", "new", &challenge), Version::V1_2, 0).0, 409);
}

#[test]
fn a_password_in_clear_needs_leave() {
    let mut north = Provider::new();
    north.clear_password_allowed = false;
    assert_eq!(north.refuses(&two_way("ada", "s3cret-Pass"), Version::V1_2, 0).0, 403);
    let challenge = north.challenges(&request("ada"), Version::V1_2, 0);
    north.opens(&proof("ada", "s3cret-Pass", &challenge), Version::V1_2, 0);
}

#[test]
fn a_second_login_of_the_same_client_replaces_the_first() {
    let mut north = Provider::new();
    let old: SessionId = "old".parse().unwrap();
    north.same_key = Some(old.clone());
    let opened = north.opens(&two_way("ada", "s3cret-Pass"), Version::V1_2, 0);
    assert_eq!(opened.replaces, Some(old.clone()));
    assert_ne!(opened.response.session, Some(old));
}

#[test]
fn a_1_3_client_takes_its_session_up_again_or_gets_a_fresh_one() {
    let mut north = Provider::new();
    let old: SessionId = "old".parse().unwrap();
    let resuming = LoginRequest { session: Some(old.clone()), ..two_way("ada", "s3cret-Pass") };
    let key = SessionKey::of(&resuming, "ada@north.example".parse().unwrap());
    (north.same_key, north.named) = (Some(old.clone()), Some(key.clone()));
    let LoginOutcome::Resumed(resumed) = north.decide(&resuming, Version::V1_3, 0) else {
        panic!("not resumed");
    };
    assert_eq!((&resumed.session, &resumed.response.session), (&old, &Some(old.clone())));
    assert_eq!(resumed.response.capability_request, Some(false));
    assert_eq!((resumed.time_to_live, resumed.response.keep_alive), (7200, Some(7200)));
    assert!(resumed.abilities.is_none());

    // Of another user, of another client, or gone: a fresh session, never an error.
    let foreign = SessionKey { user: "bo@north.example".parse().unwrap(), ..key.clone() };
    let tablet = SessionKey { client: ClientId::default(), ..key };
    for named in [Some(foreign), Some(tablet), None] {
        (north.same_key, north.named) = (None, named);
        let opened = north.opens(&resuming, Version::V1_3, 0);
        assert_ne!(opened.response.session, Some(old.clone()));
        assert_eq!((opened.response.capability_request, opened.replaces), (Some(true), None));
    }
}

#[test]
fn a_1_3_client_negotiates_everything_in_its_login() {
    let mut north = Provider::new();
    let oneshot = LoginRequest {
        functions: Some(Functions { features: vec![Branch { name: "IMFeat".into(), branches: Vec::new() }] }),
        capabilities: Some(Box::new(Capabilities {
            initial_delivery_method: Some(DeliveryMethod::Notify),
            ..Capabilities::default()
        })),
        ..two_way("ada", "s3cret-Pass")
    };
    let opened = north.opens(&oneshot, Version::V1_3, 0);
    assert_eq!(opened.response.capability_request, Some(false));
    assert!(opened.response.functions.is_some());
    assert_eq!(opened.response.agreed.unwrap().server_poll_min, Some(30));
    assert_eq!(opened.session.abilities().method, DeliveryMethod::Notify);
    // Before 1.3 there is no place for an answer.
    let older = north.opens(&oneshot, Version::V1_2, 0);
    assert_eq!((older.response.functions, older.response.agreed), (None, None));
}

#[test]
fn texts_that_are_kept_are_short() {
    let mut north = Provider::new();
    let long = LoginRequest { cookie: Some("x".repeat(513).into()), ..two_way("ada", "s3cret-Pass") };
    let (code, why) = north.refuses(&long, Version::V1_2, 0);
    assert_eq!((code, why), (402, LoginError::TooLong { what: "SessionCookie", octets: 513 }));
}

#[test]
fn who_is_barred_learns_so_with_the_right_password_only() {
    let mut north = Provider::new();
    north.terms.set("status", "barred").unwrap();
    let barred = |(code, why)| code == 403 && matches!(why, LoginError::Barred { .. });
    assert!(barred(north.refuses(&two_way("ada", "s3cret-Pass"), Version::V1_3, 0)));
    assert_eq!(north.refuses(&two_way("ada", "guess"), Version::V1_2, 0).0, 409);
    let challenge = north.challenges(&request("ada"), Version::V1_1, 0);
    assert!(barred(north.refuses(&proof("ada", "s3cret-Pass", &challenge), Version::V1_1, 1)));
}

#[test]
fn what_a_user_has_not_subscribed_to_is_not_granted_at_login() {
    let mut north = Provider::new();
    north.terms.set("services", "presence").unwrap();
    let branch = |name: &str| Branch { name: name.into(), branches: Vec::new() };
    let functions = Functions { features: vec![branch("PresenceFeat"), branch("GroupFeat")] };
    let request = LoginRequest { functions: Some(functions), ..two_way("ada", "s3cret-Pass") };
    let refused = north.opens(&request, Version::V1_3, 0).response.functions.unwrap();
    assert_eq!(refused.features.iter().map(|feature| &*feature.name).collect::<Vec<_>>(), ["GroupFeat"]);
}

#[test]
fn wrong_passwords_are_put_off_from_where_they_come_and_known_and_unknown_users_look_alike() {
    for user in ["ada", "nobody"] {
        let mut north = Provider::new();
        north.from = Some("192.0.2.66:40001");
        let mut codes = Vec::new();
        for _ in 0..8 {
            match north.decide(&two_way(user, "guess"), Version::V1_3, 0) {
                LoginOutcome::Refused { response, .. } => {
                    codes.push((response.result.code.get(), response.result.try_again));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(codes[..6], [(409, None); 6]);
        assert_eq!(codes[6..], [(503, Some(1)); 2]);
    }
}

#[test]
fn guessing_locks_nobody_out_and_the_right_password_is_not_looked_at_within_the_pause() {
    let mut north = Provider::new();
    north.from = Some("192.0.2.66:40001");
    for _ in 0..20 {
        north.decide(&two_way("ada", "guess"), Version::V1_2, 0);
    }
    let within = north.decide(&two_way("ada", "s3cret-Pass"), Version::V1_2, 0);
    assert!(matches!(within, LoginOutcome::Refused { why: LoginError::TooOften { .. }, .. }));
    north.from = Some("198.51.100.7:40001");
    north.opens(&two_way("ada", "s3cret-Pass"), Version::V1_2, 0);
    north.from = Some("192.0.2.66:40002");
    north.opens(&two_way("ada", "s3cret-Pass"), Version::V1_2, 1);
}

#[test]
fn wrong_digests_are_put_off_as_well() {
    let mut north = Provider::new();
    north.from = Some("192.0.2.66:40001");
    let mut codes = Vec::new();
    for _ in 0..7 {
        let challenge = north.challenges(&request("ada"), Version::V1_2, 0);
        match north.decide(&proof("ada", "guess", &challenge), Version::V1_2, 0) {
            LoginOutcome::Refused { response, .. } => codes.push(response.result.code.get()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(codes, [409, 409, 409, 409, 409, 409, 503]);
}
