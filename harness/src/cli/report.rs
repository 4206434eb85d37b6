//! `sio-bench report`

use std::path::{Path, PathBuf};

use super::{complain, print};
use crate::exit::Exit;
use crate::record;
use crate::report::{self, Format};

pub(super) fn report(runs: &[PathBuf], format: Format, baseline: Option<&Path>) -> Exit {
    let baseline = match baseline.map(record::read).transpose() {
        Ok(baseline) => baseline,
        Err(problem) => {
            complain(&problem);
            return Exit::Usage;
        }
    };
    for run in runs {
        match record::read(run) {
            Ok(entries) => {
                if !print(&report::format(format, &entries, baseline.as_deref())) {
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
