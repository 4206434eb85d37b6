//! What is measured of a load as a distribution. One row for each measure: whoever records, merges, judges or shows one reads it here.

/// Whether there is one distribution for each traffic, for each step of a flow, or one for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Traffic,
    Step,
    Run,
}

/// The phases that the figure of a whole run is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Those that are measured.
    Measured,
    /// All, the warm-up included: it comes when users do.
    All,
    /// It belongs to no phase.
    NoPhase,
}

/// What the numbers of a distribution count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Nanoseconds,
    Bytes,
}

/// Whom a measure says something of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Target,
    /// The target, by traffic that sio-bench sends for itself.
    Probe,
    /// sio-bench and this machine.
    Generator,
}

/// What is known of a measure.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// As thresholds, logs and records have it; of a traffic or a step without the name of that.
    pub name: &'static str,
    /// As tables for people have it.
    pub label: &'static str,
    pub scope: Scope,
    pub over: Over,
    pub unit: Unit,
    pub subject: Subject,
    /// Whether the receivers of each population are told apart.
    pub by_population: bool,
    /// Whether it is shown second by second, and ahead of others.
    pub is_main: bool,
    /// Whether a threshold can be about it.
    pub has_thresholds: bool,
}

/// One row.
const fn row(name: &'static str, label: &'static str, scope: Scope) -> Row {
    Row {
        name,
        label,
        scope,
        over: Over::Measured,
        unit: Unit::Nanoseconds,
        subject: Subject::Target,
        by_population: false,
        is_main: false,
        has_thresholds: true,
    }
}

macro_rules! measures {
    ($($(#[$doc:meta])* $measure:ident = $row:expr;)*) => {
        /// Which distribution of a load.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Measure {
            $($(#[$doc])* $measure,)*
        }

        impl Measure {
            /// Every measure, in the order of a report.
            pub const ALL: [Self; [$(Self::$measure),*].len()] = [$(Self::$measure),*];

            /// What is known of it.
            pub const fn row(self) -> Row {
                match self {
                    $(Self::$measure => $row,)*
                }
            }
        }
    };
}

use Scope::{Run, Step, Traffic};

measures! {
    /// Intended time to receipt.
    Delivery = Row { by_population: true, is_main: true, ..row("delivery", "delivery", Traffic) };
    /// Intended time to the first recipient.
    First = row("first", "first", Traffic);
    /// Intended time to the last recipient.
    Complete = row("complete", "complete", Traffic);
    /// Sending to receipt.
    Service = row("service", "service", Traffic);
    /// Intended time to the sender's acknowledgement.
    Ack = Row { is_main: true, ..row("ack", "ack", Traffic) };
    /// What a step of a flow took. Its name is the step's.
    Step = Row { is_main: true, ..row("", "", Step) };
    /// Intended time to the CONNECT reply; before any phase.
    Connect = Row { over: Over::NoPhase, is_main: true, ..row("connect", "connect", Run) };
    /// From a polling session to the WebSocket that carries it on.
    Upgrade = Row { over: Over::All, ..row("upgrade", "upgrade", Run) };
    /// From the loss of a connection to being in all rooms again; by the phase of the loss.
    Reconnect = row("reconnect", "reconnect", Run);
    /// Round trip of a fence.
    Fence = Row {
        over: Over::All,
        subject: Subject::Probe,
        has_thresholds: false,
        ..row("fence", "fence round trip", Run)
    };
    /// A cluster fence, from its sending to its arrival at a user of another server.
    Crossing = Row {
        over: Over::All,
        subject: Subject::Probe,
        has_thresholds: false,
        ..row("crossing", "crossing", Run)
    };
    /// Intended time to sending.
    Late = Row { subject: Subject::Generator, ..row("generator.late", "generator late", Run) };
    /// From the kernel's receipt of bytes to their being read.
    ReadDelay = Row { subject: Subject::Generator, ..row("generator.read_delay", "generator read delay", Run) };
    /// Bytes that one read took.
    RecvQueue = Row {
        subject: Subject::Generator,
        unit: Unit::Bytes,
        has_thresholds: false,
        ..row("generator.recv_queue", "generator recv queue", Run)
    };
}

impl Measure {
    /// As thresholds, logs and records have it; of a traffic or a step without the name of that.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// As tables for people have it.
    pub const fn label(self) -> &'static str {
        self.row().label
    }

    pub fn scope(self) -> Scope {
        self.row().scope
    }

    /// Those of a scope, in the order of a report.
    pub fn of(scope: Scope) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |measure| measure.scope() == scope)
    }

    /// Those of a traffic that are shown second by second; the first that was measured says the most.
    pub fn main_of_traffic() -> impl Iterator<Item = Self> {
        Self::of(Traffic).filter(|measure| measure.row().is_main)
    }

    /// The measure of a scope by its name.
    pub fn named(scope: Scope, name: &str) -> Option<Self> {
        Self::of(scope).find(|measure| measure.name() == name)
    }

    /// Its full name, where `of` is the name of the traffic or of the step.
    pub fn full_name(self, of: &str) -> String {
        match self.scope() {
            Traffic => format!("{of}.{}", self.name()),
            Step => of.to_owned(),
            Run => self.name().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_measure_has_its_place_and_a_name_of_its_own() {
        for (place, measure) in Measure::ALL.into_iter().enumerate() {
            assert_eq!(measure as usize, place, "arrays are indexed by it");
            assert_eq!(measure.name().is_empty(), measure.scope() == Step);
        }
        let names: HashSet<_> = Measure::ALL.into_iter().map(Measure::name).collect();
        assert_eq!(names.len(), Measure::ALL.len());
    }

    #[test]
    fn a_name_leads_back_to_its_measure() {
        assert_eq!(Measure::named(Traffic, "ack"), Some(Measure::Ack));
        assert_eq!(Measure::named(Run, "ack"), None, "a traffic's");
        assert_eq!(Measure::named(Run, "generator.late").map(Measure::label), Some("generator late"));
        assert_eq!(Measure::Delivery.full_name("tell"), "tell.delivery");
        assert_eq!(Measure::Step.full_name("first price"), "first price");
        assert_eq!(Measure::Fence.full_name(""), "fence");
    }
}
