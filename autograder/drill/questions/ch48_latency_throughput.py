"""Drill questions of chapter 48: latency and throughput."""

from __future__ import annotations

from ..question import Choice, Numeric, Open


def _draw_stages(rng):
    a, b, c = (int(v) for v in rng.choice(range(4, 60), 3, replace=False))
    return {"a": a, "b": b, "c": c}


def _draw_little(rng):
    return {"n": int(rng.choice([4, 8, 16, 24, 32, 48, 64])), "ms": int(rng.choice([15, 20, 40, 60, 80, 120, 250]))}


def _draw_md1(rng):
    service = int(rng.choice([4, 5, 8, 10, 12, 20, 25]))
    share = float(rng.choice([0.5, 0.6, 0.7, 0.8, 0.9]))
    return {"ms": service, "rate": round(share * 1000 / service, 1)}


def _md1(v, scv=0.0, wait_only=False):
    rho = v["rate"] * v["ms"] / 1000
    wait = rho * v["ms"] * (1 + scv) / (2 * (1 - rho))
    return wait if wait_only else wait + v["ms"]


def _draw_fanout(rng):
    return {"n": int(rng.choice([50, 100, 150, 200])), "pct": float(rng.choice([0.5, 1, 2]))}


def _fanout(v):
    return 100 * (1 - (1 - v["pct"] / 100) ** v["n"])


def _draw_llm(rng):
    return {"p": int(rng.choice([2000, 4000, 8000])), "o": int(rng.choice([21, 41, 51, 81])),
            "rate": int(rng.choice([2000, 4000, 5000])), "tpot": int(rng.choice([20, 25, 40, 50]))}


def _llm_ms(v):
    return v["p"] / v["rate"] * 1000 + (v["o"] - 1) * v["tpot"]


QUESTIONS = [
    Numeric(
        "48.pipeline_fps", 1, "Video passes three stages of {a}, {b} and {c} ms, each on hardware of its own, working at the same time on "
        "different frames. How many frames per second come out?",
        _draw_stages, lambda v: 1000 / max(v["a"], v["b"], v["c"]),
        "The slowest stage sets the pace: 1000 / max({a}, {b}, {c}) = {answer} frames/s. A frame still passes all three, so its latency is "
        "their sum.",
        unit="frames/s", rtol=0.005,
        traps=((lambda v: 1000 / (v["a"] + v["b"] + v["c"]), "That is 1 / latency. The stages work on different frames at the same time."),
               (lambda v: 3000 / (v["a"] + v["b"] + v["c"]), "That takes the mean stage. Frames pile up before the slowest one."),
               (lambda v: max(v["a"], v["b"], v["c"]), "That is the time of the slowest stage in ms, not a rate."))),
    Numeric(
        "48.pipeline_latency", 1, "Video passes three stages of {a}, {b} and {c} ms, each on hardware of its own, working at the same time on "
        "different frames. Frames come no faster than the slowest stage takes. What is the latency of one frame, in ms?",
        _draw_stages, lambda v: v["a"] + v["b"] + v["c"],
        "{a} + {b} + {c} = {answer} ms. Pipelining raises the frame rate and leaves the latency of a frame as it is.",
        unit="ms", rtol=0.005,
        traps=((lambda v: max(v["a"], v["b"], v["c"]), "That is the time between two frames. A frame passes all the stages."),)),
    Numeric(
        "48.little", 1, "A server holds {n} requests at any time, waiting and in service. Each stays for {ms} ms on average. What is its "
        "throughput in requests per second?",
        _draw_little, lambda v: v["n"] / v["ms"] * 1000,
        "Little's law: in flight = rate × latency. {n} / ({ms} ms) = {answer} requests/s.",
        unit="requests/s", rtol=0.005,
        traps=((lambda v: 1000 / v["ms"], "That is 1 / latency: right for one request at a time. Here several are in flight."),
               (lambda v: v["n"] * v["ms"] / 1000, "In flight = rate × latency, so the rate is a quotient."))),
    Numeric(
        "48.md1", 2, "Requests come at random, {rate} per second on average, to one server that needs exactly {ms} ms for each. What is the mean "
        "latency (wait and service), in ms?",
        _draw_md1, _md1,
        "The utilisation is rho = {rate} · {ms} / 1000. The mean wait is S·rho / (2(1 − rho)); with the service of {ms} ms that makes {answer} ms.",
        unit="ms", rtol=0.02,
        traps=((lambda v: _md1(v, wait_only=True), "That is the wait. The latency has the service as well."),
               (lambda v: _md1(v, scv=1.0), "That is S / (1 − rho), for exponential service times. A constant service halves the wait."),
               (lambda v: v["ms"], "That is the service alone. Requests that come at random wait for each other."))),
    Numeric(
        "48.fanout", 2, "A request goes to {n} shards and needs all their answers. Each shard is slow with a probability of {pct} %, independently. "
        "How likely is a slow request, in %?",
        _draw_fanout, _fanout,
        "No shard is slow with probability (1 − {pct}/100)^{n}. The rest is {answer} %.",
        unit="%", atol=1.0,
        traps=((lambda v: v["pct"] * v["n"], "Adding the probabilities counts a request with two slow shards twice."),
               (lambda v: v["pct"], "One slow shard out of all is enough to make the request slow."),
               (lambda v: 100 - _fanout(v), "That is the chance that no shard is slow."))),
    Numeric(
        "48.llm_total", 2, "A prompt of {p} tokens, prefill at {rate} tokens/s, an answer of {o} tokens at {tpot} ms per output token. How long is it "
        "from the question to the last token, in ms, without waiting?",
        _draw_llm, _llm_ms,
        "The first token comes after {p}/{rate} s, then {o} − 1 tokens follow at {tpot} ms each: {answer} ms.",
        unit="ms", rtol=0.01,
        traps=((lambda v: v["p"] / v["rate"] * 1000, "That is the time to the first token."),
               (lambda v: (v["o"] - 1) * v["tpot"], "The prefill is missing."),
               (lambda v: (v["p"] + v["o"] - 1) * v["tpot"], "The prompt is not read token by token: prefill has a rate of its own."))),
    Numeric(
        "48.llm_tokens_per_s", 2, "A prompt of {p} tokens, prefill at {rate} tokens/s, an answer of {o} tokens at {tpot} ms per output token. How many "
        "output tokens per second does this user get over the whole request?",
        _draw_llm, lambda v: v["o"] / _llm_ms(v) * 1000,
        "{o} tokens over the whole time, {p}/{rate} s plus ({o} − 1) · {tpot} ms, makes {answer} tokens/s. It is below 1000/{tpot}, because the "
        "prefill yields one token only.",
        unit="tokens/s", rtol=0.01,
        traps=((lambda v: 1000 / v["tpot"], "That is 1 / TPOT: the speed once tokens flow. The prefill counts as well."),
               (lambda v: (v["p"] + v["o"]) / _llm_ms(v) * 1000, "Prompt tokens are input. Output tokens are asked."))),
    Choice(
        "48.batch_latency", 2, "A batch of 8 takes 20 ms, so the server does 400 requests/s. What is the latency of a request in it?",
        "At least 20 ms",
        (("2.5 ms", "That is 1 / throughput: the time between answers on average. Each request is in for the whole batch."),
         ("Between 2.5 and 20 ms", "The answers come together, at the end of the batch."),
         ("160 ms", "The 8 requests are computed together, not one after the other.")),
        "All 8 answers come at the end of the batch, after 20 ms. Waiting for the batch to fill or to begin comes on top."),
    Choice(
        "48.bad_p99", 2, "The mean latency is fine, p99 is ten times the mean. What do you suspect first?",
        "Queueing and stalls: bursts, garbage collection, batching, contention",
        (("The model has too many parameters", "That makes every request slow, the median as well."),
         ("Clock skew between machines", "It shifts all latencies by the same amount, and one clock at the client has none."),
         ("FP16 in place of FP32", "Another precision changes the service time of all requests alike.")),
        "What hits few requests hard is something that happens now and then. Look at the tail's timestamps: do slow requests come in groups?"),
    Open(
        "48.design_benchmark", 3, "Design a benchmark for the p99 of an inference server.",
        ("Open loop: Poisson arrivals at a stated rate", "Latency from the intended send time, not from the actual one", "Warm-up dropped, steady state "
         "shown", "Enough samples, with a confidence interval", "The rate swept up to the knee; goodput reported: the largest rate that meets the SLO"),
        "Fix Poisson send times beforehand and send on them, whatever the answers do. Count each latency from the intended time. Drop the "
        "warm-up and look at latency over time. Take thousands of samples and give p99 with its interval. Raise the rate step by step until "
        "p99 leaves the objective, and report the largest rate that keeps it, with hardware, batch and input sizes."),
]
