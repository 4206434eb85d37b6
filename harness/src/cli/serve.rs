//! `sio-bench serve`

use sio_reference_server::cli::{ServeArgs, ServeError, serve as serve_fixture};

use super::complain;
use crate::exit::Exit;

pub(super) fn serve(args: ServeArgs) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("cannot start: {error}"));
            return Exit::Failed;
        }
    };
    match runtime.block_on(serve_fixture(args)) {
        Ok(()) => Exit::Passed,
        Err(error) => {
            complain(&error.to_string());
            if matches!(error, ServeError::Io(_)) { Exit::Failed } else { Exit::Usage }
        }
    }
}
