"""Drill questions of chapter 38: distances, uploads, prices, cascades, sensors, and who may wait for a network."""

from __future__ import annotations

from ..question import Choice, Numeric, Open


def _draw_distance(rng):
    return {"v": int(rng.integers(3, 14)) * 10, "t": int(rng.integers(2, 51)) * 10}


def _draw_upload(rng):
    return {"kb": int(rng.integers(2, 400)) * 5, "rate": int(rng.choice([2, 4, 5, 8, 10, 20, 25, 50]))}


def _draw_million(rng):
    return {"usd": round(float(rng.integers(4, 80)) / 8, 3), "peak": int(rng.integers(2, 60)) * 10,
            "busy": int(rng.choice([5, 10, 20, 25, 40, 50, 60, 80]))}


def _draw_cascade(rng):
    big = int(rng.integers(10, 60))
    return {"small": int(rng.integers(2, big // 2)), "big": big, "share": int(rng.integers(1, 19)) * 5}


def _draw_sensor(rng):
    width, height = ((1280, 720), (1920, 1080), (3840, 2160))[int(rng.integers(3))]
    return {"n": int(rng.integers(2, 9)), "w": width, "h": height, "item": int(rng.choice([1, 2, 3])),
            "fps": int(rng.choice([10, 15, 25, 30])), "up": int(rng.choice([10, 20, 50, 100]))}


def _sensor_bits(v):
    return v["n"] * v["w"] * v["h"] * v["item"] * v["fps"] * 8


QUESTIONS = [
    Numeric(
        "38.travelled", 1, "A vehicle drives at {v} km/h. An answer takes {t} ms. How far does the vehicle travel meanwhile, in "
        "metres?",
        _draw_distance, lambda v: v["v"] * v["t"] / 3600, "{v} / 3.6 m/s · {t} / 1000 s = {answer} m.", unit="m", rtol=0.01,
        traps=((lambda v: v["v"] * v["t"] / 1000, "km/h are not m/s: divide by 3.6."),
               (lambda v: v["v"] * v["t"] / 3.6, "Milliseconds are thousandths of a second."))),
    Numeric(
        "38.upload", 1, "A photograph has {kb} kB (1 kB = 1,000 bytes). The uplink carries {rate} Mb/s. How many ms does the payload "
        "take?",
        _draw_upload, lambda v: 8 * v["kb"] / v["rate"], "{kb} kB · 8 = kilobits; divided by {rate} Mb/s that is {answer} ms.",
        unit="ms", rtol=0.01,
        traps=((lambda v: v["kb"] / v["rate"], "Those are bytes over bits: a byte has 8 bits."),
               (lambda v: 0.008 * v["kb"] / v["rate"], "That is in seconds."))),
    Numeric(
        "38.per_million", 2, "A GPU costs {usd} USD an hour and serves {peak} requests/s when it is busy. It is busy {busy} % of the "
        "time. What do a million requests cost, in USD?",
        _draw_million, lambda v: v["usd"] / 3600 / (v["peak"] * v["busy"] / 100) * 1e6,
        "{usd} / (3600 · {peak} · {busy} %) · 10^6 = {answer} USD.", unit="USD", rtol=0.01,
        traps=((lambda v: v["usd"] / 3600 / v["peak"] * 1e6, "That is at full load. Idle hours are paid too."),
               (lambda v: v["usd"] / 3600 / v["peak"] * 1e6 * v["busy"] / 100, "A lower load makes a request dearer, not cheaper."))),
    Numeric(
        "38.cascade_cost", 2, "A small model costs {small} units a request, a big one {big}. Every request runs the small model, and "
        "{share} % go on to the big one. What does a request cost on average, in units?",
        _draw_cascade, lambda v: v["small"] + v["share"] / 100 * v["big"],
        "{small} + {share} % · {big} = {answer} units. The break-even with the big model alone is a share of 1 - {small}/{big}.",
        rtol=0.01,
        traps=((lambda v: v["small"] * (1 - v["share"] / 100) + v["big"] * v["share"] / 100,
                "The escalated requests ran the small model too."),
               (lambda v: v["share"] / 100 * v["big"], "The small model is not free."))),
    Numeric(
        "38.sensors", 3, "{n} cameras of {w} × {h} pixels, {item} B a pixel, {fps} frames/s, uncompressed. The uplink carries {up} "
        "Mb/s. How many times that rate do the sensors make?",
        _draw_sensor, lambda v: _sensor_bits(v) / (v["up"] * 1e6),
        "{n} · {w} · {h} · {item} · {fps} · 8 bit/s over {up} · 10^6 bit/s = {answer}.", rtol=0.01,
        traps=((lambda v: _sensor_bits(v) / 8 / (v["up"] * 1e6), "Bytes over bits: the factor 8 is missing."),
               (lambda v: _sensor_bits(v) / v["item"] / (v["up"] * 1e6), "A pixel has several bytes."))),
    Choice(
        "38.cloud_loop", 1, "Which of these tasks of a vehicle may close its loop over the cloud?", "Route planning overnight",
        (("Emergency braking", "At 120 km/h each 100 ms are 3.3 m, and a network has no upper bound."),
         ("Lane keeping", "It has to go on in a tunnel, and within tens of milliseconds."),
         ("The anti-lock brake (ABS)", "It reacts within milliseconds, in the brake itself.")),
        "A late route is a nuisance. The other three control the vehicle's motion and must work without a network."),
    Choice(
        "38.private", 2, "The model runs on the phone, and no photograph is uploaded. Which risk is left?",
        "Telemetry that tells more than it should, and users who extract the model",
        (("None: nothing leaves the phone", "Telemetry, crash reports and updates do. And the model itself is in the user's hands."),
         ("The upload of raw photographs", "That one is gone."),
         ("Network jitter in the answer", "The answer needs no network here.")),
        "On-device keeps the raw input. What is logged has to be looked at, and the file of the model can be copied."),
    Choice(
        "38.falling_rate", 2, "The uplink falls from 50 to 1 Mb/s. What happens to the best cut of a typical image network whose first layers "
        "make the data larger?",
        "It moves towards the device, often in one jump",
        (("It moves towards the cloud", "Sending has become dearer, so less is sent."),
         ("It stays, as compute has not changed", "The transfer is part of the sum."),
         ("It moves layer by layer", "Cuts in the growing part are never good, so they are skipped.")),
        "Only cuts with few bytes compete: the input, late layers, and everything on the device."),
    Open(
        "38.elevator", 3, "Design a voice assistant for elevators: 10,000 units, and it has to work offline. Which form do you choose?",
        ("Hard limits first: offline, deadline, privacy of speech", "Hybrid: keywords and commands on the device, the rest in the cloud "
         "when there is a link", "Updates: signed, in steps, with a way back", "Cost: a chip in 10,000 units against the cloud at its "
         "real utilisation", "What happens on failure, and monitoring"),
        "Offline decides first: floor commands and the emergency call must work without a network, so a small model runs in each "
        "unit, and no speech leaves it for those. Open questions go to the cloud when there is a link, with the user's consent, and "
        "the unit says so when there is none. The cost is 10,000 chips and their upkeep against a price a request that depends on the "
        "utilisation, so I compute both at 10 and at 100 requests a day and unit. Models are signed, rolled out to 1 % first, and the "
        "old one stays on the unit. When the recogniser is unsure or the link is gone, buttons still work. I monitor the share of "
        "escalations, p99, and the error reports, without recordings."),
]
