//! A user in one of its namespaces, across its sessions.

use sio_oracle::board::{Nanos, Receiver};

use super::journal::{Event, Place};
use super::local::Local;

/// A user in one of its namespaces; outlives the session, since the next one may recover it.
pub(super) struct NamespaceMembership {
    pub(super) namespace: String,
    /// Which of those of its population.
    pub(super) number: u16,
    /// What it is owed, and got.
    pub(super) account: Option<Receiver>,
    /// The account of a session that has been asked for and is not confirmed.
    pub(super) fresh: Option<Receiver>,
    /// By which the server knows the session; without recovery there is none.
    pub(super) pid: Option<String>,
    /// The last offset that was received.
    pub(super) offset: String,
    pub(super) confirmed: bool,
    /// The session is the one it was before.
    pub(super) recovered: bool,
}

impl NamespaceMembership {
    pub(super) fn new(namespace: &str, number: usize) -> Self {
        let namespace = namespace.to_owned();
        Self {
            namespace,
            number: number as u16,
            account: None,
            fresh: None,
            pid: None,
            offset: String::new(),
            confirmed: false,
            recovered: false,
        }
    }

    /// Whether the session could be recovered.
    pub(super) fn may_recover(&self) -> bool {
        self.pid.is_some() && !self.offset.is_empty() && self.account.is_some()
    }

    /// The session is over since `at`, for good; `quit` if that is the end of the run.
    pub(super) fn end(&mut self, local: &Local, user: u32, at: Nanos, quit: bool) {
        if let Some(mut account) = self.account.take() {
            local.journal.note(|| Event::Ended { place: self.place(user), at });
            let window = local.window.borrow();
            if local.plan.is_cluster() {
                account.end_across(at, quit, &*window, local.fates(user));
            } else {
                account.end(at, &*window, local.fates(user));
            }
        }
        self.fresh = None;
        self.pid = None;
        self.offset.clear();
    }

    /// The connection broke while the session was being opened. What was let in and is not in its rooms must not be
    /// asked back: it would never be.
    pub(super) fn opening_failed(&mut self, local: &Local, user: u32) {
        if std::mem::take(&mut self.confirmed) && !self.recovered {
            self.end(local, user, local.now(), false);
        }
        self.fresh = None;
    }

    /// Its name in a journal.
    pub(super) fn place(&self, user: u32) -> Place {
        Place { user, namespace: self.number }
    }

    /// Whether what comes now is for a session that has been asked for and is not confirmed.
    pub(super) fn is_fresh(&self) -> bool {
        !self.confirmed && self.account.is_none()
    }

    /// Where a delivery is judged. Ahead of the confirmation it can only belong to what the session was.
    pub(super) fn current(&mut self) -> Option<&mut Receiver> {
        if self.is_fresh() { self.fresh.as_mut() } else { self.account.as_mut() }
    }

    /// Notes the offset of what has arrived, if the session can be recovered: it stands behind the arguments, as the last
    /// of them, and is a string.
    pub(super) fn learn_offset(&mut self, json: &str) {
        let Some(inner) = json.strip_suffix("\"]").filter(|_| self.pid.is_some()) else { return };
        if let Some((before, last)) = inner.rsplit_once('"')
            && before.ends_with(',')
        {
            self.offset.clear();
            self.offset.push_str(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_the_last_string() {
        let mut place = NamespaceMembership::new("/", 0);
        place.learn_offset(r#"["msg","payload","z9.x"]"#);
        assert_eq!(place.offset, "", "nobody has said that it can be recovered");
        place.pid = Some("p".to_owned());
        place.learn_offset(r#"["msg","payload","z9.x"]"#);
        assert_eq!(place.offset, "z9.x");
        for nothing in [r#"["msg"]"#, r#"["msg",7]"#, r#"["msg",{"a":"b"}]"#, "[]", "x"] {
            place.learn_offset(nothing);
            assert_eq!(place.offset, "z9.x", "{nothing}");
        }
    }
}
