//! Bytes as they are, from a connection to its node and back.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy, split};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::pool::Pool;

/// How long one side may go on when the other has ended: a node that never ends must not keep its connections for ever.
pub(super) const FAREWELL: Duration = Duration::from_mins(1);

/// Joins a connection with a node, until both have said everything or everybody is dropped.
pub(super) async fn serve(mut client: TcpStream, pool: &Pool, node: usize, mut dropped: watch::Receiver<u64>) {
    let Some((_, mut server)) = pool.connect(node).await else {
        return reset(&client);
    };
    // A full socket stops whoever writes into it.
    let cut = tokio::select! {
        ended = join(&mut client, &mut server, FAREWELL) => ended.is_err(),
        _ = dropped.changed() => true,
    };
    if cut {
        reset(&client);
        reset(&server);
    }
}

/// Carries bytes both ways. A side that has ended is told to the other, which may go on for so long.
pub(super) async fn join(
    client: impl AsyncRead + AsyncWrite,
    server: impl AsyncRead + AsyncWrite,
    farewell: Duration,
) -> io::Result<()> {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = (split(client), split(server));
    let up = async {
        copy(&mut from_client, &mut to_server).await?;
        to_server.shutdown().await
    };
    let down = async {
        copy(&mut from_server, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::pin!(up, down);
    // Neither is polled again once it is over.
    tokio::select! {
        ended = &mut up => {
            ended?;
            tokio::time::timeout(farewell, down).await?
        }
        ended = &mut down => {
            ended?;
            tokio::time::timeout(farewell, up).await?
        }
    }
}

/// The connection is broken off, not ended.
pub(super) fn reset(stream: &TcpStream) {
    // Fails only on a socket that is dead already.
    let _ = stream.set_zero_linger();
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn a_side_that_never_ends_is_not_waited_for() {
        let ((mut client, near), (far, mut server)) = (duplex(64), duplex(64));
        let joined = tokio::spawn(join(near, far, Duration::from_millis(10)));
        client.write_all(b"a").await.unwrap();
        client.shutdown().await.unwrap();
        let mut said = Vec::new();
        server.read_to_end(&mut said).await.unwrap();
        assert_eq!(said, b"a");
        // The server is still there, and says nothing.
        assert_eq!(joined.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    }
}
