//! The page itself: its head, its style and its little script.

use super::chart::NUMBER;
use crate::vocab::text::is_turning;

/// Text of any origin, safe between tags and in attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Control characters have no place in HTML, and right-to-left marks none in a report.
            c if c.is_control() && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            c if is_turning(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// An element with a class; `content` is HTML.
pub(super) fn element(name: &str, class: &str, content: &str) -> String {
    format!("<{name} class=\"{class}\">{content}</{name}>")
}

/// Text as it is, which scrolls where it is wide; `content` is HTML.
pub(super) fn pre(content: &str) -> String {
    format!("<pre tabindex=\"0\">{content}</pre>")
}

/// Letters of a cell that is wrapped.
const LONG: usize = 28;

/// A table; cells are HTML, and all but the first are numbers, or text if they are long. It scrolls where it is wide.
pub(super) fn table(caption: &str, head: &[String], rows: &[Vec<String>]) -> String {
    let head_cell = |cell: &String| match cell.as_str() {
        "" => "<td></td>".to_owned(),
        cell => format!("<th scope=\"col\">{cell}</th>"),
    };
    let head: String = head.iter().map(head_cell).collect();
    let row = |row: &Vec<String>| {
        let cells: Vec<_> = row
            .iter()
            .enumerate()
            .map(|(index, cell)| match index {
                0 => format!("<th scope=\"row\">{cell}</th>"),
                _ if cell.chars().count() > LONG && !cell.contains('<') => format!("<td class=\"text\">{cell}</td>"),
                _ => format!("<td>{cell}</td>"),
            })
            .collect();
        format!("<tr>{}</tr>", cells.concat())
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    let caption = escape(caption);
    scrolled(
        &caption,
        &format!(
            "<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{}</tbody></table>",
            rows.join("\n")
        ),
    )
}

/// What scrolls by itself where it is wider than the page; `name` and `content` are HTML.
pub(super) fn scrolled(name: &str, content: &str) -> String {
    format!("<div class=\"scroll\" role=\"group\" tabindex=\"0\" aria-label=\"{name}\">{content}</div>\n")
}

/// Pictures are numbered: each has its mark twice, at what is drawn and where that is shown again.
fn numbered(body: &str) -> String {
    let mut parts = body.split(NUMBER);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for (place, part) in parts.enumerate() {
        out.push_str(&(place / 2).to_string());
        out.push_str(part);
    }
    out
}

/// The whole file. The policy lets nothing in from anywhere, whatever a record may hold.
pub(super) fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n{}</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        escape(title),
        numbered(body)
    )
}

/// How it looks.
const STYLE: &str = include_str!("page.css");

/// Filters of cases, values under the mouse, and a closer look at a stretch of time. Without scripts everything is there.
const SCRIPT: &str = include_str!("page.js");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_numbered_in_pairs() {
        assert_eq!(numbered("a\u{1} b\u{1} c\u{1} d\u{1}"), "a0 b0 c1 d1");
        assert_eq!(numbered("nothing"), "nothing");
        assert!(!escape("\u{1}").contains(NUMBER), "what a server says has no such mark");
    }

    #[test]
    fn what_servers_say_stays_text() {
        let hostile = "<script>alert('x')</script>\"&\u{1b}[31m\u{202e}";
        assert_eq!(escape(hostile), "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;\u{fffd}[31m\u{fffd}");
    }
}
