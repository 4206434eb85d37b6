//! Events that carry several messages: applications send them in batches, quote earlier ones, and tell newcomers what was said.
//!
//! Which of that it is nobody can know. So a message that is among others is there, and nothing else follows from it.

use sio_protocol::Incoming;

use super::UserSession;
use crate::load::emission_log::{Arrival, fact};
use crate::load::fences;
use crate::load::identity::{Fit, Reading};
use crate::load::journal::{Came, Event};
use crate::load::membership::NamespaceMembership;

impl UserSession<'_> {
    /// Takes an event that carries several messages.
    #[cold]
    pub(super) fn judge_all(&mut self, incoming: &Incoming) {
        let local = self.local;
        let copies = local.shared.identities.all(incoming);
        let (own, others): (Vec<_>, Vec<_>) = copies.into_iter().partition(|copy| copy.run == local.shared.run);
        others.iter().for_each(|copy| self.note_foreign(copy));
        let (fences, messages): (Vec<_>, Vec<_>) = own.iter().partition(|copy| copy.emission >= fences::FIRST);
        messages.iter().for_each(|copy| self.judge_among(copy, incoming));
        // What stands ahead of a fence has come by now.
        fences.iter().for_each(|copy| self.crossed(copy, incoming));
    }

    fn judge_among(&mut self, copy: &Reading, incoming: &Incoming) {
        let (local, now, index) = (self.local, self.arrived_at, copy.emission);
        let mut window = local.window.borrow_mut();
        let mut measurements = local.measurements.borrow_mut();
        match window.arrived(index, now) {
            Arrival::Known => {}
            Arrival::NeverSent => return measurements.tally.foreign += 1,
            Arrival::Closed => {
                self.note_stale(index, incoming);
                return measurements.tally.among.again += 1;
            }
        }
        self.mailbox.heard.set(true);
        let Some(entry) = window.entry(index) else { return };
        let emission = entry.emission;
        if local.shared.identities.fit(&local.plan, &emission, copy, incoming) == Fit::Other {
            let name = local.shared.identities.name(emission.traffic, incoming);
            return measurements.other_name(emission.traffic, &name);
        }
        let place = self.places.iter_mut().find(|place| place.namespace == *incoming.nsp);
        let name = place.as_ref().map(|place| (place.place(self.number), place.is_fresh()));
        let Some((account, (place, fresh))) = place.and_then(NamespaceMembership::current).zip(name) else { return };
        local.journal.note(|| Event::Came { place, index, at: now, how: Came::Among { fresh } });
        if !local.shared.part.share.owns(emission.sender) {
            measurements.recognised(emission.traffic, incoming.args.json(), copy.attachment());
            return measurements.of_another_part(&local.plan, self.number, &emission, now);
        }
        let verdict = account.deliver_among(emission.stream, emission.seq, &fact(&local.plan, entry), now);
        measurements.recognised(emission.traffic, incoming.args.json(), copy.attachment());
        let whose = (self.number, self.mailbox.node.get());
        let latency = measurements.delivered_among(&local.plan, whose, entry, verdict, now);
        drop((window, measurements));
        if let Some(latency) = latency {
            self.note_copy(index, &emission, latency);
        }
    }
}
