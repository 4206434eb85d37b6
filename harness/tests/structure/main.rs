//! Modules of the program import in one direction. The order is written here, once.
#![allow(clippy::unwrap_used, reason = "a test")]

mod book;
#[cfg(feature = "faults")]
mod faults;
mod links;
mod map;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// The modules, each above those that it may import. One that is not here has no place yet.
const ORDER: [&str; 31] = [
    "vocab",
    "clock",
    "difference",
    "exit",
    "guess",
    "hush",
    "input",
    "secrets",
    "aside",
    "log",
    "output",
    "wire",
    "record",
    "scenario",
    "client",
    "target",
    "interrupt",
    "report",
    "live",
    "calibrate",
    "baseline",
    "play",
    "load",
    "explore",
    "conform",
    "capacity",
    "inspect",
    "deploy",
    "remote",
    "fuzz",
    "cli",
];

#[test]
fn every_import_points_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut problems = Vec::new();
    for file in sources(&root) {
        let inside = file.strip_prefix(&root).unwrap();
        let Some(path) = module_of(inside) else { continue };
        let text = std::fs::read_to_string(&file).unwrap();
        problems
            .extend(against_the_order(&path, &text).into_iter().map(|what| format!("{}: {what}", inside.display())));
    }
    assert!(problems.is_empty(), "an import points up; move what both need down:\n{}", problems.join("\n"));
}

#[test]
fn an_import_that_points_up_is_found_however_it_is_written() {
    for planted in [
        "use crate::cli::run;",
        "use crate::{vocab::text, load::{self, Plan}};",
        "fn f() -> crate::report::Verdict { todo!() }",
        "fn f() { let x = super::super::load::run(); }",
        "fn f() { println!(\"{}\", crate::report::text::count(1)); }",
    ] {
        let found = against_the_order(&["wire".to_owned(), "http1".to_owned()], planted);
        assert_eq!(found.len(), 1, "{planted}: {found:?}");
    }
    for fine in ["use crate::vocab::text;", "use super::frame;", "#[cfg(test)]\nmod tests { use crate::cli::run; }"] {
        assert_eq!(against_the_order(&["wire".to_owned(), "http1".to_owned()], fine), [""; 0], "{fine}");
    }
}

/// Every source file of the program.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            all.push(path);
        }
    }
    all
}

/// The module that a file is, from the top; none for the roots and for files of tests.
fn module_of(file: &Path) -> Option<Vec<String>> {
    let mut path: Vec<String> = file.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let last = path.pop()?;
    let name = last.strip_suffix(".rs")?;
    if path.is_empty() && matches!(name, "lib" | "main") || name == "tests" || path.iter().any(|part| part == "tests") {
        return None;
    }
    if name != "mod" {
        path.push(name.to_owned());
    }
    Some(path)
}

/// Imports of a module's text that the order does not allow.
fn against_the_order(path: &[String], text: &str) -> Vec<String> {
    let rank = |module: &str| ORDER.iter().position(|name| *name == module);
    let Some(own) = rank(&path[0]) else { return vec![format!("`{}` has no place in the order", path[0])] };
    let file = syn::parse_file(text).unwrap();
    let mut names = Names { path, found: BTreeSet::new() };
    names.visit_file(&file);
    let above = names.found.into_iter().filter(|name| rank(name).is_some_and(|rank| rank > own));
    above.map(|name| format!("`{}` imports `{name}`", path[0])).collect()
}

/// Collects the modules of the top that a file names.
struct Names<'a> {
    path: &'a [String],
    found: BTreeSet<String>,
}

impl Names<'_> {
    /// Takes a path that begins with `crate` or `super`.
    fn take(&mut self, segments: &[String]) {
        let inside = match segments.iter().position(|segment| segment != "super" && segment != "crate") {
            Some(start) if segments[0] == "crate" => &segments[start..],
            Some(ups) if ups > 0 && ups >= self.path.len() => &segments[ups..],
            _ => return,
        };
        self.found.insert(inside[0].clone());
    }

    fn tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.take(&with(&name.ident)),
            syn::UseTree::Rename(name) => self.take(&with(&name.ident)),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(before, item)),
            syn::UseTree::Glob(_) => {}
        }
    }
}

fn is_of_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string().contains("test"))
    })
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_of_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_of_tests(&item.attrs) {
            self.tree(&[], &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.take(&segments);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        // What is inside is words, which may be anything; paths stand out all the same.
        let text = item.tokens.to_string().replace(' ', "");
        for (start, _) in text.match_indices("crate::") {
            let rest = &text[start..];
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
            let segments: Vec<String> = rest[..end].split("::").map(str::to_owned).collect();
            self.take(&segments);
        }
    }
}
