//! A part whose coordinator is gone: its worker offers it for a while, so that somebody else can put the run together.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;

use super::files::{self, Undelivered};
use super::line::Line;
use super::wire::{self, About, Answer, Ask, Cut, Kind, Notice};
use crate::interrupt::Interrupt;

/// How long whoever asks for parts may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// What has come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offered {
    Taken,
    /// Whoever asked for it did not take it, and why.
    Refused(String),
    /// Nobody asked in time.
    Unwanted,
    Interrupted,
}

/// Offers the files of a part for so long.
pub async fn offer(
    line: &Line,
    cut: Option<Cut>,
    files: &[(Kind, &Path)],
    patience: Duration,
    interrupt: &mut Interrupt,
) -> Offered {
    let mut notices = match line.bus.listen(wire::subject(&line.run, About::Notices)).await {
        Ok(notices) => notices,
        Err(why) => return Offered::Refused(why),
    };
    let offering = async {
        loop {
            // It ends with the connection, which is made again as long as the program runs.
            let Some(notice) = notices.next().await else { return std::future::pending().await };
            if wire::decode(&notice.payload) != Some(Notice::Collects) {
                continue;
            }
            match hand_over(line, cut.clone(), files).await {
                Ok(()) => return Offered::Taken,
                Err(Undelivered::Refused(why)) => return Offered::Refused(why),
                // Whoever it was is gone, and another may come.
                Err(Undelivered::Silent(_)) => {}
            }
        }
    };
    tokio::select! {
        offered = offering => offered,
        () = tokio::time::sleep(patience) => Offered::Unwanted,
        () = interrupt.wait() => Offered::Interrupted,
    }
}

async fn hand_over(line: &Line, cut: Option<Cut>, files: &[(Kind, &Path)]) -> Result<(), Undelivered> {
    let ask = Ask::Again { worker: line.worker.clone(), left: line.left(cut) };
    match line.bus.ask_desk(&line.run, &ask, PATIENCE).await {
        Ok(Answer::Part { .. }) => files::deliver(&line.bus, &line.run, &line.worker, files).await,
        Ok(Answer::Refused { why }) => Err(Undelivered::Refused(wire::words(&why))),
        Ok(_) => Err(Undelivered::Refused("it was answered with something else".to_owned())),
        Err(_) => Err(Undelivered::Silent("nobody answers".to_owned())),
    }
}
