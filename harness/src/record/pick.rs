//! The entries of a record that reports ask for again and again.

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

/// The seconds of all loads.
pub fn seconds(entries: &[Entry]) -> impl DoubleEndedIterator<Item = &Progress> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Progress(progress) => Some(progress),
        _ => None,
    })
}
