//! The page itself: its head, its style and its little script.

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

/// A table; cells are HTML, and all but the first are numbers.
pub(super) fn table(caption: &str, head: &[String], rows: &[Vec<String>]) -> String {
    let head: String = head.iter().map(|cell| element("th", "", cell)).collect::<Vec<_>>().concat();
    let row = |row: &Vec<String>| {
        let cells: Vec<_> = row
            .iter()
            .enumerate()
            .map(|(index, cell)| match index {
                0 => format!("<th scope=\"row\">{cell}</th>"),
                _ => format!("<td>{cell}</td>"),
            })
            .collect();
        format!("<tr>{}</tr>", cells.concat())
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    format!(
        "<table><caption>{}</caption><thead><tr>{head}</tr></thead><tbody>{}</tbody></table>",
        escape(caption),
        rows.join("\n")
    )
}

/// The whole file. The policy lets nothing in from anywhere, whatever a record may hold.
pub(super) fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        escape(title)
    )
}

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1b1b1f; --soft: #5c5f66; --line: #d8dae0; --back: #ffffff; --card: #f6f7f9;
  --a: #0b63b0; --b: #b3470d; --c: #1d7a3c; --d: #7a3fa8; --e: #8a6d00; --heat: 11, 99, 176;
  --passed: #1d7a3c; --failed: #b3261e; --invalid: #9a6700; --incomplete: #5c5f66; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7e8ec; --soft: #a2a6b0; --line: #3a3d45; --back: #17181c; --card: #202127;
  --a: #6db3f2; --b: #f2a172; --c: #74cf93; --d: #c79bea; --e: #e0c25a; --heat: 109, 179, 242;
  --passed: #74cf93; --failed: #ff8a80; --invalid: #f0b849; --incomplete: #a2a6b0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 20px 64px; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 36px 0 8px; } h3 { font-size: 15px; margin: 22px 0 4px; }
p { margin: 6px 0; } .soft, figcaption, caption { color: var(--soft); font-size: 13px; text-align: left; }
.verdict { border-left: 6px solid; background: var(--card); padding: 14px 18px; margin: 0 0 16px; border-radius: 4px; }
.verdict:has(details) { padding: 8px 18px; margin-bottom: 8px; } .verdict:has(details) h1 { font-size: 17px; }
.verdict .word strong { font-size: 17px; margin-right: 6px; }
.passed { border-color: var(--passed); } .passed .word strong, span.passed, .mark-pass { color: var(--passed); }
.failed { border-color: var(--failed); } .failed .word strong, span.failed, .mark-fail { color: var(--failed); font-weight: 600; }
.invalid { border-color: var(--invalid); } .invalid .word strong { color: var(--invalid); }
.incomplete { border-color: var(--incomplete); }
dl.about { display: grid; grid-template-columns: max-content 1fr; gap: 0 14px; margin: 10px 0 0; font-size: 13px; }
dl.about dt { color: var(--soft); } dl.about dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: 8px 0 14px; font-size: 13.5px; font-variant-numeric: tabular-nums; max-width: 100%; }
th, td { padding: 3px 12px 3px 0; text-align: right; border-bottom: 1px solid var(--line); vertical-align: top; }
th:first-child, td.text, th.text { text-align: left; } thead th { color: var(--soft); font-weight: 600; }
figure { margin: 10px 0 18px; } svg { width: 100%; height: auto; display: block; background: var(--card); border-radius: 4px; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; } svg .grid { stroke: var(--line); stroke-width: 1; }
svg .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; } svg .phase { stroke: var(--soft); stroke-dasharray: 2 3; }
svg .s0 { stroke: var(--a); } svg .s1 { stroke: var(--b); stroke-dasharray: 7 3; } svg .s2 { stroke: var(--c); stroke-dasharray: 2 3; }
svg .s3 { stroke: var(--d); stroke-dasharray: 9 3 2 3; } svg .s4 { stroke: var(--e); stroke-dasharray: 4 4; }
svg .s5 { stroke: var(--a); stroke-dasharray: 1 4; } svg .s6 { stroke: var(--b); stroke-dasharray: 14 4; } svg .s7 { stroke: var(--c); stroke-dasharray: 12 3 1 3 1 3; }
svg .s8 { stroke: var(--d); } svg .s9 { stroke: var(--e); stroke-dasharray: 7 2 7 6; }
svg .outage { fill: var(--failed); opacity: .16; stroke: var(--failed); stroke-dasharray: 3 3; } svg .band { fill: var(--invalid); opacity: .18; } svg .heat { fill: rgb(var(--heat)); }
svg text.label { font-weight: 600; fill: var(--ink); }
svg .area .line, svg .area .phase { vector-effect: non-scaling-stroke; } svg .hover line { stroke: var(--soft); }
svg .hover text { fill: var(--ink); font-weight: 600; } svg .hover rect { fill: var(--back); opacity: .92; stroke: var(--line); } svg .chosen { fill: rgb(var(--heat)); opacity: .15; }
svg .dot { fill: none; stroke-width: 1.8; vector-effect: non-scaling-stroke; } svg .disc { fill: var(--passed); stroke: var(--passed); } svg .cross { stroke: var(--failed); } svg .ring { stroke: var(--invalid); }
svg .moment { fill: var(--failed); } svg .must { fill: var(--passed); opacity: .22; } svg .may { fill: var(--invalid); opacity: .22; } svg .mustnot { fill: var(--failed); opacity: .14; }
svg .act { fill: rgb(var(--heat)); opacity: .8; } svg .wrong { fill: var(--failed); opacity: 1; stroke: var(--ink); stroke-width: 1.5; } svg text.say { fill: var(--ink); }
.grid { display: grid; align-items: baseline; } .cases { font-size: 13.5px; } .cases .row { border-bottom: 1px solid var(--line); padding: 2px 0; }
.cases .head { position: sticky; top: 0; background: var(--back); font-weight: 600; z-index: 1; } .cases .head span, .cases .row span.cell { text-align: center; }
.cases .row span.id { overflow-wrap: anywhere; } .cases details.row { margin: 0; } .cases details.row > summary { color: var(--ink); font-size: 13.5px; list-style: none; border: 0; padding: 0; }
.cases details.row > summary::-webkit-details-marker { display: none; } .cases summary .id::before { content: '▸ '; color: var(--soft); } .cases details[open] > summary .id::before { content: '▾ '; }
.cases .head span:first-child { text-align: left; }
.cell { border-radius: 3px; margin: 0 2px; } .v-pass { color: var(--passed); } .v-fail { color: var(--back); background: var(--failed); font-weight: 600; }
.v-odd { color: var(--ink); background: color-mix(in srgb, var(--invalid) 35%, transparent); } .v-skip { color: var(--soft); background: repeating-linear-gradient(135deg, transparent 0 4px, var(--line) 4px 5px); }
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 0 12px; } .sides pre { margin: 4px 0 10px; } .sides b.parts { color: var(--failed); }
.kills td { text-align: center; padding: 1px 4px; } .kills td.hit { background: color-mix(in srgb, rgb(var(--heat)) var(--share), transparent); } .kills th { font-weight: 400; }
.kills thead th { writing-mode: vertical-rl; text-align: left; padding: 2px; }
.oracle { font-weight: 600; } details { margin: 4px 0; } summary { cursor: pointer; color: var(--soft); font-size: 13px; }
details.case > summary { color: var(--ink); font-size: 14px; padding: 3px 0; border-bottom: 1px solid var(--line); }
pre { background: var(--card); padding: 10px 12px; overflow-x: auto; font: 12.5px/1.45 ui-monospace, monospace; border-radius: 4px; }
.filters { margin: 10px 0; font-size: 14px; } .filters label { margin-right: 16px; } .hidden { display: none; }
@media print { body { background: #fff; color: #000; } details:not([open]) > *:not(summary) { display: none; } .filters { display: none; } main { max-width: none; } }
";

/// Filters of cases, values under the mouse, and a closer look at a stretch of time. Without scripts everything is there.
const SCRIPT: &str = include_str!("page.js");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say_stays_text() {
        let hostile = "<script>alert('x')</script>\"&\u{1b}[31m\u{202e}";
        assert_eq!(escape(hostile), "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;\u{fffd}[31m\u{fffd}");
    }
}
