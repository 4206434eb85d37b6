//! `sio-bench delay-server`: a server with known delays, to hold a load tester against.

use std::time::Duration;

use super::{complain, print};
use crate::calibrate::delay_server::DelayServer;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::vocab::quantity;

/// Options of `delay-server`
#[derive(clap::Args)]
pub(super) struct DelayServerArgs {
    /// From an event to its acknowledgement, exactly
    #[arg(long, value_name = "TIME", default_value = "1ms", value_parser = quantity::duration)]
    delay: Duration,

    /// Stand still once, for so long
    #[arg(long, value_name = "TIME", value_parser = quantity::duration, requires = "stall_after")]
    stall: Option<Duration>,

    /// After so many events
    #[arg(long, value_name = "N", requires = "stall")]
    stall_after: Option<u64>,
}

/// Serves until it is interrupted, and says then how long it really took.
pub(super) fn delay_server(args: &DelayServerArgs) -> Exit {
    match serve(args) {
        Ok(()) => Exit::Passed,
        Err(problem) => {
            complain(&problem);
            Exit::Failed
        }
    }
}

fn serve(args: &DelayServerArgs) -> Result<(), String> {
    let server = DelayServer::start()?;
    server.delay(args.delay);
    if let (Some(length), Some(after)) = (args.stall, args.stall_after) {
        server.stall(length, after);
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let mut interrupt = Interrupt::listen().map_err(|error| error.to_string())?;
        // As every target of `targets/` says where it listens.
        let port = server.url.rsplit(':').next().unwrap_or_default();
        if !print(&format!("LISTENING {port}\n")) {
            return Ok(()); // nobody will ever know the port
        }
        interrupt.wait().await;
        let taken = server.taken();
        let time = |nanos: u64| crate::vocab::text::time(nanos as f64);
        let (p50, p99) = (time(taken.value_at_quantile(0.5)), time(taken.value_at_quantile(0.99)));
        let _ = print(&format!(
            "answered {} events, p50 {p50}, p99 {p99}, stood still for {:?}\n",
            taken.len(),
            server.stalled()
        ));
        Ok(())
    })
}
