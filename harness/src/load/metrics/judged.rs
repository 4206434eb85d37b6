//! What the verdicts of the oracle come to: counts, latencies and evidence, by message and receiver.

use sio_oracle::Tri;
use sio_oracle::board::{Answer, DeliveryOutcome, Nanos, Receiver, Time, Verdict};

use super::Measurements;
use crate::load::emission_log::{Entry, FanoutProgress, Window};
use crate::load::evidence::{Kind, Observed, ViolationEvidence};
use crate::load::losses::Nodes;
use crate::load::plan::Plan;
use crate::load::schedule::Emission;
use crate::vocab::Measure;

/// The servers of sender and receiver: a user and the server it is with.
fn nodes(plan: &Plan, entry: &Entry, (user, node): (u32, u32)) -> Nodes {
    let planned = |user: u32| plan.users[user as usize].node;
    if plan.is_cluster() { (entry.origin().node, node) } else { (planned(entry.emission.sender), planned(user)) }
}

/// So many messages are looked through for the sender's next one.
const LOOKED_THROUGH: usize = 1_000;

/// Whether the next message of the same sender to the same target came ahead of this one: that is wrong however many
/// servers there are, while the order among senders holds on one server only.
fn is_overtaken_by_own(window: &Window, account: &Receiver, emission: &Emission) -> bool {
    let later = (emission.seq + 1..).take(LOOKED_THROUGH).map_while(|seq| window.index(emission.stream, seq));
    let next = later.filter_map(|index| window.entry(index)).find(|entry| entry.emission.sender == emission.sender);
    next.is_some_and(|entry| account.has(emission.stream, entry.emission.seq))
}

impl Measurements {
    /// `user` got a message that arrived at `at`. Returns its latency if it counts.
    pub(in crate::load) fn delivered(
        &mut self,
        plan: &Plan,
        window: &Window,
        (user, node): (u32, u32),
        entry: &Entry,
        (verdict, account): (Verdict, &Receiver),
        at: Nanos,
    ) -> Option<u64> {
        let emission = &entry.emission;
        let out_of_order = matches!(verdict, Verdict::Overtaken(_) | Verdict::Late);
        let across = out_of_order && !is_overtaken_by_own(window, account, emission);
        let elsewhere = plan.users[emission.sender as usize].node != plan.users[user as usize].node;
        let counts = self.counts(plan, emission, user);
        counts.out_of_order_across += u64::from(across);
        let wrong = match verdict {
            Verdict::Fine => None,
            Verdict::History => {
                counts.history += 1;
                None
            }
            Verdict::Overtaken(by) => {
                counts.out_of_order += 1;
                Some((Kind::OutOfOrder, Observed::Behind(by)))
            }
            Verdict::Late => {
                counts.out_of_order += 1;
                self.found(plan, entry, (user, node));
                Some((Kind::OutOfOrder, Observed::Late { fenced: self.fenced }))
            }
            Verdict::BehindFence(at) => {
                counts.out_of_order += 1;
                Some((Kind::OutOfOrder, Observed::BehindFence(at)))
            }
            Verdict::Duplicate => {
                counts.duplicate += 1;
                Some((Kind::Duplicate, Observed::Nothing))
            }
            Verdict::Phantom => {
                counts.misdelivered += 1;
                counts.misdelivered_across += u64::from(elsewhere);
                Some((Kind::Misdelivered, Observed::Nothing))
            }
        };
        if let Some((kind, seen)) = wrong {
            self.wrong += 1;
            let stays = account.membership(emission.stream);
            self.witnesses.note(
                plan,
                window,
                &ViolationEvidence { kind, receiver: user, entry, at: Some(at), stays, seen },
            );
        }
        if matches!(verdict, Verdict::Duplicate | Verdict::Phantom | Verdict::History) {
            return None;
        }
        Some(self.arrived(plan, user, entry, at))
    }

    /// A message that had been counted as missing was not lost, only behind what should have come behind it.
    fn found(&mut self, plan: &Plan, entry: &Entry, (user, node): (u32, u32)) {
        let counts = self.counts(plan, &entry.emission, user);
        counts.missing = counts.missing.saturating_sub(1);
        counts.delivered += 1;
        self.due.found(entry.emission.at);
        self.found_between(plan, entry, (user, node));
        self.witnesses.came_late(user, entry);
    }

    /// A message came in one event with others. Returns its latency if it is a delivery.
    pub(in crate::load) fn delivered_among(
        &mut self,
        plan: &Plan,
        (user, node): (u32, u32),
        entry: &Entry,
        verdict: Verdict,
        at: Nanos,
    ) -> Option<u64> {
        match verdict {
            Verdict::Fine => {}
            Verdict::Late => self.found(plan, entry, (user, node)),
            _ => {
                self.tally.among.again += 1;
                return None;
            }
        }
        self.tally.among.deliveries += 1;
        Some(self.arrived(plan, user, entry, at))
    }

    /// The first copy of a message has come; returns its latency.
    fn arrived(&mut self, plan: &Plan, user: u32, entry: &Entry, at: Nanos) -> u64 {
        let emission = &entry.emission;
        self.delivered += 1;
        let (traffic, phase) = (usize::from(emission.traffic), emission.phase);
        let latency = at - self.clocks.intended(emission);
        self.tally.negative += u64::from(latency < -self.clocks.between(emission.sender, user));
        let latency = latency.max(0) as u64;
        let population = plan.users[user as usize].population;
        self.distributions.record_for(Measure::Delivery, (traffic, population), phase, latency);
        if let Some(sent) = entry.sent() {
            self.distributions.record_of(Measure::Service, traffic, phase, (at - sent).max(0) as u64);
        }
        latency
    }

    /// A copy came of a message that another part has sent. It is judged where the parts are put together; how late it came is
    /// known here already, as far as the two clocks agree.
    pub(in crate::load) fn of_another_part(&mut self, plan: &Plan, user: u32, emission: &Emission, at: Nanos) {
        self.delivered += 1;
        self.tally.elsewhere += 1;
        let latency = at - emission.at as i64;
        let (traffic, phase) = (usize::from(emission.traffic), emission.phase);
        let population = plan.users[user as usize].population;
        self.distributions.record_for(Measure::Delivery, (traffic, population), phase, latency.max(0) as u64);
    }

    /// An event came that has the name of a traffic's messages and cannot be recognised; whether it is certain that it is
    /// one of them.
    pub(in crate::load) fn unread(
        &mut self,
        plan: &Plan,
        user: u32,
        (traffic, is_spoilt): (usize, bool),
        json: &str,
        at: Nanos,
    ) {
        let population = plan.users[user as usize].population;
        let counts = &mut self.counts[traffic][plan.phase_at(at)][population];
        if is_spoilt {
            counts.altered += 1;
            self.wrong += 1;
            self.copies.spoilt(user, traffic as u16);
            self.witnesses.note_spoilt(plan, user, traffic, json, at);
        } else {
            counts.unidentified += 1;
        }
    }

    /// A copy of a message came whose payload is as it was sent for so many bytes only.
    pub(in crate::load) fn altered(
        &mut self,
        plan: &Plan,
        window: &Window,
        user: u32,
        entry: &Entry,
        intact: usize,
        at: Nanos,
    ) {
        self.counts(plan, &entry.emission, user).altered += 1;
        self.wrong += 1;
        let seen = Observed::Intact(intact);
        let witness =
            ViolationEvidence { kind: Kind::Altered, receiver: user, entry, at: Some(at), stays: Vec::new(), seen };
        self.witnesses.note(plan, window, &witness);
    }

    /// The sender's acknowledgement of a message arrived.
    pub(in crate::load) fn acknowledged(&mut self, emission: &Emission, now: Nanos) {
        let latency = (now - self.clocks.intended(emission)).max(0) as u64;
        let (traffic, phase) = (usize::from(emission.traffic), emission.phase);
        self.distributions.record_of(Measure::Ack, traffic, phase, latency);
    }

    /// The application has refused a message, and said why.
    pub(in crate::load) fn refused(&mut self, plan: &Plan, emission: &Emission, why: &str) {
        self.counts(plan, emission, emission.sender).refused += 1;
        self.tally.problem(format!("a message of {} {why}", plan.traffic[usize::from(emission.traffic)].name));
    }

    /// The account of a message and a receiver is closed.
    pub(in crate::load) fn settled(
        &mut self,
        plan: &Plan,
        window: &Window,
        (user, node): (u32, u32),
        entry: &Entry,
        fate: DeliveryOutcome,
    ) {
        // It was for nobody, and who got it all the same was not wronged.
        if entry.is_refused() {
            return;
        }
        let is_spoilt =
            matches!(fate, DeliveryOutcome::Missing(_)) && self.copies.was_spoilt(user, entry.emission.traffic);
        if plan.is_cluster() && !is_spoilt {
            self.note_pair((entry.origin().node, node), fate);
        }
        let counts = self.counts(plan, &entry.emission, user);
        match fate {
            _ if is_spoilt => {
                counts.owed += 1;
                counts.delivered += 1;
                self.due.owed(entry.emission.at);
            }
            DeliveryOutcome::Delivered => {
                counts.owed += 1;
                counts.delivered += 1;
                self.due.owed(entry.emission.at);
            }
            DeliveryOutcome::Missing(by) => {
                counts.owed += 1;
                counts.missing += 1;
                self.wrong += 1;
                self.due.owed(entry.emission.at);
                self.due.missing(entry.emission.at);
                self.losses.lost(entry.sent().unwrap_or_default(), nodes(plan, entry, (user, node)));
                // It was inside throughout, or nothing would be missing.
                let stays = entry.sent().map(|sent| (sent, Tri::T)).into_iter().collect();
                let seen = Observed::Absent { by, fenced: self.fenced };
                let witness = ViolationEvidence { kind: Kind::Missing, receiver: user, entry, at: None, stays, seen };
                self.witnesses.note(plan, window, &witness);
            }
            DeliveryOutcome::Excused => counts.excused += 1,
            DeliveryOutcome::Undecided => counts.undecided += 1,
            DeliveryOutcome::May(here) => {
                counts.may += 1;
                counts.may_delivered += u64::from(here);
            }
            DeliveryOutcome::Volatile(here) => {
                counts.volatile += 1;
                counts.volatile_delivered += u64::from(here);
            }
        }
    }

    /// What was counted as missing between two servers has come after all.
    fn found_between(&mut self, plan: &Plan, entry: &Entry, receiver: (u32, u32)) {
        let nodes = nodes(plan, entry, receiver);
        self.losses.found(entry.sent().unwrap_or_default(), nodes);
        if let Some(across) = self.tally.pairs.get_mut(&nodes) {
            across.missing = across.missing.saturating_sub(1);
        }
    }

    /// Counts what was owed by the servers of sender and receiver.
    fn note_pair(&mut self, nodes: (u32, u32), fate: DeliveryOutcome) {
        let across = self.tally.pairs.entry(nodes).or_default();
        match fate {
            DeliveryOutcome::Delivered => across.owed += 1,
            DeliveryOutcome::Missing(_) => {
                across.owed += 1;
                across.missing += 1;
            }
            DeliveryOutcome::Undecided => across.undecided += 1,
            DeliveryOutcome::May(here) => {
                across.may += 1;
                across.may_delivered += u64::from(here);
            }
            DeliveryOutcome::Excused | DeliveryOutcome::Volatile(_) => {}
        }
    }

    /// A message was sent while `user` was away, and did not reach the session it has now.
    pub(in crate::load) fn missed(&mut self, plan: &Plan, user: u32, entry: &Entry) {
        self.counts(plan, &entry.emission, user).missed_offline += 1;
    }

    /// Nobody will say any more about a message.
    pub(in crate::load) fn closed(&mut self, plan: &Plan, entry: &Entry, seen: FanoutProgress) {
        let emission = &entry.emission;
        let counts = self.counts(plan, emission, emission.sender);
        counts.scheduled += 1;
        let Some(sent) = entry.sent() else {
            counts.skipped += 1;
            return;
        };
        let is_answered = matches!(entry.time(), Time::Sent { ok: Answer::At(_), .. });
        counts.unanswered +=
            u64::from(plan.traffic[usize::from(emission.traffic)].ack && !is_answered && !entry.is_refused());
        let (traffic, phase) = (usize::from(emission.traffic), emission.phase);
        if seen.count > 0 {
            self.distributions.record_of(Measure::First, traffic, phase, seen.first);
        }
        if seen.owed > 0 && seen.missing == 0 {
            self.distributions.record_of(Measure::Complete, traffic, phase, seen.last);
            if plan.phases[phase].measured {
                self.outliers.note(entry, sent, seen);
            }
        }
    }
}
