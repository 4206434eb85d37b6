//! The reference server with the fixture app, as a program.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;
use sio_reference_server::cli::{ServeArgs, serve};

/// A small, strict Socket.IO server with the fixture app of sio-bench
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match serve(Cli::parse().serve).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever has closed standard error wants to hear nothing.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}
