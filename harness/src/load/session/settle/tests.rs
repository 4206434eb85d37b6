//! One user's session with a server that answers fences and delivers nothing: what is settled by a fence, and what is not.

use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sio_oracle::board::{Answer, Time};
use sio_reference_server::{Options, Server};
use tokio::task::LocalSet;
use tokio::time::timeout;

use super::*;
use crate::clock::{self, RunClock};
use crate::load::control::Control;
use crate::load::credentials::Credentials;
use crate::load::local::Local;
use crate::load::membership::NamespaceMembership;
use crate::load::part::Part;
use crate::load::plan::Plan;
use crate::load::run::share;
use crate::scenario::{self, source::Source};
use crate::target::{Choice, Fleet, Formation, Launch};

const SECOND: Nanos = 1_000_000_000;

/// One user, who is owed what it says itself: `tell` has no acknowledgement, `ask` has one.
const SCENARIO: &str = r#"
name = "x"
[users.u]
count = 1
[traffic.tell]
from = "u"
rate = "10/s"
emit = ["tell", "${payload}"]
delivers_to = { event = "tell", rooms = [] }
[traffic.ask]
from = "u"
rate = "10/s"
emit = ["ask", "${payload}"]
ack = true
delivers_to = { event = "ask", rooms = [] }
[[phase]]
name = "p"
for = "100s"
"#;

/// A server that acknowledges fences, and nothing else that it is told.
async fn server() -> String {
    let io = Server::new(Options::default());
    io.on_connection(|socket| {
        socket.on(FENCE, |_, event| event.ack(()));
    });
    let listener = io.listen("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr());
    tokio::spawn(listener.run());
    url
}

/// What the users of a run against that server share; whether it is said to have fences.
async fn local(fence: bool) -> Rc<Local> {
    let launch = Launch {
        journal: false,
        stderr: std::env::temp_dir(),
        program: None,
        env: BTreeMap::new(),
        trust: true,
        manner: Arc::default(),
    };
    let formation = Formation { choices: vec![Choice::Url(server().await)], ..Formation::default() };
    let fleet = Fleet::start(&formation, None, &launch).await.unwrap();
    let loaded = scenario::load(Source { name: "x".to_owned(), text: SCENARIO.to_owned() }, &[], Some(1)).unwrap();
    let plan = Plan::new(&loaded.scenario, 1).unwrap();
    let (control, _snapshots) = Control::new(1);
    let shared = share(&loaded, plan, &fleet, control, (1, Part::whole()), None).unwrap();
    let mut local = Local::new(Arc::new(shared), 0, &[0]);
    local.stage.fence = fence;
    local.window.borrow_mut().make_all();
    Rc::new(local)
}

/// Plays with a session that is open; nothing takes longer than a few seconds.
fn with_session<F: Future<Output = ()>>(fence: bool, play: impl FnOnce(Scene) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let users = LocalSet::new();
    let played = users.run_until(async {
        let local = local(fence).await;
        play(Scene { local }).await;
    });
    runtime.block_on(async { timeout(Duration::from_secs(20), played).await.expect("nothing hangs") });
}

struct Scene {
    local: Rc<Local>,
}

impl Scene {
    /// The first messages of a traffic.
    fn messages(&self, traffic: u16) -> Vec<u32> {
        let window = self.local.window.borrow();
        (0..200).filter(|index| window.entry(*index).unwrap().emission.traffic == traffic).collect()
    }

    /// From here on the clock of the run goes on at `now`.
    fn is_at(&self, now: Nanos) {
        let origin = clock::now().checked_sub(Duration::from_nanos(now.unsigned_abs())).unwrap();
        self.local.clock.set(Some(RunClock::starting_at(origin)));
    }

    fn answer(&self, index: u32) -> Option<Answer> {
        match self.local.window.borrow().entry(index).unwrap().time() {
            Time::Sent { ok, .. } => Some(ok),
            Time::Due | Time::Skipped => None,
        }
    }

    /// Whether it is settled that a message was owed, and whether it is missing.
    fn settled(&self, index: u32) -> (u32, u32) {
        let mut seen = (0, 0);
        self.local.window.borrow().saw(index, |progress| seen = (progress.owed, progress.missing));
        seen
    }
}

/// Takes what comes until something is so.
async fn until(session: &mut UserSession<'_>, done: impl Fn(&UserSession<'_>) -> bool) {
    while !done(session) {
        let event = session.connection.next().await;
        assert_eq!(session.take(event), None, "the connection holds");
    }
}

async fn open<'a>(
    scene: &'a Scene,
    mailbox: &'a crate::load::handle::UserHandle,
    credentials: &'a Credentials,
    places: &'a mut [NamespaceMembership],
) -> Box<UserSession<'a>> {
    let session = UserSession::open(&scene.local, mailbox, 0, credentials, places, None).await;
    session.unwrap_or_else(|_| panic!("the server lets it in"))
}

/// What was sent ahead of a fence has taken effect when its answer is here, and nothing that was sent behind it; what had taken effect
/// when a fence was sent, and is not here, is lost.
#[test]
fn a_fence_settles_what_was_sent_ahead_of_it() {
    with_session(true, |scene| async move {
        let (mailbox, credentials) = (scene.local.mailbox(0), Credentials::default());
        let mut places = [NamespaceMembership::new("/", 0)];
        let mut session = open(&scene, &mailbox, &credentials, &mut places).await;
        scene.is_at(SECOND);
        let [ahead, ahead_too, behind] = scene.messages(0)[..3] else { panic!() };
        assert_eq!(mailbox.oldest.get(), 0, "all may still be needed");
        mailbox.fences.set(1);
        session.send(ahead);
        session.send(ahead_too);
        session.fence(false);
        session.send(behind);
        assert_eq!(session.plain, [ahead, ahead_too, behind]);
        until(&mut session, |session| session.fences.is_empty()).await;
        assert!(matches!(scene.answer(ahead), Some(Answer::At(at)) if at >= SECOND));
        assert!(matches!(scene.answer(ahead_too), Some(Answer::At(_))));
        assert_eq!(scene.answer(behind), Some(Answer::Open), "nothing shows that it was handled");
        assert_eq!((session.passed, session.plain.len()), (2, 1));
        assert_eq!(mailbox.fences.get(), 0, "none is under way");
        assert_eq!(scene.settled(ahead), (0, 0), "it may still be under way");
        // The next one is behind what has been settled and what has not.
        mailbox.ask();
        session.fence(true);
        until(&mut session, |session| session.fences.is_empty()).await;
        assert!(matches!(scene.answer(behind), Some(Answer::At(_))));
        assert_eq!((session.passed, session.plain.len()), (3, 0));
        assert_eq!([ahead, ahead_too, behind].map(|index| scene.settled(index)), [(1, 1), (1, 1), (0, 0)]);
        assert!(mailbox.fenced.get(), "the last one has been answered");
        assert_eq!(mailbox.fences.get(), 0);
        assert!(mailbox.oldest.get() > ahead, "what is settled is needed no more");
    });
}

/// Where there is no fence, what was sent five seconds ago has taken effect, and what took effect five seconds ago has come or is lost;
/// at the end everything is.
#[test]
fn without_a_fence_time_settles() {
    with_session(false, |scene| async move {
        let (mailbox, credentials) = (scene.local.mailbox(0), Credentials::default());
        let mut places = [NamespaceMembership::new("/", 0)];
        let mut session = open(&scene, &mailbox, &credentials, &mut places).await;
        let [first, second, third] = scene.messages(0)[..3] else { panic!() };
        scene.is_at(SECOND);
        session.send(first);
        scene.is_at(4 * SECOND);
        session.send(second);
        session.fence(false);
        assert!(session.fences.is_empty(), "none is sent");
        assert_eq!([first, second].map(|index| scene.answer(index)), [Some(Answer::Open); 2], "it is too early");
        scene.is_at(7 * SECOND);
        session.fence(false);
        assert!(matches!(scene.answer(first), Some(Answer::At(at)) if at >= 7 * SECOND));
        assert_eq!(scene.answer(second), Some(Answer::Open), "it was sent three seconds ago");
        assert_eq!((session.passed, session.plain.len()), (1, 1));
        assert!(mailbox.fenced.get());
        assert_eq!(scene.settled(first), (0, 0), "it may still be under way");
        scene.is_at(11 * SECOND);
        session.fence(false);
        assert_eq!(scene.settled(first), (0, 0), "it took effect four seconds ago, as far as is known");
        scene.is_at(13 * SECOND);
        session.send(third);
        session.fence(false);
        assert_eq!((scene.settled(first), scene.settled(second)), ((1, 1), (0, 0)));
        assert_eq!((session.passed, scene.answer(third)), (2, Some(Answer::Open)));
        session.fence(true);
        assert!(matches!(scene.answer(third), Some(Answer::At(_))), "there is no later");
        assert_eq!((session.passed, session.plain.len()), (3, 0));
        assert_eq!(scene.settled(second), (1, 1));
    });
}

/// Of what was not answered when a connection ends, nobody will know whether it took effect; what was answered was.
#[test]
fn what_is_not_answered_is_given_up() {
    with_session(true, |scene| async move {
        let (mailbox, credentials) = (scene.local.mailbox(0), Credentials::default());
        let mut places = [NamespaceMembership::new("/", 0)];
        let mut session = open(&scene, &mailbox, &credentials, &mut places).await;
        scene.is_at(SECOND);
        let ([tell, later, unsent], ask) = (scene.messages(0)[..3].try_into().unwrap(), scene.messages(1)[0]);
        session.send(tell);
        session.fence(false);
        until(&mut session, |session| session.fences.is_empty()).await;
        session.send(later);
        session.send(ask);
        session.abandon();
        assert!(matches!(scene.answer(tell), Some(Answer::At(_))));
        assert_eq!([later, ask].map(|index| scene.answer(index)), [Some(Answer::Never); 2]);
        assert_eq!(scene.answer(unsent), None, "it may still be sent by the next session");
        session.took_effect(ask, 3 * SECOND);
        assert_eq!(scene.answer(ask), Some(Answer::At(3 * SECOND)));
    });
}

/// To the nanosecond: five seconds are enough, and one nanosecond less is not, unless nothing comes behind it.
#[test]
fn five_seconds_are_waited_for() {
    assert_eq!([-1, 0, 1].map(|by| has_waited(7, 7 + GRACE + by, false)), [false, true, true]);
    assert!(has_waited(7, 7, true) && !has_waited(7, 7, false));
}

/// In a cluster, what was answered some time ago and is not here is asked for: longer ago where the way takes long, and less long ago at
/// the end.
#[test]
fn what_was_answered_some_time_ago_is_lacked() {
    let now = 100 * SECOND;
    assert_eq!(lacked_before(now, false, 0), 98 * SECOND);
    assert_eq!(lacked_before(now, false, 3 * SECOND), 94 * SECOND);
    assert_eq!(lacked_before(now, true, 3 * SECOND), now - SECOND / 5);
}
