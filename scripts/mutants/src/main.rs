//! Every mutant of a package in one build, tried one after the other (docs/mutants.md).
//!
//! `sio-mutants --list FILE --root TREE --package NAME --out FOLDER [--stage "NAME=value … TEST …"]… [--shard K/N]
//! [--only FILE] [--cargo ARGUMENT]… [-- ARGUMENTS OF THE TESTS]`. The tree is rewritten: give it a copy.

mod compile;
mod list;
mod rewrite;
mod run;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use compile::Built;
use list::Mutant;
use run::{Outcome, Stage};

#[derive(Default)]
struct Options {
    list: String,
    root: PathBuf,
    package: String,
    out: PathBuf,
    stages: Vec<String>,
    shard: Option<(usize, usize)>,
    only: Option<String>,
    cargo: Vec<String>,
    tests: Vec<String>,
}

fn main() {
    if let Err(why) = options().and_then(|options| tried(&options)) {
        eprintln!("sio-mutants: {why}");
        std::process::exit(2);
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--" {
            options.tests = words.collect();
            break;
        }
        let (word, value) = match word.split_once('=') {
            Some((word, value)) => (word.to_owned(), value.to_owned()),
            None => {
                let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
                (word, value)
            }
        };
        match word.as_str() {
            "--list" => options.list = value,
            "--root" => options.root = value.into(),
            "--package" => options.package = value,
            "--out" => options.out = value.into(),
            "--stage" => options.stages.push(value),
            "--only" => options.only = Some(std::fs::read_to_string(&value).map_err(|why| format!("{value}: {why}"))?),
            "--cargo" => options.cargo.push(value),
            "--shard" => {
                let parts = value.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
                options.shard = Some(
                    parts.filter(|(k, n)| k < n).ok_or_else(|| format!("--shard: 3/32 is expected, found {value}"))?,
                );
            }
            _ => return Err(format!("unknown option {word}")),
        }
    }
    Ok(options)
}

fn tried(options: &Options) -> Result<(), String> {
    let out = std::path::absolute(&options.out).map_err(|why| why.to_string())?;
    let place = out.join("place");
    std::fs::create_dir_all(&place).map_err(|why| format!("{}: {why}", place.display()))?;
    let mutants = list::read(&options.list)?;
    let wanted = |number: &usize| {
        let named = |names: &String| names.lines().any(|name| name == mutants[number - 1].name);
        options.shard.is_none_or(|(shard, of)| (number - 1) % of == shard) && options.only.as_ref().is_none_or(named)
    };
    let built = compile::compile(&options.root, &options.package, &mutants, &options.cargo)?;
    let mut lists = Lists::new(&out, &mutants)?;
    let all = 1..=mutants.len();
    for number in all.clone().filter(wanted) {
        if built.refused.contains(&number) {
            lists.add("unviable", number, "")?;
        } else if !built.written.contains(&number) {
            lists.add("left", number, "")?;
        }
    }
    let mut rest: BTreeSet<usize> = built.written.iter().copied().filter(wanted).collect();
    for stage in &options.stages {
        rest = staged(stage, options, &built, &place, rest, &mut lists)?;
    }
    rest.into_iter().try_for_each(|number| lists.add("missed", number, ""))
}

/// Runs one stage; what survived it comes back.
fn staged(
    stage: &str,
    options: &Options,
    built: &Built,
    place: &Path,
    numbers: BTreeSet<usize>,
    lists: &mut Lists<'_>,
) -> Result<BTreeSet<usize>, String> {
    let mut stage = Stage::parse(stage);
    stage.measure(&built.programs, &options.tests, place)?;
    let (mut rest, count) = (BTreeSet::new(), numbers.len());
    for (done, number) in numbers.into_iter().enumerate() {
        match stage.run(&built.programs, &options.tests, place, number)? {
            Outcome::Caught(test) => lists.add("caught", number, &test)?,
            Outcome::Endless => lists.add("timeout", number, "")?,
            Outcome::Missed => {
                eprintln!("survives: {}", lists.mutants[number - 1].name);
                rest.insert(number);
            }
        }
        if done % 50 == 49 {
            eprintln!("{} of {count}: {} survive", done + 1, rest.len());
        }
    }
    eprintln!("{:?}: {} of {count} survive", stage.environment, rest.len());
    Ok(rest)
}

/// One file for each kind of end, written as it comes.
struct Lists<'a> {
    folder: PathBuf,
    mutants: &'a [Mutant],
}

impl<'a> Lists<'a> {
    fn new(folder: &Path, mutants: &'a [Mutant]) -> Result<Self, String> {
        for name in ["caught", "missed", "timeout", "unviable", "left"] {
            std::fs::write(folder.join(name), "").map_err(|why| format!("{}: {why}", folder.display()))?;
        }
        Ok(Self { folder: folder.to_owned(), mutants })
    }

    fn add(&mut self, list: &str, number: usize, by: &str) -> Result<(), String> {
        let path = self.folder.join(list);
        let line = format!("{}{}{by}\n", self.mutants[number - 1].name, if by.is_empty() { "" } else { "\t" });
        let file = std::fs::OpenOptions::new().append(true).open(&path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).map_err(|why| format!("{}: {why}", path.display()))
    }
}
