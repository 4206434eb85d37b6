//! What a server can do wrong, on purpose: the tester's test.
//!
//! [`TABLE`] lists the faults. Which of them are on is a [`Faults`], made from the command line. Most are
//! decorators around a part of the server that knows nothing of them: `adapter` around the rooms,
//! `connection` around the connection machine, `http` around a request. The few that have to be inside are
//! switched at named points, by the macro `fault!`, which is `false` in a build without the feature `faults`.

pub(crate) mod adapter;
pub(crate) mod cli;
pub(crate) mod connection;
mod dialect;
mod frames;
pub(crate) mod http;
mod lives;
mod narrow;
mod packet;
pub(crate) mod question;
mod reported;
mod table;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use sio_protocol::server::Config;

use crate::lock::LockExt;
use crate::options::AdapterFactory;
use crate::{Adapter, MemoryAdapter, Options};
pub use table::{Fault, Layer, Row, TABLE};

/// How long a server hears nobody that a request which broke off has confused.
const DEAF: Duration = Duration::from_secs(10);
/// A time that does not come.
pub(crate) const NEVER: Duration = Duration::from_hours(24);

/// The faults that are on, how often they strike and when they begin.
#[derive(Clone)]
pub struct Faults(Arc<Inner>);

struct Inner {
    active: Vec<Fault>,
    rate: Option<f64>,
    seed: u64,
    /// Connections that must have been opened before anything goes wrong.
    after_connections: usize,
    connections: AtomicUsize,
    draws: AtomicU64,
    struck: AtomicU64,
    /// What the server was asked to be, and therefore announces.
    asked: OnceLock<Config>,
    adapters: Mutex<HashMap<String, Weak<adapter::FaultyAdapter>>>,
    /// Attachments that are on their way to the server.
    attachments: reported::Attachments,
    /// Known once a port is bound, for faults that show in another life.
    lives: OnceLock<lives::Lives>,
    /// Until then nobody is served.
    deaf_until: Mutex<Option<Instant>>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Faults").field(&self.0.active).finish()
    }
}

/// Finds a fault by its id or its name.
pub fn find(text: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.id == text || row.name == text)
}

impl Faults {
    /// These faults, each time there is an occasion unless `rate` says otherwise.
    pub fn new(active: Vec<Fault>, rate: Option<f64>, seed: u64, after_connections: usize) -> Self {
        Self(Arc::new(Inner {
            active,
            rate,
            seed,
            after_connections,
            connections: AtomicUsize::new(0),
            draws: AtomicU64::new(0),
            struck: AtomicU64::new(0),
            asked: OnceLock::new(),
            adapters: Mutex::default(),
            attachments: reported::Attachments::default(),
            lives: OnceLock::new(),
            deaf_until: Mutex::default(),
        }))
    }

    /// Whether a fault is on and strikes this time.
    pub fn hits(&self, fault: Fault) -> bool {
        self.has(fault) && self.has_begun() && self.draw(fault)
    }

    /// As [`hits`](Self::hits), of one delivery: it is counted.
    pub(crate) fn hits_delivery(&self, fault: Fault) -> bool {
        let hits = self.hits(fault);
        self.0.struck.fetch_add(u64::from(hits), Ordering::Relaxed);
        hits
    }

    /// How many deliveries were dropped or doubled so far.
    pub fn struck(&self) -> u64 {
        self.0.struck.load(Ordering::Relaxed)
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.0.active.contains(&fault)
    }

    fn has_begun(&self) -> bool {
        self.0.connections.load(Ordering::Relaxed) >= self.0.after_connections
    }

    /// Every draw is a function of the seed and of how many there were before.
    fn draw(&self, fault: Fault) -> bool {
        let usual = match fault {
            Fault::DropRate
            | Fault::DupRate
            | Fault::ReorderRate
            | Fault::EventLost
            | Fault::ClusterLost
            | Fault::ClusterDoubled => 0.1,
            _ => 1.0,
        };
        let rate = self.0.rate.unwrap_or(usual);
        if rate >= 1.0 {
            return true;
        }
        let mut z =
            self.0.seed.wrapping_add(self.0.draws.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64 <= rate
    }

    /// The faults that strike this time.
    fn striking(&self) -> impl Iterator<Item = Fault> {
        self.0.active.iter().copied().filter(|fault| self.hits(*fault))
    }

    fn connected(&self) {
        self.0.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// A port is bound: if a fault shows only when the server is started again, this life is remembered.
    pub(crate) fn begin_life(&self, port: u16) {
        let other_lives = [Fault::RestartDeaf, Fault::RestartRemembers, Fault::KilledDeaf];
        if other_lives.into_iter().any(|fault| self.has(fault)) {
            self.0.lives.get_or_init(|| lives::Lives::begin(port));
        }
    }

    /// The server ends in good order.
    pub(crate) fn end_life(&self) {
        if let Some(lives) = self.0.lives.get() {
            lives.end();
        }
    }

    /// A request broke off.
    pub(crate) fn broke_off(&self) {
        if self.hits(Fault::TornRequestDeafens) {
            *self.deaf_until() = Some(crate::session::now() + DEAF);
        }
    }

    /// Whether whoever comes now is not served.
    pub(crate) fn is_deaf(&self) -> bool {
        self.deaf_until().is_some_and(|until| crate::session::now() < until)
    }

    fn deaf_until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.0.deaf_until.lock_unpoisoned()
    }

    fn knew(&self, sid: &str) -> bool {
        self.0.lives.get().is_some_and(|lives| lives.knew(sid))
    }

    fn remember(&self, sid: &str) {
        if let Some(lives) = self.0.lives.get() {
            lives.remember(sid);
        }
    }

    fn was_stopped(&self) -> bool {
        self.0.lives.get().is_some_and(lives::Lives::was_stopped)
    }

    fn was_killed(&self) -> bool {
        self.0.lives.get().is_some_and(lives::Lives::was_killed)
    }

    fn asked(&self) -> Option<&Config> {
        self.0.asked.get()
    }

    /// Options under which the faults are there.
    #[must_use]
    pub fn arrange(&self, mut options: Options) -> Options {
        let _ = self.0.asked.set(options.connection());
        for &fault in &self.0.active {
            match fault {
                Fault::MaxPayloadIgnored => options.max_http_buffer_size = 100_000_000,
                Fault::MaxPayloadTight => options.max_http_buffer_size -= 1,
                Fault::PingHurried => options.ping_interval /= 2,
                Fault::PingTimeoutHurried => options.ping_timeout /= 10,
                Fault::ConnectTimeoutNever => options.connect_timeout = NEVER,
                Fault::ProbeKeepsOpen => options.upgrade_timeout = NEVER,
                Fault::AttachmentsUnbounded => {
                    options.max_attachments = usize::MAX;
                    options.max_held = usize::MAX;
                }
                Fault::TenTooMany => options.max_attachments = 9,
                Fault::ChildKept => options.cleanup_empty_child_namespaces = false,
                Fault::ChildDropped => options.cleanup_empty_child_namespaces = true,
                Fault::TransportsIgnored => options.transports = Options::default().transports,
                Fault::UpgradesIgnored => options.allow_upgrades = true,
                Fault::SlashWanted => options.add_trailing_slash = true,
                Fault::CorsDetailsLost => options.cors = options.cors.map(crate::Cors::without_details),
                Fault::CookieNever => options.cookie = None,
                Fault::CompressedNever => options.http_compression = None,
                Fault::RefusalOverruled => options.allow_request = None,
                _ => {}
            }
            if let Some(recovery) = &mut options.connection_state_recovery {
                match fault {
                    Fault::RecoverExpired => recovery.max_disconnection_duration *= 1_000,
                    Fault::MiddlewaresAlwaysSkipped => recovery.skip_middlewares = true,
                    Fault::RecoverMiddlewares => recovery.skip_middlewares = false,
                    _ => {}
                }
            }
        }
        let (faults, recovery) = (self.clone(), options.connection_state_recovery.clone());
        let cluster = options.adapter.take();
        let rooms = AdapterFactory::new(move |nsp| {
            let inner: Arc<dyn Adapter> = Arc::new(MemoryAdapter::new(recovery.clone()));
            let adapter = Arc::new(adapter::FaultyAdapter::new(inner, nsp.to_owned(), faults.clone()));
            faults.adapters().insert(nsp.to_owned(), Arc::downgrade(&adapter));
            adapter
        });
        options.adapter = Some(match cluster {
            Some(cluster) => cluster.with_local(rooms),
            None => rooms,
        });
        options.faults = Some(self.clone());
        options
    }

    fn adapters(&self) -> std::sync::MutexGuard<'_, HashMap<String, Weak<adapter::FaultyAdapter>>> {
        self.0.adapters.lock_unpoisoned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_and_names_are_different_and_every_row_says_what_it_does() {
        let mut seen = HashSet::new();
        for row in TABLE {
            assert!(seen.insert(row.id) && seen.insert(row.name), "{}", row.id);
            assert!(!row.summary.is_empty());
            assert_eq!(find(row.id).map(|row| row.fault), Some(row.fault));
            assert_eq!(find(row.name).map(|row| row.fault), Some(row.fault));
        }
        assert!(TABLE.len() >= 230, "{}", TABLE.len());
    }

    #[test]
    fn a_rate_is_kept_and_the_seed_decides() {
        let strikes = |seed| -> Vec<bool> {
            let faults = Faults::new(vec![Fault::DropRate], Some(0.01), seed, 0);
            (0..10_000).map(|_| faults.hits(Fault::DropRate)).collect()
        };
        assert_eq!(strikes(7), strikes(7));
        assert_ne!(strikes(7), strikes(8));
        let count = strikes(7).iter().filter(|hit| **hit).count();
        assert!((60..150).contains(&count), "{count}");
    }

    #[test]
    fn nothing_goes_wrong_before_its_time() {
        let faults = Faults::new(vec![Fault::UnionDup], None, 0, 2);
        assert!(!faults.hits(Fault::UnionDup));
        faults.connected();
        faults.connected();
        assert!(faults.hits(Fault::UnionDup) && !faults.hits(Fault::DropRate));
    }

    /// Whoever names a fault gets that one.
    #[test]
    fn a_name_is_one_fault() {
        for row in TABLE {
            assert_eq!(
                (find(row.id).unwrap().fault, find(row.name).unwrap().fault),
                (row.fault, row.fault),
                "{}",
                row.id
            );
        }
    }
}
