//! What is read from a socket and not yet asked for. Thousands of connections that say nothing have no buffer for it: the one that reads borrows its
//! thread's, and keeps it only while something is left in it.

use std::cell::Cell;
use std::io;
use std::task::Poll;

use tokio::io::ReadBuf;

/// Bytes that one read takes at most.
const SIZE: usize = 16 * 1024;

thread_local! {
    static SPARE: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Bytes that one connection has read ahead.
#[derive(Default)]
pub(super) struct Ahead(Option<Buffer>);

struct Buffer {
    bytes: Box<[u8]>,
    from: usize,
    to: usize,
}

impl Ahead {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Fills `wanted` with what was read ahead; if that is nothing, with what `read` brings.
    pub(super) fn read(
        &mut self,
        wanted: &mut ReadBuf<'_>,
        read: impl FnOnce(&mut ReadBuf<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        if wanted.remaining() >= SIZE && self.is_empty() {
            return read(wanted);
        }
        if self.is_empty() {
            let mut bytes = SPARE.take().unwrap_or_else(|| vec![0; SIZE].into_boxed_slice());
            let mut buffer = ReadBuf::new(&mut bytes);
            let outcome = read(&mut buffer);
            let to = buffer.filled().len();
            self.0 = Some(Buffer { bytes, from: 0, to });
            if !matches!(outcome, Poll::Ready(Ok(()))) {
                self.give_back();
                return outcome;
            }
        }
        if let Some(buffer) = &mut self.0 {
            let length = wanted.remaining().min(buffer.to - buffer.from);
            wanted.put_slice(&buffer.bytes[buffer.from..buffer.from + length]);
            buffer.from += length;
            if buffer.from == buffer.to {
                self.give_back();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn give_back(&mut self) {
        if let Some(buffer) = self.0.take() {
            SPARE.set(Some(buffer.bytes));
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads all of `parts`, each of which comes in one read, in pieces of the sizes that are wanted.
    fn play(parts: &[Vec<u8>], wanted: &[usize]) -> Vec<u8> {
        let mut ahead = Ahead::default();
        let mut coming = parts.iter().filter(|part| !part.is_empty()).flat_map(|part| part.chunks(SIZE));
        let mut sizes = wanted.iter().copied().cycle();
        let mut got = Vec::new();
        loop {
            let mut piece = vec![0; sizes.next().unwrap()];
            let mut buffer = ReadBuf::new(&mut piece);
            let outcome = ahead.read(&mut buffer, |buffer| match coming.next() {
                Some(part) if part.len() <= buffer.remaining() => {
                    buffer.put_slice(part);
                    Poll::Ready(Ok(()))
                }
                Some(_) => panic!("what reads has no room"),
                None => Poll::Pending,
            });
            if outcome.is_pending() {
                assert!(ahead.is_empty(), "it waits for more and has something");
                return got;
            }
            got.extend_from_slice(buffer.filled());
        }
    }

    proptest! {
        #[test]
        fn every_byte_comes_once_and_in_order(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40_000), 0..5),
            wanted in prop::collection::vec(1_usize..20_000, 1..4),
        ) {
            prop_assert_eq!(play(&parts, &wanted), parts.concat());
        }
    }

    #[test]
    fn the_end_and_an_error_are_passed_on_and_nothing_is_kept() {
        let mut ahead = Ahead::default();
        let mut piece = [0; 10];
        let end = ahead.read(&mut ReadBuf::new(&mut piece), |_| Poll::Ready(Ok(())));
        assert!(matches!(end, Poll::Ready(Ok(()))) && ahead.is_empty());
        let broken =
            ahead.read(&mut ReadBuf::new(&mut piece), |_| Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())));
        assert!(matches!(broken, Poll::Ready(Err(_))) && ahead.is_empty());
    }
}
