"""One core of sio-bench against one core of Artillery, in turns. Run by against-artillery.sh."""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

ROUNDS = int(sys.argv[1])
HERE = pathlib.Path(__file__).parent
PLACE = pathlib.Path("runs/artillery")
SIO_BENCH = "target/release/sio-bench"
ARTILLERY = PLACE / "node_modules/.bin/artillery"
GENERATOR, SERVER = "0", "1"
LISTENERS, MESSAGES, HOLD = 500, 60, 15
TICKS = os.sysconf("SC_CLK_TCK")

ECHO = """name = "echo"
[users.people]
count = 50
[traffic.echo]
by = "people"
rate = "{rate}/s"
emit = ["message-with-ack", "${{payload}}"]
ack = true
[[phase]]
name = "warm up"
for = "1s"
measured = false
[[phase]]
name = "hold"
for = "4s"
"""

LISTEN = """name = "listen"
[actions]
"join(r)" = {{ emit = ["join", "${{r}}"], ack = true }}
[rooms.all]
count = 1
join = ["join", "${{room}}"]
{listeners}
[users.emitter]
count = 1
in = {{ all = 1 }}
[traffic.tell]
by = "emitter"
rate = "{messages}/s"
arrivals = "even"
emit = ["emit", {{ to = ["${{room}}"], event = "msg", args = ["${{payload}}"] }}]
ack = true
reaches = {{ event = "msg", rooms = ["${{room}}"] }}
[[phase]]
name = "hold"
for = "{hold}s"
"""

DONE = """name = "done"
[users.emitter]
count = 1
[traffic.done]
by = "emitter"
rate = "20/s"
arrivals = "even"
emit = ["emit", { to = ["all-0"], event = "done", args = ["${payload}", "end"] }]
ack = true
[[phase]]
name = "done"
for = "100ms"
"""

CONNECT = """name = "connect"
[users.people]
count = 5_000
connect = "{rate}/s"
[[phase]]
name = "hold"
for = "1s"
"""


class Server:
    """The reference server on its core."""

    def __enter__(self):
        command = ["taskset", "-c", SERVER, SIO_BENCH, "serve", "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        port = self.process.stdout.readline().split()[1]
        return f"http://127.0.0.1:{port}"

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def sio_bench(name, scenario, url, core=GENERATOR):
    """Runs a scenario; returns its result."""
    file, out = PLACE / f"{name}.toml", PLACE / f"out-{name}-{core}"
    file.write_text(scenario)
    subprocess.run(["rm", "-rf", out], check=True)
    command = ["taskset", "-c", core, SIO_BENCH, "run", file, "--target", url, "--workers", "1", "-q", "--out", out]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    entries = map(json.loads, (out / "run.jsonl").read_text().splitlines())
    return next(entry for entry in entries if entry["type"] == "load")


def artillery(name, url, meanwhile=lambda process: None):
    """Runs a script; returns its summary and what `meanwhile` returned."""
    out = PLACE / f"{name}.json"
    command = ["taskset", "-c", GENERATOR, ARTILLERY, "run", "--quiet", "--output", out, HERE / f"{name}.yml"]
    environment = {**os.environ, "TARGET": url, "ARTILLERY_DISABLE_TELEMETRY": "true"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    found = meanwhile(process)
    process.wait()
    return json.loads(out.read_text())["aggregate"], found


def cpu(pid):
    """CPU seconds so far of a process and of what descends from it."""
    stats = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        fields = text[text.rindex(")") + 2 :].split()
        stats[int(stat.parent.name)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS)
    mine, before = {pid}, 0
    while len(mine) > before:
        before = len(mine)
        mine |= {process for process, (parent, _) in stats.items() if parent in mine}
    return sum(seconds for process, (_, seconds) in stats.items() if process in mine)


def held(load):
    """Whether sio-bench kept its schedule, and everything was answered within 10 ms at the 99th percentile."""
    counts, ack = load["traffic"][0]["counts"], load["traffic"][0]["latency"]["ack"]
    return load["late"]["p99"] < 5e6 and ack["p99"] < 10e6 and counts["unanswered"] == 0 and load["users"]["failed"] == 0


def echo():
    with Server() as url:
        summary, _ = artillery("echo", url)
        seconds = (summary["lastCounterAt"] - summary["firstCounterAt"]) / 1000
        theirs = summary["counters"]["socketio.emit"] / seconds
        assert summary["counters"]["vusers.completed"] == 50, summary["counters"]
    ours = 0
    for rate in (80_000, 120_000, 160_000, 200_000, 240_000):
        with Server() as url:
            if not held(sio_bench("echo", ECHO.format(rate=rate), url)):
                break
            ours = rate
    return ours, theirs


def deliveries():
    """CPU microseconds for each delivery, at 30,000 a second."""
    emitter = LISTEN.format(listeners="", messages=MESSAGES, hold=HOLD)
    with Server() as url:
        def meanwhile(process):
            # Everybody is there after two seconds of coming, and stays for twenty.
            time.sleep(4)
            before = cpu(process.pid)
            load = sio_bench("emit", emitter, url, SERVER)
            return cpu(process.pid) - before, load["traffic"][0]["counts"]["sent"] * LISTENERS
        _, (seconds, delivered) = artillery("listen", url, meanwhile)
        theirs = seconds * 1e6 / delivered
    listeners = f'[users.listeners]\ncount = {LISTENERS}\nconnect = "500/s"\nin = {{ all = 1 }}'
    with Server() as url:
        load = sio_bench("listen", LISTEN.format(listeners=listeners, messages=MESSAGES, hold=HOLD), url)
        counts = load["traffic"][0]["counts"]
        assert counts["missing"] == 0 and counts["delivered"] == counts["owed"], counts
        ours = load["cpu"]["own"] * 1e6 / counts["delivered"]
    return ours, theirs


def saturated():
    """The largest rate of deliveries that is taken: a second after the last message everything has been handled."""
    theirs = 0
    for rate in (150_000, 200_000, 250_000, 300_000, 400_000):
        emitter = LISTEN.format(listeners="", messages=rate // LISTENERS, hold=5)
        with Server() as url:
            def meanwhile(process):
                time.sleep(4)
                sio_bench("emit", emitter, url, SERVER)
                begin = time.time()
                sio_bench("done", DONE, url, SERVER)
                return begin
            summary, begin = artillery("saturate", url, meanwhile)
        done = summary["counters"].get("vusers.completed", 0)
        if done < LISTENERS or summary["lastCounterAt"] / 1000 - begin > 1:
            break
        theirs = rate
    ours = 0
    listeners = f'[users.listeners]\ncount = {LISTENERS}\nconnect = "500/s"\nin = {{ all = 1 }}'
    for rate in (1_000_000, 1_500_000, 2_000_000):
        with Server() as url:
            load = sio_bench("saturate", LISTEN.format(listeners=listeners, messages=rate // LISTENERS, hold=5), url)
        counts, latency = load["traffic"][0]["counts"], load["traffic"][0]["latency"]["delivery"]
        if counts["missing"] or counts["delivered"] < counts["owed"] or latency["max"] > 1e9 or load["late"]["p99"] > 50e6:
            break
        ours = rate
    return ours, theirs


def connects():
    """Connects a second that arrive on time: within a tenth of a second at the 99th percentile."""
    theirs = 0
    for rate in (1_000, 1_500, 2_000, 3_000):
        script = (HERE / "connect.yml").read_text()
        changed = PLACE / "connect-now.yml"
        changed.write_text(re.sub("arrivalRate: [0-9]+", f"arrivalRate: {rate}", script))
        with Server() as url:
            out = PLACE / "connect.json"
            command = ["taskset", "-c", GENERATOR, ARTILLERY, "run", "--quiet", "--output", out, changed]
            environment = {**os.environ, "TARGET": url, "ARTILLERY_DISABLE_TELEMETRY": "true"}
            try:
                subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, timeout=60)
                summary = json.loads(out.read_text())["aggregate"]
            except (subprocess.TimeoutExpired, FileNotFoundError):
                break
            finally:
                out.unlink(missing_ok=True)
        seconds = (summary["lastCounterAt"] - summary["firstCounterAt"]) / 1000
        done = summary["counters"].get("vusers.completed", 0)
        length = summary["summaries"]["vusers.session_length"]["p99"]
        if done < 5 * rate or seconds > 5.5 or length > 100:
            break
        theirs = rate
    ours = 0
    for rate in (4_000, 6_000, 8_000, 10_000):
        with Server() as url:
            load = sio_bench("connect", CONNECT.format(rate=rate), url)
        if load["users"]["connected"] < 5_000 or load["connect"]["p99"] > 100e6:
            break
        ours = rate
    return ours, theirs


rows = {
    "echo with acknowledgement, messages/s on one core": (echo, "{:,.0f}", False),
    "deliveries/s on one core, saturated": (saturated, "{:,.0f}", False),
    "CPU for each delivery at 30,000 deliveries/s, microseconds": (deliveries, "{:.1f}", True),
    "connects/s on time (p99 within 100 ms)": (connects, "{:,.0f}", False),
}
results = {name: [] for name in rows}
for number in range(ROUNDS):
    for name, (measure, _, _) in rows.items():
        results[name].append(measure())
        print(f"round {number + 1}: {name}: {results[name][-1]}", file=sys.stderr)
print("| Measure | sio-bench, median (least to most) | Artillery 2.0.21, median (least to most) | ratio of the medians |")
print("|---|---|---|---|")
for name, (_, form, less) in rows.items():
    ours, theirs = zip(*results[name])
    cell = lambda v: f"{form.format(statistics.median(v))} ({form.format(min(v))} to {form.format(max(v))})"
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"| {name} | {cell(ours)} | {cell(theirs)} | {b / a if less else a / b:.1f} |")
