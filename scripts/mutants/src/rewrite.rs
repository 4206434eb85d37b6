//! One file with all its mutants in it: each place asks which one is on.
//!
//! Only one is on at a time, so that each alternative may repeat its operands as they were.

use std::collections::HashMap;

use proc_macro2::LineColumn;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::list::{Genre, Mutant};

/// Added to the root of the package.
pub const MODULE: &str = r#"
#[doc(hidden)]
mod __mutant {
    pub(crate) fn id() -> u32 {
        static ID: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
        *ID.get_or_init(|| std::env::var("SIO_MUTANT").ok().and_then(|id| id.parse().ok()).unwrap_or(0))
    }
}
"#;

/// What becomes of a place: text ahead of it and behind it.
struct Site {
    start: usize,
    end: usize,
    before: String,
    after: String,
}

/// A file that was rewritten.
pub struct Rewritten {
    pub text: String,
    /// The mutants that are in it.
    pub written: Vec<usize>,
}

/// Writes the mutants `of` (number and mutant) into a file.
pub fn rewrite(text: &str, of: &[(usize, &Mutant)]) -> Result<Rewritten, String> {
    let tree = syn::parse_file(text).map_err(|why| why.to_string())?;
    let mut finder =
        Finder { text, lines: line_starts(text), places: HashMap::new(), sites: Vec::new(), written: Vec::new() };
    for (number, mutant) in of {
        let (line, column) = mutant.start;
        let place = finder.offset(LineColumn { line, column: column - 1 });
        finder.places.entry((mutant.genre, place)).or_default().push((*number, mutant));
    }
    finder.values();
    finder.visit_file(&tree);
    let Finder { mut sites, written, .. } = finder;
    // Outer ones ahead of inner ones, and what is only inserted ahead of both.
    sites.sort_by_key(|site| (site.start, site.end != site.start, usize::MAX - site.end));
    let mut out = String::with_capacity(text.len() * 4);
    render(text, 0..text.len(), &mut sites.iter().peekable(), &mut out);
    Ok(Rewritten { text: out, written })
}

fn render<'a>(
    text: &str,
    range: std::ops::Range<usize>,
    sites: &mut std::iter::Peekable<impl Iterator<Item = &'a Site>>,
    out: &mut String,
) {
    let mut at = range.start;
    while let Some(site) = sites.next_if(|site| site.start <= range.end && site.end <= range.end) {
        out.push_str(&text[at..site.start]);
        out.push_str(&site.before);
        if site.end > site.start {
            render(text, site.start..site.end, sites, out);
        }
        out.push_str(&site.after);
        at = site.end;
    }
    out.push_str(&text[at..range.end]);
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

struct Finder<'a> {
    text: &'a str,
    lines: Vec<usize>,
    places: HashMap<(Genre, usize), Vec<(usize, &'a Mutant)>>,
    sites: Vec<Site>,
    written: Vec<usize>,
}

impl Finder<'_> {
    fn offset(&self, at: LineColumn) -> usize {
        let line = self.lines[at.line - 1];
        line + self.text[line..].chars().take(at.column).map(char::len_utf8).sum::<usize>()
    }

    fn range(&self, of: &impl Spanned) -> (usize, usize) {
        let span = of.span();
        (self.offset(span.start()), self.offset(span.end()))
    }

    fn source(&self, of: &impl Spanned) -> String {
        let (start, end) = self.range(of);
        self.text[start..end].to_owned()
    }

    fn at(&mut self, genre: Genre, place: usize) -> Vec<(usize, String)> {
        let there = self.places.get(&(genre, place)).cloned().unwrap_or_default();
        self.written.extend(there.iter().map(|(number, _)| *number));
        there.into_iter().map(|(number, mutant)| (number, mutant.replacement.clone())).collect()
    }

    /// A function that returns at once. One that says `impl` has a type of its own, which another value has not.
    fn values(&mut self) {
        let places: Vec<_> = self.places.keys().filter(|(genre, _)| *genre == Genre::FnValue).copied().collect();
        for (genre, place) in places {
            self.places
                .get_mut(&(genre, place))
                .into_iter()
                .for_each(|all| all.retain(|(_, mutant)| !mutant.returns.contains("impl ")));
            for (number, value) in self.at(genre, place) {
                let before = format!("if crate::__mutant::id() == {number} {{ return {}; }}\n", marked(number, &value));
                self.sites.push(Site { start: place, end: place, before, after: String::new() });
            }
        }
    }

    /// An expression that is something else while one of the alternatives is on.
    fn choose(&mut self, (start, end): (usize, usize), alternatives: &[(usize, String)]) {
        if alternatives.is_empty() {
            return;
        }
        let mut before = "(match crate::__mutant::id() {".to_owned();
        for (number, text) in alternatives {
            before.push_str(&format!("{number} => {},\n", marked(*number, text)));
        }
        before.push_str("_ => (");
        self.sites.push(Site { start, end, before, after: ")})".to_owned() });
    }
}

/// The text of a mutant, so that an error of the compiler in it is known to be its own.
fn marked(number: usize, text: &str) -> String {
    format!("/*<{number}*/({text})/*{number}>*/")
}

/// The number of the mutant whose text holds a place of a rewritten file.
pub fn owner(text: &str, place: usize) -> Option<usize> {
    let opens = text[..place].rfind("/*<")?;
    let number = text[opens + 3..].split_once("*/")?.0;
    let closes = opens + text[opens..].find(&format!("/*{number}>*/"))?;
    if closes >= place { number.parse().ok() } else { None }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_expr_binary(&mut self, it: &'ast syn::ExprBinary) {
        let place = self.range(&it.op).0;
        // `let` may stand between `&&` only.
        if !has_let(&it.left) && !has_let(&it.right) {
            let (left, right) = (self.source(&*it.left), self.source(&*it.right));
            let all: Vec<_> = self
                .at(Genre::Binary, place)
                .into_iter()
                .map(|(number, op)| (number, format!("{left} {op} {right}")))
                .collect();
            self.choose(self.range(it), &all);
        }
        visit::visit_expr_binary(self, it);
    }

    fn visit_expr_unary(&mut self, it: &'ast syn::ExprUnary) {
        let place = self.range(&it.op).0;
        let operand = self.source(&*it.expr);
        let all: Vec<_> =
            self.at(Genre::Unary, place).into_iter().map(|(number, _)| (number, operand.clone())).collect();
        self.choose(self.range(it), &all);
        visit::visit_expr_unary(self, it);
    }

    // A constant is made before anything could be asked.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}

    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}

    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}

    fn visit_type(&mut self, _: &'ast syn::Type) {}

    /// Arms are taken away by a guard. If every wildcard has one as well, the compiler wants to see the arm all the same.
    fn visit_expr_match(&mut self, it: &'ast syn::ExprMatch) {
        let wild = |arm: &syn::Arm| matches!(arm.pat, syn::Pat::Wild(_)) && arm.guard.is_none();
        if !it.arms.iter().any(wild) {
            for arm in &it.arms {
                let place = self.range(arm).0;
                self.places.remove(&(Genre::Arm, place));
            }
        }
        visit::visit_expr_match(self, it);
    }

    fn visit_arm(&mut self, it: &'ast syn::Arm) {
        let without = self.at(Genre::Arm, self.range(it).0);
        let condition = |number: usize| format!("crate::__mutant::id() != {number}");
        match &it.guard {
            None => {
                let end = self.range(&it.pat).1;
                for (number, _) in without {
                    self.sites.push(Site {
                        start: end,
                        end,
                        before: format!(" if {}", condition(number)),
                        after: String::new(),
                    });
                }
            }
            Some((_, guard)) => {
                let (start, end) = self.range(&**guard);
                for (number, _) in without {
                    self.sites.push(Site {
                        start,
                        end: start,
                        before: format!("{} && ", condition(number)),
                        after: String::new(),
                    });
                }
                if !has_let(guard) {
                    let all = self.at(Genre::Guard, start);
                    self.sites.push(Site { start, end, before: "(".to_owned(), after: ")".to_owned() });
                    self.choose((start, end), &all);
                }
            }
        }
        visit::visit_arm(self, it);
    }
}

/// Whether a condition is one of a chain with `let`.
fn has_let(expr: &syn::Expr) -> bool {
    match expr {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(it) => has_let(&it.left) || has_let(&it.right),
        _ => false,
    }
}
