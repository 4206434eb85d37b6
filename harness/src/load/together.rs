//! The parts of one schedule, judged as one run: what the parts counted of their own is added, and who was owed what is told to the
//! oracle again ([`replay`](super::replay)).

use std::path::{Path, PathBuf};
use std::time::Duration;

use sio_oracle::board::Nanos;

use super::evidence;
use super::fanout::Places;
use super::journal::file_name;
use super::merge::{Piece, Sums};
use super::metrics::Key;
use super::part_clocks::Clocks;
use super::replay::{Replayed, replay};
use super::result::summarize;
use super::run::payload;
use super::signs;
use super::worker::WorkerResult;
use crate::client::WireBytes;
use crate::record::histogram::{Interval, Packed};
use crate::record::intervals::tag;
use crate::record::{LedClock, LoadPart, LoadResult, LoadViolation, Together};
use crate::scenario::Loaded;
use crate::vocab::Measure;
use crate::vocab::measure::Scope;
use crate::vocab::text::plural;

/// Also on one machine: what the kernel notes of an arrival is on another of its clocks, and put onto this one.
const LEAST: Nanos = 100_000;

/// The parts of a run.
#[derive(Debug)]
pub(super) struct Parts {
    /// By the number of the part: which of the records it is.
    order: Vec<usize>,
    clocks: Clocks,
}

/// What is measured of a message by those who know all of its receivers, and of what crosses between parts. How late messages were
/// sent is added: it is measured of those who follow a flow, too.
fn is_retold(measure: Measure) -> bool {
    measure.scope() == Scope::Traffic
}

/// Puts the parts into their order; none if the records are no parts of one schedule. Otherwise they must be all of them, each
/// once, and fit together.
pub(super) fn order(pieces: &[Piece], within: Option<Duration>) -> Result<Option<Parts>, String> {
    let parts: Vec<Option<LoadPart>> = pieces.iter().map(|piece| piece.load().part).collect();
    let Some(first) = parts.iter().position(Option::is_some) else {
        return match within {
            Some(_) => {
                Err("--clocks-within is for the parts of one run (`run --part`), and these are runs of their own"
                    .to_owned())
            }
            None => Ok(None),
        };
    };
    let name = |place: usize| pieces[place].path.display();
    if let Some(other) = parts.iter().position(Option::is_none) {
        return Err(format!("{} is a part of a run, and {} is a run of its own", name(first), name(other)));
    }
    let parts: Vec<LoadPart> = parts.into_iter().flatten().collect();
    for place in 0..parts.len() {
        fits((&pieces[place], &parts[place]), (&pieces[first], &parts[first]))?;
    }
    let order = all_of_them(pieces, &parts)?;
    let in_order: Vec<&LoadPart> = order.iter().map(|place| &parts[*place]).collect();
    if let Some(place) = (0..parts.len()).find(|place| parts[*place].lacks.is_some()) {
        let why = parts[place].lacks.as_deref().unwrap_or_default();
        return Err(format!("the journal of {} is not whole: {why}; what its users got is not known", name(place)));
    }
    let clocks = clocks(&in_order, within)?;
    Ok(Some(Parts { order, clocks }))
}

/// Whether two records are parts of the same run; the error names what differs.
fn fits((piece, part): (&Piece, &LoadPart), (first, known): (&Piece, &LoadPart)) -> Result<(), String> {
    let (a, b) = (piece.path.display(), first.path.display());
    let differ = |what: &str| Err(format!("{a} and {b} are no parts of one run: {what}"));
    let (mine, theirs) = (piece.start()?, first.start()?);
    let (version, other) = (&piece.header()?.version, &first.header()?.version);
    if version != other {
        return differ(&format!("the one was run by version {version}, the other by {other}"));
    }
    if mine.source != theirs.source {
        return differ("their scenario files differ");
    }
    if mine.seed != theirs.seed {
        return differ(&format!("the seed of the one is {}, that of the other {}", mine.seed, theirs.seed));
    }
    if mine.vars != theirs.vars {
        let name = mine.vars.iter().find(|(name, value)| theirs.vars.get(*name) != Some(value));
        let name = name.map_or("a variable", |(name, _)| name.as_str());
        return differ(&format!("{name} is not the same in both"));
    }
    if part.of != known.of {
        return differ(&format!("the one is of {} parts, the other of {}", part.of, known.of));
    }
    if part.start != known.start {
        return differ(&format!("the one began at {}, the other at {}", part.start, known.start));
    }
    if part.run != known.run {
        return differ("the files that the scenario reads (`[feeds]`) differ");
    }
    Ok(())
}

/// The places of the parts, in their order; each must be there once.
fn all_of_them(pieces: &[Piece], parts: &[LoadPart]) -> Result<Vec<usize>, String> {
    let of = parts[0].of;
    let mut order = Vec::with_capacity(of as usize);
    for number in 1..=of {
        let mut found = (0..parts.len()).filter(|place| parts[*place].number == number);
        let Some(place) = found.next() else {
            return Err(format!(
                "part {number} of {of} is not among the records; a run is judged with all of its parts"
            ));
        };
        if let Some(other) = found.next() {
            let (a, b) = (pieces[place].path.display(), pieces[other].path.display());
            return Err(format!("{a} and {b} are both part {number} of {of}"));
        }
        order.push(place);
    }
    if order.len() != parts.len() {
        return Err(format!("of {} records only {of} can be parts of a run of {of}", parts.len()));
    }
    Ok(order)
}

/// How the clocks of the parts stand to one another: known on one machine, said by whoever has several.
fn clocks(parts: &[&LoadPart], stated: Option<Duration>) -> Result<Clocks, String> {
    let first = &parts[0].clock;
    let is_one = first.machine.is_some() && parts.iter().all(|part| part.clock.machine == first.machine);
    if let (false, None, Some(led)) = (is_one, stated, led(parts)) {
        return Ok(led);
    }
    let stated = stated.map(|within| Nanos::try_from(within.as_nanos()).unwrap_or(Nanos::MAX / 4));
    let base = |part: &LoadPart| if is_one { part.clock.monotonic } else { part.clock.wall };
    let read = parts.iter().map(|part| part.clock.within).max().unwrap_or(0).saturating_mul(2).max(LEAST);
    let within = match stated {
        Some(stated) if !is_one => stated.saturating_add(read),
        Some(stated) => stated.max(read),
        None if is_one => read,
        None => {
            return Err(
                "the parts ran on several machines, and by how much their clocks may differ is not known\n  say so with --clocks-within, such as \
                 5ms: what `chronyc tracking` gives as root dispersion and half the root delay, of both machines together"
                    .to_owned(),
            );
        }
    };
    Ok(Clocks { shifts: parts.iter().map(|part| base(part) - base(parts[0])).collect(), within })
}

/// The clocks as they were measured while the run went on; none if they were not, of some part.
fn led(parts: &[&LoadPart]) -> Option<Clocks> {
    let led: Vec<LedClock> = parts.iter().map(|part| part.clock.led).collect::<Option<_>>()?;
    // Two parts differ by what is not known of the one and of the other: of the worst two.
    let mut bounds: Vec<Nanos> = led.iter().map(|led| led.within.clamp(0, Nanos::MAX / 8)).collect();
    bounds.sort_unstable();
    let within = bounds.iter().rev().take(2).sum::<Nanos>() + LEAST;
    Some(Clocks { shifts: led.iter().map(|part| part.origin.saturating_sub(led[0].origin)).collect(), within })
}

/// Judges the parts as one run.
pub(super) fn judge(parts: &Parts, loaded: &Loaded, sums: &mut Sums, pieces: &[Piece]) -> Result<LoadResult, String> {
    // What a record says of the file's name is not taken for a path.
    let journal = |place: &usize| pieces[*place].folder.join(file_name(&loaded.scenario.name));
    let journals: Vec<PathBuf> = parts.order.iter().map(journal).collect();
    let paths: Vec<&Path> = journals.iter().map(PathBuf::as_path).collect();
    let fenced = pieces.iter().all(|piece| piece.load().fenced);
    let told = replay(&loaded.scenario, &sums.plan, &paths, &parts.clocks, fenced);
    let mut told = told.map_err(|(part, damage)| format!("{} {damage}", paths[part].display()))?;
    if told.too_early > 0 {
        return Err(clocks_differ(&told, parts.clocks.within));
    }
    let snapshot = told.measurements.snapshot(0, false);
    sums.histograms.forget(is_retold);
    for (key, histogram) in snapshot.histograms.iter().filter(|(key, _)| is_retold(key.measure)) {
        sums.histograms.add(key.clone(), histogram);
    }
    retell(sums, &snapshot.histograms).map_err(|error| format!("the log cannot be written: {error}"))?;
    let mut found = told.measurements.into_findings();
    for (index, traffic) in pieces.iter().flat_map(|piece| piece.load().traffic.into_iter().enumerate()) {
        for (name, copies) in traffic.others {
            *found.others[index].entry(name).or_default() += copies;
        }
    }
    let whole = [WorkerResult { found, time: None, wire: WireBytes::default(), snapshot }];
    let plan = &sums.plan;
    // Which place a receiver has among those of its message is not told by parts.
    let mut judged = summarize(&loaded.scenario, plan, &whole, &sums.histograms, &Places::new(plan.traffic.len()));
    // How the last copy of a message came is not noted.
    judged.traffic.iter_mut().for_each(|traffic| traffic.outliers.clear());
    let mut load = sums.load(pieces);
    let is_decided = |index: usize| !judged.traffic[index].undecided;
    load.violations = evidence::first(whole.iter().map(|whole| &whole.found.witnesses), is_decided)
        .into_iter()
        .map(|(violation, ..)| LoadViolation { no_case: Some(NO_CASE.to_owned()), ..violation })
        .collect();
    (load.traffic, load.due, load.among, load.negative) = (judged.traffic, judged.due, judged.among, judged.negative);
    load.foreign += told.unsent;
    // What crossed between parts was in nobody's count.
    load.wire.payload = payload(loaded, &load);
    load.part = None;
    let (of, clocks_within) = (parts.order.len() as u32, parts.clocks.within);
    load.together = Some(Together { parts: of, clocks_within, by_clock: told.by_clock });
    signs::mark(&mut load);
    Ok(load)
}

/// Nothing is judged by clocks that are known to be wrong.
fn clocks_differ(told: &Replayed, within: Nanos) -> String {
    let time = |nanos: Nanos| Duration::from_nanos(nanos.unsigned_abs());
    format!(
        "{} came up to {:.1?} earlier than they can have been sent, so the clocks of the parts differ by more than {:.1?}, and nothing is \
         judged by them\n  find out by how much they differ, and give that as --clocks-within; better, let both follow one clock (chrony, PTP)",
        plural(told.too_early, "copy"),
        time(told.earliest),
        time(within)
    )
}

const NO_CASE: &str = "parts are put together without the target; a run of one process writes a case";

/// In the log, what the parts could not know of the whole is replaced by what is known now; of the whole run, since who got a message
/// last is known when all is over.
fn retell(sums: &mut Sums, histograms: &[(Key, hdrhistogram::Histogram<u64>)]) -> std::io::Result<()> {
    let late = [Measure::Service, Measure::First, Measure::Complete];
    let names: Vec<String> = sums
        .plan
        .traffic
        .iter()
        .flat_map(|traffic| late.iter().map(move |measure| tag(&measure.full_name(&traffic.name), None)))
        .collect();
    let is_late = |interval: &Packed| names.iter().any(|name| interval.tag.split('@').next() == Some(name));
    sums.intervals.retain(|interval| !is_late(interval));
    let length = Duration::from_nanos(sums.plan.length());
    for (key, histogram) in histograms.iter().filter(|(key, _)| late.contains(&key.measure)) {
        let tag = sums.plan.tag_of(key);
        let interval = Interval { tag, start: Duration::ZERO, length, histogram: histogram.clone() };
        sums.intervals.push(Packed::new(interval)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::PartClock;

    fn part(machine: &str, led: Option<LedClock>) -> LoadPart {
        let clock = PartClock { machine: Some(machine.to_owned()), monotonic: 7, wall: 9, within: 1, led };
        LoadPart { clock, ..LoadPart::default() }
    }

    /// Clocks that were compared while the run went on need nobody's word.
    #[test]
    fn measured_clocks_are_put_onto_that_of_whoever_led() {
        let led = |origin, within| Some(LedClock { origin, within });
        let parts = [part("a", led(5, 100)), part("b", led(-20, 300)), part("c", led(0, 200))];
        let all: Vec<&LoadPart> = parts.iter().collect();
        let clocks = clocks(&all, None).unwrap();
        assert_eq!((clocks.shifts, clocks.within), (vec![0, -25, -5], 300 + 200 + LEAST));
        // One that was not measured leaves all of them unknown; so nobody guesses.
        let parts = [part("a", led(5, 100)), part("b", None)];
        let all: Vec<&LoadPart> = parts.iter().collect();
        assert!(super::clocks(&all, None).unwrap_err().contains("--clocks-within"));
        assert_eq!(super::clocks(&all, Some(Duration::from_millis(1))).unwrap().shifts, [0, 0]);
        // One machine has one clock, whatever was measured.
        let parts = [part("a", led(5, 100)), part("a", led(-20, 300))];
        assert_eq!(super::clocks(&parts.iter().collect::<Vec<_>>(), None).unwrap().shifts, [0, 0]);
    }
}
