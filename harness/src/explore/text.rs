//! Programs as files: TOML with one short line for each step.

use std::fmt::Write as _;

use serde::Deserialize;

use super::program::{Emit, Program, Step, Target, Verb};
use crate::scenario::model::Transport;

/// How long an outage lasts that does not say it, in milliseconds.
const USUAL: u8 = 12;
const ROOMS: [&str; 3] = ["red", "green", "blue"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "for the reader")]
    #[serde(default)]
    about: String,
    clients: Vec<String>,
    namespaces: u8,
    phases: Vec<Vec<Vec<String>>>,
}

/// The file of a program; `about` is a comment in front.
pub fn render(program: &Program, about: &str) -> String {
    let mut text = String::new();
    for line in about.lines() {
        let _ = writeln!(text, "# {line}");
    }
    let clients: Vec<_> = program.clients.iter().map(|transport| format!("{:?}", transport_name(*transport))).collect();
    let _ = writeln!(text, "clients    = [{}]", clients.join(", "));
    let _ = writeln!(text, "namespaces = {}", program.namespaces);
    text.push_str(
        "# A phase is a list of branches that run at the same time; a fence of every socket ends it.\nphases     = [\n",
    );
    for phase in &program.phases {
        text.push_str("  [\n");
        for branch in phase {
            let steps: Vec<_> = branch.iter().map(|step| format!("{:?}", line(step))).collect();
            let _ = writeln!(text, "    [{}],", steps.join(", "));
        }
        text.push_str("  ],\n");
    }
    text.push_str("]\n");
    text
}

fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::WebSocket => "websocket",
        Transport::Polling => "polling",
        Transport::Upgrade => "upgrade",
    }
}

fn transport(text: &str) -> Option<Transport> {
    [Transport::WebSocket, Transport::Polling, Transport::Upgrade]
        .into_iter()
        .find(|known| transport_name(*known) == text)
}

fn room(room: u8) -> String {
    ROOMS.get(usize::from(room)).map_or_else(|| format!("room{room}"), ToString::to_string)
}

fn targets(list: &[Target]) -> String {
    let name = |target: &Target| match target {
        Target::Room(number) => room(*number),
        Target::Own(client) => format!("@c{client}"),
    };
    list.iter().map(name).collect::<Vec<_>>().join("+")
}

/// One step, such as `c1 emit to=red+blue except=green socket`.
pub(super) fn line(step: &Step) -> String {
    let mut text = format!("c{}", step.client);
    if step.namespace > 0 {
        let _ = write!(text, "/{}", step.namespace);
    }
    let _ = match &step.verb {
        Verb::Join(rooms) => write!(text, " join {}", rooms.iter().map(|r| room(*r)).collect::<Vec<_>>().join("+")),
        Verb::Leave(number) => write!(text, " leave {}", room(*number)),
        Verb::Move { whom, room: number, into } => {
            write!(text, " {} c{whom} {}", if *into { "put" } else { "take" }, room(*number))
        }
        Verb::Emit(emit) => {
            text.push_str(" emit");
            if !emit.to.is_empty() {
                let _ = write!(text, " to={}", targets(&emit.to));
            }
            if !emit.except.is_empty() {
                let _ = write!(text, " except={}", targets(&emit.except));
            }
            let flags = [
                (emit.from_socket, "socket"),
                (emit.volatile, "volatile"),
                (emit.asks, "ask"),
                (emit.binary, "binary"),
            ];
            let flags = flags.into_iter().filter(|(on, _)| *on).try_for_each(|(_, name)| write!(text, " {name}"));
            flags.and_then(|()| emit.silent.map_or(Ok(()), |silent| write!(text, " silent=c{silent}")))
        }
        Verb::Members(number) => write!(text, " members {}", room(*number)),
        Verb::Kick(whom) => write!(text, " kick c{whom}"),
        Verb::Rejoin { refused } => write!(text, " rejoin{}", if *refused { " refused" } else { "" }),
        Verb::Cut { away: USUAL } => write!(text, " cut"),
        Verb::Cut { away } => write!(text, " cut {away}ms"),
        Verb::Stall => write!(text, " stall"),
        Verb::Freeze => write!(text, " freeze"),
        Verb::Reconnect(transport) => write!(text, " reconnect {}", transport_name(*transport)),
    };
    text
}

/// Reads a program. The error says where it is wrong.
pub fn parse(text: &str) -> Result<Program, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let clients: Option<Vec<_>> = file.clients.iter().map(|name| transport(name)).collect();
    let clients = clients.ok_or("a client is `websocket`, `polling` or `upgrade`")?;
    if clients.is_empty() || clients.len() > 16 {
        return Err(format!("there are {} clients; 1 to 16 can be had", clients.len()));
    }
    if !(1..=2).contains(&file.namespaces) {
        return Err(format!("namespaces = {}; there can be 1 or 2", file.namespaces));
    }
    let mut phases = Vec::new();
    for (number, phase) in file.phases.iter().enumerate() {
        let mut branches = Vec::new();
        for branch in phase {
            let mut steps = Vec::new();
            for text in branch {
                let step =
                    step(text).ok_or_else(|| format!("phase {}: cannot read the step {text:?}; {HOW}", number + 1))?;
                check(&step, clients.len(), file.namespaces)
                    .map_err(|why| format!("phase {}: {text:?}: {why}", number + 1))?;
                steps.push(step);
            }
            branches.push(steps);
        }
        phases.push(branches);
    }
    Ok(Program { clients, namespaces: file.namespaces, phases })
}

const HOW: &str = "expected `c0 VERB …` or `c0/1 VERB …` with join ROOMS, leave ROOM, put cN ROOM, take cN ROOM, \
                   emit [to=…] [except=…] [socket] [volatile] [ask] [silent=cN] [binary], members ROOM, kick cN, rejoin [refused], cut [2ms], stall, freeze or reconnect TRANSPORT";

fn check(step: &Step, clients: usize, namespaces: u8) -> Result<(), String> {
    let mut named = vec![step.client];
    match &step.verb {
        Verb::Move { whom, .. } | Verb::Kick(whom) => named.push(*whom),
        Verb::Emit(emit) => {
            named.extend(emit.silent);
            named.extend(emit.to.iter().chain(&emit.except).filter_map(|target| match target {
                Target::Own(client) => Some(*client),
                Target::Room(_) => None,
            }));
        }
        _ => {}
    }
    if let Some(client) = named.into_iter().find(|client| usize::from(*client) >= clients) {
        return Err(format!("there is no client c{client}"));
    }
    if step.namespace >= namespaces { Err("there is no such namespace".to_owned()) } else { Ok(()) }
}

fn client(text: &str) -> Option<u8> {
    text.strip_prefix('c')?.parse().ok()
}

fn room_number(text: &str) -> Option<u8> {
    let known = ROOMS.iter().position(|name| *name == text).map(|number| number as u8);
    known.or_else(|| text.strip_prefix("room")?.parse().ok())
}

fn target_list(text: &str) -> Option<Vec<Target>> {
    let target = |name: &str| match name.strip_prefix('@') {
        Some(own) => client(own).map(Target::Own),
        None => room_number(name).map(Target::Room),
    };
    text.split('+').map(target).collect()
}

fn step(text: &str) -> Option<Step> {
    let mut words = text.split_whitespace();
    let who = words.next()?;
    let (who, namespace) = match who.split_once('/') {
        Some((who, namespace)) => (who, namespace.parse().ok()?),
        None => (who, 0),
    };
    let verb = match words.next()? {
        "join" => Verb::Join(words.next()?.split('+').map(room_number).collect::<Option<_>>()?),
        "leave" => Verb::Leave(room_number(words.next()?)?),
        "put" => Verb::Move { whom: client(words.next()?)?, room: room_number(words.next()?)?, into: true },
        "take" => Verb::Move { whom: client(words.next()?)?, room: room_number(words.next()?)?, into: false },
        "emit" => Verb::Emit(emit(&mut words)?),
        "members" => Verb::Members(room_number(words.next()?)?),
        "kick" => Verb::Kick(client(words.next()?)?),
        "rejoin" => match words.next() {
            None => Verb::Rejoin { refused: false },
            Some("refused") => Verb::Rejoin { refused: true },
            Some(_) => return None,
        },
        "cut" => Verb::Cut {
            away: match words.next() {
                None => USUAL,
                Some(away) => away.strip_suffix("ms")?.parse().ok()?,
            },
        },
        "stall" => Verb::Stall,
        "freeze" => Verb::Freeze,
        "reconnect" => Verb::Reconnect(transport(words.next()?)?),
        _ => return None,
    };
    words.next().is_none().then_some(Step { client: client(who)?, namespace, verb })
}

fn emit<'t>(words: &mut impl Iterator<Item = &'t str>) -> Option<Emit> {
    let mut emit = Emit::default();
    for word in words {
        match (word, word.split_once('=')) {
            (_, Some(("to", list))) => emit.to = target_list(list)?,
            (_, Some(("except", list))) => emit.except = target_list(list)?,
            (_, Some(("silent", who))) => emit.silent = Some(client(who)?),
            ("socket", _) => emit.from_socket = true,
            ("volatile", _) => emit.volatile = true,
            ("ask", _) => emit.asks = true,
            ("binary", _) => emit.binary = true,
            _ => return None,
        }
    }
    Some(emit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::explore::generate::{Shape, program};

    proptest! {
        #[test]
        fn a_program_comes_back_from_its_file(program in program(Shape { recovery: true, process: true })) {
            prop_assert_eq!(parse(&render(&program, "about it")), Ok(program));
        }
    }

    #[test]
    fn mistakes_are_said() {
        let wrong = |steps: &str| {
            parse(&format!("clients = [\"websocket\"]\nnamespaces = 1\nphases = [[[{steps}]]]\n")).unwrap_err()
        };
        assert!(
            wrong("\"c0 jion red\"").contains("cannot read the step \"c0 jion red\""),
            "{}",
            wrong("\"c0 jion red\"")
        );
        assert!(wrong("\"c3 join red\"").contains("there is no client c3"));
        assert!(wrong("\"c0/1 join red\"").contains("no such namespace"));
        assert!(parse("clients = []\nnamespaces = 1\nphases = []").unwrap_err().contains("0 clients"));
    }
}
