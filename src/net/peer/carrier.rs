//! What carries POSTs to peers, behind traits: sockets in a node, a network in memory in a simulation.
//!
//! A link has one road to its peer, a road as many lanes as POSTs may be under way at a time, and a lane
//! carries one POST after the other. The driver above is the same whatever the road is made of.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hyper::body::Bytes;

use crate::imps::agreement::Agreement;
use crate::imps::{Chance, Domain, Moment};
use crate::net::certificate::Facts;
use crate::net::post::Headers;
use crate::session::ssp::{PostId, PostOutcome};

/// Makes a source of randomness for whoever needs one of his own.
pub type Chances = Arc<dyn Fn() -> Box<dyn Chance> + Send + Sync>;

/// A POST on its way: what becomes of it comes later.
pub type Placing<'a> = Pin<Box<dyn Future<Output = Placed> + Send + 'a>>;

/// What became of a POST.
#[derive(Clone, Debug)]
pub struct Placed {
    /// How it ended.
    pub outcome: PostOutcome,
    /// A document with answers that came in the HTTP answer; empty if none did.
    pub answers: Bytes,
}

impl From<PostOutcome> for Placed {
    fn from(outcome: PostOutcome) -> Self {
        Self { outcome, answers: Bytes::new() }
    }
}

/// One POST.
#[derive(Clone, Debug)]
pub struct Job {
    /// Whose outcome it is.
    pub post: PostId,
    /// Another URL than the published one.
    pub at: Option<Box<str>>,
    /// Value of `x-wv-transactionid`.
    pub transaction: Option<String>,
    /// Value of `x-wv-sessionid`.
    pub session: Option<String>,
    /// Value of `x-causeway-via`: the relays that it has passed.
    pub via: Option<String>,
    /// Whether the answers may come in the HTTP answer.
    pub answers_here: bool,
    /// The document.
    pub body: Bytes,
    /// What it carries, for the log; empty if nobody reads that.
    pub what: String,
}

impl Job {
    /// What stands in the head of the POST.
    pub fn headers(&self) -> Headers<'_> {
        Headers {
            transaction: self.transaction.as_deref(),
            session: self.session.as_deref(),
            via: self.via.as_deref(),
            answers_here: self.answers_here,
        }
    }
}

/// Finds roads.
pub trait Carrier: Send + Sync + 'static {
    /// The road of the link from our domain `own` to `peer`.
    fn road(&self, own: &Domain, peer: &Domain) -> Arc<dyn Road>;
}

/// What was seen of a peer.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Where it answered last.
    pub place: Option<String>,
    /// The version of HTTP that it spoke there: `1.1` or `2`.
    pub http: Option<&'static str>,
    /// The certificate that it showed there.
    pub certificate: Option<Facts>,
    /// The last thing that went wrong on the way to it, and when.
    pub trouble: Option<(Moment, String)>,
}

/// The way to one peer.
pub trait Road: Send + Sync {
    /// Another lane.
    fn lane(self: Arc<Self>) -> Box<dyn Lane>;

    /// What was seen of the peer on the last way to it.
    fn seen(&self) -> Seen {
        Seen::default()
    }

    /// Why who was last at the other end would not be believed any more; `None` if it would, or nobody was.
    fn distrust(&self, agreement: &Agreement) -> Option<String> {
        let _ = agreement;
        None
    }
}

/// One POST after the other.
pub trait Lane: Send {
    /// Places a POST and tells what became of it. `agreement` is the one in force now, if there is one
    /// still. Dropping the future leaves open whether the peer has the document.
    fn place<'a>(&'a mut self, agreement: Option<&'a Agreement>, job: &'a Job) -> Placing<'a>;
}
