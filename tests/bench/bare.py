"""What the product is measured against: the same work without any of its promises."""

import asyncio
import sys
import time

import uvicorn
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from fastapi import FastAPI

from services.capture.intake.model import LeadIn
from shared.contracts.topics import TOPICS


def serve(port: int) -> None:
    """A bare FastAPI endpoint with capture's Pydantic model that stores nothing."""
    app = FastAPI()

    @app.post("/capture/v1/leads", status_code=202)
    async def leads(lead: LeadIn) -> dict[str, str]:
        return {"lead_id": "none", "submission_id": "none", "status": "captured"}

    uvicorn.run(
        app, port=port, loop="uvloop", http="httptools", access_log=False, log_level="error"
    )


async def echo(bootstrap: str, source: str, target: str, messages: int) -> float:
    """A bare aiokafka loop: consume ``messages``, produce one of the same size for each, commit in
    batches of 500. Returns messages per second."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id="bench-bare", enable_auto_commit=False,
        auto_offset_reset="earliest", isolation_level="read_committed",
    )  # fmt: skip
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_batch_size=1 << 20
    )
    await consumer.start()
    await producer.start()
    try:
        partitions = [TopicPartition(source, n) for n in range(TOPICS[source].partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        done = 0
        began = time.perf_counter()
        while done < messages:
            batch = await consumer.getmany(max_records=500, timeout_ms=1000)
            sent = [
                await producer.send(
                    target, message.value, key=message.key, headers=list(message.headers)
                )
                for records in batch.values()
                for message in records
            ]
            await asyncio.gather(*sent)
            await consumer.commit()
            done += len(sent)
        return done / (time.perf_counter() - began)
    finally:
        await producer.stop()
        await consumer.stop()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        bootstrap, source, target, count = sys.argv[2:6]
        sys.stdout.write(f"{asyncio.run(echo(bootstrap, source, target, int(count)))}\n")
