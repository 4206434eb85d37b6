//! Criterion benchmarks of what happens for every packet and every delivery.
#![allow(missing_docs, clippy::unwrap_used, reason = "benchmarks")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sio_bench::scenario::diagnostic::Diagnostics;
use sio_bench::scenario::source::Source;
use sio_bench::vocab::stamp::Stamp;
use sio_oracle::Tri;
use sio_oracle::board::{Answer, Facts, Observation, Receiver, Time, UNKNOWN_NODE};
use sio_protocol::engine::Message;
use sio_protocol::{Args, ByteString, Decoder, DecoderLimits, Packet, Parser, Value};

fn packets(c: &mut Criterion) {
    let payload = Stamp { run: 7, emission: 9 }.payload(128);
    let args = Args::event("msg", (payload.as_str(),)).unwrap();
    let packet = Packet::event("/", args);
    let text: ByteString = format!("2{}", packet.body.json()).into();
    let mut group = c.benchmark_group("packet");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode text", |b| b.iter(|| black_box(&packet).encode()));
    for (name, strict) in [("decode text, header only", false), ("decode text, strict", true)] {
        let mut decoder = Decoder::new(Parser::Json, DecoderLimits { strict, ..DecoderLimits::default() });
        group.bench_function(name, |b| b.iter(|| decoder.feed(Message::Text(text.clone())).unwrap()));
    }
    let values = [Value::from("file"), Value::Binary(vec![7; 1024].into())];
    let binary = Packet::event("/", Args::from_values(&values));
    group.bench_function("encode binary", |b| b.iter(|| black_box(&binary).encode()));
    group.finish();
}

fn stamps(c: &mut Criterion) {
    let payload = Stamp { run: 7, emission: 9 }.payload(128);
    let message = format!(r#"["msg","{payload}"]"#);
    let mut group = c.benchmark_group("stamp");
    group.throughput(Throughput::Elements(1));
    group.bench_function("find in 128 bytes", |b| b.iter(|| Stamp::find(black_box(message.as_bytes()))));
    group.finish();
}

/// One stream with several senders, all of it sent and answered.
struct Sent(Vec<Observation>);

impl Sent {
    fn new(emissions: u32, senders: u32) -> Self {
        let fact = |seq: u32| Observation {
            sender: seq % senders,
            previous: seq.checked_sub(senders),
            spares_sender: true,
            volatile: false,
            history: false,
            session: 0,
            node: UNKNOWN_NODE,
            time: Time::Sent { inv: 10 + i64::from(seq), ok: Answer::Open },
        };
        Self((0..emissions).map(fact).collect())
    }
}

impl Facts for Sent {
    fn fact(&self, _: u32, seq: u32) -> Option<Observation> {
        self.0.get(seq as usize).copied()
    }

    fn settled_below(&self, _: u32) -> u32 {
        0
    }
}

/// A delivery costs no more than 60 ns, with few receivers and with so many that each one is cold.
fn board(c: &mut Criterion) {
    const EMISSIONS: u32 = 64;
    const SENDERS: u32 = 20;
    let sent = Sent::new(EMISSIONS, SENDERS);
    for receivers in [100u32, 100_000] {
        let mut group = c.benchmark_group("board");
        group.throughput(Throughput::Elements(u64::from(EMISSIONS) * u64::from(receivers)));
        group.sample_size(10);
        let fresh = || {
            let streams = || (0..4).map(|stream| (stream, Tri::T));
            (0..receivers).map(|user| Receiver::new(SENDERS + user, 0, streams(), &sent)).collect::<Vec<_>>()
        };
        group.bench_function(format!("deliver to {receivers} receivers"), |b| {
            b.iter_batched(
                fresh,
                |mut receivers| {
                    for (seq, fact) in (0..).zip(&sent.0) {
                        for receiver in &mut receivers {
                            black_box(receiver.deliver(2, seq, fact, 1_000));
                        }
                    }
                    receivers
                },
                BatchSize::LargeInput,
            );
        });
        group.finish();
    }
}

fn scenario(c: &mut Criterion) {
    let text = include_str!("../scenarios/conformance/rooms.toml").to_owned();
    let mut group = c.benchmark_group("scenario");
    group.throughput(Throughput::Bytes(text.len() as u64));
    let source = Source { name: "rooms.toml".to_owned(), text };
    group.bench_function("parse rooms.toml", |b| {
        b.iter(|| sio_bench::scenario::parse(black_box(&source), &[], &mut Diagnostics::default()));
    });
    group.finish();
}

criterion_group!(benches, packets, stamps, board, scenario);
criterion_main!(benches);
