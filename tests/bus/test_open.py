"""The URL decides which bus it is."""

from typing import NoReturn

import pytest

from shared.bus.kafka import KafkaBus
from shared.bus.local import LocalBus
from shared.bus.open import open_bus


def _database(service: str) -> NoReturn:
    raise AssertionError(f"opening needs no database yet, not even of {service}")


def test_the_scheme_decides() -> None:
    local = open_bus("local:", "p.", _database)
    kafka = open_bus("kafka://a:1,b:2", "p.", _database)
    assert isinstance(local, LocalBus)
    assert isinstance(kafka, KafkaBus)
    assert kafka._bootstrap == "a:1,b:2"


@pytest.mark.parametrize("url", ["", "local", "kafka:", "kafka://", "redis://h:1"])
def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="unknown bus URL"):
        open_bus(url, "", _database)
