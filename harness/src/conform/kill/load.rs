//! A fault under load: more sockets than any case has.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use super::{Kill, Trial, Trials};
use crate::record::Entry;
use crate::target::Launch;

/// A load that is not ended by then hangs.
const LOAD_LIMIT: Duration = Duration::from_secs(30);
/// Eighty users in two rooms, for two seconds.
const LOAD: &str = r#"
name = "self-test"
seed = 1

[actions]
"join(room)"       = { emit = ["join", "${room}"], ack = true }
"tell(room, what)" = { emit = ["emit", { via = "socket", to = ["${room}"], event = "msg", args = ["${what}"] }] }

[rooms.half]
count = 2
join  = ["join", "${room}"]

[users.people]
count   = 80
connect = "400/s"
in      = { half = 1 }

[traffic.tell]
from        = "people"
rate        = "100/s"
arrivals    = "even"
do          = ["tell", "${room}", "${payload}"]
payload     = { size = "64B" }
delivers_to = { event = "msg", rooms = ["${room}"], except = "sender" }

[[phase]]
name = "all"
for  = "2s"
"#;

impl Trials<'_> {
    /// A short load with more sockets than any case has, by a process of its own: workers are threads.
    pub(super) async fn load(&self, trial: &mut Trial) -> Result<(), String> {
        let folder = self.folder.join(&trial.row.id);
        let scenario = folder.join("load.toml");
        let prepared = self.faulty(&trial.row);
        std::fs::write(&scenario, LOAD).map_err(|error| error.to_string())?;
        let stderr = folder.join("load.stderr");
        let launch = Launch {
            journal: false,
            stderr,
            program: None,
            env: BTreeMap::new(),
            trust: false,
            manner: Arc::default(),
        };
        let target = prepared.start(None, &launch).await.map_err(|error| error.to_string())?;
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let out = folder.join("load");
        let mut command = tokio::process::Command::new(program);
        command.arg("run").arg(&scenario).args(["--target", &target.endpoint.url, "--quiet", "--out"]).arg(&out);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let ended = tokio::time::timeout(LOAD_LIMIT, command.status()).await;
        if let Some(child) = target.child {
            child.stop().await;
        }
        ended.map_err(|_| "the load did not end".to_owned())?.map_err(|error| error.to_string())?;
        for entry in crate::record::read(&out)? {
            let Entry::Load(load) = entry else { continue };
            for violation in &load.violations {
                let (case, rule) = (format!("load: {}", violation.measure), violation.invariant.clone());
                let stated = trial.row.explains(&rule);
                trial.kills.push(Kill { case, rule, stated, crash: false, info: false });
            }
        }
        trial.kills.sort_by_key(|kill| (!kill.stated, kill.info));
        Ok(())
    }
}
