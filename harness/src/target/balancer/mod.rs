//! A small load balancer of our own, in front of the nodes of a fleet: on a thread of its own, on 127.0.0.1.

mod cookie;
mod pool;
mod splice;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use self::pool::Pool;
use crate::vocab;
use crate::wire::listen;

/// The cookie that keeps a session on its node; its value is the node's number.
pub const COOKIE: &str = "sio-bench-node";

/// A balancer that runs until it is dropped.
pub struct Balancer {
    address: SocketAddr,
    pool: Arc<Pool>,
    /// Counts how often everybody was dropped; closed at the end.
    drops: Option<watch::Sender<u64>>,
    thread: Option<JoinHandle<()>>,
}

impl Balancer {
    /// Starts one in front of these nodes. None, if users know the nodes themselves.
    pub fn start(kind: vocab::Balancer, nodes: Vec<SocketAddr>) -> io::Result<Option<Self>> {
        if kind == vocab::Balancer::None {
            return Ok(None);
        }
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let (address, pool) = (listener.local_addr()?, Arc::new(Pool::new(nodes)));
        let (drops, dropped) = watch::channel(0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let inner = Arc::clone(&pool);
        let thread = std::thread::Builder::new().name("balancer".to_owned()).spawn(move || {
            runtime.block_on(async {
                if let Ok(listener) = TcpListener::from_std(listener) {
                    accept(&listener, kind, &inner, dropped).await;
                }
            });
        })?;
        Ok(Some(Self { address, pool, drops: Some(drops), thread: Some(thread) }))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A node listens elsewhere from now on.
    pub(super) fn moved(&self, node: usize, address: SocketAddr) {
        self.pool.moved(node, address);
    }

    /// Resets every connection; new ones are welcome.
    pub fn drop_everybody(&self) {
        if let Some(drops) = &self.drops {
            drops.send_modify(|count| *count += 1);
        }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // The thread ends when nobody can tell it anything any more.
        self.drops = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Takes connections until the balancer is dropped.
async fn accept(listener: &TcpListener, kind: vocab::Balancer, pool: &Arc<Pool>, mut dropped: watch::Receiver<u64>) {
    loop {
        tokio::select! {
            (client, from) = listen::next(listener) => {
                tokio::spawn(serve(client, from, kind, Arc::clone(pool), dropped.clone()));
            }
            changed = dropped.changed() => if changed.is_err() { return },
        }
    }
}

/// Serves one connection, until it ends or everybody is dropped.
async fn serve(
    client: TcpStream,
    from: SocketAddr,
    kind: vocab::Balancer,
    pool: Arc<Pool>,
    mut dropped: watch::Receiver<u64>,
) {
    // What was dropped before it came is not about it.
    dropped.mark_unchanged();
    // A balancer adds no delay of its own; a socket that refuses the option is as good.
    let _ = client.set_nodelay(true);
    match kind {
        vocab::Balancer::Cookie => cookie::serve(client, pool, dropped).await,
        vocab::Balancer::Source => splice::serve(client, &pool, pool.of_source(from.ip()), dropped).await,
        vocab::Balancer::RoundRobin | vocab::Balancer::None => {
            splice::serve(client, &pool, pool.next(), dropped).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;

    /// A server that says its name, and then whatever it is told when that has ended.
    fn node(name: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    stream.write_all(name.as_bytes()).unwrap();
                    let mut said = Vec::new();
                    let _ = stream.read_to_end(&mut said);
                    let _ = stream.write_all(&said);
                });
            }
        });
        address
    }

    /// A server that answers a request with its name, and switches protocols if it is asked to: then it is an echo.
    fn http_node(name: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    while let Some(request) = head(&mut stream) {
                        if request.contains("upgrade: echo") {
                            let head =
                                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
                            stream.write_all(head.as_bytes()).unwrap();
                            let mut copy = stream.try_clone().unwrap();
                            let _ = io::copy(&mut copy, &mut stream);
                            return;
                        }
                        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{name}");
                        stream.write_all(answer.as_bytes()).unwrap();
                    }
                });
            }
        });
        address
    }

    /// To the end of the headers; none at the end of the connection.
    fn head(stream: &mut TcpStream) -> Option<String> {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if stream.read(&mut byte).ok()? == 0 {
                return None;
            }
            text.push(byte[0]);
        }
        Some(String::from_utf8(text).unwrap())
    }

    fn start(kind: vocab::Balancer, nodes: Vec<SocketAddr>) -> Balancer {
        Balancer::start(kind, nodes).unwrap().unwrap()
    }

    fn read(stream: &mut TcpStream, length: usize) -> String {
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// The node that a connection gets.
    fn name(balancer: &Balancer) -> String {
        read(&mut TcpStream::connect(balancer.address()).unwrap(), 1)
    }

    #[test]
    fn connections_take_turns_and_a_source_keeps_its_node() {
        let turns = start(vocab::Balancer::RoundRobin, vec![node("a"), node("b")]);
        let names: Vec<_> = (0..4).map(|_| name(&turns)).collect();
        assert_eq!(names, ["a", "b", "a", "b"]);
        let sticky = start(vocab::Balancer::Source, vec![node("a"), node("b")]);
        let first = name(&sticky);
        assert!((0..4).all(|_| name(&sticky) == first));
    }

    #[test]
    fn a_node_that_is_down_is_passed_over_and_may_move() {
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let balancer = start(vocab::Balancer::RoundRobin, vec![nobody, node("b")]);
        assert_eq!((name(&balancer), name(&balancer)), ("b".to_owned(), "b".to_owned()));
        balancer.moved(0, node("c"));
        assert_eq!(name(&balancer), "c");
    }

    #[test]
    fn what_one_side_ends_the_other_may_go_on_with() {
        let balancer = start(vocab::Balancer::RoundRobin, vec![node("a")]);
        let mut stream = TcpStream::connect(balancer.address()).unwrap();
        // More than all buffers on the way hold: whoever is slow must not lose any of it.
        let long = vec![7; 20_000_000];
        let mut writer = stream.try_clone().unwrap();
        let sent = long.clone();
        let writing = std::thread::spawn(move || {
            writer.write_all(&sent).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        assert_eq!(read(&mut stream, 1), "a");
        writing.join().unwrap();
        let mut echoed = Vec::new();
        stream.read_to_end(&mut echoed).unwrap();
        assert!(echoed == long, "{} of {} bytes came back", echoed.len(), long.len());
    }

    #[test]
    fn everybody_is_dropped_and_may_come_back() {
        for kind in [vocab::Balancer::RoundRobin, vocab::Balancer::Cookie] {
            let balancer = start(kind, vec![http_node("a")]);
            let ask = |stream: &mut TcpStream| {
                stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
                head(stream).unwrap();
                read(stream, 1)
            };
            let mut stream = TcpStream::connect(balancer.address()).unwrap();
            assert_eq!(ask(&mut stream), "a");
            balancer.drop_everybody();
            assert!(!matches!(stream.read(&mut [0]), Ok(1..)));
            assert_eq!(ask(&mut TcpStream::connect(balancer.address()).unwrap()), "a");
        }
    }

    #[test]
    fn a_cookie_keeps_a_session_on_its_node_over_all_its_connections() {
        let balancer = start(vocab::Balancer::Cookie, vec![http_node("a"), http_node("b")]);
        let mut stream = TcpStream::connect(balancer.address()).unwrap();
        let mut ask = |cookie: &str| {
            stream.write_all(format!("GET / HTTP/1.1\r\nhost: x\r\n{cookie}\r\n").as_bytes()).unwrap();
            (head(&mut stream).unwrap(), read(&mut stream, 1))
        };
        let (first, second) = (ask(""), ask(""));
        assert_eq!((first.1.as_str(), second.1.as_str()), ("a", "b"), "one connection is not one session");
        assert!(first.0.to_lowercase().contains("set-cookie: sio-bench-node=0; path=/"), "{}", first.0);
        for (cookie, name) in [("cookie: sio-bench-node=1\r\n", "b"), ("cookie: x=1; sio-bench-node=0\r\n", "a")] {
            let (head, node) = ask(cookie);
            assert!(node == name && !head.to_lowercase().contains("set-cookie"), "{cookie}: {head}");
        }
    }

    /// A server that keeps a connection open behind its answer, and closes it when it is asked there once more.
    fn forgetful_node() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let asked = head(&mut stream).unwrap();
                let length = asked
                    .split_once("content-length: ")
                    .map_or(0, |(_, rest)| rest.split_once('\r').unwrap().0.parse().unwrap());
                let body = read(&mut stream, length);
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).unwrap();
                head(&mut stream);
            }
        });
        address
    }

    #[test]
    fn what_a_closed_connection_has_not_answered_is_sent_again() {
        let balancer = start(vocab::Balancer::Cookie, vec![forgetful_node()]);
        let mut stream = TcpStream::connect(balancer.address()).unwrap();
        for body in ["a", "bc", "def"] {
            let length = body.len();
            let request = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}");
            stream.write_all(request.as_bytes()).unwrap();
            let head = head(&mut stream).unwrap();
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            assert_eq!(read(&mut stream, length), body);
        }
    }

    /// A node that never answers keeps nothing of a client that has gone.
    #[test]
    fn a_client_that_is_gone_waits_for_no_answer() {
        for kind in [vocab::Balancer::RoundRobin, vocab::Balancer::Cookie] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let balancer = start(kind, vec![listener.local_addr().unwrap()]);
            let mut client = TcpStream::connect(balancer.address()).unwrap();
            client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            let (mut server, _) = listener.accept().unwrap();
            assert!(head(&mut server).unwrap().starts_with("GET / "));
            drop(client);
            server.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            let end = server.read(&mut [0]);
            assert!(!end.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock), "{end:?}");
        }
    }

    /// Heads without an end are refused, from either side.
    #[test]
    fn a_head_that_never_ends_is_not_kept() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let node = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    head(&mut stream);
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
                    while stream.write_all(&b"x: y\r\n".repeat(1_000)).is_ok() {}
                });
            }
        });
        let balancer = start(vocab::Balancer::Cookie, vec![node]);
        let mut client = TcpStream::connect(balancer.address()).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        assert!(head(&mut client).unwrap().starts_with("HTTP/1.1 502"));
        let mut client = TcpStream::connect(balancer.address()).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        while client.write_all(&b"x: y\r\n".repeat(1_000)).is_ok() {}
    }

    #[test]
    fn an_upgrade_passes() {
        let balancer = start(vocab::Balancer::Cookie, vec![http_node("a"), http_node("b")]);
        let mut stream = TcpStream::connect(balancer.address()).unwrap();
        let request =
            "GET / HTTP/1.1\r\nhost: x\r\ncookie: sio-bench-node=1\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        assert!(head(&mut stream).unwrap().starts_with("HTTP/1.1 101"));
        stream.write_all(b"hello").unwrap();
        assert_eq!(read(&mut stream, 5), "hello");
        balancer.drop_everybody();
        assert!(!matches!(stream.read(&mut [0]), Ok(1..)));
    }
}
