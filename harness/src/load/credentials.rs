//! Who a user is: what `auth`, `query`, `headers`, joins and messages say of it.
//!
//! Rendered once for each user, and kept over its reconnects; where nothing in it differs from user to user, all of a
//! population share one.

use std::collections::BTreeMap;
use std::sync::Arc;

use sio_protocol::Value;

use super::connect_options::{Shared, manner, varies};
use super::join::number_of;
use super::message::json_of;
use super::plan::Plan;
use super::random::{Purpose, Stream};
use crate::client::ConnectOptions;
use crate::play::shown::adding;
use crate::scenario::Loaded;
use crate::scenario::model::{Ack, FlowAction, FlowStep, HandOut, OF_ROOM, OF_USER, Population};
use crate::scenario::template::{Expr, Scope, TOKEN, Template};
use crate::secrets;

/// What one user shows.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    /// Sent with each CONNECT, as JSON text; empty if nothing is.
    pub(super) auth: String,
    /// How its connections are made; as all are, if it has nothing of its own.
    pub(super) manner: Option<Arc<ConnectOptions>>,
    /// What its joins and messages name of it; empty, if they name nothing.
    pub(super) known: BTreeMap<String, Value>,
}

impl Credentials {
    /// What is shown at a namespace, with the session there was.
    pub(super) fn auth(&self, session: Option<(&str, &str)>) -> String {
        let Some((pid, offset)) = session else { return self.auth.clone() };
        let session = format!(r#""pid":{},"offset":{}"#, serde_json::Value::from(pid), serde_json::Value::from(offset));
        // As text, so that what is shown beside it stays as it is.
        match self.auth.strip_suffix('}').map(str::trim_end) {
            None | Some("{") => format!("{{{session}}}"),
            Some(auth) => format!("{auth},{session}}}"),
        }
    }
}

/// Gives the users of one population their credentials.
#[derive(Debug)]
pub(super) struct Issuer {
    seed: u64,
    population: usize,
    /// `[vars]` and the rows of `[feeds]`.
    base: Scope,
    auth: Option<Template>,
    query: Vec<(String, Template)>,
    headers: Vec<(String, Template)>,
    shared: Shared,
    /// How all connections are made.
    usual: Arc<ConnectOptions>,
    /// Feeds of which each user gets a row; of those that are handed out one after another, the first that is its.
    feeds: Vec<(String, HandOut, usize)>,
    /// Names that joins and messages use, and that are not of `[vars]`.
    wanted: Vec<String>,
    pub(super) enter: Vec<FlowStep>,
    pub(super) enter_again: bool,
    /// The rooms of each of them.
    rooms: UserRooms,
    /// For all of them, if nothing differs.
    same: Option<Arc<Credentials>>,
}

/// The rooms of each user of a population, by their names.
#[derive(Debug, Default)]
pub(super) struct UserRooms(Vec<Vec<String>>);

impl UserRooms {
    /// As they are dealt; of those who say nothing of theirs none are kept.
    pub(super) fn of(loaded: &Loaded, plan: &Plan, population: usize) -> Self {
        let Some((name, users)) = loaded.scenario.populations.get_index(population) else { return Self::default() };
        let in_joins_or_messages = wanted(loaded, name, users).iter().any(|name| OF_USER.contains(&&**name));
        let mut says = !users.enter.is_empty() || in_joins_or_messages;
        let pairs = users.query.iter().chain(&users.headers).map(|(_, value)| value);
        users.auth.iter().chain(pairs).for_each(|template| {
            template.visit(&mut |expr| says |= matches!(expr, Expr::Var(name) if OF_USER.contains(&&**name)));
        });
        if !says {
            return Self::default();
        }
        let all = &plan.populations[population];
        let name = |room: &u32| plan.rooms[*room as usize].name.clone();
        let users = plan.users.iter().skip(all.first as usize).take(all.count as usize);
        Self(users.map(|user| user.rooms.iter().map(name).collect()).collect())
    }

    /// The first ones, for who wants to know what such a user shows before they are dealt.
    pub(super) fn supposed(users: &Population) -> Self {
        let rooms =
            users.rooms.iter().flat_map(|(group, count)| (0..*count).map(move |room| format!("{group}-{room}")));
        Self(vec![rooms.collect()])
    }

    /// What a user may name of them: the first one, and all.
    fn tell(&self, user: u32, scope: &mut Scope) {
        let Some(rooms) = self.0.get(user as usize).or_else(|| self.0.first()) else { return };
        let Some(first) = rooms.first() else { return };
        let all = rooms.iter().map(|room| Value::from(room.as_str())).collect();
        let values = [Value::from(first.as_str()), number_of(first), Value::Array(all)];
        for (name, value) in OF_USER.into_iter().zip(values) {
            // What `[vars]` say comes first, as everywhere.
            scope.vars.entry(name.to_owned()).or_insert(value);
        }
    }
}

impl Issuer {
    /// For the population of this number. The error says what cannot be rendered.
    pub(super) fn new(
        loaded: &Loaded,
        population: usize,
        usual: &Arc<ConnectOptions>,
        rooms: UserRooms,
    ) -> Result<Self, String> {
        let (name, users) = &loaded.scenario.populations.get_index(population).ok_or("no such population")?;
        let wanted = wanted(loaded, name, users);
        let base = loaded.scope();
        let feeds = feeds(loaded, population, users, &wanted);
        let mut issuer = Self {
            seed: loaded.scenario.seed,
            population,
            base,
            auth: users.auth.clone(),
            query: users.query.clone(),
            headers: users.headers.clone(),
            shared: Shared::new(loaded),
            usual: usual.clone(),
            feeds,
            wanted,
            enter: users.enter.clone(),
            enter_again: users.enter_again,
            rooms,
            same: None,
        };
        if !issuer.differs() {
            issuer.same = Some(Arc::new(issuer.issue(&mut issuer.scope(0)?)?));
        }
        Ok(issuer)
    }

    fn differs(&self) -> bool {
        let pairs = self.query.iter().chain(&self.headers).map(|(_, value)| value);
        let own = |template| varies(template, &self.base);
        self.shared.varies() || !self.wanted.is_empty() || self.auth.iter().chain(pairs).any(own)
    }

    /// What every user has, if they all have the same.
    pub(super) fn same(&self) -> Option<Arc<Credentials>> {
        self.same.clone()
    }

    /// Eight bytes that are this user's in every run with this seed.
    fn random(&self, user: u32) -> u64 {
        random(self.seed, self.population, user)
    }

    /// What the templates of a user may name, ahead of what `enter` saves: `user` is its number in its population. The error
    /// names a feed that has no row left.
    pub(super) fn scope(&self, user: u32) -> Result<Scope, String> {
        let mut scope = Scope { random: self.random(user), ..self.base.clone() };
        scope.vars.insert("user".to_owned(), Value::Number(user.into()));
        self.rooms.tell(user, &mut scope);
        for (name, index) in self.rows(user, &mut scope) {
            let rows = &self.base.lists[name];
            let row = rows.get(index).ok_or_else(|| format!("[feeds.{name}] has no row left of {}", rows.len()))?;
            scope.vars.insert(name.clone(), row.clone());
        }
        Ok(scope)
    }

    /// Which row of each feed is this user's.
    fn rows(&self, user: u32, scope: &mut Scope) -> Vec<(&String, usize)> {
        let row = |(name, hand_out, first): &(String, HandOut, usize)| {
            row_of(*hand_out, *first, user, self.base.lists[name].len(), scope)
        };
        let indexes: Vec<usize> = self.feeds.iter().map(row).collect();
        self.feeds.iter().map(|(name, ..)| name).zip(indexes).collect()
    }

    /// Starts what is drawn for this user afresh, so that it is the same however much `enter` has drawn.
    pub(super) fn rewind(&self, user: u32, scope: &mut Scope) {
        scope.random = self.random(user).rotate_left(32);
    }

    /// Renders what a user shows.
    pub(super) fn issue(&self, scope: &mut Scope) -> Result<Credentials, String> {
        let auth = match &self.auth {
            Some(auth) => json(&scope.render(auth).map_err(|problem| format!("auth: {problem}"))?)?,
            None => self.usual.auth.clone(),
        };
        secrets::learn_auth(&auth);
        let mut manner = self.shared.for_user(&self.usual, scope)?;
        if !self.headers.is_empty() || !self.query.is_empty() {
            manner = Some(adding(manner.as_ref().unwrap_or(&self.usual), &self.headers, &self.query, scope)?);
        }
        let mut known = BTreeMap::new();
        for name in &self.wanted {
            let value = scope.eval(&Expr::Var(name.clone()));
            let value = value.map_err(|problem| format!("a join or a message of these users: {problem}"))?;
            known.insert(name.clone(), value);
        }
        Ok(Credentials { auth, manner, known })
    }

    /// What the joins of a user may name; `room` makes what is drawn another for each room.
    pub(super) fn scope_in(&self, user: u32, room: u32, credentials: &Credentials) -> Scope {
        let mut scope = self.base.clone();
        scope.vars.extend(credentials.known.iter().map(|(name, value)| (name.clone(), value.clone())));
        scope.random = self.random(user) ^ (u64::from(room) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        scope
    }

    /// What is not known before `enter` has been done.
    fn saved(&self) -> Vec<String> {
        let mut names = Vec::new();
        visit(&self.enter, &mut |step| {
            if let FlowAction::Http { answer, save, .. } = &step.deed {
                names.extend(save.iter().map(|(name, _)| name.clone()));
                answer.visit(&mut |expr| {
                    if let Expr::Save(name) = expr {
                        names.push(name.clone());
                    }
                });
            }
        });
        names
    }
}

fn random(seed: u64, population: usize, user: u32) -> u64 {
    Stream::new(seed, Purpose::Credentials, population, user).number()
}

/// What the first user of a population may name when its credentials are rendered, as far as it is known without `enter`: the
/// probe ahead of a run shows what this user will, and nothing of its own.
pub(super) fn scope_of_first(loaded: &Loaded, population: usize) -> Scope {
    let mut scope = loaded.scope();
    scope.random = random(loaded.scenario.seed, population, 0);
    scope.vars.insert("user".to_owned(), Value::Number(0.into()));
    let Some((name, users)) = loaded.scenario.populations.get_index(population) else { return scope };
    UserRooms::supposed(users).tell(0, &mut scope);
    let all = feeds(loaded, population, users, &wanted(loaded, name, users));
    for (feed, hand_out, first) in all {
        let rows = scope.lists[&feed].clone();
        if let Some(row) = rows.get(row_of(hand_out, first, 0, rows.len(), &mut scope)) {
            scope.vars.insert(feed, row.clone());
        }
    }
    if !users.enter.is_empty() {
        scope.random = random(loaded.scenario.seed, population, 0).rotate_left(32);
    }
    scope
}

/// Which row of a feed is a user's; `first` is the first that is its population's.
fn row_of(hand_out: HandOut, first: usize, user: u32, rows: usize, scope: &mut Scope) -> usize {
    let (rows, index) = (rows.max(1), first + user as usize);
    match hand_out {
        HandOut::AtRandom => (scope.draw() % rows as u64) as usize,
        HandOut::InTurn => index % rows,
        HandOut::Once => index,
    }
}

/// What a case that is cut out may name of one user, each under a name that no other user of the case has.
#[derive(Debug)]
pub(super) struct Own {
    user: u32,
    /// Its number in its population.
    number: u32,
    saved: Vec<String>,
    /// Feeds, and its row of each.
    rows: Vec<(String, usize)>,
    issuer: Issuer,
    credentials: Credentials,
}

impl Own {
    /// The error says what cannot be rendered.
    pub(super) fn new(loaded: &Loaded, plan: &Plan, user: u32) -> Result<Self, String> {
        let population = plan.users[user as usize].population;
        let issuer = Issuer::new(loaded, population, &manner(loaded)?, UserRooms::of(loaded, plan, population))?;
        let number = user - plan.populations[population].first;
        let mut scope = issuer.scope(number)?;
        let mut drawing = Scope { random: issuer.random(number), ..Scope::default() };
        let rows = issuer.rows(number, &mut drawing).into_iter().map(|(name, row)| (name.clone(), row)).collect();
        let saved = issuer.saved();
        let mut own = Self { user, number, saved, rows, issuer, credentials: Credentials::default() };
        for name in own.issuer.wanted.clone() {
            let value = match own.name(&name) {
                Some(late) => Value::from(mark(&late).as_str()),
                None => scope.eval(&Expr::Var(name.clone()))?,
            };
            own.credentials.known.insert(name, value);
        }
        Ok(own)
    }

    /// What stands in a case for a name: for what only `enter` will know, and for a row of a feed.
    pub(super) fn name(&self, name: &str) -> Option<String> {
        let (first, rest) = name.split_at(name.find('.').unwrap_or(name.len()));
        if self.saved.iter().any(|saved| saved == first) {
            return Some(format!("{first}-{}{rest}", self.user));
        }
        self.rows.iter().find(|(feed, _)| feed == first).map(|(feed, row)| format!("{feed}.{row}{rest}"))
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// What its messages name of it.
    pub(super) fn known(&self) -> &BTreeMap<String, Value> {
        &self.credentials.known
    }

    /// What its call for a room may name.
    pub(super) fn scope(&self, room: u32) -> Scope {
        self.issuer.scope_in(self.number, room, &self.credentials)
    }
}

/// An expression within a text that is rendered now; a case has it as `${…}`.
pub(super) fn mark(expression: &str) -> String {
    format!("{OPENS}{expression}{CLOSES}")
}

/// What no application has in its texts: characters for private use.
pub(super) const OPENS: char = '\u{f5b0}';
pub(super) const CLOSES: char = '\u{f5b1}';

fn visit<'a>(steps: &'a [FlowStep], f: &mut dyn FnMut(&'a FlowStep)) {
    for step in steps {
        f(step);
        if let FlowAction::Repeat { steps, .. } = &step.deed {
            visit(steps, f);
        }
    }
}

/// A table of texts and numbers as JSON text.
fn json(value: &Value) -> Result<String, String> {
    match (value, json_of(value)) {
        (Value::Object(_), Ok(json)) => Ok(json),
        _ => Err(format!("auth: expected a table of texts and numbers, found {value}")),
    }
}

/// What joins and messages of a population name that is a user's own: its number, its rows, what `enter` saved.
fn wanted(loaded: &Loaded, name: &str, users: &Population) -> Vec<String> {
    let known = loaded.scope();
    let scenario = &loaded.scenario;
    let mut names: Vec<String> = Vec::new();
    let mut look = |template: &Template, identified: bool| {
        template.visit(&mut |expr| {
            if let Expr::Var(name) = expr
                && !(identified && name == TOKEN)
                && !OF_ROOM.contains(&&**name)
                && !known.vars.contains_key(name)
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        });
    };
    for (group, _) in &users.rooms {
        let args = scenario.rooms[group].join.iter().flat_map(|join| &join.args);
        args.for_each(|arg| look(arg, false));
    }
    for traffic in scenario.traffic.values().filter(|traffic| traffic.from == name) {
        let answers = match &traffic.ack {
            Some(Ack::OneOf(lists)) => lists.as_slice(),
            Some(Ack::Any) | None => &[],
        };
        let args = traffic.emit.iter().chain(answers.iter().flatten());
        args.for_each(|arg| look(arg, traffic.identify.is_some()));
    }
    names
}

/// The feeds of which a population's users get rows. Rows that are handed out one after another go to one population after
/// the other, and to those who follow a flow at last.
fn feeds(loaded: &Loaded, population: usize, users: &Population, wanted: &[String]) -> Vec<(String, HandOut, usize)> {
    let scenario = &loaded.scenario;
    let named = |feed: &String| {
        users.feeds.contains(feed) || wanted.iter().any(|name| name.split('.').next() == Some(feed.as_str()))
    };
    let own = scenario.feeds.iter().filter(|(name, _)| named(name));
    own.map(|(name, feed)| (name.clone(), feed.hand_out, rows_before(loaded, name, population))).collect()
}

/// How many users ahead of this population have a row of a feed.
pub(super) fn rows_before(loaded: &Loaded, feed: &str, population: usize) -> usize {
    let ahead = loaded.scenario.populations.iter().take(population);
    let takes = |(name, users): &(&String, &Population)| {
        users.feeds.iter().any(|known| known == feed)
            || wanted(loaded, name, users).iter().any(|name| name.split('.').next() == Some(feed))
    };
    ahead.filter(takes).map(|(_, users)| users.count as usize).sum()
}

/// Users whose credentials are rendered ahead of a run, to see that they can be.
const LOOKED_AT: u32 = 10_000;

/// Whether everybody's credentials and joins can be rendered; the error says whose cannot, and why.
pub(super) fn check(loaded: &Loaded) -> Result<(), String> {
    let usual = manner(loaded)?;
    for (population, (name, users)) in loaded.scenario.populations.iter().enumerate() {
        let problem = |problem: String| format!("[users.{name}]: {problem}");
        let issuer = Issuer::new(loaded, population, &usual, UserRooms::supposed(users)).map_err(problem)?;
        if let Some((feed, ..)) = issuer.feeds.iter().find(|(feed, hand_out, first)| {
            *hand_out == HandOut::Once && first + users.count as usize > loaded.scenario.feeds[feed].rows.len()
        }) {
            return Err(problem(format!(
                "[feeds.{feed}] at {} has {} rows, each to be handed out once, and {} users want one; \
                 add rows, or say hand_out = \"in turn\"",
                loaded.place(loaded.scenario.feeds[feed].span.start),
                loaded.scenario.feeds[feed].rows.len(),
                rows_before(loaded, feed, population + 1),
            )));
        }
        let saved = issuer.saved();
        for user in 0..users.count.min(LOOKED_AT) {
            let problem = |why: String| problem(format!("user {user}: {why}"));
            let mut scope = issuer.scope(user).map_err(problem)?;
            if saved.is_empty() {
                let credentials = issuer.issue(&mut scope).map_err(problem)?;
                super::join::check(loaded, users, &issuer.scope_in(user, 0, &credentials)).map_err(problem)?;
            }
            if issuer.same.is_some() {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, source::Source};

    fn loaded(users: &str) -> Loaded {
        let text = format!(
            "name = \"x\"\n[vars]\nn = 3\n[feeds.who]\nvalues = [\"ann\", \"bob\", \"cy\"]\nhand_out = \"once\"\n\
             {users}\n[[phase]]\nname = \"p\"\nfor = \"1s\"\n"
        );
        scenario::load(Source { name: "t.toml".to_owned(), text }, &[], None).unwrap()
    }

    fn issuer(loaded: &Loaded, population: usize) -> Issuer {
        let users = &loaded.scenario.populations[population];
        Issuer::new(loaded, population, &manner(loaded).unwrap(), UserRooms::supposed(users)).unwrap()
    }

    /// What users say of their rooms is known wherever they say it.
    #[test]
    fn rooms_are_known_to_joins_and_messages_too() {
        let loaded = loaded(
            "[actions]\n\"enter(all)\" = { emit = [\"enter\", \"${all}\"], ack = true }\n\
             [rooms.r]\ncount = 3\njoin = [\"enter\", \"${rooms}\"]\n[users.u]\ncount = 2\nin = { r = 2 }",
        );
        let plan = Plan::new(&loaded.scenario, 1).unwrap();
        let issuer = Issuer::new(&loaded, 0, &manner(&loaded).unwrap(), UserRooms::of(&loaded, &plan, 0)).unwrap();
        let known = issuer.issue(&mut issuer.scope(1).unwrap()).unwrap().known;
        let names = plan.users[1].rooms.iter().map(|room| Value::from(plan.rooms[*room as usize].name.as_str()));
        assert_eq!(known["rooms"], Value::Array(names.collect()));
    }

    fn auth(issuer: &Issuer, user: u32) -> String {
        issuer.issue(&mut issuer.scope(user).unwrap()).unwrap().auth
    }

    #[test]
    fn who_differs_in_nothing_shares_everything() {
        let loaded = loaded("[users.a]\ncount = 2\nauth = { n = \"${n}\" }");
        let issuer = issuer(&loaded, 0);
        let (one, other) = (issuer.same().unwrap(), issuer.same().unwrap());
        assert!(Arc::ptr_eq(&one, &other) && one.manner.is_none());
        assert_eq!(one.auth, r#"{"n":3}"#);
    }

    #[test]
    fn each_user_is_somebody_and_stays_it() {
        let loaded = loaded("[users.a]\ncount = 2\nauth = { id = \"${uuid}\", n = \"${user}\" }");
        let issuer = issuer(&loaded, 0);
        assert!(issuer.same().is_none());
        assert_ne!(auth(&issuer, 0), auth(&issuer, 1));
        assert_eq!(auth(&issuer, 1), auth(&issuer, 1));
        assert!(auth(&issuer, 1).ends_with("\"n\":1}"));
    }

    #[test]
    fn rows_go_to_one_population_after_the_other_and_run_out_before_anything_is_sent() {
        let users = |count: u32| {
            let own = "auth = { name = \"${who}\" }";
            format!("[users.a]\ncount = 1\n{own}\n[users.c]\ncount = 9\n[users.b]\ncount = {count}\n{own}")
        };
        let enough = loaded(&users(2));
        check(&enough).unwrap();
        assert_eq!(auth(&issuer(&enough, 0), 0), r#"{"name":"ann"}"#);
        assert_eq!(auth(&issuer(&enough, 2), 1), r#"{"name":"cy"}"#);
        let problem = check(&loaded(&users(3))).unwrap_err();
        assert!(problem.contains("[users.b]: [feeds.who] at t.toml:4 has 3 rows"), "{problem}");
        assert!(problem.contains("4 users want one"), "{problem}");
    }
}
