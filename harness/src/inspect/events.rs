//! Which events have come, under which namespace, and what they look like.

use indexmap::IndexMap;
use sio_protocol::{Incoming, Value};

use super::findings::Event;
use super::shape::Shape;

/// Kinds of events that are kept.
const MOST_KINDS: usize = 64;
/// Arguments of an event that are looked at.
const MOST_ARGUMENTS: usize = 16;
/// Larger events are counted and not looked into.
const MOST_BYTES: usize = 1024 * 1024;

/// An event that came, as an application sees it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) namespace: String,
    pub(super) name: String,
    /// Behind the name.
    pub(super) arguments: Vec<Value>,
}

/// All that have come.
#[derive(Debug, Default)]
pub(super) struct Events {
    kinds: IndexMap<(String, String), Row>,
    more: u64,
}

#[derive(Debug, Default)]
struct Row {
    count: u64,
    arguments: Vec<Shape>,
    bytes: Option<(u64, u64)>,
    asks: bool,
}

impl Events {
    /// Notes an event; returns what it says, unless that is too large or no event at all.
    pub(super) fn note(&mut self, incoming: &Incoming) -> Option<Seen> {
        let seen = read(incoming)?;
        let key = (seen.namespace.clone(), seen.name.clone());
        if self.kinds.len() == MOST_KINDS && !self.kinds.contains_key(&key) {
            self.more += 1;
            return Some(seen);
        }
        self.kinds.entry(key).or_default().add(incoming, &seen.arguments);
        Some(seen)
    }

    /// Of which no row was kept.
    pub(super) fn more(&self) -> u64 {
        self.more
    }

    pub(super) fn found(&self) -> Vec<Event> {
        let found = self.kinds.iter().map(|((namespace, name), row)| Event {
            namespace: namespace.clone(),
            name: name.clone(),
            count: row.count,
            arguments: row.arguments.iter().map(|shape| row.argument(shape)).collect(),
            bytes: row.bytes.unwrap_or_default(),
            asks: row.asks,
        });
        found.collect()
    }
}

impl Row {
    fn add(&mut self, incoming: &Incoming, arguments: &[Value]) {
        self.count += 1;
        self.asks |= incoming.id.is_some();
        let bytes = size(incoming) as u64;
        let (least, most) = self.bytes.get_or_insert((bytes, bytes));
        (*least, *most) = ((*least).min(bytes), (*most).max(bytes));
        for (index, argument) in arguments.iter().take(MOST_ARGUMENTS).enumerate() {
            if index == self.arguments.len() {
                self.arguments.push(Shape::default());
            }
            self.arguments[index].add(argument);
        }
    }

    fn argument(&self, shape: &Shape) -> String {
        if shape.seen() < self.count { format!("{shape} (not always)") } else { shape.to_string() }
    }
}

fn size(incoming: &Incoming) -> usize {
    incoming.args.json().len() + incoming.args.attachments().iter().map(bytes::Bytes::len).sum::<usize>()
}

fn read(incoming: &Incoming) -> Option<Seen> {
    if size(incoming) > MOST_BYTES {
        let name = "(larger than 1 MiB)".to_owned();
        return Some(Seen { namespace: incoming.nsp.to_string(), name, arguments: Vec::new() });
    }
    let mut values = incoming.args.to_values().ok()?.into_iter();
    let name = match values.next()? {
        Value::String(name) => name,
        // Numbers are legal names, too.
        other => other.to_string(),
    };
    Some(Seen { namespace: incoming.nsp.to_string(), name, arguments: values.collect() })
}
