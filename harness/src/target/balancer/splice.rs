//! Bytes as they are, from a connection to its node and back.

use tokio::net::TcpStream;
use tokio::sync::watch;

use super::pool::Pool;

/// Joins a connection with a node, until both have said everything or everybody is dropped.
pub(super) async fn serve(mut client: TcpStream, pool: &Pool, node: usize, mut dropped: watch::Receiver<u64>) {
    let Some((_, mut server)) = pool.connect(node).await else {
        return reset(&client);
    };
    // A side that has ended is told to the other, which may go on; a full socket stops whoever writes into it.
    let cut = tokio::select! {
        ended = tokio::io::copy_bidirectional(&mut client, &mut server) => ended.is_err(),
        _ = dropped.changed() => true,
    };
    if cut {
        reset(&client);
        reset(&server);
    }
}

/// The connection is broken off, not ended.
pub(super) fn reset(stream: &TcpStream) {
    // Fails only on a socket that is dead already.
    let _ = stream.set_zero_linger();
}
