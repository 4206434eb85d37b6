//! Ctrl-C and SIGTERM: the run stops, and what it has is kept. Twice: it stops at once.

use std::io;
use std::sync::Once;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::hush;
use crate::target::{kill_children, kill_commands};

/// Listens from its creation on, so that no signal falls between two waits.
pub struct Interrupt {
    int: Signal,
    term: Signal,
}

/// Waits for the second signal, on a thread of its own: whatever the others are stuck in, this is heard. The first one ends what
/// is being installed, which has a group of its own and hears nothing of a terminal.
fn second() {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let heard = runtime.block_on(async {
        let mut both = Interrupt { int: signal(SignalKind::interrupt())?, term: signal(SignalKind::terminate())? };
        both.wait().await;
        kill_commands();
        both.wait().await;
        io::Result::Ok(())
    });
    if heard.is_ok() {
        kill_children();
        kill_commands();
        hush::end();
        #[expect(clippy::exit, reason = "whoever asks twice does not want to wait")]
        std::process::exit(i32::from(Exit::Interrupted as u8));
    }
}

impl Interrupt {
    /// Begins to listen. Whoever asks a second time does not want to wait for goodbyes: the program ends, with the lines
    /// of the record that are written.
    pub fn listen() -> io::Result<Self> {
        static SECOND: Once = Once::new();
        let mut started = Ok(());
        SECOND.call_once(|| started = std::thread::Builder::new().name("signals".to_owned()).spawn(second).map(drop));
        started?;
        Ok(Self { int: signal(SignalKind::interrupt())?, term: signal(SignalKind::terminate())? })
    }

    /// Returns when somebody wants the program to end. Cancel-safe.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.int.recv() => {}
            _ = self.term.recv() => {}
        }
    }
}
