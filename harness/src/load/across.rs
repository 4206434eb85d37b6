//! What a worker does ahead of the phases and behind them where messages cross between servers: fences from every server to
//! the users of the others. Workers wait for one another, since a fence comes from whoever sends.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sio_oracle::board::UNKNOWN_NODE;

use super::handle::UserCommand;
use super::local::Local;
use crate::clock;

/// How often it is looked whether the other workers are ready.
const LOOK: Duration = Duration::from_millis(20);
/// So many users of each server make a fence to each target, ahead of the phases.
const FENCED_BY: u32 = 2;
/// Time for those fences: who has got none is uncertain for longer.
const LINK_LIMIT: Duration = Duration::from_secs(2);
/// Time for what is open at the end, besides what is waited for; and for each round in which everybody asks for what it lacks:
/// a fence may be lost like any message.
const SETTLE_LIMIT: Duration = Duration::from_secs(12);
const ROUND: Duration = Duration::from_secs(2);
/// In the first round there is nothing to be lost yet, only something under way.
const FIRST_ROUND: Duration = Duration::from_millis(500);
/// So much longer it may take if more fences are asked for than may be sent at once.
const MANY_FENCES_LIMIT: Duration = Duration::from_mins(1);
/// How often it is looked again where there are no fences.
const UNFENCED_ROUND: Duration = Duration::from_millis(250);

/// Shows that every server has been told of the joins, once all users of all workers are in their rooms.
pub(super) async fn link(local: &Rc<Local>, mine: &[u32]) {
    if !local.plan.is_cluster() {
        return;
    }
    all_workers(local, &local.shared.connected).await;
    if !local.stage.fence {
        return;
    }
    // Where nobody knows which server is another one, only time tells.
    let alive = |user: &&u32| local.mailboxes[user].alive.get();
    if mine.iter().filter(alive).any(|user| local.mailboxes[user].node.get() == UNKNOWN_NODE) {
        tokio::time::sleep(local.shared.cluster.told_after()).await;
    }
    for (user, links) in senders(local, mine) {
        let mailbox = &local.mailboxes[&user];
        *mailbox.links.borrow_mut() = links;
        mailbox.post(UserCommand::Link);
    }
    let linked = |local: &Local| mine.iter().filter(alive).all(|user| local.mailboxes[user].linked.get());
    let _ = tokio::time::timeout(LINK_LIMIT, local.wait_until(linked)).await;
}

/// Targets: a traffic and a room of it.
type Links = Vec<(usize, Option<u32>)>;

/// The users of this worker that make fences, and to which targets: of those who may send there, the first of each server.
fn senders(local: &Local, mine: &[u32]) -> Vec<(u32, Links)> {
    let plan = &local.plan;
    let mine: HashSet<u32> = mine.iter().copied().collect();
    // Behind one address nobody knows whether the first two are on one server.
    let most = if plan.nodes > 1 { FENCED_BY } else { 4 * FENCED_BY };
    let mut chosen: HashMap<(u32, u32), u32> = HashMap::new();
    let mut found = Vec::new();
    // Over all users, so that every worker comes to the same.
    for (number, user) in (0..).zip(&plan.users) {
        let mut links = Links::new();
        for (index, traffic) in
            plan.traffic.iter().enumerate().filter(|(_, traffic)| traffic.from == user.population && traffic.delivers)
        {
            match traffic.drawn {
                Some((first, count)) => {
                    let drawn = user.rooms.iter().filter(|room| (first..first + count).contains(*room));
                    links.extend(drawn.map(|room| (index, Some(*room))));
                }
                None => links.push((index, None)),
            }
        }
        links.retain(|(traffic, room)| {
            let times = chosen.entry((plan.stream(*traffic, *room, user.node), user.node)).or_default();
            *times += 1;
            *times <= most
        });
        if !links.is_empty() && mine.contains(&number) {
            found.push((number, links));
        }
    }
    found
}

/// Settles what is still open at the end: an answer of the own server says nothing of what others have yet to pass on.
pub(super) async fn settle(local: &Rc<Local>, mine: &[u32]) {
    if !local.plan.is_cluster() {
        return;
    }
    local.closing.set(true);
    let (workers, settled) = (local.shared.workers, &local.shared.settled);
    let mut counted = false;
    let mut round = if local.stage.fence { FIRST_ROUND } else { UNFENCED_ROUND };
    let end = clock::now() + local.shared.cluster.patience(local.stage.fence, SETTLE_LIMIT);
    loop {
        fence_again(local, mine);
        let all = async {
            loop {
                if !counted && is_settled(local, mine) {
                    counted = true;
                    settled.fetch_add(1, Ordering::AcqRel);
                }
                if settled.load(Ordering::Acquire) >= workers {
                    return;
                }
                send_what_is_needed(local, true);
                let _ = tokio::time::timeout(LOOK, local.ready.notified()).await;
            }
        };
        let is_over = |now| now >= end && (local.shared.needs.are_met() || now >= end + MANY_FENCES_LIMIT);
        if tokio::time::timeout(round, all).await.is_ok() || is_over(clock::now()) {
            return;
        }
        if local.stage.fence {
            round = ROUND;
            local.impatient.set(true);
        }
    }
}

/// Has those of this worker send the fences that somebody has asked for, as many as may be sent.
pub(super) fn send_what_is_needed(local: &Local, ending: bool) {
    let is_mine = |sender: u32| local.shared.is_of(sender.into(), local.number);
    for (sender, stream, seq) in local.shared.needs.due(local.now(), ending, is_mine) {
        let mailbox = &local.mailboxes[&sender];
        if mailbox.alive.get() {
            mailbox.post(UserCommand::Cross { stream, seq });
        }
    }
}

fn fence_again(local: &Local, mine: &[u32]) {
    let mailboxes = mine.iter().map(|user| &local.mailboxes[user]);
    for mailbox in mailboxes.filter(|mailbox| mailbox.alive.get() && !mailbox.given_up.get()) {
        mailbox.fences.set(mailbox.fences.get() + 1);
        mailbox.post(UserCommand::Fence { last: false });
    }
}

/// Whether no user that is there waits for anything.
fn is_settled(local: &Local, mine: &[u32]) -> bool {
    let end = local.window.borrow().end();
    let mut mailboxes = mine.iter().map(|user| &local.mailboxes[user]);
    mailboxes.all(|mailbox| !mailbox.alive.get() || mailbox.slow.get() || mailbox.oldest.get() >= end)
}

async fn all_workers(local: &Local, counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::AcqRel);
    while counter.load(Ordering::Acquire) < local.shared.workers {
        tokio::time::sleep(LOOK).await;
    }
}
