//! What is kept of wrong deliveries, in which order it is shown, and what is said of each.

use std::collections::BTreeSet;

use sio_oracle::board::{Absence, Emission as Number};

use super::*;
use crate::load::emission_log::{EmissionLog, Origin};
use crate::load::schedule::{Emission, Schedule};
use crate::load::share::Share;
use crate::record::{Lane, LaneStay};
use crate::scenario::{self, source::Source};

const SECOND: Nanos = 1_000_000_000;

/// Three users, each in two of three rooms, and one who is in none.
const SCENARIO: &str = r#"
name = "x"
[actions]
"join(r)" = { emit = ["join", "${r}"], ack = true }
[rooms.a]
count = 3
join = ["join", "${room}"]
[rooms.b]
count = 1
join = ["join", "${room}"]
[users.u]
count = 3
in = { a = 2, b = 1 }
[users.v]
count = 1
[traffic.say]
from = "u"
rate = "40/s"
emit = ["say", "${room}", "${payload}"]
delivers_to = { event = "say", rooms = ["${room}"], except = "sender" }
[traffic.tell]
from = "u"
rate = "40/s"
emit = ["tell", "${payload}"]
delivers_to = { event = "tell", rooms = [] }
[[phase]]
name = "p"
for = "4s"
"#;

struct Scene {
    plan: Arc<Plan>,
    window: Window,
}

impl Scene {
    fn new() -> Self {
        Self::of(SCENARIO, 1)
    }

    fn of(text: &str, nodes: u32) -> Self {
        let loaded = scenario::load(Source { name: "x".to_owned(), text: text.to_owned() }, &[], Some(1)).unwrap();
        let plan = Arc::new(Plan::new(&loaded.scenario, nodes).unwrap());
        let log = EmissionLog::new(Schedule::new(&loaded.scenario, plan.clone()), 1, Share::WHOLE);
        let mut window = Window::new(Arc::new(log), plan.clone());
        window.make_all();
        Self { plan, window }
    }

    /// The messages of a traffic that `wanted` takes.
    fn messages(&self, traffic: u16, wanted: impl Fn(&Emission) -> bool) -> Vec<u32> {
        let is_wanted = |index: &u32| {
            let emission = &self.window.entry(*index).unwrap().emission;
            emission.traffic == traffic && wanted(emission)
        };
        (0..self.window.end()).filter(is_wanted).collect()
    }

    fn entry(&self, index: u32) -> &Entry {
        self.window.entry(index).unwrap()
    }

    /// Message `index` was sent then, and had taken effect by `answered`.
    fn send(&self, index: u32, at: Nanos, answered: Option<Nanos>) {
        self.window.sending(index, at, Origin::UNKNOWN);
        if let Some(at) = answered {
            self.entry(index).answered(at);
        }
    }

    fn evidence(&self, kind: Kind, receiver: u32, index: u32, seen: Observed) -> ViolationEvidence<'_> {
        let at = (kind != Kind::Missing).then_some(3 * SECOND);
        ViolationEvidence { kind, receiver, entry: self.entry(index), at, stays: Vec::new(), seen }
    }

    fn violation(&self, evidence: &ViolationEvidence<'_>) -> LoadViolation {
        words::of(evidence, &self.plan, &self.window)
    }

    fn lanes(&self, evidence: &ViolationEvidence<'_>) -> Vec<Lane> {
        let excerpt = Repro::around(&self.plan, &self.window, evidence, &Outages::default());
        lanes::of(evidence, &self.plan, &excerpt, &self.window)
    }

    /// A user of the first population that a message of `say` is for, other than its sender.
    fn reader_of(&self, index: u32) -> u32 {
        let emission = self.entry(index).emission;
        let is_meant = |user: &u32| {
            *user != emission.sender && self.plan.is_addressed(&self.plan.users[*user as usize], emission.stream)
        };
        (0..3).find(is_meant).unwrap()
    }

    /// A message of `say` that somebody besides its sender is to get.
    fn some_say(&self) -> u32 {
        let all = self.messages(0, |_| true);
        let has_reader = |index: &u32| {
            let emission = self.entry(*index).emission;
            (0..3).any(|user| {
                user != emission.sender && self.plan.is_addressed(&self.plan.users[user as usize], emission.stream)
            })
        };
        all.into_iter().skip(4).find(has_reader).unwrap()
    }
}

fn all_kinds() -> [Kind; 5] {
    [Kind::Missing, Kind::Altered, Kind::Duplicate, Kind::Misdelivered, Kind::OutOfOrder]
}

#[test]
fn each_kind_is_counted_by_its_measure_and_breaks_its_invariant() {
    let scene = Scene::new();
    let index = scene.some_say();
    scene.send(index, SECOND, None);
    let told = all_kinds().map(|kind| {
        let violation = scene.violation(&scene.evidence(kind, scene.reader_of(index), index, Observed::Nothing));
        (violation.measure, violation.invariant)
    });
    let told: Vec<_> = told.iter().map(|(measure, invariant)| (measure.as_str(), invariant.as_str())).collect();
    let wanted =
        [("missing", "I6"), ("altered", "I15"), ("duplicate", "I1"), ("misdelivered", "I3"), ("out_of_order", "I5b")];
    assert_eq!(told, wanted);
}

/// A run that loses everything keeps a few dozen, however long it goes on; of what may still come it keeps more.
#[test]
fn a_worker_keeps_the_first_of_each_kind_and_no_more() {
    let scene = Scene::new();
    let mut witnesses = Witnesses::default();
    let all = scene.messages(1, |_| true);
    for index in all.iter().take(40) {
        for kind in all_kinds() {
            witnesses.note(&scene.plan, &scene.window, &scene.evidence(kind, 0, *index, Observed::Nothing));
        }
    }
    let kept = |witnesses: &Witnesses, kind| witnesses.kept.iter().filter(|kept| kept.kind == kind).count();
    assert_eq!(all_kinds().map(|kind| kept(&witnesses, kind)), [24, 3, 3, 3, 3]);
    witnesses.note_spoilt(&scene.plan, 0, 1, "[]", SECOND);
    assert_eq!(kept(&witnesses, Kind::Altered), 3, "there is no room for another one");
}

/// Of what came late after all nothing is left to say; the same message to another user is still lost, and a wrong copy of it wrong.
#[test]
fn what_came_late_is_not_lost_and_nothing_else_is_taken_back() {
    let scene = Scene::new();
    let mut witnesses = Witnesses::default();
    let [first, second] = scene.messages(1, |_| true)[..2] else { panic!() };
    for (kind, receiver, index) in
        [(Kind::Missing, 0, first), (Kind::Missing, 1, first), (Kind::Missing, 0, second), (Kind::Duplicate, 0, first)]
    {
        witnesses.note(&scene.plan, &scene.window, &scene.evidence(kind, receiver, index, Observed::Nothing));
    }
    witnesses.came_late(0, scene.entry(first));
    let seq = |index: u32| scene.entry(index).emission.seq;
    let left: Vec<_> = witnesses.kept.iter().map(|kept| (kept.kind, kept.receiver, kept.message.unwrap().1)).collect();
    assert_eq!(
        left,
        [(Kind::Missing, 1, seq(first)), (Kind::Missing, 0, seq(second)), (Kind::Duplicate, 0, seq(first))]
    );
}

/// What is shown are the first of each kind over all workers, by the time at which the messages were due, and only of what is decided.
#[test]
fn the_first_of_all_workers_are_shown_kind_by_kind() {
    let scene = Scene::new();
    let (tells, says) = (scene.messages(1, |_| true), scene.messages(0, |_| true));
    let mut workers = [Witnesses::default(), Witnesses::new(Arc::default())];
    let note = |worker: &mut Witnesses, kind, receiver, index| {
        worker.note(&scene.plan, &scene.window, &scene.evidence(kind, receiver, index, Observed::Nothing));
    };
    for (worker, index) in [(0, 5), (1, 2), (0, 3), (1, 4)] {
        note(&mut workers[worker], Kind::Missing, 1, tells[index]);
    }
    note(&mut workers[1], Kind::Missing, 0, tells[2]);
    note(&mut workers[0], Kind::OutOfOrder, 0, tells[0]);
    note(&mut workers[0], Kind::Duplicate, 0, tells[9]);
    note(&mut workers[1], Kind::Duplicate, 0, says[0]);
    let shown = first(workers.iter(), |traffic| traffic == 1);
    let seq = |index: usize| scene.entry(tells[index]).emission.seq;
    let told: Vec<_> = shown.iter().map(|(violation, traffic, _)| (violation.summary.clone(), *traffic)).collect();
    let wanted = [
        format!("user 0 did not get message {} of tell to its target in /", seq(2)),
        format!("user 1 did not get message {} of tell to its target in /", seq(2)),
        format!("user 1 did not get message {} of tell to its target in /", seq(3)),
        format!("user 0 got message {} of tell to its target in / again", seq(9)),
        format!("user 0 got message {} of tell to its target in / later than it can have been on its way", seq(0)),
    ];
    assert_eq!(told, wanted.map(|summary| (summary, 1)));
    assert!(shown.iter().all(|(violation, _, _)| !violation.lanes.is_empty()), "each is drawn");
}

/// A copy of which nobody knows which message it is of is quoted, and cut where it is long.
#[test]
fn a_spoilt_copy_is_quoted() {
    let scene = Scene::new();
    let mut witnesses = Witnesses::default();
    witnesses.note_spoilt(&scene.plan, 2, 1, "[\"tell\",\"~sb:0\"]", 2 * SECOND);
    witnesses.note_spoilt(&scene.plan, 2, 1, &"x".repeat(120), 2 * SECOND + 1);
    witnesses.note_spoilt(&scene.plan, 2, 1, &"x".repeat(121), 2 * SECOND + 2);
    let shown = first([witnesses].iter(), |_| true);
    let because: Vec<_> = shown.iter().map(|(violation, ..)| violation.because[0].as_str()).collect();
    let whole = "x".repeat(120);
    assert_eq!(
        because,
        [
            "at 2.000 s this came: [\"tell\",\"~sb:0\"]".to_owned(),
            format!("at 2.000 s this came: {whole}"),
            format!("at 2.000 s this came: {whole}…"),
        ]
    );
    assert_eq!(shown[0].0.measure, "altered");
    assert_eq!(shown[0].0.summary, "user 2 got a message of tell, and not as it was sent");
}

#[test]
fn the_summary_says_what_was_wrong() {
    let scene = Scene::new();
    let index = scene.some_say();
    scene.send(index, SECOND, None);
    let (emission, reader) = (scene.entry(index).emission, scene.reader_of(index));
    let room = &scene.plan.rooms[emission.room().unwrap() as usize].name;
    let message = format!("message {} of say to {room}", emission.seq);
    let summary = |kind, receiver, seen| scene.violation(&scene.evidence(kind, receiver, index, seen)).summary;
    let fence = Observed::BehindFence(2 * SECOND);
    for (kind, receiver, seen, wanted) in [
        (Kind::Missing, reader, Observed::Nothing, format!("user {reader} did not get {message}")),
        (Kind::Altered, reader, Observed::Intact(7), format!("user {reader} got {message}, and not as it was sent")),
        (Kind::Duplicate, reader, Observed::Nothing, format!("user {reader} got {message} again")),
        (Kind::Misdelivered, reader, Observed::Nothing, format!("user {reader} got {message}, which was not for it")),
        (
            Kind::Misdelivered,
            emission.sender,
            Observed::Nothing,
            format!("user {} got {message}, which it had sent itself", emission.sender),
        ),
        (
            Kind::OutOfOrder,
            reader,
            fence,
            format!("user {reader} got {message} behind a cluster fence that was sent after it"),
        ),
        (
            Kind::OutOfOrder,
            reader,
            Observed::Late { fenced: true },
            format!("user {reader} got {message} later than it can have been on its way"),
        ),
    ] {
        assert_eq!(summary(kind, receiver, seen), wanted);
    }
}

/// Who overtook is named briefly where it went to the same target, with its target where it did not, and it is said why it had to come
/// behind: the same sender's later message, or another's, sent when this one had taken effect.
#[test]
fn an_overtaker_is_named_and_why_it_is_one() {
    let scene = Scene::new();
    let index = scene.some_say();
    let meant = scene.entry(index).emission;
    let later = |wanted: &dyn Fn(&Emission) -> bool| {
        scene.messages(0, wanted).into_iter().find(|other| *other > index).unwrap()
    };
    let own = later(&|other| other.stream == meant.stream && other.sender == meant.sender);
    let theirs = later(&|other| other.stream == meant.stream && other.sender != meant.sender);
    let elsewhere = later(&|other| other.stream != meant.stream && other.sender == meant.sender);
    scene.send(index, SECOND, Some(SECOND + 1));
    scene.send(own, 2 * SECOND, None);
    scene.send(theirs, 2 * SECOND + 250_000_000, None);
    let said = |other: u32| {
        let Emission { stream, seq, .. } = scene.entry(other).emission;
        let seen = Observed::Behind(Number { stream, seq });
        let violation = scene.violation(&scene.evidence(Kind::OutOfOrder, scene.reader_of(index), index, seen));
        (violation.summary, violation.because[2].clone())
    };
    let Emission { seq, sender, .. } = scene.entry(own).emission;
    let (summary, because) = said(own);
    assert!(summary.ends_with(&format!(" behind message {seq}")), "{summary}");
    assert_eq!(because, format!("user {sender} sent message {seq} after it, on the same connection"));
    let Emission { seq, sender, .. } = scene.entry(theirs).emission;
    assert_eq!(said(theirs).1, format!("user {sender} sent message {seq} at 2.250 s, when this one had taken effect"));
    // Nobody has sent it: nothing is known of when it left.
    let Emission { seq, sender, .. } = scene.entry(elsewhere).emission;
    let (summary, because) = said(elsewhere);
    assert!(summary.contains(&format!(" behind message {seq} of say to ")), "{summary}");
    assert!(
        because.starts_with(&format!("user {sender} sent message {seq} of say to "))
            && because.contains(" later, when"),
        "{because}"
    );
}

#[test]
fn when_it_was_sent_is_said_as_far_as_it_is_known() {
    let scene = Scene::new();
    let [due, sent, answered] = scene.messages(1, |_| true)[..3] else { panic!() };
    scene.send(sent, 2 * SECOND, None);
    scene.send(answered, 2 * SECOND, Some(2 * SECOND + 500_000_000));
    let said = |index| {
        let violation = scene.violation(&scene.evidence(Kind::Duplicate, 0, index, Observed::Nothing));
        violation.because[0].clone()
    };
    let due_at = |index| format!("{:.3} s", scene.entry(index).emission.at as f64 / 1e9);
    let sender = |index| scene.entry(index).emission.sender;
    assert_eq!(said(due), format!("user {} had not sent it yet; it was due at {}", sender(due), due_at(due)));
    assert_eq!(
        said(sent),
        format!("user {} sent it: it was due at {} and left at 2.000 s", sender(sent), due_at(sent))
    );
    assert_eq!(
        said(answered),
        format!(
            "user {} sent it: it was due at {} and left at 2.000 s, and it had taken effect by 2.500 s",
            sender(answered),
            due_at(answered)
        )
    );
}

/// Why somebody was to get a message, or was not: the rooms of its namespace that it is in, or what the scenario says.
#[test]
fn why_it_was_owed_or_was_not_is_said() {
    let scene = Scene::new();
    let (say, tell) = (scene.some_say(), scene.messages(1, |_| true)[0]);
    let reader = scene.reader_of(say);
    let unsent =
        scene.violation(&scene.evidence(Kind::Misdelivered, reader, say, Observed::Nothing)).because[1].clone();
    assert_eq!(unsent, "what was not sent is for nobody");
    scene.send(say, SECOND, None);
    scene.send(tell, SECOND, None);
    let said = |kind, receiver, index| {
        let mut evidence = scene.evidence(kind, receiver, index, Observed::Nothing);
        evidence.stays = vec![(-5, Tri::F), (SECOND, Tri::U), (2 * SECOND, Tri::T), (0, Tri::F)];
        scene.violation(&evidence).because[1].clone()
    };
    let names = |user: u32| {
        let rooms = &scene.plan.users[user as usize].rooms;
        rooms.iter().map(|room| scene.plan.rooms[*room as usize].name.clone()).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(said(Kind::Missing, reader, say), format!("user {reader} is in its target: it is in {}", names(reader)));
    assert_eq!(said(Kind::Missing, 3, tell), "user 3 is in its target, /");
    assert_eq!(
        said(Kind::Missing, 3, say),
        "user 3 is in its target, /",
        "nobody else can be owed it, and no room is made up"
    );
    let sender = scene.entry(say).emission.sender;
    assert_eq!(said(Kind::Misdelivered, sender, say), "the scenario leaves the sender out: `except` has \"sender\"");
    let of_tell = scene.entry(tell).emission.sender;
    assert!(said(Kind::Misdelivered, of_tell, tell).contains("is of its target"), "this traffic spares nobody");
    assert_eq!(
        said(Kind::Misdelivered, 3, say),
        "user 3 is in no room: in no room that it goes to, or in one that it leaves out"
    );
    assert_eq!(
        said(Kind::Misdelivered, reader, say),
        format!(
            "user {reader} is of its target, but was not in it while the message took effect: outside from the beginning, perhaps \
             inside from 1.000 s, inside from 2.000 s, outside from 0.000 s"
        )
    );
}

/// What was seen of a copy, or shows that none will come: never more than what was seen.
#[test]
fn what_shows_it_is_said() {
    let scene = Scene::new();
    let index = scene.some_say();
    let reader = scene.reader_of(index);
    let meant = scene.entry(index).emission;
    let after = |same: bool| {
        let wanted = |other: &Emission| (other.stream == meant.stream) == same;
        scene.messages(0, wanted).into_iter().find(|other| *other > index).unwrap()
    };
    let number = |index: u32| {
        let Emission { stream, seq, .. } = scene.entry(index).emission;
        Number { stream, seq }
    };
    let (same, other) = (number(after(true)), number(after(false)));
    let unknown = Number { stream: meant.stream, seq: 1_000_000 };
    let absent = |by, fenced| Observed::Absent { by, fenced };
    let said = |kind, seen| {
        let violation = scene.violation(&scene.evidence(kind, reader, index, seen));
        violation.because.get(2).cloned().unwrap_or_default()
    };
    for (kind, seen, wanted) in [
        (Kind::Altered, Observed::Intact(9), "of which the first 9 bytes of the payload are as they were sent"),
        (Kind::OutOfOrder, Observed::BehindFence(SECOND), "cluster fence at 1.000 s"),
        (Kind::OutOfOrder, Observed::Late { fenced: true }, "behind the answer to a fence of user"),
        (Kind::OutOfOrder, Observed::Late { fenced: false }, "when it had been waited for; the target has no fence"),
        (Kind::Duplicate, Observed::Nothing, "a copy came at 3.000 s"),
        (Kind::Missing, absent(Absence::Fence(SECOND), true), "sent a fence at 1.000 s, and its answer came ahead of"),
        (
            Kind::Missing,
            absent(Absence::Fence(SECOND), false),
            "so it was waited for: of what had taken effect by 1.000",
        ),
        (Kind::Missing, absent(Absence::ClusterFence(SECOND), true), "its sender sent a cluster fence at 1.000 s"),
        (Kind::Missing, absent(Absence::Waited(SECOND), false), "as long as `settle_within` says; no copy had come"),
        (Kind::Missing, absent(Absence::Behind(unknown), true), "a later message, which its sender sent after it"),
        (Kind::Missing, absent(Absence::Later(unknown), true), "a message that was sent later came to user"),
        (Kind::Missing, Observed::Nothing, ""),
    ] {
        let found = said(kind, seen);
        assert!(found.contains(wanted) && found.is_empty() == wanted.is_empty(), "{seen:?}: {found}");
    }
    let found = said(Kind::Missing, absent(Absence::Behind(same), true));
    assert!(found.starts_with(&format!("message {}, which its sender", same.seq)), "{found}");
    let found = said(Kind::Missing, absent(Absence::Later(other), true));
    assert!(found.starts_with(&format!("message {} of say to ", other.seq)), "{found}");
    assert!(found.contains(", which was sent later, came to user"), "{found}");
    let ends = |seen, kind: Kind| said(kind, seen);
    assert_eq!(ends(Observed::Nothing, Kind::Duplicate), "a copy came at 3.000 s", "and nothing behind it");
}

/// Who is drawn: the receiver with what arrived, and each sender with what it sent, answered or not; what is wrong is marked, and nothing
/// else is.
#[test]
fn a_drawing_has_the_receiver_and_the_senders() {
    let scene = Scene::new();
    let index = scene.some_say();
    let (meant, reader) = (scene.entry(index).emission, scene.reader_of(index));
    let same: Vec<u32> = scene.messages(0, |other| other.stream == meant.stream);
    let place = same.iter().position(|other| *other == index).unwrap();
    let (overtaker, bystander) = (same[place + 1], same[place + 2]);
    scene.send(index, SECOND, Some(SECOND + 500_000_000));
    scene.send(overtaker, 2 * SECOND, None);
    scene.send(bystander, 2 * SECOND + 500_000_000, None);
    let Emission { stream, seq, .. } = scene.entry(overtaker).emission;
    let mut evidence = scene.evidence(Kind::OutOfOrder, reader, index, Observed::Behind(Number { stream, seq }));
    evidence.stays = vec![(-SECOND, Tri::U), (0, Tri::T), (3 * SECOND, Tri::F)];
    let lanes = scene.lanes(&evidence);
    assert_eq!(lanes[0].name, format!("user {reader}"));
    let stays: Vec<_> = lanes[0].stays.iter().map(|stay| (stay.from, stay.inside)).collect();
    assert_eq!(stays, [(-1.0, None), (0.0, Some(true)), (3.0, Some(false))]);
    let arrived: Vec<_> = lanes[0].acts.iter().filter(|act| act.arrived).collect();
    assert_eq!(arrived.len(), 1);
    assert_eq!((arrived[0].from, arrived[0].to, arrived[0].wrong), (3.0, Some(3.0), true));
    assert_eq!(arrived[0].says, format!("message {}", meant.seq));
    let mut sent: Vec<_> = lanes
        .iter()
        .flat_map(|lane| lane.acts.iter().map(move |act| (lane.name.clone(), act)))
        .filter(|(_, act)| !act.arrived)
        .map(|(name, act)| (act.says.clone(), name, act.from, act.to, act.wrong))
        .collect();
    sent.sort_by(|a, b| a.2.total_cmp(&b.2));
    let act = |index: u32, from: f64, to, wrong| {
        let Emission { seq, sender, .. } = scene.entry(index).emission;
        (format!("message {seq}"), format!("user {sender}"), from, to, wrong)
    };
    let wanted = [act(index, 1.0, Some(1.5), true), act(overtaker, 2.0, None, true), act(bystander, 2.5, None, false)];
    assert_eq!(sent, wanted);
    let names: BTreeSet<_> = lanes.iter().map(|lane| &lane.name).collect();
    assert_eq!(names.len(), lanes.len(), "each is drawn once");
    let missing = scene.lanes(&scene.evidence(Kind::Missing, reader, index, Observed::Nothing));
    assert!(missing.iter().flat_map(|lane| &lane.acts).all(|act| !act.arrived), "what did not come did not arrive");
}

/// A sender that is left out was not to get its own message, wherever it was; what it was owed of others is as its stays say.
#[test]
fn a_sender_that_is_left_out_is_drawn_outside() {
    let scene = Scene::new();
    let (say, tell) = (scene.some_say(), scene.messages(1, |_| true)[0]);
    scene.send(say, SECOND, None);
    scene.send(tell, SECOND, None);
    let inside = |kind, receiver, index| {
        let mut evidence = scene.evidence(kind, receiver, index, Observed::Nothing);
        evidence.stays = vec![(0, Tri::T)];
        let stays: Vec<LaneStay> = scene.lanes(&evidence)[0].stays.clone();
        stays[0].inside
    };
    let (sender, reader) = (scene.entry(say).emission.sender, scene.reader_of(say));
    assert_eq!(inside(Kind::Misdelivered, sender, say), Some(false));
    assert_eq!(inside(Kind::Misdelivered, reader, say), Some(true), "it did not send it");
    assert_eq!(inside(Kind::Duplicate, sender, say), Some(true), "that is not what is wrong");
    let of_tell = scene.entry(tell).emission.sender;
    assert_eq!(inside(Kind::Misdelivered, of_tell, tell), Some(true), "this traffic spares nobody");
}

/// In a cluster a fence of the receiver shows nothing: what came after all was given up for what came from the same sender.
#[test]
fn what_came_late_in_a_cluster_is_held_against_its_sender() {
    let text = SCENARIO
        .replace("[actions]", "[target]\nurls = [\"http://a\", \"http://b\"]\ntopology = \"cluster\"\n[actions]");
    let scene = Scene::of(&text, 2);
    let index = scene.some_say();
    for fenced in [false, true] {
        let evidence = scene.evidence(Kind::OutOfOrder, scene.reader_of(index), index, Observed::Late { fenced });
        let because = &scene.violation(&evidence).because[2];
        assert!(because.contains("when what was sent after it on the same connection had come"), "{because}");
    }
}
