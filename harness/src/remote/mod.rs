//! One run on several machines: a coordinator and its workers, and what they say to each other over NATS.
//!
//! The coordinator gives out the parts of a run ([`desk`]), each worker takes one ([`mod@line`]), and both say again and again how things
//! stand ([`wire`]), so a message that is lost is no harm. What is asked is answered, or asked again, until a deadline ([`bus`]). Where the coordinator is gone, a worker offers its part for a while
//! ([`linger`]), and somebody else takes it ([`collector`]). Everything
//! that comes in is somebody else's: it is small, or it is refused, and no name in it is the name of a file.

pub mod bundle;
pub mod bus;
mod clocks;
pub mod collector;
pub mod coordinator;
pub mod desk;
pub mod files;
pub mod line;
pub mod linger;
pub mod permit;
pub mod slot;
pub mod wire;
