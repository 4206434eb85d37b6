//! `docs/modules.md`: what each module is for, from its own first sentence, and which modules of the program import which.
//! It is committed, and made again with `SIO_BLESS=1 cargo test --test structure`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{Names, Visit as _, module_of, sources};

/// The crates, lowest first, and what each is.
const CRATES: [(&str, &str); 5] = [
    ("protocol", "Packets and both ends of a connection as state machines: no sockets, no clocks, no tokio."),
    ("oracle", "Who is owed each message, and whether it came: no wire, no clocks, no tokio."),
    ("reference-server", "The server that others are held against, and the library it is made of."),
    ("goose-driver", "Long-polling carried by goose's HTTP client; a feature of the program."),
    ("harness", "The program `sio-bench`."),
];
const FILE: &str = "docs/modules.md";

#[test]
fn the_module_map_is_the_one_of_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let made = map(&root);
    if std::env::var_os("SIO_BLESS").is_some() {
        std::fs::write(root.join(FILE), &made).unwrap();
    }
    let committed = std::fs::read_to_string(root.join(FILE)).unwrap_or_default();
    assert!(committed == made, "`SIO_BLESS=1 cargo test --test structure` makes {FILE} again");
}

fn map(root: &Path) -> String {
    let mut out = String::from(
        "# Modules\n\nMade from the sources by `SIO_BLESS=1 cargo test --test structure`. Each line is the first sentence of the \
         module's own documentation.\n\n",
    );
    out.push_str("## The program's modules\n\nAn arrow points to what is imported; what follows from other arrows is left out.\n\n");
    let _ = writeln!(out, "```mermaid\ngraph TD\n{}```\n", arrows(&imports(&root.join("harness/src"))));
    for (name, what) in CRATES {
        let folder = root.join(name).join("src");
        let _ = write!(out, "## `{name}`\n\n{what}\n\n| Module | What it is |\n|---|---|\n");
        for (module, sentence) in sentences(&folder) {
            let _ = writeln!(out, "| `{module}` | {sentence} |");
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// The modules of a crate in the order of their names, each with its first sentence.
fn sentences(folder: &Path) -> BTreeMap<String, String> {
    let described = |file: PathBuf| {
        let path = module_of(file.strip_prefix(folder).unwrap())?;
        Some((path.join("::"), first_sentence(&std::fs::read_to_string(&file).unwrap())?))
    };
    sources(folder).into_iter().filter_map(described).collect()
}

/// The first sentence of a module's documentation.
fn first_sentence(text: &str) -> Option<String> {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let paragraph = lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).collect::<Vec<_>>();
    let paragraph = paragraph.join(" ").replace("[`", "`").replace("`]", "`").replace('|', "\\|");
    let paragraph = without_targets(&paragraph);
    let end = paragraph.find(". ").map_or(paragraph.len(), |at| at + 1);
    (!paragraph.is_empty()).then(|| paragraph[..end].to_owned())
}

/// The text of links to items of the code, which mean nothing on a page.
fn without_targets(text: &str) -> String {
    let mut parts = text.split("](");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if let Some(start) = out.rfind('[') {
            out.remove(start);
        }
        out.push_str(part.split_once(')').map_or(part, |(_, rest)| rest));
    }
    out
}

/// For each module of the top, those that it imports.
fn imports(folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources(folder) {
        let Some(path) = module_of(file.strip_prefix(folder).unwrap()) else { continue };
        let parsed = syn::parse_file(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let mut names = Names { path: &path, found: BTreeSet::new() };
        names.visit_file(&parsed);
        names.found.remove(&path[0]);
        all.entry(path[0].clone()).or_default().extend(names.found);
    }
    let known: BTreeSet<String> = all.keys().cloned().collect();
    all.values_mut().for_each(|found| found.retain(|name| known.contains(name)));
    all
}

/// The arrows without those that follow from others.
fn arrows(imports: &BTreeMap<String, BTreeSet<String>>) -> String {
    let mut out = String::new();
    for (module, direct) in imports {
        let follows = |name: &String| direct.iter().any(|other| other != name && reaches(imports, other, name));
        for name in direct.iter().filter(|name| !follows(name)) {
            let _ = writeln!(out, "  {module} --> {name}");
        }
    }
    out
}

/// Whether one module imports another, directly or not.
fn reaches(imports: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let direct = imports.get(from);
    direct.is_some_and(|direct| direct.contains(to) || direct.iter().any(|next| reaches(imports, next, to)))
}
