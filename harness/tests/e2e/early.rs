//! A server need not listen ahead of its open packet: nothing is sent to it before.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::common::{Place, code, scenario, stderr, stdout};

/// So long the open packet is held back, and nothing may come.
const HELD: Duration = Duration::from_millis(20);

/// In front of a server: it holds each WebSocket's open packet back, and hangs up on who speaks meanwhile.
struct Strict {
    url: String,
    opened: Arc<AtomicU64>,
    early: Arc<AtomicU64>,
}

impl Strict {
    fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let address = server.trim_start_matches("http://").to_owned();
        let (opened, early) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let counts = (opened.clone(), early.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (address, (opened, early)) = (address.clone(), counts.clone());
                std::thread::spawn(move || relay(client, &address, &opened, &early));
            }
        });
        Self { url, opened, early }
    }
}

/// One connection. Whatever breaks it ends both halves.
fn relay(mut client: TcpStream, address: &str, opened: &AtomicU64, early: &AtomicU64) -> Option<()> {
    let mut server = TcpStream::connect(address).unwrap();
    [&client, &server].into_iter().for_each(|half| half.set_nodelay(true).unwrap());
    let request = head(&mut client)?;
    server.write_all(&request).ok()?;
    let text = String::from_utf8_lossy(&request).into_owned();
    if text.contains("transport=websocket") && !text.contains("sid=") {
        let answer = head(&mut server)?;
        client.write_all(&answer).ok()?;
        opened.fetch_add(1, Ordering::Relaxed);
        client.set_read_timeout(Some(HELD)).unwrap();
        match client.read(&mut [0; 1]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(1..) => {
                early.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            _ => return None,
        }
        client.set_read_timeout(None).unwrap();
    }
    let (from_client, to_client) = (client.try_clone().unwrap(), client);
    let (from_server, to_server) = (server.try_clone().unwrap(), server);
    std::thread::spawn(move || pass(from_client, to_server));
    pass(from_server, to_client);
    Some(())
}

/// Up to the empty line, byte by byte, so that nothing behind it is taken.
fn head(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    Some(head)
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn nothing_is_sent_ahead_of_the_open_packet() {
    let place = Place::new();
    let server = place.serve(&[]);
    let strict = Strict::before(&server.url());
    let url = strict.url.as_str();
    let small = scenario("small.toml");
    let commands: [(&str, &[&str]); 4] = [
        ("conform", &["conform", "--area", "acks", "--area", "namespaces", "--quiet", "--target", url]),
        ("run", &["run", &small, "--quiet", "--set", "steady=1s", "--target", url]),
        ("explore", &["explore", "--time", "2s", "--target", url]),
        ("inspect", &["inspect", url]),
    ];
    for (name, args) in commands {
        let before = strict.opened.load(Ordering::Relaxed);
        let output = place.run(args);
        let said = format!("{}{}", stdout(&output), stderr(&output));
        // That it was late on a busy machine is not what this is about.
        assert!(matches!(code(&output), 0 | 4), "{name}: {said}");
        assert!(strict.opened.load(Ordering::Relaxed) > before, "{name} opened no WebSocket: {said}");
        assert_eq!(strict.early.load(Ordering::Relaxed), 0, "{name} spoke first: {said}");
    }
}
