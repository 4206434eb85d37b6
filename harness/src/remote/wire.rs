//! The messages of a run on several machines: JSON, one subject for each direction. Whatever comes in was sent by somebody else.

use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::record::{Buckets, EndedBy, Progress};

/// All subjects begin with it.
const PREFIX: &str = "sio-bench";
/// What is no chunk of a file is shorter.
pub const LONGEST: usize = 64 * 1024;
/// Words of somebody else that are kept.
const MOST_WORDS: usize = 400;
/// Bytes of a file in one message; brokers take 1 MiB unless they were told otherwise.
pub const CHUNK: usize = 256 * 1024;

/// Names a run, or a worker: lower-case letters and digits, so that it is one word of a subject and of a command line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(String);

impl Id {
    /// One that nobody has.
    pub fn fresh() -> Self {
        // Without those that look like others.
        const LETTERS: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
        let letter = |byte: u8| char::from(LETTERS[usize::from(byte) % LETTERS.len()]);
        Self(rand::random::<[u8; 10]>().into_iter().map(letter).collect())
    }

    /// As it was typed, or sent.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fits = (4..=32).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        fits.then(|| Self(text.to_owned())).ok_or_else(|| {
            "expected the name of a run as the coordinator has printed it, such as k3v9wqm2ha".to_owned()
        })
    }
}

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where runs that have free parts are offered.
pub fn offers() -> String {
    format!("{PREFIX}.offers")
}

/// Where something is said or asked that is about one run.
#[derive(Clone, Copy, Debug)]
pub enum About {
    /// What is asked of the coordinator.
    Desk,
    /// Chunks of the workers' files, to the coordinator.
    Files,
    /// How the workers are, to the coordinator.
    Beats,
    /// How the run stands, to all workers.
    Notices,
    /// The coordinator's own, by which it knows that the broker is there.
    Echo,
}

/// The subject for that.
pub fn subject(run: &Id, about: About) -> String {
    let about = match about {
        About::Desk => "desk",
        About::Files => "files",
        About::Beats => "beats",
        About::Notices => "notices",
        About::Echo => "echo",
    };
    format!("{PREFIX}.{run}.{about}")
}

/// Where a worker is asked whether it is there.
pub fn door(run: &Id, worker: &Id) -> String {
    format!("{PREFIX}.{run}.door.{worker}")
}

/// A run that wants workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    pub run: Id,
    pub version: String,
    pub of: u32,
    pub free: u32,
    /// Milliseconds since 1970, by the coordinator's clock; the newest is taken.
    pub since: i64,
}

/// What a worker asks, each time with the same words until it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// For a part.
    Join { worker: Id, version: String, host: String, process: u32, part: Option<u32> },
    /// For the bundle, from a byte on.
    Fetch { at: u64 },
    /// What the coordinator's clock shows.
    Clock,
    /// Gives its part back, since its operator does not let it run this (`refuses`), or since it cannot.
    Leave { worker: Id, why: String, refuses: bool },
    /// All files are there.
    Done { worker: Id, files: Vec<Sum> },
    /// Has a part that no coordinator has taken.
    Again { worker: Id, left: Left },
}

/// A part whose coordinator is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Left {
    pub version: String,
    pub host: String,
    pub process: u32,
    /// Counted from 1.
    pub number: u32,
    pub of: u32,
    /// What was run, which is to be had of the worker.
    pub bundle: Bundled,
    /// Why it ended early, if it did.
    pub cut: Option<Cut>,
}

/// What the coordinator answers; the bundle comes as bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Part {
        number: u32,
        of: u32,
        bundle: Bundled,
    },
    /// Nanoseconds on its clock.
    Clock {
        at: i64,
    },
    /// So many bytes of the file are there.
    Taken {
        at: u64,
    },
    Fine,
    Refused {
        why: String,
    },
}

/// The bundle, in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bundled {
    pub bytes: u64,
    pub sha256: String,
}

/// A file of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Record,
    Histograms,
    Journal,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Record, Self::Histograms, Self::Journal];
}

/// A file of a part, in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sum {
    pub kind: Kind,
    pub bytes: u64,
    pub sha256: String,
}

/// Ahead of the bytes of a chunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChunkHead {
    pub worker: Id,
    pub kind: Kind,
    pub at: u64,
    pub crc: u32,
}

/// How a worker is; each second, and whenever that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beat {
    pub worker: Id,
    pub state: State,
    /// The last second of its load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<Progress>,
    /// What it has measured since it began.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub so_far: IndexMap<String, Buckets>,
}

impl Beat {
    /// As bytes. That a worker is there matters more than what a second of hundreds of measures had: a message that is too long would be
    /// taken for none.
    pub fn encode(mut self) -> Vec<u8> {
        let bytes = encode(&self);
        if bytes.len() <= LONGEST {
            return bytes;
        }
        self.so_far.clear();
        let bytes = encode(&self);
        if bytes.len() <= LONGEST {
            return bytes;
        }
        self.second = None;
        encode(&self)
    }
}

/// How far a worker is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    /// Reads, plans, connects its users.
    Preparing,
    /// All of its users are in.
    Ready,
    /// Has heard when the phases begin.
    Going,
    /// Its load is over, and its files are on their way.
    Ended {
        /// Why it ended early, if it did of its own accord.
        cut: Option<Cut>,
    },
}

/// Why a part ended early.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    pub why: String,
    pub by: EndedBy,
}

/// How the run stands; four times a second, and whenever that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "run", rename_all = "snake_case")]
pub enum Notice {
    /// Not all are there, or ready.
    Waits,
    Goes(GoAt),
    Stops {
        why: String,
    },
    /// The coordinator is gone, and somebody else wants the parts.
    Collects,
}

/// When the phases begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GoAt {
    /// RFC 3339.
    pub text: String,
    /// Nanoseconds on the coordinator's clock, as it answers it.
    pub at: i64,
    /// Who has the same monotonic clock begins when that shows so many nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    pub monotonic: i64,
}

/// A message as bytes.
pub fn encode(message: &impl Serialize) -> Vec<u8> {
    // Texts, numbers and lists have a form in JSON; what has none would be dropped by whoever gets it.
    serde_json::to_vec(message).unwrap_or_default()
}

/// The message that these bytes are; none if they are too many, or none of this kind.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    if bytes.len() > LONGEST {
        return None;
    }
    serde_json::from_slice(bytes).ok()
}

/// A chunk as bytes: its head, a line's end, and what it holds.
pub fn encode_chunk(head: &ChunkHead, bytes: &[u8]) -> Vec<u8> {
    let mut all = encode(head);
    all.push(b'\n');
    all.extend_from_slice(bytes);
    all
}

/// The other way round; none if the bytes are not those that were meant.
pub fn decode_chunk(all: &[u8]) -> Option<(ChunkHead, &[u8])> {
    const LONGEST_HEAD: usize = 512;
    let end = all.iter().take(LONGEST_HEAD).position(|byte| *byte == b'\n')?;
    let head: ChunkHead = decode(&all[..end])?;
    let bytes = &all[end + 1..];
    (bytes.len() <= CHUNK && crc(bytes) == head.crc).then_some((head, bytes))
}

/// The sum that goes with a chunk.
pub fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Words of somebody else, as far as they are kept.
pub fn words(text: &str) -> String {
    let mut kept: String = text.chars().filter(|c| !c.is_control()).take(MOST_WORDS).collect();
    if text.chars().count() > MOST_WORDS {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_id() -> impl Strategy<Value = Id> {
        "[a-z0-9]{4,32}".prop_map(|text| Id::parse(&text).unwrap())
    }

    fn any_kind() -> impl Strategy<Value = Kind> {
        prop::sample::select(Kind::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn what_is_asked_is_understood(
            worker in any_id(), version in ".{0,20}", host in ".{0,20}", process: u32, part: Option<u32>, at: u64, refuses: bool,
            files in prop::collection::vec((any_kind(), any::<u64>(), "[0-9a-f]{64}"), 0..4)
        ) {
            let sum = |(kind, bytes, sha256): (Kind, u64, String)| Sum { kind, bytes, sha256 };
            let bundle = Bundled { bytes: at, sha256: version.clone() };
            let cut = refuses.then(|| Cut { why: host.clone(), by: EndedBy::Refusal });
            let left = Left { version: version.clone(), host: host.clone(), process, number: process, of: 7, bundle, cut };
            for ask in [
                Ask::Join { worker: worker.clone(), version: version.clone(), host: host.clone(), process, part },
                Ask::Fetch { at },
                Ask::Clock,
                Ask::Leave { worker: worker.clone(), why: host, refuses },
                Ask::Done { worker: worker.clone(), files: files.into_iter().map(sum).collect() },
                Ask::Again { worker: worker.clone(), left: left.clone() },
            ] {
                prop_assert_eq!(decode::<Ask>(&encode(&ask)), Some(ask));
            }
            for answer in [
                Answer::Part { number: 1, of: 2, bundle: Bundled { bytes: at, sha256: version } },
                Answer::Clock { at: at as i64 },
                Answer::Taken { at },
                Answer::Fine,
            ] {
                prop_assert_eq!(decode::<Answer>(&encode(&answer)), Some(answer));
            }
        }

        #[test]
        fn how_things_stand_is_understood(worker in any_id(), why in ".{0,30}", at: i64, monotonic: i64, machine: Option<String>) {
            let cut = Some(Cut { why: why.clone(), by: EndedBy::Refusal });
            let mut buckets = Buckets::default();
            buckets.add(at.unsigned_abs(), 2);
            let so_far: IndexMap<_, _> = [(why.clone(), buckets)].into_iter().collect();
            for state in [State::Preparing, State::Ready, State::Going, State::Ended { cut }, State::Ended { cut: None }] {
                let beat = Beat { worker: worker.clone(), state, second: Some(Progress { sent: 3, ..Progress::default() }), so_far: so_far.clone() };
                prop_assert_eq!(decode::<Beat>(&encode(&beat)), Some(beat));
            }
            let go = GoAt { text: why.clone(), at, machine, monotonic };
            for notice in [Notice::Waits, Notice::Goes(go), Notice::Stops { why }, Notice::Collects] {
                prop_assert_eq!(decode::<Notice>(&encode(&notice)), Some(notice));
            }
        }

        #[test]
        fn a_chunk_is_as_it_was_sent(
            worker in any_id(), kind in any_kind(), at: u64, bytes in prop::collection::vec(any::<u8>(), 0..2_000), hit: prop::sample::Index
        ) {
            let head = ChunkHead { worker, kind, at, crc: crc(&bytes) };
            let mut all = encode_chunk(&head, &bytes);
            prop_assert_eq!(decode_chunk(&all), Some((head, &bytes[..])));
            if !bytes.is_empty() {
                let place = all.len() - 1 - hit.index(bytes.len());
                all[place] ^= 1;
                prop_assert_eq!(decode_chunk(&all), None);
            }
        }

        #[test]
        fn nobody_falls_over_what_is_no_message(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = (decode::<Ask>(&bytes), decode::<Answer>(&bytes), decode::<Beat>(&bytes), decode::<Notice>(&bytes));
            let _ = (decode::<Offer>(&bytes), decode_chunk(&bytes));
        }
    }

    #[test]
    fn what_is_too_long_is_no_message() {
        let why = "x".repeat(LONGEST);
        assert_eq!(decode::<Notice>(&encode(&Notice::Stops { why })), None);
        let bytes = vec![0; CHUNK + 1];
        let head = ChunkHead { worker: Id::fresh(), kind: Kind::Record, at: 0, crc: crc(&bytes) };
        assert_eq!(decode_chunk(&encode_chunk(&head, &bytes)), None);
        assert_eq!(words("a\u{1b}[2Jb\n"), "a[2Jb");
        assert_eq!(words(&"x".repeat(1_000)).chars().count(), MOST_WORDS + 1);
    }

    #[test]
    fn a_worker_is_heard_of_however_much_it_measures() {
        let latency = (0..2_000).map(|number| (format!("step {number}"), crate::record::Summary::default())).collect();
        let second = Some(Progress { latency, ..Progress::default() });
        let beat = Beat { worker: Id::fresh(), state: State::Going, second, so_far: IndexMap::new() };
        assert_eq!(decode::<Beat>(&encode(&beat)), None);
        let heard: Beat = decode(&beat.clone().encode()).unwrap();
        assert_eq!((heard.worker, heard.state, heard.second), (beat.worker, State::Going, None));
    }

    /// A name goes into subjects and onto command lines.
    #[test]
    fn a_name_is_one_word() {
        for wrong in ["", "abc", "a.b.c.d", "abc>", "abcd*", "ABCD", "ab cd", "../../x", &"a".repeat(33)] {
            assert!(Id::parse(wrong).is_err(), "{wrong}");
            assert_eq!(decode::<Id>(&encode(&wrong)), None);
        }
        let id = Id::fresh();
        assert_eq!(Id::parse(&id.to_string()), Ok(id));
    }
}
