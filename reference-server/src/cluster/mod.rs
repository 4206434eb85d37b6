//! Several nodes that serve one namespace: each has its own clients, and a broker carries what concerns the others'.
//!
//! A [`Member`] is a namespace of this node. It is an adapter around another one, which has the rooms: what is broadcast goes to the
//! clients of this node at once, whatever the broker does, and into a queue for the others.
#![cfg_attr(not(feature = "redis"), allow(dead_code, reason = "without a broker nobody calls it"))]

#[cfg(feature = "faults")]
mod faulty;
mod id;
mod inbound;
mod member;
mod ordered;
#[cfg(feature = "redis")]
pub(crate) mod redis;
mod remote;
mod requests;
pub(crate) mod wire;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use id::Id;
pub use member::Member;
pub(crate) use ordered::Sequencer;
pub use remote::RemoteSocket;
pub use requests::ClusterError;
pub(crate) use requests::Question;
#[cfg(feature = "redis")]
pub(crate) use requests::next_id;
use wire::Incoming;

/// How long other nodes have for an answer of their own, as in Node.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// To whom something goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum To<'a> {
    /// All nodes that serve the namespace.
    All,
    /// The node that has asked.
    Asker(&'a str),
}

/// What carries messages to the other nodes. Nothing here waits but what returns a future.
pub(crate) trait Broker: Send + Sync {
    /// A fresh id of a request, of the kind that the nodes of this cluster use.
    fn new_id(&self) -> String;

    /// Hands something over. In the order of the calls it reaches each of the others, or it does not.
    fn send(&self, member: &Member, to: To<'_>, what: &Incoming);

    /// How many nodes serve the namespace, this one counted in; `None` if the broker does not tell.
    fn count<'a>(&'a self, member: &'a Member) -> Boxed<'a, Option<usize>>;

    /// What comes for the member from now on is handed to it.
    fn open(&self, member: &Arc<Member>);

    /// Nothing is handed to it any more.
    fn close(&self, member: &Member);

    /// The broker's order, if it has one.
    fn sequencer(&self) -> Option<&dyn Sequencer> {
        None
    }

    /// Ends when the broker has what was handed over, and knows what is open.
    fn settled(&self) -> Boxed<'_, ()>;
}
