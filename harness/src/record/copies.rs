//! Copies of messages, in words.

use super::TrafficResult;
use crate::vocab::text::count;

impl TrafficResult {
    /// Under which other names copies of a traffic's messages came, most of them first; `None` if they did not.
    pub fn under_other_names(&self) -> Option<String> {
        let copies = self.others.iter().map(|(name, number)| {
            // What stands behind a name is no part of it.
            let end = name.find(" in /").or_else(|| name.find(" with other arguments")).unwrap_or(name.len());
            format!("{} came as {:?}{}", copies(*number), &name[..end], &name[end..])
        });
        let copies: Vec<_> = copies.collect();
        (!copies.is_empty()).then(|| copies.join(", "))
    }
}

/// So many copies.
pub fn copies(number: u64) -> String {
    format!("{} {}", count(number), if number == 1 { "copy" } else { "copies" })
}
