//! Common mistakes, and what is said of each: where, what was found, what was expected, what to do. The messages are the
//! interface of those who make a mistake, so each of them is written down.

use std::fmt::Write as _;
use std::path::Path;

use crate::common::{Place, code, stderr, stdout};

/// A scenario that is right, and edits that make it wrong: what is replaced, and by what.
const LOAD: &[(&str, &str)] = &[
    // What TOML is not.
    ("name = \"good\"", "name = good"),
    ("name = \"good\"", "name = \"good"),
    ("rate = \"10/s\"", "rate = 10/s"),
    ("people = 5", "people = 5_000_"),
    ("people = 5", "people = 05"),
    ("in = { room = 1 }", "in = { room = 1"),
    ("[users.people]", "[users.people"),
    ("[users.people]", "[users.people]\ncount = 1"),
    ("[vars]", "[vars]\npeople = 3"),
    ("in steady\"]", "in steady\""),
    ("name = \"good\"", "{\n  \"name\": \"good\"\n}"),
    ("name = \"good\"", "name: good"),
    // Names.
    ("name = \"good\"\n", ""),
    ("name = \"good\"", "nme = \"good\""),
    ("[traffic.tell]", "[trafic.tell]"),
    ("[[phase]]", "[phase]"),
    ("[[phase]]", "[[phases]]"),
    ("rate = \"${rate}\"", "rate = \"${rat}\""),
    ("count = \"${people}\"", "count = \"${peple}\""),
    ("from = \"people\"", "from = \"persons\""),
    ("from = \"people\"", "from = \"peple\""),
    ("in = { room = 1 }", "in = { rooom = 1 }"),
    ("do = [\"tell\"", "do = [\"tel\""),
    ("do = [\"tell\", \"${room}\", \"${payload}\"]", "do = [\"tell\", \"${room}\"]"),
    ("join = [\"join\", \"${room}\"]", "join = [\"jion\", \"${room}\"]"),
    ("in = { room = 1 }", "in = { room = 1 }\ntransport = \"websockets\""),
    ("in = { room = 1 }", "in = { room = 1 }\ntransport = { websocket = 80, poling = 20 }"),
    ("for = \"1s\"", "fro = \"1s\""),
    ("for = \"1s\"", "for = \"1s\"\nload = \"high\""),
    ("except = [\"sender\"]", "except = [\"sendr\"]"),
    ("\"${payload}\"]", "\"${paylod}\"]"),
    ("\"${payload}\"]", "\"${payload\"]"),
    ("\"${payload}\"]", "\"hi\"]"),
    // Quantities and types.
    ("rate = \"10/s\"", "rate = 10"),
    ("rate = \"10/s\"", "rate = \"10/sec\""),
    ("rate = \"10/s\"", "rate = \"ten/s\""),
    ("rate = \"10/s\"", "rate = \"0/s\""),
    ("for = \"1s\"", "for = 1"),
    ("for = \"1s\"", "for = \"1 sec\""),
    ("for = \"1s\"", "for = \"soon\""),
    ("count = \"${people}\"", "count = 0"),
    ("count = \"${people}\"", "count = -5"),
    ("count = \"${people}\"", "count = 1.5"),
    ("count = \"${people}\"", "count = \"many\""),
    ("people = 5", "people = [5]"),
    ("in = { room = 1 }", "in = \"room\""),
    ("in = { room = 1 }", "in = { room = 3 }"),
    ("[users.people]", "[users]"),
    ("[rooms.room]", "[[rooms]]"),
    ("delivers_to = {", "delivers_to = [\"msg\"]\n# {"),
    ("for = \"1s\"", "for = \"1s\"\nwarmup = 3"),
    // Rules.
    ("\"tell.missing = 0\"", "\"tell.mising = 0\""),
    ("\"tell.missing = 0\"", "\"tel.missing = 0\""),
    ("\"tell.missing = 0\"", "\"missing = 0\""),
    ("\"tell.missing = 0\"", "\"tell.missing == 0\""),
    ("\"tell.missing = 0\"", "\"tell.missing = none\""),
    ("\"tell.missing = 0\"", "\"tell.missing\""),
    ("\"tell.missing = 0\"", "\"\""),
    ("\"tell.missing = 0\"", "7"),
    ("p99 < 50ms", "p99 < 50"),
    ("p99 < 50ms", "p999 < 50ms"),
    ("p99 < 50ms", "< 50ms"),
    ("p99 < 50ms", "avg < 50ms"),
    ("in steady", "in stedy"),
    ("in steady", "steady"),
    ("in steady", "for peple"),
    ("thresholds = [", "threshold = ["),
    (
        "thresholds = [\"tell.missing = 0\", \"tell.delivery p99 < 50ms in steady\"]",
        "thresholds = \"tell.missing = 0\"",
    ),
    // Populations that nobody declared, phases that nobody measures.
    ("for = \"1s\"", "for = \"1s\"\nmeasure = false"),
    ("[[phase]]\nname = \"steady\"\nfor = \"1s\"", ""),
    ("for = \"1s\"", "for = \"1s\"\n[[chaos]]\nafter = \"1s\"\ndrop = \"10%\"\nof = \"peple\""),
    ("for = \"1s\"", "for = \"1s\"\n[[chaos]]\nafter = \"1s\"\ndrop = 10\nof = \"people\""),
    ("for = \"1s\"", "for = \"1s\"\n[target]\nurl = \"localhost:3000\""),
    ("for = \"1s\"", "for = \"1s\"\n[target]\nurl = \"ws://localhost:3000\""),
    ("for = \"1s\"", "for = \"1s\"\n[target]\npath = \"socket.io\""),
    ("for = \"1s\"", "for = \"1s\"\n[target]\ntimeout = \"5s\""),
    ("for = \"1s\"", "for = \"1s\"\n[target]\nsource_ips = [\"127.0.0.300\"]"),
];

const CASE: &[(&str, &str)] = &[
    ("at = \"alice\", do", "at = \"alise\", do"),
    ("do = [\"join\", \"red\"]", "do = [\"joyn\", \"red\"]"),
    ("do = [\"join\", \"red\"]", "do = [\"join\"]"),
    ("do = [\"join\", \"red\"]", "do = \"join\""),
    ("requirement = \"RM-01\"", "requirement = \"RM-1\""),
    ("expect = [\"msg\", \"hi\"]", "expects = [\"msg\", \"hi\"]"),
    ("expect = [\"msg\", \"hi\"]", "expect = \"msg\""),
    ("expect = [\"msg\", \"hi\"]", "expect = [\"msg\", \"${any strng}\"]"),
    ("within = \"2s\"", "within = 2"),
    ("within = \"2s\"", "times = -1"),
    ("silent = true", "silent = \"yes\""),
    ("silent = true", "silent = true, emit = [\"x\"]"),
    ("emit = [\"tell\", \"red\", \"hi\"]", "emit = []"),
    ("emit = [\"tell\", \"red\", \"hi\"]", "emit = \"tell\""),
    ("{ at = \"bob\", emit", "{ emit"),
    ("transport = \"polling\"", "transport = \"long-polling\""),
    ("transport = \"polling\"", "tranport = \"polling\""),
    ("steps = [", "step = ["),
    ("[[case]]", "[case]"),
    ("name = \"a member gets it\"\n", ""),
    ("[[case]]", "[[case]]\nneeds = [\"recoverie\"]"),
    ("[[case]]", "[[case]]\noptions = { pingInterval = 300 }"),
];

const FLOW: &[(&str, &str)] = &[
    ("${people.name}", "${people.nam}"),
    ("${people.name}", "${persons.name}"),
    ("auth = { token = \"${token}\" }", "auth = { token = \"${tokn}\" }"),
    ("save = { token = \"$.token\" }", "save = { token = \"token\" }"),
    ("\"/login?", "\"login?"),
    ("{ get =", "{ fetch ="),
    ("think = \"1s..2s\"", "think = \"2s..1s\""),
    ("think = \"1s..2s\"", "think = 2"),
    ("connect = \"/\"", "conect = \"/\""),
    ("connect = \"/\"", "connect = \"orders\""),
    ("\"ask p99 < 1s\"", "\"aks p99 < 1s\""),
    ("\"errors < 1%\"", "\"errors < 1\""),
    ("arrive = \"5/s\"", "arrive = \"5/s\"\ncount = 3"),
    ("values = [{ name = \"ann\" }, { name = \"bob\" }]", "file = \"peple.csv\""),
];

/// Command lines, in a folder with the files above and some others.
const COMMANDS: &[&str] = &[
    "",
    "rum load.toml",
    "run",
    "run lod.toml",
    "run fanot",
    "run scenarios/fanot.toml",
    "run conformance/romms",
    "run load.toml --taget x",
    "run load.toml --target referense",
    "run load.toml --target nodejs",
    "run load.toml --target localhost:3000",
    "run load.toml --target 127.0.0.1:3000",
    "run load.toml --target localhost",
    "run load.toml --target my-host.example/app",
    "run load.toml --target http:/localhost:3000",
    "run load.toml --target http//localhost:3000",
    "run load.toml --target htp://localhost:3000",
    "run load.toml --target ws://127.0.0.1:3000",
    "run load.toml --target http://",
    "run load.toml --target http://127.0.0.1:99999",
    "run load.toml --target http://127.0.0.1:port",
    "run load.toml --target http://[::1",
    "run load.toml --target ",
    "run load.toml --set people",
    "run load.toml --set =5",
    "run load.toml --set peple=5",
    "run load.toml --set people=many",
    "run load.toml --set people=0",
    "run load.toml --set rate=5",
    "run load.toml --seed x",
    "run load.toml --workers 0",
    "run load.toml --connect-timeout 5",
    "run load.toml --metrics 9090",
    "run load.toml --baseline nowhere",
    "run folder",
    "run empty",
    "run latin1.toml",
    "run load.csv",
    "run locked.toml",
    "conform --area romms",
    "conform --area room --area acks",
    "conform --requirement RM-1",
    "conform --requirement rm-01",
    "conform --requirement RM-999",
    "conform --id rooms/a-membr-of-the-room-gets-the-event-and-others-do-not",
    "conform --id nothing/*",
    "conform --tag confromance",
    "conform --class most",
    "conform --origin doc",
    "conform --shard 5/4",
    "conform --area rooms --requirement SIO-AK-01",
    "conform --report junit",
    "conform --report junt=x.xml",
    "conform --format sarf",
    "conform --target nod",
    "conform --deviations nowhere.toml",
    "conform --delay 20",
    "conform --jobs 0",
    "conform load.toml",
    "report nowhere",
    "report folder",
    "report load.toml",
    "report --format jnit folder",
    "list scenaros",
    "list rows",
    "schema records",
    "serve --fault duplicate_deliveri",
    "serve --fault D99",
    "serve --port 99999",
    "self-test --only D99",
    "explore --target nod",
    "explore --budget none",
    "explore --time 5",
    "verify nowhere.json",
    "verify load.toml",
    "accept nowhere --reason x",
    "accept",
    "accept nowhere --reason=",
    "conform --repeat 0",
    "compare reference nod",
    "compare reference",
    "plan lod.toml",
    "capacity load.toml",
    "delay-server --delay 5",
    "inspect",
    "inspect localhost:3000",
    "inspect http://127.0.0.1:99999",
];

fn folder(place: &Place) {
    let write = |name: &str, text: &[u8]| std::fs::write(place.path().join(name), text).unwrap();
    for name in ["load", "case", "flow"] {
        write(&format!("{name}.toml"), original(name).as_bytes());
    }
    for name in ["folder", "empty", "locked.toml"] {
        std::fs::create_dir(place.path().join(name)).unwrap();
    }
    write("folder/Cargo.toml", b"[package]\nname = \"x\"\n");
    write("latin1.toml", b"name = \"gr\xf6\xdfe\"\n");
    write("load.csv", b"name,count\nx,1\n");
}

fn original(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes").join(format!("{name}.toml"));
    std::fs::read_to_string(path).unwrap()
}

/// What the program says to `plan` of a file with each of these edits.
fn edited(name: &str, edits: &[(&str, &str)]) -> String {
    let place = Place::new();
    folder(&place);
    let whole = original(name);
    let mut all = String::new();
    for (find, put) in edits {
        assert!(whole.contains(find), "{find}");
        std::fs::write(place.path().join("x.toml"), whole.replacen(find, put, 1)).unwrap();
        let output = place.run(&["plan", "x.toml"]);
        let _ = writeln!(all, "--- {find}\n+++ {put}\n{}", said(&output));
    }
    all
}

fn said(output: &std::process::Output) -> String {
    let (code, stdout, stderr) = (code(output), stdout(output), stderr(output));
    let stdout = if stdout.is_empty() { stdout } else { format!("stdout: {}\n", stdout.lines().next().unwrap_or("")) };
    format!("exit {code}\n{stdout}{stderr}")
}

/// Compares with what is written down, but for lists that grow with the program.
fn assert_said(name: &str, said: &str) {
    let mut settings = insta::Settings::clone_current();
    for (pattern, replacement) in [
        (r"known here: (\S+ ){6,}.*", "known here: [names]"),
        (r"known: reference, .*", "known: reference, [targets]"),
        (r"expected one of terminal, .*", "expected one of [formats]"),
        (r"[\d,]{3,} cases", "[n] cases"),
        (r"has all [\d,]{3,}", "has all [n]"),
        (r"(?s)Commands:\n.*\nExit codes", "[help]\nExit codes"),
    ] {
        settings.add_filter(pattern, replacement);
    }
    settings.bind(|| insta::assert_snapshot!(name, said));
}

#[test]
fn in_a_load() {
    assert_said("mistakes-load", &edited("load", LOAD));
}

#[test]
fn in_a_case() {
    assert_said("mistakes-case", &edited("case", CASE));
}

#[test]
fn in_a_flow() {
    assert_said("mistakes-flow", &edited("flow", FLOW));
}

#[test]
fn on_the_command_line() {
    let place = Place::new();
    folder(&place);
    let mut all = String::new();
    for line in COMMANDS {
        let args: Vec<_> = if line.is_empty() { vec![] } else { line.split(' ').collect() };
        let _ = writeln!(all, "$ sio-bench {line}\n{}", said(&place.run(&args)));
    }
    let place = place.path().display().to_string();
    assert_said("mistakes-commands", &all.replace(&place, "[place]"));
}
