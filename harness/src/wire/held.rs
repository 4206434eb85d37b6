//! Messages that have begun and not ended: how much of them this process holds, over all connections.
//!
//! One that a target has sent halfway must be kept until its end comes. A target that begins thousands of large ones and
//! ends none would fill this machine's memory; then whoever wants more is let go, and that is said.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::vocab::quantity;

/// As much is held for messages that no scenario speaks of.
const USUAL: usize = 256 * 1024 * 1024;
/// Parts of messages that are smaller than this are not counted: every connection has a read or two under way.
const SMALL: usize = 128 * 1024;

/// How much is held.
static HELD: AtomicUsize = AtomicUsize::new(0);
/// How much the messages of the load that is run may come to, over all its users.
static EXPECTED: AtomicUsize = AtomicUsize::new(0);

/// A load is going to have so many bytes of its own messages under way.
pub(crate) fn expect(bytes: usize) {
    EXPECTED.store(bytes, Ordering::Relaxed);
}

/// The variable that says how much is held, in place of [`USUAL`].
const VARIABLE: &str = "SIO_BENCH_UNFINISHED";

fn most() -> usize {
    static SAID: OnceLock<usize> = OnceLock::new();
    let said = || std::env::var(VARIABLE).ok().and_then(|text| quantity::size(&text).ok()).unwrap_or(USUAL);
    SAID.get_or_init(said).saturating_add(EXPECTED.load(Ordering::Relaxed))
}

/// What one connection holds.
#[derive(Debug, Default)]
pub(crate) struct Held(usize);

impl Held {
    /// The connection holds so many bytes now. The error says that this is more than there is room for.
    pub(crate) fn set(&mut self, bytes: usize) -> Result<(), String> {
        let bytes = if bytes < SMALL { 0 } else { bytes };
        let before = std::mem::replace(&mut self.0, bytes);
        if bytes <= before {
            HELD.fetch_sub(before - bytes, Ordering::Relaxed);
            return Ok(());
        }
        let all = HELD.fetch_add(bytes - before, Ordering::Relaxed) + (bytes - before);
        if all <= most() {
            return Ok(());
        }
        Err(format!(
            "the target has begun messages of {} MiB in all and not ended them, which is more than sio-bench holds \
             ({VARIABLE}=1GiB for more)",
            all >> 20
        ))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_over_all_connections() {
        let part = 64 << 20;
        let mut all: Vec<Held> = (0..20).map(|_| Held::default()).collect();
        let refused = all.iter_mut().filter_map(|held| held.set(part).err()).collect::<Vec<_>>();
        assert_eq!(refused.len(), 20 - USUAL / part, "{refused:?}");
        assert!(refused[0].contains("not ended them"), "{refused:?}");
        all.iter_mut().for_each(|held| assert_eq!(held.set(0), Ok(())));
        assert_eq!(all[0].set(part), Ok(()), "what has ended is not held");
    }
}
