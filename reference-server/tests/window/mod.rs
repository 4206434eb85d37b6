//! Windows of a real browser. Without chromium and its driver a test says so and passes, except in CI.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder};
use serde_json::json;

/// A program that ends with the test.
pub struct Program {
    child: Child,
    pub port: u16,
}

impl Program {
    /// Starts a program that says on which port it listens, somewhere behind `marker`.
    pub fn start(command: &mut Command, marker: &str) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.ok()?;
            let digits: String = line.split(marker).nth(1)?.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok().filter(|port| *port != 0)
        });
        // Somebody has to read what it says, or it would wait for that.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port: port.unwrap_or_else(|| panic!("the program ended without a port")) }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether browser, driver and npm are there. CI installs them, so there it is a failure if not.
pub fn have_browser() -> bool {
    let there =
        |program: &str| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    let missing: Vec<_> = ["chromium", "chromedriver", "npm"].into_iter().filter(|program| !there(program)).collect();
    if !missing.is_empty() {
        assert!(std::env::var_os("CI").is_none(), "{missing:?} missing; scripts/test-machine.sh installs them");
        eprintln!("skipped: {missing:?} not installed (scripts/test-machine.sh installs them)");
    }
    missing.is_empty()
}

pub fn driver() -> Program {
    Program::start(Command::new("chromedriver").arg("--port=0"), "on port ")
}

pub async fn window(driver: &Program) -> Client {
    // The last ones keep it from calling home.
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=900,560",
        "--no-first-run",
        "--disable-quic",
        "--disable-sync",
        "--disable-component-update",
        "--disable-background-networking",
    ];
    let capabilities = json!({ "goog:chromeOptions": { "args": arguments } });
    let url = format!("http://127.0.0.1:{}", driver.port);
    ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
        .capabilities(capabilities.as_object().unwrap().clone())
        .connect(&url)
        .await
        .unwrap()
}

/// Waits until a script's value is what it should be.
pub async fn becomes(window: &Client, script: &str, expected: serde_json::Value) {
    let mut found = serde_json::Value::Null;
    let wait = async {
        loop {
            found = window.execute(&format!("return {script}"), vec![]).await.unwrap_or_default();
            if found == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(15), wait).await.is_ok();
    assert!(in_time, "{script} is {found} instead of {expected}");
}
