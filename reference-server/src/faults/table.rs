//! The faults, one row each.

/// Which part of the server a fault is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// Rooms and broadcast, in the adapter.
    Rooms,
    /// Connection state recovery.
    Recovery,
    /// Acknowledgements.
    Acks,
    /// Arguments and attachments.
    Payload,
    /// Namespaces and the life of a socket.
    Namespaces,
    /// Sessions, transports, upgrade and heartbeat.
    Engine,
    /// HTTP requests and answers.
    Http,
    /// Engine.IO 3 and MessagePack.
    Dialects,
    /// What nodes tell each other; a server that is alone cannot show it.
    Cluster,
}

impl Layer {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 9] = [
        Self::Rooms,
        Self::Recovery,
        Self::Acks,
        Self::Payload,
        Self::Namespaces,
        Self::Engine,
        Self::Http,
        Self::Dialects,
        Self::Cluster,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rooms => "rooms",
            Self::Recovery => "recovery",
            Self::Acks => "acks",
            Self::Payload => "payload",
            Self::Namespaces => "namespaces",
            Self::Engine => "engine",
            Self::Http => "http",
            Self::Dialects => "dialects",
            Self::Cluster => "cluster",
        }
    }

    /// Beginnings of the rows in which its faults are looked for first.
    pub fn rows(self) -> &'static [&'static str] {
        match self {
            Self::Rooms => &["RM-", "UT-", "AE-", "MD-", "ORD-"],
            Self::Recovery => &["CSR-", "ADM-"],
            Self::Acks => &["SIO-AK-", "ADM-", "MD-", "SIO-BN-"],
            Self::Payload => &["SIO-EV-", "SIO-BN-", "SIO-MF-", "EIO-PL-", "EIO-WS-", "ORD-"],
            Self::Namespaces => &["ADM-", "SIO-CN-", "SIO-DC-", "NS-", "MW-", "RM-", "AE-", "ORD-", "SIO-EV-"],
            Self::Engine => &["EIO-HS-", "EIO-HB-", "EIO-PL-", "EIO-WS-", "EIO-UP-", "EIO-CL-", "END-", "TLS-"],
            Self::Http => &["EIO-HS-", "EIO-HD-", "EIO-PL-", "EIO-CL-"],
            Self::Dialects => &["EIO-V3-", "MP-"],
            Self::Cluster => &["CL-", "RW-"],
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What the code calls it.
    pub fault: Fault,
    /// A short id, such as `B01`.
    pub id: &'static str,
    /// A name, such as `union-dup`.
    pub name: &'static str,
    /// Where it is.
    pub layer: Layer,
    /// What the server does wrong.
    pub summary: &'static str,
    /// The row or invariant that it violates, then others that are violated with it; a trailing `-` stands for a whole
    /// area, in which it does damage that says little about what is wrong.
    pub noticed: &'static [&'static str],
    /// Where such a bug really occurred, if it did.
    pub seen: Option<&'static str>,
}

macro_rules! faults {
    ($($layer:ident { $($fault:ident $id:literal $name:literal $summary:literal [$($noticed:literal)*] $($seen:literal)?;)* })*) => {
        /// Something that the server does wrong on purpose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the table says what each does")]
        pub enum Fault { $($($fault,)*)* }

        /// Every fault.
        pub const TABLE: &[Row] = &[$($(Row {
            fault: Fault::$fault,
            id: $id,
            name: $name,
            layer: Layer::$layer,
            summary: $summary,
            noticed: &[$($noticed),*],
            seen: faults!(@seen $($seen)?),
        },)*)*];
    };
    (@seen) => { None };
    (@seen $seen:literal) => { Some($seen) };
}

faults! {
    Rooms {
        UnionDup "B01" "union-dup" "a socket in two of the targeted rooms receives twice" ["RM-03" "I1" "RM-" "MD-11" "ORD-"] "socketioxide#813";
        UnionFirstOnly "B02" "union-first-only" "only the first room of a union is served" ["RM-03" "I6" "RM-" "UT-" "MD-"];
        UnionIntersect "B03" "union-intersect" "a union is taken for an intersection" ["RM-03" "I6" "RM-" "UT-" "MD-"];
        EverybodyNobody "B04" "everybody-nobody" "a broadcast without rooms reaches nobody" ["RM-09" "I6" "RM-" "MD-" "UT-" "NS-" "ORD-" "SIO-" "MW-"];
        SenderIncluded "B05" "sender-included" "socket.to reaches its sender" ["RM-06" "I2" "RM-" "MD-"] "socketioxide#138";
        SendersRoomExcluded "B06" "senders-room-excluded" "whoever shares a room with the sender is excluded with it" ["RM-06" "I6" "RM-" "MD-" "ORD-"];
        ExceptIgnored "B07" "except-ignored" "except has no effect" ["RM-05" "I3" "RM-" "MD-11" "UT-"] "socket.io 94e27cd";
        ExceptFirstOnly "B08" "except-first-only" "only the first excepted room counts" ["RM-05" "I3" "RM-"];
        ExceptSidsOnly "B09" "except-sids-only" "except takes ids of sockets and no rooms" ["RM-05" "I3" "RM-" "MD-11" "UT-"];
        ExceptRoomsOnly "B10" "except-rooms-only" "except takes rooms and no ids of sockets" ["RM-05" "I3" "RM-" "UT-"];
        ExceptEmpties "B11" "except-empties" "a broadcast with an exception reaches nobody" ["RM-05" "I6" "RM-" "MD-11" "UT-"];
        OperatorLeak "B12" "operator-leak" "the rooms of one broadcast are added to the next" ["RM-20" "I3" "RM-" "MD-" "UT-" "NS-" "ORD-" "SIO-" "MW-"] "socket.io ac9e8ca";
        NspLeak "B13" "nsp-leak" "a broadcast reaches the same room in other namespaces" ["RM-10" "I4" "RM-11" "NS-09" "NS-10" "RM-" "NS-"];
        FirstMemberOnly "B14" "first-member-only" "only the first member of each room is served" ["RM-01" "I6" "RM-" "UT-" "MD-" "ORD-"];
        LastMemberMissed "B15" "last-member-missed" "the last of several recipients is left out" ["RM-01" "I6" "RM-" "MD-" "UT-" "NS-" "ORD-"];
        EmptyRoomEverybody "B16" "empty-room-everybody" "a broadcast to an empty room reaches everybody" ["RM-18" "I3" "RM-" "UT-" "MD-"];
        JoinNoop "B17" "join-noop" "a join is acknowledged and not done" ["RM-01" "I6" "RM-" "AE-" "UT-" "MD-" "ORD-"];
        JoinLate "B18" "join-late" "a join takes effect after its acknowledgement" ["RM-01" "I6" "RM-" "AE-" "UT-" "MD-"];
        JoinFirstOnly "B19" "join-first-only" "of several rooms in one join only the first is joined" ["RM-13" "I6" "RM-" "AE-" "UT-"];
        JoinReplaces "B20" "join-replaces" "a join leaves the rooms that were joined before" ["RM-01" "I6" "RM-" "AE-" "UT-" "MD-"];
        LeaveNoop "B21" "leave-noop" "a leave is acknowledged and not done" ["RM-02" "I3" "RM-" "AE-" "UT-"];
        LeaveLate "B22" "leave-late" "a leave takes effect after its acknowledgement" ["RM-02" "I3" "UT-07" "RM-" "AE-" "UT-"];
        LeaveAll "B23" "leave-all" "leaving one room leaves all" ["RM-02" "I6" "RM-" "AE-" "UT-"];
        RoomsNotCleaned "B24" "rooms-not-cleaned" "a disconnect leaves memberships behind" ["RM-14" "I14" "RM-" "AE-" "UT-"];
        EmptyRoomKept "B25" "empty-room-kept" "a room stays when its last member leaves" ["RM-14" "I14" "RM-" "AE-"];
        OwnRoomMissing "B26" "own-room-missing" "a socket is not in the room named like its id" ["RM-08" "I8" "RM-" "AE-" "UT-" "SIO-DC-06"];
        DropRate "B27" "drop" "a delivery of a broadcast is lost" ["RM-01" "I6" "RM-" "ORD-" "MD-" "UT-" "NS-" "SIO-" "EIO-"];
        DupRate "B28" "dup" "a delivery of a broadcast is made twice" ["RM-01" "I1" "RM-" "ORD-" "MD-" "NS-" "SIO-" "EIO-"];
        ReorderRate "B29" "reorder" "a broadcast is overtaken by what is sent after it" ["ORD-02" "I5" "I6" "RM-" "ORD-" "MD-" "UT-" "NS-" "SIO-" "EIO-" "AE-"];
        AckBeforeWrite "B30" "ack-before-write" "a broadcast returns ahead of being queued" ["ORD-04" "I6" "RM-" "ORD-" "MD-" "UT-" "NS-" "SIO-" "EIO-"];
        DropOverN "B31" "drop-over-n" "deliveries are lost once fifty sockets are in a namespace" ["I6"];
        StaleSnapshot "B32" "stale-snapshot" "recipients are those of fifty milliseconds ago" ["RM-22" "I6" "I3" "RM-" "UT-" "MD-" "ORD-" "AE-"];
        RoomsFoldCase "B33" "rooms-fold-case" "names of rooms that differ in case are one room" ["RM-19" "I3" "RM-"];
        RoomsTrimmed "B34" "rooms-trimmed" "names of rooms lose white space at their ends" ["RM-19" "I3" "RM-"];
        CreateUntold "B35" "create-untold" "the adapter does not tell of new rooms" ["AE-01" "AE-02" "AE-" "I14"];
        JoinUntold "B36" "join-untold" "the adapter does not tell of joins" ["AE-01" "AE-02" "I14" "AE-06" "AE-"];
        LeaveUntold "B37" "leave-untold" "the adapter does not tell of leaves" ["AE-03" "I14" "CSR-14" "AE-"];
        DeleteUntold "B38" "delete-untold" "the adapter does not tell of rooms that end" ["AE-03" "AE-" "I14" "RM-14"];
        JoinToldTwice "B39" "join-told-twice" "the adapter tells of a join twice" ["AE-02" "AE-" "I14"];
        SelectTwice "B40" "select-twice" "fetchSockets lists sockets twice" ["UT-01" "I17" "UT-" "MD-" "RM-"];
        SelectMissesOne "B41" "select-misses-one" "fetchSockets leaves one socket out" ["UT-01" "I17" "UT-02" "UT-" "MD-"];
        SelectAll "B42" "select-all" "fetchSockets and its like ignore the rooms" ["UT-01" "I17" "UT-03" "UT-05" "RM-04" "UT-" "MD-"];
        SelectIgnoresExcept "B43" "select-ignores-except" "fetchSockets and its like ignore exceptions" ["UT-01" "I17" "UT-" "MD-11"];
        VolatileReliable "B44" "volatile-reliable" "volatile events are kept like the others" ["MD-02" "CSR-02" "MD-04" "MD-16" "MD-"];
        VolatileNever "B45" "volatile-never" "volatile events are always lost" ["MD-01" "I13" "MD-" "ORD-"];
        VolatileTwice "B46" "volatile-twice" "volatile events are sent twice" ["MD-01" "I1" "MD-" "ORD-"];
        LocalNobody "B47" "local-nobody" "a broadcast that stays on this node reaches nobody" ["MD-05" "I6" "MD-"];
        DisconnectLate "B48" "disconnect-leaves-late" "rooms are left only some time after the disconnect" ["RM-14" "RM-" "AE-" "I9" "I17" "UT-" "SIO-DC-" "NS-"];
        ManyOvertaken "B50" "many-overtaken" "broadcasts to a whole namespace are overtaken by what is sent after them" ["ORD-08" "I5" "I6" "RM-" "ORD-" "MD-" "UT-" "NS-" "SIO-"];
        JoinAfterEnd "B49" "join-after-disconnect" "a late join puts a dead socket back" ["RM-15" "RM-14" "I14" "RM-"] "socket.io 18f3fda";
        RecipientsTorn "B51" "recipients-torn" "half of the recipients of a question are chosen some time after the others" ["I16" "I5c"];
        LeaveLingers "B60" "leave-lingers" "a leave takes a join of the same room along that follows within forty milliseconds" ["RM-01" "I6" "RM-" "ORD-"] "python-socketio#17";
        LeaveOfNoneCloses "B61" "leave-of-none-closes" "who leaves a room that it is not in is thrown out" ["RM-12" "RM-16" "RM-" "AE-" "UT-"] "socket.io-adapter#74";
        RoomsForgotten "B62" "rooms-forgotten" "who has left one room is in no room by its own account, though broadcasts reach it" ["RM-16" "RM-12" "RM-" "UT-" "AE-"] "netty-socketio#370";
        DisconnectLastOnly "B63" "disconnect-last-only" "disconnectSockets puts out only the last of several" ["UT-04" "UT-08" "UT-"] "netty-socketio#680";
        LeaveToldAgain "B64" "leave-told-again" "the adapter tells of a leave of a room that one was not in" ["AE-05" "AE-" "I14"];
        BinaryExceptIgnored "B65" "binary-except-ignored" "a broadcast with binary reaches those that it excludes" ["MD-14" "I3" "MD-" "RM-"];
        LastCopyShort "B66" "last-copy-short" "of several recipients the last one gets a broadcast without its last argument" ["RM-21" "I15" "RM-" "MD-" "UT-" "NS-" "ORD-"];
        ReturnInherits "B67" "return-inherits" "who comes next is put into the rooms of who has left last" ["RM-17" "RM-14" "RM-" "I9" "I17" "UT-" "AE-" "SIO-DC-" "NS-" "MD-" "ORD-"];
        JoinReplays "B68" "join-replays" "who joins a room gets the last broadcast to it once more" ["ORD-03" "I3" "I1" "RM-" "ORD-" "MD-" "UT-" "NS-" "AE-"];
        SenderStays "B69" "sender-stays" "who is left out as the sender of one broadcast is left out of the next as well" ["MD-07" "I6" "MD-" "RM-" "ORD-" "NS-"];
    }
    Recovery {
        RecoverNever "R01" "recover-never" "no session is ever recovered" ["CSR-03" "CSR-"];
        RecoverGap "R02" "recover-gap" "the last packet that was missed is not sent" ["CSR-03" "I11" "CSR-"] "socket.io 4.8.4 beside a slow middleware";
        RecoverDup "R03" "recover-dup" "the first packet that was missed is sent twice" ["CSR-03" "I11" "CSR-"];
        RecoverOrder "R04" "recover-order" "what was missed comes in reverse" ["CSR-03" "I11" "CSR-"];
        RecoverRooms "R05" "recover-rooms" "rooms are not restored" ["CSR-04" "I11" "CSR-"];
        RecoverData "R06" "recover-data" "data is not restored" ["CSR-04" "CSR-"];
        RecoverSid "R07" "recover-new-sid" "the socket comes back with another id" ["CSR-03" "CSR-"];
        RecoverExpired "R08" "recover-expired" "a session is recovered after its time" ["CSR-06" "CSR-"];
        RecoverAnybody "R09" "recover-anybody" "any private id recovers somebody's session" ["CSR-06" "CSR-09" "CSR-"];
        RecoverTwice "R10" "recover-twice" "a session can be recovered more than once" ["CSR-09" "CSR-"];
        RecoverLeft "R11" "recover-left" "who left on purpose can recover" ["CSR-07" "CSR-"];
        PidIsSid "R12" "pid-is-sid" "the private id is the public one" ["CSR-01" "CSR-"];
        OffsetMissing "R13" "offset-missing" "events carry no offset" ["CSR-02" "CSR-"];
        RecoverConnectFirst "R14" "recover-connect-first" "the CONNECT comes ahead of what was missed" ["CSR-03" "CSR-"];
        PidOpensDoors "R16" "pid-opens-doors" "any private id skips the middlewares" ["ADM-09" "ADM-"];
        AwayFetched "R17" "away-fetched" "who is away is still fetched and moved" ["CSR-13" "CSR-"];
        FreshInherits "R18" "fresh-inherits" "who comes fresh is put into the rooms of who went away" ["CSR-15" "CSR-"];
        MiddlewaresAlwaysSkipped "R19" "recover-always-skips" "middlewares are skipped on recovery although they are to run" ["CSR-08" "CSR-17" "CSR-"];
        RecoverMiddlewares "R15" "recover-runs-middlewares" "middlewares run although they are to be skipped" ["CSR-08" "CSR-"];
        RestoreMissesNewest "R20" "restore-misses-newest" "what is sent just ahead of a recovery is lost" ["I11"];
        RestoreUntold "R21" "restore-untold" "the adapter does not tell of the rooms that a recovered session comes back into" ["I14"];
        RecoverOnce "R30" "recover-once" "a session that was recovered is not recovered again" ["CSR-05" "CSR-" "I11"] "socket.io#4880";
        RecoveredDeaf "R31" "recovered-deaf" "broadcasts to rooms do not reach recovered sockets" ["CSR-04" "CSR-" "I6"] "socket.io#4810";
        RecoverWithoutAttachments "R32" "recover-without-attachments" "binary that was missed comes without its attachments" ["CSR-10" "CSR-" "I15"];
        OddPidUnanswered "R33" "odd-pid-unanswered" "a CONNECT whose private id is no string is never answered" ["CSR-11" "CSR-"];
    }
    Acks {
        AckTwice "A01" "ack-twice" "an acknowledgement is sent twice" ["SIO-AK-04" "I7" "SIO-AK-" "MD-" "SIO-EV-" "SIO-BN-"];
        AckMissing "A02" "ack-missing" "acknowledgements are not sent" ["SIO-AK-01" "I7" "SIO-" "EIO-" "MD-" "RM-" "UT-" "NS-" "MW-" "ORD-" "CSR-" "AE-" "MP-"];
        AckWrongNamespace "A03" "ack-wrong-nsp" "an acknowledgement of a namespace is sent in the main one" ["SIO-AK-09" "I7" "SIO-" "RM-" "MD-" "NS-" "UT-" "ORD-" "MW-" "AE-" "CSR-" "EIO-"];
        AckMissingOnEmpty "A04" "ack-missing-on-empty" "there is no acknowledgement without values" ["SIO-AK-02" "I7" "SIO-AK-" "SIO-" "RM-" "MD-" "UT-" "NS-" "ORD-" "EIO-" "MW-" "CSR-" "AE-"];
        AckWrongId "A05" "ack-wrong-id" "an acknowledgement carries the next id" ["SIO-AK-01" "I7" "SIO-" "EIO-" "RM-" "MD-" "UT-" "NS-" "MW-" "ORD-" "CSR-" "AE-"];
        AckArgsLost "A06" "ack-args-lost" "acknowledgements lose their values" ["SIO-AK-01" "SIO-" "EIO-" "RM-" "MD-" "UT-" "NS-" "MW-" "ORD-" "CSR-" "AE-"];
        AckFirstArg "A07" "ack-first-arg-only" "acknowledgements keep only their first value" ["SIO-AK-01" "SIO-"];
        AckIdZero "A08" "ack-id-zero" "the id 0 counts as none" ["SIO-AK-03" "SIO-AK-" "SIO-" "MD-"];
        AckAsEvent "A09" "ack-as-event" "acknowledgements are sent as events" ["SIO-AK-01" "SIO-" "EIO-" "RM-" "MD-" "UT-" "NS-" "MW-" "ORD-" "CSR-" "AE-"];
        AckIdTruncated "A10" "ack-id-truncated" "ids lose what is over sixteen bits" ["SIO-AK-11" "SIO-AK-01" "SIO-AK-" "SIO-MF-23"];
        ClientAckIgnored "A11" "client-ack-ignored" "acknowledgements of clients are ignored" ["SIO-AK-10" "MD-08" "I7" "MD-" "SIO-AK-"];
        ClientAckAnyId "A12" "client-ack-any-id" "an acknowledgement of a client counts for the id behind its own as well" ["SIO-AK-05" "SIO-AK-06" "SIO-AK-" "MD-"];
        AcksOvertaken "A13" "acks-overtaken" "an acknowledgement is sent behind the next packet" ["ORD-04" "SIO-AK-" "ORD-" "SIO-" "RM-" "MD-" "UT-" "NS-" "MW-" "EIO-" "CSR-" "AE-"];
        QuestionsEndTogether "A16" "questions-end-together" "when one question of a socket ends, all its questions do" ["SIO-AK-12" "MD-15" "SIO-AK-" "MD-"];
        AckFromAnybody "A15" "ack-from-anybody" "an acknowledgement counts whoever sends it" ["ADM-08" "ADM-"];
        BinaryAckText "A14" "binary-ack-as-text" "a binary acknowledgement is written as a text one" ["SIO-AK-08" "SIO-AK-" "SIO-BN-" "MD-11"];
        AnswerForgotten "A17" "answer-forgotten" "a question to a namespace that a pattern made lacks an answer" ["I7"];
        AnswersForgotten "A18" "answers-forgotten" "a question to more than three has no answers when its time is over" ["I7"];
        NobodyAwaited "A30" "nobody-awaited" "a question to nobody takes its whole time and fails" ["MD-10" "MD-" "I7"] "zishang520/socket.io d5cfa20";
        ForgottenAcked "A31" "forgotten-acked" "what the application does not acknowledge is acknowledged all the same" ["SIO-EV-07" "SIO-AK-" "SIO-EV-" "I7"] "python-socketio#824";
        LateAckCloses "A32" "late-ack-closes" "an acknowledgement that nobody waits for closes the connection" ["SIO-AK-05" "SIO-MF-13" "SIO-MF-21" "SIO-AK-" "MD-"] "netty-socketio 2.0.12";
        SameIdOnce "A33" "same-id-once" "a request is not answered that has the id of the one before it in another namespace" ["SIO-AK-07"];
        SilenceSpoilsAnswers "A34" "silence-spoils-answers" "when one of those that are asked stays silent, the answers of the others are lost" ["MD-09" "MD-" "I7"];
    }
    Payload {
        PlaceholderOffByOne "P01" "placeholder-off-by-one" "placeholders count from one" ["SIO-BN-01" "I15" "SIO-BN-" "MD-" "RM-" "CSR-" "ORD-" "EIO-" "SIO-AK-" "SIO-EV-"];
        AttachmentsReversed "P02" "attachments-reversed" "attachments come in reverse" ["SIO-BN-01" "I15" "SIO-BN-" "RM-" "MD-"];
        AttachmentDropped "P03" "attachment-dropped" "the last attachment is not sent" ["SIO-BN-01" "I15" "SIO-BN-" "MD-" "RM-" "CSR-" "ORD-" "EIO-" "SIO-AK-" "SIO-EV-"];
        AttachmentsInterleaved "P04" "attachments-interleaved" "another packet comes between a header and its attachments" ["SIO-BN-03" "I15" "SIO-BN-" "MD-" "RM-" "CSR-" "ORD-" "EIO-" "SIO-AK-" "SIO-EV-"] "python-socketio#37";
        AttachmentCount "P05" "attachment-count" "one attachment more is announced than sent" ["SIO-BN-01" "SIO-BN-" "MD-" "RM-" "CSR-" "ORD-" "EIO-" "SIO-AK-" "SIO-EV-"];
        AttachmentsUnbounded "P06" "attachments-unbounded" "any number of attachments may be announced" ["SIO-BN-11" "SIO-MF-20" "SIO-BN-" "SIO-MF-"] "socket.io-parser 3fff7ca";
        BytesCut "P07" "bytes-cut" "binary loses its last byte" ["SIO-BN-01" "I15" "SIO-BN-" "MD-" "RM-" "CSR-" "ORD-" "EIO-" "SIO-AK-" "SIO-EV-"];
        BinaryEmptyDropped "P08" "binary-empty-dropped" "empty attachments are not sent" ["SIO-BN-06" "EIO-PL-06" "SIO-BN-"];
        DashInJson "P09" "dash-in-json" "a dash in the payload is taken for a number of attachments" ["SIO-EV-05" "SIO-EV-" "SIO-" "RM-" "UT-" "MD-"] "python-socketio#675";
        SlashInJson "P10" "slash-in-json" "a slash at the start of an argument is taken for a namespace" ["SIO-EV-05" "SIO-EV-" "SIO-" "NS-"];
        ReservedEvent "P11" "reserved-event" "a client may send the events that the library raises" ["SIO-MF-07" "SIO-MF-"] "socket.io-parser d9db473";
        AstralMangled "P12" "astral-mangled" "characters beyond the basic plane become question marks" ["EIO-PL-22" "SIO-EV-03" "EIO-PL-" "SIO-EV-" "RM-19" "SIO-CN-"];
        LineSeparators "P13" "line-separators-lost" "U+2028 and U+2029 are lost" ["EIO-PL-22" "SIO-EV-03" "EIO-PL-" "SIO-EV-"];
        BigIntsRounded "P14" "big-ints-rounded" "integers over 2^53 are rounded" [];
        FloatsCut "P15" "floats-cut" "numbers lose what is behind the point" ["SIO-EV-03" "SIO-EV-" "SIO-"];
        NullsDropped "P16" "nulls-dropped" "arguments that are null are left out" ["SIO-EV-03" "SIO-" "RM-" "UT-" "MD-"];
        ArgsPadded "P17" "args-padded" "events without arguments get a null" ["SIO-EV-01" "SIO-" "RM-" "MD-" "EIO-"];
        ControlsLost "P18" "controls-lost" "escaped control characters are lost" ["EIO-PL-22" "SIO-EV-03" "EIO-PL-" "SIO-EV-"];
        LongStringsCut "P19" "long-strings-cut" "strings over sixty thousand characters are cut" ["SIO-EV-10" "SIO-EV-" "EIO-" "ORD-"];
        NumbersAsStrings "P20" "numbers-as-strings" "numbers become strings" ["SIO-EV-03" "SIO-" "RM-" "MD-" "UT-" "NS-" "MW-" "ORD-" "CSR-" "AE-" "EIO-"];
        EventNameFolded "P21" "event-name-folded" "names of events lose their case" ["SIO-EV-04" "SIO-EV-" "SIO-"];
        EventTwice "P22" "event-twice" "an event of a client is handled twice" ["ORD-01" "I7" "SIO-" "EIO-" "RM-" "MD-" "UT-" "NS-" "MW-" "ORD-" "CSR-" "AE-"];
        EventLost "P23" "event-lost" "every tenth event of a client is lost" ["ORD-01" "I7" "SIO-CN-20" "SIO-" "EIO-" "RM-" "MD-" "UT-" "NS-" "MW-" "ORD-" "CSR-" "AE-"];
        EventsSwapped "P24" "events-swapped" "events of a client that come together are handled in reverse" ["ORD-01" "SIO-EV-08" "EIO-PL-02" "SIO-" "EIO-" "ORD-" "RM-"];
        MalformedIgnored "P25" "malformed-ignored" "packets that are none are ignored" ["SIO-MF-01" "SIO-MF-05" "SIO-MF-06" "SIO-MF-09" "SIO-MF-10" "SIO-MF-14" "SIO-MF-22" "SIO-MF-" "EIO-" "SIO-"];
        EmptyStringNull "P26" "empty-string-null" "empty strings become null" ["SIO-EV-03" "SIO-" "RM-19"];
        ClientBinaryLost "P27" "client-binary-cut" "binary of clients loses its first byte" ["SIO-BN-01" "I15" "SIO-BN-" "MD-" "EIO-" "SIO-" "ORD-" "CSR-" "RM-"];
        QuotesLost "P28" "quotes-lost" "escaped quotes are lost" ["SIO-EV-03" "EIO-PL-22" "SIO-" "EIO-"];
        SpellingExact "P30" "spelling-exact" "packets whose JSON is not spelled as Node spells it are lost" ["SIO-EV-12" "SIO-CN-24" "SIO-AK-13" "SIO-BN-17" "CSR-16" "EIO-PL-22" "SIO-"];
        MainNamespaceNamed "P29" "main-namespace-named" "packets of the main namespace name it" ["SIO-EV-02" "SIO-" "EIO-" "RM-" "MD-" "UT-" "NS-" "MW-" "ORD-" "CSR-" "AE-"];
        NamespaceAheadOfCount "P40" "namespace-ahead-of-count" "a binary packet names its namespace ahead of the number of attachments" ["SIO-BN-02" "SIO-BN-" "I15"] "socketioxide 0.5.1";
        PlaceholderAny "P41" "placeholder-any" "a placeholder that points nowhere stands for the first attachment" ["SIO-MF-19" "SIO-BN-10" "SIO-BN-" "SIO-MF-"] "socket.io-parser fb21e42";
        AttachmentsMixed "P42" "attachments-mixed" "attachments of two clients that send at once are mixed up" ["SIO-BN-01" "SIO-BN-" "I15"] "Flask-SocketIO#385";
        VolatileHeaderOnly "P43" "volatile-header-only" "a volatile event with binary leaves without its attachments" ["MD-03" "MD-" "SIO-BN-" "I15"] "socket.io-adapter 88eee59";
        Base64Four "P44" "base64-four" "binary in a POST whose base64 begins with a 4 loses its first byte" ["EIO-PL-04" "EIO-PL-" "I15"] "engineioxide 0.17.4";
        MsgpackBinaryKind "P45" "msgpack-binary-kind" "in MessagePack, an event with binary has the type of a binary one" ["MP-02" "MP-"] "python-socketio#811";
        BusyInterleaved "P46" "busy-interleaved" "when more than twelve frames leave together, an event comes between a header and its attachments" ["SIO-BN-03" "SIO-BN-" "I15" "ORD-"] "socketioxide#232";
        BusySwapped "P47" "busy-swapped" "when more than sixteen frames leave together, two events change places" ["ORD-01" "ORD-" "I5"] "zishang520/socket.io#116";
        NoAttachmentsWedge "P48" "no-attachments-wedge" "nothing is heard behind a header that announces no attachments" ["SIO-BN-12" "SIO-MF-16"];
        StrayHeaderWedges "P49" "stray-header-wedges" "nothing is heard behind a binary header ahead of CONNECT" ["SIO-BN-13"];
        PayloadNoArray "P50" "payload-no-array" "an event whose payload is no array is ignored" ["SIO-MF-02" "SIO-MF-"];
        PayloadMissing "P51" "payload-missing" "an event without a payload is ignored" ["SIO-MF-03" "SIO-MF-"];
        AckIdAny "P52" "ack-id-any" "an event with an id that is no number is ignored" ["SIO-MF-04" "SIO-MF-"];
        NumberNameRefused "P53" "number-name-refused" "an event whose name is a number closes the connection" ["SIO-EV-06"];
        NestingWedges "P54" "nesting-wedges" "nothing is heard behind a packet that is nested a thousand deep" ["SIO-MF-24"];
        LongNameUnanswered "P55" "long-name-unanswered" "a CONNECT is never answered whose namespace has a name of more than 64 KiB" ["SIO-MF-25"];
        StrayAttachmentIgnored "P56" "stray-attachment-ignored" "an attachment without a header is ignored" ["SIO-BN-09" "SIO-MF-18" "SIO-BN-" "SIO-MF-"];
        TextEndsAttachments "P57" "text-ends-attachments" "a text where an attachment is due is taken, and the header ahead of it forgotten" ["SIO-BN-08" "SIO-MF-17" "SIO-BN-" "SIO-MF-"];
        PongEndsAttachments "P58" "pong-ends-attachments" "a header is forgotten when a pong comes ahead of its attachment" ["SIO-BN-04" "SIO-BN-"];
        PlaceholdersInOrder "P59" "placeholders-in-order" "the placeholders of a client count in the order in which they stand, whatever their numbers" ["SIO-BN-05" "I15" "SIO-BN-"];
        PlaceholderInText "P60" "placeholder-in-text" "what looks like a placeholder in a text packet becomes null" ["SIO-BN-15" "SIO-BN-"];
        TenTooMany "P61" "ten-too-many" "a packet with ten attachments is refused" ["SIO-BN-18" "SIO-BN-"];
        CountMalformedIgnored "P62" "count-malformed-ignored" "a binary packet whose number of attachments is none is ignored" ["SIO-MF-15" "SIO-MF-"];
    }
    Namespaces {
        NspStripped "N01" "nsp-stripped" "events of a namespace are sent without it" ["SIO-EV-02" "I4" "SIO-" "RM-" "MD-" "UT-" "NS-" "MW-" "ORD-" "CSR-" "AE-" "EIO-"];
        DynamicWins "N02" "dynamic-wins" "a pattern wins over a namespace that exists" ["NS-05" "I10" "NS-"];
        PatternsReversed "N03" "patterns-reversed" "the last pattern that matches decides" ["NS-04" "I10" "NS-" "MW-"];
        DynamicRace "N04" "dynamic-race" "every client of a dynamic namespace gets a child of its own" ["NS-08" "I6" "NS-" "RM-" "MD-" "UT-" "ORD-" "AE-" "CSR-" "SIO-"] "socket.io#4137";
        ChildKept "N05" "child-kept" "empty children are kept although clean-up is on" ["NS-11" "NS-"] "socket.io#4773";
        ChildDropped "N06" "child-dropped" "empty children are let go although clean-up is off" ["NS-12" "NS-"];
        UnknownAccepted "N07" "unknown-nsp-accepted" "any namespace may be joined" ["SIO-CN-05" "NS-02" "SIO-CN-" "NS-"];
        MiddlewaresSkipped "N08" "middlewares-skipped" "middlewares are not asked" ["MW-01" "SIO-CN-13" "MW-" "SIO-CN-" "NS-" "RM-16"];
        RefusalIgnored "N10" "refusal-ignored" "who is refused comes in all the same" ["SIO-CN-13" "MW-02" "MW-" "SIO-CN-" "RM-16" "SIO-DC-07"];
        RefusalDataLost "N11" "refusal-data-lost" "refusals lose their data" ["MW-03" "SIO-CN-13" "MW-" "SIO-CN-"];
        RefusalText "N12" "refusal-text" "a refusal is a bare text" ["SIO-CN-14" "SIO-CN-" "MW-" "NS-"];
        EventBeforeConnect "N13" "event-before-connect" "what is sent in the connect handler comes ahead of CONNECT" ["SIO-CN-18" "I12" "SIO-" "NS-" "EIO-" "RM-" "MW-" "ORD-"];
        SecondConnectIgnored "N14" "second-connect-ignored" "a second CONNECT is ignored" ["SIO-CN-08" "SIO-CN-"];
        SecondConnectAgain "N15" "second-connect-answered" "a second CONNECT is answered again" ["SIO-CN-08" "SIO-CN-21" "SIO-CN-"] "socketioxide#801";
        ConnectWithoutSid "N16" "connect-without-sid" "the answer to CONNECT has no id" ["SIO-CN-01" "SIO-" "EIO-" "RM-" "MD-" "UT-" "NS-" "MW-" "ORD-" "CSR-" "AE-"];
        SidIsSession "N17" "sid-is-session" "the id of a socket is that of its session" ["SIO-CN-02" "I18" "SIO-CN-" "SIO-" "RM-" "AE-" "UT-"];
        AuthLost "N18" "auth-lost" "the payload of CONNECT is lost" ["SIO-CN-03" "SIO-CN-" "NS-" "MW-" "CSR-" "RM-16"];
        ConnectPayloadAny "N19" "connect-payload-any" "a CONNECT may carry anything" ["SIO-CN-15" "SIO-MF-08" "SIO-CN-" "SIO-MF-"];
        StrayEventIgnored "N20" "stray-event-ignored" "events for a namespace that was not joined are ignored" ["SIO-CN-09" "SIO-CN-10" "SIO-MF-11" "SIO-CN-" "SIO-MF-" "SIO-"];
        DisconnectIgnored "N21" "disconnect-ignored" "a DISCONNECT of a client is ignored" ["SIO-DC-02" "SIO-DC-" "SIO-" "RM-" "AE-" "NS-" "MD-" "CSR-"];
        DisconnectAnswered "N22" "disconnect-answered" "a DISCONNECT of a client is answered" ["SIO-DC-01" "SIO-DC-" "SIO-"];
        DisconnectUntold "N23" "disconnect-untold" "a client that is put out is not told" ["SIO-DC-03" "SIO-DC-" "UT-04" "UT-" "EIO-CL-" "CSR-"];
        DisconnectCloses "N24" "disconnect-closes" "leaving one namespace closes the connection" ["SIO-DC-02" "SIO-DC-01" "SIO-DC-" "SIO-" "RM-" "AE-" "NS-" "MD-" "CSR-" "MW-" "ORD-" "EIO-"];
        ReasonWrong "N25" "reason-wrong" "every disconnect is a transport error" ["SIO-DC-08" "EIO-HB-11" "SIO-DC-" "EIO-" "MW-" "SIO-" "CSR-" "RM-" "ORD-"];
        NamesFolded "N26" "nsp-names-folded" "names of namespaces lose their case" ["SIO-CN-19" "SIO-CN-" "NS-"];
        DisconnectingLate "N27" "disconnecting-late" "rooms are left ahead of the disconnecting event" ["SIO-DC-06" "SIO-DC-" "AE-04"];
        ConnectTwiceTold "N29" "connection-told-twice" "the connect handlers run twice" ["SIO-CN-25" "SIO-CN-" "SIO-" "MW-" "RM-" "NS-" "MD-" "UT-" "ORD-" "EIO-" "CSR-" "AE-"];
        EarlyEventsKept "N31" "early-events-kept" "what comes ahead of the answer to CONNECT is kept and handled behind it" ["SIO-CN-11" "ADM-01" "ADM-" "SIO-CN-"];
        PendingHeard "N32" "pending-heard" "events are handled while a middleware decides" ["ADM-01" "ADM-03" "SIO-CN-11" "ADM-" "SIO-CN-"] "netty-socketio";
        RefusedHeard "N33" "refused-heard" "who was refused is heard all the same" ["ADM-02" "ADM-03" "ADM-"];
        PendingReached "N34" "pending-reached" "broadcasts reach who waits for the answer to CONNECT" ["ADM-04" "SIO-CN-18" "ADM-"];
        StrangerHeard "N35" "stranger-heard" "an event for a namespace joins it" ["ADM-05" "SIO-CN-09" "SIO-CN-10" "ADM-" "SIO-CN-" "SIO-MF-"];
        LeftHeard "N36" "left-heard" "who has left is heard all the same" ["ADM-07" "SIO-EV-09" "ADM-"];
        HandshakeLost "N37" "handshake-lost" "the query of the first request does not reach the application" ["SIO-CN-23" "SIO-CN-"];
        ChildOfOthersCleaned "N38" "child-of-others-cleaned" "clean-up lets go of a child when anybody leaves it" ["NS-14" "NS-"];
        RefusedStays "N30" "refused-stays" "a refused socket stays in the rooms of its middleware" ["RM-16" "RM-" "AE-"];
        CloseTellsOne "N50" "close-tells-one" "of the namespaces of a connection that ends only one is told" ["SIO-DC-05" "SIO-DC-" "RM-" "I9" "I14" "UT-"] "python-socketio#456";
        FailedEntryStays "N51" "failed-entry-stays" "whose connection ends while a middleware decides stays in its room" ["RM-16" "MW-" "RM-" "I14"] "socketioxide#627";
        PendingFetched "N52" "pending-fetched" "fetchSockets lists who is not let in yet" ["ADM-03" "ADM-" "UT-" "MW-"] "socket.io 02b0f73";
        LeavingStopsComing "N53" "leaving-stops-coming" "who leaves one namespace is never let into another that is deciding" ["SIO-DC-02" "SIO-CN-" "SIO-DC-" "MW-"] "socket.io#1862";
        RefusedThenClosed "N54" "refused-then-closed" "who was refused once is closed when the time for a CONNECT is over, whatever it has joined since" ["SIO-CN-12" "SIO-CN-" "MW-"] "socket.io#3720";
        TrailingCommaWanted "N55" "trailing-comma-wanted" "CONNECT of a custom namespace is heard with a comma behind it only" ["SIO-CN-04"];
        MainForAll "N56" "main-for-all" "who joins a custom namespace is in the main one, too" ["SIO-CN-06" "SIO-CN-"];
        LeftForGood "N57" "left-for-good" "who has left a namespace is not let in again on that connection" ["SIO-CN-17" "SIO-CN-" "SIO-DC-"];
        RefusedForGood "N58" "refused-for-good" "who was refused once is refused again on that connection, whatever is asked" ["ADM-06" "ADM-" "MW-" "NS-"];
        LastNamespaceHeard "N59" "last-namespace-heard" "events are heard in the namespace that was joined last only" ["SIO-CN-07" "SIO-" "NS-"];
        ClientErrorIgnored "N60" "client-error-ignored" "a CONNECT_ERROR of a client is ignored" ["SIO-CN-16" "SIO-MF-12"];
        DecidingDeafens "N61" "deciding-deafens" "events are lost while a middleware of another namespace decides" ["MW-04" "MW-" "SIO-CN-"];
        GoneConnects "N62" "gone-connects" "whose connection ends while a middleware decides is told to the application as connected" ["MW-05" "MW-"];
        MiddlewaresOfAll "N63" "middlewares-of-all" "the middlewares of all namespaces are asked" ["MW-06" "MW-"];
        RewriteLost "N64" "rewrite-lost" "what a socket's middleware has rewritten is lost" ["MW-10" "MW-12" "MW-"];
        RefusedEventAcked "N65" "refused-event-acked" "an event that a socket's middleware refuses is acknowledged" ["MW-11" "MW-" "I7"];
        FunctionWithoutAuth "N66" "function-without-auth" "a function that decides over a namespace is not shown what its client shows" ["NS-03" "NS-"];
        TenNamespaces "N67" "ten-namespaces" "a connection is let into ten namespaces, and into no more" ["NS-07" "NS-"];
    }
    Engine {
        UpgradeLoss "E01" "upgrade-loss" "what is queued at the upgrade is lost" ["EIO-UP-05" "EIO-UP-14" "I6" "EIO-UP-" "ORD-" "SIO-"];
        UpgradeOrder "E02" "upgrade-order" "what is queued at the upgrade comes in reverse" ["EIO-UP-14" "I5" "EIO-UP-" "ORD-" "SIO-"];
        UpgradeNoNoop "E03" "upgrade-no-noop" "a GET that is open at the probe is not released" ["EIO-UP-02" "EIO-UP-" "ORD-" "SIO-" "EIO-HB-10"] "engineioxide";
        ProbeUnanswered "E04" "probe-unanswered" "a probe is answered with a noop" ["EIO-UP-01" "EIO-UP-" "ORD-" "SIO-" "EIO-HB-10" "CSR-"];
        ProbeAnswerWrong "E05" "probe-answer-wrong" "a probe is answered without its word" ["EIO-UP-01" "EIO-UP-" "ORD-" "SIO-" "EIO-HB-10" "CSR-"];
        ProbeAny "E06" "probe-any" "any ping is taken for a probe" ["EIO-UP-10" "EIO-UP-"];
        UpgradeUnprobed "E07" "upgrade-unprobed" "an upgrade may be confirmed without a probe" ["EIO-UP-11" "EIO-UP-10" "EIO-UP-"];
        ProbeKeepsOpen "E08" "probe-never-expires" "a probe may take any time" ["EIO-UP-09" "EIO-UP-"];
        ProbeLossCloses "E09" "probe-loss-closes" "a probing WebSocket that is lost takes the session along" ["EIO-UP-12" "EIO-UP-" "SIO-"];
        UpgradeTwice "E10" "upgrade-twice" "an upgraded session takes another WebSocket" ["EIO-UP-07" "EIO-UP-08" "EIO-UP-"] "engine.io d5095fe";
        NoopAfterUpgrade "E11" "noop-after-upgrade" "a noop is sent on the WebSocket after the upgrade" ["EIO-UP-15" "EIO-UP-"];
        PongAnything "E12" "pong-anything" "any packet counts as a pong" ["EIO-HB-07" "EIO-HB-"] "engine.io 5359bae";
        PongIgnored "E13" "pong-ignored" "pongs are ignored" ["EIO-HB-02" "EIO-HB-" "EIO-UP-" "EIO-"];
        PingNever "E14" "ping-never" "there are no pings" ["EIO-HB-02" "EIO-HB-"];
        PingTimeoutNever "E15" "ping-timeout-never" "a peer that is silent is never closed" ["EIO-HB-04" "EIO-HB-06" "EIO-HB-" "EIO-UP-16" "SIO-DC-08" "EIO-"];
        PingWithData "E16" "ping-with-data" "pings carry a payload" ["EIO-HB-02" "EIO-HB-"];
        PingAnswered "E17" "client-ping-answered" "a ping of a client is answered" ["EIO-HB-08" "EIO-HB-" "EIO-"];
        PongPings "E18" "pong-pings" "a pong that nobody asked for brings a ping" ["EIO-HB-09" "EIO-HB-" "EIO-"] "bun-engine";
        PingHurried "E19" "ping-hurried" "pings come at half the interval that was announced" ["EIO-HB-03" "EIO-HB-01" "EIO-HB-"];
        PingTimeoutHurried "E20" "ping-timeout-hurried" "a client has a tenth of the time for its pong" ["EIO-HB-04" "EIO-HB-05" "EIO-HB-"];
        TwoGets "E21" "two-gets" "a second GET is refused and the session goes on" ["EIO-PL-08" "EIO-PL-" "EIO-"];
        TwoPosts "E22" "two-posts" "a second POST is refused and the session goes on" ["EIO-PL-09" "EIO-PL-" "EIO-"];
        GetAbortKept "E23" "get-abort-kept" "a GET that is dropped leaves the session alone" ["EIO-PL-10" "EIO-PL-" "EIO-" "SIO-"];
        PostAbortKept "E24" "post-abort-kept" "a POST that is dropped leaves the session alone" ["EIO-PL-11" "EIO-PL-" "EIO-"];
        Base64Prefix "E25" "base64-prefix" "binary over polling is written behind a B" ["EIO-PL-04" "I15" "EIO-PL-" "SIO-" "EIO-" "MD-" "CSR-" "RM-" "ORD-"] "engineioxide";
        Base64Unpadded "E26" "base64-unpadded" "base64 is written without padding" ["EIO-PL-05" "EIO-PL-" "SIO-BN-" "EIO-"];
        PollingReversed "E27" "polling-reversed" "packets of one GET come in reverse" ["EIO-PL-03" "I5" "EIO-" "SIO-" "ORD-" "RM-" "CSR-" "MD-" "UT-" "NS-" "MW-" "AE-"];
        CloseDropsQueue "E28" "close-drops-queue" "what is queued at a disconnect is dropped" ["EIO-CL-04" "EIO-CL-03" "I6" "EIO-CL-" "SIO-DC-" "UT-"] "engine.io a65a047";
        CloseIgnored "E29" "close-ignored" "a close packet is ignored" ["EIO-CL-01" "EIO-CL-02" "EIO-CL-" "SIO-DC-" "EIO-" "SIO-" "CSR-"];
        NoMaxPayload "E30" "open-no-max-payload" "the open packet does not say maxPayload" ["EIO-HS-02" "EIO-HS-" "EIO-"] "engine.io 6.1.3";
        UpgradesEmpty "E31" "open-no-upgrades" "the open packet offers no upgrade" ["EIO-HS-03" "EIO-HS-02" "EIO-HS-"];
        UpgradesAlways "E32" "open-upgrades-always" "the open packet offers an upgrade over WebSocket" ["EIO-HS-04" "EIO-HS-"];
        IntervalSeconds "E33" "interval-in-seconds" "the open packet gives the interval in seconds" ["EIO-HS-02" "EIO-HS-" "EIO-HB-" "EIO-"];
        MaxPayloadIgnored "E34" "max-payload-ignored" "anything may be larger than maxPayload" ["EIO-HS-20" "EIO-PL-12" "EIO-WS-04" "EIO-"];
        MaxPayloadTight "E35" "max-payload-tight" "a body of exactly maxPayload is refused" ["EIO-HS-20" "EIO-"];
        ConnectTimeoutNever "E36" "connect-timeout-never" "a connection that joins nothing stays open" ["SIO-CN-12" "SIO-CN-" "MW-08"];
        NoopFatal "E37" "noop-fatal" "a noop of a client closes the session" ["EIO-PL-23" "EIO-WS-10" "EIO-"];
        TextNotBase64 "E38" "text-b-is-text" "a text frame that begins with b is an error" ["EIO-WS-09" "EIO-WS-"];
        FramesJoined "E39" "frames-joined" "packets share a WebSocket frame" ["EIO-WS-01" "EIO-" "SIO-" "ORD-" "RM-" "MD-" "UT-" "NS-" "MW-" "CSR-" "AE-"];
        SendingIsPong "E41" "sending-is-pong" "whatever the server sends counts as a pong" ["EIO-HB-12" "EIO-HB-"];
        PingsEndWithUpgrade "E42" "pings-end-with-upgrade" "once there was a probe, there are no pings" ["EIO-HB-14" "EIO-HB-10" "EIO-HB-"];
        UpgradeUndone "E43" "upgrade-undone" "a completed upgrade is closed when the time for it is over" ["EIO-UP-18" "EIO-UP-"];
        HeldUntilPing "E44" "held-until-ping" "an event, and what follows it, leaves only with the next ping" ["RM-01" "RM-" "ORD-" "MD-" "UT-" "NS-" "SIO-" "EIO-" "AE-" "CSR-" "MW-" "ADM-"];
        BinaryPrefixed "E40" "binary-prefixed" "binary frames begin with a 4" ["EIO-WS-02" "I15" "EIO-WS-" "SIO-" "MD-" "RM-" "ORD-" "CSR-" "EIO-"];
        FirstPingTwice "E60" "first-ping-twice" "the first ping is sent twice" ["EIO-HB-02" "EIO-HB-01" "EIO-HB-"] "socketioxide#390";
        NoopOnce "E61" "noop-once" "only the first GET during an upgrade is released" ["EIO-UP-03" "EIO-UP-"] "python-engineio#160";
        BusyUpgradeRefused "E62" "busy-upgrade-refused" "an upgrade fails while packets are queued" ["EIO-UP-05" "EIO-UP-14" "EIO-UP-" "I6"] "python-engineio#16";
        SeparatorMissing "E63" "separator-missing" "a GET that waited gets its first two packets without a separator" ["EIO-PL-03" "EIO-PL-" "I6"] "engineioxide 0.17.4";
        CloseLeavesOpen "E64" "close-leaves-open" "the connection stays open when the application closes it" ["EIO-CL-03" "SIO-DC-04" "UT-04" "EIO-CL-" "SIO-DC-" "UT-"] "netty-socketio 1.7.9";
        WebSocketPingCloses "E65" "websocket-ping-closes" "a ping frame of the WebSocket closes the connection" ["EIO-WS-05" "EIO-WS-" "EIO-HB-"] "socketioxide#320";
        PostUnknownIgnored "E66" "post-unknown-ignored" "a packet of an unknown type in a POST is ignored" ["EIO-PL-17" "EIO-PL-"];
        FrameUnknownIgnored "E67" "frame-unknown-ignored" "a frame that is no packet is ignored" ["EIO-WS-03" "EIO-WS-"];
        PostsAfterUpgrade "E68" "posts-after-upgrade" "a POST of a session that has a WebSocket is processed" ["EIO-UP-06" "EIO-UP-"];
        EscapedSeparatorSplits "E69" "escaped-separator-splits" "an escaped record separator ends a packet of a POST" ["EIO-PL-21" "EIO-PL-22" "EIO-PL-"];
        LengthEdgeLost "E70" "length-edge-lost" "a frame is lost whose length is at an edge of how WebSocket writes lengths" ["EIO-WS-11" "EIO-WS-"];
        PostedTwice "E71" "posted-twice" "an event in a POST is taken twice" ["EIO-PL-01" "EIO-PL-" "SIO-" "ORD-"];
        TrailingSeparatorTaken "E72" "trailing-separator-taken" "a separator at the end of a body is passed over" ["EIO-PL-19"];
        PostsLostAtProbe "E73" "posts-lost-at-probe" "while a WebSocket probes, what comes over polling is lost" ["EIO-UP-04" "EIO-UP-14" "EIO-UP-" "ORD-"];
        BinaryApart "E74" "binary-apart" "over polling attachments come in another answer than their header" ["SIO-BN-07" "SIO-BN-" "EIO-PL-"];
        UnmaskedTaken "E75" "unmasked-taken" "a frame of a client is taken without its mask" ["EIO-WS-06" "EIO-WS-"];
        BehindHangs "E76" "behind-hangs" "a WebSocket hangs if bytes come right behind its upgrade request" ["EIO-WS-07" "EIO-WS-" "EIO-UP-"];
        TornRequestDeafens "E77" "torn-request-deafens" "for ten seconds after a request that broke off nobody is served" ["EIO-WS-08" "EIO-" "SIO-" "RM-" "MD-" "UT-" "NS-" "MW-" "ORD-" "CSR-" "AE-"];
        BacklogThinned "E78" "backlog-thinned" "of more than twenty frames that leave together one is lost" ["ORD-07" "ORD-05" "ORD-" "I6"];
        PostReleasesGet "E79" "post-releases-get" "a POST releases the GET that waits" ["EIO-PL-07" "EIO-PL-" "EIO-"];
        EmptyBodyWedges "E80" "empty-body-wedges" "nothing is heard behind a POST without a body" ["EIO-PL-16"];
        BehindBrokenTaken "E81" "behind-broken-taken" "of a POST with a packet that is none the others are taken, those behind it included" ["EIO-PL-18"];
        ProbeOutlives "E82" "probe-outlives" "a WebSocket that probes stays open when its session ends" ["EIO-UP-13" "EIO-UP-"];
        EndUntold "S01" "end-untold" "a server that ends drops its connections without a word" ["END-01" "END-"];
        EndWaits "S02" "end-waits" "a server that is told to end waits until everybody has left" ["END-02" "END-"];
        EndWelcomes "S03" "end-welcomes" "a server that ends lets new sessions in" ["END-03" "END-"];
        EndPutsOut "S05" "end-puts-out" "a server that ends puts everybody out of its namespaces, so that no client comes back by itself" ["END-08" "END-"];
        TlsPlainHangs "S06" "tls-plain-hangs" "who speaks without TLS to a port that has it is kept waiting" ["TLS-02" "TLS-"];
        TlsWithoutWebSocket "S07" "tls-without-websocket" "over TLS there are no WebSockets" ["TLS-01"];
        RestartDeaf "S08" "restart-deaf" "a server that is started again after an end in good order hears no events" ["END-04"];
        RestartRemembers "S09" "restart-remembers" "a session of the life before is taken for one of this" ["END-05"];
        KilledDeaf "S10" "killed-deaf" "a server that was killed hears no events when it is started again" ["END-06" "END-"];
        EndForgets "S04" "end-forgets" "a server that ends drops what its clients have not fetched" ["EIO-CL-06" "END-"];
    }
    Http {
        UnknownSidOpens "H01" "unknown-sid-opens" "an unknown sid opens a session" ["EIO-HS-12" "EIO-HS-13" "EIO-CL-05" "EIO-" "SIO-"] "socketioxide#815";
        UnknownSid404 "H02" "unknown-sid-404" "an unknown sid is answered with 404" ["EIO-HS-12" "EIO-HS-13" "EIO-" "SIO-"];
        TransportDefault "H03" "transport-default" "an unknown transport is taken for polling" ["EIO-HS-07" "EIO-HS-"];
        VersionAny "H04" "version-any" "any EIO is taken for 4" ["EIO-HS-05" "EIO-HS-06" "EIO-HS-" "EIO-V3-"];
        MethodAny "H05" "method-any" "a session may be opened by POST" ["EIO-HS-11" "EIO-HS-"];
        PathPrefix "H06" "path-prefix" "any path that begins like the engine's is the engine's" ["EIO-HS-17" "EIO-HS-"] "engineioxide";
        ErrorText "H07" "error-text" "errors are bare text" ["EIO-HD-04" "EIO-HD-" "EIO-HS-" "EIO-"];
        ErrorCodeMissing "H08" "error-code-missing" "errors have no code" ["EIO-HD-04" "EIO-HS-" "EIO-HD-" "EIO-"];
        Error200 "H09" "error-200" "errors are answered with 200" ["EIO-HS-05" "EIO-HS-" "EIO-" "SIO-"];
        GetType "H10" "get-type" "the answer to a GET says it is plain octets" ["EIO-HD-01" "EIO-HD-"];
        PostBody "H11" "post-body" "the answer to a POST is empty" ["EIO-HD-02" "EIO-HD-" "EIO-PL-"];
        Cacheable "H12" "cacheable" "answers may be cached" ["EIO-HD-03" "EIO-HD-"];
        CookieAlways "H13" "cookie-always" "a cookie is set without being configured" ["EIO-HD-05" "EIO-HD-"];
        CookieNever "H14" "cookie-never" "the cookie that is configured is not set" ["EIO-HD-05" "EIO-HD-"];
        CorsAlways "H15" "cors-reflected" "any origin is reflected" ["EIO-HD-06" "EIO-HD-07" "EIO-HD-"];
        CorsErrors "H16" "cors-not-on-errors" "errors carry no CORS headers" ["EIO-HD-08" "EIO-HD-"];
        PreflightRefused "H17" "preflight-refused" "preflights are answered with 405" ["EIO-HD-07" "EIO-HD-"];
        OctetsTaken "H18" "octets-taken" "a POST of octets is taken for text" ["EIO-PL-14" "EIO-PL-"];
        PutTaken "H19" "put-taken" "a PUT is taken for a POST" ["EIO-PL-20" "EIO-PL-" "EIO-HS-"];
        RefusalOverruled "H20" "refusal-overruled" "the application's refusal is not heeded" ["EIO-HS-19" "EIO-HS-"];
        CompressedNever "H21" "never-compressed" "long answers are not compressed" ["EIO-HD-09" "EIO-HD-" "MD-06"];
        JsonpIgnored "H22" "jsonp-ignored" "a JSONP request is answered like any other" ["EIO-HS-21" "EIO-HS-"];
        TooLarge404 "H23" "too-large-404" "a body that is too large is answered with 404" ["EIO-PL-12" "EIO-HS-20" "EIO-"];
        CorsPosts "H25" "cors-not-on-posts" "the answers to POSTs carry no CORS headers" ["EIO-HD-07" "EIO-HD-08" "EIO-HD-"];
        TransportsIgnored "H26" "transports-ignored" "both transports are served, whatever is chosen" ["EIO-HS-23" "EIO-HS-"];
        UpgradesIgnored "H27" "upgrades-ignored" "upgrades are offered although they are not allowed" ["EIO-HS-03" "EIO-HS-"];
        SlashWanted "H28" "slash-wanted" "the path needs a slash at its end although it is to have none" ["EIO-HS-24" "EIO-HS-"];
        EmptySidUnknown "H24" "empty-sid-unknown" "an empty sid counts as an unknown one" ["EIO-HS-14" "EIO-HS-"];
        RefusedWebSocketHangs "H40" "refused-websocket-hangs" "a WebSocket that is refused is never answered" ["EIO-HS-07" "EIO-HS-12" "EIO-HS-" "EIO-WS-" "EIO-HD-"] "engine.io 4360686";
        CookieRestores "H41" "cookie-restores" "a handshake with the cookie of a connection is taken for that connection" ["EIO-HD-05" "EIO-HS-" "EIO-HD-"] "netty-socketio 1.7.14";
        CorsDetailsLost "H30" "cors-details-lost" "of CORS only the origin and credentials are heeded" ["EIO-HD-13"];
        HostUnnamed "H31" "host-unnamed" "requests that name no host are served" ["EIO-HS-25"];
        WebSocketByAnyMethod "H29" "websocket-by-any-method" "a WebSocket is opened by any method" ["EIO-HS-22"];
        ParametersRefused "H42" "parameters-refused" "a parameter that the engine does not know is refused" ["EIO-HS-16" "EIO-HS-"];
        WebSocketAsPolling "H43" "websocket-as-polling" "transport=websocket without an upgrade is served over polling" ["EIO-HS-08" "EIO-HS-"];
        UpgradeOfPolling "H44" "upgrade-of-polling" "an upgrade request opens a session over WebSocket, whatever its transport" ["EIO-HS-09" "EIO-HS-"];
        WebTransportAsPolling "H45" "webtransport-as-polling" "transport=webtransport is served over polling" ["EIO-HS-10" "EIO-HS-"];
        BodyTypeWanted "H46" "body-type-wanted" "a POST is refused whose body is not said to be plain text" ["EIO-PL-15" "EIO-PL-" "EIO-"];
        DeflateAlways "H47" "deflate-always" "permessage-deflate is agreed to whenever a client offers it" ["EIO-HD-10" "EIO-HD-"];
    }
    Dialects {
        OldLengthsInBytes "V01" "eio3-lengths-in-bytes" "revision 3: the lengths in a payload count bytes" ["EIO-V3-01"];
        OldPingUnanswered "V02" "eio3-ping-unanswered" "revision 3: a ping of a client is not answered" ["EIO-V3-02" "EIO-V3-"];
        OldSidOther "V03" "eio3-sid-other" "revision 3: the id of a socket has nothing to do with its session's" ["EIO-V3-03"];
        OldBinaryBare "V04" "eio3-binary-bare" "revision 3: binary frames lack their first byte" ["EIO-V3-04" "EIO-V3-"];
        OldMalformedHangs "V05" "eio3-malformed-hangs" "revision 3: a malformed payload is never answered" ["EIO-V3-05"];
        OldProbeRefused "V06" "eio3-probe-refused" "revision 3: a probe is refused" ["EIO-V3-06" "EIO-V3-"];
        OldMaxPayloadIgnored "V07" "eio3-max-payload-ignored" "revision 3: a body may be larger than maxPayload" ["EIO-V3-07"];
        PackedSplit "M01" "msgpack-split" "MessagePack: a packet is sent in two frames" ["MP-01" "MP-"];
        PackedBinaryText "M02" "msgpack-binary-text" "MessagePack: binary is written as base64 in text" ["MP-02" "MP-"];
        PackedPrefix "M03" "msgpack-prefix" "MessagePack: over polling packets stand behind a B" ["MP-03" "MP-"];
        PackedTextIgnored "M04" "msgpack-text-ignored" "MessagePack: packets in text are ignored" ["MP-04"];
        PackedOddIgnored "M05" "msgpack-odd-ignored" "MessagePack: maps that are no packets are ignored" ["MP-05"];
        PackedReserved "M06" "msgpack-reserved" "MessagePack: a client may send the events that the library raises" ["MP-06"];
        PackedEdgeCut "M07" "msgpack-edge-cut" "MessagePack: text of 256 bytes loses the last of them" ["MP-07"];
    }
    Cluster {
        ClusterLost "C01" "cluster-lost" "a broadcast of another node does not reach a client, one time in ten" ["CL-01" "CL-02" "CL-03" "CL-05" "CL-11" "RW-01" "CL-"];
        ClusterDoubled "C02" "cluster-doubled" "a broadcast of another node reaches a client twice, one time in ten" ["CL-01" "CL-02" "CL-03" "CL-05" "CL-11" "RW-01" "CL-"];
        ClusterEcho "C03" "cluster-echo" "a node takes its own broadcasts for another's" ["CL-01" "RW-02" "CL-" "RW-"];
        ClusterExceptIgnored "C04" "cluster-except-ignored" "a broadcast of another node reaches those that it excludes" ["CL-01" "CL-02" "RW-01" "CL-"];
        ClusterNamesake "C05" "cluster-namesake" "broadcasts of a namespace reach those whose names begin like its name" ["CL-15" "RW-02" "CL-" "RW-"];
        ClusterAnswersTwice "C06" "cluster-answers-twice" "each request of another node is answered twice" ["CL-06" "CL-07" "CL-10" "RW-03" "CL-" "RW-"];
        ClusterGap "C07" "cluster-replay-gap" "who takes up on another node misses the last event that it has missed" ["CL-16" "CL-"];
        ClusterUnionFirst "C08" "cluster-union-first" "a broadcast of another node reaches the first of its rooms only" ["CL-01" "RW-01" "CL-"];
        ClusterLocalIgnored "C09" "cluster-local-ignored" "what is for one node only goes to all" ["CL-04" "CL-08" "CL-"];
        ClusterSideToItself "C10" "cluster-side-to-itself" "a server-side event reaches the node that has sent it as well" ["CL-10" "CL-"];
    }
}
