//! What is there: joins a server as a user would, and says what it has seen.
//!
//! `engine` asks over HTTP, `transports` opens sessions, `party` are the clients that join and listen, `trace` says
//! where a stamped event comes back, and `scenario` writes down what a load could start from. Every wait has a deadline,
//! and whatever a server sends is bounded.

mod engine;
mod enter;
mod events;
mod findings;
mod message;
mod party;
mod scenario;
mod secrets;
mod shape;
mod text;
mod trace;
mod transports;

use std::sync::Arc;
use std::time::Duration;

use sio_protocol::{Args, Value};

pub use self::enter::Entrance;
pub use self::findings::Findings;
pub use self::message::{Plain, Stamped};
pub use self::secrets::Secrets;
pub use self::text::render;

use self::enter::Pass;
use self::findings::{Call, Trace};
use self::party::{Heard, Party, Role};
use self::shape::Shape;
use self::trace::Trial;
use crate::client::{ConnectOptions, Connection, Endpoint, Http, Jar, http_client};
use crate::clock;
use crate::scenario::model::Transport;
use crate::vocab::stamp::Stamp;

/// Time for each step.
const LIMIT: Duration = Duration::from_secs(5);
/// Time for everything but listening.
const WHOLE: Duration = Duration::from_mins(2);
/// How long an acknowledgement may take, and how long somebody who was not answered once is waited for.
const ACK: Duration = Duration::from_secs(2);
const NO_ACK: Duration = Duration::from_millis(200);
/// Stamped events that are sent, one after the other.
const TRIALS: u32 = 3;
/// After so long without anything that bears the stamp, nothing more is expected.
const QUIET: Duration = Duration::from_secs(1);
/// Characters of what a server says that are shown.
const MOST_WORDS: usize = 200;

/// What is asked.
pub struct Settings {
    pub url: String,
    /// With what is shown at each CONNECT, if something is.
    pub manner: Arc<ConnectOptions>,
    /// What each client does before it connects.
    pub entrance: Option<Entrance>,
    /// Besides `/`, which is always asked; events go to the first.
    pub namespaces: Vec<String>,
    /// How long to listen, and the longest that a stamped event is waited for.
    pub listen: Duration,
    /// Sent by everybody but the client outside.
    pub joins: Vec<Plain>,
    pub event: Option<Stamped>,
}

/// Why there are no findings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The URL is none; nothing was sent.
    #[error("{0}")]
    Usage(String),
    /// Nothing answers, or it is no Socket.IO server.
    #[error("{0}")]
    Unreachable(String),
}

/// An inspection on its way.
struct Inspection<'a> {
    settings: &'a Settings,
    /// The server as it was found.
    base: Endpoint,
    /// The same, for the first client.
    endpoint: Endpoint,
    http: Http,
    found: Findings,
    secrets: Secrets,
    party: Party,
    /// What the first client shows, which asks over HTTP, too.
    first: Option<Pass>,
}

/// Looks at a server, for a time that is bounded whatever it does.
pub async fn inspect(settings: &Settings) -> Result<Findings, Problem> {
    let most = WHOLE + settings.listen * (TRIALS + 1);
    let late = |_| Err(Problem::Unreachable(format!("{} was not done with within {most:?}", settings.url)));
    tokio::time::timeout(most, look(settings)).await.unwrap_or_else(late)
}

async fn look(settings: &Settings) -> Result<Findings, Problem> {
    let resolving = Endpoint::resolve(&settings.url, None, settings.manner.clone());
    let mut endpoint = resolving.await.map_err(Problem::Usage)?;
    endpoint.settle().await;
    let http = http_client(&settings.manner);
    let secrets = Secrets::given(&settings.manner);
    let mut inspection = Inspection {
        settings,
        base: endpoint.clone(),
        endpoint,
        http,
        found: Findings::default(),
        secrets,
        party: Party::default(),
        first: None,
    };
    let pass = inspection.pass(0).await;
    let pass = pass.map_err(|why| Problem::Unreachable(inspection.secrets.hide(&why)))?;
    inspection.endpoint = pass.endpoint.clone();
    inspection.first = Some(pass);
    let transport = inspection.contact().await.map_err(|why| Problem::Unreachable(inspection.secrets.hide(&why)))?;
    if let Some(transport) = transport {
        inspection.talk(transport).await;
    }
    Ok(inspection.finish().await)
}

impl Inspection<'_> {
    /// Engine and transports. Returns the one to go on with; `None` where only clients of another revision get on.
    async fn contact(&mut self) -> Result<Option<Transport>, String> {
        let url = self.endpoint.url.clone();
        self.found.url.clone_from(&url);
        self.found.addresses = engine::addresses(&self.endpoint);
        let contact = engine::contact(&mut self.endpoint).await;
        self.base.path.clone_from(&self.endpoint.path);
        self.first.iter_mut().for_each(|first| first.endpoint.path.clone_from(&self.endpoint.path));
        self.found.path.clone_from(&self.endpoint.path);
        let contact = contact
            .map_err(|why| format!("cannot reach {url}: {why}\n  is the server running, and is this its port?"))?;
        self.secrets.learn(contact.secrets.iter().cloned());
        let nodes = self.endpoint.manner.signs.nodes();
        self.found.balancer = engine::balancer_signs(&contact, &self.found.addresses, nodes);
        (self.found.cookies, self.found.headers) = (contact.cookies, contact.headers);
        (self.found.sessions, self.found.engine) = (contact.sessions, contact.engine);
        if self.found.engine.revision == Some(3) {
            return Ok(None);
        }
        let (transports, handshake) = transports::try_all(&self.endpoint, &self.http).await;
        if let (None, Some(handshake)) = (self.found.engine.revision, &handshake) {
            let older = self.found.engine.older;
            self.found.engine = findings::Engine { older, ..engine::said(4, handshake) };
        }
        let best = transports::best(&transports);
        self.found.transports = transports;
        match (best, contact.instead) {
            (Some(best), _) => Ok(Some(best)),
            (None, Some(instead)) => Err(format!("{url}: {instead}")),
            (None, None) => Err(format!("{url} answers a handshake, and no transport works: {}", self.whys())),
        }
    }

    fn whys(&self) -> String {
        let whys = self.found.transports.iter().filter_map(|one| Some(format!("{}: {}", one.name, one.why.as_ref()?)));
        whys.collect::<Vec<_>>().join("; ")
    }

    /// Joins, listens, and sends what is to be sent.
    async fn talk(&mut self, transport: Transport) {
        let mut asked = vec!["/".to_owned()];
        asked.extend(self.settings.namespaces.iter().filter(|name| *name != "/").cloned());
        let Some((first, auth)) = self.come(transport, Role::Sender).await else { return };
        self.found.namespaces = self.party.enter(first, &asked, &auth).await;
        let nsp = self.settings.namespaces.first().map_or("/", String::as_str).to_owned();
        let is_in = self.found.namespaces.iter().any(|namespace| namespace.name == nsp && namespace.entered);
        if is_in {
            self.join(first, &nsp).await;
            if self.settings.event.is_some() {
                self.bring_others(transport, &nsp).await;
            }
        }
        if self.found.is_in() {
            self.party.linger(clock::now() + self.settings.listen).await;
        }
        if let (true, Some(event)) = (is_in, &self.settings.event) {
            self.send(event, &nsp).await;
        }
    }

    /// What somebody shows: what it has after entering, or what the command line says. Each keeps cookies of its own, as
    /// a browser does.
    async fn pass(&mut self, number: u64) -> Result<Pass, String> {
        let jar = Jar::default();
        let endpoint = self.base.clone().with_jar(jar.clone());
        let Some(entrance) = &self.settings.entrance else {
            return Ok(Pass { endpoint, auth: None, secrets: Vec::new() });
        };
        let pass = entrance.enter(number, endpoint, &self.http, &jar).await?;
        self.secrets.learn(pass.secrets.iter().cloned());
        Ok(pass)
    }

    /// Somebody connects; returns its number, and what it shows at each namespace.
    async fn come(&mut self, transport: Transport, role: Role) -> Option<(usize, String)> {
        let pass = match self.first.take() {
            Some(first) => Ok(first),
            None => self.pass(self.party.roles.len() as u64).await,
        };
        let opened = match pass {
            Ok(pass) => {
                let opening = Connection::open(&pass.endpoint, &self.http, transport);
                let late = |_| Err(format!("not connected within {LIMIT:?}"));
                let opened = tokio::time::timeout(LIMIT, opening).await;
                opened.map_or_else(late, |opened| opened.map_err(|error| error.to_string())).map(|it| (it, pass.auth))
            }
            Err(why) => Err(why),
        };
        match opened {
            Ok((connection, auth)) => {
                Some((self.party.add(connection, role), auth.unwrap_or_else(|| self.settings.manner.auth.clone())))
            }
            Err(why) => {
                self.found.remarks.push(format!("a client could not connect: {}", clip(&why)));
                None
            }
        }
    }

    /// Two more who join as the first did, and one who does not.
    async fn bring_others(&mut self, transport: Transport, nsp: &str) {
        let outside = (!self.settings.joins.is_empty()).then_some(Role::Outside);
        for role in [Some(Role::Other), Some(Role::Other), outside].into_iter().flatten() {
            let Some((client, auth)) = self.come(transport, role).await else { continue };
            let answers = self.party.enter(client, &[nsp.to_owned()], &auth).await;
            if let Some(refused) = answers.into_iter().find(|answer| !answer.entered) {
                let words = refused.refusal.unwrap_or_default();
                self.found.remarks.push(format!("one client was let into {nsp}, and another was not: {words}"));
            } else if role == Role::Other {
                self.join(client, nsp).await;
            }
        }
    }

    /// Sends what one joins by; how the first client was answered is kept.
    async fn join(&mut self, client: usize, nsp: &str) {
        let is_first = self.found.joins.is_empty();
        for (index, join) in self.settings.joins.iter().enumerate() {
            let answered_once = self.found.joins.get(index).is_none_or(|call| call.answer.is_some());
            let within = if answered_once { ACK } else { NO_ACK };
            let answer = self.party.call(client, nsp, join.values(), within).await;
            if is_first || self.found.joins.len() == index {
                self.found.joins.push(Call {
                    event: join.name().to_owned(),
                    milliseconds: answer.as_ref().map(|(_, took)| took.as_secs_f64() * 1e3),
                    answer: answer.map(|(args, _)| shapes(&args)),
                });
            }
        }
    }

    /// Sends the stamped event a few times, and says what came of it.
    async fn send(&mut self, event: &Stamped, nsp: &str) {
        let run = clock::wall().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_micros() as u32);
        let mut trials = Vec::new();
        let mut acknowledged = 0;
        for emission in 0..TRIALS {
            if !self.party.is_there(0) {
                break;
            }
            let (trial, answered) = self.one_trial(event, nsp, Stamp { run, emission }).await;
            acknowledged += u32::from(answered);
            trials.push(trial);
        }
        let (returns, others) = trace::trace(&trials, &self.party.roles);
        self.found.trace = Some(Trace {
            namespace: nsp.to_owned(),
            event: event.name().to_owned(),
            sent: trials.len() as u32,
            acknowledged,
            payload: event.payload().map(|(size, _)| size),
            returns,
            others,
        });
    }

    async fn one_trial(&mut self, event: &Stamped, nsp: &str, stamp: Stamp) -> (Trial, bool) {
        let mut trial = Trial { stamp, payload: stamp.payload(event.size()), sent: clock::now(), letters: Vec::new() };
        self.party.letters = Some(Vec::new());
        let values = event.render(stamp, stamp.emission);
        trial.sent = clock::now();
        let id = self.party.emit(0, nsp, &values);
        let (mut answered, mut found) = (false, 0);
        let (mut end, last) = (trial.sent + self.settings.listen.max(QUIET), trial.sent + self.settings.listen + ACK);
        while let Some((client, heard)) = self.party.next(end.min(last)).await {
            answered |= client == 0 && matches!(&heard, Heard::Ack { id: answer, .. } if *answer == id && id.is_some());
            let letters = self.party.letters.as_ref().map_or(0, Vec::len);
            if letters > found {
                // The first copy tells what is usual: the others are soon to come.
                found = letters;
                end = clock::now() + QUIET;
            }
        }
        trial.letters = self.party.letters.take().unwrap_or_default();
        (trial, answered)
    }

    async fn finish(mut self) -> Findings {
        self.party.leave().await;
        self.found.events = self.party.events.found();
        self.found.more_events = self.party.events.more();
        self.found.remarks.append(&mut self.party.remarks);
        if self.found.is_in() {
            self.found.scenario = Some(scenario::write(self.settings, &self.found, &mut self.secrets));
        }
        self.found.secrets = self.secrets;
        self.found
    }
}

/// Shapes of arguments.
fn shapes(args: &Args) -> Vec<String> {
    let values = args.to_values().unwrap_or_default();
    let shape = |value: &Value| {
        let mut shape = Shape::default();
        shape.add(value);
        shape.to_string()
    };
    values.iter().take(16).map(shape).collect()
}

/// What a server says, as far as it is shown.
fn clip(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(MOST_WORDS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
