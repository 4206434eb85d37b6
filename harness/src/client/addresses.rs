//! The addresses of a name: which there are, in which order they are tried, and whose turn it is.
//!
//! IPv6 comes first and the families alternate, as in RFC 8305; the next address is tried when one has failed, or has not
//! answered for a quarter of a second. Users are spread over the addresses of the family that comes first.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;

use super::connection::is_starvation;
use super::dial::ConnectOptions;

/// How long one address is given until the next is tried beside it (RFC 8305, section 5).
const ATTEMPT: Duration = Duration::from_millis(250);
/// How long an address may take that is to be used at all, where there are others.
const LISTENING: Duration = Duration::from_secs(2);

/// The way to a server for one of its users.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// One of these, `first` ahead of the others.
    Direct { all: Arc<[SocketAddr]>, first: usize },
    /// This one and no other.
    Relay(SocketAddr),
}

impl Way {
    pub(super) fn direct(all: Vec<SocketAddr>) -> Self {
        Self::Direct { all: all.into(), first: 0 }
    }

    pub(super) fn relay(address: SocketAddr) -> Self {
        Self::Relay(address)
    }

    pub(super) fn first(&self) -> SocketAddr {
        match self {
            Self::Direct { all, first } => all[*first],
            Self::Relay(address) => *address,
        }
    }

    pub(super) fn all(&self) -> &[SocketAddr] {
        match self {
            Self::Direct { all, .. } => all,
            Self::Relay(address) => std::slice::from_ref(address),
        }
    }

    /// Whose turn it is: users are spread over the addresses of the family that comes first.
    pub(super) fn choose(&mut self, number: u64) {
        if let Self::Direct { all, first } = self {
            let family = all.iter().filter(|address| address.is_ipv6() == all[0].is_ipv6()).count();
            let turn = (number % family as u64) as usize;
            let family = all.iter().enumerate().filter(|(_, address)| address.is_ipv6() == all[0].is_ipv6());
            *first = family.map(|(index, _)| index).nth(turn).unwrap_or(0);
        }
    }

    /// In the order in which they are tried.
    pub(super) fn in_turn(&self) -> Vec<SocketAddr> {
        match self {
            Self::Direct { all, first } => {
                let mut turn = all.to_vec();
                turn.rotate_left(*first);
                turn
            }
            Self::Relay(address) => vec![*address],
        }
    }

    /// What stands for this way ahead of the host of a URL, so that connections of different ways are not shared.
    pub(super) fn mark(&self) -> String {
        match self {
            Self::Direct { all, .. } if all.len() == 1 => String::new(),
            Self::Direct { .. } => format!("{}@", self.first().ip()),
            Self::Relay(address) => format!("{}!{}@", address.ip(), address.port()),
        }
    }

    /// Lets go of addresses at which nobody listens, if there is one at which somebody does.
    pub(super) async fn settle(&mut self, manner: &ConnectOptions) {
        let Self::Direct { all, first } = self else { return };
        if all.len() == 1 {
            return;
        }
        let tries = all.iter().map(|address| async move {
            matches!(tokio::time::timeout(LISTENING, manner.connect(*address)).await, Ok(Ok(_)))
        });
        let listening = join_all(tries).await;
        let kept: Vec<_> = all.iter().zip(listening).filter(|(_, listens)| *listens).map(|(one, _)| *one).collect();
        if !kept.is_empty() {
            (*all, *first) = (kept.into(), 0);
        }
    }
}

/// The way that stands ahead of the host of a URL.
pub(super) fn marked(authority: &str) -> Option<Mark> {
    let (mark, _) = authority.rsplit_once('@')?;
    match mark.split_once('!') {
        Some((ip, port)) => Some(Mark::Only(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?))),
        None => Some(Mark::First(mark.parse().ok()?)),
    }
}

/// What a mark says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// This address and no other.
    Only(SocketAddr),
    /// This one ahead of others.
    First(IpAddr),
}

/// All addresses of a name, in the order in which they are tried: first those for which there are local addresses.
pub(super) async fn resolve(host: &str, port: u16, sources: &[IpAddr]) -> Result<Vec<SocketAddr>, String> {
    let found = tokio::net::lookup_host((host.trim_matches(['[', ']']), port)).await;
    let found = found.map_err(|error| format!("cannot resolve `{host}`: {error}"))?;
    let found = ordered(found, sources);
    if found.is_empty() { Err(format!("`{host}` has no address")) } else { Ok(found) }
}

/// IPv6 first, then in turns.
fn ordered(found: impl IntoIterator<Item = SocketAddr>, sources: &[IpAddr]) -> Vec<SocketAddr> {
    let mut seen: Vec<SocketAddr> = Vec::new();
    found.into_iter().for_each(|address| {
        if !seen.contains(&address) {
            seen.push(address);
        }
    });
    let bound_to_4 = !sources.is_empty() && sources.iter().all(IpAddr::is_ipv4);
    let (ahead, behind): (Vec<_>, Vec<_>) = seen.into_iter().partition(|address| address.is_ipv6() != bound_to_4);
    let mut turns = Vec::with_capacity(ahead.len() + behind.len());
    let (mut ahead, mut behind) = (ahead.into_iter(), behind.into_iter());
    loop {
        let pair = (ahead.next(), behind.next());
        if pair == (None, None) {
            return turns;
        }
        turns.extend(pair.0);
        turns.extend(pair.1);
    }
}

/// Opens a connection to the first of these addresses that takes one.
pub(super) async fn race<T, F: Future<Output = io::Result<T>>>(
    addresses: &[SocketAddr],
    open: impl Fn(SocketAddr) -> F,
) -> io::Result<T> {
    if let [only] = addresses {
        return open(*only).await;
    }
    let mut waiting = addresses.iter();
    let mut tries = FuturesUnordered::new();
    let mut failed = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            let opening = open(*address);
            tries.push(async move { (*address, opening.await) });
        } else if tries.is_empty() {
            return Err(all_of(failed));
        }
        tokio::select! {
            Some((address, opened)) = tries.next() => match opened {
                Ok(opened) => return Ok(opened),
                Err(error) => failed.push((address, error)),
            },
            () = tokio::time::sleep(ATTEMPT), if waiting.len() > 0 => {}
        }
    }
}

/// One error for all addresses; what is this machine's fault comes first, as it is.
fn all_of(mut failed: Vec<(SocketAddr, io::Error)>) -> io::Error {
    if let Some(own) = failed.iter().position(|(_, error)| is_starvation(error)) {
        return failed.swap_remove(own).1;
    }
    let Some((_, first)) = failed.first() else { return io::ErrorKind::AddrNotAvailable.into() };
    let told: Vec<_> = failed.iter().map(|(address, error)| format!("{address}: {error}")).collect();
    io::Error::new(first.kind(), told.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<SocketAddr> {
        text.split(' ').map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_and_ipv6_begins() {
        let found = list("10.0.0.1:1 10.0.0.2:1 [fd00::1]:1 10.0.0.1:1");
        assert_eq!(ordered(found.clone(), &[]), list("[fd00::1]:1 10.0.0.1:1 10.0.0.2:1"));
        let sources = ["127.0.0.2".parse().unwrap()];
        assert_eq!(ordered(found, &sources), list("10.0.0.1:1 [fd00::1]:1 10.0.0.2:1"));
    }

    #[test]
    fn users_are_spread_over_one_family() {
        let mut way = Way::direct(list("[fd00::1]:1 10.0.0.1:1 [fd00::2]:1"));
        let first = |number| {
            way.choose(number);
            way.in_turn().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        let turns: Vec<_> = (0..3).map(first).collect();
        assert_eq!(turns[0], "[fd00::1]:1 10.0.0.1:1 [fd00::2]:1");
        assert_eq!(turns[1], "[fd00::2]:1 [fd00::1]:1 10.0.0.1:1");
        assert_eq!(turns[2], turns[0]);
    }

    #[test]
    fn a_mark_in_a_url_is_read_back() {
        let direct = Way::direct(list("[::1]:3000 127.0.0.1:3000"));
        let url: http::Uri = format!("http://{}h:3000/x", direct.mark()).parse().unwrap();
        assert_eq!(marked(url.authority().unwrap().as_str()), Some(Mark::First("::1".parse().unwrap())));
        assert_eq!((url.host(), url.port_u16()), (Some("h"), Some(3000)));
        let relay = Way::relay("[::1]:99".parse().unwrap());
        let url: http::Uri = format!("http://{}h:3000/x", relay.mark()).parse().unwrap();
        assert_eq!(marked(url.authority().unwrap().as_str()), Some(Mark::Only("[::1]:99".parse().unwrap())));
        assert_eq!(Way::direct(list("127.0.0.1:1")).mark(), "");
        assert_eq!(marked("user:secret@h:1"), None);
    }

    #[tokio::test]
    async fn the_next_address_is_tried_when_one_fails_or_is_silent() {
        let addresses = list("10.0.0.1:1 10.0.0.2:1 10.0.0.3:1");
        let open = |address: SocketAddr| async move {
            match address.to_string().as_str() {
                "10.0.0.1:1" => Err(io::ErrorKind::ConnectionRefused.into()),
                "10.0.0.2:1" => std::future::pending().await,
                _ => Ok(address),
            }
        };
        assert_eq!(race(&addresses, open).await.unwrap(), addresses[2]);
        let refuse = |_| async { Err::<(), _>(io::ErrorKind::ConnectionRefused.into()) };
        let error = race(&addresses, refuse).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains("10.0.0.3:1"), "{error}");
    }
}
