//! Calling clients for whom something waits (CIR, reference csp.md §3).
//!
//! A session decides whether and how its client is called; here that meets time, the mailbox, and the
//! waker that carries calls away. What a client asks or says outside of CSP comes in here too: `GET` of its
//! URL, `HELO` on its own connection or by SMS.

use std::sync::Arc;

use tracing::{debug, info};

use super::Sap;
use super::clients::Client;
use crate::element::im::StoredMail;
use crate::imps::primitive::CirMethod;
use crate::imps::{Primitive, SessionId};
use crate::relay::waker::Waker;
use crate::session::csp::cir::text::{Said, said};
use crate::session::csp::{Next, Served};
use crate::wire::Carried;
use crate::wire::csp::Transaction;

/// Before a waker is there, nothing is agreed.
static NOTHING: Served = Served { tcp: Vec::new(), udp: Vec::new(), http: false, sms: None, advertise: None };

/// What clients can be called with.
pub(super) struct Calling {
    served: Served,
    waker: Arc<dyn Waker>,
}

impl Sap {
    /// Says what clients can be called with, and who carries the calls; once, before traffic.
    pub fn connect_waker(&self, served: Served, waker: Arc<dyn Waker>) {
        // A second call would be a mistake of the composition root and changes nothing.
        let _ = self.calling.set(Calling { served, waker });
    }

    pub(super) fn cir_served(&self) -> &Served {
        self.calling.get().map_or(&NOTHING, |calling| &calling.served)
    }

    /// A row was committed to the mailbox of its owner, whose clients hear of it.
    pub(super) fn arrived(&self, mail: StoredMail) {
        for client in self.clients.arrived(mail) {
            self.call_now(&client);
        }
    }

    /// Calls the client if that is due, as far as is known without the store, and looks again when the next
    /// call is.
    pub(super) fn call_now(&self, client: &Arc<Client>) {
        if !client.machine().abilities().cir.any() {
            return;
        }
        let next = client.machine().call(self.now());
        if let Some(next) = next {
            self.carry_call(client, next);
        }
        self.look_again(client);
    }

    /// The same after a look into the mailbox.
    pub(super) async fn call_if_due(&self, client: &Arc<Client>) {
        if client.machine().abilities().cir.any() {
            self.load(client).await;
            self.call_now(client);
        }
    }

    pub(super) fn look_again(&self, client: &Arc<Client>) {
        let wake_at = client.machine().wake_at();
        self.clients.watch(client, wake_at);
    }

    fn carry_call(&self, client: &Arc<Client>, next: Next) {
        let Some(calling) = self.calling.get() else { return };
        match next {
            Next::Call(call) => {
                debug!(user = %client.user(), way = ?call.way, "the client is called");
                calling.waker.call(call);
            }
            Next::GiveUp => {
                info!(user = %client.user(), "a client was called and does not come");
                self.events.cir_given_up();
                calling.waker.hang_up(&client.id);
            }
        }
    }

    /// The session is over: nobody is called any more.
    pub(super) fn hang_up(&self, client: &Client) {
        if let Some(calling) = self.calling.get() {
            calling.waker.hang_up(&client.id);
        }
    }

    /// Something was agreed: saved, and found by its URL if the client asks by HTTP.
    pub(super) async fn negotiated(&self, client: &Arc<Client>) {
        self.can_ask_by_http(client);
        self.save_session(client).await;
    }

    /// The same for a session that survived the last process.
    pub(super) fn can_ask_by_http(&self, client: &Client) {
        if client.machine().abilities().cir.has(CirMethod::Shttp) {
            self.clients.asks_by_http(&client.id);
        }
    }

    /// `CIR` = F where the client's connection is gone. Never beside an answer of the negotiation: a real
    /// client would rebuild what it does not have yet, and hang (reference client-android §3).
    pub(super) fn cir_flag(&self, client: &Client, answers: &[Transaction]) -> Option<bool> {
        let negotiates = answers.iter().any(|answer| {
            matches!(&answer.content, Carried::Primitive(primitive)
                if matches!(**primitive, Primitive::ClientCapabilityResponse(_) | Primitive::ServiceResponse(_)))
        });
        (!negotiates && client.machine().tells_loss(self.now())).then_some(false)
    }

    /// Whether there is a session of this id whose client may connect for calls.
    pub fn can_be_called(&self, session: &SessionId) -> bool {
        let now = self.now();
        self.clients.get(session).is_some_and(|client| !client.machine().is_over(now))
    }

    /// The client has connected for calls (STCP). If something waits it is called at once.
    pub async fn attached(&self, session: &SessionId) {
        let Some(client) = self.clients.get(session) else { return };
        client.machine().attached();
        self.call_if_due(&client).await;
    }

    /// That connection is gone.
    pub fn detached(&self, session: &SessionId) {
        if let Some(client) = self.clients.get(session) {
            client.machine().detached(self.now());
        }
    }

    /// A client asks by HTTP, with the last word of its URL, whether something waits (SHTTP). `None`: there
    /// is no such session. The session's timer goes on (reference csp.md §3.5).
    pub async fn asked_by_http(&self, token: &str) -> Option<bool> {
        let client = self.clients.of_token(token)?;
        let now = self.now();
        if client.machine().is_over(now) {
            return None;
        }
        self.load(&client).await;
        let waits = client.machine().poll_flag(now);
        if waits {
            self.events.cir_call(CirMethod::Shttp, true);
        }
        Some(waits)
    }

    /// An SMS came to the number that clients greet (SSMS): from now on its session is called at the number
    /// that it came from. `false`: it was no greeting of a session that has agreed on that.
    pub async fn greeted_by_sms(&self, from: &str, text: &str) -> bool {
        let Some(Said::Hello(session)) = said(text.as_bytes()) else { return false };
        let Some(client) = self.clients.get(&session) else { return false };
        let known = {
            let mut machine = client.machine();
            machine.abilities().cir.has(CirMethod::Ssms) && machine.greeted_from(from)
        };
        if known {
            self.save_session(&client).await;
            self.call_if_due(&client).await;
        }
        known
    }
}
