//! Questions to several clients, with mistakes that show only under random programs.

use std::time::Duration;

use super::{Fault, Faults};
use crate::adapter::Selection;
use crate::namespace::Namespace;
use crate::{Args, Socket};

/// How much later the second half of the recipients is chosen.
const TORN: Duration = Duration::from_millis(4);

/// To how many a question goes unspoiled: no case asks more.
const FEW: usize = 3;

/// A question that is under way.
pub(crate) struct Question {
    faults: Option<Faults>,
    /// In a namespace that a pattern made: those of the cases are elsewhere.
    in_child: bool,
}

impl Question {
    pub(crate) fn begin(namespaces: &[Namespace]) -> Self {
        let in_child = namespaces.iter().any(Namespace::is_dynamic);
        Self { faults: namespaces.iter().find_map(faults_of), in_child }
    }

    fn hits(&self, fault: Fault) -> bool {
        self.faults.as_ref().is_some_and(|faults| faults.hits(fault))
    }

    /// For how long only half of the recipients are chosen, if it is so.
    pub(crate) fn torn(&self) -> Option<Duration> {
        self.hits(Fault::RecipientsTorn).then_some(TORN)
    }

    /// Whether a socket belongs to the half that is chosen at once.
    pub(crate) fn is_first_half(socket: &Socket) -> bool {
        socket.id().bytes().fold(0, u8::wrapping_add).is_multiple_of(2)
    }

    /// Waits for nobody until the time is over, if it is so.
    pub(crate) async fn awaits_nobody(&self, asked: usize, timeout: Duration) -> bool {
        let waits = asked == 0 && self.hits(Fault::NobodyAwaited);
        if waits {
            tokio::time::sleep(timeout).await;
        }
        waits
    }

    /// The answers as they are told.
    pub(crate) fn told(&self, mut acks: Vec<Args>, in_time: bool, asked: usize) -> Vec<Args> {
        if self.in_child && in_time && self.hits(Fault::AnswerForgotten) {
            acks.pop();
        }
        if asked > FEW && !in_time && self.hits(Fault::AnswersForgotten) {
            acks.clear();
        }
        if !in_time && self.hits(Fault::SilenceSpoilsAnswers) {
            acks.clear();
        }
        acks
    }
}

/// Which of the selected sockets are put out.
pub(crate) fn put_out(mut sockets: Vec<Socket>) -> Vec<Socket> {
    let last_only = sockets.first().is_some_and(|socket| fault!(socket.server(), DisconnectLastOnly));
    if last_only {
        sockets.drain(..sockets.len() - 1);
    }
    sockets
}

/// A namespace knows of no server; its sockets do.
fn faults_of(namespace: &Namespace) -> Option<Faults> {
    let mut found = None;
    namespace.adapter().for_each(&Selection::default(), &mut |socket| {
        if found.is_none() {
            found.clone_from(&socket.server().options().faults);
        }
    });
    found
}
