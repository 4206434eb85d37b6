//! What is violated when something fails that the case is not about: getting in, a newcomer, an answer that only says that
//! something was done. Such a failure is told as one of its own row.

/// A polling session begins with an open packet.
pub(super) const HANDSHAKE: &str = "EIO-HS-01";
/// So does a WebSocket.
pub(super) const OPEN: &str = "EIO-HS-04";
/// A probe is answered, and the session moves.
pub(super) const UPGRADE: &str = "EIO-UP-01";
/// CONNECT is answered, in the main namespace and in others.
const CONNECT: &str = "SIO-CN-01";
const CONNECT_ELSEWHERE: &str = "SIO-CN-04";
/// What the application says at once arrives.
pub(super) const GREETING: &str = "SIO-CN-20";
/// An acknowledgement comes.
pub(super) const ACK: &str = "SIO-AK-01";

/// The row of a CONNECT.
pub(super) fn connect(nsp: &str) -> &'static str {
    if nsp == "/" { CONNECT } else { CONNECT_ELSEWHERE }
}

/// Whether a case about one row is about another as well: both are of one area.
pub(super) fn are_kin(one: &str, other: &str) -> bool {
    let area = |row: &str| row.rsplit_once('-').map(|(area, _)| area.to_owned());
    area(one) == area(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conform::Register;

    #[test]
    fn every_row_is_in_the_register() {
        let register = Register::load().unwrap();
        for row in [HANDSHAKE, OPEN, UPGRADE, CONNECT, CONNECT_ELSEWHERE, GREETING, ACK] {
            assert!(register.requirements.contains_key(row), "{row}");
        }
    }

    #[test]
    fn rows_of_one_area_are_kin() {
        assert!(are_kin("SIO-CN-01", "SIO-CN-20") && are_kin("RM-01", "RM-23"));
        assert!(!are_kin("SIO-CN-01", "SIO-AK-01") && !are_kin("EIO-UP-05", "EIO-HS-01"));
    }
}
