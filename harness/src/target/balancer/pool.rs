//! The nodes behind a balancer, and which of them is meant.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::vocab::lock::RwLockExt;

/// How long a node has to take a connection: one that stands still may take none.
const CONNECT: Duration = Duration::from_secs(10);

/// Nodes, some of which may be down.
pub(super) struct Pool {
    nodes: RwLock<Vec<SocketAddr>>,
    turn: AtomicUsize,
}

impl Pool {
    pub(super) fn new(nodes: Vec<SocketAddr>) -> Self {
        Self { nodes: RwLock::new(nodes), turn: AtomicUsize::new(0) }
    }

    pub(super) fn moved(&self, node: usize, address: SocketAddr) {
        if let Some(place) = self.nodes.write_unpoisoned().get_mut(node) {
            *place = address;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.read_unpoisoned().len()
    }

    fn address(&self, node: usize) -> Option<SocketAddr> {
        self.nodes.read_unpoisoned().get(node).copied()
    }

    /// The one whose turn it is.
    pub(super) fn next(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed) % self.len().max(1)
    }

    /// The one that an address always gets.
    pub(super) fn of_source(&self, source: IpAddr) -> usize {
        let mut hasher = DefaultHasher::new();
        source.hash(&mut hasher);
        (hasher.finish() % self.len().max(1) as u64) as usize
    }

    /// A connection to this node, or to the next one that takes it; and which it is.
    pub(super) async fn connect(&self, wanted: usize) -> Option<(usize, TcpStream)> {
        let nodes = self.len();
        for offset in 0..nodes {
            let node = (wanted + offset) % nodes;
            let Some(address) = self.address(node) else { continue };
            if let Ok(Ok(stream)) = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
                let _ = stream.set_nodelay(true);
                return Some((node, stream));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_have_turns_and_addresses_keep_theirs() {
        let pool = Pool::new(vec![SocketAddr::from(([127, 0, 0, 1], 1)); 3]);
        let turns: Vec<_> = (0..6).map(|_| pool.next()).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
        let of = |last: u8| pool.of_source(IpAddr::from([127, 0, 0, last]));
        assert!((1..=9).all(|last| of(last) == of(last)));
        assert!((1..=9).any(|last| of(last) != of(1)), "all addresses on one node");
    }
}
