//! `sio-bench check-fixture`

use std::fmt::Write as _;

use super::conform::block_on;
use super::getting_in::GettingIn;
use super::{print, run};
use crate::conform::contract::{self, Finding, State};
use crate::exit::Exit;
use crate::target::{self, Choice};
use crate::vocab::text::plural;

/// Options of `check-fixture`
#[derive(clap::Args)]
pub(super) struct CheckFixtureArgs {
    /// URL of a running server, or a name from targets/; without it the reference server is started
    #[arg(value_name = "URL-or-NAME")]
    target: Option<String>,

    #[command(flatten)]
    getting_in: GettingIn,
}

pub(super) fn check_fixture(args: &CheckFixtureArgs) -> Exit {
    block_on(async {
        let prepared = target::prepare(&Choice::from(args.target.as_deref(), None)).await?;
        let folder = run::fresh_folder(&format!("fixture-{}", prepared.name()));
        std::fs::create_dir_all(&folder)?;
        let findings = contract::check(&prepared, args.getting_in.alone(), &folder).await?;
        let _ = print(&render(&findings));
        let wrong = findings.iter().any(|finding| finding.state.is_wrong());
        Ok(if wrong { Exit::Failed } else { Exit::Passed })
    })
}

fn render(findings: &[Finding]) -> String {
    let mut out = String::new();
    for Finding { name, state } in findings {
        let _ = match state {
            State::Works => writeln!(out, "✔ {name}"),
            State::Lacking(why) => writeln!(out, "– {name}: {why}"),
            State::Missing(seen) => writeln!(out, "✖ {name}\n    missing: {seen}"),
            State::Undeclared(seen) => writeln!(out, "✖ {name}\n    {seen}"),
        };
    }
    let wrong = findings.iter().filter(|finding| finding.state.is_wrong()).count();
    let _ = match wrong {
        0 => writeln!(out, "\nthe fixture is complete: {} hold", plural(findings.len() as u64, "check")),
        _ => writeln!(out, "\n{} of {} are to be mended; targets/CONTRACT.md says what each is", wrong, findings.len()),
    };
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_stands_out() {
        let finding = |name: &str, state| Finding { name: name.to_owned(), state };
        let text = render(&[
            finding("event join", State::Works),
            finding("option cookie", State::Lacking("there is none".to_owned())),
            finding("event bye", State::Missing("it stayed".to_owned())),
        ]);
        let expected = "✔ event join\n– option cookie: there is none\n✖ event bye\n    missing: it stayed\n\n\
                        1 of 3 are to be mended; targets/CONTRACT.md says what each is\n";
        assert_eq!(text, expected);
    }
}
