//! Cases that are cut out of loads: each fails on the server that it came from, and passes on one without the fault.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use sio_reference_server::{Binary, Server as Io, Socket};

use crate::apps::App;
use crate::common::{Place, code, listen, shipped, stderr, stdout};

/// What a run found, and what it said.
struct Found {
    violations: Vec<Value>,
    said: String,
}

impl Found {
    /// Runs a load.
    fn by(place: &Place, args: &[&str]) -> Self {
        let output = place.run(&[&["run"], args, &["--out", "out", "-q"]].concat());
        let violations = place.entry("load")["violations"].as_array().cloned().unwrap_or_default();
        Self { violations, said: stdout(&output) + &stderr(&output) }
    }

    /// The case of the first violation of a kind.
    fn case(&self, kind: &str) -> &str {
        let violation = self.violations.iter().find(|violation| violation["measure"] == kind);
        let violation = violation.unwrap_or_else(|| panic!("no {kind}: {}", self.said));
        violation["scenario"].as_str().unwrap_or_else(|| panic!("no case: {violation}"))
    }
}

/// Exit code of a case that is played on a server, and what was said.
fn play(place: &Place, case: &str, url: &str, more: &[&str]) -> (i32, String) {
    let folder = format!("played-{}", url.rsplit(':').next().unwrap());
    let output = place.run(&[&["run", case, "--target", url, "--out", &folder, "-q"], more].concat());
    let text = std::fs::read_to_string(place.path().join(case)).unwrap();
    let _ = std::fs::remove_dir_all(place.path().join(&folder));
    (code(&output), stdout(&output) + &stderr(&output) + &text)
}

/// A case fails on one server and passes on the other.
fn tells_apart(place: &Place, case: &str, (faulty, sound): (&str, &str), more: &[&str]) {
    let (exit, said) = play(place, case, faulty, more);
    assert_eq!(exit, 1, "with the fault: {said}");
    let (exit, said) = play(place, case, sound, more);
    assert_eq!(exit, 0, "without: {said}");
}

/// The cut, the return to the session, and what was missed are in the case.
#[test]
fn what_goes_wrong_with_a_restored_session_goes_wrong_in_its_case() {
    let place = Place::new();
    let sound = place.serve(&["--recovery", "60000"]);
    for (fault, kind) in [("recover-gap", "missing"), ("recover-dup", "duplicate"), ("recover-order", "out_of_order")] {
        let _ = std::fs::remove_dir_all(place.out());
        let server = place.serve(&["--recovery", "60000", "--fault", fault]);
        let args = ["--set", "people=60", "--set", "long=5s", "--target", &server.url()];
        let found = Found::by(&place, &[&[shipped("churn.toml").as_str()][..], &args].concat());
        tells_apart(&place, found.case(kind), (&server.url(), &sound.url()), &[]);
    }
}

/// A server that keeps rooms by seats. Whoever comes gets the seat that was left last; with the fault also the rooms of who
/// sat there.
#[derive(Default)]
struct Seats {
    inherits: bool,
    free: Vec<usize>,
    taken: HashMap<String, usize>,
    rooms: Vec<(Option<Socket>, Vec<String>)>,
}

impl Seats {
    fn sits_down(&mut self, socket: &Socket) {
        let seat = self.free.pop().unwrap_or_else(|| {
            self.rooms.push((None, Vec::new()));
            self.rooms.len() - 1
        });
        self.taken.insert(socket.id().to_owned(), seat);
        self.rooms[seat].0 = Some(socket.clone());
    }

    fn leaves(&mut self, socket: &Socket) {
        let Some(seat) = self.taken.remove(socket.id()) else { return };
        self.rooms[seat].0 = None;
        if !self.inherits {
            self.rooms[seat].1.clear();
        }
        self.free.push(seat);
    }

    fn joins(&mut self, socket: &Socket, room: String) {
        let seat = self.taken[socket.id()];
        if !self.rooms[seat].1.contains(&room) {
            self.rooms[seat].1.push(room);
        }
    }

    fn tell(&self, room: &str, text: &str) {
        let inside = self.rooms.iter().filter(|(_, rooms)| rooms.iter().any(|other| other == room));
        inside.filter_map(|(socket, _)| socket.as_ref()).for_each(|socket| socket.emit("msg", (text,)).unwrap());
    }
}

fn seats(inherits: bool) -> String {
    let seats = Arc::new(Mutex::new(Seats { inherits, ..Seats::default() }));
    listen(move |io: &Io| {
        io.of("/").on_connection(move |socket| {
            seats.lock().unwrap().sits_down(socket);
            let of = seats.clone();
            socket.on_disconnect(move |socket, _| of.lock().unwrap().leaves(socket));
            let of = seats.clone();
            socket.on("join", move |socket, event| {
                of.lock().unwrap().joins(socket, event.args.get(0).unwrap());
                event.ack(());
            });
            let of = seats.clone();
            socket.on("tell", move |_, event| {
                let (room, text): (String, String) = (event.args.get(0).unwrap(), event.args.get(1).unwrap());
                of.lock().unwrap().tell(&room, &text);
                event.ack(());
            });
            socket.on("message-with-ack", |_, event| event.ack(event.args.clone()));
        });
    })
}

const LODGERS: &str = r#"
name = "lodgers"
seed = 5
[actions]
"join(room)" = { emit = ["join", "${room}"], ack = true }
[rooms.flat]
count = 6
join  = ["join", "${room}"]
[users.people]
count = 24
in    = { flat = 1 }
churn = { stay = "1s", leave = "disconnect", away = "50ms..200ms" }
[users.steady]
count = 6
in    = { flat = 1 }
[traffic.tell]
from        = "steady"
rate        = "60/s"
emit        = ["tell", "${room}", "${payload}"]
ack         = true
delivers_to = { event = "msg", rooms = ["${room}"] }
[[phase]]
name = "all"
for  = "4s"
"#;

/// Who was gone is in the case, ahead of who came instead.
#[test]
fn who_inherits_the_rooms_of_somebody_else_does_so_in_the_case() {
    let (faulty, sound) = (seats(true), seats(false));
    let place = Place::new();
    std::fs::write(place.path().join("lodgers.toml"), LODGERS).unwrap();
    let found = Found::by(&place, &["lodgers.toml", "--target", &faulty]);
    tells_apart(&place, found.case("misdelivered"), (&faulty, &sound), &[]);
}

const PICTURES: &str = r#"
name = "pictures"
seed = 1
[actions]
"join(room)" = { emit = ["join", "${room}"], ack = true }
[rooms.album]
count = 3
join  = ["join", "${room}"]
[users.people]
count = 9
in    = { album = 1 }
[traffic.show]
from        = "people"
rate        = "40/s"
emit        = ["emit", { to = ["${room}"], event = "picture", args = [{ name = "a", bytes = "${payload}" }] }]
payload     = { size = "2KB", binary = true }
ack         = true
delivers_to = { event = "picture", rooms = ["${room}"] }
[[phase]]
name = "all"
for  = "2s"
"#;

#[test]
fn a_picture_that_is_cut_is_cut_in_its_case() {
    let place = Place::new();
    std::fs::write(place.path().join("pictures.toml"), PICTURES).unwrap();
    let (faulty, sound) = (place.serve(&["--fault", "bytes-cut"]), place.serve(&[]));
    let found = Found::by(&place, &["pictures.toml", "--target", &faulty.url()]);
    tells_apart(&place, found.case("altered"), (&faulty.url(), &sound.url()), &[]);
}

/// As `docs/your-own-app.md` has it: a login for each user, whose password stands in a file of accounts.
const OFFICE: &str = r#"
name = "office"
seed = 3
[feeds.accounts]
file     = "accounts.csv"
hand_out = "in turn"
[actions]
"open(doc)" = { emit = ["open", "${doc}"], ack = true }
[rooms.doc]
count     = 3
namespace = "/docs"
join      = ["open", "${room}"]
[users.editors]
count = 12
in    = { doc = 1 }
enter = [
  { http = { post = "/login", json = { user = "${accounts.user}", password = "${accounts.password}" } }, status = 200, save = { token = "$.token" } },
]
auth  = { token = "${token}" }
[traffic.edit]
from        = "editors"
rate        = "40/s"
payload     = { size = "100B" }
emit        = ["edit", "${room}", { text = "${payload}" }]
ack         = true
delivers_to = { event = "edited", rooms = ["${room}"], except = "sender" }
[[phase]]
name = "steady"
for  = "2s"
"#;

/// The application's own path and the cookie of its login; what the command line says is in the command that is printed, and
/// no secret is in any file.
#[test]
fn an_application_with_a_login_is_entered_by_the_case() {
    let env = [("SIO_PATH", "/live/"), ("COOKIE", "session"), ("FAULT_EVERY", "5")];
    let Some(faulty) = App::start("office", &[&env[..], &[("FAULT", "doubled")]].concat()) else { return };
    let Some(sound) = App::start("office", &env) else { return };
    let place = Place::new();
    std::fs::write(place.path().join("office.toml"), OFFICE).unwrap();
    std::fs::write(place.path().join("accounts.csv"), "user,password\nann,secret\nbob,secret\ncy,secret\n").unwrap();
    let way_in = ["--path", "/live/", "--header", "X-Api-Key: k7-unseen", "--query", "tenant=t9-unseen"];
    let found = Found::by(&place, &[&["office.toml", "--target", &faulty.url()][..], &way_in].concat());
    let case = found.case("duplicate");
    tells_apart(&place, case, (&faulty.url(), &sound.url()), &["--query", "tenant=t9-unseen"]);
    assert!(found.said.contains("--header 'X-Api-Key: …' --query 'tenant=…'"), "{}", found.said);
    for file in [place.path().join(case), place.out().join("run.jsonl")] {
        let text = std::fs::read_to_string(&file).unwrap();
        for secret in ["unseen", "\"secret\"", "secret,"] {
            assert!(!text.contains(secret), "{secret} in {}: {text}", file.display());
        }
    }
}

/// A server that shows pictures after it has done something to them.
fn shows(change: impl Fn(&[u8]) -> Vec<u8> + Clone + Send + Sync + 'static) -> String {
    listen(move |io: &Io| {
        io.of("/").on_connection(move |socket| {
            let change = change.clone();
            socket.on("join", |socket, event| {
                socket.join(event.args.get::<String>(0).unwrap());
                event.ack(());
            });
            socket.on("show", move |socket, event| {
                let (room, bytes): (String, Binary) = (event.args.get(0).unwrap(), event.args.get(1).unwrap());
                socket.nsp().to(room).emit("picture", (Binary::from(change(&bytes.0)),)).unwrap();
                event.ack(());
            });
            socket.on("message-with-ack", |_, event| event.ack(event.args.clone()));
        });
    })
}

/// A load on such a server.
fn shown(place: &Place, url: &str) -> Found {
    let emit = r#"emit    = ["show", "${room}", "${payload}"]"#;
    let lines = PICTURES.lines().map(|line| if line.starts_with("emit ") { emit } else { line });
    std::fs::write(place.path().join("pictures.toml"), lines.collect::<Vec<_>>().join("\n")).unwrap();
    Found::by(place, &["pictures.toml", "--target", url])
}

#[test]
fn a_picture_that_goes_on_is_not_whole() {
    let (faulty, sound) = (shows(|bytes| [bytes, b"!"].concat()), shows(<[u8]>::to_vec));
    let place = Place::new();
    let found = shown(&place, &faulty);
    tells_apart(&place, found.case("altered"), (&faulty, &sound), &[]);
}

/// Of a copy that is spoilt nobody knows which message it is of; then the report says that there is no case, and why.
#[test]
fn what_no_case_can_show_is_said() {
    let place = Place::new();
    let count = Arc::new(AtomicUsize::new(0));
    let every_tenth = move |bytes: &[u8]| match count.fetch_add(1, Ordering::Relaxed) % 10 {
        9 => bytes[30..].to_vec(),
        _ => bytes.to_vec(),
    };
    let found = shown(&place, &shows(every_tenth));
    assert!(found.said.contains("no case: nobody knows which message it was"), "{}", found.said);
}
