//! A case for a delivery that was wrong: the users it is about, how they get in, their rooms, the cut and the return of
//! those whose connections had broken, and the messages around it, as a scenario that plays without a load. It shows what
//! should have happened; whether it fails by itself depends on whether the fault needs the load.

mod pattern;
mod script;
mod setting;
mod text;
mod words;

use std::fmt::Write as _;

use sio_oracle::board::{Answer, Nanos, Time};

use self::script::{Cast, Script, Shown};
use self::setting::{Entry, Setting};
use self::text::quoted;
use super::credentials::Own;
use super::emission_log::Window;
use super::evidence::{Kind, ViolationEvidence};
use super::metrics::Sample;
use super::outages::{Outage, Outages};
use super::plan::Plan;
use super::schedule::Emission;
use crate::client::ConnectOptions;
use crate::record::LoadViolation;
use crate::scenario::{self, Loaded};

/// Messages on either side of the one that is meant.
const AROUND: u32 = 200;
/// So many of them are taken.
const MOST: usize = 8;

/// A message, when it was sent, and until when it may have been on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sent {
    at: Nanos,
    until: Nanos,
    emission: Emission,
}

/// What is around a delivery.
#[derive(Clone, Debug, Default)]
pub(super) struct Repro {
    receiver: u32,
    kind: Option<Kind>,
    /// In their order.
    messages: Vec<Sent>,
    /// Users whose connection had ended, and how it did.
    outages: Vec<(u32, Outage)>,
    /// Somebody whose connection had ended right ahead of the receiver's, which may have got its place.
    gone: Option<u32>,
}

impl Repro {
    /// The message, and those nearest to it that reach the same receiver or come from the same sender to the same
    /// rooms; and who had lost its connection.
    pub(super) fn around(plan: &Plan, window: &Window, witness: &ViolationEvidence<'_>, outages: &Outages) -> Self {
        let (meant, receiver) = (witness.entry.emission, witness.receiver);
        let sent = witness.entry.sent().unwrap_or(meant.at as Nanos);
        let messages = near(plan, window, &meant, receiver);
        let mut users: Vec<u32> = messages.iter().map(|sent| sent.emission.sender).collect();
        users.push(receiver);
        users.sort_unstable();
        users.dedup();
        let outage = |user: &u32| Some((*user, outages.around(*user, sent, witness.at)?));
        let mut excerpt = Self { receiver, messages, ..Self::default() };
        excerpt.kind = Some(witness.kind);
        excerpt.outages = users.iter().filter_map(outage).collect();
        if witness.kind == Kind::Misdelivered {
            excerpt.add_who_was_gone(plan, &meant, outages);
        }
        excerpt
    }

    /// Of what reached somebody wrongly that had just come, somebody else may have been meant who had just gone.
    fn add_who_was_gone(&mut self, plan: &Plan, meant: &Emission, outages: &Outages) {
        let own = self.outages.iter().find(|(user, _)| *user == self.receiver);
        let Some(came) = own.and_then(|(_, outage)| outage.back.as_ref()).map(|back| back.at) else { return };
        if plan.is_addressed(&plan.users[self.receiver as usize], meant.stream) {
            return;
        }
        let known: Vec<u32> = self.users();
        let wanted = |user: u32| !known.contains(&user) && plan.is_addressed(&plan.users[user as usize], meant.stream);
        if let Some((user, outage)) = outages.gone_before(came, wanted) {
            self.gone = Some(user);
            self.outages.push((user, outage));
        }
    }

    /// The messages around it, in their order.
    pub(super) fn messages(&self) -> impl Iterator<Item = &Emission> {
        self.messages.iter().map(|sent| &sent.emission)
    }

    /// Everybody it is about; who was gone comes first.
    fn users(&self) -> Vec<u32> {
        let mut users: Vec<u32> = self.messages().map(|emission| emission.sender).collect();
        users.push(self.receiver);
        users.sort_unstable();
        users.dedup();
        self.gone.into_iter().chain(users).collect()
    }

    /// As a scenario file. The error says why there is none.
    pub(super) fn render(&self, scene: &Scene<'_>, name: &str, violation: &LoadViolation) -> Result<String, String> {
        let (loaded, plan) = (scene.loaded, scene.plan);
        let first = self.messages.first().ok_or("nobody knows which message it was")?;
        let traffic = &plan.traffic[usize::from(first.emission.traffic)];
        let node = plan.users[self.receiver as usize].node as usize;
        let server = scene.servers.get(node).map(|(url, path)| (url.as_str(), path.as_str()));
        let mut setting = Setting::new(loaded, server);
        let mut cast = Vec::new();
        for user in self.users() {
            let population = &plan.populations[plan.users[user as usize].population].name;
            let own = Own::new(loaded, plan, user)?;
            let entry: Entry = setting.entry(population, &own)?;
            let outage = self.outages.iter().find(|(other, _)| *other == user).map(|(_, outage)| outage.clone());
            cast.push(Cast::new(user, own, entry, outage));
        }
        let shown = Shown { whole: self.kind == Some(Kind::Altered), order: self.kind == Some(Kind::OutOfOrder) };
        let script = Script::new(scene, traffic, cast, shown)?;
        let written = script.write(&self.messages, self.gone.map(|_| self.receiver))?;
        for feed in loaded.scenario.feeds.keys().filter(|feed| written.steps.contains(&format!("${{{feed}."))) {
            setting.needs_feed(feed.clone());
        }
        let mut out = String::new();
        let about = format!(
            "Cut out of {} (seed {}): {}. {}.",
            loaded.scenario.name,
            loaded.scenario.seed,
            violation.summary,
            violation.because.join("; ")
        );
        let played =
            "if it passes on the server it came from, what went wrong needs the load (a race, or a rare chance)";
        let _ = writeln!(out, "# One delivery of a load, without the load: {played}.");
        if !scene.options().is_empty() {
            let _ = writeln!(
                out,
                "# Play it with {}: what the command line said is not written into files.",
                scene.options()
            );
        }
        for what in &setting.left_out {
            let _ = writeln!(out, "# Add {what}: it is not written into files.");
        }
        let _ = writeln!(out, "name  = {}\nabout = {}\ntags  = [\"excerpt\"]\n", quoted(name), quoted(&about));
        out.push_str(setting.tables()?.trim_end());
        out.push('\n');
        let _ = writeln!(out, "\n[[case]]\nname    = {}", quoted(&violation.summary));
        let _ = writeln!(out, "clients = {{ {} }}", written.clients);
        let options = scenario::options_text(&loaded.scenario.target.options);
        if server.is_none() && !options.is_empty() {
            let _ = writeln!(out, "options = {{ {options} }}");
        }
        // It asks nothing of the fixture but what the run did, and a fence alone is none.
        out.push_str("needs   = [\"wire\"]\n");
        if !scene.has_fixture {
            // An application says what it likes besides; what is about these messages is asked for at the end.
            out.push_str("allow_unexpected = true\n");
        }
        let _ = writeln!(out, "steps   = [\n{}]", written.steps);
        Ok(out)
    }
}

/// The message that is meant, and those of its traffic nearest to it that reach the receiver.
fn near(plan: &Plan, window: &Window, meant: &Emission, receiver: u32) -> Vec<Sent> {
    let index = window.index(meant.stream, meant.seq).unwrap_or_default();
    let user = &plan.users[receiver as usize];
    let near = (index.saturating_sub(AROUND)..index.saturating_add(AROUND)).filter_map(|near| {
        let entry = window.entry(near)?;
        let Time::Sent { inv: at, ok } = entry.time() else { return None };
        let until = match ok {
            Answer::At(ok) => ok,
            Answer::Open | Answer::Never => at,
        };
        let other = entry.emission;
        let same = other.traffic == meant.traffic && plan.is_addressed(user, other.stream);
        (other == *meant || same).then_some((near.abs_diff(index), Sent { at, until, emission: other }))
    });
    let mut near: Vec<_> = near.collect();
    near.sort_by_key(|(distance, _)| *distance);
    let mut messages: Vec<_> = near.into_iter().take(MOST).map(|(_, sent)| sent).collect();
    messages.sort_by_key(|sent| (sent.at, sent.emission.stream, sent.emission.seq));
    messages
}

/// Where a run was, and what it was of.
pub(super) struct Scene<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) plan: &'a Plan,
    /// What a delivery of the traffic looked like.
    pub(super) sample: Option<&'a Sample>,
    /// URL and path of each server that runs already; none if sio-bench has started them.
    pub(super) servers: &'a [(String, String)],
    /// Whether it runs the fixture, which says nothing of its own accord.
    pub(super) has_fixture: bool,
    /// How its users talked to it.
    pub(super) manner: &'a ConnectOptions,
}

impl Scene<'_> {
    /// Options that whoever plays a case has to give again.
    pub(super) fn options(&self) -> String {
        setting::options(self.loaded, self.manner).join(" ")
    }
}
