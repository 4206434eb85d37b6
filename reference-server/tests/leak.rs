//! Connections that come, join, talk and vanish in every way leave nothing behind: no session, no room, no task (and so
//! no timer). `benches/src/leak_run.rs` is the long form, with thousands of them and the memory.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use sio_reference_server::{Options, Recovery, Server, fixture};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

async fn websocket(address: &str, more: &str) -> WebSocketStream<TcpStream> {
    let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket{more}");
    client_async(url, TcpStream::connect(address).await.unwrap()).await.unwrap().0
}

async fn request(address: &str, method: &str, query: &str, body: &str) -> String {
    let length = body.len();
    let request = format!(
        "{method} /socket.io/?EIO=4&transport=polling{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// One life; `way` says how it goes.
async fn live(address: &str, way: usize) {
    if way.is_multiple_of(2) {
        let open = request(address, "GET", "", "").await;
        let sid = format!("&sid={}", open.split("\"sid\":\"").nth(1).unwrap().split('"').next().unwrap());
        match way {
            0 => {}
            2 => drop(request(address, "POST", &sid, "40").await),
            4 => drop(request(address, "POST", &sid, "40/slow,").await),
            6 => {
                let mut probe = websocket(address, &sid).await;
                probe.send(Message::text("2probe")).await.unwrap();
                probe.next().await.unwrap().unwrap();
            }
            _ => drop(request(address, "POST", &sid, "no packet").await),
        }
        return;
    }
    let nsp = format!("/dynamic-{way},");
    let mut ws = websocket(address, "").await;
    ws.send(Message::text(format!("40{nsp}"))).await.unwrap();
    ws.send(Message::text("40/slow,")).await.unwrap();
    for _ in 0..3 {
        ws.next().await.unwrap().unwrap();
    }
    ws.send(Message::text(format!("42{nsp}[\"join\",[\"red\",\"blue\"]]"))).await.unwrap();
    ws.send(Message::text(format!("42{nsp}[\"emit\",{{\"to\":\"red\",\"event\":\"x\"}}]"))).await.unwrap();
    ws.send(Message::text(format!("42{nsp}[\"emit\",{{\"to\":\"red\",\"event\":\"q\",\"timeout\":200}}]")))
        .await
        .unwrap();
    ws.next().await.unwrap().unwrap();
    match way {
        1 => ws.close(None).await.unwrap(),
        3 => ws.send(Message::text(format!("41{nsp}"))).await.unwrap(),
        5 => ws.send(Message::text("1")).await.unwrap(),
        7 => ws.get_mut().set_zero_linger().unwrap(),
        _ => {}
    }
}

#[tokio::test]
async fn nothing_is_left() {
    let short = Duration::from_millis(400);
    let io = Server::new(Options {
        ping_interval: short,
        ping_timeout: short,
        connect_timeout: short,
        cleanup_empty_child_namespaces: true,
        connection_state_recovery: Some(Recovery { max_disconnection_duration: short, ..Recovery::default() }),
        ..Options::default()
    });
    fixture::install(&io, &fixture::Config { node: "A".to_owned(), journal: false });
    let listener = io.listen("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().to_string();
    tokio::spawn(listener.run());
    let namespaces = io.namespace_names();
    let tasks = Handle::current().metrics().num_alive_tasks();
    for round in 0..20 {
        let lives = (0..10).map(|way| live(&address, way));
        tokio::time::timeout(Duration::from_secs(20), futures_util::future::join_all(lives))
            .await
            .unwrap_or_else(|_| panic!("round {round} does not end"));
    }
    let held = || {
        let rooms: usize = namespaces.iter().map(|name| io.of(name).adapter().rooms().len()).sum();
        (io.clients_count(), rooms, io.namespace_names(), Handle::current().metrics().num_alive_tasks())
    };
    let gone = async {
        while held() != (0, 0, namespaces.clone(), tasks) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(40), gone).await.is_ok();
    assert!(in_time, "sessions, rooms, namespaces, tasks: {:?}, and {tasks} tasks before", held());
}
