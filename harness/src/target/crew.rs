//! `targets/NAME/target.toml` of a fleet: which servers it is made of, and what joins them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::{Choice, Error};
use crate::guess::did_you_mean;
use crate::input;
use crate::vocab::{Adapter, Broker, Cluster};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// One sentence about it.
    #[expect(dead_code, reason = "for the reader of the file")]
    about: String,
    /// Names of targets, one for each node.
    nodes: Vec<String>,
    /// What joins them.
    adapter: String,
    /// What it cannot do as a whole, and why.
    #[serde(default)]
    lacks: BTreeMap<String, String>,
}

/// Several servers that are one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crew {
    pub name: String,
    /// One for each node.
    pub nodes: Vec<Choice>,
    pub cluster: Cluster,
    pub(super) lacks: BTreeMap<String, String>,
}

impl Crew {
    pub(super) fn new(name: &str, nodes: Vec<Choice>, cluster: Cluster) -> Self {
        Self { name: name.to_owned(), nodes, cluster, lacks: BTreeMap::new() }
    }

    /// So many nodes of these kinds, in turns.
    pub fn of_size(&self, nodes: usize) -> Vec<Choice> {
        self.nodes.iter().cycle().take(nodes).cloned().collect()
    }
}

/// The fleet in a folder; none, if it holds a server.
pub(super) fn read(folder: &Path) -> Result<Option<Crew>, Error> {
    let path = folder.join("target.toml");
    let Ok(text) = input::text(&path) else { return Ok(None) };
    // What cannot be read at all is told by whoever takes it for a server.
    let Ok(table) = text.parse::<toml::Table>() else { return Ok(None) };
    if !table.contains_key("nodes") {
        return Ok(None);
    }
    let wrong = |what: String| Error::Usage(format!("{} is wrong: {what}", path.display()));
    let file: File = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if file.nodes.len() < 2 {
        return Err(wrong(format!("`nodes` are {}; a fleet has two at least", file.nodes.len())));
    }
    let Some(adapter) = Adapter::from_name(&file.adapter) else {
        let guess = did_you_mean(&file.adapter, Adapter::NAMES);
        let known = Adapter::NAMES.join(", ");
        return Err(wrong(format!("there is no adapter `{}`{guess}; there are {known}", file.adapter)));
    };
    let nodes = file.nodes.iter().map(|name| Choice::from(None, Some(name))).collect();
    let cluster = Cluster { adapter, broker: Broker::Started };
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Some(Crew { name, nodes, cluster, lacks: file.lacks }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read_text(text: &str) -> Result<Option<Crew>, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("target.toml"), text).unwrap();
        read(folder.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_fleet_says_its_nodes_and_what_joins_them() {
        let crew = read_text("about = 'x'\nnodes = ['node', 'reference']\nadapter = 'redis-streams'").unwrap().unwrap();
        assert_eq!(crew.nodes, [Choice::Named("node".to_owned()), Choice::Reference]);
        assert_eq!(crew.cluster.adapter, Adapter::RedisStreams);
        let three = crew.of_size(3);
        assert_eq!(three[2], crew.nodes[0]);
        assert_eq!(read_text("about = 'x'\nstart = ['x']"), Ok(None));
    }

    #[test]
    fn what_is_no_fleet_is_refused() {
        let problem = |text: &str| read_text(&format!("about = 'x'\n{text}")).unwrap_err();
        assert!(problem("nodes = ['node']\nadapter = 'redis'").contains("two at least"));
        assert!(problem("nodes = ['node', 'node']\nadapter = 'rediss'").contains("did you mean `redis`"));
        assert!(problem("nodes = ['node', 'node']").contains("adapter"));
    }
}
