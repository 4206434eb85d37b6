//! 2.3 Heartbeat. The times are generous upwards: machines are busy, but nothing may happen too early.

use std::time::{Duration, Instant};

use sio_reference_server::Options;

use crate::common::{fast, until, world_with};

#[expect(clippy::disallowed_methods, reason = "a test of time")]
fn now() -> Instant {
    Instant::now()
}

/// Waits for a ping and tells when it came.
macro_rules! ping {
    ($ws:expr) => {{
        assert_eq!($ws.text().await, "2");
        now()
    }};
}

/// EIO-HB-01.
#[tokio::test]
async fn a_polling_session_is_pinged() {
    let world = world_with(fast()).await;
    let polling = world.poll().await;
    polling.join("/").await;
    for _ in 0..3 {
        assert_eq!(polling.read().await, "2");
        polling.write("3").await;
    }
    polling.write("42[\"message\"]").await;
    assert_eq!(polling.read().await, "42[\"message-back\"]");
}

/// EIO-HB-02, EIO-HB-03.
#[tokio::test]
async fn a_websocket_is_pinged_in_its_rhythm() {
    let world = world_with(fast()).await;
    let mut begin = now();
    let mut ws = world.join("/").await;
    for _ in 0..3 {
        let at = ping!(ws);
        assert!(at - begin >= Duration::from_millis(290), "{:?} is too early", at - begin);
        begin = now();
        ws.send("3").await;
    }
    ws.is_silent().await;
}

/// EIO-HB-04.
#[tokio::test]
async fn who_does_not_answer_is_closed_in_time_and_not_earlier() {
    let world = world_with(fast()).await;
    let mut ws = world.join("/").await;
    let at = ping!(ws);
    ws.closes().await;
    assert!(now() - at >= Duration::from_millis(190));

    let polling = world.poll().await;
    assert_eq!(polling.read().await, "2");
    polling.goes().await;
}

/// EIO-HB-05.
#[tokio::test]
async fn an_answer_in_time_is_in_time() {
    let options = Options { ping_timeout: Duration::from_millis(1_500), ..fast() };
    let world = world_with(options).await;
    let mut ws = world.join("/").await;
    ping!(ws);
    tokio::time::sleep(Duration::from_millis(600)).await;
    ws.send("3").await;
    ping!(ws);
}

/// EIO-HB-06.
#[tokio::test]
async fn a_session_that_never_polls_is_closed() {
    let world = world_with(fast()).await;
    let begin = now();
    let polling = world.poll().await;
    polling.goes().await;
    assert!(now() - begin >= Duration::from_millis(490));
}

/// EIO-HB-07: strict; Node extends the deadline once since 6.6.11.
#[tokio::test]
async fn messages_are_no_pongs() {
    let world = world_with(fast()).await;
    let mut ws = world.join("/").await;
    let talk = async {
        loop {
            ws.try_send("42[\"nothing\"]").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let gone = until("ping timeout", || world.io.clients_count() == 0);
    tokio::select! {
        () = gone => {}
        () = talk => {}
    }
}

/// EIO-HB-08.
#[tokio::test]
async fn only_the_server_pings() {
    let world = world_with(Options::default()).await;
    let mut ws = world.ws().await;
    ws.send("2").await;
    ws.closes().await;
}

/// EIO-HB-09.
#[tokio::test]
async fn pongs_nobody_asked_for_change_nothing() {
    let world = world_with(Options { ping_timeout: Duration::from_secs(5), ..fast() }).await;
    let mut begin = now();
    let mut ws = world.join("/").await;
    for _ in 0..2 {
        for _ in 0..20 {
            ws.send("3").await;
        }
        let at = ping!(ws);
        assert!(at - begin >= Duration::from_millis(290), "{:?} is too early", at - begin);
        begin = now();
        ws.send("3").await;
    }
}

/// EIO-HB-10.
#[tokio::test]
async fn an_upgrade_does_not_restart_the_clock() {
    let world = world_with(Options { ping_interval: Duration::from_millis(600), ..fast() }).await;
    let polling = world.poll().await;
    let begin = now();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let mut ws = polling.probe().await;
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    ws.send("5").await;
    let at = ping!(ws);
    assert!(at - begin < Duration::from_millis(950), "{:?}: the clock began again", at - begin);
}

/// EIO-HB-11.
#[tokio::test]
async fn a_peer_that_vanishes_is_reported() {
    let world = world_with(fast()).await;
    let ws = world.join("/custom").await;
    until("ping timeout", || world.io.clients_count() == 0).await;
    let left = world.journal("disconnect", "/custom").await;
    assert_eq!(left[0]["reason"], "ping timeout");
    drop(ws);
}
