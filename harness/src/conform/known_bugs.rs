//! Known bugs: old releases with documented bugs, and the rows that must catch them. A suite that lets one of them
//! pass is worth nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::spelling;
use crate::input;
use crate::output;
use crate::record::CaseResult;
use crate::vocab::pattern;

/// `targets/known-bugs.toml`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownBugs {
    pub bug: Vec<Bug>,
}

/// One old release.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bug {
    /// Package and version.
    pub name: String,
    /// What it does wrong.
    pub what: String,
    /// The target whose fixture it runs: node or python.
    pub base: String,
    /// Packages and versions, in addition to the base's own.
    pub broken: BTreeMap<String, String>,
    /// The same with the bug fixed.
    pub fixed: BTreeMap<String, String>,
    /// Rows of which at least one case must fail on the broken one, and none of these on the fixed one.
    pub requirements: Vec<String>,
    /// What the failures say that are this bug, in part: one of these. A release can fail for many reasons.
    #[serde(rename = "match")]
    pub matches: Vec<String>,
    /// Patterns of cases that count, when a row has others that fail for another reason.
    #[serde(default)]
    pub cases: Vec<String>,
    /// Revision of Engine.IO, when it is not 4.
    pub engine: Option<u8>,
}

impl KnownBugs {
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = input::text(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let known_bugs: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for bug in &known_bugs.bug {
            if bug.matches.is_empty() || bug.matches.iter().any(|part| part.trim().is_empty()) {
                return Err(format!("{}: `match` is what the failure says when it is this bug, in part", bug.name));
            }
        }
        Ok(known_bugs)
    }
}

impl Bug {
    /// Whether a failure of the broken release is this bug: one of its rows, and in the words of the bug.
    pub fn is_shown_by(&self, case: &CaseResult) -> bool {
        let counts = self.cases.is_empty() || self.cases.iter().any(|wanted| pattern::matches(wanted, &case.id));
        let said = case.failure.as_ref().map_or("", |failure| failure.message.as_str());
        counts && self.matches.iter().any(|part| spelling::says(said, part))
    }

    /// A word for folders.
    pub fn slug(&self) -> String {
        self.name.chars().map(|c| if c.is_alphanumeric() || c == '.' { c } else { '-' }).collect()
    }

    /// Writes a target's folder below `folder`, with these packages, what `locks` says of them and the base's fixture; returns its
    /// name.
    pub fn cage(&self, base: &Path, locks: &Path, folder: &Path, fixed: bool) -> Result<String, String> {
        let name = format!("{}-{}", self.slug(), if fixed { "fixed" } else { "broken" });
        let folder = folder.join(&name);
        let packages = if fixed { &self.fixed } else { &self.broken };
        let lock = |extension: &str| {
            let path = locks.join(format!("{name}.{extension}"));
            fs::read_to_string(&path).map_err(|error| {
                format!(
                    "{}: cannot read what is to be installed, {}: {error}; scripts/lock-known-bugs.py writes it",
                    self.name,
                    path.display()
                )
            })
        };
        let files = match self.base.as_str() {
            "node" => node(base, packages, lock("json")?)?,
            "python" => python(base, packages, &lock("txt")?)?,
            other => return Err(format!("{}: base {other:?}; expected node or python", self.name)),
        };
        let engine = self.engine.map(|engine| format!("engine = {engine}\n")).unwrap_or_default();
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            output::write_bytes(&path, text.as_bytes())
                .map_err(|error| format!("cannot write {}: {error}", path.display()))
        };
        fs::create_dir_all(&folder).map_err(|error| format!("cannot create {}: {error}", folder.display()))?;
        for (file, text) in &files {
            let text = if file == "target.toml" { format!("{engine}{text}") } else { text.clone() };
            write(file, &text)?;
        }
        Ok(name)
    }
}

type Files = Vec<(String, String)>;

fn copied(base: &Path, names: &[&str]) -> Result<Files, String> {
    let read = |name: &&str| {
        let path: PathBuf = base.join(name);
        let text = fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Ok(((*name).to_owned(), text))
    };
    names.iter().map(read).collect()
}

/// npm: the server is a dependency, everything below it an override.
fn node(base: &Path, packages: &BTreeMap<String, String>, lock: String) -> Result<Files, String> {
    let own = fs::read_to_string(base.join("package.json")).map_err(|error| format!("the base node: {error}"))?;
    let own: serde_json::Value = serde_json::from_str(&own).map_err(|error| format!("the base node: {error}"))?;
    let mut dependencies = own["dependencies"].clone();
    let mut overrides = serde_json::Map::new();
    for (package, version) in packages {
        if dependencies.get(package).is_some() {
            dependencies[package] = version.as_str().into();
        } else if package == "socket.io-parser" {
            // The MessagePack parser brings one of its own, which is none of our business.
            overrides.insert("socket.io".to_owned(), serde_json::json!({ "socket.io-parser": version }));
        } else {
            overrides.insert(package.clone(), version.as_str().into());
        }
    }
    let package = serde_json::json!({
        "name": "sio-bench-known-bugs", "private": true, "dependencies": dependencies, "overrides": overrides,
    });
    let mut files = copied(base, &["server.js", "fixture.js", "options.js"])?;
    files.push(("package.json".to_owned(), package.to_string()));
    files.push(("package-lock.json".to_owned(), lock));
    let target = r#"about     = "a release for self-test --known-bugs"
install   = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
installed = "node_modules/socket.io/package.json"
start     = ["node", "server.js"]
version   = ["node", "-p", "['socket.io', 'engine.io', 'socket.io-parser'].map((name) => name + ' ' + JSON.parse(require('fs').readFileSync('node_modules/' + name + '/package.json')).version).join(', ')"]
"#;
    files.push(("target.toml".to_owned(), target.to_owned()));
    Ok(files)
}

/// pip: the base's requirements, with these versions.
fn python(base: &Path, packages: &BTreeMap<String, String>, lock: &str) -> Result<Files, String> {
    let own = fs::read_to_string(base.join("requirements.txt")).map_err(|error| format!("the base python: {error}"))?;
    let locked: BTreeMap<&str, &str> = requirements(lock).collect();
    let mut list = String::new();
    for (package, requirement) in requirements(&own) {
        let requirement = match packages.get(package) {
            Some(version) => locked
                .get(package)
                .filter(|requirement| requirement.starts_with(&format!("{package}=={version} ")))
                .ok_or_else(|| {
                    format!(
                        "{package} {version} has no checksums in targets/known-bugs-locks; scripts/lock-known-bugs.py writes them"
                    )
                })?,
            None => requirement,
        };
        list.push_str(requirement);
    }
    let mut files = copied(base, &["server.py"])?;
    files.push(("requirements.txt".to_owned(), list));
    let target = r#"about     = "a release for self-test --known-bugs"
install   = ["sh", "-c", "python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt && touch .venv/installed"]
installed = ".venv/installed"
start     = [".venv/bin/python", "server.py", "uvicorn"]
version   = [".venv/bin/python", "-c", "from importlib.metadata import version as v; print('python-socketio', v('python-socketio'), 'on python-engineio', v('python-engineio'))"]
"#;
    files.push(("target.toml".to_owned(), target.to_owned()));
    Ok(files)
}

/// The entries of a list of requirements: the package, and its lines with version and checksums.
fn requirements(list: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = list;
    std::iter::from_fn(move || {
        loop {
            let end = rest.match_indices('\n').map(|(at, _)| at + 1).find(|at| !rest[*at..].starts_with(' '));
            let (entry, behind) = rest.split_at_checked(end?)?;
            rest = behind;
            if let Some((package, _)) = entry.split_once("==").filter(|_| !entry.starts_with('#')) {
                return Some((package, entry));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::deviations::tests::result;
    use super::*;
    use crate::record::CaseVerdict;

    const BUG: &str = "[[bug]]\nname = 'x 1'\nwhat = 'it ends'\nbase = 'node'\nbroken = { x = '1' }\n\
                       fixed = { x = '2' }\nrequirements = ['EIO-HS-07']\n";

    #[test]
    fn a_release_that_fails_for_another_reason_proves_nothing() {
        let known_bugs = KnownBugs::parse(&format!("{BUG}match = ['the target ended']\n")).unwrap();
        let shown = |message: &str| known_bugs.bug[0].is_shown_by(&result(CaseVerdict::Crash, message));
        assert!(shown("the target ended while this was played: exit status: 1"));
        assert!(!shown("no answer to CONNECT / within 5s"));
    }

    #[test]
    fn a_bug_says_how_it_fails() {
        assert!(KnownBugs::parse(BUG).unwrap_err().contains("missing field `match`"));
        assert!(KnownBugs::parse(&format!("{BUG}match = []\n")).unwrap_err().contains("what the failure says"));
        assert!(KnownBugs::parse(&format!("{BUG}match = [' ']\n")).unwrap_err().contains("what the failure says"));
    }

    /// Each of them is installed as it was locked: with checksums of exactly what its folder asks for.
    #[test]
    fn the_bugs_of_this_repository_can_be_read_and_are_locked() {
        let targets = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../targets"));
        let known_bugs = KnownBugs::read(&targets.join("known-bugs.toml")).unwrap();
        assert!(known_bugs.bug.len() >= 20);
        let folder = tempfile::tempdir().unwrap();
        for (bug, fixed) in known_bugs.bug.iter().flat_map(|bug| [(bug, false), (bug, true)]) {
            let name =
                bug.cage(&targets.join(&bug.base), &targets.join("known-bugs-locks"), folder.path(), fixed).unwrap();
            let read = |file: &str| fs::read_to_string(folder.path().join(&name).join(file)).unwrap();
            if bug.base == "python" {
                let list = read("requirements.txt");
                assert!(requirements(&list).count() > 10, "{name}: {list}");
                assert!(requirements(&list).all(|(_, entry)| entry.contains("--hash=sha256:")), "{name}: {list}");
                continue;
            }
            let json = |file: &str| serde_json::from_str::<serde_json::Value>(&read(file)).unwrap();
            let (package, lock) = (json("package.json"), json("package-lock.json"));
            assert_eq!(lock["packages"][""]["dependencies"], package["dependencies"], "{name}");
            let packages = if fixed { &bug.fixed } else { &bug.broken };
            for (package, version) in packages {
                let locked = &lock["packages"][format!("node_modules/{package}")];
                let below = &lock["packages"][format!("node_modules/socket.io/node_modules/{package}")];
                let found = [locked, below].into_iter().find(|locked| locked["version"] == **version);
                assert!(
                    found.is_some_and(|found| found["integrity"].is_string()),
                    "{name}: {package} {version}: {locked}"
                );
            }
        }
    }
}
