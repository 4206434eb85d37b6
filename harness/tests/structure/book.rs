//! The documents as a book: every page has a place in its table of contents, and what is built of it has no dead link.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::links;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The pages that the table of contents names, from the root of the repository.
fn listed(root: &Path) -> Vec<PathBuf> {
    let table = std::fs::read_to_string(root.join("docs/SUMMARY.md")).unwrap();
    links::links(&table).iter().map(|link| root.join("docs").join(link).canonicalize().unwrap()).collect()
}

#[test]
fn every_page_has_one_place_in_the_book() {
    let root = root();
    let listed = listed(&root);
    let once: BTreeSet<_> = listed.iter().collect();
    assert_eq!(once.len(), listed.len(), "a page is named twice in docs/SUMMARY.md");
    let mut pages = Vec::new();
    links::collect(&root, &mut pages);
    let templates = |page: &PathBuf| page.ends_with("SUMMARY.md") || page.starts_with(root.join(".github"));
    let missing: Vec<_> = pages.iter().filter(|page| !once.contains(page) && !templates(page)).collect();
    assert!(missing.is_empty(), "not in docs/SUMMARY.md: {missing:?}");
}

#[test]
fn the_book_has_no_dead_link() {
    if Command::new("mdbook").arg("--version").output().is_err() {
        eprintln!("left out: mdBook is not installed (cargo install mdbook)");
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("book");
    let built = Command::new(root().join("scripts/book")).arg(&folder).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let mut dead = Vec::new();
    let mut pages = 0;
    for page in listed(&root()) {
        let inside = page.strip_prefix(root()).unwrap().with_extension("html");
        let html = std::fs::read_to_string(folder.join(&inside));
        let html = html.unwrap_or_else(|_| panic!("{} is not there", inside.display()));
        pages += 1;
        let content = html.split("<main>").nth(1).and_then(|rest| rest.split("</main>").next()).unwrap();
        for link in content.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let file = link.split('#').next().unwrap();
            if !link.contains("://") && !file.is_empty() && !folder.join(&inside).parent().unwrap().join(file).exists()
            {
                dead.push(format!("{}: {link}", inside.display()));
            }
        }
    }
    assert!(pages > 40, "{pages}");
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}
