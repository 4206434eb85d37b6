//! Where scenario files come from: the disk, or the copy inside the binary.

use std::fs;
use std::path::Path;

use include_dir::{Dir, include_dir};

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../scenarios");

/// A file's name, as shown in messages, and its text.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    pub text: String,
}

/// The files that `path` names: a file, every `.toml` below a folder, or a scenario that comes with the
/// program, with or without `scenarios/` and `.toml`.
pub fn find(path: &Path) -> Result<Vec<Source>, String> {
    if path.is_dir() {
        let mut files = Vec::new();
        collect(path, &mut files).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        if files.is_empty() {
            return Err(format!("there is no .toml file below {}", path.display()));
        }
        return Ok(files);
    }
    if path.exists() {
        return Ok(vec![read(path)?]);
    }
    embedded(path).map(|source| vec![source]).ok_or_else(|| {
        let names: Vec<_> = embedded_names();
        format!(
            "there is no file or folder {}\n  scenarios that come with sio-bench: {}",
            path.display(),
            names.join(", ")
        )
    })
}

fn read(path: &Path) -> Result<Source, String> {
    let bytes = fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        format!("{} is not UTF-8: byte {} cannot be read", path.display(), error.utf8_error().valid_up_to())
    })?;
    Ok(Source { name: path.display().to_string(), text })
}

fn collect(folder: &Path, files: &mut Vec<Source>) -> std::io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(read(&path).map_err(std::io::Error::other)?);
        }
    }
    Ok(())
}

fn embedded(path: &Path) -> Option<Source> {
    let text = path.to_str()?;
    let name = text.strip_prefix("scenarios/").unwrap_or(text);
    let with_extension = format!("{name}.toml");
    let file = EMBEDDED.get_file(name).or_else(|| EMBEDDED.get_file(&with_extension))?;
    Some(Source { name: format!("scenarios/{}", file.path().display()), text: file.contents_utf8()?.to_owned() })
}

/// Names of the scenarios inside the binary.
pub fn embedded_names() -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![&EMBEDDED];
    while let Some(folder) = folders.pop() {
        names.extend(folder.files().map(|file| file.path().with_extension("").display().to_string()));
        folders.extend(folder.dirs());
    }
    names.sort_unstable();
    names
}
