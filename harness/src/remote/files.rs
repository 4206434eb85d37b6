//! Files of a part on their way to the coordinator: in chunks, each with a checksum and its place, each acknowledged. What was sent twice
//! is taken once, and the whole has a checksum again.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use ring::digest::{Context, SHA256};

use super::bus::{Bus, Silence};
use super::wire::{self, About, Answer, Ask, ChunkHead, Id, Kind, Sum};
use crate::output;

/// Nothing was acknowledged for so long: nobody is there any more.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same where the broker says that nobody listens.
const NOBODY: Duration = Duration::from_secs(6);

/// The most that a file may have; those of a run are not larger.
fn most(kind: Kind) -> u64 {
    match kind {
        Kind::Record => 1 << 30,
        Kind::Histograms => 2 << 30,
        Kind::Journal => (8 << 30) + (1 << 20),
    }
}

/// A checksum as text.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The checksum of some bytes.
pub fn sha256(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&SHA256, bytes).as_ref())
}

/// A file that is coming in.
pub(super) struct Incoming {
    file: File,
    bytes: u64,
    sum: Context,
    kind: Kind,
}

impl Incoming {
    /// Begins one; the name is ours.
    pub(super) fn create(path: &Path, kind: Kind) -> Result<Self, String> {
        let file = output::create(path).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(Self { file, bytes: 0, sum: Context::new(&SHA256), kind })
    }

    /// Takes a chunk; returns how much of the file is there, which is where the next one begins.
    pub(super) fn take(&mut self, at: u64, chunk: &[u8]) -> Result<u64, String> {
        // One that was taken and comes again, or one behind a gap.
        if at != self.bytes {
            return Ok(self.bytes);
        }
        if self.bytes + chunk.len() as u64 > most(self.kind) {
            return Err(format!("a file of more than {} bytes is none of a part", most(self.kind)));
        }
        self.file.write_all(chunk).map_err(|error| format!("the coordinator cannot write it: {error}"))?;
        self.sum.update(chunk);
        self.bytes += chunk.len() as u64;
        Ok(self.bytes)
    }

    /// Whether it is what was to be sent.
    pub(super) fn is_whole(&self, sum: &Sum) -> bool {
        self.bytes == sum.bytes && hex(self.sum.clone().finish().as_ref()) == sum.sha256
    }
}

/// Why a part was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// Whoever takes parts does not take this one.
    Refused(String),
    /// Nobody is there.
    Silent(String),
}

impl Undelivered {
    /// In words.
    pub fn why(&self) -> &str {
        match self {
            Self::Refused(why) | Self::Silent(why) => why,
        }
    }
}

/// Sends the files of a part, and returns once the coordinator has all of them. The error says why it has not.
pub async fn deliver(bus: &Bus, run: &Id, worker: &Id, files: &[(Kind, &Path)]) -> Result<(), Undelivered> {
    let refused = |why| Err(Undelivered::Refused(why));
    let mut sums = Vec::new();
    for (kind, path) in files {
        sums.push(send(bus, run, worker, *kind, path).await?);
    }
    let done = Ask::Done { worker: worker.clone(), files: sums };
    match bus.ask_desk(run, &done, NOBODY).await {
        Ok(Answer::Fine) => Ok(()),
        Ok(Answer::Refused { why }) => refused(format!("the coordinator did not take it: {}", wire::words(&why))),
        Ok(_) => refused("the coordinator answered something else".to_owned()),
        Err(silence) => Err(silent(bus, silence)),
    }
}

fn silent(bus: &Bus, silence: Silence) -> Undelivered {
    if bus.is_connected() && silence == Silence::Nobody {
        return Undelivered::Silent("the coordinator is not there any more".to_owned());
    }
    let both = format!("neither the coordinator nor the NATS server at {} has answered for {PATIENCE:?}", bus.address);
    Undelivered::Silent(both)
}

async fn send(bus: &Bus, run: &Id, worker: &Id, kind: Kind, path: &Path) -> Result<Sum, Undelivered> {
    let unread = |error: std::io::Error| Undelivered::Refused(format!("cannot read {}: {error}", path.display()));
    let mut file = File::open(path).map_err(unread)?;
    let (mut sum, mut at, mut chunk) = (Context::new(&SHA256), 0_u64, vec![0; bus.chunk()]);
    loop {
        let length = fill(&mut file, &mut chunk).map_err(unread)?;
        if length == 0 && at > 0 {
            break;
        }
        let bytes = &chunk[..length];
        sum.update(bytes);
        let head = ChunkHead { worker: worker.clone(), kind, at, crc: wire::crc(bytes) };
        at += length as u64;
        acknowledged(bus, run, &wire::encode_chunk(&head, bytes), at).await?;
        if length == 0 {
            break;
        }
    }
    Ok(Sum { kind, bytes: at, sha256: hex(sum.finish().as_ref()) })
}

fn fill(file: &mut File, chunk: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < chunk.len() {
        match file.read(&mut chunk[length..])? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}

/// Sends a chunk until the coordinator has the file up to its end.
async fn acknowledged(bus: &Bus, run: &Id, chunk: &[u8], end: u64) -> Result<(), Undelivered> {
    /// A coordinator that has less, again and again, will never have it.
    const TRIES: usize = 20;
    for _ in 0..TRIES {
        let asked = bus.ask(wire::subject(run, About::Files), chunk.to_vec(), NOBODY).await;
        let answer = match asked {
            Err(Silence::Late) => {
                bus.ask(wire::subject(run, About::Files), chunk.to_vec(), PATIENCE.saturating_sub(NOBODY)).await
            }
            answer => answer,
        };
        match answer.map(|answer| wire::decode(&answer)) {
            Ok(Some(Answer::Taken { at })) if at == end => return Ok(()),
            Ok(Some(Answer::Refused { why })) => {
                let why = format!("the coordinator did not take it: {}", wire::words(&why));
                return Err(Undelivered::Refused(why));
            }
            Ok(_) => {}
            Err(silence) => return Err(silent(bus, silence)),
        }
    }
    Err(Undelivered::Refused("the coordinator has not got a piece of it, however often it was sent".to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever comes twice, or too early: the file is what was sent.
        #[test]
        fn a_file_comes_whole(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 1..20),
            noise in prop::collection::vec((any::<prop::sample::Index>(), 0..3_usize), 0..20)
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x");
            let mut incoming = Incoming::create(&path, Kind::Journal).unwrap();
            let all = chunks.concat();
            let place = |number: usize| chunks[..number].iter().map(Vec::len).sum::<usize>() as u64;
            for (number, chunk) in chunks.iter().enumerate() {
                for (other, _) in noise.iter().filter(|(_, when)| number % 3 == *when) {
                    let other = other.index(chunks.len());
                    if other != number {
                        prop_assert_eq!(incoming.take(place(other), &chunks[other]), Ok(place(number)));
                    }
                }
                prop_assert_eq!(incoming.take(place(number), chunk), Ok(place(number + 1)));
            }
            let sum = Sum { kind: Kind::Journal, bytes: all.len() as u64, sha256: sha256(&all) };
            prop_assert!(incoming.is_whole(&sum));
            let other = Sum { sha256: sha256(b"x"), ..sum };
            prop_assert!(!incoming.is_whole(&other));
            prop_assert_eq!(std::fs::read(&path).unwrap(), all);
        }
    }

    #[test]
    fn a_file_without_end_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut incoming = Incoming::create(&folder.path().join("x"), Kind::Record).unwrap();
        incoming.bytes = most(Kind::Record);
        assert!(incoming.take(most(Kind::Record), b"x").unwrap_err().contains("more than"));
    }
}
