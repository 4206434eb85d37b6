//! Cases against servers of a few lines: what a verdict is believed, and whom it blames.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::client::{ConnectOptions, http_client};
use crate::scenario::source::Source;

/// A server that answers the n-th request with the n-th of these, and hangs up; the last answers all that follow.
async fn server(answers: &'static [(u16, &'static str)]) -> Stage {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for (status, body) in answers.iter().chain(std::iter::repeat(answers.last().unwrap())) {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let head = format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    let manner = Arc::new(ConnectOptions::default());
    let endpoint = Endpoint::resolve(&url, None, manner.clone()).await.unwrap();
    Stage::new(endpoint, http_client(&manner), true)
}

async fn played(case: &str, answers: &'static [(u16, &'static str)]) -> CaseResult {
    let text = format!("name = 'own'\n[[case]]\nname = 'x'\nrequirement = 'RM-01'\nallow_unexpected = true\n{case}\n");
    let loaded = crate::scenario::load(Source { name: "own.toml".to_owned(), text }, &[], None).unwrap();
    let stage = server(answers).await;
    play(&loaded, &loaded.scenario.cases[0], &stage).await
}

/// The GET that waits is answered by a ping, of which the steps know nothing, and sent again: what comes of that is no verdict.
#[tokio::test]
async fn a_ping_that_answers_a_waiting_get_is_shown_and_the_case_is_not_decided() {
    let case = "clients = { h = { raw = 'http' } }\nsteps = [\n\
        { at = 'h', http = { get = '?EIO=4&transport=polling&sid=a' }, later = 'poll' },\n\
        { at = 'h', http = { post = '?EIO=4&transport=polling&sid=a', body = '3' }, status = 200, until = true },\n\
        { at = 'h', answer = 'poll', body = '6' }]";
    let result = played(case, &[(200, "2"), (500, "later"), (200, "ok")]).await;
    assert_eq!(result.verdict, CaseVerdict::Inconclusive, "{result:?}");
    let transcript = result.transcript.join("\n");
    assert!(transcript.contains("h ◀ 200 2   (not all of it is looked at)"), "{transcript}");
    assert!(result.reason.unwrap().contains("h's `poll` was answered with 2"));
}

/// A case whose client does not get in says nothing about its row.
#[tokio::test]
async fn who_does_not_get_in_violates_another_row() {
    let steps = "steps = [{ at = 'a', emit = ['x'] }]";
    let plain = played(&format!("clients = {{ a = {{}} }}\n{steps}"), &[(400, "no")]).await;
    assert_eq!((plain.verdict, plain.requirement.as_deref()), (CaseVerdict::Fail, Some("EIO-HS-04")));
    let failure = plain.failure.unwrap().message;
    assert!(failure.starts_with("ahead of what the case is about (RM-01): a could not connect"), "{failure}");
    // Unless the client is what the case is about.
    let odd = format!("clients = {{ a = {{ headers = {{ X-Odd = '1' }} }} }}\n{steps}");
    assert_eq!(played(&odd, &[(400, "no")]).await.requirement.as_deref(), Some("RM-01"));
}

/// A deadline is known to whoever asks whether it could be kept.
#[tokio::test]
async fn a_deadline_that_was_missed_is_told() {
    let text = "name = 'own'\n[[case]]\nname = 'x'\nrequirement = 'RM-01'\nclients = { h = { raw = 'http' } }\nsteps = [\n\
        { at = 'h', http = { get = '?EIO=4&transport=polling' }, status = 404, until = true, within = '50ms' }]\n";
    let source = Source { name: "own.toml".to_owned(), text: text.to_owned() };
    let loaded = crate::scenario::load(source, &[], None).unwrap();
    let stage = server(&[(200, "0{}")]).await;
    let played = attempt(&loaded, &loaded.scenario.cases[0], &stage).await;
    assert_eq!(played.deadline, Some(Duration::from_millis(50)), "{:?}", played.result);
}

/// No step has missed its time, only the case as a whole: that may be ours, and accuses nobody.
#[tokio::test(start_paused = true)]
async fn a_case_that_takes_too_long_as_a_whole_is_not_decided() {
    let case = "clients = { h = { raw = 'http' } }\nsteps = [{ wait = '20s' }, { wait = '20s' }]";
    let result = played(case, &[(200, "ok")]).await;
    assert_eq!(result.verdict, CaseVerdict::Inconclusive, "{result:?}");
    assert_eq!(result.reason.as_deref(), Some("the case did not end within 30s"));
}

/// A step that needs a connection is no mistake of the case where the server has ended it: the machine may have been too slow.
#[tokio::test]
async fn what_the_server_had_closed_cannot_be_dropped() {
    let case = "clients = { p = { raw = 'polling', open = false } }\nsteps = [{ at = 'p', open = true },\n\
        { at = 'p', closed = true, drain = true }, { at = 'p', drop = 'close' }]";
    let result = played(
        case,
        &[
            (
                200,
                "0{\"sid\":\"a\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}",
            ),
            (400, "no"),
        ],
    )
    .await;
    assert_eq!(result.verdict, CaseVerdict::Fail, "{result:?}");
    let failure = result.failure.unwrap().message;
    assert!(failure.contains("p's connection had closed ahead of that"), "{failure}");
}
