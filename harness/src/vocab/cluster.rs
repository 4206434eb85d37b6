//! What joins several servers, in the words of scenarios, manifests and the fixture contract.

/// How nodes tell one another what their clients are to get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Adapter {
    /// Redis, publish and subscribe.
    #[default]
    Redis,
    /// The same with sharded channels.
    RedisSharded,
    /// Redis, a stream.
    RedisStreams,
    /// `PostgreSQL`, notifications.
    Postgres,
    /// Nothing outside: the nodes are workers of Node's cluster module.
    Workers,
}

impl Adapter {
    pub const NAMES: [&'static str; 5] = ["redis", "redis-sharded", "redis-streams", "postgres", "cluster"];
    const ALL: [Self; 5] = [Self::Redis, Self::RedisSharded, Self::RedisStreams, Self::Postgres, Self::Workers];

    /// As manifests, scenarios and `SIO_ADAPTER` spell it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|adapter| adapter.name() == name)
    }

    /// What it goes over.
    pub fn medium(self) -> Medium {
        match self {
            Self::Redis | Self::RedisSharded | Self::RedisStreams => Medium::Redis,
            Self::Postgres => Medium::Postgres,
            Self::Workers => Medium::Primary,
        }
    }
}

/// What stands between the nodes of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    Redis,
    Postgres,
    /// The primary of Node's cluster module.
    Primary,
}

impl Medium {
    pub const NAMES: [&'static str; 3] = ["redis", "postgres", "cluster"];
    const ALL: [Self; 3] = [Self::Redis, Self::Postgres, Self::Primary];

    /// As scenarios spell it in `broker`.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|medium| medium.name() == name)
    }

    /// The adapter that is meant unless another one is said.
    pub fn usual_adapter(self) -> Adapter {
        match self {
            Self::Redis => Adapter::Redis,
            Self::Postgres => Adapter::Postgres,
            Self::Primary => Adapter::Workers,
        }
    }
}

/// Where the broker is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Broker {
    /// sio-bench starts one.
    #[default]
    Started,
    /// One that runs, at this host and port; ahead of them may stand who one is, with `@`.
    At(String),
}

impl Broker {
    /// `user:password@`, which is nothing as a rule, and `host:port`.
    pub fn parts(address: &str) -> (&str, &str) {
        address.split_at(address.rfind('@').map_or(0, |at| at + 1))
    }
}

/// Nodes that know of one another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    pub adapter: Adapter,
    pub broker: Broker,
}

/// What stands in front of the nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balancer {
    /// Nothing: users are spread over the nodes, and each one's is known.
    #[default]
    None,
    /// A node keeps whoever shows the cookie it was given.
    Cookie,
    /// A node keeps an address.
    Source,
    /// Connections go to the nodes in turn.
    RoundRobin,
}

impl Balancer {
    pub const NAMES: [&'static str; 4] = ["none", "cookie", "source", "round-robin"];
    const ALL: [Self; 4] = [Self::None, Self::Cookie, Self::Source, Self::RoundRobin];

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().position(|known| *known == name).map(|index| Self::ALL[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_no_part_of_a_place() {
        assert_eq!(Broker::parts("h:1"), ("", "h:1"));
        assert_eq!(Broker::parts("u:p@ss@h:1"), ("u:p@ss@", "h:1"));
    }

    #[test]
    fn names_lead_back() {
        for adapter in Adapter::ALL {
            assert_eq!(Adapter::from_name(adapter.name()), Some(adapter));
        }
        for medium in Medium::ALL {
            assert_eq!(Medium::from_name(medium.name()), Some(medium));
            assert_eq!(medium.usual_adapter().medium(), medium);
        }
        assert_eq!(Balancer::from_name("round-robin"), Some(Balancer::RoundRobin));
        assert_eq!((Balancer::from_name("x"), Adapter::from_name("nats")), (None, None));
    }
}
