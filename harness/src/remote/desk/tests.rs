use super::*;
use crate::clock;
use crate::remote::files::sha256;
use crate::remote::wire::crc;

struct Scene {
    desk: Desk,
    now: Instant,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new(of: u32) -> Self {
        let (now, folder) = (clock::now(), tempfile::tempdir().unwrap());
        let files = Layout { folder: folder.path().to_owned(), scenario: "x".to_owned() };
        let bundle = Bundled { bytes: 3, sha256: "s".to_owned() };
        let desk = Desk::new(of, bundle, files, Duration::from_secs(10), now, Duration::from_mins(1));
        Self { desk, now, folder }
    }

    fn later(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
        self.desk.tick(self.now, true);
    }

    fn join(&mut self, worker: &Id, part: Option<u32>) -> Answer {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let ask = Ask::Join { worker: worker.clone(), version, host: "h".to_owned(), process: 7, part };
        let answer = self.desk.ask(ask, self.now);
        self.desk.tick(self.now, true);
        answer
    }

    fn beat(&mut self, worker: &Id, state: State) {
        self.desk
            .beat(Beat { worker: worker.clone(), state, second: None, so_far: indexmap::IndexMap::new() }, self.now);
        self.desk.tick(self.now, true);
    }

    /// A run whose phases have begun.
    fn going(of: u32) -> (Self, Vec<Id>) {
        let mut scene = Self::new(of);
        let workers: Vec<Id> = (0..of).map(|_| Id::fresh()).collect();
        workers.iter().for_each(|worker| assert!(number(&scene.join(worker, None)).is_some()));
        workers.iter().for_each(|worker| scene.beat(worker, State::Ready));
        assert!(scene.desk.may_go());
        let at = GoAt { text: "t".to_owned(), at: 1, machine: None, monotonic: 1 };
        scene.desk.go(at, scene.now);
        (scene, workers)
    }

    fn bring(&mut self, worker: &Id) -> Answer {
        let files = Kind::ALL.map(|kind| {
            let bytes = format!("{kind:?}").into_bytes();
            let head = ChunkHead { worker: worker.clone(), kind, at: 0, crc: crc(&bytes) };
            let taken = Answer::Taken { at: bytes.len() as u64 };
            assert_eq!(self.desk.chunk(&head, &bytes, self.now), taken);
            // One that comes twice is taken once.
            assert_eq!(self.desk.chunk(&head, &bytes, self.now), taken);
            Sum { kind, bytes: bytes.len() as u64, sha256: sha256(&bytes) }
        });
        self.desk.ask(Ask::Done { worker: worker.clone(), files: files.to_vec() }, self.now)
    }

    fn why(&self) -> String {
        match self.desk.notice() {
            Notice::Stops { why } => why,
            other => panic!("{other:?}"),
        }
    }
}

fn number(answer: &Answer) -> Option<u32> {
    match answer {
        Answer::Part { number, .. } => Some(*number),
        _ => None,
    }
}

fn refusal(answer: Answer) -> String {
    match answer {
        Answer::Refused { why } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn everybody_gets_a_part_of_their_own() {
    let mut scene = Scene::new(3);
    let workers: Vec<Id> = (0..4).map(|_| Id::fresh()).collect();
    assert_eq!(number(&scene.join(&workers[0], None)), Some(1));
    assert_eq!(number(&scene.join(&workers[0], None)), Some(1), "who asks again has not heard the answer");
    assert!(refusal(scene.join(&workers[1], Some(1))).contains("another worker's"));
    assert!(refusal(scene.join(&workers[1], Some(9))).contains("no part 9"));
    assert_eq!(number(&scene.join(&workers[1], Some(3))), Some(3));
    assert_eq!(scene.desk.free(), 1);
    assert_eq!(number(&scene.join(&workers[2], None)), Some(2));
    assert!(refusal(scene.join(&workers[3], None)).contains("given out"));
    assert_eq!((scene.desk.free(), scene.desk.notice()), (0, Notice::Waits));
}

#[test]
fn another_version_is_refused_by_name() {
    let mut scene = Scene::new(1);
    let ask =
        Ask::Join { worker: Id::fresh(), version: "0.0.1".to_owned(), host: "h".to_owned(), process: 7, part: None };
    let why = refusal(scene.desk.ask(ask, scene.now));
    assert!(why.contains("0.0.1") && why.contains(env!("CARGO_PKG_VERSION")), "{why}");
    assert!(scene.desk.remarks()[0].contains("0.0.1"));
    assert_eq!(scene.desk.free(), 1);
}

#[test]
fn a_run_comes_to_its_end() {
    let (mut scene, workers) = Scene::going(2);
    assert!(matches!(scene.desk.notice(), Notice::Goes(_)));
    for worker in &workers {
        assert!(scene.desk.outcome(scene.now).is_none());
        scene.beat(worker, State::Ended { cut: None });
        assert_eq!(scene.bring(worker), Answer::Fine);
        assert_eq!(scene.bring_again(worker), Answer::Fine, "who says it again has not heard the answer");
    }
    let outcome = scene.desk.outcome(scene.now).unwrap();
    assert_eq!((outcome.delivered, outcome.trouble), (vec![1, 2], None));
    for (kind, name) in [(Kind::Record, "1/run.jsonl"), (Kind::Journal, "2/x.journal"), (Kind::Histograms, "2/x.hlog")]
    {
        assert_eq!(std::fs::read_to_string(scene.folder.path().join(name)).unwrap(), format!("{kind:?}"));
    }
}

impl Scene {
    fn bring_again(&mut self, worker: &Id) -> Answer {
        let files = Kind::ALL.map(|kind| {
            let bytes = format!("{kind:?}").into_bytes();
            Sum { kind, bytes: bytes.len() as u64, sha256: sha256(&bytes) }
        });
        self.desk.ask(Ask::Done { worker: worker.clone(), files: files.to_vec() }, self.now)
    }
}

#[test]
fn files_that_are_not_those_that_were_sent_are_none() {
    let (mut scene, workers) = Scene::going(1);
    let sums = |sha256: &str| Kind::ALL.map(|kind| Sum { kind, bytes: 0, sha256: sha256.to_owned() }).to_vec();
    let done = |files| Ask::Done { worker: workers[0].clone(), files };
    assert!(refusal(scene.desk.ask(done(sums(&sha256(b""))), scene.now)).contains("not those that came"));
    assert!(refusal(scene.desk.ask(done(Vec::new()), scene.now)).contains("not those that came"));
    let stranger = ChunkHead { worker: Id::fresh(), kind: Kind::Record, at: 0, crc: crc(b"") };
    assert!(refusal(scene.desk.chunk(&stranger, b"", scene.now)).contains("no part of this run"));
    assert!(scene.desk.outcome(scene.now).is_none());
}

/// A worker of which nothing is heard ends the run; one that a broker stands between does not.
#[test]
fn silence_is_told_from_a_broker_that_stands_still() {
    let (mut scene, workers) = Scene::going(2);
    scene.now += SILENT * 2;
    scene.desk.tick(scene.now, false);
    assert!(matches!(scene.desk.notice(), Notice::Goes(_)), "nobody could be heard");
    scene.desk.excuse(scene.now);
    scene.later(1.0);
    scene.beat(&workers[0], State::Going);
    assert_eq!(scene.desk.silent(scene.now).count(), 1);
    scene.later(SILENT.as_secs_f64());
    assert!(scene.why().contains("worker 2 of 2 (h, process 7) was lost"), "{}", scene.why());
    // What the other has is waited for, and no longer than it may take.
    assert!(scene.desk.outcome(scene.now).is_none());
    assert_eq!(scene.bring(&workers[0]), Answer::Fine);
    let outcome = scene.desk.outcome(scene.now).unwrap();
    assert_eq!(outcome.delivered, [1]);
    assert_eq!(outcome.trouble.unwrap().by, EndedBy::Elsewhere);
}

#[test]
fn a_door_at_which_nobody_listens_is_knocked_at_twice() {
    let (mut scene, workers) = Scene::going(2);
    scene.desk.missed(&workers[1], scene.now);
    scene.later(0.5);
    assert!(matches!(scene.desk.notice(), Notice::Goes(_)));
    scene.desk.is_there(&workers[1], scene.now);
    scene.later(2.0);
    assert!(matches!(scene.desk.notice(), Notice::Goes(_)), "it has come back");
    scene.desk.missed(&workers[1], scene.now);
    scene.later(1.0);
    assert!(scene.why().contains("worker 2 of 2"), "{}", scene.why());
}

#[test]
fn every_wait_has_an_end() {
    // Nobody comes.
    let mut scene = Scene::new(2);
    scene.join(&Id::fresh(), None);
    scene.later(4.0);
    scene.now += Duration::from_mins(1);
    scene.desk.excuse(scene.now);
    scene.later(0.0);
    assert!(scene.why().contains("of 2 workers only 1 came in time"), "{}", scene.why());
    scene.now += STOPPED * 2;
    assert_eq!(scene.desk.outcome(scene.now).unwrap().delivered, [0; 0]);
    // One is not ready.
    let mut scene = Scene::new(2);
    let workers = [Id::fresh(), Id::fresh()];
    workers.iter().for_each(|worker| assert!(number(&scene.join(worker, None)).is_some()));
    scene.beat(&workers[0], State::Ready);
    for _ in 0..32 {
        scene.later(1.0);
        scene.beat(&workers[0], State::Ready);
        scene.beat(&workers[1], State::Preparing);
    }
    assert!(scene.why().contains("worker 2 of 2 (h, process 7) had not let its users in"), "{}", scene.why());
    // One has ended, and brings nothing.
    let (mut scene, workers) = Scene::going(1);
    for _ in 0..32 {
        scene.beat(&workers[0], State::Ended { cut: None });
        scene.later(1.0);
    }
    assert!(scene.why().contains("did not bring its part"), "{}", scene.why());
    // One never ends.
    let (mut scene, workers) = Scene::going(1);
    for _ in 0..320 {
        scene.beat(&workers[0], State::Going);
        scene.later(1.0);
    }
    assert!(scene.why().contains("did not come to an end"), "{}", scene.why());
}

/// Of a run that has ended early, what is on its way is waited for, and nothing else.
#[test]
fn a_large_part_is_waited_for_as_long_as_it_moves() {
    let (mut scene, workers) = Scene::going(2);
    scene.desk.fail(EndedBy::Elsewhere, "why".to_owned(), scene.now);
    let mut at = 0;
    for _ in 0..20 {
        let head = ChunkHead { worker: workers[0].clone(), kind: Kind::Journal, at, crc: crc(b"abc") };
        at += 3;
        assert_eq!(scene.desk.chunk(&head, b"abc", scene.now), Answer::Taken { at });
        scene.now += MOVING / 2;
        assert!(scene.desk.outcome(scene.now).is_none());
    }
    scene.now += MOVING;
    assert_eq!(scene.desk.outcome(scene.now).unwrap().delivered, [0; 0]);
}

#[test]
fn a_worker_that_refuses_makes_room_for_another() {
    let mut scene = Scene::new(1);
    let (first, second) = (Id::fresh(), Id::fresh());
    scene.join(&first, None);
    let why = "its operator does not let it".to_owned();
    scene.desk.ask(Ask::Leave { worker: first, why, refuses: true }, scene.now);
    assert!(scene.desk.remarks().iter().any(|remark| remark.contains("does not run this: its operator")));
    assert_eq!((scene.desk.free(), number(&scene.join(&second, None))), (1, Some(1)));
    scene.desk.ask(Ask::Leave { worker: second, why: "no memory".to_owned(), refuses: false }, scene.now);
    assert!(scene.why().contains("gave up: no memory"), "{}", scene.why());
}

/// Whoever ends early of its own accord ends the run, with its own reason.
#[test]
fn what_ends_a_part_ends_the_run() {
    for (why, by, kept) in [
        ("the target ended", EndedBy::Target, EndedBy::Target),
        ("nobody got in", EndedBy::Refusal, EndedBy::Refusal),
        ("interrupted", EndedBy::Interrupt, EndedBy::Elsewhere),
    ] {
        let (mut scene, workers) = Scene::going(2);
        let cut = Some(Cut { why: why.to_owned(), by });
        scene.beat(&workers[1], State::Ended { cut });
        scene.desk.fail(EndedBy::Elsewhere, "later".to_owned(), scene.now);
        assert!(scene.why().ends_with(&format!("worker 2 of 2 (h, process 7): {why}")), "{}", scene.why());
        workers.iter().for_each(|worker| assert_eq!(scene.bring(worker), Answer::Fine));
        assert_eq!(scene.desk.outcome(scene.now).unwrap().trouble.unwrap().by, kept);
    }
}
