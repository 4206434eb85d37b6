//! Bytes to and from a target: each read costs one system call, and says when the kernel had the bytes.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead as _, AsyncWrite as _, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::dial::Stream;
use super::wire_bytes::{self, Counted};
use crate::clock;

/// Bytes taken from the kernel at a time.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    /// One buffer for all connections of a thread: an idle one then has none.
    static READING: RefCell<Reading> = RefCell::new(Reading { scratch: vec![0; SCRATCH], control: stamp::buffer() });
}

struct Reading {
    scratch: Vec<u8>,
    control: Vec<u8>,
}

/// When bytes arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The kernel had them; when it does not tell, as `lag` says, they were read then.
    pub at: Instant,
    /// Until they were read.
    pub lag: Option<Duration>,
    /// How many had gathered until then, as far as one read took them.
    pub bytes: usize,
}

/// A connection that is read with the kernel's stamps.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
}

impl Socket {
    /// Takes a connection over.
    pub(super) fn new(stream: Stream) -> Self {
        stamp::ask_for(stream.tcp());
        Self { stream }
    }

    /// Appends what has arrived to `buffer`. An error of kind `UnexpectedEof` when there will be no more.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<Arrival>> {
        READING.with_borrow_mut(|reading| match &mut self.stream {
            Stream::Tcp(stream) => loop {
                ready!(stream.0.poll_read_ready(cx))?;
                if let Some(arrival) = Self::try_read(&stream.0, reading, buffer)? {
                    return Poll::Ready(Ok(arrival));
                }
            },
            Stream::Tls(stream) => {
                let mut read = ReadBuf::new(&mut reading.scratch);
                ready!(Pin::new(stream).poll_read(cx, &mut read))?;
                if read.filled().is_empty() {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                buffer.extend_from_slice(read.filled());
                // What the kernel stamped is not what came out of the decryption.
                Poll::Ready(Ok(Arrival { at: clock::now(), lag: None, bytes: read.filled().len() }))
            }
        })
    }

    fn try_read(stream: &TcpStream, reading: &mut Reading, buffer: &mut BytesMut) -> io::Result<Option<Arrival>> {
        let mut read = None;
        let tried = stream.try_io(Interest::READABLE, || {
            let (length, stamp) = stamp::receive(stream, &mut reading.scratch, &mut reading.control)?;
            read = Some((length, stamp));
            // Less than was asked for is all there was: the next attempt waits for more instead of finding nothing.
            if length < SCRATCH { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match (read, tried) {
            (Some((0, _)), _) => Err(io::ErrorKind::UnexpectedEof.into()),
            (Some((length, stamp)), _) => {
                buffer.extend_from_slice(&reading.scratch[..length]);
                wire_bytes::received(length);
                Ok(Some(arrival(stamp, length)))
            }
            (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            (None, Err(error)) => Err(error),
            (None, Ok(())) => Ok(None),
        }
    }

    /// Writes from the front of `buffer` as much as the kernel takes; ready when it is empty.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<()>> {
        while !buffer.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buffer))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            buffer.advance(written);
        }
        // TLS may hold back what it was given.
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Says that nothing more will be written.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// The bare connection.
    pub(super) fn tcp(&self) -> &TcpStream {
        self.stream.tcp()
    }
}

/// How long after the kernel this program reads what it receives; `None` if the kernel does not tell. Over loopback.
pub async fn stamp_lag() -> io::Result<Option<Duration>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let near = TcpStream::connect(listener.local_addr()?).await?;
    let (mut far, _) = listener.accept().await?;
    let mut socket = Socket::new(Stream::Tcp(Counted(near)));
    // The kernel begins to stamp some time after the first socket has asked for it.
    for _ in 0..STAMP_ATTEMPTS {
        tokio::io::AsyncWriteExt::write_all(&mut far, b"x").await?;
        let mut buffer = BytesMut::new();
        let arrival = std::future::poll_fn(|cx| socket.poll_read(cx, &mut buffer)).await?;
        if arrival.lag.is_some() {
            return Ok(arrival.lag);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(None)
}

/// So often a stamp is asked for before there is said to be none.
const STAMP_ATTEMPTS: usize = 50;

/// Two clocks that were read so close to each other are one.
const TOGETHER: Duration = Duration::from_micros(20);

/// When bytes with this stamp arrived, on the monotonic clock.
fn arrival(stamp: Option<SystemTime>, bytes: usize) -> Arrival {
    let mut now = clock::now();
    let Some(stamp) = stamp else { return Arrival { at: now, lag: None, bytes } };
    let mut lag = Duration::ZERO;
    // Whoever loses its core between the two clocks would take that for a time that the bytes have waited. The time of
    // day comes first: what remains of the mistake makes a message late, never early.
    for _ in 0..3 {
        let before = now;
        lag = clock::wall().duration_since(stamp).unwrap_or_default();
        now = clock::now();
        if now.saturating_duration_since(before) < TOGETHER {
            break;
        }
    }
    Arrival { at: now.checked_sub(lag).unwrap_or(now), lag: Some(lag), bytes }
}

/// The kernel's own time of receipt (`SO_TIMESTAMPNS`): of the last bytes that a read took.
#[cfg(target_os = "linux")]
mod stamp {
    use std::io::{self, IoSliceMut};
    use std::os::fd::AsRawFd as _;
    use std::time::{Duration, SystemTime};

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
    use nix::sys::time::TimeSpec;
    use tokio::net::TcpStream;

    pub(super) fn buffer() -> Vec<u8> {
        nix::cmsg_space!(TimeSpec)
    }

    /// Kernels that cannot stamp are read without.
    pub(super) fn ask_for(stream: &TcpStream) {
        let _ = setsockopt(stream, sockopt::ReceiveTimestampns, &true);
    }

    pub(super) fn receive(
        stream: &TcpStream,
        scratch: &mut [u8],
        control: &mut [u8],
    ) -> io::Result<(usize, Option<SystemTime>)> {
        let mut parts = [IoSliceMut::new(scratch)];
        let fd = stream.as_raw_fd();
        let message = recvmsg::<SockaddrStorage>(fd, &mut parts, Some(control), MsgFlags::empty())?;
        let stamp = message.cmsgs().ok().and_then(|mut all| {
            all.find_map(|one| match one {
                ControlMessageOwned::ScmTimestampns(at) => Some(at),
                _ => None,
            })
        });
        let since_epoch = stamp.map(|at| Duration::new(at.tv_sec().max(0) as u64, at.tv_nsec() as u32));
        Ok((message.bytes, since_epoch.map(|since| SystemTime::UNIX_EPOCH + since)))
    }
}

#[cfg(not(target_os = "linux"))]
mod stamp {
    use std::io;
    use std::time::SystemTime;

    use tokio::net::TcpStream;

    pub(super) fn buffer() -> Vec<u8> {
        Vec::new()
    }

    pub(super) fn ask_for(_stream: &TcpStream) {}

    pub(super) fn receive(
        stream: &TcpStream,
        scratch: &mut [u8],
        _control: &mut [u8],
    ) -> io::Result<(usize, Option<SystemTime>)> {
        Ok((stream.try_read(scratch)?, None))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Socket::new(Stream::Tcp(Counted(near))), listener.accept().await.unwrap().0)
    }

    /// However late it is read, a message arrived when it arrived.
    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn the_kernel_tells_when_it_had_the_bytes() {
        // A container may have no stamps; what it has must be right.
        if stamp_lag().await.unwrap().is_none() {
            return;
        }
        let (mut near, mut far) = pair().await;
        let written = clock::now();
        far.write_all(b"hello").await.unwrap();
        let late = Duration::from_millis(60);
        tokio::time::sleep(late).await;
        let mut buffer = BytesMut::new();
        let arrival = poll_fn(|cx| near.poll_read(cx, &mut buffer)).await.unwrap();
        assert_eq!(&buffer[..], b"hello");
        let lag = arrival.lag.unwrap();
        assert!(lag >= late / 2, "{lag:?}");
        assert!(arrival.at + lag >= written + late, "{arrival:?}");
    }

    /// In as many reads as it takes, and then the end.
    #[tokio::test]
    async fn everything_arrives_and_then_the_end() {
        let (mut near, mut far) = pair().await;
        let sent: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
        let all = sent.clone();
        tokio::spawn(async move {
            for part in all.chunks(SCRATCH) {
                far.write_all(part).await.unwrap();
            }
        });
        let mut buffer = BytesMut::new();
        let end = loop {
            if let Err(error) = poll_fn(|cx| near.poll_read(cx, &mut buffer)).await {
                break error;
            }
        };
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
        assert!(buffer == sent);
    }
}
