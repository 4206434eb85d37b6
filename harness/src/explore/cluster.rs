//! What a program needs between several servers: that they know of one another, and that what one has said has come to the others.

use std::time::Duration;

use serde_json::json;

use super::perform::Player;
use super::program::Emit;
use crate::clock;

/// Servers that do not know of one another by then never will.
const MEETING: Duration = Duration::from_secs(4);
/// Between two questions.
const AGAIN: Duration = Duration::from_millis(5);

impl Player<'_> {
    /// Waits until each server answers with the sockets of all: it hears what the others say then.
    pub(super) async fn meet(&self) {
        if self.stage.nodes() == 1 {
            return;
        }
        let end = clock::now() + MEETING;
        for (client, namespace) in self.first_of_each() {
            let wanted = self.present(namespace);
            while self.listed(client, namespace).await < wanted && !self.world.borrow().stuck {
                if clock::now() > end {
                    return self.wait_no_more(format!("the servers do not know of one another after {MEETING:?}"));
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// From every server a message to all, and a question behind it: when that is answered, what the server had said before has come
    /// to the others.
    pub(super) async fn cross(&self) {
        if self.stage.nodes() == 1 {
            return;
        }
        for (client, namespace) in self.first_of_each() {
            self.emit(client, namespace, &Emit::default()).await;
            self.listed(client, namespace).await;
        }
    }

    /// In each namespace, the first client of each server that has a socket there.
    fn first_of_each(&self) -> Vec<(u8, u8)> {
        let (clients, nodes) = (self.world.borrow().clients.len() as u8, self.stage.nodes());
        let is_in = |client: &u8, namespace| self.socket(*client, namespace).is_some();
        let first = |node: u8, namespace: u8| {
            let client = (node..clients).step_by(nodes.into()).find(|client| is_in(client, namespace));
            client.map(|client| (client, namespace))
        };
        (0..self.namespaces).flat_map(|namespace| (0..nodes).filter_map(move |node| first(node, namespace))).collect()
    }

    /// How many sockets of ours are in a namespace.
    fn present(&self, namespace: u8) -> usize {
        let clients = self.world.borrow().clients.len() as u8;
        (0..clients).filter(|client| self.socket(*client, namespace).is_some()).count()
    }

    /// How many sockets a server finds in all of the cluster.
    async fn listed(&self, client: u8, namespace: u8) -> usize {
        let answer = self.ask(client, namespace, json!(["select", { "op": "fetch" }])).await;
        answer.as_array().map_or(0, Vec::len)
    }
}
