//! Everything that is wrong with a file, said at once, with its place and what to do.

use std::fmt::Display;

use codespan_reporting::diagnostic::{Diagnostic, Label};
use codespan_reporting::files::SimpleFile;
use codespan_reporting::term::{self, Chars, Config};

use super::node::Span;
use crate::guess::nearest;

/// Problems found so far in a text.
#[derive(Debug, Default)]
pub struct Diagnostics {
    text: String,
    list: Vec<Diagnostic<()>>,
}

impl Diagnostics {
    /// Of this text. Every place that is pointed at lies inside of it; [`default`](Self::default) is of an empty one, for
    /// problems that nobody will see.
    pub fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), list: Vec::new() }
    }

    /// Adds an error that points at `span`.
    pub fn error(&mut self, span: Span, message: impl Display) {
        let label = Label::primary((), self.inside(&span));
        self.list.push(Diagnostic::error().with_message(message).with_label(label));
    }

    /// Adds an error whose caret carries a text of its own.
    pub fn error_at(&mut self, span: Span, message: impl Display, at: impl Display) {
        let label = Label::primary((), self.inside(&span)).with_message(at);
        self.list.push(Diagnostic::error().with_message(message).with_label(label));
    }

    /// Adds to the last error: another place that matters.
    pub fn see(&mut self, span: Span, message: impl Display) -> &mut Self {
        let label = Label::secondary((), self.inside(&span)).with_message(message);
        if let Some(last) = self.list.last_mut() {
            last.labels.push(label);
        }
        self
    }

    /// Adds to the last error: what to know or do.
    pub fn note(&mut self, note: impl Display) -> &mut Self {
        if let Some(last) = self.list.last_mut() {
            last.notes.push(note.to_string());
        }
        self
    }

    /// Adds an error for a name that is not one of `known`, with the nearest of them.
    pub fn unknown(&mut self, span: Span, what: &str, found: &str, known: &[impl AsRef<str>]) {
        let message = format!("unknown {what} `{found}`");
        match nearest(found, known.iter().map(AsRef::as_ref)) {
            Some(guess) => self.error_at(span, message, format_args!("did you mean `{guess}`?")),
            None => self.error(span, message),
        }
        if known.is_empty() {
            self.note(format_args!("there is no {what} here"));
        } else {
            let mut once: Vec<&str> = Vec::new();
            for name in known.iter().map(AsRef::as_ref) {
                if !once.contains(&name) {
                    once.push(name);
                }
            }
            self.note(format_args!("known here: {}", once.join(" ")));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The part of a place that is in the text: whole characters, and nothing behind its end, where a parser points that
    /// misses something.
    fn inside(&self, span: &Span) -> Span {
        let start = self.text.floor_char_boundary(span.start);
        start..self.text.ceil_char_boundary(span.end.min(self.text.len())).max(start)
    }

    /// Renders everything, in the order of the file, with a last line that counts.
    pub fn render(&self, name: &str) -> String {
        let file = SimpleFile::new(name, self.text.as_str());
        let config = Config { chars: Chars::ascii(), ..Config::default() };
        let mut sorted: Vec<_> = self.list.iter().collect();
        sorted.sort_by_key(|diagnostic| diagnostic.labels.first().map_or(0, |label| label.range.start));
        let mut text = String::new();
        for diagnostic in &sorted {
            match term::emit_into_string(&config, &file, diagnostic) {
                Ok(rendered) => text.push_str(&rendered),
                Err(_) => text.push_str(&format!("error: {}\n", diagnostic.message)),
            }
        }
        let plural = if sorted.len() == 1 { "error" } else { "errors" };
        text.push_str(&format!("{} {plural} in {name}; nothing was sent\n", sorted.len()));
        text
    }

    #[cfg(test)]
    pub fn spans(&self) -> impl Iterator<Item = &Span> {
        self.list.iter().flat_map(|diagnostic| diagnostic.labels.iter().map(|label| &label.range))
    }
}
