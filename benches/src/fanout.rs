//! One emitter, a room of members, a fixed number of messages in flight.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use sio_bench::client::{Connection, Error};
use sio_bench::clock;
use sio_bench::load::cpu;
use sio_bench::scenario::model::Transport;
use sio_bench::target::Target;
use sio_protocol::client::Event;
use sio_protocol::{Args, ArgsError};
use tokio::sync::Notify;

/// Time for one connection, with its join.
const OPEN_LIMIT: Duration = Duration::from_secs(20);
/// Connections that are opened at the same time.
const OPENING: usize = 64;
const ROOM: &str = "side-by-side";

/// What one run came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    /// Deliveries each second.
    pub rate: f64,
    /// Microseconds of CPU per delivery, of server and driver.
    pub target_cpu: f64,
    /// The driver's.
    pub own_cpu: f64,
}

/// Members of one room, waiting to be sent to.
pub struct Room {
    state: Rc<State>,
    members: usize,
    emitter: Connection,
    /// Messages emitted so far; those beyond `completed` are in flight.
    sent: u64,
}

#[derive(Default)]
struct State {
    deliveries: Cell<u64>,
    completed: Cell<u64>,
    /// How many members have each message, from `completed` on.
    counts: RefCell<std::collections::VecDeque<u32>>,
    members: Cell<u32>,
    progress: Notify,
    lost: Cell<u32>,
}

impl State {
    /// A member has its `n`-th message.
    fn delivered(&self, n: u64) {
        self.deliveries.set(self.deliveries.get() + 1);
        let index = (n - self.completed.get()) as usize;
        let mut counts = self.counts.borrow_mut();
        if counts.len() <= index {
            counts.resize(index + 1, 0);
        }
        counts[index] += 1;
        if counts[0] == self.members.get() {
            counts.pop_front();
            self.completed.set(self.completed.get() + 1);
            self.progress.notify_one();
        }
    }
}

/// Opens `count` connections as fast as the server lets them in; with `room`, they join it. Returns them with
/// the time it took.
pub async fn open(target: &Target, count: usize, room: bool) -> Result<(Vec<Connection>, Duration), Error> {
    let started = clock::now();
    let mut connections = Vec::with_capacity(count);
    let mut opening = tokio::task::JoinSet::new();
    let mut left = count;
    while connections.len() < count {
        while left > 0 && opening.len() < OPENING {
            left -= 1;
            let (endpoint, http) = (target.endpoint.clone(), target.http.clone());
            opening.spawn_local(async move {
                let mut connection = Connection::open(&endpoint, &http, Transport::WebSocket).await?;
                connection.join("/", "", OPEN_LIMIT).await?;
                if room {
                    connection.call("/", args("join", (ROOM,)), OPEN_LIMIT).await?;
                }
                Ok::<_, Error>(connection)
            });
        }
        match opening.join_next().await {
            Some(Ok(connection)) => connections.push(connection?),
            _ => break,
        }
    }
    Ok((connections, clock::now().duration_since(started)))
}

fn args(event: &str, args: impl sio_protocol::IntoArgs) -> Args {
    Args::event(event, args).unwrap_or_else(|_: ArgsError| Args::none())
}

impl Room {
    /// Opens the members and the emitter, which is not one of them. Call it inside a `LocalSet`.
    pub async fn open(target: &Target, members: usize) -> Result<Self, Error> {
        let (connections, _) = open(target, members, true).await?;
        let state = Rc::new(State::default());
        state.members.set(members as u32);
        for mut connection in connections {
            let state = state.clone();
            tokio::task::spawn_local(async move {
                let mut next = 0;
                loop {
                    match connection.next().await {
                        Event::Event(incoming) if incoming.args.json().starts_with("[\"msg\"") => {
                            state.delivered(next);
                            next += 1;
                        }
                        Event::Closed(_) => {
                            state.lost.set(state.lost.get() + 1);
                            return;
                        }
                        _ => {}
                    }
                }
            });
        }
        let mut emitter = Connection::open(&target.endpoint, &target.http, Transport::WebSocket).await?;
        emitter.join("/", "", OPEN_LIMIT).await?;
        Ok(Self { state, members, emitter, sent: 0 })
    }

    /// Keeps `window` messages of `payload` bytes in flight for `time`, after a tenth of it as warm-up.
    pub async fn run(&mut self, target: &Target, window: u64, payload: usize, time: Duration) -> Measured {
        let request = format!(r#"["emit",{{"to":["{ROOM}"],"event":"msg","args":["{}"]}}]"#, "x".repeat(payload));
        let request = Args::from_json(request, Vec::new());
        self.pump(&request, window, clock::now() + time / 10).await;
        let pid = target.info.pid;
        let of = |pid: Option<u32>| cpu::of(&pid.into_iter().collect::<Vec<_>>()).cpu;
        let before = (clock::now(), self.state.deliveries.get(), cpu::own().cpu, of(pid));
        self.pump(&request, window, before.0 + time).await;
        let seconds = clock::now().duration_since(before.0).as_secs_f64();
        let deliveries = (self.state.deliveries.get() - before.1) as f64;
        let micros = |now: Option<f64>, then: Option<f64>| match (now, then) {
            (Some(now), Some(then)) if deliveries > 0.0 => (now - then) * 1e6 / deliveries,
            _ => f64::NAN,
        };
        let measured = Measured {
            rate: deliveries / seconds,
            target_cpu: micros(of(pid), before.3),
            own_cpu: micros(cpu::own().cpu, before.2),
        };
        self.drain().await;
        measured
    }

    /// Sends whenever there is room in the window, until the time has come.
    async fn pump(&mut self, request: &Args, window: u64, until: Instant) {
        let end = tokio::time::sleep_until(until.into());
        tokio::pin!(end);
        loop {
            while self.in_flight() < window {
                self.emitter.emit("/", request.clone(), false);
                self.sent += 1;
            }
            // Cancel-safe: the connection keeps its state, the notification its permit.
            tokio::select! {
                biased;
                () = &mut end => return,
                _ = self.emitter.next() => {}
                () = self.state.progress.notified() => {}
            }
        }
    }

    fn in_flight(&self) -> u64 {
        self.sent - self.state.completed.get()
    }

    /// Lets what is in flight arrive, so that the next run begins with nothing.
    async fn drain(&mut self) {
        let quiet = async {
            while self.in_flight() > 0 {
                tokio::select! {
                    _ = self.emitter.next() => {}
                    () = self.state.progress.notified() => {}
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(5), quiet).await;
    }

    /// How many members there are, and how many the server has dropped.
    pub fn members(&self) -> (usize, u32) {
        (self.members, self.state.lost.get())
    }
}
