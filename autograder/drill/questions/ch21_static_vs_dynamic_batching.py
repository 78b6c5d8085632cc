"""Drill questions of chapter 21: static and dynamic batching."""

from __future__ import annotations

from itertools import combinations

from ..question import Choice, Numeric, Open


def _draw_static(rng):
    batch = int(rng.choice([4, 6, 8, 10, 12, 16]))
    return {"B": batch, "n": int(rng.integers(2, batch))}


def _draw_capacity(rng):
    return {"a": int(rng.choice([2, 4, 6, 8, 12])), "b": float(rng.choice([0.25, 0.5, 1, 1.5, 2])), "B": int(rng.choice([4, 8, 16, 32]))}


def _draw_five(rng):
    gaps = rng.integers(1, 5, 4)
    times = [0, *gaps.cumsum().tolist()]
    v = {"times": ", ".join(map(str, times)), "B": int(rng.integers(2, 5)), "d": int(rng.integers(2, 7)), "a": int(rng.integers(3, 7)), "b": 1}
    return v | {"batches": "; ".join(f"{batch}: {start:g} → {end:g}" for batch, start, end in _batches(v))}


def _batches(v, *, ready=None, service=None):
    """(arrivals, start, end) of each batch, walked through from one to the next."""
    arrivals = [int(t) for t in v["times"].split(", ")]
    size, delay = v["B"], v["d"]
    ready = ready or (lambda first, full, free: min(first + delay, full))
    service = service or (lambda n: v["a"] + v["b"] * n)
    free, i, found = 0.0, 0, []
    while i < len(arrivals):
        full = arrivals[i + size - 1] if i + size <= len(arrivals) else float("inf")
        start = max(free, ready(arrivals[i], full, free))
        batch = [t for t in arrivals[i : i + size] if t <= start]
        free = start + service(len(batch))
        found.append((batch, start, free))
        i += len(batch)
    return found


def _starts(v, **rules):
    """The mean latency of all requests."""
    latencies = [end - t for batch, _, end in _batches(v, **rules) for t in batch]
    return sum(latencies) / len(latencies)


def _draw_histogram(rng):
    sizes = sorted(int(s) for s in rng.choice(range(1, 17), 4, replace=False))
    counts = [int(c) for c in rng.integers(2, 40, 4)]
    return {"told": ", ".join(f"{c} of size {s}" for s, c in zip(sizes, counts)), "sizes": sizes, "counts": counts, "top": sizes[-1], "second": _second(sizes, counts)}


def _second(sizes, counts):
    """The bucket that goes best with the largest size."""
    return min(sizes[:-1], key=lambda s: _rows({"sizes": sizes, "counts": counts}, (s, sizes[-1])))


def _rows(v, buckets):
    return sum(c * min(b for b in buckets if b >= s) for s, c in zip(v["sizes"], v["counts"]))


def _best_two(v):
    top = v["sizes"][-1]
    return min(_rows(v, (s, top)) for s in v["sizes"][:-1])


def _most_frequent(v):
    top = v["sizes"][-1]
    other = max(zip(v["counts"][:-1], v["sizes"][:-1]))[1]
    return _rows(v, (other, top))


def _best_three(v):
    top = v["sizes"][-1]
    return min(_rows(v, (*pair, top)) for pair in combinations(v["sizes"][:-1], 2))


QUESTIONS = [
    Numeric(
        "21.static_waste", 1, "A model is built for a fixed batch of {B} and gets {n} inputs. Which share of its work is wasted, in %?",
        _draw_static, lambda v: 100 * (v["B"] - v["n"]) / v["B"],
        "{B} rows are processed and {n} were asked for: ({B} − {n}) / {B} = {answer} %.",
        unit="%", rtol=0.01,
        traps=((lambda v: 100 * v["n"] / v["B"], "That is the useful share."),
               (lambda v: 100 * (v["B"] - v["n"]) / v["n"], "That is the padding over the useful rows. Asked is its share of all rows."))),
    Numeric(
        "21.capacity", 2, "A batch of n takes {a} + {b}·n ms. How many requests per millisecond does the server manage with full batches of {B}?",
        _draw_capacity, lambda v: v["B"] / (v["a"] + v["b"] * v["B"]),
        "{B} requests end in every {a} + {b}·{B} ms: {answer} per ms.",
        unit="requests/ms", rtol=0.01,
        traps=((lambda v: 1000 * v["B"] / (v["a"] + v["b"] * v["B"]), "That is per second."),
               (lambda v: 1 / (v["a"] + v["b"] * v["B"]), "Those are batches. Each completes all its requests."),
               (lambda v: 1 / (v["a"] + v["b"]), "That is one request at a time."),
               (lambda v: 1 / v["b"], "That is the limit for very large batches."))),
    Numeric(
        "21.mean_latency", 2, "One server merges requests: a batch starts when {B} wait, or when the oldest has waited for {d} ms, and not before the "
        "server is free; it takes all who have come by its start, at most {B}. A batch of n takes {a} + n ms. Requests come at {times} ms. What is "
        "the mean latency, in ms?",
        _draw_five, _starts,
        "Go from batch to batch: the start is the later of the server being free and the earlier of full and patience. Batches "
        "(arrivals: start → end): {batches}. Each latency is the batch's end minus the arrival; their mean is {answer} ms.",
        unit="ms", atol=0.005,
        traps=((lambda v: _starts(v, ready=lambda first, full, free: first + v["d"]), "A full batch does not wait for the rest of the delay."),
               (lambda v: _starts(v, ready=lambda first, full, free: min(max(first, free) + v["d"], full)),
                "The delay counts from the oldest request's arrival, not from when the server becomes free."),
               (lambda v: _starts(v, ready=lambda first, full, free: first), "That is without any delay."),
               (lambda v: _starts(v, service=lambda n: v["a"] + v["b"] * v["B"]), "A batch that is not full costs less."))),
    Numeric(
        "21.two_buckets", 3, "Requests: {told}. Each is padded up to the smallest bucket that holds it. How many rows are processed at least, with two "
        "buckets?",
        _draw_histogram, _best_two,
        "The largest size, {top}, has to be a bucket. Try each other size as the second one: with {second} the rows are fewest, {answer}.",
        traps=((_most_frequent, "The most frequent size is not always the best second bucket."),
               (lambda v: _rows(v, (v["sizes"][-1],)), "That is with one bucket."),
               (_best_three, "That is with three buckets: the largest size is one of the two."),
               (lambda v: sum(s * c for s, c in zip(v["sizes"], v["counts"])), "Those are the useful rows, with a bucket for every size."))),
    Choice(
        "21.no_profile", 1, "An ONNX model has a free batch dimension. What does TensorRT do if you give it no optimisation profile?",
        "The engine can't be built",
        (("It uses batch 1", "A free dimension has no default: the builder asks for a range."),
         ("It chooses the range by itself", "It can't know your traffic. min, opt and max are yours to give."),
         ("It allocates when the first input comes", "Kernels and memory are planned at build time, for a range that has to be known.")),
        "A network with a free dimension needs at least one profile with min, opt and max. Kernels are chosen for opt and have to be valid in the "
        "whole range."),
    Choice(
        "21.triton_default", 2, "A Triton configuration says `dynamic_batching { }` and nothing more. How long does a request wait for others?",
        "Not at all: a batch is made of those who wait already",
        (("100 µs", "That is a value from examples. The default of `max_queue_delay_microseconds` is 0."),
         ("Until the batch is full", "Then a single request would never be answered."),
         ("1 s", "There is no such default. The delay has to be configured.")),
        "By default batches are as large as possible from what is in the queue, without delay. Under load they fill up while the server "
        "is busy. `max_queue_delay_microseconds` adds waiting."),
    Choice(
        "21.continuous", 2, "How does continuous batching differ from dynamic batching?",
        "It admits and retires requests at every decode step",
        (("It is the same under another name", "Dynamic batching keeps a batch together until its end."),
         ("It works on GPUs only", "It is a rule of scheduling, whatever the device."),
         ("It pads all sequences to one length", "It makes that padding unnecessary: who has finished leaves.")),
        "An answer of 10 tokens would wait for one of 1,000 in the same batch. Continuous (in-flight) batching looks at the batch after each token: "
        "finished requests leave, waiting ones join."),
    Open(
        "21.camera_box", 3, "A camera box finds 1 to 6 faces in a frame and runs a face network on each. The NPU takes fixed shapes only. Which batch sizes do "
        "you compile?",
        ("Take the histogram of faces per frame first", "Few buckets, for example 1, 2 and 6, against batch 1 in a loop: compare rows and calls",
         "Memory of each compiled graph, and weights that are shared or not", "The latency budget of a frame: the worst case is six faces",
         "Measure padding against the cost of switching between graphs"),
        "I log how many faces there are per frame. With that histogram I compute the best one, two and three buckets. The largest is always 6. I "
        "measure each compiled size on the box: if a batch of 6 is hardly slower than one of 2, one graph and padding are enough; if time grows with "
        "n, batch 1 in a loop or buckets 1, 2, 6 are better. Each graph costs memory, and switching costs time, so I keep the fewest that meet the "
        "frame's budget at six faces."),
]
