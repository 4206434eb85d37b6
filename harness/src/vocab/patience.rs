//! How long a step waits when it names no time of its own.

use std::time::Duration;

/// For an answer.
pub const ANSWER: Duration = Duration::from_secs(5);
/// For an expected event.
pub const EVENT: Duration = Duration::from_secs(2);
