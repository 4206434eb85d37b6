//! `sio-bench list`

use super::print;
use crate::exit::Exit;
use crate::{scenario, target};

pub(super) fn list() -> Exit {
    let mut text = "scenarios that come with sio-bench:\n".to_owned();
    for name in scenario::source::embedded_names() {
        text.push_str(&format!("  {name}\n"));
    }
    text.push_str("targets:\n  reference\n");
    for name in target::names() {
        text.push_str(&format!("  {name}\n"));
    }
    let _ = print(&text);
    Exit::Passed
}
