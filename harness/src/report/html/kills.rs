//! The kill matrix: which cases notice which fault of a server, by area.

use std::collections::BTreeMap;

use super::page::{element, escape, page};

/// One fault, and what noticed it.
#[derive(Clone, Debug)]
pub struct Fault {
    pub id: String,
    pub name: String,
    /// What the server does wrong.
    pub summary: String,
    /// As reports write it, such as `KILLED`.
    pub fate: &'static str,
    /// Whether that is as it should be.
    pub fine: bool,
    /// The case that noticed it first.
    pub first: Option<String>,
    /// Cases that fail, by area.
    pub failing: BTreeMap<String, usize>,
}

/// The page of a self-test. `note` says how it was made.
pub fn matrix(server: &str, note: &str, faults: &[Fault]) -> String {
    let mut areas: Vec<&str> = faults.iter().flat_map(|fault| fault.failing.keys()).map(String::as_str).collect();
    areas.sort_unstable();
    areas.dedup();
    let fine = faults.iter().filter(|fault| fault.fine).count();
    let class = if fine == faults.len() { "passed" } else { "failed" };
    let mut body = format!("<section class=\"verdict {class}\"><h1>Who tests the tester</h1>");
    let said = format!("{fine} of {} faults of {server} come out as they should", faults.len());
    body.push_str(&format!("<p class=\"word\"><strong>{}</strong></p>", escape(&said)));
    body.push_str(&element("p", "soft", &escape(note)));
    body.push_str("</section>\n");
    let heads: Vec<_> = areas.iter().map(|area| element("th", "", &escape(area))).collect();
    let rows: Vec<_> = faults.iter().map(|fault| row(fault, &areas)).collect();
    body.push_str(&format!(
        "<table class=\"kills\"><caption>A row is a fault, a column an area of cases: how many of them fail. Those that a load or a \
         random program noticed stand under their own names</caption><thead><tr><th>Fault</th><th>Verdict</th>{}</tr></thead>\
         <tbody>{}</tbody></table>\n",
        heads.concat(),
        rows.join("\n")
    ));
    page("sio-bench: self-test", &body)
}

fn row(fault: &Fault, areas: &[&str]) -> String {
    let most = fault.failing.values().copied().max().unwrap_or(1) as f64;
    let cell = |area: &&str| match fault.failing.get(*area) {
        Some(cases) => {
            let share = 15.0 + 60.0 * *cases as f64 / most;
            format!("<td class=\"hit\" style=\"--share: {share:.0}%\" title=\"{}: {cases}\">{cases}</td>", escape(area))
        }
        None => "<td></td>".to_owned(),
    };
    let cells: Vec<_> = areas.iter().map(cell).collect();
    let first = fault.first.as_ref().map_or_else(String::new, |case| format!("; first noticed by {case}"));
    let title = escape(&format!("{}{first}", fault.summary));
    let class = if fault.fine { "mark-pass" } else { "mark-fail" };
    format!(
        "<tr><th scope=\"row\" title=\"{title}\"><strong>{} {}</strong> {}</th><td><span class=\"{class}\">{}</span></td>{}</tr>",
        escape(&fault.id),
        escape(&fault.name),
        escape(&fault.summary),
        fault.fate,
        cells.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_a_row_and_every_area_a_column() {
        let fault = |name: &str, fine, failing: &[(&str, usize)]| Fault {
            id: "B01".to_owned(),
            name: name.to_owned(),
            summary: "sends <twice>".to_owned(),
            fate: if fine { "KILLED" } else { "SURVIVED" },
            fine,
            first: failing.first().map(|(area, _)| format!("{area}/x")),
            failing: failing.iter().map(|(area, cases)| ((*area).to_owned(), *cases)).collect(),
        };
        let page = matrix(
            "reference",
            "made today",
            &[fault("a", true, &[("rooms", 3), ("acks", 1)]), fault("b", false, &[])],
        );
        assert!(page.contains("1 of 2 faults") && page.contains("class=\"verdict failed\""), "{page}");
        assert!(page.contains("<th class=\"\">acks</th><th class=\"\">rooms</th>"), "{page}");
        assert!(page.contains("title=\"rooms: 3\">3</td>") && page.contains("sends &lt;twice&gt;"), "{page}");
    }
}
