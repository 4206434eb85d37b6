//! `sio-bench inspect`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::getting_in::GettingIn;
use super::{complain, print, run};
use crate::client::Tls;
use crate::exit::Exit;
use crate::inspect::{self, Entrance, Findings, Plain, Problem, Settings, Stamped};
use crate::output;
use crate::scenario::LoadError;
use crate::vocab::Trust;
use crate::vocab::quantity;

const MORE: &str = "\
What is sent: the steps of --enter; three polling sessions that are closed from another connection, one session for each transport, CONNECT to `/` and \
the namespaces that are named, then what --join and --event say, three times, with two more clients that join as the first \
does and one that does not. Values of --auth, --header and --query are not printed.

Examples:
  sio-bench inspect http://127.0.0.1:3000
  sio-bench inspect http://127.0.0.1:3000 --namespace /docs --auth '{\"token\":\"…\"}'
  sio-bench inspect http://127.0.0.1:3000 --join '[\"join\",\"a\"]' --event '[\"say\",\"a\",\"${payload}\"]' --scenario mine.toml

Exit codes: 0 somebody was let in   2 wrong command line   3 unreachable, no Socket.IO server, or nobody was let in";

/// Options of `inspect`
#[derive(clap::Args)]
#[command(after_help = MORE)]
pub(super) struct InspectArgs {
    /// URL of a running server
    url: String,

    #[command(flatten)]
    getting_in: GettingIn,

    /// A file with `enter = [ steps ]` (and `auth`, `query`, `headers`), as in [users.X]: what each client does before it
    /// connects, such as a login over HTTP
    #[arg(long, value_name = "FILE", help_heading = "Getting in")]
    enter: Option<PathBuf>,

    /// A namespace to ask besides `/`; may be repeated. Events go to the first
    #[arg(long = "namespace", value_name = "NAME", value_parser = parse_namespace)]
    namespaces: Vec<String>,

    /// How long to listen, and to wait for what is sent to come back
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = parse_listen)]
    listen: Duration,

    /// An event by which one joins, as JSON, sent ahead of the others; may be repeated
    #[arg(long = "join", value_name = "JSON", value_parser = Plain::parse)]
    joins: Vec<Plain>,

    /// An event to send, as JSON, with ${payload} where it carries text, or ${token} (${token int}) in a field that the
    /// application keeps; where does that come back, and to whom?
    #[arg(long, value_name = "JSON")]
    event: Option<String>,

    /// Size of the payload
    #[arg(long, value_name = "SIZE", default_value = "100B", value_parser = quantity::size, requires = "event")]
    payload: usize,

    /// The payload is bytes instead of text
    #[arg(long, requires = "event")]
    binary: bool,

    /// Take whatever certificate the server shows
    #[arg(long)]
    insecure: bool,

    /// What goes to standard output
    #[arg(long, value_enum, default_value = "terminal")]
    format: Format,

    /// Write the scenario to start from into this file, too
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Terminal,
    Json,
}

pub(super) fn inspect(args: &InspectArgs) -> Exit {
    let settings = match settings(args) {
        Ok(settings) => settings,
        Err(problem) => {
            run::complain_of(&problem);
            return Exit::Usage;
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error.to_string());
            return Exit::NotValid;
        }
    };
    let interrupted = async { tokio::signal::ctrl_c().await.is_ok() };
    let found = runtime.block_on(async {
        tokio::select! {
            found = inspect::inspect(&settings) => Some(found),
            true = interrupted => None,
        }
    });
    match found {
        Some(Ok(found)) => show(args, &found),
        Some(Err(problem)) => {
            complain(&problem.to_string());
            if matches!(problem, Problem::Usage(_)) { Exit::Usage } else { Exit::Target }
        }
        None => Exit::Interrupted,
    }
}

fn show(args: &InspectArgs, found: &Findings) -> Exit {
    let _ = match args.format {
        Format::Terminal => print(&inspect::render(found)),
        Format::Json => print(&found.json()),
    };
    if let (Some(file), Some(scenario)) = (&args.scenario, &found.scenario)
        && let Err(error) = output::write(file, scenario)
    {
        complain(&format!("cannot write {}: {error}", file.display()));
        return Exit::Usage;
    }
    if found.is_in() {
        return Exit::Passed;
    }
    complain(match found.engine.revision {
        Some(3) => {
            "the server speaks Engine.IO 3 (Socket.IO 1 and 2); sio-bench speaks Engine.IO 4 (Socket.IO 3 and later)"
        }
        _ => "nobody was let in; does it want a token (--auth), a cookie (--header), or another --namespace?",
    });
    Exit::Target
}

fn settings(args: &InspectArgs) -> Result<Settings, LoadError> {
    let mut manner = args.getting_in.alone();
    if args.insecure {
        Arc::make_mut(&mut manner).tls = Tls::new(Trust::Anybody);
    }
    let event = args.event.as_ref().map(|event| Stamped::parse(event, args.payload, args.binary));
    Ok(Settings {
        url: args.url.clone(),
        manner,
        entrance: args.enter.as_deref().map(Entrance::read).transpose()?,
        namespaces: args.namespaces.clone(),
        listen: args.listen,
        joins: args.joins.clone(),
        event: event.transpose().map_err(|problem| format!("--event: {problem}"))?,
    })
}

fn parse_namespace(text: &str) -> Result<String, String> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("a namespace starts with `/`".to_owned()) }
}

/// An hour is more than anybody waits.
fn parse_listen(text: &str) -> Result<Duration, String> {
    match quantity::duration(text)? {
        time if time <= Duration::from_hours(1) => Ok(time),
        _ => Err("at most 1h".to_owned()),
    }
}
