//! A scenario to start from, filled in with what was seen.

use std::fmt::Write as _;

use sio_protocol::Value;

use super::Settings;
use super::enter::Written;
use super::findings::{Altered, Findings, Identity, Return, Trace};
use super::message::{MARKS, Plain, Stamped, numbers, texts};
use super::secrets::{Secrets, header_variable};
use crate::scenario::starter::word;

/// Users, and the group of rooms that they are in.
const PEOPLE: &str = "people";
const ROOM: &str = "room";
/// Names of a traffic that rules would take for something else.
const TAKEN: [&str; 10] =
    ["connect", "upgrade", "reconnect", "generator", "target", "oracle", "errors", "recovered", "capacity", "case"];

struct Writer<'a> {
    settings: &'a Settings,
    found: &'a Findings,
    secrets: &'a Secrets,
    /// What names a room, in what one joins by and in what is sent.
    room: Option<RoomName<'a>>,
    /// What the file says by which one enters.
    written: Written,
    out: String,
}

/// How the application calls a room.
#[derive(Clone, Copy, Debug, PartialEq)]
enum RoomName<'a> {
    Text(&'a str),
    Number(i64),
}

impl RoomName<'_> {
    /// What messages say of it.
    fn said(self) -> &'static str {
        match self {
            Self::Text(_) => "${room}",
            Self::Number(_) => "${room.number}",
        }
    }

    fn is_in(self, values: &[Value]) -> bool {
        match self {
            Self::Text(text) => texts(values).contains(&text),
            Self::Number(number) => numbers(values).contains(&number),
        }
    }
}

/// Writes it; it can be loaded as it is.
pub(super) fn write(settings: &Settings, found: &Findings, secrets: &mut Secrets) -> String {
    let mut written = settings.entrance.as_ref().map(|entrance| entrance.written.clone()).unwrap_or_default();
    secrets.learn(written.hide());
    let mut writer = Writer { settings, found, secrets, room: room(settings), written, out: String::new() };
    writer.top();
    writer.rooms();
    writer.users();
    writer.traffic();
    writer.out
}

/// What stands both in what one joins by and in what is sent, a text or else a whole number; the first text of the former where nothing
/// is sent.
fn room(settings: &Settings) -> Option<RoomName<'_>> {
    let joins = || settings.joins.iter().map(|join| &join.values()[1..]);
    let mut said = joins().flat_map(texts).map(RoomName::Text);
    let Some(event) = &settings.event else { return said.next() };
    said.chain(joins().flat_map(numbers).map(RoomName::Number)).find(|room| room.is_in(&event.values()[1..]))
}

impl Writer<'_> {
    fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn top(&mut self) {
        self.line("# What was seen, as a scenario to start from: change what is not as you want it.");
        self.line("name = \"inspected\"\nseed = 1\n");
        self.line("[vars]\npeople = 20\nrooms  = 4\nrate   = \"20/s\"\nlength = \"10s\"");
        let own = ["people", "rooms", "rate", "length"];
        for (name, value) in self.written.vars.iter().filter(|(name, _)| !own.contains(&name.as_str())) {
            let _ = writeln!(self.out, "{} = {value}", key(name), value = value.to_string().trim());
        }
        self.line("");
        if !self.written.feeds.is_empty() {
            self.line("[feeds]");
        }
        for (name, value) in &self.written.feeds {
            let _ = writeln!(self.out, "{} = {}\n", key(name), value.to_string().trim());
        }
        let url = string(&self.found.url);
        let _ = writeln!(self.out, "[target]\nurl  = {url}");
        if self.found.path != "/socket.io/" {
            let path = string(&self.found.path);
            let _ = writeln!(self.out, "path = {path}");
        }
        let manner = &self.settings.manner;
        if !manner.headers.is_empty() {
            let headers = manner
                .headers
                .iter()
                .map(|(name, _)| format!("{} = \"${{env.{}}}\"", key(name), header_variable(name)));
            let headers = headers.collect::<Vec<_>>().join(", ");
            let _ = writeln!(self.out, "headers = {{ {headers} }}");
        }
        if !manner.query.is_empty() {
            self.line("query = \"${env.SIO_QUERY}\"");
        }
        self.line("");
    }

    /// The name of the room group by which a join is said: that with the room's name has as many rooms as one likes, others
    /// are said once by everybody.
    fn group(&self, index: usize) -> String {
        if self.says_room(&self.settings.joins[index]) { ROOM.to_owned() } else { format!("setup{index}") }
    }

    fn says_room(&self, join: &Plain) -> bool {
        self.room.is_some_and(|room| room.is_in(&join.values()[1..]))
    }

    /// Joins that a scenario can say: of those with the room's name, the first.
    fn joins(&self) -> Vec<usize> {
        let joins = &self.settings.joins;
        let first = joins.iter().position(|join| self.says_room(join));
        (0..joins.len()).filter(|index| !self.says_room(&joins[*index]) || Some(*index) == first).collect()
    }

    fn rooms(&mut self) {
        let joins = self.joins();
        if joins.is_empty() {
            return;
        }
        if joins.len() < self.settings.joins.len() {
            self.line("# Several of the events by which one joins name the room, and a group of rooms has one: the others are left out.");
        }
        self.line("[actions]");
        for index in &joins {
            let join = &self.settings.joins[*index];
            // In an action the room is a parameter.
            let (name, emit) = (word(join.name()), self.array(join.values(), "${room}"));
            let answered = self.found.joins.get(*index).is_some_and(|call| call.answer.is_some());
            let signature = string(&format!("{name}({})", if self.says_room(join) { ROOM } else { "" }));
            if !answered {
                self.say_who_may_answer();
            }
            let ack = if answered { ", ack = true" } else { "" };
            let _ = writeln!(self.out, "{signature} = {{ emit = {emit}{ack} }}");
        }
        for index in &joins {
            let join = &self.settings.joins[*index];
            let said = self.room.map_or("${room}", RoomName::said);
            let (count, argument) =
                if self.says_room(join) { ("\"${rooms}\"", format!(", \"{said}\"")) } else { ("1", String::new()) };
            let (group, name, nsp) = (self.group(*index), string(&word(join.name())), string(self.namespace()));
            let _ = writeln!(
                self.out,
                "\n[rooms.{group}]\ncount     = {count}\nnamespace = {nsp}\njoin      = [{name}{argument}]"
            );
        }
        self.line("");
    }

    /// Nothing answers for a join; an event may.
    fn say_who_may_answer(&mut self) {
        let returns = || self.found.trace.iter().flat_map(|trace| &trace.returns);
        let others = self.found.events.iter().filter(|event| returns().all(|back| back.event != event.name));
        let names: Vec<String> = others.map(|event| string(&event.name)).collect();
        self.line("# This join is not acknowledged. If an event says that it has happened, say so behind `emit`, with ${room} where it names the room:");
        let name = names.first().map_or("\"joined\"", String::as_str).to_owned();
        self.line(&format!("# confirmed_by = [{}, \"${{any}}\"]", one_line(&name)));
        if names.len() > 1 {
            self.line(&format!("# Events that came: {}", one_line(&names.join(", "))));
        }
    }

    /// Where events go.
    fn namespace(&self) -> &str {
        self.settings.namespaces.first().map_or("/", String::as_str)
    }

    fn is_in(&self, name: &str) -> bool {
        self.found.namespaces.iter().any(|namespace| namespace.name == name && namespace.entered)
    }

    fn users(&mut self) {
        let _ = writeln!(self.out, "[users.{PEOPLE}]\ncount   = \"${{people}}\"\nconnect = \"50/s\"");
        let all = self.found.namespaces.iter().filter(|namespace| namespace.entered);
        let asked = |name: &str| self.settings.namespaces.iter().any(|asked| asked == name);
        let mut named: Vec<_> = all.clone().filter(|namespace| asked(&namespace.name)).collect();
        if named.is_empty() {
            named = all.collect();
        }
        let named: Vec<String> = named.iter().map(|namespace| string(&namespace.name)).collect();
        let _ = writeln!(self.out, "namespace = [{}]", named.join(", "));
        let groups: Vec<String> = self.joins().iter().map(|index| format!("{} = 1", self.group(*index))).collect();
        if !groups.is_empty() && self.is_in(self.namespace()) {
            let _ = writeln!(self.out, "in      = {{ {} }}", groups.join(", "));
        }
        for (name, value) in &self.written.users {
            let _ = writeln!(self.out, "{name} = {}", value.to_string().trim());
        }
        let has_auth = self.written.users.iter().any(|(name, _)| name == "auth");
        if !has_auth && let Ok(auth) = serde_json::from_str(&self.settings.manner.auth) {
            let auth = self.value(&auth, "${room}");
            let _ = writeln!(self.out, "auth    = {auth}");
        }
        let websocket = self.found.transports.iter().any(|transport| transport.name == "websocket" && transport.works);
        if !websocket {
            self.line("transport = \"polling\"");
        }
        self.line("");
    }

    fn traffic(&mut self) {
        let traced = self.settings.event.as_ref().zip(self.found.trace.as_ref());
        let rules = match traced {
            Some((event, trace)) => self.sent(event, trace),
            None => {
                self.line("# What is sent, and who gets it: inspect again with --event to have it filled in.");
                self.line("# [traffic.say]\n# from        = \"people\"\n# rate        = \"${rate}\"");
                self.line("# emit        = [\"EVENT\", \"${payload}\"]");
                self.line("# delivers_to = { event = \"EVENT\", rooms = [], except = \"sender\" }\n");
                None
            }
        };
        self.line("[[phase]]\nname = \"steady\"\nfor  = \"${length}\"");
        if let Some(rules) = rules {
            self.line(&format!("\n[slo]\nthresholds = [\n{rules}]"));
        }
    }

    /// The traffic; returns its rules, unless there is nothing by which it could be judged.
    fn sent(&mut self, event: &Stamped, trace: &Trace) -> Option<String> {
        let name = match word(event.name()) {
            name if TAKEN.contains(&name.as_str()) => format!("send_{name}"),
            name => name,
        };
        let (back, acknowledged) = (recognised(trace), trace.acknowledged > 0);
        if back.is_none() && !acknowledged {
            let said = "# The event came back to nobody in a way that could be recognised, and was not acknowledged: nothing to judge.";
            self.line(said);
            return None;
        }
        let (nsp, emit) =
            (string(self.namespace()), self.array(event.values(), self.room.map_or("${room}", RoomName::said)));
        let _ = writeln!(self.out, "[traffic.{name}]\nfrom        = \"{PEOPLE}\"\nrate        = \"${{rate}}\"");
        let _ = writeln!(self.out, "namespace   = {nsp}\nemit        = {emit}");
        if let Some((size, binary)) = event.payload() {
            let binary = if binary { ", binary = true" } else { "" };
            let _ = writeln!(self.out, "payload     = {{ size = \"{size}B\"{binary} }}");
        }
        if let Some(back) = back.filter(|back| back.identity == Identity::Token) {
            let _ = writeln!(self.out, "identify    = {}", string(&back.place));
        }
        if acknowledged {
            self.line("ack         = true");
        }
        let mut rules = String::new();
        match back {
            Some(back) => self.reaches(back),
            None => self.line(
                "# It came back to nobody in a way that could be recognised: its acknowledgement is what counts.",
            ),
        }
        for count in back.map_or(&[][..], |_| &["missing", "duplicate", "misdelivered", "out_of_order"]) {
            let _ = writeln!(rules, "  \"{name}.{count} = 0\",");
        }
        if acknowledged {
            let _ = writeln!(rules, "  \"{name}.unanswered = 0\",");
        }
        let what = if back.is_some() { "delivery" } else { "ack" };
        let _ = writeln!(rules, "  # \"{name}.{what} p99 < 200ms\",");
        self.line("");
        Some(rules)
    }

    fn reaches(&mut self, back: &Return) {
        let event = string(&self.event_name(&back.event));
        let rooms = if self.room.is_some() && back.to.outside.got == 0 { "\"${room}\"" } else { "" };
        let except = if back.to.sender.got == 0 { ", except = \"sender\"" } else { "" };
        if let Some(altered) = &back.altered {
            let _ = writeln!(self.out, "# The payload was not as it had been sent: {}", one_line(&altered.to_string()));
        }
        let _ = writeln!(self.out, "delivers_to = {{ event = {event}, rooms = [{rooms}]{except} }}");
    }

    /// The name by which it came back; where that has the room in it, as a word of its own, that is left open.
    fn event_name(&self, event: &str) -> String {
        let escaped = |text: &str| text.replace("${", "$${");
        let room = match self.room {
            Some(RoomName::Text(text)) => text.to_owned(),
            Some(RoomName::Number(number)) => number.to_string(),
            None => return escaped(event),
        };
        let is_word = |at: usize| {
            let (before, behind) = (event[..at].chars().next_back(), event[at + room.len()..].chars().next());
            ![before, behind].into_iter().flatten().any(char::is_alphanumeric)
        };
        let place = event.match_indices(&room).map(|(at, _)| at).find(|at| is_word(*at));
        match (place, self.room) {
            (Some(at), Some(name)) if !room.is_empty() => {
                format!("{}{}{}", escaped(&event[..at]), name.said(), escaped(&event[at + room.len()..]))
            }
            _ => escaped(event),
        }
    }

    // ---- values

    /// `room` stands where the room is named.
    fn array(&self, values: &[Value], room: &str) -> String {
        // The name of the event is never a room.
        let name = values.first().map(|name| match name {
            Value::String(name) => string(&name.replace("${", "$${")),
            other => self.value(other, room),
        });
        let rest = values.iter().skip(1).map(|value| self.value(value, room));
        format!("[{}]", name.into_iter().chain(rest).collect::<Vec<_>>().join(", "))
    }

    fn value(&self, value: &Value, room: &str) -> String {
        match value {
            Value::Number(number) if number.as_i64().map(RoomName::Number) == self.room && self.room.is_some() => {
                format!("\"{room}\"")
            }
            Value::Null | Value::Binary(_) => "\"${null}\"".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) if number.as_i64().is_some() => number.to_string(),
            // TOML wants a point or an exponent.
            Value::Number(number) => format!("{:?}", number.as_f64().unwrap_or_default()),
            Value::String(text) => self.text(text, room),
            Value::Array(items) => {
                format!("[{}]", items.iter().map(|item| self.value(item, room)).collect::<Vec<_>>().join(", "))
            }
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| format!("{} = {}", key(name), self.value(value, room)));
                format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn text(&self, text: &str, room: &str) -> String {
        if let Some(variable) = self.secrets.variable(text) {
            return format!("\"${{env.{variable}}}\"");
        }
        if self.room == Some(RoomName::Text(text)) {
            return format!("\"{room}\"");
        }
        let escaped = text.replace("${", "$${");
        let marked = MARKS.iter().fold(escaped, |text, mark| text.replace(&format!("${mark}"), mark));
        string(&marked)
    }
}

/// The event by which others can tell what was sent: that which most of them got, with the stamp whole. A token does where
/// no stamp came back as it was sent.
fn recognised(trace: &Trace) -> Option<&Return> {
    let usable = |back: &&Return| {
        let is_whole = back.altered.is_none_or(Altered::keeps_stamp);
        is_whole && back.namespace == trace.namespace && back.to.others.got + back.to.outside.got > 0
    };
    trace
        .returns
        .iter()
        .filter(usable)
        .max_by_key(|back| (back.to.others.got, back.unaltered, back.identity == Identity::Stamp))
}

/// A text in TOML.
fn string(text: &str) -> String {
    // Between single lines: what toml_edit would break over several is not nice within braces.
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn key(name: &str) -> String {
    toml_edit::Key::new(name).to_string()
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::findings::{Audience, Call, Event, Namespace, Share};
    use super::*;
    use crate::client::{ConnectOptions, Tls};
    use crate::load;
    use crate::scenario::{self, source::Source};

    fn settings(auth: &str, joins: &[&str], event: Option<&str>) -> Settings {
        let headers = vec![("X-Key".to_owned(), "k-123456".to_owned())];
        let mut manner =
            ConnectOptions::new(headers, "a=b".to_owned(), Tls::default(), Vec::new(), sio_protocol::Parser::default());
        std::sync::Arc::make_mut(&mut manner).auth = auth.to_owned();
        Settings {
            url: "http://127.0.0.1:3000".to_owned(),
            manner,
            entrance: None,
            namespaces: vec!["/docs".to_owned()],
            listen: Duration::ZERO,
            joins: joins.iter().map(|join| Plain::parse(join).unwrap()).collect(),
            event: event.map(|event| Stamped::parse(event, 100, false).unwrap()),
        }
    }

    fn found(returned: Option<(&str, u32, u32)>, acknowledged: u32) -> Findings {
        let back = |(event, sender, outside): (&str, u32, u32)| Return {
            namespace: "/docs".to_owned(),
            event: event.to_owned(),
            argument: 1,
            place: "$.text".to_owned(),
            to: Audience {
                sender: Share { got: sender, of: 3 },
                others: Share { got: 6, of: 6 },
                outside: Share { got: outside, of: 3 },
            },
            repeated: 0,
            identity: Identity::Stamp,
            unaltered: true,
            altered: None,
            milliseconds: (1.0, 2.0),
        };
        let entered =
            |name: &str, entered| Namespace { name: name.to_owned(), entered, refusal: None, recovery: false };
        Findings {
            url: "http://127.0.0.1:3000".to_owned(),
            path: "/ws/".to_owned(),
            namespaces: vec![entered("/", false), entered("/docs", true)],
            joins: vec![Call { event: "open".to_owned(), answer: Some(Vec::new()), milliseconds: None }],
            trace: Some(Trace {
                namespace: "/docs".to_owned(),
                event: "edit".to_owned(),
                sent: 3,
                acknowledged,
                returns: returned.map(back).into_iter().collect(),
                ..Trace::default()
            }),
            ..Findings::default()
        }
    }

    /// The scenario, which can be loaded and planned.
    fn written(settings: &Settings, found: &Findings) -> String {
        let text = write(settings, found, &mut Secrets::given(&settings.manner));
        let loaded = scenario::load(Source { name: "t".to_owned(), text: text.clone() }, &[], None);
        let loaded = loaded.unwrap_or_else(|problem| panic!("{problem}\n{text}"));
        if !text.contains("${env.") {
            load::Plan::new(&loaded.scenario, 1).unwrap();
        }
        assert!(!text.contains("k-123456") && !text.contains("eyJhbGci"), "{text}");
        text
    }

    const EDIT: &str = r#"["edit","a",{"text":"${payload}","odd key":null,"x":1.0,"y":"$${a\u007f\"'"}]"#;

    #[test]
    fn rooms_reaches_and_credentials_are_filled_in() {
        let edit = &EDIT.replace("$${a", "");
        let settings = settings(r#"{"token":"eyJhbGci","n":3}"#, &[r#"["open","a"]"#], Some(edit));
        let text = written(&settings, &found(Some(("edited", 0, 0)), 3));
        for line in [
            r#""open(room)" = { emit = ["open", "${room}"], ack = true }"#,
            r#"delivers_to = { event = "edited", rooms = ["${room}"], except = "sender" }"#,
            r#"auth    = { token = "${env.SIO_AUTH_TOKEN}", n = 3 }"#,
            r#"headers = { X-Key = "${env.SIO_HEADER_X_KEY}" }"#,
            "path = \"/ws/\"",
            "ack         = true",
            r#""edit.misdelivered = 0","#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn what_reaches_everybody_names_no_room_and_what_comes_back_to_the_sender_does_not_leave_it_out() {
        let text = written(
            &settings("{}", &[r#"["open","a"]"#], Some(r#"["edit","a","${payload}"]"#)),
            &found(Some(("it's \"edited\" ${x}", 3, 3)), 0),
        );
        assert!(text.contains(r#"delivers_to = { event = "it's \"edited\" $${x}", rooms = [] }"#), "{text}");
    }

    #[test]
    fn rooms_that_are_numbers_and_events_that_are_called_after_them_are_left_open() {
        let by_number = settings("{}", &[r#"["open",{"id":5}]"#], Some(r#"["edit",5,"${payload}",7]"#));
        let text = written(&by_number, &found(Some(("doc:5", 0, 0)), 1));
        for line in [
            r#""open(room)" = { emit = ["open", { id = "${room}" }], ack = true }"#,
            r#"join      = ["open", "${room.number}"]"#,
            r#"emit        = ["edit", "${room.number}", "${payload}", 7]"#,
            r#"delivers_to = { event = "doc:${room.number}", rooms = ["${room}"], except = "sender" }"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        let by_text = settings("{}", &[r#"["open","a"]"#], Some(r#"["edit","a","${payload}"]"#));
        for (event, open) in
            [("chat-a", "chat-${room}"), ("a/new", "${room}/new"), ("alarm", "alarm"), ("a", "${room}")]
        {
            let text = written(&by_text, &found(Some((event, 0, 3)), 1));
            assert!(text.contains(&format!("event = \"{open}\", rooms = []")), "{event}\n{text}");
        }
    }

    #[test]
    fn who_may_answer_for_a_join_is_said() {
        let events = ["joined", "edited"].map(|name| Event {
            namespace: "/docs".to_owned(),
            name: name.to_owned(),
            ..Event::default()
        });
        let silent = Findings { joins: Vec::new(), events: events.to_vec(), ..found(Some(("edited", 0, 0)), 0) };
        let text = written(&settings("{}", &[r#"["open","a"]"#], Some(r#"["edit","a","${payload}"]"#)), &silent);
        assert!(text.contains("# confirmed_by = [\"joined\", \"${any}\"]"), "{text}");
    }

    #[test]
    fn without_anything_to_judge_there_is_still_a_scenario() {
        let joins = [r#"["hello",{"me":1}]"#, r#"["open","a"]"#];
        for acknowledged in [0, 1] {
            let text =
                written(&settings("{}", &joins, Some(r#"["edit","a","${payload}"]"#)), &found(None, acknowledged));
            assert_eq!(text.contains("[traffic.edit]"), acknowledged > 0, "{text}");
            assert!(text.contains("in      = { setup0 = 1, room = 1 }"), "{text}");
        }
        written(&settings("{}", &[], None), &Findings { trace: None, joins: Vec::new(), ..found(None, 0) });
    }
}
