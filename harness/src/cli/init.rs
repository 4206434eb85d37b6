//! `sio-bench init`

use std::io::{BufRead, IsTerminal as _, Write as _};
use std::path::PathBuf;

use serde_json::Value;

use super::{complain, print};
use crate::exit::Exit;
use crate::output;
use crate::scenario::starter::{Answers, Reach, starter};

const MORE: &str = "\
Without --event, questions are asked on the terminal. An event is what your client emits, as a JSON array: ${payload} where the \
text stands, ${room} where the room's name does. `sio-bench inspect URL` finds out more by asking the server itself.

Examples:
  sio-bench init
  sio-bench init chat.toml --event '[\"new message\",\"${payload}\"]'
  sio-bench init docs.toml --url http://127.0.0.1:3000 --namespace /docs --join '[\"open\",\"${room}\"]' \\
    --event '[\"edit\",\"${room}\",{\"text\":\"${payload}\"}]' --arrives-as edited --ack";

/// Options of `init`
#[derive(clap::Args)]
#[command(after_help = MORE)]
pub(super) struct InitArgs {
    /// The file to write
    #[arg(default_value = "scenario.toml")]
    file: PathBuf,

    /// Where the application listens
    #[arg(long, default_value = "http://127.0.0.1:3000")]
    url: String,

    /// The namespace of its events
    #[arg(long, value_name = "NAME", default_value = "/")]
    namespace: String,

    /// The event by which a user enters a room, as JSON; without it, all are in one
    #[arg(long, value_name = "JSON", value_parser = json)]
    join: Option<Value>,

    /// The event that is sent, as JSON
    #[arg(long, value_name = "JSON", value_parser = json)]
    event: Option<Value>,

    /// The event by which it arrives, if that has another name
    #[arg(long, value_name = "NAME")]
    arrives_as: Option<String>,

    /// Whom it reaches
    #[arg(long, value_enum, default_value = "others")]
    to: To,

    /// The server acknowledges what is sent
    #[arg(long)]
    ack: bool,

    /// Users
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    users: u32,

    /// Messages, all users together
    #[arg(long, value_name = "RATE", default_value = "20/s")]
    rate: String,

    /// How long it is measured
    #[arg(long = "for", value_name = "TIME", default_value = "30s")]
    length: String,

    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum To {
    /// Everybody in the room but the sender
    Others,
    /// Everybody in the room
    Everybody,
    /// Nobody: the server only acknowledges it
    Nobody,
}

impl From<To> for Reach {
    fn from(to: To) -> Self {
        match to {
            To::Others => Self::Others,
            To::Everybody => Self::Everybody,
            To::Nobody => Self::Answered,
        }
    }
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{error}; expected JSON such as [\"say\",\"${{payload}}\"]"))
}

pub(super) fn init(args: InitArgs) -> Exit {
    if args.file.exists() && !args.force {
        complain(&format!("{} is there already; --force writes over it", args.file.display()));
        return Exit::Usage;
    }
    let file = args.file.clone();
    let answers = match answers(args) {
        Ok(answers) => answers,
        Err(problem) => {
            complain(&problem);
            return Exit::Usage;
        }
    };
    let written = starter(&answers).map_err(|error| error.to_string());
    let written = written.and_then(|text| output::write(&file, &text).map_err(|error| error.to_string()));
    if let Err(problem) = written {
        complain(&problem);
        return Exit::Usage;
    }
    let name = file.display();
    let _ = print(&format!(
        "{name} is written.\n  sio-bench plan {name}    what it comes to; nothing is sent\n  sio-bench run {name}     run it\n"
    ));
    Exit::Passed
}

/// What was said on the command line, or is said now.
fn answers(args: InitArgs) -> Result<Answers, String> {
    let known = Answers {
        url: args.url,
        namespace: args.namespace,
        join: args.join,
        event: args.event.clone().unwrap_or_default(),
        arrives_as: args.arrives_as,
        reach: args.to.into(),
        ack: args.ack,
        users: args.users,
        rate: args.rate,
        length: args.length,
    };
    if args.event.is_some() {
        return Ok(known);
    }
    if !std::io::stdin().is_terminal() {
        return Err("say what is sent, such as --event '[\"new message\",\"${payload}\"]'; on a terminal it is asked"
            .to_owned());
    }
    Questions { lines: std::io::stdin().lock() }.ask(&known)
}

/// A conversation; what is asked goes to standard error, so that standard output has the result alone.
struct Questions<R> {
    lines: R,
}

impl<R: BufRead> Questions<R> {
    fn ask(&mut self, known: &Answers) -> Result<Answers, String> {
        say("Enter takes what stands in brackets. Events are JSON arrays, as your client emits them.\n");
        let url = self.text("Where does it listen?", &known.url)?;
        let namespace = self.text("Which namespace?", &known.namespace)?;
        let join = self.json("How does a user enter a room? Such as [\"join\",\"${room}\"]", "all are in one")?;
        let usual =
            if join.is_some() { "[\"say\",\"${room}\",\"${payload}\"]" } else { "[\"new message\",\"${payload}\"]" };
        let event = self.json("What is sent? ${payload} stands for the text", usual)?;
        let event = event.map_or_else(|| json(usual), Ok)?;
        let reach = self.reach()?;
        let arrives_as = match reach {
            Reach::Answered => None,
            _ => Some(self.text("As which event does it arrive?", event[0].as_str().unwrap_or_default())?),
        };
        let ack =
            reach == Reach::Answered || self.text("Does the server acknowledge it? yes or no", "no")?.starts_with('y');
        let users = self.text("How many users?", &known.users.to_string())?;
        let users = users.parse().map_err(|_| format!("{users} is no number of users; expected one such as 50"))?;
        let rate = self.text("How many messages in each second?", &known.rate)?;
        let rate = if rate.contains('/') { rate } else { format!("{rate}/s") };
        let length = self.text("For how long?", &known.length)?;
        Ok(Answers { url, namespace, join, event, arrives_as, reach, ack, users, rate, length })
    }

    fn reach(&mut self) -> Result<Reach, String> {
        let said = self.text("Who gets it? others, everybody, or nobody (it is only acknowledged)", "others")?;
        match said.as_str() {
            "others" => Ok(Reach::Others),
            "everybody" => Ok(Reach::Everybody),
            "nobody" => Ok(Reach::Answered),
            other => Err(format!("`{other}` is none of others, everybody, nobody")),
        }
    }

    fn json(&mut self, question: &str, usual: &str) -> Result<Option<Value>, String> {
        let said = self.text(question, usual)?;
        if said == usual { Ok(None) } else { json(&said).map(Some) }
    }

    fn text(&mut self, question: &str, usual: &str) -> Result<String, String> {
        say(&format!("{question} [{usual}] "));
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Err(error) => Err(format!("the answer cannot be read: {error}")),
            Ok(0) => Err("there was no answer, and nothing is written".to_owned()),
            Ok(_) if line.trim().is_empty() => Ok(usual.to_owned()),
            Ok(_) => Ok(line.trim().to_owned()),
        }
    }
}

fn say(text: &str) {
    // Who cannot be asked answers nothing, which is said.
    let mut stderr = std::io::stderr();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Answers {
        Answers {
            url: "http://127.0.0.1:3000".to_owned(),
            namespace: "/".to_owned(),
            join: None,
            event: Value::Null,
            arrives_as: None,
            reach: Reach::Others,
            ack: false,
            users: 50,
            rate: "20/s".to_owned(),
            length: "30s".to_owned(),
        }
    }

    fn told(lines: &str) -> Result<Answers, String> {
        Questions { lines: lines.as_bytes() }.ask(&known())
    }

    #[test]
    fn answers_make_a_scenario() {
        let all = told("\n/docs\n[\"open\",\"${room}\"]\n[\"edit\",\"${room}\",\"${payload}\"]\neverybody\nedited\nyes\n7\n5\n10s\n").unwrap();
        assert_eq!((all.namespace.as_str(), all.users, all.rate.as_str()), ("/docs", 7, "5/s"));
        let text = starter(&all).unwrap();
        assert!(text.contains("delivers_to = { event = \"edited\", rooms = [\"${room}\"] }"), "{text}");
        // Enter, ten times, is the chat of Socket.IO's own example.
        let text = starter(&told(&"\n".repeat(10)).unwrap()).unwrap();
        assert!(text.contains("emit        = [\"new message\", \"${payload}\"]"), "{text}");
    }

    #[test]
    fn what_is_no_answer_is_said() {
        assert!(told("").unwrap_err().contains("nothing is written"));
        assert!(told("\n\n{oops\n").unwrap_err().contains("expected JSON"));
        assert!(told(&format!("{}somebody\n", "\n".repeat(4))).unwrap_err().contains("none of others"));
    }
}
