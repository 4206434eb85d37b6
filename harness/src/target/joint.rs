//! What joins the servers of a cluster, while it runs: the broker or what stands in its place, and each node's way to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::broker::Service;
use super::process::Frozen;
use super::{Error, Prepared};
use crate::vocab::{Adapter, Broker, Cluster};
use crate::wire::{Link, LinkAction};

/// What joins servers.
pub struct Joint {
    adapter: Adapter,
    /// None, if it was not started by sio-bench.
    service: Option<Service>,
    /// Who the nodes are for a broker that asks, with `@`; nothing, as a rule.
    credentials: String,
    /// Host and port, as the nodes are told; their links stand in its place.
    address: String,
    /// Each node's own way to the broker, where it is to be disturbed.
    links: Vec<Link>,
}

impl Joint {
    /// Starts a broker, if it does not run already, and links for the nodes, if their ways are to be disturbed. What the broker
    /// says goes beside `stderr`.
    pub(super) async fn start(
        cluster: &Cluster,
        nodes: &[Prepared],
        linked: bool,
        stderr: &Path,
    ) -> Result<Self, Error> {
        let (service, credentials, address) = match &cluster.broker {
            Broker::Started => {
                let service = Service::start(cluster.adapter.medium(), nodes, &log_beside(stderr)).await?;
                let address = service.address().to_string();
                (Some(service), String::new(), address)
            }
            Broker::At(place) => {
                let (credentials, address) = Broker::parts(place);
                (None, credentials.to_owned(), address.to_owned())
            }
        };
        let mut links = Vec::new();
        if linked {
            let broker = resolve(&address).await?;
            for _ in nodes {
                let link = Link::open(broker, Duration::ZERO).await;
                links.push(link.map_err(|error| Error::Unreachable(format!("no relay to the broker: {error}")))?);
            }
        }
        Ok(Self { adapter: cluster.adapter, service, credentials, address, links })
    }

    /// What a node has to know.
    pub(super) fn env(&self, node: usize) -> Vec<(&'static str, String)> {
        let own = self.links.get(node).map(|link| link.address().to_string());
        let address = own.unwrap_or_else(|| self.address.clone());
        let address = match &self.service {
            Some(service) => service.at(&address),
            None => address,
        };
        let broker = format!("{}://{}{address}", self.adapter.name(), self.credentials);
        vec![("SIO_NODE", node.to_string()), ("SIO_ADAPTER", broker)]
    }

    /// The process in which the nodes live, if they do not live in their own.
    pub fn home(&self) -> Option<u32> {
        self.service.as_ref()?.home()
    }

    /// Whether the broker has ended although nobody asked it to, and what it said last.
    pub fn lost(&mut self) -> Option<String> {
        self.service.as_mut()?.lost()
    }

    /// Stops the broker until what is returned is dropped.
    pub fn freeze(&self) -> Option<Frozen> {
        self.service.as_ref()?.freeze()
    }

    /// Ends the broker, without a word or as an operator would; what it was to pass on is gone.
    pub async fn down(&mut self, kill: bool) {
        if let Some(service) = &mut self.service {
            service.down(kill).await;
        }
    }

    /// Starts the broker again, where it was.
    pub async fn up(&mut self) -> Result<(), Error> {
        match &mut self.service {
            Some(service) => service.up().await,
            None => Err(Error::Usage("the broker was not started by sio-bench".to_owned())),
        }
    }

    /// Does something to a node's way to the broker, or to all of them.
    pub fn link(&self, node: Option<u32>, action: LinkAction) {
        let meant = |index: usize| node.is_none_or(|node| node as usize == index);
        self.links.iter().enumerate().filter(|(index, _)| meant(*index)).for_each(|(_, link)| link.act(action));
    }
}

/// `target.stderr`: `target.broker`.
fn log_beside(stderr: &Path) -> PathBuf {
    stderr.with_extension("broker")
}

async fn resolve(address: &str) -> Result<SocketAddr, Error> {
    let found = tokio::net::lookup_host(address).await.ok().and_then(|mut found| found.next());
    found.ok_or_else(|| Error::Usage(format!("the broker {address} has no address that is known here")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A relay on the way to a broker does not take the password out of what a node is told.
    #[tokio::test]
    async fn a_password_of_the_broker_reaches_the_nodes_whatever_is_on_the_way() {
        let cluster = Cluster { broker: Broker::At("u:pw@127.0.0.1:1".to_owned()), ..Cluster::default() };
        let node = super::super::prepare(&super::super::Choice::Reference).await.unwrap();
        for linked in [false, true] {
            let joint =
                Joint::start(&cluster, std::slice::from_ref(&node), linked, Path::new("x.stderr")).await.unwrap();
            let told = joint.env(0).pop().unwrap().1;
            assert!(told.starts_with("redis://u:pw@127.0.0.1:"), "{told}");
            assert_eq!(told.ends_with(":1"), !linked, "{told}");
        }
    }
}
