//! When a client is called, by which way, and when that is given up.

use std::net::SocketAddr;
use std::time::Duration;

use super::agree::Agreed;
use super::text::PUSH_PORT;
use crate::imps::primitive::CirMethod;
use crate::imps::{Moment, SessionId};

/// A client that was told and did not come is called again after so long (reference csp.md §3).
const REPEAT_AFTER: Duration = Duration::from_secs(60);
/// How often a call is repeated.
const REPEATS_MAX: u8 = 3;
/// A client whose connection broke comes back by itself within seconds; only after so long is it told.
pub(in super::super) const RETURN_WAIT: Duration = Duration::from_secs(30);

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// The connection that the client has made: a line.
    Line,
    /// A datagram with the bare text.
    Datagram(SocketAddr),
    /// A datagram with a WAP push.
    Push(SocketAddr),
    /// An SMS with a WAP push, to this number.
    PushSms(Box<str>),
    /// A text SMS to this number.
    TextSms(Box<str>),
}

impl Way {
    /// The method that it belongs to.
    pub const fn method(&self) -> CirMethod {
        match self {
            Self::Line => CirMethod::Stcp,
            Self::Datagram(_) => CirMethod::Sudp,
            Self::Push(_) => CirMethod::WapUdp,
            Self::PushSms(_) => CirMethod::WapSms,
            Self::TextSms(_) => CirMethod::Ssms,
        }
    }
}

/// A call to be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// For which session.
    pub session: SessionId,
    /// By which way.
    pub way: Way,
    /// `WVCI …`, without the end of a line.
    pub text: Box<str>,
}

/// What is to be done about a client for whom something waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Call it.
    Call(Call),
    /// It does not come: close its connection, if it has one. It may still poll.
    GiveUp,
}

/// The client's own connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    /// It never made one in this process.
    #[default]
    Never,
    Open,
    /// It had one, until then.
    Lost(Moment),
    /// It had one, and was told that it is gone.
    ToldLost,
}

/// The client knows that something waits, or is expected to come anyway.
#[derive(Clone, Copy, Debug)]
struct Told {
    at: Moment,
    calls: u8,
}

/// What one session knows of its calls.
#[derive(Debug, Default)]
pub(in super::super) struct Calls {
    /// Documents of the client that are in work: their answers tell it.
    in_work: u16,
    told: Option<Told>,
    line: Line,
}

impl Calls {
    /// The client was heard: whatever it was told, it is here now.
    pub(in super::super) fn heard(&mut self) {
        self.told = None;
    }

    /// A document of the client is carried out.
    pub(in super::super) fn working(&mut self) {
        self.in_work = self.in_work.saturating_add(1);
    }

    /// Its answer is ready. `told`: the answer says that more waits, or the client owes an answer itself
    /// and hears of the rest then.
    pub(in super::super) fn rested(&mut self, told: bool, now: Moment) {
        self.in_work = self.in_work.saturating_sub(1);
        self.told = told.then_some(Told { at: now, calls: 0 });
    }

    /// The client has made a connection for calls.
    pub(in super::super) fn attached(&mut self) {
        self.line = Line::Open;
        self.told = None;
    }

    /// That connection is gone.
    pub(in super::super) fn lost(&mut self, now: Moment) {
        if self.line == Line::Open {
            self.line = Line::Lost(now);
        }
    }

    /// Something new has to be said, whatever was said before.
    pub(in super::super) fn forget(&mut self) {
        self.told = None;
    }

    /// Whether the client is to be told that its connection is gone (`CIR` = F): once for each loss, for a
    /// real client makes a new one every time it hears that (reference client-android §5).
    pub(in super::super) fn tells_loss(&mut self, now: Moment) -> bool {
        match self.line {
            Line::Lost(since) if now.since(since) >= RETURN_WAIT => {
                self.line = Line::ToldLost;
                true
            }
            _ => false,
        }
    }

    /// The ways that lead to the client now, the best first.
    fn ways<'a>(&self, agreed: &'a Agreed) -> impl Iterator<Item = Way> + use<'a> {
        let connected = self.line == Line::Open;
        let methods =
            [CirMethod::Stcp, CirMethod::Sudp, CirMethod::WapUdp, CirMethod::Ssms, CirMethod::WapSms];
        methods.into_iter().filter(|method| agreed.has(*method)).filter_map(move |method| match method {
            CirMethod::Stcp => connected.then_some(Way::Line),
            CirMethod::Sudp => agreed.at.map(Way::Datagram),
            CirMethod::WapUdp => agreed.at.map(|at| Way::Push(SocketAddr::new(at.ip(), PUSH_PORT))),
            CirMethod::Ssms => agreed.number.clone().map(Way::TextSms),
            CirMethod::WapSms => agreed.number.clone().map(Way::PushSms),
            CirMethod::Shttp => None,
        })
    }

    /// When there is something to do; `waits_at`: from when on a poll would find something. `None`: nothing,
    /// until the client is heard or something else happens.
    pub(in super::super) fn due_at(&self, waits_at: Option<Moment>, agreed: &Agreed) -> Option<Moment> {
        let waits_at = waits_at?;
        if self.in_work > 0 || self.ways(agreed).next().is_none() {
            return None;
        }
        match self.told {
            None => Some(waits_at),
            Some(Told { calls, .. }) if calls > REPEATS_MAX + 1 => None,
            Some(Told { at, .. }) => Some(waits_at.max(at.after(REPEAT_AFTER))),
        }
    }

    /// What is done now that it is due. Ways take turns, the best first.
    pub(in super::super) fn next(
        &mut self,
        session: &SessionId,
        text: impl FnOnce() -> Box<str>,
        agreed: &Agreed,
        now: Moment,
    ) -> Option<Next> {
        let calls = self.told.map_or(0, |told| told.calls);
        self.told = Some(Told { at: now, calls: calls + 1 });
        if calls > REPEATS_MAX {
            self.lost(now);
            return Some(Next::GiveUp);
        }
        let turn = usize::from(calls).checked_rem(self.ways(agreed).count())?;
        let way = self.ways(agreed).nth(turn)?;
        Some(Next::Call(Call { session: session.clone(), way, text: text() }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::at;
    use super::*;

    struct Play {
        calls: Calls,
        agreed: Agreed,
    }

    impl Play {
        /// A client that agreed on these methods, at 10.0.0.7 with port 4000 and a number.
        fn with(methods: &str) -> Self {
            let mut agreed = Agreed::default();
            for (key, value) in [("cir", methods), ("cir-at", "10.0.0.7:4000"), ("cir-number", "+46701")] {
                agreed.read_word(key, value);
            }
            Self { calls: Calls::default(), agreed }
        }

        /// When something is due, if a poll would find something since the beginning.
        fn due(&self) -> Option<u64> {
            let due = self.calls.due_at(Some(at(0)), &self.agreed)?;
            Some(due.since(at(0)).as_secs())
        }

        /// The method of the call made at this second.
        fn called(&mut self, second: u64) -> &'static str {
            match self.calls.next(&"s-1".parse().unwrap(), || "WVCI".into(), &self.agreed, at(second)) {
                Some(Next::Call(call)) => call.way.method().as_str(),
                Some(Next::GiveUp) => "give up",
                None => "nothing",
            }
        }
    }

    #[test]
    fn a_client_is_called_once_and_again_after_a_minute_three_times_and_then_no_more() {
        let mut play = Play::with("SUDP");
        assert_eq!(play.due(), Some(0));
        for minute in 0..4 {
            assert_eq!(play.due(), Some(minute * 60));
            assert_eq!(play.called(minute * 60), "SUDP");
        }
        assert_eq!((play.due(), play.called(240)), (Some(240), "give up"));
        assert_eq!(play.due(), None);
        play.calls.heard();
        assert_eq!((play.due(), play.called(400)), (Some(0), "SUDP"), "it came back");
    }

    #[test]
    fn while_a_request_of_the_client_is_in_work_its_answer_tells() {
        let mut play = Play::with("SUDP");
        play.calls.working();
        play.calls.working();
        assert_eq!(play.due(), None);
        play.calls.rested(false, at(1));
        assert_eq!(play.due(), None);
        play.calls.rested(true, at(2));
        assert_eq!(play.due(), Some(62), "it was told, and is called if it does not come");
        play.calls.heard();
        assert_eq!(play.due(), Some(0));
    }

    #[test]
    fn a_connection_is_the_best_way_and_the_others_take_their_turns() {
        let mut play = Play::with("WAPUDP,STCP,WAPSMS,SUDP,SSMS,SHTTP");
        play.calls.attached();
        let called: Vec<_> = (0..5).map(|minute| play.called(minute * 60)).collect();
        assert_eq!(called, ["STCP", "SUDP", "WAPUDP", "SSMS", "give up"]);
        let way =
            |play: &mut Play| match play.calls.next(&"s".parse().unwrap(), || "".into(), &play.agreed, at(9))
            {
                Some(Next::Call(call)) => call.way,
                other => panic!("{other:?}"),
            };
        let mut datagrams = Play::with("SUDP,WAPUDP");
        assert_eq!(way(&mut datagrams), Way::Datagram("10.0.0.7:4000".parse().unwrap()));
        assert_eq!(way(&mut datagrams), Way::Push("10.0.0.7:2948".parse().unwrap()));
    }

    #[test]
    fn without_a_way_nobody_is_called() {
        for methods in ["", "SHTTP"] {
            assert_eq!(Play::with(methods).due(), None, "{methods}");
        }
        let mut play = Play::with("STCP");
        assert_eq!(play.due(), None, "it has not connected yet");
        play.calls.attached();
        assert_eq!(play.due(), Some(0));
        play.calls.lost(at(5));
        assert_eq!(play.due(), None);
        assert_eq!(play.calls.due_at(None, &Play::with("SUDP").agreed), None, "nothing waits");
    }

    #[test]
    fn a_lost_connection_is_told_once_and_only_if_the_client_does_not_come_back_by_itself() {
        let mut calls = Calls::default();
        calls.lost(at(0));
        assert!(!calls.tells_loss(at(1000)), "it never had one");
        calls.attached();
        assert!(!calls.tells_loss(at(1000)));
        calls.lost(at(1000));
        assert!(!calls.tells_loss(at(1029)));
        assert!(calls.tells_loss(at(1030)));
        assert!(!calls.tells_loss(at(1031)));
        calls.attached();
        calls.lost(at(2000));
        calls.attached();
        assert!(!calls.tells_loss(at(2100)));
    }

    #[test]
    fn a_client_that_connects_anew_is_called_at_once() {
        let mut play = Play::with("STCP");
        play.calls.attached();
        for minute in 0..5 {
            play.called(minute * 60);
        }
        assert_eq!(play.due(), None);
        play.calls.attached();
        assert_eq!((play.due(), play.called(500)), (Some(0), "STCP"));
    }
}
