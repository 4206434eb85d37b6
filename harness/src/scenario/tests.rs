//! The parser: what it refuses and how it says so.

use proptest::prelude::*;

use super::*;

fn errors(text: &str) -> String {
    load(Source { name: "t.toml".to_owned(), text: text.to_owned() }, &[], None).unwrap_err()
}

#[test]
fn every_scenario_that_ships_is_well_formed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let files = source::find(&folder).unwrap();
    assert!(files.len() >= 5);
    for file in files {
        let mut diagnostics = Diagnostics::default();
        parse(&file.text, &[], &mut diagnostics);
        assert!(diagnostics.is_empty(), "{}", diagnostics.render(&file.name, &file.text));
    }
}

#[test]
fn what_is_not_there_yet_is_refused_by_name() {
    let text = errors("name = \"x\"\n[users.a]\narrive = \"5/s\"\n[[phase]]\nname = \"p\"\nfor = \"1s\"\n");
    assert!(text.contains("`arrive` cannot be run by this version"), "{text}");
}

#[test]
fn overrides_reach_every_place_that_uses_a_variable() {
    let text = "name = \"x\"\n[vars]\nn = 3\n[actions]\n\"join(r)\" = { emit = [\"join\", \"${r}\"] }\n\
                [rooms.a]\ncount = \"${n}\"\njoin = [\"join\", \"${room}\"]\n[users.u]\ncount = \"${n}\"\n\
                [[phase]]\nname = \"p\"\nfor = \"1s\"\n";
    let source = Source { name: "t.toml".to_owned(), text: text.to_owned() };
    let loaded = load(source.clone(), &[("n".to_owned(), "1_000".to_owned())], Some(9)).unwrap();
    assert_eq!((loaded.scenario.rooms["a"].count, loaded.scenario.populations["u"].count), (1_000, 1_000));
    assert_eq!((loaded.scenario.seed, loaded.vars), (9, vec![("n".to_owned(), "1000".to_owned())]));
    let loaded = [load(source, &[], None).unwrap()];
    assert_eq!(unknown_overrides(&loaded, &[("m".to_owned(), String::new())]), ["m"]);
}

proptest! {
    #[test]
    fn no_text_panics_and_every_span_lies_inside(text in ".{0,200}") {
        let mut diagnostics = Diagnostics::default();
        parse(&text, &[], &mut diagnostics);
        for span in diagnostics.spans() {
            prop_assert!(span.start <= span.end && span.end <= text.len(), "{span:?} of {}", text.len());
        }
        diagnostics.render("t", &text);
    }

    /// Edits of a real file reach deeper than random text.
    #[test]
    fn no_edit_of_a_real_file_panics(cut in 0usize..4_000, length in 0usize..40, insert in "[a-z\"\\[\\]{}=.$0-9 \n]{0,6}") {
        let mut text = include_str!("../../../scenarios/fanout.toml").to_owned();
        let start = cut.min(text.len());
        let start = (0..=start).rev().find(|&at| text.is_char_boundary(at)).unwrap();
        let end = (start + length).min(text.len());
        let end = (end..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap();
        text.replace_range(start..end, &insert);
        let mut diagnostics = Diagnostics::default();
        parse(&text, &[], &mut diagnostics);
        for span in diagnostics.spans() {
            prop_assert!(span.start <= span.end && span.end <= text.len());
        }
        diagnostics.render("t", &text);
    }
}
