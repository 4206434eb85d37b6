//! Targets that flood, fall silent, stop to read, or begin what they never end: memory stays bounded, one interrupt ends the run,
//! a fence that will not come is not waited for twice, and the run says what the target did. The margins are wide: they are
//! about kinds of growth, not about figures.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::{Place, code, stderr, stdout};

/// Three times what such a run takes, in debug builds on a busy machine.
const MOST_MEMORY: u64 = 200 << 20;
/// Three times the three seconds that one interrupt may take.
const MOST_AFTER_INTERRUPT: Duration = Duration::from_secs(9);

/// The answer to our key, which is always the same.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn text(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match text.len() {
        short @ 0..=125 => frame.push(short as u8),
        length => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    frame.extend(text.as_bytes());
    frame
}

/// Reads a request's head; `None` when the connection is gone.
fn head(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        read.extend(byte);
    }
    String::from_utf8(read).ok()
}

/// Lets a client into the default namespace.
fn let_in(stream: &mut TcpStream) -> Option<()> {
    let request = head(stream)?;
    if !request.to_lowercase().contains("upgrade: websocket") {
        let body = "0{\"sid\":\"s\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":20000}";
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).ok()?;
        return None;
    }
    let answer = format!(
        "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).ok()?;
    stream
        .write_all(&text(
            "0{\"sid\":\"s\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}",
        ))
        .ok()?;
    // Its CONNECT, and whatever else it says by then.
    if stream.read(&mut [0; 1024]).ok()? == 0 {
        return None;
    }
    stream.write_all(&text("40{\"sid\":\"x\"}")).ok()
}

/// Lets a client in, says something, and then something else for ever.
fn serve(mut stream: TcpStream, first: &[u8], evil: &[u8]) -> Option<()> {
    let_in(&mut stream)?;
    stream.write_all(first).ok()?;
    while !evil.is_empty() {
        stream.write_all(evil).ok()?;
    }
    // Until the client goes.
    while stream.read(&mut [0; 1024]).ok()? > 0 {}
    None
}

fn listening(serve: impl Fn(TcpStream) -> Option<()> + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
    url
}

fn target(first: Vec<u8>, evil: Vec<u8>) -> String {
    let said = Arc::new((first, evil));
    listening(move |stream| serve(stream, &said.0, &said.1))
}

/// The next frame of a client, unmasked.
fn frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut beginning, mut long, mut masks) = ([0; 2], [0; 2], [0; 4]);
    stream.read_exact(&mut beginning).ok()?;
    let mut length = usize::from(beginning[1] & 127);
    if length == 126 {
        stream.read_exact(&mut long).ok()?;
        length = usize::from(u16::from_be_bytes(long));
    }
    stream.read_exact(&mut masks).ok()?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).ok()?;
    payload.iter_mut().zip(masks.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Some(payload)
}

/// Acknowledges fences until it is greeted; from then on it counts them and says nothing but `evil`.
fn silent(mut stream: TcpStream, evil: &[u8], fences: &AtomicUsize) -> Option<()> {
    let_in(&mut stream)?;
    let mut greeted = false;
    loop {
        let said = String::from_utf8(frame(&mut stream)?).ok()?;
        greeted |= said.contains("[\"hello\"");
        let Some((number, _)) = said.split_once("[\"message-with-ack\"]") else { continue };
        if greeted {
            fences.fetch_add(1, Ordering::SeqCst);
            stream.write_all(evil).ok()?;
        } else {
            stream.write_all(&text(&format!("43{}[]", &number[2..]))).ok()?;
        }
    }
}

/// The most memory that the process has had so far; 0 where nobody tells.
fn peak(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) << 10
}

const LOAD: &str = r#"name = "flooded"
[users.people]
count = 10
[traffic.echo]
from = "people"
rate = "20/s"
emit = ["message-with-ack", "${payload}"]
ack = true
[[phase]]
name = "begin"
for = "3s"
[[phase]]
name = "later"
for = "30s"
"#;

/// Runs a load for a few seconds, interrupts it once, and returns what it said. A target that asks and reads no answer is given up by each
/// user; where machines are fast, by all of them within these seconds.
#[expect(clippy::disallowed_methods, reason = "the time of a real run is what is measured")]
fn interrupted(first: Vec<u8>, evil: Vec<u8>, most: u64) -> String {
    let url = target(first, evil);
    let place = Place::new();
    std::fs::write(place.path().join("flooded.toml"), LOAD).unwrap();
    let mut run = place.start(&["run", "flooded.toml", "--target", &url, "--out", "out"]);
    if run.line_or_end("later").is_err() {
        let (code, said) = run.finish();
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("the server does not read"), "{said}");
        return said;
    }
    let before = peak(&run.child);
    let asked = Instant::now();
    kill(Pid::from_raw(run.child.id() as i32), Signal::SIGINT).unwrap();
    let (code, said) = run.finish();
    let took = asked.elapsed();
    assert!(before < most, "{} MiB: {said}", before >> 20);
    assert!(took < MOST_AFTER_INTERRUPT, "{took:?}: {said}");
    assert!(matches!(code, Some(130 | 3)), "{code:?}: {said}");
    said
}

#[test]
fn pings_and_questions_whose_answers_nobody_reads() {
    let mut evil = Vec::new();
    for id in 0..1_000 {
        evil.extend([0x89, 125].iter().chain(&[b'p'; 125]));
        evil.extend(text("2"));
        evil.extend(text(&format!("42{id}[\"x\"]")));
    }
    interrupted(Vec::new(), evil, MOST_MEMORY);
}

#[test]
fn events_acks_connects_and_fragments_without_end() {
    let mut evil = Vec::new();
    for id in 0..1_000 {
        evil.extend(text(&format!("42[\"x{id}\",{id}]")));
        evil.extend(text(&format!("43{id}[1]")));
        evil.extend(text(&format!("40/n{id},{{\"sid\":\"x\"}}")));
    }
    interrupted(Vec::new(), evil, MOST_MEMORY);
    // A message that consists of empty fragments, for ever.
    interrupted(vec![0x01, 1, b'4'], [0x00, 0x00].repeat(100_000), MOST_MEMORY);
}

/// Ten messages of 64 MiB of which the last byte never comes: they are not all held.
#[test]
fn messages_that_do_not_end() {
    let length = 64_u64 << 20;
    let mut evil = vec![0x81, 127];
    evil.extend(length.to_be_bytes());
    evil.resize(evil.len() + length as usize - 1, b'4');
    let said = interrupted(evil, Vec::new(), 3 * (256 << 20));
    assert!(said.contains("not ended them"), "{said}");
}

const GREETING: &str = r#"name = "greeting"
[users.people]
count = 1
[traffic.hello]
from = "people"
rate = "20/s"
emit = ["hello", "${payload}"]
ack = true
[[phase]]
name = "short"
for = "1s"
"#;

/// Runs a load whose target answers nothing any more; returns what was said, and how many fences the target saw.
fn unanswered(evil: Vec<u8>) -> (String, usize) {
    let fences = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&fences);
    let evil = Arc::new(evil);
    let url = listening(move |stream| silent(stream, &evil, &counts));
    let place = Place::new();
    std::fs::write(place.path().join("greeting.toml"), GREETING).unwrap();
    let run = place.run(&["run", "greeting.toml", "--target", &url, "--out", "out"]);
    let said = format!("{}{}", stdout(&run), stderr(&run));
    assert_eq!(code(&run), 4, "{said}");
    (said, fences.load(Ordering::SeqCst))
}

/// After one round of fences in which nothing of the run came, nobody waits for another one.
#[test]
fn a_fence_that_will_not_come_is_not_asked_for_twice() {
    let (said, fences) = unanswered(Vec::new());
    assert!(said.contains("a fence was given up") && said.contains("1 user did not answer the last fence"), "{said}");
    assert_eq!(fences, 1, "{said}");
    let (said, fences) = unanswered(text("42[\"noise\"]").repeat(2_000));
    assert!(said.contains("more than 1,000 other events"), "{said}");
    assert_eq!(fences, 1, "{said}");
}

/// Sixteen cases ask for bodies of 63 MiB that do not end: they are not all held, and each case says what happened. One more case
/// keeps the program there until it is looked at.
#[test]
fn bodies_that_do_not_end() {
    const ASKED: usize = 16;
    let part = vec![b'x'; 63 << 20];
    let (gone, over) = std::sync::mpsc::channel();
    let url = listening(move |mut stream| {
        let mut first = [0; 16];
        if stream.peek(&mut first).ok()? < 5 || !first.starts_with(b"GET /endless") {
            return serve(stream, &[], &[]);
        }
        head(&mut stream)?;
        let begun = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n");
        // Until the client goes: it has had enough, or its time is over.
        let _ = begun.and_then(|()| stream.write_all(&part)).and_then(|()| stream.read(&mut [0]));
        gone.send(()).ok()
    });
    let place = Place::new();
    let numbers = (0..ASKED).map(|number| number.to_string()).collect::<Vec<_>>().join(", ");
    let cases = format!(
        "name = \"bodies\"\n[defaults]\nneeds = [\"wire\"]\n[clients]\nh = {{ raw = \"http\" }}\n\
         [[case]]\nname = \"endless\"\neach = {{ n = [{numbers}] }}\nallow_unexpected = true\n\
         steps = [{{ at = \"h\", http = {{ get = \"/endless\" }}, status = 200, within = \"4s\" }}]\n\
         [[case]]\nname = \"long\"\nallow_unexpected = true\nsteps = [{{ wait = \"20s\" }}]\n"
    );
    std::fs::write(place.path().join("bodies.toml"), cases).unwrap();
    let run = place.start(&["conform", "bodies.toml", "-j", "17", "--target", &url, "--out", "out"]);
    for _ in 0..ASKED {
        over.recv_timeout(Duration::from_mins(1)).unwrap();
    }
    let most = peak(&run.child);
    let (code, said) = run.finish();
    assert!(most < 3 * (256 << 20), "{} MiB: {said}", most >> 20);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not ended them"), "{said}");
}
