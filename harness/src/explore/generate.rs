//! Random programs.

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::program::{Emit, Phase, Program, Step, Target, Verb};
use crate::scenario::model::Transport;

const ROOMS: u8 = 3;
const CLIENTS: u8 = 5;
/// How long outages last, in milliseconds: what runs beside them takes about as long, so that others go on while a
/// session is recovered, and some servers notice the break only when its client is back.
const AWAY: &[u8] = &[0, 1, 2, 3, 12];
/// The share of programs that end with a question that is not answered by all.
const QUESTIONS: f64 = 0.2;

/// What the target allows.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Connections may break and come back for their session.
    pub recovery: bool,
    /// The server's process is ours, so that it may be stopped for a while.
    pub process: bool,
}

pub(super) fn program(shape: Shape) -> impl Strategy<Value = Program> {
    (3..=CLIENTS, 1u8..=2).prop_flat_map(move |(clients, namespaces)| {
        let phase = vec(vec(step(shape, clients, namespaces), 1..5), 1..5);
        let ordinary = phase.boxed();
        let other = if shape.recovery { outage(clients, namespaces).boxed() } else { ordinary.clone() };
        let phase = prop_oneof![4 => ordinary, 1 => other];
        // Comes on top, so that it takes the place of nothing else.
        let last = prop::option::weighted(QUESTIONS, question(clients, namespaces));
        (vec(transport(), usize::from(clients)), vec(phase, 1..4), last).prop_map(move |(clients, mut phases, last)| {
            phases.extend(last);
            Program { clients, namespaces, phases }
        })
    })
}

/// A question to a whole namespace that is not answered by all, while nothing else happens: who has answered is certain.
/// Drawn flag by flag it would come once in hundreds of programs.
fn question(clients: u8, namespaces: u8) -> impl Strategy<Value = Phase> {
    (0..clients, 0..clients, 0..namespaces).prop_map(|(client, silent, namespace)| {
        let emit = Emit { asks: true, silent: Some(silent), ..Emit::default() };
        vec![vec![Step { client, namespace, verb: Verb::Emit(emit) }]]
    })
}

/// A session is lost and recovered while others go on sending to everybody and to its room, and is used afterwards.
fn outage(clients: u8, namespaces: u8) -> impl Strategy<Value = Phase> {
    let away = (0..clients, 0..namespaces, 0..ROOMS, prop::sample::select(AWAY)).prop_map(
        |(client, namespace, room, away)| {
            let step = |verb| Step { client, namespace, verb };
            vec![step(Verb::Join(vec![room])), step(Verb::Cut { away }), step(Verb::Leave(room))]
        },
    );
    let sent = (0..clients, 0..namespaces, prop::option::of(0..ROOMS)).prop_map(|(client, namespace, room)| {
        let emit = Emit { to: room.into_iter().map(Target::Room).collect(), ..Emit::default() };
        Step { client, namespace, verb: Verb::Emit(emit) }
    });
    (away, vec(vec(sent, 3..9), 1..4)).prop_map(|(away, mut branches)| {
        branches.push(away);
        branches
    })
}

fn transport() -> impl Strategy<Value = Transport> {
    prop_oneof![
        4 => Just(Transport::WebSocket),
        1 => Just(Transport::Polling),
        1 => Just(Transport::Upgrade),
    ]
}

fn step(shape: Shape, clients: u8, namespaces: u8) -> impl Strategy<Value = Step> {
    (0..clients, 0..namespaces, verb(shape, clients)).prop_map(|(client, namespace, verb)| Step {
        client,
        namespace,
        verb,
    })
}

fn verb(shape: Shape, clients: u8) -> impl Strategy<Value = Verb> {
    let breaks = if shape.recovery { 3 } else { 1 };
    prop_oneof![
        8 => btree_set(0..ROOMS, 1..3).prop_map(|rooms| Verb::Join(rooms.into_iter().collect())),
        5 => (0..ROOMS).prop_map(Verb::Leave),
        2 => (0..clients, 0..ROOMS, any::<bool>()).prop_map(|(whom, room, into)| Verb::Move { whom, room, into }),
        20 => emit(clients).prop_map(Verb::Emit),
        3 => (0..ROOMS).prop_map(Verb::Members),
        1 => (0..clients).prop_map(Verb::Kick),
        2 => prop::bool::weighted(0.3).prop_map(|refused| Verb::Rejoin { refused }),
        breaks => prop::sample::select(AWAY).prop_map(|away| Verb::Cut { away }),
        2 => Just(Verb::Stall),
        1 => if shape.process { Just(Verb::Freeze) } else { Just(Verb::Stall) },
        1 => transport().prop_map(Verb::Reconnect),
    ]
}

fn emit(clients: u8) -> impl Strategy<Value = Emit> {
    let targets = move |most: usize| {
        let target = prop_oneof![6 => (0..ROOMS).prop_map(Target::Room), 1 => (0..clients).prop_map(Target::Own)];
        btree_set(target, 0..=most).prop_map(|targets| targets.into_iter().collect::<Vec<_>>())
    };
    let except = prop_oneof![2 => Just(Vec::new()), 1 => targets(2)];
    let flags = (prop::bool::weighted(0.1), prop::bool::weighted(0.1), prop::bool::weighted(0.2));
    let silent = prop_oneof![2 => Just(None), 1 => (0..clients).prop_map(Some)];
    (any::<bool>(), targets(3), except, flags, silent).prop_map(
        |(from_socket, to, except, (volatile, asks, binary), silent)| {
            let asks = asks && !volatile;
            Emit { from_socket, to, except, volatile, asks, silent: silent.filter(|_| asks), binary }
        },
    )
}
