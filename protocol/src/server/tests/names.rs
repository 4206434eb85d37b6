//! Names and reasons that an application sees; Socket.IO's own (SIO-DC-08).

use super::super::{Reason, Transport};

#[test]
fn transports_are_named_as_in_the_query() {
    assert_eq!([Transport::Polling, Transport::WebSocket].map(Transport::name), ["polling", "websocket"]);
}

/// CSR-07: what ended by accident may be taken up again, what one of the two ends wanted may not.
#[test]
fn reasons_have_their_names_and_only_accidents_are_recovered() {
    for (reason, name, recoverable) in [
        (Reason::TransportClose, "transport close", true),
        (Reason::TransportError, "transport error", true),
        (Reason::PingTimeout, "ping timeout", true),
        (Reason::ParseError, "parse error", false),
        (Reason::ForcedServerClose, "forced server close", true),
        (Reason::ForcedClose, "forced close", true),
        (Reason::ClientNamespaceDisconnect, "client namespace disconnect", false),
        (Reason::ServerNamespaceDisconnect, "server namespace disconnect", false),
        (Reason::ServerShuttingDown, "server shutting down", true),
        (Reason::SlowReader, "slow reader", true),
    ] {
        assert_eq!((reason.as_str(), reason.is_recoverable()), (name, recoverable), "{reason:?}");
    }
}
