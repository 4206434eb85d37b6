//! What a worker needs to run its part: the scenario with all that it reads, and what the coordinator's command line said.

use serde::{Deserialize, Serialize};

use super::files;
use super::wire::Bundled;
use crate::scenario::source::{Brought, Source};
use crate::scenario::{self, LoadError, Loaded, Override};
use crate::secrets;

/// A larger one is none.
pub const MOST: u64 = 256 << 20;

/// A scenario on its way to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// The file as it is named where the coordinator is; for messages alone.
    pub file: String,
    pub text: String,
    /// `--set`, in its order.
    pub overrides: Vec<Override>,
    pub seed: u64,
    /// Feeds, and certificates that are trusted.
    pub brought: Brought,
    /// Where the server is.
    pub target: String,
    pub way: Way,
    /// `--connect-timeout`, in milliseconds.
    pub connect_timeout: Option<u64>,
}

/// How to get into the target: what the command line said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    pub path: Option<String>,
    pub headers: Vec<(String, String)>,
    pub auth: Option<String>,
    pub queries: Vec<(String, String)>,
}

impl Bundle {
    /// As bytes, and these in short; the error says what cannot be sent.
    pub fn pack(&self) -> Result<(Vec<u8>, Bundled), String> {
        let bytes = serde_json::to_vec(self).map_err(|error| format!("the scenario cannot be sent: {error}"))?;
        if bytes.len() as u64 > MOST {
            return Err(format!(
                "the scenario and the files it reads come to {} bytes, and workers take {MOST} at most\n  give smaller feeds",
                bytes.len()
            ));
        }
        let bundled = Bundled { bytes: bytes.len() as u64, sha256: files::sha256(&bytes) };
        Ok((bytes, bundled))
    }

    /// The other way round, if the bytes are those that were meant; what is secret in it is known from here on.
    pub fn unpack(bytes: &[u8], bundled: &Bundled) -> Result<Self, String> {
        if files::sha256(bytes) != bundled.sha256 {
            return Err("the scenario did not come as the coordinator has sent it: its checksum is another".to_owned());
        }
        let bundle: Self = serde_json::from_slice(bytes)
            .map_err(|error| format!("what came is no scenario of a coordinator: {error}"))?;
        bundle.learn();
        Ok(bundle)
    }

    fn learn(&self) {
        secrets::learn_urls(&self.target);
        self.overrides.iter().for_each(|(name, value)| secrets::learn(name, value));
        self.way.headers.iter().for_each(|(name, value)| secrets::learn_header(name, value));
        self.way.queries.iter().for_each(|(name, value)| secrets::learn_query(&format!("{name}={value}")));
        self.way.auth.iter().for_each(|auth| secrets::learn_auth(auth));
    }

    /// The scenario, read without a look at the files of this machine.
    pub fn load(&self) -> Result<Loaded, LoadError> {
        let source = Source { name: self.file.clone(), text: self.text.clone() };
        scenario::load_brought(source, &self.brought, &self.overrides, self.seed).map_err(LoadError::Diagnostics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"name = "x"
[feeds]
names = { file = "../names.csv" }
[users.people]
count = 2
auth  = { name = "${names.name}" }
[[phase]]
name = "steady"
for  = "1s"
"#;

    fn bundle(brought: Brought) -> Bundle {
        Bundle {
            file: "/elsewhere/x.toml".to_owned(),
            text: TEXT.to_owned(),
            overrides: Vec::new(),
            seed: 7,
            brought,
            target: "http://127.0.0.1:1".to_owned(),
            way: Way::default(),
            connect_timeout: None,
        }
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        let (bytes, bundled) = bundle(Brought::default()).pack().unwrap();
        assert_eq!(Bundle::unpack(&bytes, &bundled), Ok(bundle(Brought::default())));
        let mut changed = bytes.clone();
        changed[3] ^= 1;
        assert!(Bundle::unpack(&changed, &bundled).unwrap_err().contains("checksum"));
        let (bytes, nothing) = (b"{}", Bundled { bytes: 2, sha256: files::sha256(b"{}") });
        assert!(Bundle::unpack(bytes, &nothing).unwrap_err().contains("no scenario"));
    }

    /// A name is not a path: what did not come is not looked for.
    #[test]
    fn files_come_with_the_scenario_or_not_at_all() {
        let mut brought = Brought::default();
        let problem = bundle(brought.clone()).load().unwrap_err().to_string();
        assert!(problem.contains("../names.csv did not come with the scenario"), "{problem}");
        brought.add("../names.csv", "name\nada\nbob\n".to_owned());
        let loaded = bundle(brought).load();
        assert!(loaded.is_ok(), "{}", loaded.unwrap_err());
    }
}
