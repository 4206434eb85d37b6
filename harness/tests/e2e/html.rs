//! The page that is handed to a colleague: made of any record, and opened in a real browser where there is one.

use std::process::Command;

use serde_json::{Value, json};

use crate::common::{Place, code, is_sound, scenario, stderr, stdout};

fn page(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.path().join(name)).unwrap()
}

/// Nothing in it comes from elsewhere, and all that was opened is closed.
fn is_self_contained(html: &str) {
    // Pictures refer to themselves, and requirements have links that a reader may follow.
    let html =
        &html.replace("<use href=\"#", "<use").replace("<a href=\"https://", "<a").replace("<a href=\"http://", "<a");
    for outside in ["src=", "href=", "@import", "url(", "fetch("] {
        assert!(!html.contains(outside), "{outside}");
    }
    for tag in ["section", "table", "figure", "svg", "details", "dl", "p", "h2"] {
        let opened = html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn a_load_is_a_page_and_two_are_one() {
    let place = Place::new();
    let run = |out: &str, rate: &str| {
        let args = ["run", &scenario("small.toml"), "-q", "--out", out, "--set", rate, "--html", "one.html"];
        let output = place.run(&args);
        assert!(is_sound(output.status.code(), &stdout(&output)), "{}{}", stdout(&output), stderr(&output));
    };
    run("a", "rate=100/s");
    run("b", "rate=200/s");
    let html = page(&place, "one.html");
    is_self_contained(&html);
    for said in [
        "small against reference",
        "Latency by percentile",
        "Latency over time",
        "Lateness of sio-bench",
        "0 lost, 0 duplicate",
    ] {
        assert!(html.contains(said), "{said}");
    }
    // A picture has a text, and every figure of the table is that of the terminal's report.
    assert_eq!(html.matches("<figure>").count(), html.matches("role=\"img\" aria-label=").count());
    assert!(html.contains("The fan-out of tell, from the first receiver to the last"));
    let output = place.run(&["report", "b"]);
    let told = stdout(&output);
    let row = told.lines().find(|line| line.contains("connect  ")).unwrap();
    let p99 = row.split_whitespace().collect::<Vec<_>>()[5..7].join(" ");
    assert!(html.contains(&p99), "{p99}");
    let output = place.run(&["report", "a", "b", "--html", "both.html"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let both = page(&place, "both.html");
    is_self_contained(&both);
    assert_eq!(both.matches("<section class=\"verdict").count(), 2);
    assert!(both.len() < 400_000, "{}", both.len());
}

#[test]
fn a_conformance_run_and_one_that_was_cut_short() {
    let place = Place::new();
    let output = place.run(&["conform", "--area", "rooms", "--quiet", "--out", "out"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let output = place.run(&["report", "out", "--html", "rooms.html"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let html = page(&place, "rooms.html");
    is_self_contained(&html);
    assert!(html.contains("Outcomes by area") && html.contains("data-verdict=\"PASS\""));
    let record = place.out().join("run.jsonl");
    let text = std::fs::read_to_string(&record).unwrap();
    let half: Vec<_> = text.lines().take(20).collect();
    std::fs::write(&record, half.join("\n")).unwrap();
    let output = place.run(&["report", "out", "--html", "half.html"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(page(&place, "half.html").contains("INCOMPLETE"));
}

/// Two servers side by side: outcomes by area, filters, and where their packets part ways.
#[test]
fn targets_stand_side_by_side() {
    let place = Place::new();
    let faulty = place.serve(&["--fault", "union-dup"]);
    let url = faulty.url();
    let args = ["compare", "reference", &url, "--area", "rooms", "--quiet", "--out", "out", "--html", "both.html"];
    let output = place.run(&args);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let html = page(&place, "both.html");
    is_self_contained(&html);
    for part in [
        "Cases, side by side",
        "Outcomes by area",
        "name=\"differs\"",
        "data-differs=\"yes\"",
        "data-origin=\"docs\"",
        "from here on not as the first",
        "title=\"reference: PASS\">✔",
        ": FAIL\">F",
    ] {
        assert!(html.contains(part), "{part}");
    }
}

/// What a load finds wrong is drawn: who had to get it, when it was sent, when the copy came.
#[test]
fn a_violation_has_lanes() {
    let place = Place::new();
    let faulty = place.serve(&["--fault", "union-dup", "--fault-rate", "0.2"]);
    let args = ["run", &scenario("union.toml"), "--target", &faulty.url(), "-q", "--out", "out", "--html", "load.html"];
    let output = place.run(&args);
    assert_eq!(code(&output), 1, "{}{}", stdout(&output), stderr(&output));
    let html = page(&place, "load.html");
    is_self_contained(&html);
    for part in ["class=\"must\"", "class=\"act wrong\"", "✘ message", "answered at"] {
        assert!(html.contains(part), "{part}");
    }
}

/// What a hostile server says is text on the page, in the terminal and in the table.
#[test]
fn what_a_server_says_is_not_obeyed() {
    let place = Place::new();
    let output = place.run(&["conform", "--id", "rooms/*", "--quiet", "--out", "out"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let record = place.out().join("run.jsonl");
    let text = std::fs::read_to_string(&record).unwrap();
    let hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>";
    let changed = text.replace("sio-reference-server 0.1.0", hostile);
    assert_ne!(text, changed);
    std::fs::write(&record, changed).unwrap();
    place.run(&["report", "out", "--html", "x.html"]);
    let html = page(&place, "x.html");
    // A title that would clear the screen, and turn what follows round.
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, text.replace(hostile, "\\u001b[2J\\u001b]0;x\\u0007\\u202e=cmd()")).unwrap();
    for format in ["terminal", "junit", "tap", "sarif", "markdown", "github", "badge", "csv", "openmetrics", "jsonl"] {
        let said = stdout(&place.run(&["report", "out", "--format", format]));
        assert!(!said.contains(['\u{1b}', '\u{7}']), "{format}: {said:?}");
    }
    let said = stdout(&place.run(&["report", "out"]));
    assert!(said.contains("[2J") && !said.contains('\u{202e}'), "{said:?}");
    assert!(html.contains("&lt;script&gt;alert(1)") && !html.contains("<script>alert(1)") && !html.contains("<img"));
}

/// A page after its scripts have run and `script` behind them, as the browser has it.
fn in_browser(place: &Place, name: &str, script: &str) -> String {
    let changed = page(place, name).replace("</body>", &format!("<script>{script}</script></body>"));
    let file = place.path().join(format!("with-script-{name}"));
    std::fs::write(&file, changed).unwrap();
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=1200,2400"])
        .args(["--dump-dom", &format!("file://{}", file.display())])
        .output()
        .unwrap();
    assert!(!stderr(&output).contains("CONSOLE"), "{}", stderr(&output));
    stdout(&output)
}

fn title(dom: &str) -> &str {
    dom.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0
}

fn has_chromium() -> bool {
    let there = Command::new("chromium").arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("skipped: this test needs chromium (`apt install chromium`)");
    }
    there
}

/// Figures under the mouse, a closer look, and filters, in a real browser.
#[test]
fn the_script_does_what_it_says() {
    if !has_chromium() {
        return;
    }
    let place = Place::new();
    let output = place.run(&["run", &scenario("small.toml"), "-q", "--out", "out", "--html", "one.html"]);
    assert!(is_sound(output.status.code(), &stdout(&output)), "{}", stdout(&output));
    let dom = in_browser(
        &place,
        "one.html",
        "const svg = [...document.querySelectorAll('svg[data-x]')].find((one) => one.textContent.includes('sent'));
         const box = svg.getBoundingClientRect();
         const mouse = (kind, share) => svg.dispatchEvent(new MouseEvent(kind,
           { clientX: box.left + box.width * share, clientY: box.top + 30, bubbles: true }));
         mouse('mousemove', 0.4);
         const hover = svg.querySelector('.hover').textContent;
         const before = svg.querySelector('.area').getAttribute('viewBox').split(' ')[2];
         mouse('mousedown', 0.3); mouse('mouseup', 0.6);
         const after = svg.querySelector('.area').getAttribute('viewBox').split(' ')[2];
         mouse('dblclick', 0.5);
         const again = svg.querySelector('.area').getAttribute('viewBox').split(' ')[2];
         document.title = `${/sent \\d+.*delivered \\d+/.test(hover)} ${+after < +before / 2} ${again === before}`;",
    );
    assert_eq!(title(&dom), "true true true");
    let output = place.run(&["compare", "reference", "reference", "--id", "rooms/*", "-q", "--html", "cases.html"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let dom = in_browser(
        &place,
        "cases.html",
        "document.querySelectorAll('details.area').forEach((area) => { area.open = true; });
         const shown = () => [...document.querySelectorAll('details.row')].filter((row) => row.offsetHeight > 0).length;
         const all = shown();
         document.querySelector('[name=differs]').click();
         const differing = shown();
         document.querySelector('[name=differs]').click();
         document.querySelector('[value=PASS]').click();
         document.title = `${all > 50} ${differing} ${shown()}`;",
    );
    assert_eq!(title(&dom), "true 0 0");
}

/// Chromium renders the page without an error of its own.
#[test]
fn a_browser_opens_it() {
    if !has_chromium() {
        return;
    }
    let place = Place::new();
    let output = place.run(&["run", &scenario("small.toml"), "-q", "--out", "out", "--html", "one.html"]);
    assert!(is_sound(output.status.code(), &stdout(&output)), "{}", stdout(&output));
    let url = format!("file://{}", place.path().join("one.html").display());
    let shot = place.path().join("one.png");
    let screenshot = format!("--screenshot={}", shot.display());
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--window-size=1200,2400",
            &screenshot,
            &url,
        ])
        .current_dir(place.path())
        .output()
        .unwrap();
    let said = stderr(&output);
    assert!(!said.contains("CONSOLE"), "{said}");
    assert!(std::fs::metadata(shot).unwrap().len() > 20_000, "{said}");
}

/// A server that does not start at once does not end a comparison of many blocks, and it is said.
#[test]
fn a_block_whose_server_does_not_start_is_run_again() {
    let place = Place::new();
    let folder = place.path().join("targets/shy");
    std::fs::create_dir_all(&folder).unwrap();
    let program = env!("CARGO_BIN_EXE_sio-bench");
    let start = format!("if mkdir tried; then exit 1; fi; exec {program} delay-server");
    let manifest = format!("about = 'shy'\nstart = ['sh', '-c', '{start}']\n");
    std::fs::write(folder.join("target.toml"), manifest).unwrap();
    let load = scenario("ask.toml");
    let args = ["compare", "shy", "shy", "--load", &load, "--blocks", "4", "--out", "out"];
    let output = place.command(&args).env("SIO_BENCH_TARGETS", place.path().join("targets")).output().unwrap();
    let said = stdout(&output);
    assert_eq!(code(&output), 1, "{said}{}", stderr(&output));
    assert_eq!(said.matches("block 1: could not be reached or was lost, and the block was run again").count(), 1);
    assert!(stderr(&output).contains("block 1 of 4: shy, again"), "{}", stderr(&output));
    // A server that never starts ends it.
    std::fs::write(folder.join("target.toml"), "about = 'shy'\nstart = ['false']\n").unwrap();
    let args = ["compare", "shy", "shy", "--load", &load, "--blocks", "4", "--out", "never"];
    let output = place.command(&args).env("SIO_BENCH_TARGETS", place.path().join("targets")).output().unwrap();
    assert_eq!(code(&output), 3, "{}", stderr(&output));
}

/// The same comparison in the shapes that programs read.
fn are_told_to_programs(place: &Place, args: &[&str]) {
    let output = place.run(&[args, &["--format", "json"]].concat());
    let told: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&told["scenario"], &told["seed"], &told["blocks"]), (&json!("small"), &json!(5), &json!(4)));
    let targets = told["targets"].as_array().unwrap();
    assert!(targets.len() == 2 && targets.iter().all(|target| target["counts"]["owed"].as_u64() > Some(0)), "{told}");
    let figure = &told["figures"][0];
    assert_eq!((&figure["name"], &figure["unit"]), (&json!("tell.delivery p50"), &json!("ns")));
    let [first, second] = [0, 1].map(|index| &figure["targets"][index]);
    assert!(first["median"].as_f64() > Some(0.0) && first["against_first"].is_null(), "{figure}");
    let bounds = ["low", "ratio", "high"].map(|name| second["against_first"][name].as_f64().unwrap());
    assert!(bounds.is_sorted(), "{figure}");
    let xml = stdout(&place.run(&[args, &["--format", "junit"]].concat()));
    assert!(xml.contains("<testsuite name=\"reference [2]\" tests=\"4\""), "{xml}");
}

/// A target against itself.
#[test]
fn loads_are_compared_in_turns() {
    let place = Place::new();
    let load = scenario("small.toml");
    let args = [
        "compare",
        "reference",
        "reference",
        "--load",
        &load,
        "--blocks",
        "4",
        "--set",
        "steady=500ms",
        "--out",
        "out",
        "--html",
        "load.html",
    ];
    let output = place.run(&args);
    let said = stdout(&output);
    assert!(matches!(code(&output), 0 | 4), "{said}{}", stderr(&output));
    assert!(said.contains("4 blocks, in turns; the same schedule (seed 5)"), "{said}");
    assert!(said.contains(".delivery p50 |") && said.contains("| CPU for each delivery |"), "{said}");
    assert!(said.contains(" deliveries owed: 0 lost, 0 duplicate, 0 misdelivered, 0 out of order"), "{said}");
    let turns: Vec<_> =
        stderr(&output).lines().map(ToOwned::to_owned).filter(|line| line.starts_with("block ")).collect();
    assert_eq!(turns.len(), 8);
    // All blocks are there, so the second time nothing is run; and it is the same load or none.
    let output = place.run(&args);
    assert!(stdout(&output) == said, "{}{}", stdout(&output), stderr(&output));
    are_told_to_programs(&place, &args);
    let other: Vec<&str> = args.iter().map(|arg| if *arg == "steady=500ms" { "steady=600ms" } else { *arg }).collect();
    let output = place.run(&other);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("has the record of another load"), "{}", stderr(&output));
    let html = page(&place, "load.html");
    is_self_contained(&html);
    for part in [
        "Block by block",
        "Latency by percentile",
        "how they differ from reference",
        "one thread; no compression of frames",
        "What was owed, and what came of it",
    ] {
        assert!(html.contains(part), "{part}");
    }
    // A target that lacks what the load needs is named before anything is run.
    let folder = place.path().join("targets/forgetful");
    std::fs::create_dir_all(&folder).unwrap();
    let manifest = "about = 'forgets'\nstart = ['false']\n[lacks]\nrecovery = 'it forgets'\n";
    std::fs::write(folder.join("target.toml"), manifest).unwrap();
    let args = ["compare", "reference", "forgetful", "--load", "churn", "--out", "churn"];
    let output = place.command(&args).env("SIO_BENCH_TARGETS", place.path().join("targets")).output().unwrap();
    assert_eq!(code(&output), 2, "{}", stderr(&output));
    assert!(stderr(&output).contains("which asks for recovery: it forgets"), "{}", stderr(&output));
    assert!(!place.path().join("churn").exists());
    let output = place.run(&["compare", "reference", "reference", "--load", &load, "--blocks", "2"]);
    assert_eq!(code(&output), 2, "{}", stderr(&output));
    assert!(stderr(&output).contains("at least 4 blocks"), "{}", stderr(&output));
}
