//! A session in a cluster: the server it is with, and fences that cross from server to server.

use sio_oracle::board::{ClusterFence, Facts as _, Nanos, UNKNOWN_NODE};
use sio_protocol::{Args, Incoming, Value};

use super::UserSession;
use crate::load::emission_log::Origin;
use crate::load::identity::{Fit, Reading};
use crate::load::schedule::Emission;

/// Who has sent nothing to a target for so long makes a fence there; whoever goes on sending needs none.
const QUIET: Nanos = 1_000_000_000;
/// What was sent so long ago has been asked for, if somebody lacks it.
const ASKED_FOR: Nanos = 10_000_000_000;
/// What a fixture calls itself that nobody has given a name.
const NAMELESS: &str = "A";

/// The last message to a target.
pub(super) struct Behind {
    emission: Emission,
    at: Nanos,
    fenced: bool,
}

impl Behind {
    pub(super) fn new(emission: Emission, at: Nanos) -> Self {
        Self { emission, at, fenced: false }
    }
}

impl UserSession<'_> {
    /// Where what it sends comes from.
    pub(super) fn origin(&self) -> Origin {
        Origin { session: self.mailbox.sessions.get(), node: self.mailbox.node.get() }
    }

    /// It is in: notes which server it is with, as far as answers have told.
    pub(super) fn knows_where_it_is(&self) {
        if !self.local.plan.is_cluster() {
            return;
        }
        let address = self.local.plan.users[self.number as usize].node;
        let label = self.label.as_ref();
        let said = label.and_then(|label| label.said().or_else(|| self.shown_cookie(address, label.cookie_name()?)));
        self.mailbox.node.set(self.local.shared.cluster.node(address, said.as_deref()));
    }

    /// A cookie that was set once is not set again.
    fn shown_cookie(&self, address: u32, name: &str) -> Option<String> {
        let shown = self.local.jars.jar(self.number).shown(&self.local.endpoint(address).url);
        shown.into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Asks the fixture which server this is, where nothing else tells.
    pub(super) fn ask_where_it_is(&mut self) {
        let cluster = &self.local.shared.cluster;
        if self.local.plan.is_cluster() && self.local.stage.fence && cluster.must_be_asked() {
            let nsp = self.places.first().map_or("/", |place| &place.namespace);
            self.whoami = self.connection.emit(nsp, Args::event("whoami", ()).unwrap_or_default(), true);
        }
    }

    pub(super) fn is_told_where_it_is(&mut self, answer: &Args) {
        let values = answer.to_values().unwrap_or_default();
        let name = values.first().and_then(|value| value.get("node")).and_then(Value::as_str);
        let Some(name) = name.filter(|name| *name != NAMELESS) else { return };
        let node = self.local.shared.cluster.number(name);
        self.mailbox.node.set(node);
        for account in self.places.iter_mut().filter_map(|place| place.account.as_mut()) {
            account.at_node(node);
        }
    }

    /// Sends fences to the targets where it has become quiet, as far as they may be sent unasked: they tell how long messages
    /// take from server to server, and spare others the asking. At the end nobody does that.
    pub(super) fn fence_where_it_is_quiet(&mut self) {
        let (now, needs) = (self.local.now(), &self.local.shared.needs);
        if !self.local.closing.get() {
            self.fence_those(|stream, behind| behind.at + QUIET <= now && needs.may_be_sent_unasked(stream, now));
        }
    }

    /// Sends fences behind what may not have been asked for yet: it leaves, and nobody can send them in its stead.
    pub(super) fn fence_what_is_recent(&mut self) {
        let now = self.local.now();
        self.fence_those(|_, behind| behind.at + ASKED_FOR > now);
    }

    fn fence_those(&mut self, wanted: impl Fn(u32, &Behind) -> bool) {
        if !self.local.plan.is_cluster() || !self.local.stage.fence {
            return;
        }
        let mut due = Vec::new();
        for (stream, behind) in &mut self.behind {
            if !behind.fenced && wanted(*stream, behind) {
                behind.fenced = true;
                due.push(behind.emission);
            }
        }
        due.iter().for_each(|emission| self.send_fence(emission, Some(emission.seq)));
    }

    /// Somebody lacks this message to a target: sends a fence behind it, unless what it has sent there just now is one.
    pub(super) fn cross(&mut self, stream: u32, seq: u32) {
        let (now, closing) = (self.local.now(), self.local.closing.get());
        if !self.has_sent(stream, seq) {
            return;
        }
        let Some(behind) = self.behind.get_mut(&stream) else { return };
        if !closing && behind.emission.seq > seq && behind.at + QUIET > now {
            return;
        }
        behind.fenced = true;
        let emission = behind.emission;
        self.send_fence(&emission, Some(emission.seq));
    }

    /// Whether it has sent a message on this connection: what another one shows says nothing of it.
    fn has_sent(&self, stream: u32, seq: u32) -> bool {
        let window = self.local.window.borrow();
        // It is let go of where nobody needs it, and may be needed by users of another worker.
        let fact = window.fact(stream, seq);
        fact.is_none_or(|fact| fact.sender == self.number && fact.session == self.mailbox.sessions.get())
    }

    /// Sends a fence to targets that it has not sent anything to.
    pub(super) fn link(&mut self) {
        for (traffic, room) in self.mailbox.links.take() {
            let emission = Emission::beside(&self.local.plan, self.number, traffic, room);
            self.send_fence(&emission, None);
        }
    }

    fn send_fence(&mut self, like: &Emission, last: Option<u32>) {
        let local = self.local;
        let Origin { session, node } = self.origin();
        let fence = ClusterFence { sender: self.number, session, node, stream: like.stream, last, sent: local.now() };
        let Some(number) = local.shared.fences.add(fence, *like) else { return };
        let traffic = usize::from(like.traffic);
        let message = &local.messages[traffic];
        // What cannot be made was said of the message that it is like.
        if let Ok(args) = message.render(&local.plan, like, local.stamp(number), &self.credentials.known) {
            self.connection.emit(&local.plan.traffic[traffic].namespace, args, message.ack);
            local.measurements.borrow_mut().tally.cluster_fences += 1;
        }
    }

    /// A cluster fence has come.
    pub(super) fn crossed(&mut self, copy: &Reading, incoming: &Incoming) {
        let local = self.local;
        let Some((fence, like)) = local.shared.fences.get(copy.emission) else { return };
        if local.shared.identities.fit(&local.plan, &like, copy, incoming) == Fit::Other {
            return;
        }
        self.mailbox.heard.set(true);
        let (now, node) = (self.arrived_at, self.mailbox.node.get());
        let Some(place) = self.places.iter_mut().find(|place| place.namespace == *incoming.nsp) else { return };
        let Some(account) = place.current() else { return };
        let shows = account.fence_across(&fence, now, &*local.window.borrow());
        let is_elsewhere = fence.node != node || node == UNKNOWN_NODE;
        // At the end all of them come at once, which says nothing of the way.
        local.note_way(fence.sent, now);
        let is_of_a_phase = local.clock.get().is_some() && fence.sent >= 0 && !local.closing.get();
        if is_elsewhere && fence.sender != self.number && is_of_a_phase {
            let phase = local.plan.phase_at(fence.sent);
            local.measurements.borrow_mut().crossed(phase, (now - fence.sent).max(0) as u64);
        }
        if shows {
            self.settle(now);
        }
        if !self.mailbox.linked.get() {
            let mut accounts = self.places.iter().filter_map(|place| place.account.as_ref());
            self.mailbox.linked.set(accounts.all(|account| account.is_known_everywhere(now)));
        }
        local.ready.notify_one();
    }
}
