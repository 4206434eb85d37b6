//! A target of one case alone, which the case ends and starts again.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use nix::sys::signal::Signal;
use tokio::sync::{Mutex, MutexGuard};

use super::{Child, Error, Launch, Prepared, Target};
use crate::scenario::model::ServerAction;

/// Ports that no system hands out by itself, so that nobody gets one by chance while its target is down.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// Ports that are tried before there is none.
const TRIES: u16 = 100;

/// Ends a target and starts it again, on the same port.
pub struct Helm {
    prepared: Prepared,
    path: Option<String>,
    launch: Launch,
    port: u16,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    child: Option<Child>,
    /// It was asked to end.
    told: bool,
    /// A case has been played on it.
    used: bool,
    /// Every process there was.
    pids: Vec<u32>,
}

impl Helm {
    /// Starts a target on a port that it can be started on again.
    pub async fn start(prepared: &Prepared, path: Option<&str>, launch: &Launch) -> Result<(Self, Target), Error> {
        let mut launch = launch.clone();
        let port = free_port().ok_or_else(|| Error::Unreachable(format!("no port of {PORTS:?} is free")))?;
        launch.env.insert("PORT".to_owned(), port.to_string());
        let mut target = prepared.start(path, &launch).await?;
        on_its_port(&target, port)?;
        let state =
            State { pids: target.info.pid.into_iter().collect(), child: target.child.take(), ..State::default() };
        // What the first start has found out is true of the others.
        launch.trust = true;
        let path = Some(target.endpoint.path.clone());
        Ok((Self { prepared: prepared.clone(), path, launch, port, state: Mutex::new(state) }, target))
    }

    /// A target on which no case has been played yet.
    pub async fn fresh(&self) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        if state.used || state.child.is_none() {
            if let Some(child) = state.child.take() {
                child.kill().await;
            }
            state.pids.clear();
            self.start_again(&mut state).await?;
        }
        state.used = true;
        Ok(())
    }

    /// Does what a step says. The error says what the target did instead. Cancel-safe.
    pub async fn act(&self, action: ServerAction) -> Result<(), String> {
        let mut state = self.state.lock().await;
        match action {
            ServerAction::Start => self.start_again(&mut state).await.map_err(|error| error.to_string()),
            ServerAction::Stopping => terminate(&mut state),
            ServerAction::Stopped => ended(&mut state).await,
            ServerAction::Stop => {
                terminate(&mut state)?;
                ended(&mut state).await
            }
            ServerAction::Kill => {
                state.told = true;
                if let Some(child) = state.child.take() {
                    child.kill().await;
                }
                Ok(())
            }
        }
    }

    async fn start_again(&self, state: &mut MutexGuard<'_, State>) -> Result<(), Error> {
        if let Some(child) = state.child.take() {
            child.kill().await;
        }
        state.told = false;
        let mut target = self.prepared.start(self.path.as_deref(), &self.launch).await?;
        on_its_port(&target, self.port)?;
        state.pids.extend(target.info.pid);
        state.child = target.child.take();
        Ok(())
    }

    /// How the target ended, if nobody has asked it to.
    pub async fn died(&self) -> Option<ExitStatus> {
        let mut state = self.state.lock().await;
        if state.told { None } else { state.child.as_mut()?.ended() }
    }

    /// Every process since the last [`fresh`](Self::fresh).
    pub async fn pids(&self) -> Vec<u32> {
        self.state.lock().await.pids.clone()
    }

    /// Ends what is left of it.
    pub async fn stop(&self) {
        if let Some(child) = self.state.lock().await.child.take() {
            child.kill().await;
        }
    }
}

/// Clients come back to where they were, so a target that is started again must be there.
fn on_its_port(target: &Target, port: u16) -> Result<(), Error> {
    if target.endpoint.address().port() == port {
        return Ok(());
    }
    let why =
        format!("the target was told PORT={port} and listens elsewhere, so no case can end it and start it again");
    Err(Error::Usage(why))
}

fn terminate(state: &mut State) -> Result<(), String> {
    state.told = true;
    let child = state.child.as_mut().ok_or("there is no server that runs")?;
    if let Some(status) = child.ended() {
        return Err(format!("the server had ended before it was asked to: {status}"));
    }
    child.terminate();
    Ok(())
}

/// Waits for the end. However a server ends that is told to, a signal other than that is none of its own making.
async fn ended(state: &mut State) -> Result<(), String> {
    let Some(child) = &mut state.child else { return Ok(()) };
    let status = child.wait().await;
    // A launcher may go ahead of what it has launched, which must not be met when the next one is started.
    child.sweep();
    state.child = None;
    match status.signal() {
        Some(signal) if signal != Signal::SIGTERM as i32 => {
            Err(format!("the server was to end, and ended with {status}"))
        }
        _ => Ok(()),
    }
}

/// A port on which nobody listens. Whoever is asked next gets another one.
pub(super) fn free_port() -> Option<u16> {
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    // Two programs at the same time begin at different places.
    let begin = (std::process::id() * 61) as u16;
    (0..TRIES).find_map(|_| {
        let number = begin.wrapping_add(NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let port = PORTS.start + number % (PORTS.end - PORTS.start);
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok().then_some(port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_and_differ() {
        let (one, other) = (free_port().unwrap(), free_port().unwrap());
        assert!(one != other && PORTS.contains(&one) && PORTS.contains(&other));
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, one)).unwrap();
        assert_eq!(taken.local_addr().unwrap().port(), one);
    }
}
