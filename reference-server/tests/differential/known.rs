//! Where the official parsers and ours differ, and why. In each of these ours refuses what theirs take, or is more exact: the
//! protocol's text is on our side, and no client of theirs sends such a packet.

use serde_json::Value as Json;

/// A packet of which the two make different things.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) input: Json,
    pub(crate) ours: Json,
    pub(crate) theirs: Json,
}

impl Case {
    fn is(&self, kind: &str) -> bool {
        self.input["kind"] == kind
    }

    fn text(&self) -> &str {
        self.input["text"].as_str().unwrap_or_default()
    }

    /// Ours refuses it with such a text, and theirs does not.
    fn refused(&self, kind: &str, why: &str) -> bool {
        let error = self.ours["error"].as_str();
        self.is(kind) && self.theirs.get("error").is_none() && error.is_some_and(|error| error.contains(why))
    }
}

/// A difference that is meant.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) applies: fn(&Case) -> bool,
}

pub(crate) const KNOWN: &[Known] = &[
    // Buffer.from skips what is no base64.
    Known { name: "base64 with other characters in it", applies: is_lenient_base64 },
    // Number("") and Number(" ") are 0.
    Known {
        name: "a type that is no digit, such as none",
        applies: |case| {
            case.refused("json", "unknown Socket.IO packet type")
                && !case.text().starts_with(|c: char| c.is_ascii_digit())
        },
    },
    // The payload is only checked if there is one.
    Known {
        name: "an event or error without a payload",
        applies: |case| case.refused("json", "EOF while parsing") && case.theirs.get("data").is_none(),
    },
    // As in revision 4 of the protocol; only servers send it.
    Known {
        name: "an error that is a text",
        applies: |case| case.refused("json", "expected an object") && case.theirs["type"] == 4,
    },
    // Number("1\u{a0}") is 1: white space of JavaScript counts as a digit of an id.
    Known { name: "white space in or instead of an id", applies: has_white_space },
    Known {
        name: "a number of attachments that is not spelled in digits",
        applies: |case| case.refused("json", "no attachment count"),
    },
    // JavaScript answers with another id, as its numbers are not so exact.
    Known { name: "ids of 2^64 and more", applies: |case| case.refused("json", "id is too large") },
    Known { name: "ids of more than 2^53", applies: |case| case.ours["id"].as_u64().is_some_and(|id| id > 1 << 53) },
    // notepack.io replaces them.
    Known { name: "MessagePack texts that are not UTF-8", applies: |case| case.refused("binary", "not UTF-8") },
    // socket.io-msgpack-parser looks at no names.
    Known {
        name: "MessagePack events with a name that none may have",
        applies: |case| ["is reserved", "as event name", "an event name"].iter().any(|why| case.refused("binary", why)),
    },
    // JavaScript makes a text of any key; the packet's own fields are texts in every encoder.
    Known {
        name: "MessagePack keys that are no texts",
        applies: |case| ["instead of a key", "instead of a string"].iter().any(|why| case.refused("binary", why)),
    },
    // socket.io-msgpack-parser does not look at ids.
    Known {
        name: "MessagePack ids that are no whole numbers from 0 on",
        applies: |case| case.refused("binary", "instead of a whole number from 0 on"),
    },
    // notepack.io hands them to the application as a list of a number and bytes.
    Known {
        name: "MessagePack extensions of other types",
        applies: |case| case.refused("binary", "an extension of type"),
    },
    // As it is written, the byte is 0; notepack.io does not look at it.
    Known {
        name: "MessagePack `undefined` with another byte",
        applies: |case| case.refused("binary", "expected nothing, found \"null\"") && case.theirs.get("data").is_none(),
    },
    // They are invalid dates there, and null in JSON. Ours are milliseconds, which any number is.
    Known { name: "MessagePack dates that JavaScript does not have", applies: has_endless_date },
];

/// JavaScript's dates end 8.64e15 milliseconds before and after 1970.
fn has_endless_date(case: &Case) -> bool {
    const LAST: f64 = 8.64e15;
    let json = case.ours["json"].as_str().and_then(|json| serde_json::from_str::<Json>(json).ok()).unwrap_or_default();
    let pairs = json.as_array().into_iter().flatten().zip(case.theirs["data"].as_array().into_iter().flatten());
    let (mut endless, mut others) = (0, 0);
    for (ours, theirs) in pairs {
        let is_null = theirs.is_null() && !ours.is_null();
        let is_endless = ours.as_f64().is_some_and(|number| number.abs() > LAST);
        endless += usize::from(is_null && is_endless);
        others += usize::from(is_null && !is_endless);
    }
    case.is("binary") && endless > 0 && others == 0
}

fn is_lenient_base64(case: &Case) -> bool {
    let list = |of: &Json| of.as_array().cloned().unwrap_or_default();
    let (ours, theirs) = (list(&case.ours), list(&case.theirs));
    let last = ours.len().saturating_sub(1);
    case.is("engine")
        && ours.last().is_some_and(|last| last[0] == "error")
        && theirs.get(last).is_some_and(|it| it[0] == "binary")
}

fn has_white_space(case: &Case) -> bool {
    let is_white = |c: char| c.is_whitespace() || c == '\u{feff}';
    case.refused("json", "") && case.text().contains(is_white)
        || case.is("json")
            && case.ours["id"].is_null()
            && !case.theirs["id"].is_null()
            && case.text().contains(is_white)
}
