//! The server under test: found, started, waited for, and stopped.

mod balancer;
mod broker;
mod certificate;
mod command;
mod crew;
mod embedded;
mod first_answer;
mod fleet;
mod folder;
mod helm;
mod joint;
mod manifest;
mod output;
mod probe;
mod process;
mod program;
mod schemes;
pub mod watcher;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;

use sio_protocol::Parser;

use self::probe::Found;
use crate::client::{ConnectOptions, Endpoint, Http, without_password};
use crate::record::TargetInfo;
use crate::vocab::{Adapter, Broker, Cluster, target_url};

pub use balancer::Balancer;
pub use command::kill_commands;
pub use crew::Crew;
pub use fleet::{Fleet, Formation};
pub use helm::Helm;
pub use joint::Joint;
pub use process::{Child, Frozen, kill_children, last_lines};

/// How servers are started.
#[derive(Clone)]
pub struct Launch {
    /// Whether the fixture keeps its journal: it is for cases that read it, not for load.
    pub journal: bool,
    /// Where the server's standard error goes.
    pub stderr: PathBuf,
    /// The program that has `serve`; this one, unless said otherwise.
    pub program: Option<PathBuf>,
    /// Options, as variables of the fixture contract.
    pub env: BTreeMap<String, String>,
    /// Whether the target is taken for what it says it is, so that nothing is sent to it at the start.
    pub trust: bool,
    /// How it is talked to.
    pub manner: Arc<ConnectOptions>,
}

/// A server that answers.
pub struct Target {
    pub endpoint: Endpoint,
    pub http: Http,
    pub info: TargetInfo,
    /// The process, when sio-bench started it.
    pub child: Option<Child>,
    /// The other nodes, if the target is a fleet.
    pub peers: Vec<Target>,
    /// What joins them.
    pub joint: Option<Joint>,
}

impl Target {
    /// The processes of all nodes that sio-bench started.
    fn children(&mut self) -> impl Iterator<Item = &mut Child> {
        self.child.iter_mut().chain(self.peers.iter_mut().filter_map(|peer| peer.child.as_mut()))
    }

    /// Returns when one of the processes ends; never, if sio-bench started none. Cancel-safe.
    pub async fn died(&mut self) -> ExitStatus {
        let waits: Vec<_> = self.children().map(|child| Box::pin(child.wait())).collect();
        if waits.is_empty() {
            return std::future::pending().await;
        }
        futures_util::future::select_all(waits).await.0
    }

    /// The numbers of the processes.
    pub fn pids(&self) -> Vec<u32> {
        let nodes = std::iter::once(self).chain(&self.peers).filter_map(|node| node.info.pid);
        nodes.chain(self.joint.as_ref().and_then(Joint::home)).collect()
    }

    /// Stops what was started.
    pub async fn stop(self) {
        let peers = self.peers.into_iter().filter_map(|peer| peer.child);
        for child in self.child.into_iter().chain(peers) {
            child.stop().await;
        }
    }
}

/// Why there is no target.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command line or a manifest is wrong: nothing was sent.
    #[error("{0}")]
    Usage(String),
    /// It cannot be reached, died, or speaks another protocol.
    #[error("{0}")]
    Unreachable(String),
}

/// Where the target comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The reference server, as a child process.
    Reference,
    /// A server that runs already.
    Url(String),
    /// A folder of `targets/`.
    Named(String),
    /// A folder that the command line names.
    Folder(PathBuf),
    /// Several servers that know of one another.
    Crew(Box<Crew>),
}

impl Choice {
    /// What `--target` says, else what the scenario says, else the reference server.
    pub fn from(option: Option<&str>, scenario: Option<&str>) -> Self {
        match option.or(scenario) {
            None | Some("reference") => Self::Reference,
            Some(url) if url.contains("://") => Self::Url(url.to_owned()),
            Some(folder) if option.is_some() && Self::is_folder(folder) => Self::Folder(folder.into()),
            Some(name) => Self::Named(name.to_owned()),
        }
    }
}

impl Choice {
    /// Whether a text names a folder of a target: only with a slash, so that no name becomes one by accident.
    fn is_folder(text: &str) -> bool {
        text.contains('/') && Path::new(text).join("target.toml").is_file()
    }
}

/// A target that is installed and can be started, more than once.
#[derive(Clone)]
pub struct Prepared {
    kind: Kind,
    name: String,
    version: Option<String>,
    lacks: BTreeMap<String, String>,
    /// Given to every process, besides the options of the cases.
    env: BTreeMap<String, String>,
}

#[derive(Clone)]
enum Kind {
    Reference,
    Url(String),
    Manifest(Box<manifest::Manifest>),
    Crew { nodes: Vec<Prepared>, cluster: Cluster, folder: Option<PathBuf> },
}

impl Kind {
    /// What is set that figures depend on, and what it is started with besides.
    fn settings(&self, env: &BTreeMap<String, String>) -> Option<String> {
        let own = match self {
            Self::Reference => "one thread; no compression of frames, HTTP compression on",
            Self::Url(_) | Self::Crew { .. } => return None,
            Self::Manifest(manifest) => manifest.settings()?,
        };
        // Which node it is, and where its broker is, makes no other figures; which adapter it has does.
        let shown = env.iter().filter(|(name, _)| *name != "SIO_NODE").map(|(name, value)| match name.as_str() {
            "SIO_ADAPTER" => (name, value.split("://").next().unwrap_or_default()),
            _ => (name, value.as_str()),
        });
        let env: Vec<_> = shown.map(|(name, value)| format!("; {name}={value}")).collect();
        Some(format!("{own}{}", env.concat()))
    }
}

/// How the reference server can be joined with others.
const REFERENCE_ADAPTERS: [&str; 3] = ["redis", "redis-sharded", "redis-streams"];

/// Finds the target, and installs it if need be.
pub async fn prepare(choice: &Choice) -> Result<Prepared, Error> {
    if let Choice::Url(url) = choice {
        target_url::check(url).map_err(Error::Usage)?;
    }
    Ok(match choice {
        Choice::Url(url) => Prepared {
            kind: Kind::Url(url.clone()),
            name: without_password(url),
            version: None,
            lacks: BTreeMap::new(),
            env: BTreeMap::new(),
        },
        Choice::Reference => {
            let version = Some(format!("sio-reference-server {}", env!("CARGO_PKG_VERSION")));
            Prepared {
                kind: Kind::Reference,
                name: "reference".to_owned(),
                version,
                lacks: BTreeMap::new(),
                env: BTreeMap::new(),
            }
        }
        Choice::Named(name) => match crew_of(choice)? {
            Some(crew) => Box::pin(prepare_crew(&crew, manifest::folder_of(name))).await?,
            None => prepare_manifest(manifest::find(name)?).await?,
        },
        Choice::Folder(folder) => prepare_folder(folder).await?,
        Choice::Crew(crew) => Box::pin(prepare_crew(crew, manifest::folder_of(&crew.name))).await?,
    })
}

/// The servers of a target that is a fleet; none, if it is a server.
pub fn crew_of(choice: &Choice) -> Result<Option<Crew>, Error> {
    match choice {
        Choice::Named(name) => manifest::folder_of(name).map_or(Ok(None), |folder| crew::read(&folder)),
        Choice::Folder(folder) => crew::read(folder),
        Choice::Crew(crew) => Ok(Some((**crew).clone())),
        Choice::Reference | Choice::Url(_) => Ok(None),
    }
}

/// Whether a server can be joined with others like this.
fn joins(choice: &Choice, adapter: Adapter) -> Result<(), Error> {
    let (name, known) = match choice {
        Choice::Reference => ("reference".to_owned(), REFERENCE_ADAPTERS.map(str::to_owned).to_vec()),
        Choice::Url(url) => (without_password(url), Vec::new()),
        Choice::Named(name) => (name.clone(), manifest::find(name)?.adapters().to_vec()),
        Choice::Folder(folder) => (folder.display().to_string(), manifest::read("", folder)?.adapters().to_vec()),
        Choice::Crew(crew) => (crew.name.clone(), Vec::new()),
    };
    if known.iter().any(|name| name == adapter.name()) {
        return Ok(());
    }
    let adapter = adapter.name();
    let has = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
    Err(Error::Usage(format!(
        "`{name}` has no adapter `{adapter}`, so it cannot be a node of this cluster; {has}\n  \
         `adapters` in a target.toml says which ones a server takes"
    )))
}

/// `socket.io 4.8.4 on Node v20.20.2, 2 nodes over redis`
fn version_of(nodes: &[Prepared], cluster: &Cluster) -> String {
    let mut kinds: Vec<&str> = nodes.iter().filter_map(|node| node.version.as_deref()).collect();
    kinds.dedup();
    format!("{}, {} nodes over {}", kinds.join(" and "), nodes.len(), cluster.adapter.name())
}

/// Prepares every server of a fleet.
async fn prepare_crew(crew: &Crew, folder: Option<PathBuf>) -> Result<Prepared, Error> {
    let (mut nodes, mut lacks) = (Vec::new(), crew.lacks.clone());
    crew.nodes.iter().try_for_each(|choice| joins(choice, crew.cluster.adapter))?;
    for choice in &crew.nodes {
        let node = prepare(choice).await?;
        node.lacks.iter().for_each(|(what, why)| _ = lacks.entry(what.clone()).or_insert_with(|| why.clone()));
        nodes.push(node);
    }
    let version = Some(version_of(&nodes, &crew.cluster));
    let kind = Kind::Crew { nodes, cluster: crew.cluster.clone(), folder };
    Ok(Prepared { kind, name: crew.name.clone(), version, lacks, env: BTreeMap::new() })
}

/// Prepares the target in a folder that need not be in `targets/`.
pub async fn prepare_folder(folder: &Path) -> Result<Prepared, Error> {
    // Commands run in it, so that a path that leads there from here leads nowhere from there.
    let folder = folder
        .canonicalize()
        .map_err(|error| Error::Usage(format!("cannot read the target's folder {}: {error}", folder.display())))?;
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some(crew) = crew::read(&folder)? {
        return Box::pin(prepare_crew(&crew, Some(folder))).await;
    }
    prepare_manifest(manifest::read(&name, &folder)?).await
}

async fn prepare_manifest(manifest: manifest::Manifest) -> Result<Prepared, Error> {
    let manifest = manifest.where_it_can_be_installed()?;
    manifest.install().await?;
    let (name, version, lacks) = (manifest.name.clone(), manifest.version().await, manifest.lacks().clone());
    Ok(Prepared { kind: Kind::Manifest(Box::new(manifest)), name, version, lacks, env: BTreeMap::new() })
}

impl Prepared {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same, with more in the environment of its processes.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same, with more of that.
    #[must_use]
    fn with_envs<'a>(mut self, env: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        self.env.extend(env.into_iter().map(|(name, value)| (name.to_owned(), value)));
        self
    }

    /// Whether it is one process that sio-bench starts.
    pub fn is_one_server(&self) -> bool {
        matches!(self.kind, Kind::Reference | Kind::Manifest(_))
    }

    /// Whether it speaks revision 3 of Engine.IO, and not 4.
    pub fn is_old(&self) -> bool {
        matches!(&self.kind, Kind::Manifest(manifest) if manifest.is_old())
    }

    /// Whether sio-bench starts it, and can therefore give it options.
    pub fn is_managed(&self) -> bool {
        !matches!(self.kind, Kind::Url(_))
    }

    /// What it says it cannot do, and why.
    pub fn lacks(&self) -> &BTreeMap<String, String> {
        &self.lacks
    }

    /// Whether it is known to handle the events of one connection in their order.
    pub fn is_in_order(&self) -> bool {
        match &self.kind {
            Kind::Crew { nodes, .. } => nodes.iter().all(Self::is_in_order),
            _ => ["reference", "node", "bun", "deno"].contains(&self.name()),
        }
    }

    /// What it prints as a list of what it can be made to do wrong, if it has such a list.
    pub async fn faults(&self) -> Result<Option<String>, Error> {
        match &self.kind {
            Kind::Manifest(manifest) => manifest.faults().await,
            Kind::Reference | Kind::Url(_) | Kind::Crew { .. } => Ok(None),
        }
    }

    /// The folder of a target in `targets/`.
    pub fn folder(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Manifest(manifest) => Some(&manifest.folder),
            Kind::Crew { folder, .. } => folder.as_deref(),
            Kind::Reference | Kind::Url(_) => None,
        }
    }

    /// Starts the target if need be and waits until a handshake and a fence succeed.
    pub async fn start(&self, path: Option<&str>, launch: &Launch) -> Result<Target, Error> {
        let mut launch = launch.clone();
        launch.env.extend(self.env.clone());
        let secure = self.is_managed() && certificate::is_wanted(&launch);
        let _key = if secure { Some(certificate::make(&mut launch)?) } else { None };
        let launch = &launch;
        let local = |port: u16| format!("{}://127.0.0.1:{port}", if secure { "https" } else { "http" });
        let (url, child) = match &self.kind {
            Kind::Crew { nodes, cluster, .. } => {
                return Box::pin(self.start_crew(nodes, cluster, path, launch)).await;
            }
            Kind::Url(url) => (url.clone(), None),
            Kind::Reference => {
                let (child, port) = process::start_reference(launch).await?;
                (local(port), Some(child))
            }
            Kind::Manifest(manifest) => {
                let (child, port) = process::start_manifest(manifest, launch).await?;
                (local(port), Some(child))
            }
        };
        let mut endpoint = Endpoint::resolve(&url, path, launch.manner.clone()).await.map_err(Error::Usage)?;
        let http = crate::client::http_client(&launch.manner);
        let msgpack = launch.env.get("SIO_PARSER").is_some_and(|parser| parser == "msgpack");
        let parser = if msgpack { Parser::MessagePack } else { launch.manner.parser };
        let old = self.is_old();
        if old {
            first_answer::check_old(&endpoint, &http, &self.name).await?;
        }
        let found = if launch.trust || old {
            Found { fence: !old, remarks: Vec::new() }
        } else {
            endpoint.settle().await;
            // On the heap: it is done once, and what waits for it is large enough.
            Box::pin(probe::check(&mut endpoint, &http, parser)).await?
        };
        let pid = child.as_ref().map(Child::pid);
        let (name, version) = (self.name.clone(), self.version.clone());
        let settings = self.kind.settings(&launch.env);
        let addresses = endpoint.addresses().iter().map(ToString::to_string).collect::<Vec<_>>();
        let info = TargetInfo {
            name,
            url: endpoint.url.clone(),
            version,
            pid,
            fence: found.fence,
            fixture: None,
            settings,
            addresses: if addresses.len() > 1 { addresses } else { Vec::new() },
            remarks: found.remarks,
        };
        Ok(Target { endpoint, http, info, child, peers: Vec::new(), joint: None })
    }

    /// Starts a broker and every node; the first of them is the target.
    async fn start_crew(
        &self,
        nodes: &[Self],
        cluster: &Cluster,
        path: Option<&str>,
        launch: &Launch,
    ) -> Result<Target, Error> {
        let joint = Joint::start(cluster, nodes, false, &launch.stderr).await?;
        let mut started = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            started.push(node.clone().with_envs(joint.env(index)).start(path, launch).await?);
        }
        let mut started = started.into_iter();
        let Some(mut first) = started.next() else {
            return Err(Error::Usage(format!("the fleet {} has no nodes", self.name)));
        };
        (first.info.name, first.info.version) = (self.name.clone(), self.version.clone());
        first.peers = started.collect();
        first.joint = Some(joint);
        Ok(first)
    }
}

/// Prepares a target and starts it once.
pub async fn start(choice: &Choice, path: Option<&str>, launch: &Launch) -> Result<Target, Error> {
    prepare(choice).await?.start(path, launch).await
}

/// Two reference servers that an adapter joins over a Redis that is started for them.
pub async fn reference_fleet(adapter: Adapter) -> Result<Prepared, Error> {
    let cluster = Cluster { adapter, broker: Broker::Started };
    let mut crew = Crew::new("two reference servers", vec![Choice::Reference; 2], cluster);
    if adapter != Adapter::RedisStreams {
        let why = "over publish and subscribe nothing is kept of what was said";
        crew.lacks.insert("recovery".to_owned(), why.to_owned());
    }
    prepare(&Choice::Crew(Box::new(crew))).await
}

/// Whether a Redis can be started here; else how to install it.
pub fn has_redis() -> Result<(), Error> {
    broker::has_redis()
}

/// The folder of a target in `targets/`.
pub fn folder(name: &str) -> Option<PathBuf> {
    manifest::folder_of(name)
}

/// The folder `targets` itself.
pub fn home() -> Option<PathBuf> {
    manifest::folders().into_iter().find(|folder| folder.is_dir())
}

/// Names in `targets/`, for messages and lists.
pub fn names() -> Vec<String> {
    manifest::names()
}
