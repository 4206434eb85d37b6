//! `sio-bench report`

use std::path::PathBuf;

use super::{complain, print};
use crate::exit::Exit;
use crate::record;
use crate::report::render;

pub(super) fn report(runs: &[PathBuf]) -> Exit {
    for run in runs {
        match record::read(run) {
            Ok(entries) => {
                if !print(&render(&entries)) {
                    return Exit::Passed;
                }
            }
            Err(problem) => {
                complain(&problem);
                return Exit::Usage;
            }
        }
    }
    Exit::Passed
}
