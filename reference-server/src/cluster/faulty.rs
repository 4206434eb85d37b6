//! A member of a cluster, with mistakes.

use super::member::Member;
use super::wire::{Incoming, Message, Telling};
use crate::Flags;
use crate::adapter::{Outgoing, Selection};
use crate::faults::Fault;

impl Member {
    /// Whether a fault is on and strikes now.
    pub(super) fn hits(&self, fault: Fault) -> bool {
        self.faults.as_ref().is_some_and(|faults| faults.hits(fault))
    }

    /// How something is emitted.
    pub(super) fn flags_of(&self, event: &Outgoing) -> Flags {
        let local = event.flags.local && !self.hits(Fault::ClusterLocalIgnored);
        Flags { local, ..event.flags }
    }

    /// Whom a broadcast of another node reaches.
    pub(super) fn misread(&self, telling: &Telling) -> Telling {
        let mut telling = telling.clone();
        if self.hits(Fault::ClusterExceptIgnored) {
            telling.aim.except.clear();
        }
        if self.hits(Fault::ClusterUnionFirst) {
            telling.aim.rooms.truncate(1);
        }
        telling
    }

    /// Delivers a broadcast of another node to each client, to none, or twice; false if nothing of that is on.
    pub(super) fn deliver_wrongly(&self, selection: &Selection, event: &Outgoing, offset: Option<&str>) -> bool {
        let Some(faults) = self.faults.as_ref() else { return false };
        if !faults.has(Fault::ClusterLost) && !faults.has(Fault::ClusterDoubled) {
            return false;
        }
        let frames = offset.map_or_else(|| event.frames(), |offset| event.frames_with_offset(offset));
        self.local().for_each(selection, &mut |socket| {
            let times = match (faults.hits_delivery(Fault::ClusterLost), faults.hits_delivery(Fault::ClusterDoubled)) {
                (true, _) => 0,
                (false, doubled) => 1 + usize::from(doubled),
            };
            for _ in 0..times {
                socket.send_frames(&frames, event.flags.compress);
            }
        });
        true
    }

    /// Whether something of this node's own is taken for another's.
    pub(super) fn takes_own(&self, incoming: &Message) -> bool {
        match incoming {
            Message::Tell(_) => self.hits(Fault::ClusterEcho),
            Message::Side(..) => self.hits(Fault::ClusterSideToItself),
            _ => false,
        }
    }

    /// Whether it hears the namespaces whose names begin like its own.
    pub(super) fn takes_namesakes(&self) -> bool {
        self.hits(Fault::ClusterNamesake)
    }

    /// Whether it is told once more.
    pub(super) fn tells_twice(&self, what: &Incoming) -> bool {
        matches!(what, Incoming::Answer(_)) && self.hits(Fault::ClusterAnswersTwice)
    }
}
