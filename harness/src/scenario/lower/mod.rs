//! From the tree of the file to its meaning. Problems are collected, never returned: all of them are shown.

mod actions;
pub(super) mod cases;
mod cluster;
mod feeds;
mod flow;
mod load;
mod observe;
mod raw;
mod search;
mod slo;
pub(super) mod steps;
mod target;
mod topology;

use indexmap::IndexMap;

use self::load::{Around, Users, World};
use super::diagnostic::Diagnostics;
use super::model::{Scenario, Target};
use super::node::{Kind, Node, Span};
use super::source::{Brought, Source};
use super::table::{self, Context, Table};
use super::vars::{Override, Vars};

/// What lowering found.
pub struct Lowered {
    pub scenario: Scenario,
    /// Why it cannot be run although it is well-formed.
    pub not_yet: Vec<(String, Span)>,
    pub vars: Vars,
}

impl Lowered {
    /// Of a file that cannot be read.
    pub(super) fn nothing() -> Self {
        Self { scenario: empty(), not_yet: Vec::new(), vars: Vars::default() }
    }
}

/// Lowers a whole file.
pub fn lower(
    root: &Node,
    (source, brought): (&Source, Option<&Brought>),
    overrides: &[Override],
    diagnostics: &mut Diagnostics,
) -> Lowered {
    let vars_node = match &root.kind {
        Kind::Table(entries) => entries.iter().find(|(key, _)| key.name == "vars").map(|(_, node)| node),
        _ => None,
    };
    let vars = Vars::read(vars_node, overrides, diagnostics);
    let mut not_yet = Vec::new();
    if misspelt_tables(root, diagnostics) {
        // Whatever refers to what is in them would be said to refer to nothing.
        return Lowered { vars, ..Lowered::nothing() };
    }
    let mut cx = Context {
        diagnostics,
        source,
        brought,
        vars: &vars,
        not_yet: &mut not_yet,
        declared: declared(root),
        travellers: Vec::new(),
    };
    let scenario = file(root, &mut cx);
    Lowered { scenario, not_yet, vars }
}

/// What a scenario may have at its top.
const TOP: [&str; 20] = [
    "name", "about", "tags", "version", "seed", "include", "vars", "target", "actions", "clients", "case", "defaults",
    "rooms", "users", "traffic", "phase", "chaos", "slo", "search", "observe",
];

/// Says of tables at the top that nobody knows.
fn misspelt_tables(root: &Node, diagnostics: &mut Diagnostics) -> bool {
    let Kind::Table(entries) = &root.kind else { return false };
    let known: Vec<&str> = TOP.into_iter().chain(["feeds"]).collect();
    let unknown = entries.iter().filter(|(key, _)| !known.contains(&key.name.as_str()));
    unknown.map(|(key, _)| diagnostics.unknown(key.span.clone(), "key", &key.name, &known)).count() > 0
}

/// The names below the tables that others refer to.
fn declared(root: &Node) -> Vec<(&'static str, String)> {
    let Kind::Table(entries) = &root.kind else { return Vec::new() };
    let mut names = Vec::new();
    for table in ["rooms", "users", "traffic", "actions", "feeds"] {
        let node = entries.iter().find(|(key, _)| key.name == table).map(|(_, node)| &node.kind);
        if let Some(Kind::Table(inner)) = node {
            let bare = |name: &str| name.split('(').next().unwrap_or(name).trim().to_owned();
            names.extend(inner.iter().map(|(key, _)| (table, bare(&key.name))));
        }
    }
    let phases = entries.iter().find(|(key, _)| key.name == "phase").map(|(_, node)| &node.kind);
    let phases = match phases {
        Some(Kind::Array(items)) => items.iter().map(|item| &item.kind).collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    for phase in phases {
        if let Kind::Table(inner) = phase
            && let Some(name) = inner.iter().find(|(key, _)| key.name == "name").and_then(|(_, node)| node.as_str())
        {
            names.push(("phase", name.to_owned()));
        }
    }
    names
}

fn file(root: &Node, cx: &mut Context<'_>) -> Scenario {
    let Some(mut top) = Table::new(root, "a scenario", cx) else { return empty() };
    top.get("vars");
    let name = top.require("name", cx).and_then(|node| table::name(node, cx)).unwrap_or_default();
    let about = top.get("about").and_then(|node| table::string(node, cx)).unwrap_or_default();
    let tags = top.get("tags").and_then(|node| table::strings(node, cx)).unwrap_or_default();
    let version = top.get("version").and_then(|node| table::count(node, 1, cx));
    let seed = top.get("seed").and_then(|node| table::count(node, 0, cx)).unwrap_or(1);
    top.not_yet("include", cx);
    let target = top.get("target").map(|node| target::lower(node, cx)).unwrap_or_default();
    let actions = top.get("actions").map(|node| actions::lower(node, cx)).unwrap_or_default();

    let feeds = named(top.get("feeds"), "[feeds]", cx, |node, _, cx| feeds::lower(node, cx));
    let shared_clients = top.get("clients").map(|node| cases::clients(node, cx)).unwrap_or_default();
    let case_nodes = top.get("case").and_then(|node| table::array(node, "[[case]] tables", cx)).unwrap_or_default();
    let defaults = top.get("defaults").map(|node| cases::Defaults::read(node, &tags, cx)).unwrap_or_default();
    let clients = &shared_clients;
    let whole = cases::File { area: &name, clients, actions: &actions, defaults: &defaults, feeds: &feeds };
    let cases = case_nodes.iter().flat_map(|node| cases::lower(node, &whole, cx)).collect();

    let user_nodes = top.get("users");
    let rooms = named(top.get("rooms"), "[rooms]", cx, |node, name, cx| {
        load::rooms(node, &actions, load::members(user_nodes, name, cx.vars), cx)
    });
    let around = Around { rooms: &rooms, flow: flow::World { actions: &actions, feeds: &feeds } };
    let users = named(user_nodes, "[users]", cx, |node, _, cx| load::users(node, &around, cx));
    let (mut populations, mut journeys) = (IndexMap::new(), IndexMap::new());
    for (name, users) in users {
        match users {
            Users::Staying(population) => _ = populations.insert(name, *population),
            Users::Travelling(journey) => _ = journeys.insert(name, journey),
        }
    }
    cx.travellers = journeys.keys().cloned().collect();
    let world = World { actions: &actions, populations: &populations, rooms: &rooms };
    let traffic = named(top.get("traffic"), "[traffic]", cx, |node, _, cx| load::traffic(node, &world, cx));
    let phase_nodes = top.get("phase").and_then(|node| table::array(node, "[[phase]] tables", cx)).unwrap_or_default();
    let (mut phases, mut chaos) = (Vec::new(), Vec::new());
    for node in phase_nodes {
        if let Some((phase, at_start)) = load::phase(node, phases.len(), &populations, cx) {
            phases.push(phase);
            chaos.extend(at_start);
        }
    }
    let chaos_nodes = top.get("chaos").and_then(|node| table::array(node, "[[chaos]] tables", cx)).unwrap_or_default();
    chaos.extend(chaos_nodes.iter().filter_map(|node| load::chaos(node, &phases, &populations, cx)));
    let observe = top.get("observe").and_then(|node| observe::lower(node, cx));
    let mut scenario = Scenario {
        name,
        about,
        tags,
        version,
        seed,
        target,
        actions,
        cases,
        rooms,
        populations,
        journeys,
        feeds,
        traffic,
        phases,
        chaos,
        slo: Vec::new(),
        search: None,
        observe,
    };
    if let Some(node) = top.get("slo") {
        scenario.slo = slo::lower(node, &scenario, cx);
    }
    if let Some(node) = top.get("search") {
        scenario.search = search::lower(node, &scenario, cx);
    }
    check_whole(&scenario, root, cx);
    top.finish(cx);
    scenario
}

/// What only the whole file shows.
fn check_whole(scenario: &Scenario, root: &Node, cx: &mut Context<'_>) {
    if scenario.cases.is_empty() && !scenario.has_load() && cx.diagnostics.is_empty() && cx.not_yet.is_empty() {
        cx.diagnostics.error(root.span.start..root.span.start, "there is nothing to run");
        cx.diagnostics.note("a scenario has at least one [[case]] or one [users.NAME]");
    }
    if !scenario.has_load() && cx.diagnostics.is_empty() {
        for case in scenario.cases.iter().filter(|case| case.every.is_some()) {
            cx.diagnostics
                .error(case.span.clone(), "`every` is for cases that are played beside a load, and there is none");
        }
    }
    let has_phase = matches!(&root.kind, Kind::Table(entries) if entries.iter().any(|(key, _)| key.name == "phase"));
    if scenario.has_load() && scenario.phases.is_empty() && !has_phase {
        cx.diagnostics.error(root.span.start..root.span.start, "a load needs at least one [[phase]]");
    }
    if !scenario.phases.is_empty() && scenario.phases.iter().all(|phase| !phase.measured) {
        cx.diagnostics.error(root.span.start..root.span.start, "no [[phase]] is measured, so there would be no result");
    }
}

/// Lowers each entry of a table of named tables.
fn named<T>(
    node: Option<&Node>,
    what: &str,
    cx: &mut Context<'_>,
    mut lower: impl FnMut(&Node, &str, &mut Context<'_>) -> Option<T>,
) -> IndexMap<String, T> {
    let mut map = IndexMap::new();
    let Some(node) = node else { return map };
    match &node.kind {
        Kind::Table(entries) => {
            for (key, node) in entries {
                if table::check_name(&key.name, &key.span, cx)
                    && let Some(value) = lower(node, &key.name, cx)
                {
                    map.insert(key.name.clone(), value);
                }
            }
        }
        _ => cx.diagnostics.error(node.span.clone(), format_args!("{what} is a table, not {}", node.describe())),
    }
    map
}

fn empty() -> Scenario {
    Scenario {
        name: String::new(),
        about: String::new(),
        tags: vec![],
        version: None,
        seed: 1,
        target: Target::default(),
        actions: IndexMap::new(),
        cases: vec![],
        rooms: IndexMap::new(),
        populations: IndexMap::new(),
        journeys: IndexMap::new(),
        feeds: IndexMap::new(),
        traffic: IndexMap::new(),
        phases: vec![],
        chaos: vec![],
        slo: vec![],
        search: None,
        observe: None,
    }
}
