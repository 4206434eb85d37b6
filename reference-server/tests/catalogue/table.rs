//! `CATALOGUE.md` says which rows hold; each must be named by a test or a scenario, and none may be left out.

use std::collections::BTreeSet;
use std::path::Path;

/// The areas of the catalogue, and how many rows each has.
const AREAS: [(&str, u32); 26] = [
    ("EIO-HS", 21),
    ("EIO-HD", 12),
    ("EIO-HB", 11),
    ("EIO-PL", 23),
    ("EIO-WS", 10),
    ("EIO-UP", 17),
    ("EIO-CL", 6),
    ("EIO-WT", 4),
    ("EIO-V3", 5),
    ("SIO-CN", 23),
    ("SIO-EV", 11),
    ("SIO-AK", 11),
    ("SIO-BN", 16),
    ("SIO-MF", 25),
    ("SIO-DC", 9),
    ("RM", 23),
    ("MD", 13),
    ("UT", 7),
    ("AE", 6),
    ("NS", 13),
    ("MW", 11),
    ("CSR", 12),
    ("ORD", 7),
    ("MP", 6),
    ("CL", 18),
    ("RW", 10),
];

/// `1–4, 6` as numbers; `–` is none.
fn numbers(cell: &str) -> BTreeSet<u32> {
    let parts = cell.split(',').map(str::trim).filter(|part| !part.is_empty() && *part != "–");
    parts
        .flat_map(|part| {
            let (first, last) = part.split_once('–').unwrap_or((part, part));
            first.parse::<u32>().unwrap()..=last.parse().unwrap()
        })
        .collect()
}

/// The rows that a text names, singly or as `X-01 to X-09`.
fn named(text: &str, rows: &mut BTreeSet<String>) {
    for (area, count) in AREAS {
        let prefix = format!("{area}-");
        let mut before: Option<u32> = None;
        for (index, _) in text.match_indices(&prefix) {
            let rest = &text[index + prefix.len()..];
            let Some(number) = rest.get(..2).and_then(|digits| digits.parse::<u32>().ok()).filter(|n| *n <= count)
            else {
                continue;
            };
            let from = if text[..index].ends_with(" to ") { before.unwrap_or(number) } else { number };
            rows.extend((from..=number).map(|number| format!("{prefix}{number:02}")));
            before = Some(number);
        }
    }
}

fn read_folder(folder: &Path, rows: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs" || extension == "toml") {
            named(&std::fs::read_to_string(path).unwrap(), rows);
        }
    }
}

#[test]
fn every_row_is_held_or_has_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tested = BTreeSet::new();
    read_folder(&root.join("tests/catalogue"), &mut tested);
    read_folder(&root.join("tests/cluster"), &mut tested);
    read_folder(&root.join("../scenarios/conformance"), &mut tested);
    let table = std::fs::read_to_string(root.join("CATALOGUE.md")).unwrap();
    for (area, count) in AREAS {
        let line = table
            .lines()
            .find(|line| line.starts_with(&format!("| {area} |")))
            .unwrap_or_else(|| panic!("{area} is not in the table"));
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let (held, not) = (numbers(cells[4]), numbers(cells[5]));
        assert!(held.is_disjoint(&not), "{area}: a row is both held and not applicable");
        assert_eq!(held.union(&not).copied().collect::<Vec<_>>(), (1..=count).collect::<Vec<_>>(), "{area}");
        assert_eq!(cells[3], count.to_string(), "{area}: the number of rows");
        assert!(not.is_empty() || cells[6].len() > 10, "{area}: no reason for {not:?}");
        for number in held {
            let row = format!("{area}-{number:02}");
            assert!(tested.contains(&row), "{row} is said to hold, and nothing tests it");
        }
    }
}
