//! Targets that hang, flood and lie: sio-bench says so, and ends.
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sio_reference_server::{Options, Server};

use crate::common::Place;

/// Longer than this, and it hangs.
const PATIENCE: Duration = Duration::from_secs(100);

/// Runs `conform` against an address; returns exit code and everything it said.
fn conform(url: &str, more: &[&str]) -> (i32, String) {
    let place = Place::new();
    let mut args = vec!["conform", "--target", url, "--quiet", "--out", "out"];
    args.extend(more);
    let mut child = place.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (id, ended) = (child.id(), std::sync::mpsc::channel::<()>());
    let (tell, told) = ended;
    // Whoever takes longer hangs, and is ended so that the test can say so.
    let guard = std::thread::spawn(move || {
        if told.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            let _ = kill(Pid::from_raw(id as i32), Signal::SIGKILL);
        }
    });
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    let status = child.wait().unwrap();
    drop(tell);
    guard.join().unwrap();
    assert!(status.code().is_some(), "it took more than {PATIENCE:?}: {out}{err}");
    (status.code().unwrap_or(-1), out + &err)
}

/// A server whose every connection is handled by `serve`.
fn listen(serve: impl Fn(std::net::TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = std::sync::Arc::new(serve);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = std::sync::Arc::clone(&serve);
            std::thread::spawn(move || serve(stream));
        }
    });
    url
}

#[test]
fn a_target_that_never_answers() {
    let url = listen(|mut stream| while matches!(stream.read(&mut [0; 1024]), Ok(1..)) {});
    let (code, said) = conform(&url, &[]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("no answer within"), "{said}");
}

#[test]
fn a_target_that_hangs_up() {
    let url = listen(drop);
    let (code, said) = conform(&url, &[]);
    assert_eq!(code, 3, "{said}");
}

#[test]
fn a_target_that_sends_rubbish_for_ever() {
    let url = listen(|mut stream| while stream.write_all(&[b'x'; 4096]).is_ok() {});
    let (code, said) = conform(&url, &[]);
    assert_eq!(code, 3, "{said}");
}

#[test]
fn a_target_whose_answer_never_ends() {
    let url = listen(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n0");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let (code, said) = conform(&url, &[]);
    assert_eq!(code, 3, "{said}");
}

/// An application on a thread of its own; returns its URL.
fn application(install: impl FnOnce(&Server) + Send + 'static) -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let io = Server::new(Options::default());
            install(&io);
            let listener = io.listen("127.0.0.1:0").await.unwrap();
            sender.send(format!("http://{}", listener.local_addr())).unwrap();
            listener.run().await.unwrap();
        });
    });
    receiver.recv().unwrap()
}

#[test]
fn a_target_that_claims_everything_is_believed_in_nothing() {
    let url = application(|io| {
        io.on_connection(|_| {});
        io.of("/custom").on_connection(|socket| {
            for event in ["select", "message-with-ack"] {
                socket.on(event, |_, mut event| {
                    if let Some(ack) = event.take_ack() {
                        ack.send((serde_json::json!({}),));
                    }
                });
            }
        });
        // As the fixture does, so that it is believed to be that.
        io.of("/").on_connection(|socket| {
            let _ = socket.emit("auth", (serde_json::json!({}),));
            socket.on("message-with-ack", |_, mut event| {
                let args = event.args.clone();
                if let Some(ack) = event.take_ack() {
                    ack.send(args);
                }
            });
        });
    });
    let (code, said) = conform(&url, &["--area", "rooms"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("what cannot exist"), "{said}");
}

#[test]
fn a_target_that_floods() {
    let url = application(|io| {
        for nsp in ["/", "/custom"] {
            io.of(nsp).on_connection(|socket| {
                let flooded = socket.clone();
                tokio::spawn(async move {
                    while flooded.emit("flood", ("x".repeat(100),)).is_ok() {
                        tokio::task::yield_now().await;
                    }
                });
                socket.on("message-with-ack", |_, mut event| {
                    if let Some(ack) = event.take_ack() {
                        ack.send(());
                    }
                });
            });
        }
    });
    let (code, said) =
        conform(&url, &["--requirement", "RM-01", "--requirement", "SIO-CN-05", "--requirement", "EIO-HS-01"]);
    // Whatever an application says by itself, some things can be seen on the wire, and they may well be right.
    assert!(matches!(code, 0 | 1 | 3 | 4), "{code}: {said}");
}
