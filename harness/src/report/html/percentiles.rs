//! Latency over the share of values that are not larger: first what the thresholds judge, then what a load is about, then the rest.

use super::load::curves;
use super::source::Run;
use crate::record::{Entry, loads};
use crate::vocab::Measure;
use crate::vocab::measure::{Scope, Subject};

/// Lines of a picture; what has no room is in the next one.
const LINES: usize = 8;

/// One measure of one run.
struct Curve<'a> {
    /// Which run it is of, counted from 1.
    run: usize,
    measure: &'a str,
    points: &'a [(f64, f64)],
    rank: Rank,
}

/// What comes first; then the order of the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// A threshold is about it.
    Judged,
    /// What a load is about.
    Main,
    Other,
}

/// With as much room for the last percent as for all others.
pub(super) fn render(runs: &[Run]) -> String {
    let all: Vec<Curve<'_>> = (1..).zip(runs).flat_map(|(number, run)| of_run(number, run)).collect();
    let (first, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|curve| curve.rank < Rank::Other);
    let mut out = pictures("Latency by percentile", &first, runs.len() > 1);
    let rest = pictures("Latency by percentile, other measures", &rest, runs.len() > 1);
    if !rest.is_empty() && out.is_empty() {
        out = rest;
    } else if !rest.is_empty() {
        out.push_str(&format!("<details><summary>Other measures by percentile</summary>{rest}</details>\n"));
    }
    out
}

/// The measures of a run that say something of its target, the judged ones first.
fn of_run(number: usize, run: &Run) -> Vec<Curve<'_>> {
    let judged: Vec<&str> = judged(&run.entries).collect();
    let order: Vec<&str> = loads(&run.entries)
        .flat_map(|load| {
            let traffic = load.traffic.iter().map(|traffic| traffic.name.as_str());
            traffic.chain(load.steps.iter().map(|step| step.name.as_str()))
        })
        .collect();
    let mut all: Vec<Curve<'_>> = run
        .distributions
        .iter()
        .filter_map(|(name, points)| {
            let measure = name.strip_prefix("step.").unwrap_or(name);
            let is_judged = judged.contains(&name.as_str()) || judged.contains(&measure);
            let of_run = Measure::named(Scope::Run, name);
            if !is_judged && of_run.is_some_and(is_apart) {
                return None;
            }
            let of = measure.rsplit_once('.').and_then(|(_, of)| Measure::named(Scope::Traffic, of));
            let rank = match of {
                _ if is_judged => Rank::Judged,
                Some(of) if of.row().is_main => Rank::Main,
                _ if name.starts_with("step.") => Rank::Main,
                _ => Rank::Other,
            };
            Some(Curve { run: number, measure, points, rank })
        })
        .collect();
    let place = |measure: &str| {
        order
            .iter()
            .position(|name| measure.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    };
    all.sort_by_key(|curve| (curve.rank, place(curve.measure).unwrap_or(usize::MAX)));
    all
}

/// What says something of sio-bench, of its fences or of connecting is not about the messages of a load.
fn is_apart(measure: Measure) -> bool {
    measure.row().subject == Subject::Generator || matches!(measure, Measure::Fence | Measure::Connect)
}

/// What the thresholds are about: `tell.delivery` of `tell.delivery p99 < 100ms`.
pub(super) fn judged(entries: &[Entry]) -> impl Iterator<Item = &str> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Threshold(threshold) => threshold.threshold.split_whitespace().next(),
        _ => None,
    })
}

/// As many pictures as it takes. Of several runs, each measure has its own if they have no room in one.
fn pictures(title: &str, curves: &[Curve<'_>], several: bool) -> String {
    let mut groups: Vec<Vec<&Curve<'_>>> = Vec::new();
    if several && curves.len() > LINES {
        for curve in curves {
            match groups.iter_mut().find(|group| group[0].measure == curve.measure) {
                Some(group) => group.push(curve),
                None => groups.push(vec![curve]),
            }
        }
    } else {
        groups.extend(curves.chunks(LINES).map(|chunk| chunk.iter().collect()));
    }
    let mut out = String::new();
    for group in groups {
        // There is no room for more than a number; it stands ahead of each run's name.
        let name = |curve: &&Curve<'_>| {
            if several { format!("{}: {}", curve.run, curve.measure) } else { curve.measure.to_owned() }
        };
        let named: Vec<_> = group.iter().map(|curve| (name(curve), curve.points)).collect();
        let drawn = self::curves(title, &named);
        out.push_str(&drawn);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{LoadResult, ThresholdKind, ThresholdResult, ThresholdVerdict, TrafficResult};

    fn run(thresholds: &[&str], measures: &[&str]) -> Run {
        let threshold = |text: &&str| {
            Entry::Threshold(ThresholdResult {
                scenario: String::new(),
                threshold: (*text).to_owned(),
                place: String::new(),
                observed: String::new(),
                verdict: ThresholdVerdict::Holds,
                about: ThresholdKind::Figures,
            })
        };
        let names = ["zeta", "alpha", "b", "c", "d", "e", "f", "g", "h", "i"];
        let traffic = names.map(|name| TrafficResult { name: name.to_owned(), ..TrafficResult::default() });
        let load = LoadResult { traffic: traffic.to_vec(), ..LoadResult::default() };
        let mut run = Run::of(thresholds.iter().map(threshold).chain([Entry::Load(Box::new(load))]).collect());
        for measure in measures {
            run.distributions.insert((*measure).to_owned(), vec![(0.0, 1e6), (0.5, 2e6), (0.9, 3e6)]);
        }
        run
    }

    /// Five lines were drawn, the first ones of the alphabet.
    #[test]
    fn what_is_judged_comes_first_and_nothing_is_left_out() {
        let all = [
            "alpha.ack",
            "alpha.delivery",
            "alpha.service",
            "b.delivery",
            "c.delivery",
            "d.delivery",
            "e.delivery",
            "f.delivery",
            "g.delivery",
            "h.delivery",
            "i.delivery",
            "zeta.complete",
            "zeta.delivery",
        ];
        let html = render(&[run(&["zeta.complete p99 < 1s", "errors <= 0%"], &all)]);
        for measure in all {
            assert!(html.contains(&format!("<title>{measure}</title>")), "{measure}: {html}");
        }
        let place = |text: &str| html.find(&format!("<title>{text}</title>")).unwrap();
        assert!(place("zeta.complete") < place("zeta.delivery"), "what is judged is first");
        assert!(place("zeta.delivery") < place("alpha.delivery"), "then the order of the scenario");
        assert!(place("i.delivery") < html.find("Other measures").unwrap());
        assert!(place("alpha.service") > html.find("Other measures").unwrap(), "{html}");
    }

    /// Nine lines of three runs have no room in one picture.
    #[test]
    fn several_runs_are_side_by_side_in_the_picture_of_a_measure() {
        let measures = ["alpha.delivery", "b.delivery", "c.delivery"];
        let runs = [run(&[], &measures), run(&[], &measures), run(&[], &measures)];
        let html = render(&runs);
        assert_eq!(html.matches("<figure>").count(), 3);
        let first = &html[..html.find("</figure>").unwrap()];
        assert!(
            ["1: alpha.delivery", "2: alpha.delivery", "3: alpha.delivery"].iter().all(|name| first.contains(name))
        );
        assert_eq!(render(&runs[..1]).matches("<figure>").count(), 1);
    }
}
