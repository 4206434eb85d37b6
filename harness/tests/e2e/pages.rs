//! Pages as they are drawn: in a real browser, on a phone, a tablet and a desk, light and dark. Nothing lies over anything else,
//! nothing is wider than the window, no axis says the same twice, and axe finds no barrier.

use std::path::Path;
use std::process::Command;

use fantoccini::Client;
use fantoccini::wd::WebDriverCompatibleCommand;
use serde_json::{Value, json};
use url::{ParseError, Url};

use crate::common::{Place, code, is_sound, scenario, stderr, stdout};
use crate::window::{driver, have_browser, window};

/// A command of the browser's own protocol, which the driver passes on.
#[derive(Debug)]
struct Devtools(&'static str, Value);

impl WebDriverCompatibleCommand for Devtools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "cmd": self.0, "params": self.1 }).to_string()))
    }
}

fn axe() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/axe");
    let file = folder.join("node_modules/axe-core/axe.min.js");
    if !file.exists() {
        let done = Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    std::fs::read_to_string(file).unwrap()
}

const WIDTHS: [u32; 3] = [390, 800, 1_400];

/// Opens a file at each width, light and dark, and says what is wrong with it.
async fn looked_at(window: &Client, file: &Path, axe: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for width in WIDTHS {
        for scheme in ["light", "dark"] {
            let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
            window.issue_cmd(Devtools("Emulation.setDeviceMetricsOverride", metrics)).await.unwrap();
            let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            window.issue_cmd(Devtools("Emulation.setEmulatedMedia", media)).await.unwrap();
            window.goto(&format!("file://{}", file.display())).await.unwrap();
            let there =
                window.execute("return [innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]", vec![]);
            assert_eq!(there.await.unwrap(), json!([width, scheme == "dark"]));
            let found = window.execute(include_str!("pages.js"), vec![]).await.unwrap();
            assert!(found["pictures"].is_u64(), "{found}");
            window.execute(axe, vec![]).await.unwrap();
            let barriers = "const done = arguments[0];
                axe.run().then((found) => done(found.violations.map((one) => `axe: ${one.id}: ${one.nodes[0].html}`)), (error) => done([`${error}`]));";
            let barriers = window.execute_async(barriers, vec![]).await.unwrap();
            for says in [&found["wrong"], &barriers].into_iter().flat_map(|all| all.as_array().unwrap()) {
                wrong.push(format!("{} at {width} px, {scheme}: {says}", file.display()));
            }
        }
    }
    wrong
}

/// A load with two traffics of which one is only acknowledged, a violation, a matrix of cases, a comparison under load, a search
/// for the largest load, and a self-test.
fn make(place: &Place) -> Vec<&'static str> {
    let text = std::fs::read_to_string(scenario("small.toml")).unwrap();
    let asked = "[traffic.ask]\nfrom = \"people\"\nrate = \"20/s\"\nemit = [\"message-with-ack\", \"${payload}\"]\nack = true\n\n[[phase]]\nname = \"warm";
    let text = text.replacen("[[phase]]\nname = \"warm", asked, 1);
    assert!(text.contains("traffic.ask"));
    std::fs::write(place.path().join("two.toml"), text).unwrap();
    let output = place.run(&["run", "two.toml", "-q", "--out", "two", "--html", "two.html"]);
    assert!(is_sound(output.status.code(), &stdout(&output)), "{}{}", stdout(&output), stderr(&output));
    let faulty = place.serve(&["--fault", "union-dup", "--fault-rate", "0.2"]);
    let args =
        ["run", &scenario("union.toml"), "--target", &faulty.url(), "-q", "--out", "v", "--html", "violation.html"];
    assert_eq!(code(&place.run(&args)), 1);
    let url = faulty.url();
    let args = ["compare", "reference", &url, "--area", "rooms", "-q", "--out", "m", "--html", "matrix.html"];
    assert_eq!(code(&place.run(&args)), 0);
    let (load, steady) = (scenario("small.toml"), "steady=500ms");
    let args =
        ["compare", "reference", "reference", "--load", &load, "--blocks", "4", "--set", steady, "-q", "--out", "b"];
    let output = place.run(&[&args[..], &["--html", "blocks.html"]].concat());
    assert!(matches!(code(&output), 0 | 4), "{}{}", stdout(&output), stderr(&output));
    let search = "\n[search]\nvary = \"rate\"\nrange = \"10/s..40/s\"\nuntil = [\"tell.delivery p90 >= 10s\"]\n";
    let text = std::fs::read_to_string(load).unwrap();
    std::fs::write(place.path().join("search.toml"), text + search).unwrap();
    let args = ["capacity", "search.toml", "--repeat", "1", "--hold-for", "500ms", "--resolution", "50%", "-q"];
    let output = place.run(&[&args[..], &["--out", "c", "--html", "capacity.html"]].concat());
    assert!(matches!(code(&output), 0 | 4), "{}{}", stdout(&output), stderr(&output));
    let args = ["self-test", "--only", "union-dup", "--explore", "0s", "--out", "s", "--html", "self-test.html"];
    let output = place.run(&args);
    assert_eq!(code(&output), 0, "{}{}", stdout(&output), stderr(&output));
    vec!["two.html", "violation.html", "matrix.html", "blocks.html", "capacity.html", "self-test.html"]
}

#[tokio::test]
async fn pages_are_drawn_without_a_fault_at_three_widths() {
    if !have_browser() {
        return;
    }
    let place = Place::new();
    let pages = make(&place);
    let two = std::fs::read_to_string(place.path().join("two.html")).unwrap();
    assert!(
        two.contains("Acknowledgements by phase") && two.contains("Latency over time: ask.ack"),
        "a heat map for each"
    );
    let axe = axe();
    let driver = driver();
    let window = window(&driver).await;
    let mut wrong = Vec::new();
    for page in pages {
        wrong.extend(looked_at(&window, &place.path().join(page), &axe).await);
    }
    // The test sees what it is there to see.
    let spoiled = two.replace("</main>", "<p style=\"width: 2000px\">x</p><img></main>");
    let file = place.path().join("spoiled.html");
    std::fs::write(&file, spoiled).unwrap();
    let found = looked_at(&window, &file, &axe).await;
    window.close().await.unwrap();
    assert!(found.iter().any(|says| says.contains("px wide")), "{found:?}");
    assert!(found.iter().any(|says| says.contains("axe: image-alt")), "{found:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Words that are typed leave the cases that have them, in areas that open.
#[tokio::test]
async fn cases_can_be_searched() {
    if !have_browser() {
        return;
    }
    let place = Place::new();
    let args = ["compare", "reference", "reference", "--area", "rooms", "--area", "acks", "-q", "--html", "m.html"];
    let output = place.run(&args);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let driver = driver();
    let window = window(&driver).await;
    window.goto(&format!("file://{}", place.path().join("m.html").display())).await.unwrap();
    let script = "const shown = () => [...document.querySelectorAll('details.row')].filter((row) => row.closest('details.area').open && !row.matches('.hidden'));
        const folded = shown().length;
        const box = document.querySelector('[name=search]');
        const type = (text) => { box.value = text; box.dispatchEvent(new Event('input')); return shown(); };
        const found = type('ROOMS leave');
        const all = found.every((row) => row.dataset.text.includes('rooms') && row.dataset.text.includes('leave'));
        const link = found[0].querySelector('a[href^=\"https://\"]');
        return [folded, found.length > 0 && all, type('no such words').length, document.querySelector('.found').textContent, !!link];";
    let said = window.execute(script, vec![]).await.unwrap();
    window.close().await.unwrap();
    assert_eq!(said, json!([0, true, 0, "0 shown", true]));
}
