//! Rooms, with mistakes.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use sio_protocol::{Args, Frames};

use super::{Fault, Faults};
use crate::Socket;
use crate::adapter::{Adapter, Claim, Kept, Listing, Outgoing, Room, RoomEvent, RoomObserver, Selection};
use crate::lock::LockExt;

/// How late what is late comes.
const LATE: Duration = Duration::from_millis(40);
/// How old the recipients of a stale snapshot are.
const STALE: Duration = Duration::from_millis(50);
/// How old what a recovery does not find yet can be.
const NEWEST: Duration = Duration::from_millis(2);
/// From how many sockets in a namespace on `drop-over-n` drops.
const MANY: usize = 50;

/// An adapter around another one.
pub(crate) struct FaultyAdapter {
    inner: Arc<dyn Adapter>,
    nsp: String,
    faults: Faults,
    memory: Mutex<Memory>,
    /// A session is being restored right now.
    restoring: Arc<AtomicBool>,
    /// Who is told of rooms.
    observer: OnceLock<Arc<RoomObserver>>,
}

/// What some faults remember.
#[derive(Default)]
struct Memory {
    leaked: Vec<Room>,
    /// Memberships of sockets that are gone.
    ghosts: HashMap<String, Vec<Room>>,
    empty: BTreeSet<String>,
    snapshot: Option<(Instant, HashMap<String, Vec<String>>)>,
    pids: Vec<String>,
    /// Who went away and may come back, with its rooms.
    away: Vec<(Socket, Vec<Room>)>,
    /// Rooms that the next socket is put into.
    inherited: Vec<Room>,
    /// Who has left a room, and tells of no room since.
    forgetful: BTreeSet<String>,
    /// The last broadcast to rooms.
    last: Option<(Vec<Room>, Outgoing)>,
    /// Who was left out of the last broadcast as its sender.
    sender: Option<Room>,
    /// The last broadcast that is kept for recovery.
    newest: Option<(Instant, Selection)>,
}

impl FaultyAdapter {
    pub(super) fn new(inner: Arc<dyn Adapter>, nsp: String, faults: Faults) -> Self {
        Self { inner, nsp, faults, memory: Mutex::default(), restoring: Arc::default(), observer: OnceLock::new() }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock_unpoisoned()
    }

    fn hits(&self, fault: Fault) -> bool {
        self.faults.hits(fault)
    }

    fn later(&self, delay: Duration, act: impl FnOnce(&dyn Adapter) + Send + 'static) {
        let inner = self.inner.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            act(&*inner);
        });
    }

    /// Whether what was broadcast last is new and for this session.
    fn has_just_missed(&self, claim: &Claim) -> bool {
        let memory = self.memory();
        let Some((at, selection)) = &memory.newest else { return false };
        crate::session::now() < *at + NEWEST && selection.includes(&claim.kept.sid, &claim.kept.rooms)
    }

    fn is_socket(&self, room: &str) -> bool {
        !self.inner.socket_rooms(room).is_empty()
    }

    /// A room by the name it goes by here.
    fn named(&self, room: &Room) -> Room {
        if self.hits(Fault::RoomsFoldCase) && !self.is_socket(room) {
            return room.to_lowercase().into();
        }
        if self.hits(Fault::RoomsTrimmed) {
            return room.trim().into();
        }
        room.clone()
    }

    fn recipients(&self, selection: &Selection) -> Vec<Room> {
        let mut recipients = Vec::new();
        self.inner.for_each(selection, &mut |socket| recipients.push(socket.sid().clone()));
        recipients
    }

    /// What becomes of a selection; none if it selects nobody.
    fn select(&self, selection: &Selection) -> Option<Selection> {
        let mut selection = selection.clone();
        selection.rooms = selection.rooms.iter().map(|room| self.named(room)).collect();
        selection.except = selection.except.iter().map(|room| self.named(room)).collect();
        let original = selection.rooms.clone();
        for fault in self.faults.striking() {
            match fault {
                Fault::UnionFirstOnly => selection.rooms.truncate(1),
                Fault::EverybodyNobody if original.is_empty() => return None,
                Fault::SenderIncluded => selection.except_sid = None,
                Fault::SendersRoomExcluded => {
                    let sender = selection.except_sid.as_deref().unwrap_or_default();
                    let rooms = self.inner.socket_rooms(sender).into_iter().filter(|room| **room != *sender);
                    selection.except.extend(rooms);
                }
                Fault::ExceptIgnored => selection.except.clear(),
                Fault::ExceptFirstOnly => selection.except.truncate(1),
                Fault::ExceptSidsOnly => selection.except.retain(|room| self.is_socket(room)),
                Fault::ExceptRoomsOnly => selection.except.retain(|room| !self.is_socket(room)),
                Fault::ExceptEmpties if !selection.except.is_empty() => return None,
                Fault::OperatorLeak => {
                    let leaked = std::mem::replace(&mut self.memory().leaked, original.clone());
                    if !selection.rooms.is_empty() {
                        selection.rooms.extend(leaked);
                    }
                }
                Fault::EmptyRoomEverybody => {
                    let bare = Selection { rooms: selection.rooms.clone(), ..Selection::default() };
                    if self.recipients(&bare).is_empty() {
                        selection.rooms.clear();
                    }
                }
                _ => {}
            }
        }
        Some(selection)
    }

    /// Recipients that are no longer a matter of the selection alone; none if they are.
    fn hand_picked(&self, selection: &Selection) -> Option<Vec<Room>> {
        let mut picked: Option<Vec<Room>> = None;
        for fault in self.faults.striking() {
            match fault {
                Fault::UnionIntersect if selection.rooms.len() > 1 => {
                    let mut all = self.recipients(selection);
                    all.retain(|sid| {
                        let rooms = self.inner.socket_rooms(sid);
                        selection.rooms.iter().all(|room| rooms.contains(room))
                    });
                    picked = Some(all);
                }
                Fault::FirstMemberOnly if !selection.rooms.is_empty() => {
                    picked = Some(self.recipients(selection).into_iter().take(1).collect());
                }
                Fault::LastMemberMissed => {
                    let mut all = self.recipients(selection);
                    if all.len() > 1 {
                        all.pop();
                    }
                    picked = Some(all);
                }
                Fault::RecoveredDeaf if !selection.rooms.is_empty() => picked = self.without_recovered(selection),
                Fault::StaleSnapshot if !selection.rooms.is_empty() => picked = Some(self.stale(selection)),
                Fault::DropOverN => {
                    let all = self.recipients(selection);
                    if self.inner.sids().len() > MANY {
                        picked = Some(all.into_iter().skip(1).collect());
                    }
                }
                _ => {}
            }
        }
        if self.faults.has(Fault::DropRate) {
            picked = Some(
                self.recipients(selection)
                    .into_iter()
                    .filter(|_| !self.faults.hits_delivery(Fault::DropRate))
                    .collect(),
            );
        }
        if self.faults.has(Fault::DupRate) {
            let twice =
                |sid: Room| if self.faults.hits_delivery(Fault::DupRate) { vec![sid.clone(), sid] } else { vec![sid] };
            picked = Some(self.recipients(selection).into_iter().flat_map(twice).collect());
        }
        picked
    }

    /// The recipients that never came back; none if nobody ever did.
    fn without_recovered(&self, selection: &Selection) -> Option<Vec<Room>> {
        let (mut others, mut any) = (Vec::new(), false);
        self.inner.for_each(selection, &mut |socket| {
            any |= socket.recovered();
            if !socket.recovered() {
                others.push(socket.sid().clone());
            }
        });
        any.then_some(others)
    }

    fn socket(&self, sid: &str) -> Option<Socket> {
        let mut found = None;
        let only = Selection { only: Some(sid.into()), ..Selection::default() };
        self.inner.for_each(&only, &mut |socket| found = Some(socket.clone()));
        found
    }

    /// Recipients as they were some time ago.
    fn stale(&self, selection: &Selection) -> Vec<Room> {
        let now = crate::session::now();
        let mut memory = self.memory();
        let fresh = || (now, self.inner.sids().into_iter().collect());
        let old = memory.snapshot.as_ref().is_none_or(|(at, _)| *at + STALE < now);
        let next = if old { Some(fresh()) } else { None };
        if next.is_some() {
            memory.snapshot = next;
        }
        let Some((_, sids)) = &memory.snapshot else { return Vec::new() };
        let rooms = |rooms: &[String]| rooms.iter().map(|room| Room::from(room.as_str())).collect::<Vec<_>>();
        let included = sids.iter().filter(|(sid, inside)| selection.includes(sid, &rooms(inside)));
        included.map(|(sid, _)| Room::from(sid.as_str())).collect()
    }

    fn send(&self, selection: &Selection, event: &Outgoing) {
        if self.hits(Fault::UnionDup) && selection.rooms.len() > 1 {
            for room in &selection.rooms {
                self.inner.broadcast(&Selection { rooms: vec![room.clone()], ..selection.clone() }, event);
            }
            return;
        }
        if self.hits(Fault::LastCopyShort) {
            return self.send_short(selection, event);
        }
        match self.hand_picked(selection) {
            None => self.inner.broadcast(selection, event),
            Some(picked) => {
                for sid in picked {
                    self.inner.broadcast(&Selection { only: Some(sid), ..Selection::default() }, event);
                }
            }
        }
    }

    /// The last of several recipients gets one argument less.
    fn send_short(&self, selection: &Selection, event: &Outgoing) {
        let recipients = self.recipients(selection);
        let short = Outgoing { args: without_last(&event.args), ..event.clone() };
        let last = recipients.len().checked_sub(1).filter(|last| *last > 0);
        for (place, sid) in recipients.into_iter().enumerate() {
            let event = if Some(place) == last { &short } else { event };
            self.inner.broadcast(&Selection { only: Some(sid), ..Selection::default() }, event);
        }
    }

    fn leak(&self, selection: &Selection, event: &Outgoing) {
        let others: Vec<_> = self.faults.adapters().values().filter_map(std::sync::Weak::upgrade).collect();
        for other in others.into_iter().filter(|other| other.nsp != self.nsp) {
            let event = Outgoing { nsp: other.nsp.as_str().into(), ..event.clone() };
            other.inner.broadcast(selection, &event);
        }
    }
}

/// Arguments without the last, if there are some besides the name. What has binary stays: its attachments would be too many.
fn without_last(args: &Args) -> Args {
    let Ok(serde_json::Value::Array(mut all)) = serde_json::from_str(args.json()) else { return args.clone() };
    if all.len() < 2 || !args.attachments().is_empty() {
        return args.clone();
    }
    all.pop();
    Args::from_json(serde_json::Value::Array(all).to_string(), Vec::new())
}

impl Adapter for FaultyAdapter {
    fn add_all(&self, socket: &Socket, rooms: &[Room]) {
        let own = rooms == [socket.sid().clone()];
        let mut rooms: Vec<Room> = rooms.iter().map(|room| self.named(room)).collect();
        for fault in self.faults.striking() {
            match fault {
                Fault::JoinNoop if !own => return,
                Fault::JoinLate if !own => {
                    let (socket, rooms) = (socket.clone(), rooms);
                    self.later(LATE, move |inner| inner.add_all(&socket, &rooms));
                    return;
                }
                Fault::JoinFirstOnly => rooms.truncate(1),
                Fault::JoinReplaces if !own => {
                    for room in self.inner.socket_rooms(socket.id()).iter().filter(|room| **room != *socket.sid()) {
                        self.inner.del(socket.id(), room);
                    }
                }
                Fault::FreshInherits | Fault::ReturnInherits if own => rooms.append(&mut self.memory().inherited),
                Fault::OwnRoomMissing => rooms.retain(|room| room != socket.sid()),
                Fault::JoinAfterEnd if socket.is_gone() => {
                    self.memory().ghosts.insert(socket.id().to_owned(), rooms.clone());
                }
                _ => {}
            }
        }
        for room in &rooms {
            self.memory().empty.remove(&**room);
        }
        self.inner.add_all(socket, &rooms);
        if !own && self.hits(Fault::JoinReplays) {
            let last = self.memory().last.clone();
            if let Some((_, event)) = last.filter(|(to, _)| to.iter().any(|room| rooms.contains(room))) {
                let only = Selection { only: Some(socket.sid().clone()), ..Selection::default() };
                self.inner.broadcast(&only, &event);
            }
        }
    }

    fn del(&self, sid: &str, room: &str) {
        let room = self.named(&room.into());
        for fault in self.faults.striking() {
            match fault {
                Fault::LeaveNoop => return,
                Fault::LeaveLate => {
                    let sid = sid.to_owned();
                    self.later(LATE, move |inner| inner.del(&sid, &room));
                    return;
                }
                Fault::LeaveAll => {
                    for room in self.inner.socket_rooms(sid).iter().filter(|room| ***room != *sid) {
                        self.inner.del(sid, room);
                    }
                }
                Fault::EmptyRoomKept => {
                    self.inner.del(sid, &room);
                    if !self.inner.rooms().contains_key(&*room) {
                        self.memory().empty.insert(room.to_string());
                    }
                }
                Fault::LeaveLingers => {
                    let (sid, room) = (sid.to_owned(), room.clone());
                    self.later(LATE, move |inner| inner.del(&sid, &room));
                }
                Fault::LeaveOfNoneCloses if !self.inner.socket_rooms(sid).contains(&room) => {
                    if let Some(socket) = self.socket(sid) {
                        socket.disconnect(true);
                    }
                }
                Fault::LeaveToldAgain if !self.inner.socket_rooms(sid).contains(&room) => {
                    if let Some(observer) = self.observer.get() {
                        observer(&RoomEvent::Leave(room.clone(), sid.into()));
                    }
                }
                Fault::RoomsForgotten => drop(self.memory().forgetful.insert(sid.to_owned())),
                _ => {}
            }
        }
        self.inner.del(sid, &room);
    }

    fn del_all(&self, sid: &str) {
        if self.hits(Fault::RoomsNotCleaned) {
            let rooms = self.inner.socket_rooms(sid);
            self.memory().ghosts.insert(sid.to_owned(), rooms);
        }
        if self.hits(Fault::ReturnInherits) {
            let rooms = self.inner.socket_rooms(sid);
            self.memory().inherited = rooms.into_iter().filter(|room| **room != *sid).collect();
        }
        if self.hits(Fault::DisconnectLate) {
            let sid = sid.to_owned();
            return self.later(LATE, move |inner| inner.del_all(&sid));
        }
        self.inner.del_all(sid);
    }

    fn broadcast(&self, selection: &Selection, event: &Outgoing) {
        if selection.only.is_some() {
            return self.inner.broadcast(selection, event);
        }
        let mut event = event.clone();
        for fault in self.faults.striking() {
            match fault {
                Fault::LocalNobody if event.flags.local => return,
                Fault::VolatileNever if event.flags.volatile => return,
                Fault::VolatileReliable => event.flags.volatile = false,
                Fault::VolatileTwice if event.flags.volatile => {
                    event.flags.volatile = false;
                    self.inner.broadcast(selection, &event);
                }
                _ => {}
            }
        }
        let Some(mut selection) = self.select(selection) else { return };
        if !event.args.attachments().is_empty() && self.hits(Fault::BinaryExceptIgnored) {
            selection.except.clear();
        }
        if self.hits(Fault::SenderStays) {
            let before = std::mem::replace(&mut self.memory().sender, selection.except_sid.clone());
            selection.except_sid = selection.except_sid.or(before);
        }
        if self.hits(Fault::JoinReplays) && !selection.rooms.is_empty() {
            self.memory().last = Some((selection.rooms.clone(), event.clone()));
        }
        let overtaken = selection.rooms.is_empty() && self.hits(Fault::ManyOvertaken);
        let delay = match (self.hits(Fault::AckBeforeWrite), self.hits(Fault::ReorderRate) || overtaken) {
            (true, _) => Some(LATE),
            (_, true) => Some(LATE / 4),
            _ => None,
        };
        if let Some(delay) = delay {
            let picked = selection.clone();
            return self.later(delay, move |inner| inner.broadcast(&picked, &event));
        }
        if self.faults.has(Fault::RestoreMissesNewest) && !event.flags.volatile {
            self.memory().newest = Some((crate::session::now(), selection.clone()));
        }
        self.send(&selection, &event);
        if self.hits(Fault::NspLeak) {
            self.leak(&selection, &event);
        }
    }

    fn for_each(&self, selection: &Selection, visit: &mut dyn FnMut(&Socket)) {
        let Some(mut selection) = self.select(selection) else { return };
        if self.hits(Fault::SelectAll) {
            selection.rooms.clear();
        }
        if self.hits(Fault::SelectIgnoresExcept) {
            selection.except.clear();
        }
        let mut sockets = Vec::new();
        self.inner.for_each(&selection, &mut |socket| sockets.push(socket.clone()));
        if let Some(picked) = self.hand_picked(&selection) {
            sockets.retain(|socket| picked.contains(socket.sid()));
        }
        if self.hits(Fault::AwayFetched) {
            let memory = self.memory();
            let away = memory.away.iter().filter(|(socket, rooms)| selection.includes(socket.sid(), rooms));
            sockets.extend(away.map(|(socket, _)| socket.clone()));
        }
        if self.hits(Fault::SelectMissesOne) {
            sockets.pop();
        }
        if self.hits(Fault::SelectTwice) {
            sockets.extend(sockets.clone());
        }
        sockets.iter().for_each(visit);
    }

    fn socket_rooms(&self, sid: &str) -> Vec<Room> {
        if self.memory().forgetful.contains(sid) {
            return Vec::new();
        }
        self.inner.socket_rooms(sid)
    }

    fn rooms(&self) -> Listing {
        let mut rooms = self.inner.rooms();
        let memory = self.memory();
        for (sid, ghosts) in &memory.ghosts {
            for room in ghosts {
                rooms.entry(room.to_string()).or_default().push(sid.clone());
            }
        }
        for room in &memory.empty {
            rooms.entry(room.clone()).or_default();
        }
        rooms
    }

    fn sids(&self) -> Listing {
        let mut sids = self.inner.sids();
        for (sid, ghosts) in &self.memory().ghosts {
            sids.insert(sid.clone(), ghosts.iter().map(ToString::to_string).collect());
        }
        sids
    }

    fn broadcast_at(&self, selection: &Selection, event: &Outgoing, offset: Option<&str>) {
        self.inner.broadcast_at(selection, event, offset);
    }

    fn claim_from(&self, pid: &str, kept: Kept, offset: Option<&str>) -> Option<Claim> {
        self.inner.claim_from(pid, kept, offset)
    }

    fn has_room(&self, room: &str) -> bool {
        self.inner.has_room(room)
    }

    fn on_room_event(&self, observer: RoomObserver) {
        let (faults, restoring) = (self.faults.clone(), self.restoring.clone());
        let observer = Arc::new(observer);
        let _ = self.observer.set(observer.clone());
        self.inner.on_room_event(Box::new(move |event| {
            if restoring.load(Ordering::Relaxed) && faults.hits(Fault::RestoreUntold) {
                return;
            }
            let untold = match event {
                RoomEvent::Create(_) => Fault::CreateUntold,
                RoomEvent::Join(..) => Fault::JoinUntold,
                RoomEvent::Leave(..) => Fault::LeaveUntold,
                RoomEvent::Delete(_) => Fault::DeleteUntold,
            };
            if faults.hits(untold) || matches!(event, RoomEvent::Delete(_)) && faults.hits(Fault::EmptyRoomKept) {
                return;
            }
            if matches!(event, RoomEvent::Join(..)) && faults.hits(Fault::JoinToldTwice) {
                observer(event);
            }
            observer(event);
        }));
    }

    fn persist(&self, socket: &Socket) {
        if socket.recovered() && self.hits(Fault::RecoverOnce) {
            return self.inner.del_all(socket.id());
        }
        let rooms = self.inner.socket_rooms(socket.id());
        let mut memory = self.memory();
        memory.pids.extend(socket.pid().map(str::to_owned));
        memory.inherited = rooms.iter().filter(|room| *room != socket.sid()).cloned().collect();
        memory.away.push((socket.clone(), rooms));
        drop(memory);
        self.inner.persist(socket);
    }

    fn claim(&self, pid: &str, offset: &str) -> Option<Claim> {
        if self.hits(Fault::RecoverNever) {
            return None;
        }
        let mut claim = self.inner.claim(pid, offset);
        if claim.is_none() && self.hits(Fault::RecoverAnybody) {
            let pids = self.memory().pids.clone();
            claim = pids.iter().rev().find_map(|pid| self.inner.claim(pid, offset));
        }
        let mut claim = claim?;
        if self.hits(Fault::RecoverTwice) {
            self.inner.give_back(&claim);
        }
        if self.hits(Fault::RecoverRooms) {
            claim.kept.rooms = vec![claim.kept.sid.clone()];
            claim.kept.stays = crate::adapter::RoomHistory::default();
        }
        if self.hits(Fault::RecoverData) {
            claim.kept.data = serde_json::json!({});
        }
        if self.hits(Fault::RecoverSid) {
            claim.kept.sid = crate::server::new_id().into();
        }
        Some(claim)
    }

    fn restore(&self, socket: &Socket, claim: &Claim, accept: &mut dyn FnMut(&[Frames]) -> bool) -> bool {
        let just_missed = self.has_just_missed(claim);
        self.restoring.store(true, Ordering::Relaxed);
        let restored = self.inner.restore(socket, claim, &mut |missed| {
            let mut missed = missed.to_vec();
            for fault in self.faults.striking() {
                match fault {
                    Fault::RestoreMissesNewest if just_missed => drop(missed.pop()),
                    Fault::RecoverGap => drop(missed.pop()),
                    Fault::RecoverDup => missed.extend(missed.first().cloned()),
                    Fault::RecoverOrder => missed.reverse(),
                    Fault::RecoverWithoutAttachments => {
                        missed = missed.iter().map(|frames| frames.iter().take(1).cloned().collect()).collect();
                    }
                    Fault::RecoverConnectFirst => {
                        let accepted = accept(&[]);
                        for frames in &missed {
                            socket.send_frames(frames, true);
                        }
                        return accepted;
                    }
                    _ => {}
                }
            }
            accept(&missed)
        });
        self.restoring.store(false, Ordering::Relaxed);
        restored
    }

    fn catch_up(&self, claim: &mut Claim) -> bool {
        self.inner.catch_up(claim)
    }

    fn give_back(&self, claim: &Claim) {
        self.inner.give_back(claim);
    }

    fn let_go(&self, claim: &Claim) {
        self.inner.let_go(claim);
    }
}
