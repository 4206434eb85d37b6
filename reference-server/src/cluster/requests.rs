//! What this node asks the others, and what it hears.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use rand::RngExt as _;
use sio_protocol::{Args, ArgsError, Value};
use tokio::sync::Notify;

use super::REQUEST_TIMEOUT;
use super::member::{Member, asked_flags, lock};
use super::wire::{Aim, Answer, Message, Reply, Telling};
use crate::adapter::{Outgoing, Selection};
use crate::broadcast::Answers;

/// No node has more clients, whatever it says: their sum is a number.
const MOST_CLIENTS: usize = u32::MAX as usize;

/// Who waits for answers of other nodes.
pub(crate) enum Pending {
    /// A question to clients: the nodes tell how many they have asked, the clients answer.
    Asked(Arc<Tally>, Arc<Answers>),
    /// A question to the nodes themselves.
    Gathered(Arc<Gathering>),
}

/// How many nodes and clients are to answer a question.
#[derive(Default)]
pub(crate) struct Tally {
    /// The other nodes plus one; 0 while it is not known.
    others: AtomicUsize,
    /// Those that have told how many clients they have asked.
    nodes: AtomicUsize,
    clients: AtomicUsize,
}

pub(crate) struct Gathering {
    /// How many nodes answer. One more answer is one that came twice.
    expected: usize,
    replies: Mutex<Vec<Reply>>,
    more: Notify,
}

/// Why not all nodes have answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// Nothing was sent: the arguments cannot be serialized.
    #[error(transparent)]
    Args(#[from] ArgsError),
    /// It is not known how many nodes there are.
    #[error("the other nodes cannot be counted: the broker has not answered within {0:?}; look whether it runs")]
    Unreachable(Duration),
    /// Some did not answer in time.
    #[error("timeout reached: only {} responses received out of {expected}", .answers.len())]
    Partial {
        /// What the others said.
        answers: Vec<Args>,
        /// How many other nodes were asked.
        expected: usize,
    },
}

/// A fresh id: so many random letters and digits.
pub(crate) fn next_id(len: usize) -> String {
    const SIGNS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut random = rand::rng();
    (0..len).map(|_| char::from(SIGNS[random.random_range(0..SIGNS.len())])).collect()
}

/// A question to the clients of other nodes. Dropped, nobody waits for their answers any more.
pub(crate) struct Question {
    member: Arc<Member>,
    id: String,
    tally: Arc<Tally>,
    answers: Arc<Answers>,
}

impl Question {
    /// Whether every other node has told how many clients it has asked.
    pub(crate) fn is_counted(&self) -> bool {
        let others = self.tally.others.load(Ordering::Acquire);
        others > 0 && self.tally.nodes.load(Ordering::Acquire) + 1 >= others
    }

    /// How many clients of other nodes were asked, as far as it is known.
    pub(crate) fn clients(&self) -> usize {
        self.tally.clients.load(Ordering::Acquire)
    }

    /// Learns how many other nodes there are.
    pub(crate) async fn count(&self) {
        if let Some(count) = self.member.broker().count(&self.member).await {
            self.tally.others.store(count.max(1), Ordering::Release);
            self.answers.wake();
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        lock(&self.member.requests).remove(&self.id);
    }
}

/// A request that is forgotten when nobody waits for it.
struct Awaited<'a>(&'a Member, String);

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        lock(&self.0.requests).remove(&self.1);
    }
}

impl Member {
    /// Asks the clients of the other nodes. It is sent when this returns; their answers go to `answers`.
    pub(crate) fn ask(
        &self,
        selection: &Selection,
        event: &Outgoing,
        timeout: Duration,
        answers: &Arc<Answers>,
    ) -> Option<Question> {
        let member = self.myself().upgrade()?;
        let id = self.broker().new_id();
        let tally = Arc::<Tally>::default();
        lock(&self.requests).insert(id.clone(), Pending::Asked(tally.clone(), answers.clone()));
        let flags = asked_flags(event.flags);
        let telling = Telling { aim: Aim::of(selection), flags, timeout: Some(timeout), args: event.args.clone() };
        self.tell(Message::Ask(id.clone(), telling));
        Some(Question { member, id, tally, answers: answers.clone() })
    }

    /// The sockets of the other nodes.
    pub(super) async fn fetch(&self, aim: Aim) -> Result<Vec<Value>, ClusterError> {
        let replies = self.gather(|id| Message::Fetch(id, aim)).await?;
        let sockets = |reply| match reply {
            Reply::Sockets(sockets) => sockets,
            _ => Vec::new(),
        };
        Ok(replies.into_iter().flat_map(sockets).collect())
    }

    /// Asks the applications of the other nodes.
    pub(crate) async fn ask_nodes(&self, args: Args) -> Result<Vec<Args>, ClusterError> {
        Ok(own_answers(self.gather(|id| Message::Side(Some(id), args)).await?))
    }

    /// One reply of each other node.
    async fn gather(&self, message: impl FnOnce(String) -> Message) -> Result<Vec<Reply>, ClusterError> {
        let counted = tokio::time::timeout(REQUEST_TIMEOUT, self.broker().count(self)).await;
        let count = counted.ok().flatten().ok_or(ClusterError::Unreachable(REQUEST_TIMEOUT))?;
        let expected = count.saturating_sub(1);
        if expected == 0 {
            return Ok(Vec::new());
        }
        let gathering = Arc::new(Gathering { expected, replies: Mutex::default(), more: Notify::new() });
        let awaited = Awaited(self, self.broker().new_id());
        lock(&self.requests).insert(awaited.1.clone(), Pending::Gathered(gathering.clone()));
        self.tell(message(awaited.1.clone()));
        let all = async {
            while lock(&gathering.replies).len() < expected {
                gathering.more.notified().await;
            }
        };
        let in_time = tokio::time::timeout(REQUEST_TIMEOUT, all).await.is_ok();
        let replies = std::mem::take(&mut *lock(&gathering.replies));
        if in_time { Ok(replies) } else { Err(ClusterError::Partial { answers: own_answers(replies), expected }) }
    }

    /// Takes an answer of another node, if somebody waits for it.
    pub(super) fn answered(&self, Answer { id, reply }: Answer) {
        let requests = lock(&self.requests);
        match (requests.get(&id), reply) {
            (Some(Pending::Asked(tally, answers)), Reply::Count(count)) => {
                tally.clients.fetch_add(count.min(MOST_CLIENTS), Ordering::AcqRel);
                // Behind the clients: who sees that all have told sees all clients.
                tally.nodes.fetch_add(1, Ordering::AcqRel);
                answers.wake();
            }
            (Some(Pending::Asked(_, answers)), Reply::Ack(args)) => answers.push(args),
            (Some(Pending::Gathered(gathering)), reply @ (Reply::Sockets(_) | Reply::Side(_))) => {
                let mut replies = lock(&gathering.replies);
                if replies.len() < gathering.expected {
                    replies.push(reply);
                }
                drop(replies);
                // One waits; a permit is kept for it.
                gathering.more.notify_one();
            }
            // Late, of another node's question, or something that nobody has asked for.
            _ => {}
        }
    }
}

fn own_answers(replies: Vec<Reply>) -> Vec<Args> {
    let answer = |reply| match reply {
        Reply::Side(args) => Some(args),
        _ => None,
    };
    replies.into_iter().filter_map(answer).collect()
}

/// So that the type of a member that is gone can be named.
pub(crate) type WeakMember = Weak<Member>;
