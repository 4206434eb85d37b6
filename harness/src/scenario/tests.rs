//! The parser: what it refuses and how it says so.

use proptest::prelude::*;

use super::model::{NodeLabel, Topology};
use super::*;

fn named(text: &str) -> Source {
    Source { name: "t.toml".to_owned(), text: text.to_owned() }
}

fn errors(text: &str) -> String {
    load(named(text), &[], None).unwrap_err()
}

#[test]
fn every_scenario_that_ships_is_well_formed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let files = source::find(&folder).unwrap();
    assert!(files.len() >= 5);
    for file in files {
        let mut diagnostics = Diagnostics::of(file.text.as_str());
        parse(&file, &[], &mut diagnostics);
        assert!(diagnostics.is_empty(), "{}", diagnostics.render(&file.name));
    }
}

#[test]
fn what_is_not_there_yet_is_refused_by_name() {
    let text = errors("name = \"x\"\ninclude = [\"y\"]\n[users.a]\ncount = 5\n[[phase]]\nname = \"p\"\nfor = \"1s\"\n");
    assert!(text.contains("`include` cannot be run by this version"), "{text}");
}

#[test]
fn a_user_waits_as_long_as_it_is_told() {
    let with = |time: &str| {
        let text = format!(
            "name = \"x\"\n[target]\nconnect_timeout = \"{time}\"\n[users.a]\ncount = 5\n[[phase]]\nname = \"p\"\nfor = \"1s\"\n"
        );
        load(named(&text), &[], None)
    };
    assert_eq!(with("5s").unwrap().scenario.target.connect_timeout, Some(std::time::Duration::from_secs(5)));
    assert!(with("0s").unwrap_err().contains("nobody is in within no time"));
    assert!(with("5").unwrap_err().contains("`5` has no unit"));
}

#[test]
fn what_cannot_be_true_of_several_servers_is_said() {
    let with = |target: &str| {
        let text =
            format!("name = \"x\"\n[target]\n{target}\n[users.a]\ncount = 5\n[[phase]]\nname = \"p\"\nfor = \"1s\"\n");
        load(named(&text), &[], None).map(|loaded| loaded.scenario.target)
    };
    let two = "urls = [\"http://127.0.0.1:1\", \"http://127.0.0.1:2\"]\n";
    for (target, expected) in [
        (format!("{two}topology = \"single\""), "`single` is one server, and [target] names 2"),
        ("nodes = 3\ntopology = \"single\"".to_owned(), "names 3"),
        ("url = \"http://127.0.0.1:1\"\ntopology = \"islands\"".to_owned(), "`islands` are several servers"),
        ("nodes = 2\nbroker = \"redis\"\ntopology = \"islands\"".to_owned(), "a `broker` joins them"),
        ("topology = \"mesh\"".to_owned(), "topology"),
        ("node_label = { header = \"x-node\" }".to_owned(), "`node_label` is for servers that pass messages on"),
        (format!("{two}settle_within = \"2s\""), "`settle_within` is for servers that pass messages on"),
        ("topology = \"cluster\"\nnode_label = {}".to_owned(), "has a `header` or a `cookie`"),
        ("topology = \"cluster\"\nsettle_within = \"0s\"".to_owned(), "within no time"),
    ] {
        let wrong = with(&target).unwrap_err();
        assert!(wrong.contains(expected), "{target}: {wrong}");
    }
    let told = with("topology = \"cluster\"\nnode_label = { header = \"X-Node\" }\nsettle_within = \"3s\"").unwrap();
    assert_eq!(told.topology(1), Topology::Cluster);
    assert_eq!(told.node_label, Some(NodeLabel::Header("x-node".to_owned())));
    assert_eq!(told.settle_within, Some(std::time::Duration::from_secs(3)));
    assert_eq!(with("nodes = 2\nbroker = \"redis\"").unwrap().topology(2), Topology::Cluster);
    assert_eq!((with("").unwrap().topology(1), with(two).unwrap().topology(2)), (Topology::Single, Topology::Islands));
}

/// A population with a flow, and what must be said of it.
fn flow_errors(users: &str) -> String {
    errors(&format!(
        "name = \"x\"\n[feeds.people]\nvalues = [{{ name = \"ann\" }}]\n[users.v]\n{users}\n\
         [[phase]]\nname = \"p\"\nfor = \"1s\"\n"
    ))
}

#[test]
fn mistakes_in_flows_are_said() {
    let arrive = "arrive = \"5/s\"\n";
    for (users, expected) in [
        ("arrive = \"5/s\"".to_owned(), "those who arrive follow a flow, and there is none"),
        (
            "count = 1\narrive = \"5/s\"\nflow = [{ connect = \"/\" }]".to_owned(),
            "`count` and `arrive` exclude each other",
        ),
        ("arrive = \"5\"\nflow = [{ connect = \"/\" }]".to_owned(), "`5` has no unit"),
        (format!("{arrive}connect = \"1/s\"\nflow = [{{ connect = \"/\" }}]"), "`connect` goes with `count`"),
        (format!("{arrive}flow = []"), "a flow needs at least one step"),
        (format!("{arrive}in = {{ a = 1 }}\nflow = [{{ connect = \"/\" }}]"), "users with a flow have no `in`"),
        (format!("{arrive}flow = [{{ conect = \"/\" }}]"), "did you mean `connect`?"),
        (format!("{arrive}flow = [{{ at = \"a\", connect = \"/\" }}]"), "a flow has one user"),
        (format!("{arrive}flow = [{{ silent = true }}]"), "`silent` is for cases, not for flows"),
        (format!("{arrive}flow = [{{ think = \"2s\", name = \"pause\" }}]"), "`pause` has no time of its own"),
        (format!("{arrive}flow = [{{ think = \"5s..2s\" }}]"), "`5s..2s` runs backwards"),
        (format!("{arrive}flow = [{{ repeat = \"5..2\", steps = [] }}]"), "expected a number of rounds"),
        (format!("{arrive}flow = [{{ emit = [\"a\"], share = \"120%\" }}]"), "expected a share from 0% to 100%"),
        (format!("{arrive}flow = [{{ emit = [\"a\", \"${{people.nam}}\"] }}]"), "unknown variable `people.nam`"),
        (format!("{arrive}flow = [{{ emit = [\"a\", \"${{hits}}\"] }}]"), "unknown variable `hits`"),
        (
            format!("{arrive}flow = [{{ http = {{ get = \"/\" }}, save = {{ a = \"token\" }} }}]"),
            "expected a JSONPath such as $.token",
        ),
        (format!("{arrive}flow = [{{ http = {{ get = \"/\", chunked = true }} }}]"), "are for cases, not for flows"),
    ] {
        let text = flow_errors(&users);
        assert!(text.contains(expected), "{users}: {text}");
    }
}

#[test]
fn mistakes_in_feeds_are_said() {
    let feed = |feed: &str| errors(&format!("name = \"x\"\n[feeds.f]\n{feed}\n"));
    assert!(feed("file = \"nowhere.csv\"").contains("cannot read nowhere.csv"));
    assert!(feed("").contains("a feed has one of `file` and `values`"));
    assert!(feed("values = []").contains("a feed needs at least one value"));
    assert!(feed("values = [1]\nhand_out = \"random\"").contains("known here: once in turn at random"));
}

#[test]
fn a_rule_may_name_a_step_of_several_words() {
    let text = |rule: &str| {
        format!(
            "name = \"x\"\n[users.v]\narrive = \"5/s\"\nflow = [\n{{ connect = \"/\" }},\n\
             {{ emit = [\"ask\"], ack = true, name = \"first\" }},\n{{ expect = [\"price\"], name = \"first price\" }},\n]\n\
             [[phase]]\nname = \"p\"\nfor = \"1s\"\n[slo]\nthresholds = [\"{rule}\"]\n"
        )
    };
    let metric = |rule: &str| load(named(&text(rule)), &[], None).unwrap().scenario.slo.remove(0).metric;
    assert_eq!(metric("first p99 < 1s"), model::Metric::Step("first".to_owned()));
    assert_eq!(metric("first price p99 < 1s in p"), model::Metric::Step("first price".to_owned()));
    assert_eq!(metric("connect / p50 < 1s"), model::Metric::Step("connect /".to_owned()));
    assert_eq!(metric("connect p50 < 1s"), model::Metric::Times(crate::vocab::Measure::Connect));
    let wrong = errors(&text("frist p99 < 1s"));
    assert!(wrong.contains("did you mean `first`?"), "{wrong}");
    let wrong = errors(&text("first price p99 > soon"));
    assert!(wrong.contains("t.toml:13:34"), "the bound is pointed at: {wrong}");
}

#[test]
fn overrides_reach_every_place_that_uses_a_variable() {
    let text = "name = \"x\"\n[vars]\nn = 3\n[actions]\n\"join(r)\" = { emit = [\"join\", \"${r}\"] }\n\
                [rooms.a]\ncount = \"${n}\"\njoin = [\"join\", \"${room}\"]\n[users.u]\ncount = \"${n}\"\n\
                [[phase]]\nname = \"p\"\nfor = \"1s\"\n";
    let source = Source { name: "t.toml".to_owned(), text: text.to_owned() };
    let loaded = load(source.clone(), &[("n".to_owned(), "1_000".to_owned())], Some(9)).unwrap();
    assert_eq!((loaded.scenario.rooms["a"].count, loaded.scenario.populations["u"].count), (1_000, 1_000));
    assert_eq!((loaded.scenario.seed, loaded.vars), (9, vec![("n".to_owned(), "1000".to_owned())]));
    let loaded = [load(source, &[], None).unwrap()];
    assert_eq!(unknown_overrides(&loaded, &[("m".to_owned(), String::new())]), ["m"]);
}

/// What every text must bear, whatever it is: places inside of it, and an error that stands alone if it is no TOML.
fn is_borne(text: &str) -> Result<(), TestCaseError> {
    let mut diagnostics = Diagnostics::of(text);
    parse(&named(text), &[], &mut diagnostics);
    for span in diagnostics.spans() {
        prop_assert!(span.start <= span.end && text.get(span.clone()).is_some(), "{span:?} of {}", text.len());
    }
    if text.parse::<toml::Table>().is_err() {
        prop_assert_eq!(diagnostics.len(), 1, "{}", diagnostics.render("t"));
    }
    let rendered = diagnostics.render("t");
    // A place that cannot be shown would be left out.
    prop_assert_eq!(rendered.matches("--> t:").count(), diagnostics.len(), "{}", rendered);
    Ok(())
}

/// Every file below `scenarios/`, also those that hold no scenario.
fn shipped_texts() -> &'static [String] {
    static TEXTS: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();
    TEXTS.get_or_init(|| {
        let parts = ["conformance/capabilities", "conformance/requirements"].map(ToOwned::to_owned);
        let names = source::embedded_names().into_iter().chain(parts);
        names.map(|name| source::shipped(&format!("{name}.toml")).unwrap()).collect()
    })
}

/// A text with up to three edits: something cut out, and something put there.
fn edited() -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), 0usize..60, "[a-z\"'\\[\\]{}=.$0-9 \n\\\\#,é😀\t_-]{0,8}");
    let edits = prop::collection::vec(edit, 1..4);
    (prop::sample::select(shipped_texts()), edits).prop_map(|(text, edits)| {
        edits.into_iter().fold(text.clone(), |mut text, (cut, length, insert)| {
            let start = text.floor_char_boundary(cut.index(text.len() + 1));
            let end = text.ceil_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end, &insert);
            text
        })
    })
}

#[test]
fn a_syntax_error_stands_alone_and_where_it_is() {
    for (text, line, says) in [
        ("name = \"x\"\n[slo]\nthresholds = [\n  \"a\"\n\nj", 6, "array"),
        ("name = \"x\"\nseed = 1 2\ncolour = 3\n", 2, ""),
        ("name = \"x\nseed = 1\n", 1, "string"),
        ("name = \"x\"\n[users.a\ncount = 1\n", 2, "table"),
        ("name = \"x\"\nseed = 1_a\"0\n", 2, "a string has quotes"),
        ("name = \"x\"\nseed = 99999999999999999999\n", 2, "does not fit into 64 bits"),
        ("name = \"x\"\n[vars]\nrate = 300/s\n", 3, "must be quoted"),
        ("name = \"x\"\n[vars]\nrate = 3.a\n", 3, "expected digits"),
        ("name = \"x\"\nname = \"y\"\n", 2, "duplicate key"),
        ("name = \"x\"\n[users.a]\ncount = \n\n[[phase]]\n", 3, "value"),
        ("name = \"x\"\n[users.a]\nin = { r = 1\n", 3, "inline table"),
    ] {
        let said = errors(text);
        assert!(said.contains(&format!(" t.toml:{line}:")) && said.contains(says), "{text}\n{said}");
        assert!(said.ends_with("\n1 error in t.toml; nothing was sent\n"), "{said}");
    }
}

/// An array that is not closed is noticed at the end of the file, and a parser may point behind it.
#[test]
fn a_file_that_breaks_off_is_borne() {
    for text in shipped_texts() {
        for (left, insert) in [(30, "\nj"), (5, ""), (40, "= ["), (20, "{ é"), (9, "\"😀"), (3, "\\n'"), (0, "[[x")]
        {
            let end = text.floor_char_boundary(text.len().saturating_sub(left));
            is_borne(&format!("{}{insert}", &text[..end])).unwrap();
        }
    }
}

#[test]
fn places_in_strings_are_right_or_the_whole_string() {
    let at = |name: &str| {
        let text = format!(
            "name = \"x\"\n[clients]\na = {{}}\n[[case]]\nname = \"c\"\nsteps = [{{ at = \"a\", emit = [\"m\", {name}] }}]\n"
        );
        let mut diagnostics = Diagnostics::of(text.as_str());
        parse(&named(&text), &[], &mut diagnostics);
        diagnostics.spans().map(|span| text[span.clone()].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(at("\"größe ${any ding} b\""), ["${any ding}"]);
    assert_eq!(at("'größe ${any ding} b'"), ["${any ding}"]);
    assert_eq!(at("\"\\u00e9\\n ${any ding} b\""), ["\"\\u00e9\\n ${any ding} b\""]);
    assert_eq!(at("\"\"\"${any ding}\"\"\""), ["\"\"\"${any ding}\"\"\""]);
    assert_eq!(at("\"größe ${any\""), ["${any"]);
}

/// At least so many cases, and more if the environment says so.
fn at_least(cases: u32) -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.max(cases), ..usual }
}

#[test]
fn quantities_are_calculated_from_variables() {
    let text = |rate: &str| {
        format!(
            "name = \"x\"\n[vars]\neditors = 20\nreaders = \"${{editors * 4}}\"\nrate = \"${{readers / 2}}/s\"\n\
             [users.editors]\ncount = \"${{editors}}\"\n[users.readers]\ncount = \"${{readers}}\"\n\
             [traffic.t]\nfrom = \"editors\"\nrate = \"{rate}\"\nemit = [\"say\", \"${{payload}}\"]\nack = true\n\
             [[phase]]\nname = \"p\"\nfor = \"1s\"\n"
        )
    };
    let loaded = |rate: &str, set: &[Override]| load(named(&text(rate)), set, None).unwrap().scenario;
    let per_second = |scenario: &Scenario| scenario.traffic["t"].rate.per_second as u64;
    let twice = loaded("${rate}", &[("editors".to_owned(), "40".to_owned())]);
    assert_eq!((twice.populations["readers"].count, per_second(&twice)), (160, 80));
    assert_eq!(per_second(&loaded("${editors}/s", &[])), 20);
    assert_eq!(per_second(&loaded("${(editors + 10) * 2}/s", &[])), 60);
    for (rate, expected) in [
        ("${editors * }/s", "found its end"),
        ("${editor}/s", "did you mean `editors`?"),
        ("${int 1..9}/s", "only [vars] and calculations"),
        ("${rate * 2}/s", "is no number to calculate with"),
        ("${editors}", "has no unit"),
    ] {
        let wrong = errors(&text(rate));
        assert!(wrong.contains(expected) && wrong.contains("t.toml:12:"), "{rate}: {wrong}");
    }
}

proptest! {
    #![proptest_config(at_least(2_000))]

    #[test]
    fn no_text_panics_and_every_span_lies_inside(text in ".{0,200}") {
        is_borne(&text)?;
    }

    /// Edits of a real file reach deeper than random text.
    #[test]
    fn no_edit_of_a_real_file_panics(text in edited()) {
        is_borne(&text)?;
    }
}

#[test]
fn the_name_of_a_field_is_the_same_in_all_messages() {
    let with = |key: &str| {
        let text = format!(
            "name = \"x\"\n[vars]\nfield = \"f\"\n[users.a]\ncount = 5\n[traffic.t]\nfrom = \"a\"\nrate = \"1/s\"\nack = true\n\
             emit = [\"say\", {{ \"{key}\" = \"${{payload}}\" }}]\n[[phase]]\nname = \"p\"\nfor = \"1s\"\n"
        );
        load(named(&text), &[], None)
    };
    assert!(with("x-${field}").is_ok());
    for key in ["${seq}", "${uuid}", "to-${user}"] {
        let text = with(key).unwrap_err();
        assert!(text.contains("t.toml:10:18") && text.contains("the same in all messages"), "{key}: {text}");
    }
}

#[test]
fn cases_name_rows_of_feeds_by_their_number() {
    let with = |name: &str| {
        let text = format!(
            "name = \"x\"\n[feeds.who]\nvalues = [{{ mail = \"a\" }}, {{ mail = \"b\" }}]\n\
             [[case]]\nname = \"c\"\nclients = {{ a = {{}} }}\nsteps = [{{ at = \"a\", emit = [\"e\", \"${{{name}}}\"] }}]\n"
        );
        load(named(&text), &[], None)
    };
    let loaded = with("who.1.mail").unwrap();
    let mail = template::Template::Text(vec![template::Piece::Expr(template::Expr::Var("who.1.mail".to_owned()))]);
    assert_eq!(loaded.scope().render(&mail), Ok(sio_protocol::Value::from("b")));
    assert!(with("who.2.mail").unwrap_err().contains("variable"));
    assert!(with("who.mail").is_err());
}

#[test]
fn a_case_keeps_what_an_answer_had() {
    let with = |more: &str| {
        let step = format!("{{ at = \"a\", http = {{ get = \"/\" }}, save = {{ token = \"$.t\" }}{more} }}");
        let text = format!(
            "name = \"x\"\n[[case]]\nname = \"c\"\nclients = {{ a = {{ open = false }} }}\n\
             steps = [{step}, {{ at = \"a\", connect = \"/\", auth = {{ token = \"${{token}}\" }} }}]\n"
        );
        load(named(&text), &[], None)
    };
    assert!(with("").is_ok());
    assert!(with(", later = \"x\"").unwrap_err().contains("does not wait for its own"));
}

#[test]
fn what_is_done_to_a_server_is_known_and_stands_alone() {
    let with = |step: &str| {
        let text = format!("name = \"x\"\n[[case]]\nname = \"c\"\nclients = {{ a = {{}} }}\nsteps = [{step}]\n");
        load(named(&text), &[], None)
    };
    let loaded = with("{ repeat = 2, steps = [{ server = \"kill\" }, { server = \"start\" }] }").unwrap();
    assert!(loaded.scenario.cases[0].ends_target());
    assert!(!with("{ alive = true }").unwrap().scenario.cases[0].ends_target());
    assert!(with("{ server = \"kil\" }").unwrap_err().contains("did you mean `kill`"));
    for step in ["server = \"kill\"", "wait = \"1s\"", "alive = true", "together = []", "repeat = 2, steps = []"] {
        let said = with(&format!("{{ together = [{{ at = \"a\", silent = true }}, {{ {step} }}] }}")).unwrap_err();
        assert!(said.contains("cannot be a part of `together`"), "{step}: {said}");
    }
}

/// An option reaches a server in its environment, which cannot hold everything.
#[test]
fn an_option_has_no_control_characters() {
    let with = |options: &str| {
        let each = "each = { text = [\"plain\", \"go\\u0000away\"] }";
        let text = format!(
            "name = \"x\"\n[[case]]\nname = \"c\"\n{each}\noptions = {{ {options} }}\nclients = {{ a = {{}} }}\nsteps = [{{ at = \"a\", silent = true }}]\n"
        );
        load(named(&text), &[], None)
    };
    assert!(with("deny = \"no, go away: ü\"").is_ok());
    for refused in
        ["deny = \"go\\u0000away\"", "cors = \"a\\nSIO_DENY=b\"", "cookie = \"\\u001b[2J\"", "deny = \"${text}\""]
    {
        let said = with(refused).unwrap_err();
        assert!(said.contains("no option has control characters in it"), "{refused}: {said}");
        assert!(!said.contains(['\0', '\u{1b}']), "{refused}: {said:?}");
    }
}
