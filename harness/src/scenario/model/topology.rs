//! Whether the servers of a run know of one another.

/// How the servers of a run stand to one another; another set of rules holds for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Topology {
    /// There is one.
    #[default]
    Single,
    /// There are several, and each is on its own: a message reaches users of its sender's server alone.
    Islands,
    /// There are several that pass messages on, so that a room is one room on all of them.
    Cluster,
}

impl Topology {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Single, Self::Islands, Self::Cluster];

    /// Its name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Islands => "islands",
            Self::Cluster => "cluster",
        }
    }
}

/// What tells to which server of a cluster a user is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeLabel {
    /// A header of the answer that opens the connection, in lower case.
    Header(String),
    /// A cookie that is set by it.
    Cookie(String),
}
