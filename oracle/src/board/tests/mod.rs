//! What the board claims, by hand: the smallest streams that tell a right verdict from a wrong one.

mod across;
mod alone;
mod many;
mod waiting;

use super::{Answer, DeliveryOutcome, Facts, Nanos, Observation, Receiver, Time, UNKNOWN_NODE, Verdict};

/// The stream that everybody here is about.
const STREAM: u32 = 7;
/// Who receives.
const USER: u32 = 9;

/// The emissions of the one stream.
#[derive(Clone)]
struct Stream(Vec<Observation>);

impl Stream {
    /// Emissions of user 1, each sent at its number times ten and answered five later.
    fn new(count: u32) -> Self {
        let fact = |seq: u32| {
            let inv = Nanos::from(seq) * 10;
            Observation { previous: seq.checked_sub(1), ..fact(1, inv, Answer::At(inv + 5)) }
        };
        Self((0..count).map(fact).collect())
    }

    /// The same, of another server.
    fn at_node(mut self, node: u32) -> Self {
        self.0.iter_mut().for_each(|fact| fact.node = node);
        self
    }

    /// The same, where the application may say it again.
    fn kept(mut self) -> Self {
        self.0.iter_mut().for_each(|fact| fact.history = true);
        self
    }

    fn answered(&mut self, seq: usize, answer: Answer) {
        if let Time::Sent { ok, .. } = &mut self.0[seq].time {
            *ok = answer;
        }
    }
}

impl Facts for Stream {
    fn fact(&self, _: u32, seq: u32) -> Option<Observation> {
        self.0.get(seq as usize).copied()
    }

    fn settled_below(&self, _: u32) -> u32 {
        0
    }
}

/// An emission without one ahead of it, of a server that nobody knows.
fn fact(sender: u32, inv: Nanos, ok: Answer) -> Observation {
    Observation {
        sender,
        previous: None,
        spares_sender: false,
        volatile: false,
        history: false,
        session: 0,
        node: UNKNOWN_NODE,
        time: Time::Sent { inv, ok },
    }
}

fn deliver(receiver: &mut Receiver, stream: &Stream, seq: u32, now: Nanos) -> Verdict {
    receiver.deliver(STREAM, seq, &stream.0[seq as usize], now)
}

fn deliver_across(receiver: &mut Receiver, stream: &Stream, seq: u32, now: Nanos) -> Verdict {
    receiver.deliver_across(STREAM, seq, &stream.0[seq as usize], now, stream)
}

fn fates(settle: impl FnOnce(&mut dyn FnMut(u32, u32, DeliveryOutcome))) -> Vec<DeliveryOutcome> {
    let mut fates = Vec::new();
    settle(&mut |_, _, fate| fates.push(fate));
    fates
}

fn settled(receiver: &mut Receiver, stream: &Stream, fence: Nanos) -> Vec<DeliveryOutcome> {
    fates(|account| receiver.settle(fence, stream, account))
}

fn settled_across(receiver: &mut Receiver, stream: &Stream, now: Nanos) -> Vec<DeliveryOutcome> {
    fates(|account| receiver.settle_across(now, false, stream, account))
}
