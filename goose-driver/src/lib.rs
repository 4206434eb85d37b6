//! HTTP long-polling carried by [goose](https://docs.rs/goose): each Socket.IO user is a goose user, and goose sends its
//! requests. What is in them and what they answer is somebody else's business; so this is a second, independent
//! implementation of everything between a user and the wire: another HTTP client, another executor, another clock.
//!
//! A goose user has one request of its own at a time, and a long-polling GET hangs as long as nothing happens. So GETs go
//! over the user's client beside it, and are entered into goose's figures when they are over (as `POLL hold`); what opens
//! the session and what is sent are goose's requests (`GET handshake`, `POST send`). goose has one attack per process.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use goose::config::GooseConfiguration;
use goose::goose::{GooseMethod, GooseRequest, GooseUser, Scenario, Transaction, TransactionResult};
use goose::metrics::{GooseMetrics, GooseRequestMetricAggregate};
use goose::{GooseAttack, GooseError};
use reqwest::{Client, ClientBuilder};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

/// How long goose may take to start its users.
const START_LIMIT: Duration = Duration::from_mins(1);
/// Until goose looks again whether a user may go.
const PAUSE: Duration = Duration::from_millis(20);
/// As goose has them.
const AGENT: &str = "goose";
const REQUEST_LIMIT: Duration = Duration::from_mins(1);
/// Users that goose starts in a second.
const RATE: &str = "2000";

/// A clock of its own: what it measures is not measured by sio-bench's.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock here")]
fn now() -> Instant {
    Instant::now()
}

/// One request.
#[derive(Debug)]
pub struct Request {
    /// The whole URL.
    pub url: String,
    /// Sent as they are.
    pub headers: Vec<(String, String)>,
    /// What it is for.
    pub kind: Kind,
}

/// What a request of a polling session is for.
#[derive(Debug)]
pub enum Kind {
    /// Opens the session (GET).
    Handshake,
    /// Waits for packets (GET).
    Poll,
    /// Sends packets (POST).
    Send(Bytes),
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Bytes,
    /// When that was there.
    pub at: Instant,
}

/// What goose has counted of one kind of request since it noticed that all its users were there; times in nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Method and name.
    pub name: String,
    /// Requests.
    pub count: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Half were faster.
    pub p50: u64,
    /// 99 % were faster.
    pub p99: u64,
    /// The slowest.
    pub max: u64,
}

/// Users of one attack. Dropping it stops them.
pub struct Flock {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<Result<GooseMetrics, GooseError>>>>,
}

struct Shared {
    nests: Vec<Nest>,
    runtime: OnceLock<Handle>,
}

/// Where a user meets whoever wants something of it.
struct Nest {
    jobs: mpsc::UnboundedSender<Job>,
    /// Until the user takes it.
    inbox: Mutex<Option<mpsc::UnboundedReceiver<Job>>>,
    client: OnceLock<Client>,
}

enum Job {
    Request(Request, oneshot::Sender<Result<Answer, String>>),
    /// A GET beside the user is over.
    Held(Duration, bool),
}

impl Flock {
    /// Starts so many users against a host, and returns when all of them are there.
    ///
    /// # Errors
    ///
    /// When goose does not start, with what it says.
    pub fn start(host: &str, users: usize) -> Result<Self, String> {
        let nests = (0..users).map(|_| {
            let (jobs, inbox) = mpsc::unbounded_channel();
            Nest { jobs, inbox: Mutex::new(Some(inbox)), client: OnceLock::new() }
        });
        let shared = Arc::new(Shared { nests: nests.collect(), runtime: OnceLock::new() });
        let (stop, stopped) = watch::channel(false);
        let (there, arrived) = std::sync::mpsc::channel();
        let attack = attack(host, users, &shared, &stopped, there).map_err(|error| error.to_string())?;
        let own = shared.clone();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
            let _ = own.runtime.set(runtime.handle().clone());
            runtime.block_on(attack.execute())
        };
        let thread =
            std::thread::Builder::new().name("goose".to_owned()).spawn(run).map_err(|error| error.to_string())?;
        let flock = Self { shared, stop, thread: Mutex::new(Some(thread)) };
        let deadline = now() + START_LIMIT;
        for present in 0..users {
            if arrived.recv_timeout(deadline.saturating_duration_since(now())).is_err() {
                let why = flock.end().err().unwrap_or_else(|| "its users did not come in time".to_owned());
                return Err(format!("goose started {present} of {users} users: {why}"));
            }
        }
        Ok(flock)
    }

    /// A way to one of the users; they are counted from 0.
    #[must_use]
    pub fn user(&self, number: usize) -> User {
        User { shared: self.shared.clone(), number }
    }

    /// Stops the users and returns what goose has counted.
    ///
    /// # Errors
    ///
    /// When the attack ended badly, with what goose says.
    pub fn end(&self) -> Result<Vec<Figures>, String> {
        self.stop.send_replace(true);
        // The one attack of this process: goose ends none but by a limit, a signal or this.
        goose::trigger_killswitch("the run is over");
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return Ok(Vec::new()) };
        match thread.join() {
            Ok(Ok(metrics)) => Ok(figures(&metrics)),
            Ok(Err(error)) => Err(format!("{error:?}")),
            Err(_) => Err("goose panicked".to_owned()),
        }
    }
}

impl Drop for Flock {
    fn drop(&mut self) {
        // What goose says at the end is of no interest to whoever did not ask.
        let _ = self.end();
    }
}

/// One user of a flock.
#[derive(Clone)]
pub struct User {
    shared: Arc<Shared>,
    number: usize,
}

impl User {
    /// Has a request sent, on goose's threads; the error says why there is no answer.
    pub async fn request(&self, request: Request) -> Result<Answer, String> {
        let gone = || "the goose user is gone".to_owned();
        let nest = self.shared.nests.get(self.number).ok_or_else(gone)?;
        let (told, answer) = oneshot::channel();
        match request.kind {
            Kind::Poll => {
                let (runtime, client) = self.shared.runtime.get().zip(nest.client.get()).ok_or_else(gone)?;
                let jobs = nest.jobs.clone();
                let client = client.clone();
                let held = runtime.spawn(async move {
                    let began = now();
                    let answer = poll(&client, request).await;
                    // Nobody listens only when the run is over.
                    let _ = jobs.send(Job::Held(began.elapsed(), answer.is_ok()));
                    let _ = told.send(answer);
                });
                let _abort = AbortOnDrop(held);
                answer.await.map_err(|_| gone())?
            }
            Kind::Handshake | Kind::Send(_) => {
                nest.jobs.send(Job::Request(request, told)).map_err(|_| gone())?;
                answer.await.map_err(|_| gone())?
            }
        }
    }
}

/// Whoever does not wait for an answer any more does not want it.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn attack(
    host: &str,
    users: usize,
    shared: &Arc<Shared>,
    stopped: &watch::Receiver<bool>,
    there: std::sync::mpsc::Sender<()>,
) -> Result<GooseAttack, GooseError> {
    let users = users.to_string();
    let arguments = [
        "--host",
        host,
        "--users",
        &users,
        "--increase-rate",
        RATE,
        "--no-print-metrics",
        "--no-telnet",
        "--no-gzip",
        "-qqq",
    ];
    let configuration = GooseConfiguration::parse_args_default(&arguments)?;
    let (shared, stopped) = (shared.clone(), stopped.clone());
    let carry = Transaction::new(Arc::new(move |user: &mut GooseUser| {
        let (shared, stopped, there) = (shared.clone(), stopped.clone(), there.clone());
        Box::pin(async move { carry(user, &shared, stopped, &there).await })
    }));
    let scenario = Scenario::new("long-polling").register_transaction(carry);
    Ok(GooseAttack::initialize_with_config(configuration)?.register_scenario(scenario))
}

/// The life of a goose user: it carries what it is given, until it is told to stop.
async fn carry(
    user: &mut GooseUser,
    shared: &Shared,
    mut stopped: watch::Receiver<bool>,
    there: &std::sync::mpsc::Sender<()>,
) -> TransactionResult {
    let Some(nest) = shared.nests.get(user.weighted_users_index) else { return Ok(()) };
    let inbox = nest.inbox.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut inbox) = inbox else {
        // It has been told to stop, and goose has not seen yet that it may.
        tokio::time::sleep(PAUSE).await;
        return Ok(());
    };
    user.set_client_builder(direct()).await?;
    let _ = nest.client.set(user.client.clone());
    let _ = there.send(());
    loop {
        tokio::select! {
            () = told_to_stop(&mut stopped) => return Ok(()),
            job = inbox.recv() => match job {
                Some(Job::Request(request, told)) => {
                    // Nobody listens only when the run is over.
                    let _ = told.send(native(user, request).await);
                }
                Some(Job::Held(length, well)) => {
                    user.record_custom_request_duration("POLL", "hold", length, well, None, None).await?;
                }
                None => return Ok(()),
            },
        }
    }
}

/// goose's own client, without the proxies that the environment may name: what is measured is the target.
fn direct() -> ClientBuilder {
    Client::builder().user_agent(AGENT).timeout(REQUEST_LIMIT).no_proxy()
}

/// Returns when that is so, or when nobody can say it any more.
async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await.is_ok();
}

/// A request of goose's own.
async fn native(user: &mut GooseUser, request: Request) -> Result<Answer, String> {
    let (mut builder, method, name) = match request.kind {
        Kind::Send(body) => (user.client.post(&request.url).body(body), GooseMethod::Post, "send"),
        Kind::Handshake | Kind::Poll => (user.client.get(&request.url), GooseMethod::Get, "handshake"),
    };
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let request = GooseRequest::builder().method(method).path("").name(name).set_request_builder(builder).build();
    let response = user.request(request).await.map_err(|error| error.to_string())?;
    let response = response.response.map_err(|error| causes(&error))?;
    let status = response.status().as_u16();
    let body = response.bytes().await.map_err(|error| causes(&error))?;
    Ok(Answer { status, body, at: now() })
}

async fn poll(client: &Client, request: Request) -> Result<Answer, String> {
    let mut builder = client.get(&request.url);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let response = builder.send().await.map_err(|error| causes(&error))?;
    let status = response.status().as_u16();
    let body = response.bytes().await.map_err(|error| causes(&error))?;
    Ok(Answer { status, body, at: now() })
}

/// An error with what is behind it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// `GET handshake`, `POST send`, `POLL hold`.
fn name_of(requests: &GooseRequestMetricAggregate) -> String {
    let method = match (requests.path.as_str(), &requests.method) {
        ("hold", _) => "POLL".to_owned(),
        (_, method) => format!("{method:?}").to_uppercase(),
    };
    format!("{method} {}", requests.path)
}

fn figures(metrics: &GooseMetrics) -> Vec<Figures> {
    let mut all: Vec<_> = metrics
        .requests
        .values()
        .map(|one| Figures {
            name: name_of(one),
            count: (one.success_count + one.fail_count) as u64,
            failed: one.fail_count as u64,
            p50: one.raw_data.percentile_us(0.5) * 1_000,
            p99: one.raw_data.percentile_us(0.99) * 1_000,
            max: one.raw_data.maximum_time_us * 1_000,
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    /// Answers every request with its method and path; a GET with `hang` in it never.
    fn server() -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut request = [0; 4096];
                    while let Ok(length @ 1..) = stream.read(&mut request) {
                        let text = String::from_utf8_lossy(&request[..length]).into_owned();
                        let line = text.lines().next().unwrap_or_default();
                        if line.contains("hang") {
                            continue;
                        }
                        let body = line.trim_end_matches(" HTTP/1.1");
                        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    }
                });
            }
        });
        url
    }

    /// goose has one attack per process, so one test has it all.
    #[tokio::test]
    async fn requests_are_carried_while_others_hang() {
        let url = server();
        let start = url.clone();
        let flock =
            tokio::task::spawn_blocking(move || Flock::start(&start, 3)).await.expect("a thread").expect("users");
        let request = |path: &str, kind| Request { url: format!("{url}{path}"), headers: Vec::new(), kind };
        let user = flock.user(1);
        let answer = user.request(request("/open", Kind::Handshake)).await.expect("an answer");
        assert_eq!((answer.status, &answer.body[..]), (200, &b"GET /open"[..]));
        let hanging = user.clone();
        let hang = request("/hang", Kind::Poll);
        let hanging = tokio::spawn(async move { hanging.request(hang).await.is_ok() });
        for _ in 0..10 {
            let answer =
                user.request(request("/send", Kind::Send(Bytes::from_static(b"4x")))).await.expect("an answer");
            assert_eq!(&answer.body[..], b"POST /send");
        }
        let answer = user.request(request("/poll", Kind::Poll)).await.expect("an answer");
        assert_eq!(&answer.body[..], b"GET /poll");
        assert!(!hanging.is_finished());
        hanging.abort();
        let dead = Request { url: "http://127.0.0.1:9/".to_owned(), headers: Vec::new(), kind: Kind::Handshake };
        assert!(flock.user(2).request(dead).await.is_err());
        assert!(flock.user(3).request(request("/open", Kind::Handshake)).await.is_err(), "there is no such user");
        let figures = tokio::task::spawn_blocking(move || flock.end()).await.expect("a thread").expect("figures");
        let counts: Vec<_> = figures.iter().map(|one| (&*one.name, one.count, one.failed)).collect();
        // It begins to count when it has noticed that all its users are there.
        assert!(
            counts.iter().all(|(name, ..)| ["GET handshake", "POLL hold", "POST send"].contains(name)),
            "{counts:?}"
        );
        assert!(counts.iter().all(|(name, count, failed)| *count <= 10 && (*failed == 0 || *name == "GET handshake")));
        assert!(figures.iter().all(|one| one.p50 <= one.p99 && one.p99 <= one.max * 101 / 100));
    }
}
