//! `targets/NAME/target.toml`: how a server is installed and started.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;

use super::{Error, command, embedded};
use crate::guess::did_you_mean;
use crate::input;
use crate::output;
use crate::scenario::not_a_name;
use crate::vocab::target_url;

/// A folder of targets given by hand.
const VARIABLE: &str = "SIO_BENCH_TARGETS";
/// Variables that make cargo write elsewhere than a manifest says that its program is.
const CARGO: [&str; 3] = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_TARGET"];
/// Installing fetches packages; a hanging registry must not hang a run for ever.
const INSTALL_LIMIT: Duration = Duration::from_mins(15);
/// Time of a command that prints something about the target.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// One sentence about the server.
    #[expect(dead_code, reason = "for the reader of the file, and for lists to come")]
    about: String,
    /// Run in the folder when `installed` is missing.
    install: Option<Vec<String>>,
    /// A file that is there once it is installed.
    installed: Option<String>,
    /// Run in the folder; prints `LISTENING <port>`.
    start: Vec<String>,
    /// Prints the version.
    version: Option<Vec<String>>,
    /// Prints what it can be made to do wrong, for the self-test.
    faults: Option<Vec<String>>,
    /// What is set that its figures depend on: threads, compression, limits of queues.
    settings: Option<String>,
    /// Adapters that join it with others, as `SIO_ADAPTER` names them.
    #[serde(default)]
    adapters: Vec<String>,
    /// Starts what joins its nodes where the adapter is `cluster`; prints `LISTENING <port>`.
    primary: Option<Vec<String>>,
    /// Revision of Engine.IO, when it is not 4: nothing but cases of Engine.IO 3 are played then.
    #[serde(default = "usual_revision")]
    engine: u8,
    /// What it cannot do, and why.
    #[serde(default)]
    lacks: BTreeMap<String, String>,
}

fn usual_revision() -> u8 {
    4
}

/// A target of `targets/`.
#[derive(Clone)]
pub(super) struct Manifest {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    file: File,
}

/// Finds a target by name.
pub(super) fn find(name: &str) -> Result<Manifest, Error> {
    let Some(folder) = folder_of(name) else {
        let known = names();
        let known = if known.is_empty() {
            format!(
                "no folder `targets` belongs to this program; set {VARIABLE}, or name a folder: --target ./targets/{name}"
            )
        } else {
            format!("known: reference, {}", known.join(", "))
        };
        if let Some(url) = target_url::meant(name) {
            return Err(Error::Usage(format!("`{name}` is no URL, and no name of a target; did you mean `{url}`?")));
        }
        let all = names();
        let guess = did_you_mean(name, all.iter().map(String::as_str).chain(["reference"]));
        return Err(Error::Usage(format!(
            "there is no target `{name}`{guess}\n  {known}\n  a URL begins with http:// or https://"
        )));
    };
    read(name, &folder)
}

/// Reads the manifest in a folder.
pub(super) fn read(name: &str, folder: &Path) -> Result<Manifest, Error> {
    let path = folder.join("target.toml");
    let text = input::text(&path).map_err(|error| Error::Usage(format!("cannot read {}: {error}", path.display())))?;
    let file: File =
        toml::from_str(&text).map_err(|error| Error::Usage(format!("{} is wrong: {error}", path.display())))?;
    if !matches!(file.engine, 3 | 4) {
        let found = format!("{}: `engine` is {}", path.display(), file.engine);
        return Err(Error::Usage(format!("{found}; it is the revision of Engine.IO: 4, or 3 for servers of old")));
    }
    if file.start.is_empty() {
        return Err(Error::Usage(format!("{}: `start` is empty; it is the command and its arguments", path.display())));
    }
    Ok(Manifest { name: name.to_owned(), folder: folder.to_owned(), file })
}

/// The folder of a target, if there is one of that name.
pub(super) fn folder_of(name: &str) -> Option<PathBuf> {
    // Also the record of a stranger may say it.
    let plain = not_a_name(name).is_none();
    folders()
        .into_iter()
        .filter(|_| plain)
        .map(|folder| folder.join(name))
        .find(|folder| folder.join("target.toml").exists())
}

/// Names of all targets.
pub(super) fn names() -> Vec<String> {
    let mut names = Vec::new();
    for folder in folders() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().join("target.toml").exists() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// Where targets may be: named by hand, or `targets` in the program's folder or one above, or unpacked from the program. What lies
/// in the folder in which the program is started is somebody else's, and none of its commands is run.
pub(super) fn folders() -> Vec<PathBuf> {
    if let Some(folder) = std::env::var_os(VARIABLE) {
        return vec![folder.into()];
    }
    let program = std::env::current_exe().ok();
    let above = program.iter().flat_map(|program| program.ancestors());
    let found: Vec<_> = above.map(|folder| folder.join("targets")).filter(|folder| folder.is_dir()).collect();
    // The program alone has them with it.
    if found.is_empty() { embedded::folder().into_iter().collect() } else { found }
}

/// Copies the files of a folder and of those below it; links are left out.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (entry, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        let copy = to.join(entry.file_name().unwrap_or_default());
        if kind.is_dir() {
            copy_folder(&entry, &copy)?;
        } else if kind.is_file() && fs::read(&copy).ok() != Some(fs::read(&entry)?) {
            // What is alike stays as it is: a build has no more to do than it needs.
            output::write_bytes(&copy, &fs::read(&entry)?)?;
        }
    }
    Ok(())
}

impl Manifest {
    /// Whether it speaks Engine.IO 3 alone, and is known to.
    pub(super) fn is_old(&self) -> bool {
        self.file.engine == 3
    }

    /// What it cannot do, and why.
    pub(super) fn lacks(&self) -> &BTreeMap<String, String> {
        &self.file.lacks
    }

    /// Adapters that join it with others.
    pub(super) fn adapters(&self) -> &[String] {
        &self.file.adapters
    }

    /// The command that starts the primary of its workers.
    pub(super) fn primary(&self) -> Option<&[String]> {
        self.file.primary.as_deref()
    }

    /// What is set that its figures depend on.
    pub(super) fn settings(&self) -> Option<&str> {
        self.file.settings.as_deref()
    }

    /// The command that starts it.
    pub(super) fn start(&self) -> &[String] {
        &self.file.start
    }

    /// The target where it can be installed: in its folder, or, if nothing can be written there, in a copy of it below the
    /// user's caches.
    pub(super) fn where_it_can_be_installed(self) -> Result<Self, Error> {
        let missing = |marker: &String| !self.folder.join(marker).exists();
        let has_to = self.file.install.is_some() && self.file.installed.as_ref().is_some_and(missing);
        if !has_to || rustix::fs::access(&self.folder, rustix::fs::Access::WRITE_OK).is_ok() {
            return Ok(self);
        }
        let copy = output::cache().join("targets").join(output::file_name(&self.name));
        copy_folder(&self.folder, &copy).map_err(|error| {
            Error::Usage(format!("cannot copy {} to {}: {error}", self.folder.display(), copy.display()))
        })?;
        Ok(Self { folder: copy, ..self })
    }

    /// Installs what is missing.
    pub(super) async fn install(&self) -> Result<(), Error> {
        let (Some(command), Some(marker)) = (&self.file.install, &self.file.installed) else { return Ok(()) };
        // Held until the end: of two runs that find nothing, one installs and the other waits.
        let _lock = self.lock()?;
        if self.folder.join(marker).exists() {
            return Ok(());
        }
        let Some((program, args)) = command.split_first() else { return Ok(()) };
        let name = &self.name;
        let shown = command.join(" ");
        let mut run = self.command(program);
        run.args(args);
        match command::run(run, INSTALL_LIMIT, false).await {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Err(Error::Unreachable(format!("installing {name} took more than {INSTALL_LIMIT:?}: {shown}")))
            }
            Err(error) => Err(Error::Unreachable(format!(
                "{name} cannot be installed: `{program}` did not start: {error}\n  install {program} and try again"
            ))),
            Ok(output) if !output.status.success() => {
                let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                Err(Error::Unreachable(format!("installing {name} failed ({}): {shown}\n{stderr}", output.status)))
            }
            Ok(_) if !self.folder.join(marker).exists() => Err(Error::Unreachable(format!(
                "{shown} succeeded, but {} is not there\n  `installed` names a file that `install` makes",
                self.folder.join(marker).display()
            ))),
            Ok(_) => Ok(()),
        }
    }

    /// A program of this folder, undisturbed by where the shell has other programs built.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder);
        CARGO.iter().for_each(|variable| {
            command.env_remove(variable);
        });
        command
    }

    fn lock(&self) -> Result<fs::File, Error> {
        let path = self.folder.join(".install.lock");
        let lock = output::create(&path).and_then(|file| file.lock().map(|()| file));
        lock.map_err(|error| Error::Usage(format!("cannot lock {}: {error}", path.display())))
    }

    /// The server's version, if it can be asked.
    pub(super) async fn version(&self) -> Option<String> {
        self.said(self.file.version.as_ref()?).await
    }

    /// What it prints as a list of its faults, if it has any.
    pub(super) async fn faults(&self) -> Result<Option<String>, Error> {
        let Some(command) = &self.file.faults else { return Ok(None) };
        let said = self.said(command).await;
        said.map(Some).ok_or_else(|| Error::Usage(format!("{}: `{}` printed no faults", self.name, command.join(" "))))
    }

    /// What a command of the folder prints, unless it fails.
    async fn said(&self, command: &[String]) -> Option<String> {
        let (program, args) = command.split_first()?;
        let mut run = self.command(program);
        run.args(args);
        let output = command::run(run, ANSWER_LIMIT, true).await.ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.success() && !text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(folder: &Path, text: &str) -> Result<Manifest, Error> {
        fs::write(folder.join("target.toml"), text).unwrap();
        read("own", folder)
    }

    #[test]
    fn a_revision_that_nobody_speaks_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let text = |engine: &str| format!("about = 'x'\nstart = ['x']\n{engine}");
        assert!(!manifest(folder.path(), &text("")).unwrap().is_old());
        assert!(manifest(folder.path(), &text("engine = 3")).unwrap().is_old());
        let refused = manifest(folder.path(), &text("engine = 2")).err().unwrap().to_string();
        assert!(refused.contains("`engine` is 2"), "{refused}");
    }

    #[tokio::test]
    async fn a_build_that_makes_nothing_is_no_installation() {
        let folder = tempfile::tempdir().unwrap();
        let text = "about = 'x'\nstart = ['x']\ninstall = ['true']\ninstalled = 'target/x'\n";
        let refused = manifest(folder.path(), text).unwrap().install().await.unwrap_err().to_string();
        assert!(refused.contains("true succeeded, but") && refused.contains("target/x is not there"), "{refused}");
    }

    #[tokio::test]
    async fn where_the_shell_has_things_built_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = manifest(folder.path(), "about = 'x'\nstart = ['x']\n").unwrap();
        let command = manifest.command("x");
        let removed: Vec<_> = command.as_std().get_envs().filter(|(_, value)| value.is_none()).collect();
        assert_eq!(removed.len(), CARGO.len());
    }

    #[test]
    fn a_target_is_copied_where_it_can_be_installed() {
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("from"), place.path().join("cache/to"));
        fs::create_dir_all(from.join("deep")).unwrap();
        fs::write(from.join("deep/a"), "1").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", from.join("link")).unwrap();
        copy_folder(&from, &to).unwrap();
        fs::write(from.join("deep/a"), "2").unwrap();
        fs::write(to.join("installed"), "").unwrap();
        copy_folder(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("deep/a")).unwrap(), "2");
        assert!(to.join("installed").exists() && !to.join("link").exists());
    }

    #[test]
    fn no_name_leads_out_of_the_targets() {
        for name in ["..", "../targets/node", "a/b", ".", "a\0", &"x".repeat(300)] {
            assert!(matches!(find(name), Err(Error::Usage(_))) && folder_of(name).is_none(), "{name:?}");
        }
    }
}
