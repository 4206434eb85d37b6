//! What every other module may name: plain words, numbers and texts. It imports nothing of ours.

mod about;
mod class;
mod cluster;
pub mod fnv;
pub mod id;
pub mod legacy;
pub mod lock;
pub mod measure;
pub mod patience;
pub mod pattern;
pub mod quantity;
pub mod samples;
pub mod stamp;
pub mod target_url;
pub mod text;
mod transport;
mod trust;

pub use about::ThresholdKind;
pub use class::{Class, Origin};
pub use cluster::{Adapter, Balancer, Broker, Cluster, Medium};
pub use measure::Measure;
pub use transport::Transport;
pub use trust::Trust;

/// The reason of a run that the user ended, in words. Nothing is decided by them: that is `record::EndedBy`.
pub const INTERRUPTED: &str = "interrupted";
