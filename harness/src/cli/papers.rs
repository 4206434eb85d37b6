//! `sio-bench man` and `sio-bench completions`: what a package puts beside the program, made from its own options.

use std::io;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, complain, print, print_commands};
use crate::exit::Exit;
use crate::output;

/// Writes a page for the program and one for each command.
pub(super) fn man(folder: &Path) -> Exit {
    let written = std::fs::create_dir_all(folder).and_then(|()| pages(&Cli::command(), folder));
    match written {
        Ok(pages) => {
            let _ = print(&format!(
                "{pages} pages in {}; `man {}/sio-bench.1` shows the first\n",
                folder.display(),
                folder.display()
            ));
            Exit::Passed
        }
        Err(error) => {
            complain(&format!("cannot write the pages into {}: {error}", folder.display()));
            Exit::Usage
        }
    }
}

fn pages(program: &Command, folder: &Path) -> io::Result<usize> {
    let shown = program.get_subcommands().filter(|command| !command.is_hide_set());
    let commands = shown.map(|command| {
        let name = format!("sio-bench-{}", command.get_name());
        // A page is named after its command: clap keeps what it is given for good.
        command.clone().name(name.clone()).bin_name(name.replacen('-', " ", 2))
    });
    let mut count = 0;
    for command in std::iter::once(program.clone()).chain(commands) {
        let name = command.get_name().to_owned();
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        output::write_bytes(&folder.join(format!("{name}.1")), &page)?;
        count += 1;
    }
    Ok(count)
}

/// Prints a script for a shell.
pub(super) fn completions(shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sio-bench", &mut script);
    // It is for a shell, as it is.
    let _ = print_commands(&String::from_utf8_lossy(&script));
    Exit::Passed
}
