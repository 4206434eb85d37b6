//! Redis as the broker, in the formats of Socket.IO's own adapters: nodes of Node and of this server form one cluster.

mod broker;
mod emitter;
mod link;
mod outbox;
mod routes;
mod stream;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::io::tcp::socket2::TcpKeepalive;
use redis::{Client, IntoConnectionInfo, ProtocolVersion};
use tokio::runtime::Handle;

use super::member::{Member, Parts};
use super::{Broker as _, next_id};
use crate::adapter::Adapter;
use crate::options::{AdapterFactory, JoinCluster, Options};
use broker::RedisBroker;
pub use emitter::RedisEmitter;
pub use link::RedisStats;
use link::Tasks;

/// Which of Socket.IO's adapters the nodes of the cluster use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `createAdapter` of `@socket.io/redis-adapter`.
    Classic,
    /// `createShardedAdapter` of `@socket.io/redis-adapter`; needs Redis 7.
    Sharded,
    /// `@socket.io/redis-streams-adapter`.
    Streams,
}

/// What names begin with.
const PREFIX: &str = "socket.io";

/// Makes a server one of several nodes that share a Redis.
///
/// ```no_run
/// use sio_reference_server::{Redis, Server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let redis = Redis::connect("redis://127.0.0.1:6379")?;
/// let io = Server::builder().adapter(redis).build();
/// io.listen("127.0.0.1:3000").await?.run().await?;
/// # Ok(())
/// # }
/// ```
///
/// One of these is for one server. What is emitted goes to the clients of this node at once, and into a queue for the others: nothing here waits for Redis. When it
/// is away, the queue holds [so much](Self::QUEUE), and what comes then is dropped and [counted](Self::stats); the link is made again
/// after a tenth of a second at first, and after two seconds at most.
#[derive(Clone)]
pub struct Redis {
    kind: Kind,
    prefix: String,
    tasks: Arc<Tasks>,
}

/// Why there can be no link to a Redis.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// The address makes no sense.
    #[error(
        "{url:?} is no address of a Redis: {error}\n  expected redis://host:port, redis-sharded://host:port or redis-streams://host:port"
    )]
    Address {
        /// What was given, without a password.
        url: String,
        /// What is wrong with it.
        error: redis::RedisError,
    },
    /// There is nobody who could keep the link up.
    #[error("no tokio runtime: call this inside of one")]
    NoRuntime,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("kind", &self.kind).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Redis {
    /// Bytes that wait for Redis, and messages: 16 MiB and 65,536.
    pub const QUEUE: (usize, usize) = (16 * 1024 * 1024, 65_536);

    /// Nodes with `createAdapter` of `@socket.io/redis-adapter`. The link is made on the runtime that this is called on, in the
    /// background.
    pub fn connect(url: &str) -> Result<Self, RedisError> {
        Self::of(Kind::Classic, url)
    }

    /// Nodes with `createShardedAdapter` of `@socket.io/redis-adapter`, in its mode `dynamic`; needs Redis 7.
    pub fn sharded(url: &str) -> Result<Self, RedisError> {
        Self::of(Kind::Sharded, url)
    }

    /// Nodes with `@socket.io/redis-streams-adapter`. With
    /// [`connection_state_recovery`](crate::Builder::connection_state_recovery) clients take up on any node where their connection broke
    /// on another. Their events then carry their places in the stream, so they reach the clients of this node when they are read from
    /// there; when Redis does not answer they go out within two seconds, or at once if it is known to be away, and without a place.
    pub fn streams(url: &str) -> Result<Self, RedisError> {
        Self::of(Kind::Streams, url)
    }

    /// By the scheme of the address: `redis`, `redis-sharded`, `redis-streams`.
    pub fn by_scheme(url: &str) -> Result<Self, RedisError> {
        match url.split_once("://") {
            Some(("redis-sharded", rest)) => Self::sharded(&format!("redis://{rest}")),
            Some(("redis-streams", rest)) => Self::streams(&format!("redis://{rest}")),
            _ => Self::connect(url),
        }
    }

    fn of(kind: Kind, url: &str) -> Result<Self, RedisError> {
        let (client, runtime) = client(url)?;
        let tasks = Arc::new(Tasks::start(client, &runtime, kind == Kind::Streams));
        Ok(Self { kind, prefix: PREFIX.to_owned(), tasks })
    }

    /// What the names of all channels begin with (`socket.io`): the option `key`, or `channelPrefix`, of Socket.IO's adapters.
    /// Clusters of other prefixes do not hear of each other.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Waits until Redis knows what this node wants to hear, for so long at most; whether it does.
    pub async fn ready(&self, patience: Duration) -> bool {
        let ready = async {
            self.tasks.link.subscribed().await;
            if let Some(stream) = &self.tasks.stream {
                stream.begun().await;
            }
        };
        tokio::time::timeout(patience, ready).await.is_ok()
    }

    /// What is wrong with the link, if something is: nobody is there, a password is missing, a version is too old.
    pub fn trouble(&self) -> Option<String> {
        self.tasks.link.trouble()
    }

    /// What did not reach the others, and what came and could not be read.
    pub fn stats(&self) -> RedisStats {
        self.tasks.link.stats()
    }
}

impl JoinCluster for Redis {
    fn member(&self, nsp: &str, local: Arc<dyn Adapter>, options: &Options) -> Arc<dyn Adapter> {
        let broker = Arc::new(RedisBroker::new(self.kind, &self.prefix, nsp, self.tasks.clone()));
        let uid = broker.new_id();
        Member::new(Parts {
            nsp: nsp.into(),
            uid,
            parser: options.parser,
            local,
            broker,
            recovery: options.connection_state_recovery.clone(),
            #[cfg(feature = "faults")]
            faults: options.faults.clone(),
        })
    }
}

impl From<Redis> for AdapterFactory {
    fn from(redis: Redis) -> Self {
        Self::in_cluster(Arc::new(redis))
    }
}

impl From<Redis> for Option<AdapterFactory> {
    fn from(redis: Redis) -> Self {
        Some(redis.into())
    }
}

/// A client of that address, and the runtime that keeps its connections.
fn client(url: &str) -> Result<(Client, Handle), RedisError> {
    let address = |error| RedisError::Address { url: without_password(url), error };
    let info = url.into_connection_info().map_err(address)?;
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let (probes, idle, apart) = link::GONE;
    let probing = TcpKeepalive::new().with_time(idle).with_interval(apart).with_retries(probes);
    let tcp = info.tcp_settings().clone().set_nodelay(true).set_keepalive(probing);
    let info = info.set_redis_settings(settings).set_tcp_settings(tcp);
    let client = Client::open(info).map_err(address)?;
    Ok((client, Handle::try_current().map_err(|_| RedisError::NoRuntime)?))
}

/// An address without who one is for it, which no message shows.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://***@{place}"),
        // Half an address may be one with a password, too.
        (None, Some((_, place))) => format!("***@{place}"),
        (_, None) => url.to_owned(),
    }
}

/// Six letters and digits, as the classic adapter has them, or sixteen hexadecimal ones.
fn id_of(kind: Kind) -> String {
    match kind {
        Kind::Classic => next_id(6),
        Kind::Sharded | Kind::Streams => format!("{:016x}", rand::random::<u64>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_makes_no_sense_is_shown_without_its_password() {
        for wrong in
            ["redis://u:pass-word@not a host", "redis://:pass-word@h:port", "u:pass-word@h:1", "redis://u:p@ss-word@:x"]
        {
            let Err(error) = client(wrong) else { panic!("{wrong}") };
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("pass-word") && !shown.contains("ss-word"), "{shown}");
        }
        assert_eq!(without_password("redis://h:1"), "redis://h:1");
    }
}
