//! Is there an order of the operations under which this was received?

use std::collections::HashSet;

use super::events::Events;
use super::{Refuted, refute};
use crate::history::{Emission, NEVER, NamespaceId, OperationId, Room, SocketId, Time};

/// The recipients of a message were chosen, and it is known which of the sockets were among them.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) message: OperationId,
    pub(super) received: Vec<(SocketId, bool)>,
    /// By when they had been chosen.
    pub(super) until: Time,
}

#[derive(Clone, Debug)]
enum Effect {
    Up(usize),
    Down(usize),
    Set(usize, bool),
    Choose { emission: Emission, by: Option<SocketId>, received: Vec<(SocketId, bool)> },
}

#[derive(Clone, Debug)]
struct Step {
    inv: Time,
    ok: Time,
    effect: Effect,
    /// Its connection and place in it, where those fix an order.
    program: Option<(SocketId, usize)>,
    /// May as well have no effect.
    optional: bool,
    /// Not done in its turn: later steps of its connection may come first.
    detached: bool,
}

/// Steps, and the conditions that an order of them must meet.
pub(super) struct Question {
    steps: Vec<Step>,
    sockets: Vec<(SocketId, NamespaceId)>,
    rooms: Vec<(usize, Room)>,
}

type State = (u128, u64, u128);

/// More orders than this are not tried.
const MOST_STATES: usize = 2_000_000;

impl Question {
    pub(super) fn new(events: &Events<'_>, sockets: &[SocketId], choices: Vec<Choice>) -> Result<Self, Refuted> {
        let mut question = Self { steps: Vec::new(), sockets: Vec::new(), rooms: Vec::new() };
        // What another node does about an operation, it does later.
        let here =
            |by: SocketId| sockets.iter().all(|&socket| events.node_of(Some(socket)) == events.node_of(Some(by)));
        let in_program = |by: Option<SocketId>| by.filter(|&by| events.in_order() && here(by));
        for (number, &socket) in sockets.iter().enumerate() {
            let life = events.life(socket)?;
            question.sockets.push((socket, life.namespace));
            question.plain(life.asked, life.connected, Effect::Up(number));
            if life.leaves < NEVER {
                question.plain(life.leaves, life.left, Effect::Down(number));
            }
            for change in events.changes(socket) {
                let cell = question.cell(number, change.room);
                let away = life.gaps.iter().any(|&(lost, back)| lost <= change.ok && change.inv <= back);
                question.steps.push(Step {
                    inv: change.inv,
                    ok: change.ok,
                    effect: Effect::Set(cell, change.join),
                    program: in_program(change.by).map(|by| (by, change.place)),
                    optional: away,
                    detached: false,
                });
            }
        }
        for choice in choices {
            let sent = events.sent(choice.message)?;
            question.steps.push(Step {
                detached: sent.emission.asks,
                inv: sent.inv,
                ok: choice.until,
                effect: Effect::Choose { emission: sent.emission, by: sent.by, received: choice.received },
                program: in_program(sent.by).map(|by| (by, sent.place)),
                optional: false,
            });
        }
        if question.steps.len() > 128 || question.rooms.len() > 128 || sockets.len() > 64 {
            return refute("the proof has more operations than can be tried out");
        }
        question.steps.sort_by_key(|step| step.inv);
        Ok(question)
    }

    fn plain(&mut self, inv: Time, ok: Time, effect: Effect) {
        self.steps.push(Step { inv, ok, effect, program: None, optional: false, detached: false });
    }

    fn cell(&mut self, socket: usize, room: Room) -> usize {
        if let Some(cell) = self.rooms.iter().position(|cell| *cell == (socket, room)) {
            return cell;
        }
        self.rooms.push((socket, room));
        self.rooms.len() - 1
    }

    /// Tries the orders, each state once.
    pub(super) fn has_an_answer(&self) -> Result<bool, Refuted> {
        let mut seen: HashSet<State> = HashSet::new();
        let mut open: Vec<State> = vec![(0, 0, 0)];
        while let Some(state) = open.pop() {
            if !seen.insert(state) {
                continue;
            }
            if seen.len() > MOST_STATES {
                return refute("too many orders of the operations are possible to try them all");
            }
            if self.all_chosen(state.0) {
                return Ok(true);
            }
            for (number, step) in self.steps.iter().enumerate() {
                if self.may_be_next(state.0, number) {
                    let done = state.0 | 1 << number;
                    open.extend(self.apply(step, state).map(|(up, members)| (done, up, members)));
                    if step.optional {
                        open.push((done, state.1, state.2));
                    }
                }
            }
        }
        Ok(false)
    }

    fn all_chosen(&self, done: u128) -> bool {
        let chosen =
            |(number, step): (usize, &Step)| !matches!(step.effect, Effect::Choose { .. }) || done & 1 << number != 0;
        self.steps.iter().enumerate().all(chosen)
    }

    fn may_be_next(&self, done: u128, number: usize) -> bool {
        let step = &self.steps[number];
        let blocks = |(other, before): (usize, &Step)| {
            // A socket that was seen to be connected ends behind that, though the two share an instant.
            let same = matches!((&before.effect, &step.effect), (Effect::Up(up), Effect::Down(down)) if up == down);
            let first = before.ok < step.inv
                || same && before.ok == step.inv
                || matches!((before.program, step.program), (Some((a, i)), Some((b, j))) if a == b && i < j && !before.detached);
            other != number && first && done & 1 << other == 0
        };
        done & 1 << number == 0 && !self.steps.iter().enumerate().any(blocks)
    }

    /// The state behind a step; none if the step contradicts what was received.
    fn apply(&self, step: &Step, (_, up, members): State) -> Option<(u64, u128)> {
        match &step.effect {
            Effect::Up(socket) => Some((up | 1 << socket, members)),
            // It never comes up again, so that nobody asks for its rooms.
            Effect::Down(socket) => Some((up & !(1 << socket), members)),
            Effect::Set(cell, join) => {
                let connected = up & 1 << self.rooms[*cell].0 != 0;
                Some((
                    up,
                    match (connected, join) {
                        (false, _) => members,
                        (true, true) => members | 1 << cell,
                        (true, false) => members & !(1 << cell),
                    },
                ))
            }
            Effect::Choose { emission, by, received } => {
                let fits = |&(socket, received): &(SocketId, bool)| {
                    self.is_recipient(emission, *by, socket, up, members) == received
                };
                received.iter().all(fits).then_some((up, members))
            }
        }
    }

    fn is_recipient(
        &self,
        emission: &Emission,
        by: Option<SocketId>,
        socket: SocketId,
        up: u64,
        members: u128,
    ) -> bool {
        let Some(number) = self.sockets.iter().position(|(other, _)| *other == socket) else { return false };
        let connected = up & 1 << number != 0;
        let is_in = |&room: &Room| {
            room == Room::Own(socket)
                || self
                    .rooms
                    .iter()
                    .position(|cell| *cell == (number, room))
                    .is_some_and(|cell| members & 1 << cell != 0)
        };
        connected
            && self.sockets[number].1 == emission.namespace
            && (emission.rooms.is_empty() || emission.rooms.iter().any(is_in))
            && !emission.except.iter().any(is_in)
            && !(emission.excludes_sender && by == Some(socket))
    }
}
