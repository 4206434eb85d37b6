//! A server that answers `message-with-ack` after a known delay, can stand still, and says what it really did.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use sio_reference_server::{Event, Options, Server};
use tokio::sync::mpsc as queue;

use crate::clock::{self, PreciseSleep};
use crate::record::histogram::{empty, record};
use crate::vocab::lock::LockExt;

/// The server, on a thread of its own until the program ends.
pub struct DelayServer {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    /// Nanoseconds.
    delay: AtomicU64,
    /// Stands still for so long when the next event comes after so many, once.
    stall: AtomicU64,
    stall_after: AtomicU64,
    /// From the handling of an event to its answer.
    taken: Mutex<Histogram<u64>>,
    stalled: AtomicU64,
}

impl DelayServer {
    /// Starts it on a free port.
    pub fn start() -> Result<Self, String> {
        let shared = Arc::new(Shared {
            delay: AtomicU64::new(0),
            stall: AtomicU64::new(0),
            stall_after: AtomicU64::new(u64::MAX),
            taken: Mutex::new(empty()),
            stalled: AtomicU64::new(0),
        });
        let (told, url) = mpsc::channel();
        let own = shared.clone();
        let thread = std::thread::Builder::new().name("delay-server".to_owned());
        thread.spawn(move || serve(own, &told)).map_err(|error| error.to_string())?;
        let url = url.recv().map_err(|_| "the delay server did not start".to_owned())??;
        Ok(Self { url, shared })
    }

    /// From now on events are answered so late.
    pub fn delay(&self, delay: Duration) {
        self.shared.delay.store(delay.as_nanos() as u64, Ordering::Relaxed);
        *self.shared.taken.lock_unpoisoned() = empty();
    }

    /// After so many more events it stands still for so long.
    pub fn stall(&self, length: Duration, after: u64) {
        self.shared.stall.store(length.as_nanos() as u64, Ordering::Relaxed);
        self.shared.stall_after.store(after, Ordering::Relaxed);
    }

    /// How long it took to answer since the delay was set.
    pub fn taken(&self) -> Histogram<u64> {
        self.shared.taken.lock_unpoisoned().clone()
    }

    /// How long it stood still.
    pub fn stalled(&self) -> Duration {
        Duration::from_nanos(self.shared.stalled.load(Ordering::Relaxed))
    }
}

/// An event to be answered, and since when it waits.
type Waiting = (Event, Instant);

fn serve(shared: Arc<Shared>, told: &mpsc::Sender<Result<String, String>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = runtime.and_then(|runtime| {
        runtime.block_on(async {
            let (sender, receiver) = queue::unbounded_channel();
            let timer = PreciseSleep::new()?;
            tokio::spawn(answer(shared.clone(), receiver, timer));
            let server = Server::new(Options::default());
            server.of("/").on_connection(move |socket| {
                let (sender, shared) = (sender.clone(), shared.clone());
                socket.on("message-with-ack", move |_, event| {
                    stand_still(&shared);
                    // The other end is gone only when the program is.
                    let _ = sender.send((event, clock::now()));
                });
            });
            let listener = server.listen("127.0.0.1:0").await?;
            let _ = told.send(Ok(format!("http://{}", listener.local_addr())));
            listener.run().await
        })
    });
    if let Err(error) = served {
        let _ = told.send(Err(format!("the delay server: {error}")));
    }
}

/// Once, when its time has come.
fn stand_still(shared: &Shared) {
    let left = shared.stall_after.load(Ordering::Relaxed);
    if left == u64::MAX {
        return;
    }
    if left > 0 {
        shared.stall_after.store(left - 1, Ordering::Relaxed);
        return;
    }
    shared.stall_after.store(u64::MAX, Ordering::Relaxed);
    let began = clock::now();
    #[expect(clippy::disallowed_methods, reason = "a server that stands still is what is wanted here")]
    std::thread::sleep(Duration::from_nanos(shared.stall.load(Ordering::Relaxed)));
    shared.stalled.store(began.elapsed().as_nanos() as u64, Ordering::Relaxed);
}

/// Answers in order: the delay is the same for all.
async fn answer(shared: Arc<Shared>, mut events: queue::UnboundedReceiver<Waiting>, mut timer: PreciseSleep) {
    let mut waiting: VecDeque<Waiting> = VecDeque::new();
    loop {
        let delay = Duration::from_nanos(shared.delay.load(Ordering::Relaxed));
        let Some((_, since)) = waiting.front() else {
            match events.recv().await {
                Some(event) => waiting.push_back(event),
                None => return,
            }
            continue;
        };
        let due = *since + delay;
        if !delay.is_zero() {
            tokio::select! {
                biased;
                // A timer that fails makes it early, and what it took says so.
                _ = timer.until(due) => {}
                event = events.recv() => {
                    waiting.extend(event);
                    continue;
                }
            }
        }
        let Some((event, since)) = waiting.pop_front() else { continue };
        let mut taken = shared.taken.lock_unpoisoned();
        record(&mut taken, since.elapsed().as_nanos() as u64);
        drop(taken);
        event.ack(event.args.clone());
    }
}

#[cfg(test)]
mod tests {
    use sio_protocol::Args;

    use super::*;
    use crate::client::{ConnectOptions, Connection, Endpoint, http_client};
    use crate::scenario::model::Transport;

    #[tokio::test]
    async fn its_delays_are_what_it_says_they_are() {
        let server = DelayServer::start().unwrap();
        let manner = Arc::new(ConnectOptions::default());
        let endpoint = Endpoint::resolve(&server.url, None, manner.clone()).await.unwrap();
        let mut connection = Connection::open(&endpoint, &http_client(&manner), Transport::WebSocket).await.unwrap();
        let limit = Duration::from_secs(10);
        connection.join("/", "", limit).await.unwrap();
        let ask = || Args::event("message-with-ack", (1,)).unwrap();
        server.delay(Duration::from_millis(20));
        for _ in 0..5 {
            let began = clock::now();
            connection.call("/", ask(), limit).await.unwrap();
            assert!(began.elapsed() >= Duration::from_millis(20));
        }
        let taken = server.taken();
        assert_eq!(taken.len(), 5);
        assert!(taken.min() >= 19_900_000, "never early: {}", taken.min());
        server.delay(Duration::ZERO);
        server.stall(Duration::from_millis(100), 1);
        connection.call("/", ask(), limit).await.unwrap();
        assert_eq!(server.stalled(), Duration::ZERO);
        let began = clock::now();
        connection.call("/", ask(), limit).await.unwrap();
        assert!(began.elapsed() >= server.stalled() && server.stalled() >= Duration::from_millis(100));
    }
}
