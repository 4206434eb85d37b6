//! Reading a journal: block by block, each checked ahead of its use.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::Path;

use flate2::Crc;

use super::Event;
use super::codec::{Last, decode};

/// How a journal begins: its kind and the version of its shape.
pub(super) const MAGIC: &[u8] = b"sio-bench journal 1\n";
/// Stands where the length of a block would be.
pub(super) const END: u32 = u32::MAX;
/// No block is longer: a worker hands one over when it has 64 KiB.
const LONGEST: u32 = 1 << 20;

/// Why a journal cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::load) enum Damage {
    /// It cannot be read.
    Unreadable(String),
    /// It is of another kind, or of another version.
    Strange,
    /// It ends before its end, behind so many whole blocks.
    CutShort(u64),
    /// What is in this block is not what was written.
    Spoilt(u64),
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
            Self::Strange => write!(f, "is no journal that this version can read"),
            Self::CutShort(blocks) => write!(f, "was cut short: it ends without its end, behind {blocks} whole blocks"),
            Self::Spoilt(block) => {
                write!(f, "was changed since it was written: the checksum of block {block} does not fit")
            }
        }
    }
}

/// A journal that is read from its beginning.
pub(in crate::load) struct Journal {
    file: BufReader<File>,
    block: Vec<u8>,
    blocks: u64,
}

impl Journal {
    pub(in crate::load) fn open(path: &Path) -> Result<Self, Damage> {
        let unreadable = |error: io::Error| Damage::Unreadable(error.to_string());
        let mut file = BufReader::with_capacity(1 << 17, File::open(path).map_err(unreadable)?);
        let mut magic = [0; MAGIC.len()];
        match file.read_exact(&mut magic) {
            Ok(()) if magic == *MAGIC => Ok(Self { file, block: Vec::new(), blocks: 0 }),
            Ok(()) => Err(Damage::Strange),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Damage::CutShort(0)),
            Err(error) => Err(unreadable(error)),
        }
    }

    /// Hands every event to `take`, in the order in which its worker noted it.
    pub(in crate::load) fn visit(mut self, mut take: impl FnMut(Event)) -> Result<(), Damage> {
        while self.next_block()? {
            let (mut bytes, mut last) = (&self.block[..], Last::default());
            while !bytes.is_empty() {
                take(decode(&mut bytes, &mut last).ok_or(Damage::Spoilt(self.blocks))?);
            }
        }
        Ok(())
    }

    /// Reads the next block; false behind the last one.
    fn next_block(&mut self) -> Result<bool, Damage> {
        let length = u32::from_le_bytes(self.bytes()?);
        if length == END {
            let blocks = u64::from_le_bytes(self.bytes()?);
            return if blocks == self.blocks { Ok(false) } else { Err(Damage::CutShort(self.blocks)) };
        }
        let sum = u32::from_le_bytes(self.bytes()?);
        if length > LONGEST {
            return Err(Damage::Spoilt(self.blocks + 1));
        }
        self.block.resize(length as usize, 0);
        let blocks = self.blocks;
        self.file.read_exact(&mut self.block).map_err(|error| damage(&error, blocks))?;
        self.blocks += 1;
        let mut crc = Crc::new();
        crc.update(&self.block);
        if crc.sum() == sum { Ok(true) } else { Err(Damage::Spoilt(self.blocks)) }
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes).map_err(|error| damage(&error, self.blocks))?;
        Ok(bytes)
    }
}

fn damage(error: &io::Error, blocks: u64) -> Damage {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        Damage::CutShort(blocks)
    } else {
        Damage::Unreadable(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::codec::tests::any_event;
    use super::super::writer::Journalist;
    use super::*;

    fn read(path: &Path) -> Result<Vec<Event>, Damage> {
        let mut events = Vec::new();
        Journal::open(path)?.visit(|event| events.push(event))?;
        Ok(events)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// What two workers noted is read, each in its order; and nothing is read of what was cut or changed.
        #[test]
        fn a_journal_is_read_whole_or_not_at_all(
            first in prop::collection::vec(any_event(), 1..200),
            second in prop::collection::vec(any_event(), 0..200),
            place in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.journal");
            let journalist = Journalist::start(&path).unwrap();
            let books = [journalist.notebook(), journalist.notebook()];
            for (number, event) in first.iter().enumerate() {
                books[0].note(|| *event);
                if number == 10 {
                    books[0].flush();
                }
            }
            books[0].close();
            second.iter().for_each(|event| books[1].note(|| *event));
            books[1].close();
            books[1].note(|| first[0]);
            let outcome = journalist.end();
            let bytes = std::fs::read(&path).unwrap();
            prop_assert_eq!((outcome.lacks, outcome.bytes), (None, bytes.len() as u64));
            prop_assert_eq!(read(&path).unwrap(), [&first[..], &second].concat());

            let cut = place.index(bytes.len());
            std::fs::write(&path, &bytes[..cut]).unwrap();
            prop_assert!(matches!(read(&path), Err(Damage::CutShort(_))), "{}", cut);
            let mut changed = bytes.clone();
            changed[cut] ^= 1 << bit;
            std::fs::write(&path, &changed).unwrap();
            prop_assert!(read(&path).is_err(), "{}", cut);
        }
    }

    #[test]
    fn what_is_not_there_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.journal");
        assert!(matches!(read(&path), Err(Damage::Unreadable(_))));
        std::fs::write(&path, b"some other file that is long enough").unwrap();
        assert_eq!(read(&path), Err(Damage::Strange));
    }
}
