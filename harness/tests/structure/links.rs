//! Links of the documentation lead somewhere: to a file that is there, and to a heading that is in it.

use std::path::{Path, PathBuf};

/// Folders that hold what is installed or made.
const LEFT_OUT: [&str; 5] = ["target", "node_modules", "runs", "explored", ".git"];

#[test]
fn links_lead_to_files_and_headings() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let mut pages = Vec::new();
    collect(&root, &mut pages);
    assert!(pages.len() > 20, "{pages:?}");
    let mut broken = Vec::new();
    for page in &pages {
        let text = std::fs::read_to_string(page).unwrap();
        for link in links(&text) {
            if let Some(problem) = problem(page, &text, &link) {
                broken.push(format!("{}: {link}: {problem}", page.strip_prefix(&root).unwrap().display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn a_broken_link_is_found() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = "# One two\n`](not/a/link.md)` [a](nowhere.md) [b](#one-two) [c](#three) [d](DESIGN.md#words) [e](DESIGN.md#nothing)\n";
    let found: Vec<_> = links(text).into_iter().filter(|link| problem(&page, text, link).is_some()).collect();
    assert_eq!(found, ["nowhere.md", "#three", "DESIGN.md#nothing"]);
}

/// Every page of the repository.
pub(super) fn collect(folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() {
            let is_hidden = name.starts_with('.') && name != ".github";
            if !is_hidden && !LEFT_OUT.contains(&name.as_str()) {
                collect(&path, pages);
            }
        } else if is_page(&path) {
            pages.push(path);
        }
    }
}

fn is_page(file: &Path) -> bool {
    file.extension().is_some_and(|end| end == "md")
}

/// The relative links of a page, outside of code.
pub(super) fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
            let targets = plain.match_indices("](").filter_map(|(at, _)| plain[at + 2..].split_once(')'));
            found.extend(targets.map(|(target, _)| target.to_owned()));
        }
    }
    found.retain(|link| !link.contains("://") && !link.starts_with("mailto:"));
    found
}

fn problem(page: &Path, text: &str, link: &str) -> Option<String> {
    let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
    let path = page.parent()?.join(file);
    if !file.is_empty() && !path.exists() {
        return Some("no such file".to_owned());
    }
    let heading = heading?;
    if !file.is_empty() && !is_page(&path) {
        return None;
    }
    let other = if file.is_empty() { text.to_owned() } else { std::fs::read_to_string(&path).ok()? };
    let known = other.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == heading);
    let is_named = other.contains(&format!("<a id=\"{heading}\">"));
    (!known && !is_named).then(|| "no such heading".to_owned())
}

/// The anchor of a heading, as GitHub makes it.
fn slug(heading: &str) -> String {
    let title = heading.trim_start_matches('#').trim().to_lowercase();
    title
        .chars()
        .filter_map(|c| match c {
            ' ' | '-' => Some('-'),
            '_' => Some('_'),
            c if c.is_alphanumeric() => Some(c),
            _ => None,
        })
        .collect()
}
