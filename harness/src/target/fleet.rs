//! The servers of one run: mostly one, sometimes several side by side.

use std::process::ExitStatus;

use super::balancer::Balancer;
use super::{Choice, Crew, Error, Joint, Launch, Prepared, Target, joins, prepare, version_of};
use crate::client::Endpoint;
use crate::vocab::{self, Cluster};

/// What is to be started.
#[derive(Clone, Debug, Default)]
pub struct Formation {
    /// One for each node.
    pub choices: Vec<Choice>,
    /// What joins them; without it they do not know of one another.
    pub cluster: Option<Cluster>,
    /// What stands in front of them.
    pub balancer: vocab::Balancer,
    /// The fleet's name, if it is a target of its own.
    pub name: Option<String>,
    /// Whether each node's way to the broker can be disturbed.
    pub linked: bool,
}

impl Formation {
    /// How many addresses users know.
    pub fn doors(&self) -> usize {
        if self.balancer == vocab::Balancer::None { self.choices.len() } else { 1 }
    }

    /// As one target, for cases.
    pub fn alone(&self) -> Choice {
        let name = self.name.as_deref().unwrap_or("cluster");
        match (&self.cluster, self.choices.as_slice()) {
            (Some(cluster), nodes) => Choice::Crew(Box::new(Crew::new(name, nodes.to_vec(), cluster.clone()))),
            (None, [first, ..]) => first.clone(),
            (None, []) => Choice::Reference,
        }
    }
}

/// Servers that answer, and how to start them again.
pub struct Fleet {
    nodes: Vec<Target>,
    prepared: Vec<Prepared>,
    joint: Option<Joint>,
    balancer: Option<Balancer>,
    /// Where users knock: the balancer, or each node.
    doors: Vec<Endpoint>,
    launch: Launch,
    path: Option<String>,
}

impl Fleet {
    /// Starts what joins the servers, and a server for each choice, and waits until all of them answer.
    pub async fn start(formation: &Formation, path: Option<&str>, launch: &Launch) -> Result<Self, Error> {
        let Formation { choices, cluster, name, linked, .. } = formation;
        if let Some(cluster) = cluster {
            choices.iter().try_for_each(|choice| joins(choice, cluster.adapter))?;
        }
        let mut prepared = Vec::new();
        for choice in choices {
            prepared.push(prepare(choice).await?);
        }
        let joint = match cluster {
            Some(cluster) => Some(Joint::start(cluster, &prepared, *linked, &launch.stderr).await?),
            None => None,
        };
        let mut nodes = Vec::new();
        for (index, ready) in prepared.iter_mut().enumerate() {
            let env = match &joint {
                Some(joint) => joint.env(index),
                None if choices.len() > 1 => Vec::from([("SIO_NODE", index.to_string())]),
                None => Vec::new(),
            };
            *ready = ready.clone().with_envs(env);
            nodes.push(ready.start(path, launch).await?);
        }
        let Some(first) = nodes.first_mut() else {
            return Err(Error::Usage("there is no target".to_owned()));
        };
        if let Some(cluster) = cluster {
            first.info.version = Some(version_of(&prepared, cluster));
            first.info.name = name.clone().unwrap_or_else(|| first.info.name.clone());
        }
        if nodes[0].endpoint.secure && formation.balancer == vocab::Balancer::Cookie {
            let why = "the balancer `cookie` reads requests, and cannot where the nodes speak TLS; take `source`";
            return Err(Error::Usage(why.to_owned()));
        }
        let addresses = nodes.iter().map(|node| node.endpoint.address()).collect();
        let balancer = Balancer::start(formation.balancer, addresses)
            .map_err(|error| Error::Unreachable(format!("the balancer cannot be started: {error}")))?;
        let doors = match &balancer {
            Some(balancer) => vec![behind(balancer, &mut nodes[0]).await?],
            None => nodes.iter().map(|node| node.endpoint.clone()).collect(),
        };
        let (launch, path) = (launch.clone(), path.map(ToOwned::to_owned));
        Ok(Self { nodes, prepared, joint, balancer, doors, launch, path })
    }

    /// Where users knock; at least one.
    pub fn doors(&self) -> &[Endpoint] {
        &self.doors
    }

    /// What stands in front of the nodes, if anything does.
    pub fn balancer(&self) -> Option<&Balancer> {
        self.balancer.as_ref()
    }

    /// All of them; at least one.
    pub fn nodes(&self) -> &[Target] {
        &self.nodes
    }

    /// The one that names the target.
    pub fn first(&self) -> &Target {
        &self.nodes[0]
    }

    /// Whether every node answers a fence.
    pub fn is_fenced(&self) -> bool {
        self.nodes.iter().all(|node| node.info.fence)
    }

    /// The processes that sio-bench started.
    pub fn pids(&self) -> Vec<u32> {
        let home = self.joint.as_ref().and_then(Joint::home);
        self.nodes.iter().filter_map(|node| node.info.pid).chain(home).collect()
    }

    /// The process of a node.
    pub fn pid(&self, node: u32) -> Option<u32> {
        self.nodes.get(node as usize)?.child.as_ref().map(super::Child::pid)
    }

    /// How the first process that has ended did so.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.nodes.iter_mut().find_map(|node| node.child.as_mut()?.ended())
    }

    /// What joins the nodes, if anything does.
    pub fn joint(&mut self) -> Option<&mut Joint> {
        self.joint.as_mut()
    }

    /// What the process that has ended said last.
    pub fn last_words(&self) -> String {
        self.nodes.iter().find_map(|node| node.child.as_ref()).map(super::Child::last_words).unwrap_or_default()
    }

    /// Ends a node, which is to be started again.
    pub async fn end_node(&mut self, node: u32, kill: bool) -> Result<(), Error> {
        let Some(child) = self.nodes.get_mut(node as usize).and_then(|node| node.child.take()) else {
            return Err(Error::Usage(format!("node {node} was not started by sio-bench")));
        };
        if kill {
            child.kill().await;
        } else {
            child.stop().await;
        }
        Ok(())
    }

    /// Starts a node again. It may listen elsewhere then, and so may its door.
    pub async fn start_node(&mut self, node: u32) -> Result<(), Error> {
        let index = node as usize;
        let path = self.nodes[index].endpoint.path.clone();
        let launch = Launch { trust: true, ..self.launch.clone() };
        self.nodes[index] = self.prepared[index].start(self.path.as_deref(), &launch).await?;
        // What the probe has found out at the first start.
        self.nodes[index].endpoint.path = path;
        let endpoint = self.nodes[index].endpoint.clone();
        match &self.balancer {
            Some(balancer) => balancer.moved(index, endpoint.address()),
            None => self.doors[index] = endpoint,
        }
        Ok(())
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

/// The address of a balancer, which stands for that of the first node from now on.
async fn behind(balancer: &Balancer, first: &mut Target) -> Result<Endpoint, Error> {
    let scheme = if first.endpoint.secure { "https" } else { "http" };
    let url = format!("{scheme}://{}", balancer.address());
    // With the certificate that was made for it, if one was.
    let door = Endpoint::resolve(&url, Some(&first.endpoint.path), first.endpoint.manner.clone()).await;
    let door = door.map_err(Error::Usage)?;
    first.info.url.clone_from(&door.url);
    Ok(door)
}
