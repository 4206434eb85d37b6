//! The servers of one run: mostly one, sometimes several side by side.

use std::process::ExitStatus;
use std::time::Duration;

use super::{Choice, Error, Launch, Prepared, Target, prepare};
use crate::client::Endpoint;

/// Servers that answer, and how to start them again.
pub struct Fleet {
    nodes: Vec<Target>,
    prepared: Vec<Prepared>,
    launch: Launch,
    path: Option<String>,
}

impl Fleet {
    /// Starts a server for each choice and waits until all of them answer.
    pub async fn start(choices: &[Choice], path: Option<&str>, launch: &Launch) -> Result<Self, Error> {
        let (mut nodes, mut prepared) = (Vec::new(), Vec::new());
        for choice in choices {
            let ready = prepare(choice).await?;
            nodes.push(ready.start(path, launch).await?);
            prepared.push(ready);
        }
        if nodes.is_empty() {
            return Err(Error::Usage("there is no target".to_owned()));
        }
        Ok(Self { nodes, prepared, launch: launch.clone(), path: path.map(ToOwned::to_owned) })
    }

    /// All of them; at least one.
    pub fn nodes(&self) -> &[Target] {
        &self.nodes
    }

    /// The one that cases talk to, and that names the target.
    pub fn first(&self) -> &Target {
        &self.nodes[0]
    }

    /// Whether every node answers a fence.
    pub fn is_fenced(&self) -> bool {
        self.nodes.iter().all(|node| node.info.fence)
    }

    /// The processes that sio-bench started.
    pub fn pids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(|node| node.info.pid).collect()
    }

    /// The process of a node.
    pub fn pid(&self, node: u32) -> Option<u32> {
        self.nodes.get(node as usize)?.child.as_ref().map(super::Child::pid)
    }

    /// How the first process that has ended did so.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.nodes.iter_mut().find_map(|node| node.child.as_mut()?.ended())
    }

    /// What the process that has ended said last.
    pub fn last_words(&self) -> String {
        self.nodes.iter().find_map(|node| node.child.as_ref()).map(super::Child::last_words).unwrap_or_default()
    }

    /// Ends a node, waits for `down`, and starts it again. It may listen elsewhere then.
    pub async fn restart(&mut self, node: u32, kill: bool, down: Duration) -> Result<Endpoint, Error> {
        let index = node as usize;
        let Some(child) = self.nodes.get_mut(index).and_then(|node| node.child.take()) else {
            return Err(Error::Usage(format!("node {node} was not started by sio-bench")));
        };
        if kill {
            child.kill().await;
        } else {
            child.stop().await;
        }
        tokio::time::sleep(down).await;
        let path = self.nodes[index].endpoint.path.clone();
        let launch = Launch { trust: true, ..self.launch.clone() };
        self.nodes[index] = self.prepared[index].start(self.path.as_deref(), &launch).await?;
        // What the probe has found out at the first start.
        self.nodes[index].endpoint.path = path;
        Ok(self.nodes[index].endpoint.clone())
    }

    /// Stops what was started.
    pub async fn stop(self) {
        for node in self.nodes {
            if let Some(child) = node.child {
                child.stop().await;
            }
        }
    }
}
