//! The path between one client and the target, under the case's control: held, released, cut, split, delayed.
//!
//! A link is a TCP relay on a port of its own, so it works for every kind of client and needs no privileges.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::clock;

/// Bytes moved at a time.
const CHUNK: usize = 64 * 1024;
/// Bytes that are on their way in one direction; then nothing more is read, as on a real line.
const MOST_UNDER_WAY: usize = 64 << 20;
/// What a piece takes besides its bytes.
const COST: usize = 64;
/// A piece of fewer bytes is not kept in a buffer for many.
const SMALL: usize = CHUNK / 4;

/// What a case does to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkAction {
    /// Nothing passes from now on, in the directions named.
    Hold { up: bool, down: bool },
    /// What was held passes, and everything after it.
    Release,
    /// Both ends are reset, and nobody gets through any more until `release`.
    Cut,
    /// Of what the client sends next, this many bytes pass; the rest is held until `release`.
    Split(usize),
    /// Each byte that comes from now on takes so long, in either direction.
    Delay(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    delay: Duration,
    /// To the target.
    up: Gate,
    /// To the client.
    down: Gate,
    /// Counts cuts: a relay that began before the last one ends.
    cuts: u64,
    /// Refuses new connections.
    severed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    /// Bytes that may still pass.
    Only(usize),
}

/// What a link does to all that passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// Each byte takes so long, in either direction.
    pub delay: Duration,
    /// At most so many bytes arrive at a time.
    pub pieces: Option<usize>,
}

impl From<Duration> for Path {
    fn from(delay: Duration) -> Self {
        Self { delay, pieces: None }
    }
}

/// A relay to one target.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    task: tokio::task::JoinHandle<()>,
}

impl Link {
    /// Opens a relay to `target`.
    pub async fn open(target: SocketAddr, path: impl Into<Path>) -> io::Result<Self> {
        let path = path.into();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let open = State { delay: path.delay, up: Gate::Open, down: Gate::Open, cuts: 0, severed: false };
        let state = Arc::new(watch::Sender::new(open));
        let task = tokio::spawn(accept(listener, target, path, Arc::clone(&state)));
        Ok(Self { address, state, task })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does something to it. Takes effect before this returns, for bytes that have not passed yet.
    pub fn act(&self, action: LinkAction) {
        self.state.send_modify(|state| match action {
            LinkAction::Hold { up, down } => {
                if up {
                    state.up = Gate::Only(0);
                }
                if down {
                    state.down = Gate::Only(0);
                }
            }
            LinkAction::Release => {
                (state.up, state.down, state.severed) = (Gate::Open, Gate::Open, false);
            }
            LinkAction::Cut => {
                state.cuts += 1;
                state.severed = true;
            }
            LinkAction::Split(bytes) => state.up = Gate::Only(bytes),
            LinkAction::Delay(delay) => state.delay = delay,
        });
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, path: Path, state: Arc<watch::Sender<State>>) {
    loop {
        let (client, _) = super::listen::next(&listener).await;
        if state.borrow().severed {
            // Fails only on a socket that is dead already.
            let _ = client.set_zero_linger();
            continue;
        }
        tokio::spawn(relay(client, target, path, Arc::clone(&state)));
    }
}

async fn relay(client: TcpStream, target: SocketAddr, path: Path, state: Arc<watch::Sender<State>>) {
    let Ok(server) = super::dial(target).await else { return };
    let born = state.borrow().cuts;
    // A relay adds no delay of its own; a socket that refuses the option is as good.
    let _ = client.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut up = Direction { up: true, path, state: Arc::clone(&state), born };
    let mut down = Direction { up: false, path, state, born };
    let (up, down) = (up.run(from_client, to_server), down.run(from_server, to_client));
    let (a, b) = tokio::join!(up, down);
    if let (Some(client), Some(server)) = (rejoin(a.0, b.1), rejoin(b.0, a.1))
        && (a.2 || b.2)
    {
        // Fails only on a socket that is dead already.
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

fn rejoin(read: OwnedReadHalf, write: OwnedWriteHalf) -> Option<TcpStream> {
    read.reunite(write).ok()
}

/// What is on its way, with the instants of its arrival.
#[derive(Default)]
struct Queue {
    pieces: VecDeque<(Instant, Bytes)>,
    bytes: usize,
}

impl Queue {
    fn push(&mut self, due: Instant, piece: BytesMut) {
        self.bytes += piece.len();
        let piece = if piece.len() < SMALL { Bytes::copy_from_slice(&piece) } else { piece.freeze() };
        self.pieces.push_back((due, piece));
    }

    /// Whether more is read: also ahead of a gate that is shut there is one piece.
    fn has_room(&self, gate: Gate) -> bool {
        self.pieces.is_empty() || gate != Gate::Only(0) && self.bytes + COST * self.pieces.len() < MOST_UNDER_WAY
    }
}

struct Direction {
    up: bool,
    path: Path,
    state: Arc<watch::Sender<State>>,
    /// Cuts there had been when the relay began.
    born: u64,
}

impl Direction {
    /// Moves bytes until an end closes or the link is cut; the flag says that it was cut.
    async fn run(
        &mut self,
        mut read: OwnedReadHalf,
        mut write: OwnedWriteHalf,
    ) -> (OwnedReadHalf, OwnedWriteHalf, bool) {
        let mut changes = self.state.subscribe();
        let mut queue = Queue::default();
        let mut ended = false;
        loop {
            let state = *changes.borrow_and_update();
            if state.cuts != self.born {
                return (read, write, true);
            }
            let gate = if self.up { state.up } else { state.down };
            let now = clock::now();
            let due = queue.pieces.front().map(|(due, _)| *due);
            if gate != Gate::Only(0) && due.is_some_and(|due| due <= now) {
                let born = self.born;
                let passed = tokio::select! {
                    passed = self.pass(gate, &mut queue, &mut write) => passed,
                    // Whoever does not read is cut off all the same.
                    _ = changes.wait_for(|state| state.cuts != born) => return (read, write, true),
                };
                if passed.is_err() {
                    return (read, write, false);
                }
                continue;
            }
            if ended && queue.pieces.is_empty() {
                // The other direction ends when its own peer closes.
                let _ = write.shutdown().await;
                return (read, write, false);
            }
            let wait = match due {
                Some(due) if gate != Gate::Only(0) => Some(due),
                _ => None,
            };
            let mut buffer = BytesMut::with_capacity(CHUNK);
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return (read, write, false) },
                () = until(wait) => {}
                // A gate that is shut does not read: the sender meets a full socket, as on a real network.
                got = read.read_buf(&mut buffer), if !ended && queue.has_room(gate) => match got {
                    Ok(1..) => queue.push(clock::now() + self.state.borrow().delay, buffer),
                    _ => ended = true,
                },
            }
        }
    }

    /// Writes as much of the first chunk as the gate lets through.
    async fn pass(&self, gate: Gate, queue: &mut Queue, write: &mut OwnedWriteHalf) -> io::Result<()> {
        let Some((_, chunk)) = queue.pieces.front_mut() else { return Ok(()) };
        let length = match gate {
            Gate::Open => chunk.len(),
            Gate::Only(bytes) => bytes.min(chunk.len()),
        };
        let length = self.path.pieces.map_or(length, |pieces| length.min(pieces.max(1)));
        let part = chunk.split_to(length);
        queue.bytes -= length;
        if chunk.is_empty() {
            queue.pieces.pop_front();
        }
        write.write_all(&part).await?;
        if let Gate::Only(_) = gate {
            self.state.send_modify(|state| {
                let gate = if self.up { &mut state.up } else { &mut state.down };
                if let Gate::Only(left) = gate {
                    *left = left.saturating_sub(length);
                }
            });
        }
        Ok(())
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An echo server, a link to it, and a client on the link.
    async fn echo(delay: Duration) -> (Link, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut read, mut write) = stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
        let link = Link::open(address, delay).await.unwrap();
        let client = TcpStream::connect(link.address()).await.unwrap();
        (link, client)
    }

    async fn read(client: &mut TcpStream, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        client.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    #[tokio::test]
    async fn what_is_held_passes_when_it_is_released() {
        let (link, mut client) = echo(Duration::ZERO).await;
        client.write_all(b"a").await.unwrap();
        assert_eq!(read(&mut client, 1).await, b"a");
        link.act(LinkAction::Hold { up: true, down: false });
        client.write_all(b"b").await.unwrap();
        let nothing = tokio::time::timeout(Duration::from_millis(50), client.read(&mut [0])).await;
        assert!(nothing.is_err(), "a held byte came back");
        link.act(LinkAction::Release);
        assert_eq!(read(&mut client, 1).await, b"b");
    }

    #[tokio::test]
    async fn a_split_lets_the_first_bytes_through() {
        let (link, mut client) = echo(Duration::ZERO).await;
        link.act(LinkAction::Split(3));
        client.write_all(b"abcdef").await.unwrap();
        assert_eq!(read(&mut client, 3).await, b"abc");
        let nothing = tokio::time::timeout(Duration::from_millis(50), client.read(&mut [0])).await;
        assert!(nothing.is_err(), "more than three bytes passed");
        link.act(LinkAction::Release);
        assert_eq!(read(&mut client, 3).await, b"def");
    }

    #[tokio::test]
    async fn a_cut_resets_both_ends_and_lets_nobody_in() {
        let (link, mut client) = echo(Duration::ZERO).await;
        client.write_all(b"a").await.unwrap();
        assert_eq!(read(&mut client, 1).await, b"a");
        link.act(LinkAction::Cut);
        assert_eq!(client.read(&mut [0]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        let mut next = TcpStream::connect(link.address()).await.unwrap();
        assert!(!matches!(next.read(&mut [0]).await, Ok(1..)));
    }

    #[tokio::test]
    async fn a_cut_reaches_whoever_does_not_read() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let link = Link::open(listener.local_addr().unwrap(), Duration::ZERO).await.unwrap();
        let _client = TcpStream::connect(link.address()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let piece = vec![7; CHUNK];
        let flood = async {
            let mut written = 0_u64;
            while let Ok(Ok(length)) = tokio::time::timeout(Duration::from_secs(1), server.write(&piece)).await {
                written += length as u64;
            }
            written
        };
        assert!(flood.await > 0, "the client's socket is full");
        link.act(LinkAction::Cut);
        while server.write(&piece).await.is_ok() {}
    }

    #[tokio::test]
    async fn a_link_may_become_slow_and_fast_again() {
        let (link, mut client) = echo(Duration::ZERO).await;
        link.act(LinkAction::Delay(Duration::from_millis(20)));
        let started = clock::now();
        client.write_all(b"a").await.unwrap();
        read(&mut client, 1).await;
        assert!(started.elapsed() >= Duration::from_millis(40));
        // What is on its way is not overtaken.
        client.write_all(b"b").await.unwrap();
        link.act(LinkAction::Delay(Duration::ZERO));
        client.write_all(b"c").await.unwrap();
        assert_eq!(read(&mut client, 2).await, b"bc");
    }

    #[tokio::test]
    async fn a_delay_counts_in_both_directions() {
        let (_link, mut client) = echo(Duration::from_millis(20)).await;
        let started = clock::now();
        client.write_all(b"a").await.unwrap();
        read(&mut client, 1).await;
        assert!(started.elapsed() >= Duration::from_millis(40));
    }

    /// Whoever floods a line that is long meets a full one.
    #[tokio::test]
    async fn a_delay_holds_so_much_and_no_more() {
        let (link, mut client) = echo(Duration::ZERO).await;
        link.act(LinkAction::Delay(Duration::from_secs(1_000)));
        let piece = vec![7; 1 << 20];
        let mut taken = 0;
        while taken < 4 * MOST_UNDER_WAY
            && let Ok(written) = tokio::time::timeout(Duration::from_secs(1), client.write(&piece)).await
        {
            taken += written.unwrap();
        }
        assert!((MOST_UNDER_WAY..2 * MOST_UNDER_WAY).contains(&taken), "{taken}");
    }

    #[test]
    fn small_pieces_take_no_more_than_they_are() {
        let mut queue = Queue::default();
        for _ in 0..10 {
            let mut piece = BytesMut::with_capacity(CHUNK);
            piece.extend_from_slice(b"abc");
            queue.push(clock::now(), piece);
        }
        let kept = queue.pieces.pop_front().unwrap().1.try_into_mut().unwrap();
        assert!(queue.bytes == 30 && kept.capacity() < 100, "{}", kept.capacity());
    }
}
