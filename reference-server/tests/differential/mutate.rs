//! Packets that are nearly right: good ones, changed at random.

use crate::unhex;

const SEPARATOR: &str = "\u{1e}";

/// Good and not so good packets of Socket.IO, to begin with.
const PACKETS: &[&str] = &[
    "0",
    "0{\"token\":\"x\"}",
    "0/admin,",
    "0/admin,{\"a\":[1,2.5,null]}",
    "1",
    "1/admin,",
    "2[\"a\"]",
    "2[\"a\",1,\"ü🙂\",{\"k\":[true,false]}]",
    "212[\"a\",-0.0,1e3,12345678901234567890]",
    "2/admin,7[\"a\",\"\\u0041\\ud800\"]",
    "2[5,\"number\"]",
    "2[\"disconnect\"]",
    "312[]",
    "3/admin,0[\"ok\",null]",
    "4{\"message\":\"no\"}",
    "4\"no\"",
    "51-[\"a\",{\"_placeholder\":true,\"num\":0}]",
    "52-/admin,3[\"a\",{\"_placeholder\":true,\"num\":1},[{\"_placeholder\":true,\"num\":0}]]",
    "61-12[{\"_placeholder\":true,\"num\":0}]",
    "51-[\"a\",{\"\\u005fplaceholder\":true,\"num\":0}]",
];

/// What is put into them.
const PIECES: &[&str] = &[
    "0",
    "1",
    "2",
    "5",
    "9",
    "-",
    "+",
    ".",
    "e",
    "E5",
    ",",
    "/",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "\\u005f",
    ":",
    " ",
    "\t",
    "\n",
    "\u{a0}",
    "\u{feff}",
    "null",
    "true",
    "false",
    "NaN",
    "_placeholder",
    "\"num\":",
    "\"__proto__\"",
    "1e999",
    "-0",
    "18446744073709551615",
    "18446744073709551616",
    "9007199254740993",
    "0x1",
    "\"\"",
    "\u{1e}",
    "b",
    "4",
    "ü",
    "🙂",
    "\u{0}",
    "[]",
    "{}",
    "\"connect\"",
    "[[[[",
    "]]]]",
];

/// The same in MessagePack, as hexadecimal digits: maps with type, nsp, data and id.
const MSGPACK: &[&str] = &[
    // {type:0,nsp:"/"}
    "82a474797065 00a36e7370a12f",
    // {type:0,data:{a:1},nsp:"/x"}
    "83a474797065 00a464617461 81a16101 a36e7370a22f78",
    // {type:1,nsp:"/"}
    "82a474797065 01a36e7370a12f",
    // {type:1,data:nil,nsp:"/"}
    "83a474797065 01a464617461 c0 a36e7370a12f",
    // {type:1,data:undefined,nsp:"/"}
    "83a474797065 01a464617461 d40000 a36e7370a12f",
    // {type:2,data:["a",1,-5,1.5,nil,true,bin(2),{"k":[…]}],nsp:"/",id:7}
    "84a474797065 02a464617461 98a16101fbcb3ff8000000000000c0c3c4020708 81a16b9101 a36e7370a12f a26964 07",
    // {type:2,data:["a",u64,i64,f32,date,ext],nsp:"/"}
    "83a474797065 02a464617461 96a161cfffffffffffffffffd3ffffffff00000000ca3f800000d70000000000000003e8d40000 a36e7370a12f",
    // {type:3,data:[],nsp:"/",id:0}
    "84a474797065 03a464617461 90 a36e7370a12f a26964 00",
    // {type:3,nsp:"/",id:1}
    "83a474797065 03a36e7370a12f a26964 01",
    // {type:4,data:{message:"no"},nsp:"/"}
    "83a474797065 04a464617461 81a76d657373616765a26e6f a36e7370a12f",
    // {type:2,data:["disconnect"],nsp:"/",options:{compress:true}}
    "84a474797065 02a464617461 91aa646973636f6e6e656374 a36e7370a12f a76f7074696f6e73 81a8636f6d7072657373c3",
];

/// The mark of an extension with a length of 32 bits as the one with 16. The official parser believes the length: of six bytes that
/// announce an `ArrayBuffer` of 3 GiB it makes one, and fills it byte by byte before it finds that there are none.
fn short(mark: u8) -> u8 {
    if mark == 0xc9 { 0xc8 } else { mark }
}

/// A stream of packets; the same from the same seed.
pub(crate) struct Mutator(u64);

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Splitmix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    /// The text of a packet, and some attachments in hexadecimal digits.
    pub(crate) fn packet(&mut self) -> (String, Vec<&'static str>) {
        let text = self.pick(PACKETS);
        let attachments = match self.below(4) {
            0 if text.starts_with(['5', '6']) => 0,
            _ if text.starts_with("52") => 2,
            _ if text.starts_with(['5', '6']) => 1,
            0 => 1,
            _ => 0,
        };
        (self.changed(text), ["0102", ""][..attachments].to_vec())
    }

    /// A payload of long-polling.
    pub(crate) fn payload(&mut self) -> String {
        let packets: Vec<String> = (0..=self.below(3))
            .map(|_| match self.below(8) {
                0 => "bAQIDBA==".to_owned(),
                1 => "b".to_owned(),
                2 => ["0{}", "1", "2", "2probe", "3", "5", "6"][self.below(7)].to_owned(),
                _ => format!("4{}", self.pick(PACKETS)),
            })
            .collect();
        self.changed(&packets.join(SEPARATOR))
    }

    /// A packet in MessagePack.
    pub(crate) fn msgpack(&mut self) -> Vec<u8> {
        let mut bytes = unhex(&self.pick(MSGPACK).replace(' ', ""));
        for _ in 0..self.below(4) {
            let at = self.below(bytes.len());
            match self.below(4) {
                0 if !bytes.is_empty() => bytes[at] = short(self.next() as u8),
                1 if !bytes.is_empty() => drop(bytes.remove(at)),
                2 => bytes.insert(at, [0xc0, 0xc1, 0xd4, 0x80, 0x90, 0xff, 0xa0, 0xcf][self.below(8)]),
                _ => bytes.truncate(at.max(1)),
            }
        }
        bytes
    }

    /// With none to three changes.
    fn changed(&mut self, text: &str) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        for _ in 0..self.below(4) {
            let at = self.below(chars.len() + 1);
            match self.below(5) {
                0 if at < chars.len() => drop(chars.remove(at)),
                1 if at < chars.len() => chars.insert(at, chars[at]),
                2 => chars.truncate(at),
                3 if at < chars.len() => chars[at] = self.pick(PIECES).chars().next().unwrap_or('x'),
                _ => drop(chars.splice(at..at, self.pick(PIECES).chars())),
            }
        }
        chars.into_iter().collect()
    }
}
