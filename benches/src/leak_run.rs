//! Thousands of connections that come, join, talk and vanish, and what they leave behind: it should be nothing.
//!
//! ```console
//! $ cargo run --release -p sio-benches --bin leak-run -- --connections 5000 --for 600
//! ```
//!
//! The server is a process of its own, so that its memory is its own; it is this program again, asked for its numbers
//! over standard input.
#![allow(clippy::print_stdout, reason = "it is what the program is for")]

use std::alloc::System;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::{SinkExt as _, StreamExt as _};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use sio_reference_server::{Options, Recovery, Server, fixture, limits};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Counts the bytes in use: the resident memory alone cannot tell a leak from an allocator that keeps what it has.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Connections that come, join, talk and vanish
#[derive(Parser)]
struct Arguments {
    /// Connections that are open at the same time
    #[arg(long, default_value_t = 5_000)]
    connections: usize,
    /// Seconds
    #[arg(long = "for", default_value_t = 600)]
    seconds: u64,
    /// Be the server
    #[arg(long, hide = true)]
    serve: bool,
}

/// What the server holds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Held {
    sessions: usize,
    namespaces: usize,
    rooms: usize,
    sockets: usize,
    tasks: usize,
    /// Allocated and not freed.
    heap_kib: u64,
    rss_kib: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    limits::raise_open_files();
    let outcome = if arguments.serve { serve().await } else { run(&arguments).await };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<bool, Box<dyn std::error::Error>>;

// ---- the server

async fn serve() -> Outcome {
    let io = Server::new(Options {
        ping_interval: Duration::from_secs(5),
        ping_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
        cleanup_empty_child_namespaces: true,
        connection_state_recovery: Some(Recovery {
            max_disconnection_duration: Duration::from_secs(5),
            ..Recovery::default()
        }),
        ..Options::default()
    });
    fixture::install(&io, &fixture::Config { node: "A".to_owned(), journal: false });
    let listener = io.listen("127.0.0.1:0").await?;
    println!("{}", listener.local_addr());
    tokio::spawn(listener.run());
    let (sender, mut asked) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        std::io::stdin().lines().for_each(|_| {
            let _ = sender.blocking_send(());
        });
    });
    while asked.recv().await.is_some() {
        println!("{}", serde_json::to_string(&held(&io))?);
    }
    Ok(true)
}

fn held(io: &Server) -> Held {
    let names = io.namespace_names();
    let adapters = names.iter().map(|name| (io.of(name).adapter().rooms().len(), io.of(name).adapter().sids().len()));
    let (rooms, sockets) = adapters.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let rss =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    Held {
        sessions: io.clients_count(),
        namespaces: names.len(),
        rooms,
        sockets,
        tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
        heap_kib: heap_kib(),
        rss_kib: rss.unwrap_or(0),
    }
}

fn heap_kib() -> u64 {
    let stats = ALLOCATOR.stats();
    (stats.bytes_allocated.saturating_sub(stats.bytes_deallocated) / 1024) as u64
}

/// The server's process.
struct Peer {
    child: Child,
    ask: ChildStdin,
    answers: std::io::Lines<BufReader<ChildStdout>>,
    address: String,
}

impl Peer {
    fn start() -> Result<Self, Box<dyn std::error::Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg("--serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut answers = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let address = answers.next().ok_or("the server ended")??;
        Ok(Self { ask: child.stdin.take().ok_or("no input")?, child, answers, address })
    }

    fn held(&mut self) -> Result<Held, Box<dyn std::error::Error>> {
        writeln!(self.ask)?;
        Ok(serde_json::from_str(&self.answers.next().ok_or("the server ended")??)?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// ---- the clients

#[derive(Default)]
struct Counts {
    lives: AtomicUsize,
    failed: AtomicUsize,
    messages: AtomicUsize,
}

async fn run(arguments: &Arguments) -> Outcome {
    let mut peer = Peer::start()?;
    let before = peer.held()?;
    let counts = Arc::new(Counts::default());
    let begin = now();
    let end = begin + Duration::from_secs(arguments.seconds);
    let mut lives = tokio::task::JoinSet::new();
    for _ in 0..arguments.connections {
        lives.spawn(live(peer.address.clone(), counts.clone(), end));
    }
    println!(
        "{:>6} {:>10} {:>11} {:>9} {:>11} {:>8} {:>8} {:>9} {:>9}",
        "s", "lives", "messages", "sessions", "namespaces", "rooms", "tasks", "heap MiB", "RSS MiB"
    );
    let mut rss = Vec::new();
    let show = |peer: &mut Peer, rss: &mut Vec<u64>| -> Result<Held, Box<dyn std::error::Error>> {
        let held = peer.held()?;
        rss.push(held.rss_kib);
        println!(
            "{:>6} {:>10} {:>11} {:>9} {:>11} {:>8} {:>8} {:>9.1} {:>9.1}",
            begin.elapsed().as_secs(),
            counts.lives.load(Ordering::Relaxed),
            counts.messages.load(Ordering::Relaxed),
            held.sessions,
            held.namespaces,
            held.rooms,
            held.tasks,
            held.heap_kib as f64 / 1024.0,
            held.rss_kib as f64 / 1024.0,
        );
        Ok(held)
    };
    while now() < end {
        tokio::time::sleep(Duration::from_secs(arguments.seconds.div_ceil(20).max(1))).await;
        show(&mut peer, &mut rss)?;
    }
    while lives.join_next().await.is_some() {}
    let patience = now() + Duration::from_mins(1);
    let mut after = show(&mut peer, &mut rss)?;
    while (after.sessions, after.rooms, after.tasks > before.tasks) != (0, 0, false) && now() < patience {
        tokio::time::sleep(Duration::from_millis(500)).await;
        after = peer.held()?;
    }
    println!("before {before:?}\nafter  {after:?}\nfailed connections: {}", counts.failed.load(Ordering::Relaxed));
    Ok(verdict(&before, &after, &rss))
}

/// What the runtime keeps for the next connections: that much, and no more, may stay allocated.
const RUNTIME_KIB: u64 = 1_024;

/// Nothing is left, and the memory of the second half is not above that of the first.
fn verdict(before: &Held, after: &Held, rss: &[u64]) -> bool {
    let same = (after.sessions, after.sockets, after.rooms, after.namespaces, after.tasks)
        == (before.sessions, before.sockets, before.rooms, before.namespaces, before.tasks);
    let freed = after.heap_kib <= before.heap_kib + RUNTIME_KIB;
    let (first, second) = rss.split_at(rss.len() / 2);
    let highest = |part: &[u64]| part.iter().max().copied().unwrap_or(0);
    let growth = highest(second) as f64 / highest(first).max(1) as f64 - 1.0;
    let flat = growth < 0.05;
    let word = |good: bool| if good { "ok" } else { "FAIL" };
    println!("{}: no session, socket, room, namespace or task is left", word(same));
    println!("{}: {} KiB more are allocated than before", word(freed), after.heap_kib.saturating_sub(before.heap_kib));
    println!("{}: peak RSS of the second half is {:+.1} % of the first's", word(flat), growth * 100.0);
    same && freed && flat
}

#[expect(clippy::disallowed_methods, reason = "a program that lasts as long as it is told")]
fn now() -> Instant {
    Instant::now()
}

/// One life after another, until the end.
async fn live(address: String, counts: Arc<Counts>, end: Instant) {
    let pause = Duration::from_millis(rand::rng().random_range(0..5_000));
    tokio::time::sleep(pause).await;
    while now() < end {
        if one_life(&address, &counts).await.is_none() {
            counts.failed.fetch_add(1, Ordering::Relaxed);
        }
        counts.lives.fetch_add(1, Ordering::Relaxed);
    }
}

type Socket = WebSocketStream<TcpStream>;

async fn one_life(address: &str, counts: &Counts) -> Option<()> {
    let choice = rand::rng().random_range(0..100);
    match choice {
        // A handshake that nobody follows up.
        0..5 => drop(request(address, "GET", "EIO=4&transport=polling", "").await?),
        // A polling session that is left with a probe that is never finished, in the middle, or by a mistake.
        5..10 => {
            let sid = polling(address, counts).await?;
            match choice {
                5 | 6 => {
                    let mut probe = websocket(address, &format!("&sid={sid}")).await?;
                    probe.send(Message::text("2probe")).await.ok()?;
                    probe.next().await?.ok()?;
                }
                7 => drop(request(address, "POST", &format!("EIO=4&transport=polling&sid={sid}"), "no packet").await?),
                _ => {}
            }
        }
        _ => talk(address, counts, choice).await?,
    }
    Some(())
}

async fn polling(address: &str, counts: &Counts) -> Option<String> {
    let open = request(address, "GET", "EIO=4&transport=polling", "").await?;
    let sid = open.split("\"sid\":\"").nth(1)?.split('"').next()?.to_owned();
    let query = format!("EIO=4&transport=polling&sid={sid}");
    request(address, "POST", &query, "40").await?;
    request(address, "POST", &query, "42[\"message\",1]").await?;
    counts.messages.fetch_add(1, Ordering::Relaxed);
    Some(sid)
}

async fn request(address: &str, method: &str, query: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let length = body.len();
    let head = format!(
        "{method} /socket.io/?{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.ok()?.ok()?;
    Some(answer)
}

async fn websocket(address: &str, more: &str) -> Option<Socket> {
    let stream = TcpStream::connect(address).await.ok()?;
    let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket{more}");
    Some(tokio::time::timeout(Duration::from_secs(10), client_async(url, stream)).await.ok()?.ok()?.0)
}

/// Connects, joins, talks for a while, and goes in one of several ways.
async fn talk(address: &str, counts: &Counts, choice: u32) -> Option<()> {
    let (room, stay, way) = {
        let mut rng = rand::rng();
        (rng.random_range(0..500), rng.random_range(2_000..12_000), rng.random_range(0..5))
    };
    let nsp = if choice < 30 { format!("/dynamic-{room},") } else { String::new() };
    let mut socket = websocket(address, "").await?;
    socket.send(Message::text(format!("40{nsp}"))).await.ok()?;
    socket.send(Message::text("3")).await.ok()?;
    let mut joined = false;
    let until = tokio::time::Instant::now() + Duration::from_millis(stay);
    let mut next = tokio::time::Instant::now() + Duration::from_millis(200);
    while tokio::time::Instant::now() < until {
        let message = tokio::select! {
            message = socket.next() => message?.ok()?,
            () = tokio::time::sleep_until(next) => {
                next += Duration::from_secs(2);
                if joined {
                    counts.messages.fetch_add(1, Ordering::Relaxed);
                    let tell = format!("42{nsp}[\"emit\",{{\"via\":\"socket\",\"to\":\"r{room}\",\"event\":\"tell\",\"args\":[1]}}]");
                    socket.send(Message::text(tell)).await.ok()?;
                }
                continue;
            }
        };
        let text = message.to_text().unwrap_or_default();
        if text == "2" {
            socket.send(Message::text("3")).await.ok()?;
        } else if text.starts_with("40") {
            joined = true;
            socket.send(Message::text(format!("42{nsp}[\"join\",\"r{room}\"]"))).await.ok()?;
        }
    }
    match way {
        0 => drop(socket.close(None).await),
        1 => drop(socket.send(Message::text(format!("41{nsp}"))).await),
        2 => drop(socket.send(Message::text("1")).await),
        3 => drop(socket.get_mut().set_zero_linger()),
        _ => {}
    }
    Some(())
}
