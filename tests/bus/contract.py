"""What every bus promises, one function each. ``test_contract`` runs them on the real buses and
``test_faults`` on broken ones, where they must fail.

``EVERY`` holds for the embedded log, which is written to through an outbox, and for Kafka;
``BROKERS`` is what only a system of several processes can have: groups and their rebalancing,
partitions by key, topics that have to be made, messages that are no events.
"""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from shared.bus.api import BusUnavailable, Message, MissingTopics, TopicPartition
from shared.bus.keys import partition_of
from shared.contracts.topics import TOPICS
from tests.bus.lab import OTHER, TOPIC, Database, Lab, headers, messages, until, until_shared


async def keys_stay_in_order(lab: Lab) -> None:
    for start in range(0, 600, 60):
        await lab.bus.publish(messages(60, start=start))
    database = Database()
    async with lab.reader(database) as reader:
        await until(lambda: len(database.applied) == 600, reader, max_records=70)
    by_key: dict[str, list[int]] = {}
    for record, number in zip(database.applied, database.numbers, strict=True):
        by_key.setdefault(record.key, []).append(number)
    assert by_key == {f"key-{key}": list(range(key, 600, 20)) for key in range(20)}


async def a_key_has_one_partition_the_same_on_every_bus(lab: Lab) -> None:
    await lab.bus.publish(messages(100, keys=50))
    database = Database()
    async with lab.reader(database) as reader:
        await until(lambda: len(database.applied) == 100, reader)
    for record in database.applied:
        assert record.partition == partition_of(record.key.encode(), TOPICS[TOPIC].partitions)


async def what_was_published_outlives_the_bus(lab: Lab) -> None:
    await lab.bus.publish(messages(50))
    await lab.restart()
    database = Database()
    async with lab.reader(database) as reader:
        await until(lambda: len(database.applied) == 50, reader)


async def members_share_the_partitions(lab: Lab) -> None:
    database = Database()
    bus = await lab.another()
    async with lab.reader(database) as one, lab.reader(database, bus=bus) as two:
        await until_shared(one, two)
        await lab.bus.publish(messages(300, keys=60))
        await until(lambda: len(database.applied) == 300, one, two)
        for reader in (one, two):
            places = {record.place for record in reader.polled}
            assert places <= reader.subscription.assignment()
        assert one.polled
        assert two.polled
        assert len(one.polled) + len(two.polled) == 300


async def each_group_gets_everything(lab: Lab) -> None:
    await lab.bus.publish(messages(100))
    first, second = Database(), Database()
    async with lab.reader(first, group="a") as a, lab.reader(second, group="b") as b:
        await until(lambda: len(first.applied) == len(second.applied) == 100, a, b)
    assert sorted(first.numbers) == sorted(second.numbers) == list(range(100))


async def a_newcomer_gets_a_share(lab: Lab) -> None:
    database = Database()
    async with lab.reader(database) as one:
        await until_shared(one)
        await lab.bus.publish(messages(200))
        await until(lambda: len(database.applied) >= 20, one, max_records=10)
        # The first still has messages buffered when it loses half of its partitions.
        async with lab.reader(database, bus=await lab.another()) as two:
            await until_shared(one, two)
            seen = len(one.polled)
            await until(lambda: len(database.applied) == 200, one, two)
            mine = one.subscription.assignment()
            assert {record.place for record in one.polled[seen:]} <= mine
            await lab.bus.publish(messages(200, start=200))
            await until(lambda: len(database.applied) == 400, one, two)
            assert two.polled


async def a_leavers_partitions_are_taken_over(lab: Lab) -> None:
    database = Database()
    async with lab.reader(database) as one:
        async with lab.reader(database, bus=await lab.another()) as two:
            await until_shared(one, two)
            await lab.bus.publish(messages(100))
            await until(lambda: len(database.applied) >= 10, one, two, max_records=5)
        await lab.bus.publish(messages(100, start=100))
        await until(lambda: len(database.applied) == 200, one)
        await until_shared(one)


async def a_seek_redelivers(lab: Lab) -> None:
    await lab.bus.publish(messages(60, keys=1))
    database = Database()
    async with lab.reader(database) as reader:
        await until(lambda: len(database.applied) == 30, reader, max_records=10)
        place, back = database.applied[0].place, database.applied[10].offset
        # The transaction of the last twenty was rolled back.
        del database.applied[10:]
        database.positions[place] = back
        await reader.subscription.seek({place: back})
        await until(lambda: len(database.applied) == 60, reader)
    assert database.numbers == list(range(60))


async def seeking_a_lost_partition_is_ignored(lab: Lab) -> None:
    database = Database()
    async with lab.reader(database) as one, lab.reader(database, bus=await lab.another()) as two:
        await until_shared(one, two)
        lost = next(iter(two.subscription.assignment()))
        await one.subscription.seek({lost: 0})
        assert lost not in one.subscription.assignment()
        await lab.bus.publish(messages(100, keys=60))
        await until(lambda: len(database.applied) == 100, one, two)
        assert lost not in {record.place for record in one.polled}


async def a_restart_goes_on_from_the_database(lab: Lab) -> None:
    await lab.bus.publish(messages(100))
    database = Database()
    async with lab.reader(database) as reader:
        await until(lambda: len(database.applied) >= 40, reader, max_records=10)
        # What the broker was told is for display: it must not steer where reading goes on.
        await reader.subscription.commit(dict.fromkeys(reader.subscription.assignment(), 100))
    await lab.restart()
    before = len(database.applied)
    async with lab.reader(database) as reader:
        await until(lambda: len(database.applied) == 100, reader)
        assert len(reader.polled) == 100 - before  # nothing twice either
    assert sorted(database.numbers) == list(range(100))


async def the_database_is_asked_for_each_assigned_partition(lab: Lab) -> None:
    await lab.bus.publish(messages(60))
    database = Database()
    async with lab.reader(database) as reader:
        await until(lambda: len(database.applied) == 60, reader)
        assert set(database.asked) == reader.subscription.assignment()
        assert {record.place for record in database.applied} <= set(database.asked)


async def a_failing_database_is_asked_again(lab: Lab) -> None:
    await lab.bus.publish(messages(30))
    failures = 0

    async def positions(places: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        nonlocal failures
        failures += 1
        if failures == 1:
            raise OSError("the database is away")
        return {}

    subscription = await lab.bus.subscribe("group", [TOPIC], positions)
    received = 0

    async def poll_until_it_raises() -> None:
        async with asyncio.timeout(30):
            while True:
                assert not await subscription.poll(10, 0.2)

    try:
        with pytest.raises(OSError, match="database is away"):
            await poll_until_it_raises()
        async with asyncio.timeout(30):
            while received < 30:
                received += len(await subscription.poll(10, 0.2))
    finally:
        await subscription.close()


async def an_event_arrives_as_it_was(lab: Lab) -> None:
    """Key, value and attributes: what a reader decodes is what the writer decided."""
    said = {**headers(1), "ce_subject": "käy", "content-type": "application/json"}
    await lab.bus.publish([Message(TOPIC, "käy", '{"ü": "東京"}'.encode(), said)])
    database = Database()
    async with lab.reader(database) as reader:
        await until(lambda: len(database.applied) == 1, reader)
    record = database.applied[0]
    assert (record.topic, record.key) == (TOPIC, "käy")
    assert record.value == '{"ü": "東京"}'.encode()
    assert dict(record.headers) == said


async def tombstones_and_headers_arrive(lab: Lab) -> None:
    said = {"ce_type": "leadloop.lead.erased.v1", "naïve": "Zürich, 東京"}
    await lab.bus.publish([Message("lead.contact", "käy", None, said)])
    database = Database()
    async with lab.reader(database, "lead.contact") as reader:
        await until(lambda: len(database.applied) == 1, reader)
    record = database.applied[0]
    assert (record.key, record.value, dict(record.headers)) == ("käy", None, said)


async def missing_topics_are_named(lab: Lab) -> None:
    with pytest.raises(MissingTopics, match=r"no\.such.*no\.topic") as missing:
        await lab.bus.check_topics([TOPIC, "no.such", "no.topic"])
    assert [name.split(".", 1)[1] for name in missing.value.names] == ["no.such", "no.topic"]
    with pytest.raises(MissingTopics, match=r"no\.such"):
        await lab.bus.subscribe("group", [TOPIC, "no.such"], Database().ask)
    with pytest.raises(MissingTopics, match=r"no\.such"):
        await lab.bus.publish([Message("no.such", "k", b"", {})])
    await lab.bus.check_topics(list(TOPICS))


async def topics_are_created_once(lab: Lab) -> None:
    assert list(await lab.bus.create_topics()) == []


async def a_big_batch_arrives_whole(lab: Lab) -> None:
    await lab.bus.publish(messages(5000, keys=300))
    database = Database()
    async with lab.reader(database) as reader:
        await until(lambda: len(database.applied) == 5000, reader)
    assert sorted(database.numbers) == list(range(5000))


async def lag_counts_what_was_not_polled(lab: Lab) -> None:
    database = Database()
    async with lab.reader(database) as reader:
        await until_shared(reader)
        assert await reader.subscription.lag() == 0
        await lab.bus.publish(messages(100))
        assert await reader.subscription.lag() == 100
        await until(lambda: len(database.applied) >= 30, reader, max_records=10)
        assert await reader.subscription.lag() == 100 - len(database.applied)
        await until(lambda: len(database.applied) == 100, reader)
        assert await reader.subscription.lag() == 0


async def commits_never_raise(lab: Lab) -> None:
    database = Database()
    async with lab.reader(database) as reader:
        await until_shared(reader)
        for topic, partition, offset in ((TOPIC, 0, -1), (TOPIC, 99, 5), ("no.such", 0, 5)):
            await reader.subscription.commit({TopicPartition(topic, partition): offset})
        await lab.bus.publish(messages(10))
        await until(lambda: len(database.applied) == 10, reader)
    await reader.subscription.commit(database.positions)


async def a_waiting_poll_wakes_up(lab: Lab) -> None:
    database = Database()
    async with lab.reader(database) as reader:
        await until_shared(reader)
        waiting = asyncio.create_task(reader.poll(timeout=30))
        await asyncio.sleep(0)
        await lab.bus.publish(messages(1))
        async with asyncio.timeout(10):
            assert len(await waiting) == 1


async def one_member_reads_several_topics(lab: Lab) -> None:
    await lab.bus.publish(messages(30) + messages(30, topic=OTHER, start=100))
    database = Database()
    async with lab.reader(database, TOPIC, OTHER) as reader:
        await until(lambda: len(database.applied) == 60, reader)
        assert {place.topic for place in reader.subscription.assignment()} == {TOPIC, OTHER}
        assert set(database.positions) <= reader.subscription.assignment()
    assert {record.topic for record in database.applied} == {TOPIC, OTHER}


async def a_position_beyond_the_log_means_its_start(lab: Lab) -> None:
    await lab.bus.publish(messages(30))
    lost = Database()  # of an older log: its positions say nothing about this one
    async with lab.reader(Database(), group="other") as other:
        await until_shared(other)
        lost.positions = dict.fromkeys(other.subscription.assignment(), 1_000)
    subscription = await lab.bus.subscribe("group", [TOPIC], lost.ask)
    read: list[int] = []
    try:
        async with asyncio.timeout(30):
            while len(read) < 30:
                read += [int(r.value or b"") for r in await subscription.poll(500, 0.2)]
    finally:
        await subscription.close()
    assert sorted(read) == list(range(30))


async def publishers_side_by_side_lose_nothing(lab: Lab) -> None:
    calls = [lab.bus.publish(messages(50, start=start)) for start in range(0, 1000, 50)]
    await asyncio.gather(*calls)
    database = Database()
    async with lab.reader(database) as reader:
        await until(lambda: len(database.applied) == 1000, reader)
    assert sorted(database.numbers) == list(range(1000))


async def a_closed_member_says_so(lab: Lab) -> None:
    async with lab.reader(Database()) as reader:
        pass
    with pytest.raises(BusUnavailable):
        await reader.subscription.poll(1, 0.1)
    assert reader.subscription.assignment() == frozenset()


async def a_tail_and_a_table_are_one_log(lab: Lab) -> None:
    """A reader that is far behind reads on to what has just been written, in small steps, while
    more is written."""
    await lab.bus.publish(messages(500))
    await lab.restart()
    database = Database()
    async with lab.reader(database) as reader:
        for start in range(500, 1500, 100):
            await lab.bus.publish(messages(100, start=start))
            await reader.poll(60)
        await until(lambda: len(database.applied) == 1500, reader, max_records=70)
    by_key: dict[str, list[int]] = {}
    for record, number in zip(database.applied, database.numbers, strict=True):
        by_key.setdefault(record.key, []).append(number)
    assert by_key == {f"key-{key}": list(range(key, 1500, 20)) for key in range(20)}


async def nothing_more_is_promised_than_polled(lab: Lab) -> None:
    """An empty log has nothing, and says so in time; a poll of nothing is no error."""
    database = Database()
    async with lab.reader(database) as reader:
        await until_shared(reader)
        async with asyncio.timeout(10):
            assert not await reader.poll(timeout=0)
            assert not await reader.poll(timeout=0.1)


EVERY = (
    keys_stay_in_order,
    what_was_published_outlives_the_bus,
    each_group_gets_everything,
    a_seek_redelivers,
    a_restart_goes_on_from_the_database,
    the_database_is_asked_for_each_assigned_partition,
    a_failing_database_is_asked_again,
    an_event_arrives_as_it_was,
    topics_are_created_once,
    a_big_batch_arrives_whole,
    lag_counts_what_was_not_polled,
    commits_never_raise,
    a_waiting_poll_wakes_up,
    one_member_reads_several_topics,
    a_position_beyond_the_log_means_its_start,
    publishers_side_by_side_lose_nothing,
    a_closed_member_says_so,
    a_tail_and_a_table_are_one_log,
    nothing_more_is_promised_than_polled,
)
BROKERS = (
    a_key_has_one_partition_the_same_on_every_bus,
    members_share_the_partitions,
    a_newcomer_gets_a_share,
    a_leavers_partitions_are_taken_over,
    seeking_a_lost_partition_is_ignored,
    tombstones_and_headers_arrive,
    missing_topics_are_named,
)
