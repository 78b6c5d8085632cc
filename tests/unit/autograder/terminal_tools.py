"""What the tests of the terminal app share: made-up questions, a clock, and a pilot that drives the app."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from textual.widgets import Input

from autograder import progress
from autograder.drill.coding import find_task
from autograder.drill.deck import CHOICE, CODE, NUMERIC, OPEN, Item
from autograder.drill.question import Choice, Numeric, Open
from autograder.drill.terminal.texts import Told

DOUBLE = Numeric("99.double", 1, "Twice {x} with `f[0]` and [bold]no markup[/bold]?", lambda rng: {"x": int(rng.integers(3, 9))},
                 lambda v: 2 * v["x"], "2 · {x} = {answer}.", unit="GB", rtol=0.01,
                 traps=((lambda v: v["x"] ** 2, "That is the square."),))
PICK = Choice("99.pick", 2, "Which?", "this", (("that", "No, because."), ("those", "No, since."), ("these", "No, for."),),
              "Yes, for a reason.")
SAY = Open("99.say", 3, "Why?", ("first point", "second point", "third point"), "So and so.")
NUMBER, PICKED, SAID = (Item(q.id, "26", kind, q.difficulty, question=q)
                        for q, kind in ((DOUBLE, NUMERIC), (PICK, CHOICE), (SAY, OPEN)))
NUMBER_FIRST = 5  # a seed under which NUMBER comes before PICKED
TASK = "26.bf16_round"
CODED = Item(TASK, "26", CODE, 2, task=find_task(TASK))
SOLUTION = '''
def bf16_round(u32):
    u = u32.astype(np.uint64)
    rounded = (u + 0x7FFF + ((u >> 16) & 1)) >> 16
    return np.where((u & 0x7FFFFFFF) > 0x7F800000, (u >> 16) | 0x40, rounded).astype(np.uint16)
'''
TRUNCATED = "def bf16_round(u32):\n    return (u32 >> 16).astype(np.uint16)\n"


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.s = 0.0

    def __call__(self):
        return self.s

    def now(self):
        return datetime(2026, 3, 1, 9, tzinfo=UTC) + timedelta(seconds=self.s)


def drive(app, script, size=(80, 24)):
    """Run the app without a terminal, and `script(pilot)` beside it."""

    async def run():
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await script(pilot)

    asyncio.run(run())
    return app


async def press(pilot, *keys):
    for key in keys:
        await pilot.press(key)
        await pilot.pause()
    await pilot.pause()


async def type_in(pilot, text):
    pilot.app.screen.query_one(Input).value = text
    await press(pilot, "enter")


def told(pilot, name):
    return pilot.app.screen.query_one(f"#{name}", Told).plain.replace("\u00a0", " ")


def screen_text(pilot):
    """What stands on the screen now, line by line."""
    return "\n".join("".join(s.text for s in strip).rstrip() for strip in pilot.app.screen._compositor.render_strips())


def page_text(pilot):
    """All texts of the page, also those that are scrolled away."""
    return "\n".join(t.plain for t in pilot.app.screen.query(Told) if t.display).replace("\u00a0", " ")


def rows():
    with progress.open_progress() as db:
        return db.execute("SELECT question, share, typed, mode FROM reviews ORDER BY id").fetchall()


def right_number(pilot):
    return f"{pilot.app.screen.session.current.drawn.answer:g}"


async def checked(pilot):
    while pilot.app.screen.card.running:
        await pilot.pause(0.05)
    await pilot.pause()
