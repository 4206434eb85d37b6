//! Drives rust_socketio against a server with the fixture. Prints a line per check: `ok NAME`, or `FAIL NAME: why`.
//!
//! The client acknowledges nothing, has one namespace per connection and no recovery.

use std::time::Duration;

use futures_util::FutureExt;
use rust_socketio::asynchronous::{Client, ClientBuilder};
use rust_socketio::{Event, Payload, TransportType};
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, UnboundedReceiver};

type Check = Result<(), String>;
type Got = UnboundedReceiver<(String, Payload)>;

async fn connect_to(url: &str, nsp: &str, transport: TransportType, auth: Value) -> Result<(Client, Got), String> {
    let (sender, mut got) = mpsc::unbounded_channel();
    let bytes = sender.clone();
    let keep = move |event: Event, payload: Payload, _: Client| {
        let sender = sender.clone();
        async move { drop(sender.send((String::from(event), payload))) }.boxed()
    };
    // `on_any` is not told of binary events.
    let keep_bytes = move |payload: Payload, _: Client| {
        let sender = bytes.clone();
        async move { drop(sender.send(("message-back".to_owned(), payload))) }.boxed()
    };
    let client = ClientBuilder::new(url)
        .namespace(nsp)
        .transport_type(transport)
        .auth(auth)
        .reconnect_delay(20, 100)
        .reconnect_on_disconnect(true)
        .on_any(keep)
        .on("message-back", keep_bytes)
        .connect()
        .await
        .map_err(|error| error.to_string())?;
    next(&mut got, "auth").await?;
    Ok((client, got))
}

async fn next(got: &mut Got, event: &str) -> Result<Payload, String> {
    let wanted = async {
        loop {
            match got.recv().await {
                Some((name, payload)) if name == event => return Ok(payload),
                Some(_) => {}
                None => return Err("the client is gone".to_owned()),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), wanted).await.map_err(|_| format!("no {event} in time"))?
}

/// The first argument of the answer, which comes in one array too many.
async fn ask(client: &Client, event: &str, args: Value) -> Result<Value, String> {
    let (sender, mut answer) = mpsc::unbounded_channel();
    let keep = move |payload: Payload, _: Client| {
        let sender = sender.clone();
        async move { drop(sender.send(payload)) }.boxed()
    };
    client.emit_with_ack(event, args, Duration::from_secs(5), keep).await.map_err(|error| error.to_string())?;
    let answer = tokio::time::timeout(Duration::from_secs(5), answer.recv()).await;
    match answer.map_err(|_| format!("no answer to {event} in time"))? {
        Some(Payload::Text(values)) => Ok(values[0][0].clone()),
        other => Err(format!("{other:?}")),
    }
}

fn same(left: &Value, right: &Value) -> Check {
    if left == right { Ok(()) } else { Err(format!("{left} instead of {right}")) }
}

async fn connect(url: &str, transport: TransportType) -> Check {
    let (client, _got) = connect_to(url, "/", transport, json!({})).await?;
    let me = ask(&client, "whoami", json!([])).await?;
    same(&me["handler"], &json!("static"))
}

async fn auth(url: &str, transport: TransportType) -> Check {
    let (client, _got) = connect_to(url, "/custom", transport, json!({"token": "abc"})).await?;
    let me = ask(&client, "whoami", json!([])).await?;
    same(&me["auth"], &json!({"token": "abc"}))?;
    same(&me["nsp"], &json!("/custom"))
}

async fn acks(url: &str, transport: TransportType) -> Check {
    let (client, _got) = connect_to(url, "/", transport, json!({})).await?;
    same(&ask(&client, "message-with-ack", json!({"3": [false]})).await?, &json!({"3": [false]}))
}

async fn binary(url: &str, transport: TransportType) -> Check {
    let (client, mut got) = connect_to(url, "/", transport, json!({})).await?;
    client.emit("message", Payload::from(vec![0, 1, 254, 255])).await.map_err(|error| error.to_string())?;
    match next(&mut got, "message-back").await? {
        Payload::Binary(bytes) if *bytes == [0, 1, 254, 255][..] => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

async fn rooms(url: &str, transport: TransportType) -> Check {
    let (a, mut a_got) = connect_to(url, "/", transport.clone(), json!({})).await?;
    let (b, mut b_got) = connect_to(url, "/", transport, json!({})).await?;
    for client in [&a, &b] {
        ask(client, "join", json!("red")).await?;
    }
    ask(&a, "emit", json!({"via": "socket", "to": "red", "event": "tell", "args": ["others"]})).await?;
    ask(&a, "emit", json!({"to": "red", "event": "tell", "args": ["all"]})).await?;
    for (got, expected) in [(&mut a_got, &["all"][..]), (&mut b_got, &["others", "all"])] {
        for name in expected {
            match next(got, "tell").await? {
                Payload::Text(values) => same(&values[0], &json!(name))?,
                other => return Err(format!("{other:?}")),
            }
        }
    }
    Ok(())
}

/// The one namespace of a connection may be any.
async fn namespaces(url: &str, transport: TransportType) -> Check {
    let (client, _got) = connect_to(url, "/dynamic-7", transport, json!({})).await?;
    let me = ask(&client, "whoami", json!([])).await?;
    same(&me["nsp"], &json!("/dynamic-7"))?;
    same(&me["handler"], &json!("dynamic"))
}

/// Over polling it is delivered only while a GET waits, so it is tried until one does.
async fn volatile(url: &str, transport: TransportType) -> Check {
    let (client, mut got) = connect_to(url, "/", transport, json!({})).await?;
    let request = json!({"via": "self", "volatile": true, "event": "now", "args": [1]});
    for _ in 0..50 {
        client.emit("emit", request.clone()).await.map_err(|error| error.to_string())?;
        if tokio::time::timeout(Duration::from_millis(100), next(&mut got, "now")).await.is_ok() {
            return Ok(());
        }
    }
    Err("never delivered".to_owned())
}

async fn reconnect(url: &str, transport: TransportType) -> Check {
    let (client, mut got) = connect_to(url, "/", transport, json!({})).await?;
    client.emit("bye", json!({"close": true})).await.map_err(|error| error.to_string())?;
    next(&mut got, "auth").await?;
    same(&ask(&client, "message-with-ack", json!(1)).await?, &json!(1))
}

async fn upgrade(url: &str, _: TransportType) -> Check {
    let (client, _got) = connect_to(url, "/", TransportType::WebsocketUpgrade, json!({})).await?;
    same(&ask(&client, "whoami", json!([])).await?["transport"], &json!("websocket"))
}

fn say(name: &str, outcome: Check) {
    match outcome {
        Ok(()) => println!("ok {name}"),
        Err(why) => println!("FAIL {name}: {why}"),
    }
}

#[tokio::main]
async fn main() {
    let url = std::env::args().nth(1).expect("a URL");
    for (name, transport) in [("websocket", TransportType::Websocket), ("polling", TransportType::Polling)] {
        say(&format!("connect {name}"), connect(&url, transport.clone()).await);
        say(&format!("auth {name}"), auth(&url, transport.clone()).await);
        say(&format!("acks {name}"), acks(&url, transport.clone()).await);
        say(&format!("binary {name}"), binary(&url, transport.clone()).await);
        say(&format!("rooms {name}"), rooms(&url, transport.clone()).await);
        say(&format!("namespaces {name}"), namespaces(&url, transport.clone()).await);
        say(&format!("volatile {name}"), volatile(&url, transport.clone()).await);
        say(&format!("reconnect {name}"), reconnect(&url, transport.clone()).await);
    }
    say("upgrade", upgrade(&url, TransportType::WebsocketUpgrade).await);
    std::process::exit(0);
}
