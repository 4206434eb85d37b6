//! The fixture's diary: what happened inside the target, for behaviour that no packet shows.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sio_protocol::{Args, Value};

use super::packets::unsupported;
use super::player::{Outcome, Player};
use super::{ANSWER, Stop, rows};
use crate::client::{Connection, Jar};
use crate::clock;
use crate::scenario::model::Transport;
use crate::scenario::template::Template;

/// Between the first two looks at a journal that does not say yet what it must; twice as long each time, up to
/// [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

impl Player<'_> {
    /// Waits until the entries that match `of` are exactly these, and stay so for another look.
    pub(super) async fn journal(
        &mut self,
        client: usize,
        entries: &[Template],
        of: Option<&Template>,
        kinds: &[String],
        within: Duration,
    ) -> Outcome {
        let deadline = clock::now() + within;
        let mut agreed = false;
        let mut pause = PAUSE;
        loop {
            let found = self.entries(client, of, kinds).await?;
            let problem = self.compare_entries(entries, &found);
            match problem {
                Ok(()) if agreed => return Ok(()),
                Ok(()) => agreed = true,
                Err(why) if agreed || clock::now() >= deadline => {
                    let shown: Vec<_> = found.iter().map(ToString::to_string).collect();
                    self.waiting(within);
                    let stop = if agreed { Stop::Fail } else { Stop::Late };
                    return Err(stop(format!("the journal differs: {why}; it has [{}]", shown.join(", "))));
                }
                Err(_) => {}
            }
            self.wait::<()>(if agreed { PAUSE } else { pause }, |_| None).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// What others have left in the journal is not this case's. A target that cannot be asked is found out by the
    /// step that needs the journal.
    pub(super) async fn skip_journal(&mut self) {
        let stage = self.stage;
        let ask = async {
            let endpoint = stage.endpoint.clone().with_jar(Jar::default());
            let mut connection = Connection::open(&endpoint, &stage.http, Transport::WebSocket).await.ok()?;
            connection.join("/", "", ANSWER).await.ok()?;
            let args = Args::from_values(&[Value::from("journal"), Value::Number(self.journal_from.into())]);
            let answer = connection.call("/", args, ANSWER).await.ok()?;
            connection.close().await;
            answer.to_values().ok()
        };
        if let Some(values) = ask.await
            && let [Value::Array(entries)] = values.as_slice()
            && let Some(last) = last_seq(entries)
        {
            self.stage.journal.fetch_max(last, Ordering::Relaxed);
            self.journal_from = self.journal_from.max(last);
        }
    }

    fn compare_entries(&mut self, expected: &[Template], found: &[Value]) -> Result<(), String> {
        if expected.len() != found.len() {
            return Err(format!("expected {} entries, found {}", expected.len(), found.len()));
        }
        for (index, (pattern, entry)) in expected.iter().zip(found).enumerate() {
            self.scope.matches(&opened(pattern), entry).map_err(|why| format!("entry {}: {why}", index + 1))?;
        }
        Ok(())
    }

    /// The entries since the case began.
    async fn entries(&mut self, client: usize, of: Option<&Template>, kinds: &[String]) -> Outcome<Vec<Value>> {
        let nsp = self.clients[client].nsp.clone();
        let args = Args::from_values(&[Value::from("journal"), Value::Number(self.journal_from.into())]);
        let id = self.clients[client].connection().map_err(Stop::Fail)?.emit(&nsp, args, true);
        let name = self.clients[client].name.clone();
        self.note(format!("{name} ▶ {nsp} asks for the journal   ack {}", id.unwrap_or_default()));
        self.row = Some(rows::ACK);
        let answer = self.ack(client, &nsp, id.unwrap_or_default(), ANSWER).await?;
        self.row = None;
        let values = answer.to_values().map_err(|error| Stop::Fail(format!("the journal: {error}")))?;
        unsupported(&values)?;
        let [Value::Array(all)] = values.as_slice() else {
            return Err(Stop::Fail("the journal is not a list".to_owned()));
        };
        if let Some(last) = last_seq(all) {
            self.stage.journal.fetch_max(last, Ordering::Relaxed);
        }
        let kind = |entry: &Value| entry.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut found = Vec::new();
        for entry in all {
            let wanted = kinds.is_empty() || kinds.contains(&kind(entry));
            let of = of.map(opened);
            if wanted && of.is_none_or(|of| self.scope.matches(&of, entry).is_ok()) {
                found.push(entry.clone());
            }
        }
        Ok(found)
    }
}

/// The number of the last entry.
fn last_seq(entries: &[Value]) -> Option<u64> {
    match entries.last()?.get("seq")? {
        Value::Number(seq) => seq.as_u64(),
        _ => None,
    }
}

/// Entries have more fields than a case cares for.
fn opened(pattern: &Template) -> Template {
    match pattern {
        Template::Table(fields, _) => Template::Table(fields.clone(), true),
        other => other.clone(),
    }
}
