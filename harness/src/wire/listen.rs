//! Taking connections, whatever goes wrong with one of them.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// How long nobody is taken when somebody could not be.
const PAUSE: Duration = Duration::from_millis(10);

/// The next connection. One that cannot be taken (too many open files, as a rule) is waited for: those that close make room.
/// Cancel-safe: a connection that is taken is handed over at once.
pub(crate) async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    taken(|| listener.accept()).await
}

async fn taken<T, F>(mut accept: impl FnMut() -> F) -> T
where
    F: Future<Output = io::Result<T>>,
{
    loop {
        match accept().await {
            Ok(taken) => return taken,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use nix::errno::Errno;

    use super::*;

    /// Relays, the balancer and the page of metrics live through whatever accept(2) says.
    #[tokio::test(start_paused = true)]
    async fn who_cannot_be_taken_is_waited_for() {
        let troubles = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM, Errno::ECONNABORTED, Errno::EPERM];
        let mut answers = troubles.map(|errno| Err(errno.into())).into_iter().chain([Ok("somebody")]);
        let before = tokio::time::Instant::now();
        assert_eq!(taken(|| ready(answers.next().unwrap_or_else(|| panic!("asked again")))).await, "somebody");
        assert_eq!(before.elapsed(), PAUSE * 6, "with a pause after each, so that no core is kept busy");
    }
}
