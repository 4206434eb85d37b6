//! An Engine.IO server that sends back what it gets, for clients of revisions 3 and 4.
//!
//! ```console
//! $ cargo run -p sio-reference-server --example engine-echo -- 127.0.0.1:3000
//! ```
#![allow(clippy::print_stdout, reason = "it says where it listens")]

use sio_reference_server::{EngineSocket, Message, Options, Server};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let options = Options { path: "/engine.io".to_owned(), allow_eio3: true, ..Options::default() };
    let server = Server::engine(options, |socket: &EngineSocket, message: Message| {
        // Fails when the client is gone, and then nobody waits for it.
        let _ = socket.send(message);
    });
    let listener = server.listen(address).await?;
    println!("LISTENING {}", listener.local_addr().port());
    listener.run().await
}
