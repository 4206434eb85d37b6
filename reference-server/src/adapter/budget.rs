//! What all namespaces of a server share: how much memory rooms and recovery may take.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value as Json;

/// What a place in a room costs beside its name: entries of two maps, a set, and the name's own head.
const PLACE: usize = 512;

/// What a socket in a room takes.
pub(super) fn cost(room: &str) -> usize {
    PLACE + room.len()
}

/// A number of bytes that several have a share in. Relaxed: nothing but the sum matters.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    most: usize,
}

impl Budget {
    pub(crate) fn new(most: usize) -> Self {
        Self { used: AtomicUsize::new(0), most }
    }

    /// Takes some; false, and it is taken all the same, when there is not so much left.
    pub(super) fn take(&self, bytes: usize) -> bool {
        self.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= self.most
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.used.load(Ordering::Relaxed) > self.most
    }
}

/// Roughly the memory a JSON value takes.
pub(crate) fn weight(value: &Json) -> usize {
    const NODE: usize = size_of::<Json>();
    NODE + match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(weight).sum(),
        // A node of the map holds several fields and is not full.
        Json::Object(fields) => fields.iter().map(|(name, value)| 2 * NODE + name.len() + weight(value)).sum(),
    }
}
