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
}

impl Adapter {
    pub const NAMES: [&'static str; 3] = ["redis", "redis-sharded", "redis-streams"];
    const ALL: [Self; 3] = [Self::Redis, Self::RedisSharded, Self::RedisStreams];

    /// As manifests, scenarios and `SIO_ADAPTER` spell it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|adapter| adapter.name() == name)
    }
}

/// Where the broker is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Broker {
    /// sio-bench starts one.
    #[default]
    Started,
    /// One that runs, at this host and port.
    At(String),
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
    fn names_lead_back() {
        for adapter in Adapter::ALL {
            assert_eq!(Adapter::from_name(adapter.name()), Some(adapter));
        }
        assert_eq!(Balancer::from_name("round-robin"), Some(Balancer::RoundRobin));
        assert_eq!((Balancer::from_name("x"), Adapter::from_name("nats")), (None, None));
    }
}
