import asyncio

from doorward.server.limits.gcra import MICROSECONDS, Rate
from doorward.server.limits.memory import CROWD, Buckets, MemoryLimits
from doorward.server.limits.ports import Charge

TEN = Rate.per(10, 60)
NOW = 1_790_000_000 * MICROSECONDS


def taken(buckets: Buckets, key: str, times: int, now: int = NOW) -> int:
    return sum(buckets.take(key, TEN, 1, now) >= 0 for _ in range(times))


def test_invented_names_neither_grow_memory_nor_refill_a_bucket():
    """An attacker with a million addresses would push out the bucket that holds them back."""
    buckets = Buckets(most=100)
    assert taken(buckets, "victim", 20) == 10

    let_through = sum(taken(buckets, f"made-up-{number}", 1) for number in range(50_000))

    assert len(buckets) <= 100 + CROWD
    assert taken(buckets, "victim", 20) == 0
    assert let_through <= 99 + CROWD * 10


def test_buckets_that_are_whole_again_make_room():
    buckets = Buckets(most=100)
    for number in range(200):
        buckets.take(f"early-{number}", TEN, 1, NOW)

    later = NOW + 61 * MICROSECONDS

    assert taken(buckets, "late", 20, later) == 10
    assert len(buckets) == 1


def test_looking_takes_nothing_and_makes_no_bucket():
    buckets = Buckets()

    assert all(buckets.look("a", TEN, 10, NOW) == 0 for _ in range(5))
    assert len(buckets) == 0
    assert taken(buckets, "a", 20) == 10
    assert buckets.look("a", TEN, 1, NOW) < 0


def test_names_of_one_kind_never_crowd_those_of_another():
    limits = MemoryLimits(lambda: NOW, most=10)

    async def flood():
        for number in range(5000):
            await limits.take(Charge(f"address:{number}", TEN))
        return [await limits.take(Charge(f"principal:{n}", TEN, 10)) for n in range(10)]

    assert asyncio.run(flood()) == [[0]] * 10
    assert len(limits) <= 20 + CROWD


def test_what_stands_before_a_refusal_stays_taken_and_what_stands_after_is_untouched():
    limits = MemoryLimits(lambda: NOW)

    async def ask():
        slacks = await limits.take(Charge("a:1", TEN), Charge("b:1", TEN, 11), Charge("c:1", TEN))
        after = await limits.take(Charge("a:1", TEN, 9), Charge("c:1", TEN, 10))
        return slacks, after

    slacks, after = asyncio.run(ask())

    assert len(slacks) == 2
    assert slacks[1] < 0
    assert after == [0, 0]


def test_64_at_once_get_exactly_what_there_is():
    limits = MemoryLimits(lambda: NOW)

    async def crowd():
        async def one():
            allowed = 0
            for _ in range(50):
                (slack,) = await limits.take(Charge("principal:a", Rate.per(1000, 60)))
                allowed += slack >= 0
                await asyncio.sleep(0)
            return allowed

        return sum(await asyncio.gather(*(one() for _ in range(64))))

    assert asyncio.run(crowd()) == 1000
