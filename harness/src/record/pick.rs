//! The entries of a record that reports ask for again and again.

use std::mem;

use super::entry::{Entry, Header};
use super::load::LoadResult;
use super::progress::Progress;

/// What ran, where, against what.
pub fn header(entries: &[Entry]) -> Option<&Header> {
    entries.iter().find_map(|entry| match entry {
        Entry::Header(header) => Some(header),
        _ => None,
    })
}

/// What came of each load.
pub fn loads(entries: &[Entry]) -> impl Iterator<Item = &LoadResult> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Load(load) => Some(&**load),
        _ => None,
    })
}

/// The seconds of each load, and what came of it; nothing has come of one that was cut short, or is going on.
pub fn seconds_by_load(entries: &[Entry]) -> Vec<(Vec<&Progress>, Option<&LoadResult>)> {
    let mut found = Vec::new();
    let mut seconds = Vec::new();
    for entry in entries {
        match entry {
            Entry::Progress(progress) => seconds.push(progress),
            Entry::Load(load) => found.push((mem::take(&mut seconds), Some(&**load))),
            _ => {}
        }
    }
    if !seconds.is_empty() {
        found.push((seconds, None));
    }
    found
}

/// The seconds of all loads.
pub fn seconds(entries: &[Entry]) -> impl DoubleEndedIterator<Item = &Progress> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Progress(progress) => Some(progress),
        _ => None,
    })
}
