//! What a rule is held against, and what comes of it.

use super::*;
use crate::load::metrics::Key;
use crate::record::histogram::{empty, record};
use crate::record::{Counts, Growth, Memory, Recovery, TrafficResult, Users};
use crate::scenario::{self, source::Source};
use crate::vocab::id::Id;

/// What comes of the rules of a load with these counts, and so many deliveries of a millisecond.
fn decided(rules: &str, counts: Counts, deliveries: u64) -> Vec<(ThresholdVerdict, String)> {
    decided_with(rules, counts, deliveries, 1)
}

/// The same, where sio-bench was so many nanoseconds late in sending, and as many in reading.
fn decided_with(rules: &str, counts: Counts, deliveries: u64, late: u64) -> Vec<(ThresholdVerdict, String)> {
    let text = format!(
        "name = \"x\"\n[users.u]\ncount = 2\n[traffic.t]\nfrom = \"u\"\nrate = \"1/s\"\nemit = [\"say\", \"${{payload}}\"]\n\
         delivers_to = {{ event = \"say\", rooms = [] }}\n[[phase]]\nname = \"p\"\nfor = \"1s\"\n[slo]\nthresholds = [{rules}]\n"
    );
    let loaded = scenario::load(Source { name: "t".to_owned(), text }, &[], None).unwrap();
    let plan = Plan::new(&loaded.scenario, 1).unwrap();
    let mut histograms = Histograms::default();
    let mut times = empty();
    (0..deliveries).for_each(|_| record(&mut times, 1_000_000));
    let key = |measure| Key { measure, of: 0, phase: PhaseId::FIRST, users: 0 };
    histograms.add(key(Measure::Delivery), &times);
    let mut own = empty();
    record(&mut own, late);
    [Measure::Late, Measure::ReadDelay].into_iter().for_each(|measure| histograms.add(key(measure), &own));
    let traffic = vec![TrafficResult { name: "t".to_owned(), counts, ..TrafficResult::default() }];
    let users = Users { requested: 2, ..Users::default() };
    let load = LoadResult { users, traffic, ..LoadResult::default() };
    let decided = decide(&loaded, &plan, &load, &histograms, &[]);
    decided.into_iter().map(|rule| (rule.verdict, rule.observed)).collect()
}

#[test]
fn nothing_is_not_none() {
    let rules = r#""t.missing = 0", "t.duplicate = 0", "t.misdelivered = 0", "t.out_of_order = 0", "t.unanswered = 0", "t.delivery p50 < 1s""#;
    let observed = |counts, deliveries| {
        let decided = decided(rules, counts, deliveries).into_iter();
        decided.map(|(verdict, observed)| (verdict == ThresholdVerdict::Unknown, observed)).collect::<Vec<_>>()
    };
    let all = observed(Counts::default(), 0);
    assert!(all.iter().all(|(unknown, _)| *unknown), "{all:?}");
    let says: Vec<_> = all.iter().map(|(_, observed)| observed.as_str()).collect();
    let wanted = ["owed", "delivered", "sent", "delivered", "asked for", "no samples"];
    assert!(says.iter().zip(wanted).all(|(says, wanted)| says.ends_with(wanted)), "{says:?}");
    let sound = Counts { sent: 3, owed: 3, delivered: 3, ..Counts::default() };
    let some = observed(sound, 3);
    assert_eq!(some.iter().map(|(unknown, _)| *unknown).collect::<Vec<_>>(), [false, false, false, false, true, false]);
    let lost = observed(Counts { delivered: 0, missing: 3, ..sound }, 0);
    assert!(!lost[0].0 && lost[0].1 == "3", "{lost:?}");
}

#[test]
fn a_threshold_over_too_few_samples_says_so() {
    let [(_, few), (_, enough)] =
        [50, 100].map(|count| decided(r#""t.delivery p99 < 1s""#, Counts::default(), count).remove(0));
    assert_eq!((few.as_str(), enough.as_str()), ("1.00 ms (of 50 samples; p99 needs 100)", "1.00 ms"));
}

/// A machine without a core for anybody makes everything late, and nobody knows who is slow.
#[test]
fn what_sio_bench_itself_may_have_added_breaks_no_threshold() {
    let decide = |rule: &str, late| decided_with(rule, Counts::default(), 1_000, late).remove(0);
    let (verdict, observed) = decide(r#""t.delivery p99 < 500us""#, 300_000);
    assert_eq!(verdict, ThresholdVerdict::Unknown, "{observed}");
    assert_eq!(observed, "1.00 ms, of which up to 0.60 ms may be this machine's: sio-bench itself was so late");
    let (verdict, observed) = decide(r#""t.delivery p99 < 500us""#, 200_000);
    assert_eq!((verdict, observed.as_str()), (ThresholdVerdict::Broken, "1.00 ms"), "600 us are not explained");
    assert_eq!(decide(r#""t.delivery p99 < 2ms""#, 300_000).0, ThresholdVerdict::Holds);
    assert_eq!(decide(r#""generator.late p99 < 100us""#, 300_000).0, ThresholdVerdict::Broken);
}

/// What comes of rules over a load that has something of everything; each value is told from all others.
fn of_everything(rules: &str, phase: &str) -> Vec<(ThresholdVerdict, String)> {
    let text = format!(
        "name = \"x\"\n[users.u]\ncount = 2\n[traffic.other]\nfrom = \"u\"\nrate = \"1/s\"\nemit = [\"a\", \"${{payload}}\"]\nack = true\n\
         [traffic.t]\nfrom = \"u\"\nrate = \"1/s\"\nemit = [\"say\", \"${{payload}}\"]\n\
         delivers_to = {{ event = \"say\", rooms = [] }}\n[[phase]]\nname = \"warm\"\nfor = \"1s\"\nmeasured = false\n\
         [[phase]]\nname = \"{phase}\"\nfor = \"1s\"\n[slo]\nthresholds = [{rules}]\n"
    );
    let loaded = scenario::load(Source { name: "t".to_owned(), text }, &[], None).unwrap();
    let plan = Plan::new(&loaded.scenario, 1).unwrap();
    let mut histograms = Histograms::default();
    let mut add = |measure, of, phase, millis: u64| {
        let mut times = empty();
        record(&mut times, millis * 1_000_000);
        histograms.add(Key { measure, of, phase: PhaseId::new(phase), users: 0 }, &times);
    };
    add(Measure::Delivery, 0, 1, 90);
    add(Measure::Delivery, 1, 0, 80);
    add(Measure::Delivery, 1, 1, 20);
    add(Measure::Upgrade, 0, 0, 40);
    let traffic = |name: &str| TrafficResult { name: name.to_owned(), ..TrafficResult::default() };
    let recovery = |asked, recovered| Recovery { asked, recovered };
    let load = LoadResult {
        users: Users { requested: 10, connected: 8, failed: 2, disconnected: 3, interrupted: 1, ..Users::default() },
        iterations: [("f".to_owned(), Iterations { begun: 10, failed: 4, ..Iterations::default() })].into(),
        traffic: vec![traffic("other"), traffic("t")],
        worker_time: vec![WorkerTime { busy: 0.5, waited: 0.1 }, WorkerTime { busy: 0.2, waited: 0.3 }],
        recovery: [("warm".to_owned(), recovery(2, 2)), (phase.to_owned(), recovery(8, 4))].into(),
        memory: Memory { target: Growth { before: Some(0), open: Some(8 << 20), end: None }, ..Memory::default() },
        ..LoadResult::default()
    };
    let case = |requirement: &str, verdict| {
        serde_json::from_value::<CaseResult>(serde_json::json!({
            "id": "a/b", "scenario": "a", "title": "b", "place": "", "requirement": requirement, "verdict": verdict, "millis": 1.0
        }))
        .unwrap()
    };
    let cases = [case("RM-01", "pass"), case("RM-01", "fail"), case("RM-02", "fail"), case("RM-01", "pass")];
    let decided = decide(&loaded, &plan, &load, &histograms, &cases);
    decided.into_iter().map(|rule| (rule.verdict, rule.observed)).collect()
}

#[test]
fn each_measure_has_its_own_value() {
    for (rule, observed) in [
        ("generator.cpu < 90%", "50.00 %"),
        ("generator.cpu_wait < 90%", "30.00 %"),
        // Of ten users and ten iterations, 2 + 3 + 1 + 4.
        ("errors < 90%", "50.00 %"),
        ("recovered >= 10%", "60.00 %"),
        ("recovered >= 10% in steady", "50.00 %"),
        ("target.memory < 90MB", "1.05 MB"),
        ("case RM-01 >= 10%", "66.67 %"),
        ("t.delivery max < 1s", "20.0 ms"),
        ("t.delivery max < 1s in warm", "80.0 ms"),
        ("upgrade max < 1s", "40.0 ms"),
    ] {
        let (verdict, found) = of_everything(&format!("\"{rule}\""), "steady").remove(0);
        assert_eq!((verdict, found.as_str()), (ThresholdVerdict::Holds, observed), "{rule}");
    }
    assert_eq!(of_everything("\"case RM-09 >= 10%\"", "steady")[0].1, "no such case was played");
    assert_eq!(of_everything("\"upgrade max < 1s in steady\"", "steady")[0].1, "no samples");
    assert!(of_everything("\"capacity >= 10/s\"", "steady").is_empty(), "a run alone knows nothing of it");
}

/// A part of a run leaves open what the whole decides, and keeps what can only become more.
#[test]
fn a_part_postpones_all_but_what_is_wrong_for_good() {
    let rules =
        r#""t.missing = 0", "t.duplicate = 0", "t.unanswered = 0", "t.delivery p50 < 1us", "t.misdelivered >= 5""#;
    let text = format!(
        "name = \"x\"\n[users.u]\ncount = 2\n[traffic.t]\nfrom = \"u\"\nrate = \"1/s\"\nemit = [\"say\", \"${{payload}}\"]\n\
         delivers_to = {{ event = \"say\", rooms = [] }}\n[[phase]]\nname = \"p\"\nfor = \"1s\"\n[slo]\nthresholds = [{rules}]\n"
    );
    let loaded = scenario::load(Source { name: "t".to_owned(), text }, &[], None).unwrap();
    let results = |verdict| {
        let of = |rule: &Threshold| loaded.threshold_result(rule, "7".to_owned(), verdict);
        let mut results: Vec<_> = loaded.scenario.slo.iter().map(of).collect();
        postpone(&loaded, &mut results, "in this part");
        results.into_iter().map(|rule| (rule.verdict, rule.observed)).collect::<Vec<_>>()
    };
    let open = (ThresholdVerdict::Unknown, "7 in this part".to_owned());
    assert_eq!(results(ThresholdVerdict::Holds), vec![open.clone(); 5]);
    let wrong = (ThresholdVerdict::Broken, "7".to_owned());
    let expected = [wrong.clone(), wrong, open.clone(), open.clone(), open];
    assert_eq!(results(ThresholdVerdict::Broken), expected);
}

/// A run of two populations, with a warm-up, two measured phases, something that users do before they come, and a flow.
const TWO: &str = r#"
name = "x"
[users.u]
count = 2
enter = [{ name = "log in", http = { post = "/login" } }]
[users.w]
count = 3
[traffic.other]
from = "u"
rate = "1/s"
emit = ["a", "${payload}"]
ack = true
[traffic.t]
from = "u"
rate = "1/s"
emit = ["say", "${payload}"]
ack = true
delivers_to = { event = "say", rooms = [] }
[[phase]]
name = "warm"
for = "1s"
measured = false
[[phase]]
name = "steady"
for = "1s"
[[phase]]
name = "more"
for = "1s"
"#;

/// What was measured, and by which rules it is decided.
struct Decided {
    loaded: Loaded,
    plan: Plan,
    load: LoadResult,
    histograms: Histograms,
}

impl Decided {
    fn by(rules: &str) -> Self {
        let text = format!("{TWO}[slo]\nthresholds = [{rules}]\n");
        let loaded = scenario::load(Source { name: "t".to_owned(), text }, &[], None).unwrap();
        let plan = Plan::new(&loaded.scenario, 1).unwrap();
        let traffic = ["other", "t"].map(|name| TrafficResult { name: name.to_owned(), ..TrafficResult::default() });
        let load = LoadResult { traffic: traffic.to_vec(), ..LoadResult::default() };
        Self { loaded, plan, load, histograms: Histograms::default() }
    }

    /// So much was measured, once.
    fn measured(mut self, (measure, of): (Measure, usize), (phase, users): (usize, usize), millis: u64) -> Self {
        let mut times = empty();
        record(&mut times, millis * 1_000_000);
        self.histograms.add(Key { measure, of, phase: PhaseId::new(phase), users }, &times);
        self
    }

    fn counted(mut self, counts: Counts) -> Self {
        self.load.traffic[1].counts = counts;
        self
    }

    fn judge(&self) -> Judge<'_> {
        Judge { plan: &self.plan, load: &self.load, histograms: &self.histograms, cases: &[] }
    }

    fn results(&self) -> Vec<ThresholdResult> {
        decide(&self.loaded, &self.plan, &self.load, &self.histograms, &[])
    }

    fn first(&self) -> (ThresholdVerdict, String) {
        self.results().into_iter().map(|rule| (rule.verdict, rule.observed)).next().unwrap()
    }

    fn crossed(&self, after: u64) -> Option<ThresholdResult> {
        crossed(&self.loaded, &self.plan, &self.load, &self.histograms, Duration::from_secs(after))
    }
}

const HOLDS: ThresholdVerdict = ThresholdVerdict::Holds;
const BROKEN: ThresholdVerdict = ThresholdVerdict::Broken;
const UNKNOWN: ThresholdVerdict = ThresholdVerdict::Unknown;

/// A result says which rule it is of, where that stands, and what it is about.
#[test]
fn a_result_names_its_rule() {
    let decided = Decided::by(r#""t.missing = 0", "generator.cpu < 90%""#).counted(Counts {
        owed: 3,
        sent: 3,
        delivered: 3,
        ..Counts::default()
    });
    let [missing, cpu] = decided.results().try_into().unwrap();
    assert_eq!((missing.scenario.as_str(), missing.threshold.as_str()), ("x", "t.missing = 0"));
    assert_eq!((missing.observed.as_str(), missing.verdict, missing.about), ("0", HOLDS, ThresholdKind::Facts));
    let line = TWO.lines().count() + 2;
    assert_eq!(missing.place, format!("t:{line}:15"));
    assert_eq!((cpu.about, cpu.observed.as_str()), (ThresholdKind::Generator, "not known"));
}

/// Each time has a distribution of its own, of the phases that are measured, or of the one that is named.
#[test]
fn each_time_is_of_its_own_distribution() {
    let all = [
        (Measure::Delivery, 1),
        (Measure::Service, 1),
        (Measure::First, 1),
        (Measure::Complete, 1),
        (Measure::Ack, 1),
        (Measure::Reconnect, 0),
        (Measure::Connect, 0),
        (Measure::Upgrade, 0),
        (Measure::ReadDelay, 0),
        (Measure::Late, 0),
        (Measure::Step, 0),
    ];
    let names = [
        "t.delivery",
        "t.service",
        "t.first",
        "t.complete",
        "t.ack",
        "reconnect",
        "connect",
        "upgrade",
        "generator.read_delay",
        "generator.late",
        "log in",
    ];
    // By phase, the later the less: which phases count is shown by the largest.
    let observed = |name: &str, scope: &str| {
        let mut decided = Decided::by(&format!("\"{name} max < 100s{scope}\""));
        for (number, key) in (1..).zip(all) {
            for phase in 0..3 {
                decided = decided.measured(key, (phase, 0), number * 100 - 30 * phase as u64);
            }
        }
        // Of another traffic nothing is said here.
        decided = decided.measured((Measure::Delivery, 0), (1, 0), 9_000);
        let text = decided.first().1;
        text.split(' ').next().unwrap().parse::<f64>().unwrap() * if text.ends_with(" s") { 1_000.0 } else { 1.0 }
    };
    for (number, name) in (1..).zip(names) {
        // Users connect, come in and upgrade ahead of what is measured.
        let is_of_all = matches!(name, "connect" | "upgrade" | "log in");
        let expected = f64::from(number) * 100.0 - if is_of_all { 0.0 } else { 30.0 };
        let found = observed(name, "");
        assert!((found - expected).abs() < expected * 0.01, "{name}: {found} instead of {expected}");
    }
    for (number, name) in (1..).zip(names).filter(|(_, name)| !matches!(*name, "connect")) {
        for (phase, scope) in [" in warm", " in steady", " in more"].iter().enumerate() {
            let expected = f64::from(number) * 100.0 - 30.0 * phase as f64;
            let found = observed(name, scope);
            assert!((found - expected).abs() < expected * 0.01, "{name}{scope}: {found} instead of {expected}");
        }
    }
    // Users connect ahead of all phases, whichever is named.
    assert!((observed("connect", " in more") - 700.0).abs() < 7.0);
}

/// Users of a flow may have come ahead of what is measured; a phase that is named is that phase alone.
#[test]
fn lateness_is_of_all_phases_where_none_that_is_measured_has_some() {
    let late = |scope: &str, phase| {
        Decided::by(&format!("\"generator.late max < 100s{scope}\""))
            .measured((Measure::Late, 0), (phase, 0), 50)
            .first()
    };
    assert_eq!(late("", 0), (HOLDS, "50.0 ms".to_owned()));
    assert_eq!(late(" in steady", 0), (UNKNOWN, "no samples".to_owned()));
    assert_eq!(late(" in warm", 0), (HOLDS, "50.0 ms".to_owned()));
    // That goes for lateness alone: what was measured ahead of the rest is not the rest.
    let early = Decided::by("\"reconnect max < 100s\"").measured((Measure::Reconnect, 0), (0, 0), 50);
    assert_eq!(early.first(), (UNKNOWN, "no samples".to_owned()));
}

/// What a rule says of one population is of its receivers alone.
#[test]
fn a_population_has_its_own_deliveries_and_counts() {
    let decided = |scope: &str| {
        let mut decided = Decided::by(&format!("\"t.delivery max < 100s{scope}\", \"t.missing < 90{scope}\""))
            .measured((Measure::Delivery, 1), (1, 0), 20)
            .measured((Measure::Delivery, 1), (1, 1), 50)
            .counted(Counts { owed: 9, missing: 6, sent: 9, ..Counts::default() });
        let missing = |missing| Counts { owed: 5, missing, ..Counts::default() };
        decided.load.traffic[1].users = [("u".to_owned(), missing(2)), ("w".to_owned(), missing(4))].into();
        decided.results().into_iter().map(|rule| rule.observed).collect::<Vec<_>>()
    };
    assert_eq!(decided(""), ["50.0 ms", "6"]);
    assert_eq!(decided(" for u"), ["20.0 ms", "2"]);
    assert_eq!(decided(" for w"), ["50.0 ms", "4"]);
}

/// Counts are of the whole run, or of the phase that is named; of a phase that is not there nothing is known.
#[test]
fn counts_of_a_phase_are_those_of_the_phase() {
    let decided = |scope: &str| {
        let mut decided = Decided::by(&format!("\"t.missing < 90{scope}\"")).counted(Counts {
            owed: 9,
            missing: 6,
            ..Counts::default()
        });
        let phase = |name: &str, missing| crate::record::PhaseResult {
            name: name.to_owned(),
            counts: Counts { owed: 5, missing, ..Counts::default() },
            ..crate::record::PhaseResult::default()
        };
        decided.load.traffic[1].phases = vec![phase("warm", 1), phase("steady", 2)];
        decided.first()
    };
    assert_eq!(decided(""), (HOLDS, "6".to_owned()));
    assert_eq!(decided(" in warm"), (HOLDS, "1".to_owned()));
    assert_eq!(decided(" in steady"), (HOLDS, "2".to_owned()));
    assert_eq!(decided(" in more"), (UNKNOWN, "not known".to_owned()));
}

/// Each count has its own field, and is nothing where nothing was there to be counted.
#[test]
fn each_count_is_told_from_the_others() {
    let counts = Counts {
        sent: 1,
        missing: 2,
        duplicate: 3,
        out_of_order: 4,
        altered: 5,
        unidentified: 6,
        misdelivered: 7,
        missed_offline: 8,
        unanswered: 9,
        refused: 10,
        ..Counts::default()
    };
    let names = [
        "missing",
        "duplicate",
        "out_of_order",
        "altered",
        "unidentified",
        "misdelivered",
        "missed_offline",
        "unanswered",
        "refused",
    ];
    for (number, name) in (2..).zip(names) {
        let rule = format!("\"t.{name} < 90\"");
        assert_eq!(Decided::by(&rule).counted(counts).first(), (HOLDS, number.to_string()), "{name}");
        assert_eq!(Decided::by(&rule).counted(Counts::default()).first().0, UNKNOWN, "{name} of nothing");
        let is_of_what_came = matches!(name, "duplicate" | "out_of_order" | "altered");
        // Whatever has come is something to be counted: what was owed, what may come, what may be dropped.
        for came in [
            Counts { delivered: 1, ..Counts::default() },
            Counts { may_delivered: 1, ..Counts::default() },
            Counts { volatile_delivered: 1, ..Counts::default() },
        ] {
            let expected = if is_of_what_came { HOLDS } else { UNKNOWN };
            assert_eq!(Decided::by(&rule).counted(came).first().0, expected, "{name} of {came:?}");
        }
    }
    let mixed = Counts { delivered: 5, may_delivered: 3, volatile_delivered: 2, ..Counts::default() };
    assert_eq!(Decided::by("\"t.duplicate < 90\"").counted(mixed).first(), (HOLDS, "0".to_owned()));
}

/// Where no copy could be identified, nobody knows what is missing; whatever else was counted stands.
#[test]
fn what_could_not_be_identified_is_not_missing() {
    let mut decided = Decided::by(r#""t.missing = 0", "t.unanswered = 0""#).counted(Counts {
        owed: 2,
        missing: 2,
        sent: 2,
        ..Counts::default()
    });
    let verdicts = |decided: &Decided| decided.results().into_iter().map(|rule| rule.verdict).collect::<Vec<_>>();
    assert_eq!(verdicts(&decided), [BROKEN, HOLDS]);
    decided.load.traffic[1].undecided = true;
    assert_eq!(verdicts(&decided), [UNKNOWN, HOLDS]);
    assert_eq!(decided.results()[0].observed, "no copy could be identified");
}

/// Several servers may explain a loss, and what came out of order or to the wrong user from another of them; not what is one server's own.
#[test]
fn what_several_servers_may_explain_is_not_decided() {
    let rules = r#""t.missing = 0", "t.out_of_order = 0", "t.misdelivered = 0", "t.duplicate = 0""#;
    let decided = |own: u64, signs: &[&str]| {
        let mut decided = Decided::by(rules).counted(Counts {
            sent: 9,
            owed: 9,
            missing: 3,
            out_of_order: 4 + own,
            out_of_order_across: 4,
            misdelivered: 5 + own,
            misdelivered_across: 5,
            duplicate: 6,
            ..Counts::default()
        });
        decided.load.signs = signs.iter().map(|sign| (*sign).to_owned()).collect();
        decided.results().into_iter().map(|rule| (rule.verdict, rule.observed)).collect::<Vec<_>>()
    };
    let all = |texts: [&str; 4], verdicts: [ThresholdVerdict; 4]| {
        verdicts.into_iter().zip(texts.map(ToOwned::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(decided(0, &[]), all(["3", "4", "5", "6"], [BROKEN; 4]));
    let of = |count: u64, certain: u64| format!("{count}, of which {certain} whatever servers there are");
    let said = [of(3, 0), of(4, 0), of(5, 0), "6".to_owned()];
    let said = said.each_ref().map(String::as_str);
    assert_eq!(decided(0, &["two names"]), all(said, [UNKNOWN, UNKNOWN, UNKNOWN, BROKEN]));
    let said = [of(3, 0), of(6, 2), of(7, 2), "6".to_owned()];
    let said = said.each_ref().map(String::as_str);
    assert_eq!(decided(2, &["two names"]), all(said, [UNKNOWN, BROKEN, BROKEN, BROKEN]));
    // What is certain is said of what is broken, and of nothing else.
    let mut sound = Decided::by("\"t.missing < 9\"").counted(Counts { owed: 9, missing: 3, ..Counts::default() });
    sound.load.signs = vec!["two names".to_owned()];
    assert_eq!(sound.first(), (HOLDS, "3".to_owned()));
    // A latency is not explained by several servers.
    let mut slow = Decided::by("\"t.delivery max < 1ms\"").measured((Measure::Delivery, 1), (1, 0), 20);
    slow.load.signs = vec!["two names".to_owned()];
    assert_eq!(slow.first(), (BROKEN, "20.0 ms".to_owned()));
}

/// What sio-bench may have added: how late it sent, and how late it read, both of the phase and percentile that the rule is about.
#[test]
fn both_delays_of_sio_bench_are_taken_off_once() {
    let late = |rule: &str, late: u64, read: u64| {
        Decided::by(&format!("\"{rule}\""))
            .measured((Measure::Delivery, 1), (1, 0), 100)
            .measured((Measure::Late, 0), (1, 0), late)
            .measured((Measure::ReadDelay, 0), (1, 0), read)
            .measured((Measure::Late, 0), (0, 0), 9_000)
            .measured((Measure::ReadDelay, 0), (0, 0), 9_000)
            .first()
    };
    let said = |own: &str| format!("100 ms, of which up to {own} may be this machine's: sio-bench itself was so late");
    assert_eq!(late("t.delivery max < 50ms", 30, 31), (UNKNOWN, said("61.0 ms")));
    assert_eq!(late("t.delivery max < 50ms", 20, 20), (BROKEN, "100 ms".to_owned()));
    assert_eq!(
        late("t.delivery max < 50ms for u", 30, 31),
        (UNKNOWN, said("61.0 ms")),
        "of receivers, who are not late"
    );
    assert_eq!(late("t.delivery max < 50ms in steady", 30, 31), (UNKNOWN, said("61.0 ms")));
    assert_eq!(late("generator.late max < 5ms", 30, 31).0, BROKEN, "that it was late is its own fault");
    assert_eq!(late("generator.read_delay max < 5ms", 30, 31).0, BROKEN);
    // Where nothing is known of it, nothing is taken off.
    let alone = Decided::by("\"t.delivery max < 50ms\"").measured((Measure::Delivery, 1), (1, 0), 100);
    assert_eq!(alone.first(), (BROKEN, "100 ms".to_owned()));
    let rule = |text: &str| {
        let decided = Decided::by(&format!("\"{text}\""))
            .measured((Measure::Delivery, 1), (1, 0), 100)
            .measured((Measure::Late, 0), (1, 0), 30)
            .measured((Measure::ReadDelay, 0), (1, 0), 10);
        decided.judge().without_own_delay(&decided.loaded.scenario.slo[0])
    };
    let (without, own) = rule("t.delivery max < 50ms").unwrap();
    assert!((without / 1e6 - 60.0).abs() < 1.0 && (own / 1e6 - 40.0).abs() < 1.0, "{without} {own}");
    assert_eq!(rule("generator.late max < 50ms"), None);
    assert_eq!(rule("t.missing = 0"), None, "a count has no delay");
}

/// Of which values a statistic is, and when there are too few of them.
#[test]
fn a_statistic_is_the_one_that_is_asked_for() {
    let observed = |stat: &str| {
        let mut decided = Decided::by(&format!("\"t.delivery {stat} < 100s\""));
        for millis in [10, 10, 10, 90] {
            decided = decided.measured((Measure::Delivery, 1), (1, 0), millis);
        }
        decided.first()
    };
    assert_eq!(observed("max"), (HOLDS, "90.0 ms".to_owned()));
    assert_eq!(observed("mean"), (HOLDS, "30.0 ms".to_owned()));
    assert_eq!(observed("p50"), (HOLDS, "10.0 ms".to_owned()));
    assert_eq!(observed("p99"), (HOLDS, "90.0 ms (of 4 samples; p99 needs 100)".to_owned()));
}

/// Values of the whole run, where there are some, and why there are none.
#[test]
fn values_of_the_whole_run_are_known_or_it_is_said_why_not() {
    let observed = |rule: &str, load: LoadResult| {
        let mut decided = Decided::by(&format!("\"{rule}\""));
        decided.load = LoadResult { traffic: std::mem::take(&mut decided.load.traffic), ..load };
        if let Some(cpu) = decided.load.cpu.target {
            assert!(cpu > 0.0);
            decided.load.traffic[1].counts = Counts { delivered: 4, ..Counts::default() };
        }
        decided.first()
    };
    let nothing = LoadResult::default;
    for (rule, why) in [
        ("generator.cpu < 90%", "not known"),
        ("generator.cpu_wait < 90%", "not known"),
        ("errors < 90%", "nobody came"),
        ("upgraded >= 10%", "nobody was to upgrade"),
        ("recovered >= 10%", "no session was asked back"),
        ("oracle.certainty >= 10%", "nothing was owed"),
        ("case RM-01 >= 10%", "no such case was played"),
        ("target.cpu < 1s", "not known"),
        ("target.memory < 1MB", "not known"),
        ("connect max < 1s", "no samples"),
        ("log in max < 1s", "no samples"),
    ] {
        assert_eq!(observed(rule, nothing()), (UNKNOWN, why.to_owned()), "{rule}");
    }
    let capacity = Decided::by("\"capacity >= 10/s\"");
    let value = capacity.judge().value(&capacity.loaded.scenario.slo[0]);
    assert_eq!(value.err(), Some(NOT_KNOWN), "that takes a search");
    let transports = crate::record::Transports { upgrade: 5, upgraded: 3, under_way: 1, ..Default::default() };
    assert_eq!(observed("upgraded >= 10%", LoadResult { transports, ..nothing() }), (HOLDS, "75.00 %".to_owned()));
    let cpu = crate::record::Cpu { target: Some(0.002), ..Default::default() };
    assert_eq!(observed("target.cpu < 1s", LoadResult { cpu, ..nothing() }), (HOLDS, "0.50 ms".to_owned()));
    let certain = Decided::by("\"oracle.certainty >= 10%\"").counted(Counts {
        owed: 3,
        may: 1,
        delivered: 3,
        ..Counts::default()
    });
    assert_eq!(certain.first(), (HOLDS, "75.00 %".to_owned()));
}

/// Users and visits that failed, of all; each counts once.
#[test]
fn errors_are_of_users_and_visits() {
    let errors = |users: Users, begun: u64, failed: u64| {
        let mut decided = Decided::by("\"errors < 101%\"");
        decided.load.users = users;
        decided.load.iterations =
            [("f".to_owned(), Iterations { begun, failed, ..Iterations::default() })].into_iter().collect();
        decided.first().1
    };
    let users = |failed, disconnected, interrupted| Users {
        requested: 20,
        failed,
        disconnected,
        interrupted,
        ..Users::default()
    };
    assert_eq!(errors(users(1, 0, 0), 0, 0), "5.00 %");
    assert_eq!(errors(users(0, 2, 0), 0, 0), "10.00 %");
    assert_eq!(errors(users(0, 0, 3), 0, 0), "15.00 %");
    assert_eq!(errors(users(1, 2, 3), 20, 4), "25.00 %");
    assert_eq!(errors(Users::default(), 0, 0), "nobody came");
    assert_eq!(errors(Users::default(), 4, 1), "25.00 %");
}

/// A rule that ends the run does so from its time on, when its value is certainly beyond what it may be.
#[test]
fn a_run_ends_at_what_is_certainly_broken() {
    let rule = |rule: &str| format!("{{ threshold = \"{rule}\", abort = true, after = \"5s\" }}");
    let lost = Counts { owed: 9, missing: 3, sent: 9, ..Counts::default() };
    let missing = Decided::by(&rule("t.missing = 0")).counted(lost);
    assert_eq!(missing.crossed(4), None, "it is not time");
    let crossed = missing.crossed(5).unwrap();
    assert_eq!(
        (crossed.verdict, crossed.observed.as_str(), crossed.threshold.as_str()),
        (BROKEN, "3", "t.missing = 0")
    );
    assert_eq!(Decided::by("\"t.missing = 0\"").counted(lost).crossed(60), None, "no rule ends the run");
    let sound = Decided::by(&rule("t.missing = 0")).counted(Counts { missing: 0, ..lost });
    assert_eq!(sound.crossed(60), None);
    assert_eq!(Decided::by(&rule("t.missing = 0")).crossed(60), None, "it has no value yet");
    let mut explained = Decided::by(&rule("t.missing = 0")).counted(lost);
    explained.load.signs = vec!["two names".to_owned()];
    assert_eq!(explained.crossed(60), None, "it may be explained");
    let few = Decided::by(&rule("t.delivery p99 < 1ms")).measured((Measure::Delivery, 1), (1, 0), 20);
    assert_eq!(few.crossed(60), None, "one sample is no percentile");
    assert_eq!(few.first().0, BROKEN);
    let slow = Decided::by(&rule("t.delivery max < 1ms")).measured((Measure::Delivery, 1), (1, 0), 20);
    assert_eq!(slow.crossed(60).map(|crossed| crossed.observed), Some("20.0 ms".to_owned()));
    // Another rule is none of its business.
    let other = Decided::by(&format!("\"t.missing = 0\", {}", rule("t.duplicate = 0")))
        .counted(Counts { delivered: 6, ..lost });
    assert_eq!(other.crossed(60), None);
}

/// What is shown fits what is measured.
#[test]
fn a_value_is_shown_in_its_unit() {
    let count = Metric::Count { traffic: "t".to_owned(), of: Count::Missing };
    assert_eq!(show(&Metric::Times(Measure::Connect), 2e6), text::time(2e6));
    assert_eq!(show(&Metric::TargetCpu, 2e6), text::time(2e6));
    assert_eq!(show(&Metric::TargetMemory, 2e6), text::bytes(2e6));
    assert_eq!(show(&count, 2_000.0), text::count(2_000));
    assert_eq!(show(&Metric::Errors, 0.125), "12.50 %");
}

/// In a part of a run, what may only become more stays wrong where more is worse, and is of its own rule alone.
#[test]
fn a_part_leaves_each_rule_to_the_whole_unless_it_can_only_get_worse() {
    let rules = r#""t.missing = 0", "t.duplicate < 3", "t.misdelivered = 0", "t.out_of_order <= 1", "t.altered = 0", "t.unidentified = 0", "errors < 5%", "t.missing > 2""#;
    let decided = Decided::by(rules);
    let of = |rule: &Threshold| decided.loaded.threshold_result(rule, "7".to_owned(), BROKEN);
    let mut results: Vec<_> = decided.loaded.scenario.slo.iter().map(of).collect();
    postpone(&decided.loaded, &mut results, "here");
    let verdicts: Vec<_> = results.iter().map(|rule| rule.verdict).collect();
    assert_eq!(verdicts, [BROKEN, BROKEN, BROKEN, BROKEN, BROKEN, UNKNOWN, UNKNOWN, UNKNOWN]);
    // A rule that is not of this file is proven by nothing.
    let mut strange = vec![ThresholdResult { place: "elsewhere:1:1".to_owned(), ..results[0].clone() }];
    postpone(&decided.loaded, &mut strange, "here");
    assert_eq!((strange[0].verdict, strange[0].observed.as_str()), (UNKNOWN, "7 here"));
}
