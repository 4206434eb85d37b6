//! When what happens, to the millisecond: 25 s between pings, 20 s for a pong.

use super::*;
use crate::engine::Revision;

const INTERVAL: Duration = Duration::from_secs(25);
const PATIENCE: Duration = Duration::from_secs(20);
const MOMENT: Duration = Duration::from_millis(1);

/// The last moment before it is time.
fn ahead_of(time: Duration) -> Duration {
    time.saturating_sub(MOMENT)
}

/// A client in `/` that answers nothing by itself.
fn silent() -> Link {
    connected(Transport::WebSocket)
}

fn at(link: &mut Link, since: Duration) -> Vec<Frame> {
    link.server.timeout(&link.config, link.now + since);
    let mut frames = Vec::new();
    link.server.ws_take(&mut frames);
    frames
}

#[test]
fn a_ping_comes_when_it_is_time_and_its_pong_has_time_of_its_own() {
    let mut link = silent();
    assert_eq!(link.server.deadline(), Some(link.now + INTERVAL));
    assert_eq!(at(&mut link, ahead_of(INTERVAL)), []);
    assert_eq!(at(&mut link, INTERVAL), [Frame::text("2")]);
    assert_eq!(link.server.deadline(), Some(link.now + INTERVAL + PATIENCE));
    link.server.ws_frame(&link.config, &Frame::text("3"), link.now + ahead_of(INTERVAL + PATIENCE));
    assert_eq!(link.server.deadline(), Some(link.now + ahead_of(INTERVAL + PATIENCE) + INTERVAL));
    assert!(!link.server.has_ended());
}

#[test]
fn silence_ends_when_its_time_is_over() {
    let mut link = silent();
    at(&mut link, INTERVAL);
    at(&mut link, ahead_of(INTERVAL + PATIENCE));
    assert!(!link.server.has_ended());
    at(&mut link, INTERVAL + PATIENCE);
    assert_eq!(link.server.poll_event(), Some(Event::Closed(Reason::PingTimeout)));
}

/// A ping that is a little late gives no more time; one that is later than a quarter of it does.
#[test]
fn a_server_that_stood_still_gives_its_client_time() {
    let quarter = PATIENCE / 4;
    for (late, until) in [(quarter, INTERVAL + PATIENCE), (quarter + MOMENT, INTERVAL + quarter + MOMENT + PATIENCE)] {
        let mut link = silent();
        assert_eq!(at(&mut link, INTERVAL + late), [Frame::text("2")]);
        assert_eq!(link.server.deadline(), Some(link.now + until), "{late:?} late");
    }
}

/// EIO-V3-02: in revision 3 the client pings; each ping is answered and gives it the whole time again.
#[test]
fn in_revision_3_the_client_keeps_the_time() {
    let mut link = Link::new(Transport::WebSocket);
    let opening = Opening { revision: Revision::V3, ..Opening::new("sid", Transport::WebSocket) };
    link.server = Connection::new(&link.config, &opening, link.now);
    assert!(link.server.accept("/", "sid", None));
    link.server.ws_take(&mut Vec::new());
    assert_eq!(link.server.deadline(), Some(link.now + INTERVAL + PATIENCE));
    let later = link.now + INTERVAL;
    link.server.ws_frame(&link.config, &Frame::text("2"), later);
    assert_eq!(at(&mut link, INTERVAL), [Frame::text("3")]);
    assert_eq!(link.server.deadline(), Some(later + INTERVAL + PATIENCE));
    assert_eq!(at(&mut link, ahead_of(INTERVAL + INTERVAL + PATIENCE)), []);
    assert!(!link.server.has_ended());
    at(&mut link, INTERVAL + INTERVAL + PATIENCE);
    assert_eq!(link.server.poll_event(), Some(Event::Connect { nsp: "/".into(), auth: ByteString::new() }));
    assert_eq!(link.server.poll_event(), Some(Event::Closed(Reason::PingTimeout)));
}

/// EIO-HB-08: only one end pings, which end depends on the revision.
#[test]
fn the_other_end_must_not_ping() {
    for (revision, frame) in [(Revision::V4, "2"), (Revision::V3, "3")] {
        let mut link = Link::new(Transport::WebSocket);
        let opening = Opening { revision, ..Opening::new("sid", Transport::WebSocket) };
        link.server = Connection::new(&link.config, &opening, link.now);
        link.server.ws_frame(&link.config, &Frame::text(frame), link.now);
        let last = std::iter::from_fn(|| link.server.poll_event()).last();
        assert_eq!(last, Some(Event::Closed(Reason::TransportError)), "{revision:?}");
    }
}

/// What is queued waits for a client that polls 30 seconds, or a heartbeat where that is shorter.
#[test]
fn the_last_packets_wait_for_their_time() {
    let seconds = Duration::from_secs;
    for (ping_interval, ping_timeout, patience) in
        [(INTERVAL, PATIENCE, seconds(30)), (seconds(2), seconds(1), seconds(3))]
    {
        let config = Config { ping_interval, ping_timeout, ..Config::default() };
        let mut link = joined(Link::with(config, Transport::Polling));
        assert!(link.server.send("/", &numbered("/", 1).encode(), true) && link.server.poll_take().is_some());
        link.server.close(&link.config, Reason::ForcedServerClose, link.now);
        assert_eq!(link.server.deadline(), Some(link.now + patience));
        link.server.timeout(&link.config, link.now + ahead_of(patience));
        assert!(!link.server.is_closed(), "{patience:?}");
        link.server.timeout(&link.config, link.now + patience);
        assert!(link.server.is_closed(), "{patience:?}");
    }
}
