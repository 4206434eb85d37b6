//! Criterion benchmarks of what happens for every packet and every delivery.
#![allow(missing_docs, clippy::unwrap_used, reason = "benchmarks")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sio_bench::load::stamp::Stamp;
use sio_bench::scenario::diagnostic::Diagnostics;
use sio_oracle::stream::{Publisher, Stream, Track};
use sio_oracle::{Audience, Ledger, Scoreboard, Tri};
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

fn oracle(c: &mut Criterion) {
    const EMISSIONS: u32 = 10_000;
    const SENDERS: u32 = 20;
    let mut audience = Audience::new(true);
    for seq in 0..EMISSIONS {
        audience.push(seq % SENDERS, seq.checked_sub(SENDERS));
    }
    let ledger = Arc::new(Ledger { audiences: vec![audience; 4] });
    let mut group = c.benchmark_group("oracle");
    group.throughput(Throughput::Elements(u64::from(EMISSIONS)));
    group.bench_function("deliver 10,000", |b| {
        b.iter_batched(
            || {
                let mut board = Scoreboard::new(ledger.clone());
                let receiver = board.add(SENDERS, 0..4);
                (board, receiver)
            },
            |(mut board, receiver)| {
                for seq in 0..EMISSIONS {
                    black_box(board.deliver(receiver, 2, seq));
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// Deliveries over many tracks, so that each one is cold: what a load of thousands of users is like.
fn tracks(c: &mut Criterion) {
    const EMISSIONS: u64 = 64;
    for receivers in [100usize, 100_000] {
        let mut group = c.benchmark_group("tracks");
        group.throughput(Throughput::Elements(EMISSIONS * receivers as u64));
        group.sample_size(10);
        group.bench_function(format!("deliver to {receivers} receivers in order"), |b| {
            b.iter_batched(
                || {
                    let stream = Stream::default();
                    let tracks: Vec<_> = (0..receivers).map(|_| Track::new(&stream, Tri::T)).collect();
                    let mut publisher = Publisher::default();
                    (0..EMISSIONS).for_each(|_| _ = publisher.issue(&stream));
                    (stream, tracks)
                },
                |(stream, mut tracks)| {
                    for seq in 0..EMISSIONS {
                        for track in &mut tracks {
                            black_box(track.deliver(&stream, seq));
                        }
                    }
                    tracks
                },
                BatchSize::LargeInput,
            );
        });
        group.finish();
    }
}

fn scenario(c: &mut Criterion) {
    let text = include_str!("../scenarios/conformance/rooms.toml");
    let mut group = c.benchmark_group("scenario");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("parse rooms.toml", |b| {
        b.iter(|| sio_bench::scenario::parse(black_box(text), &[], &mut Diagnostics::default()));
    });
    group.finish();
}

criterion_group!(benches, packets, stamps, oracle, tracks, scenario);
criterion_main!(benches);
