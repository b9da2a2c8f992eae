"""The URL decides which bus it is."""

from pathlib import Path

import pytest

from shared.bus.kafka import KafkaBus
from shared.bus.local import LocalBus
from shared.bus.open import open_bus


def test_the_scheme_decides(tmp_path: Path) -> None:
    local, kafka = open_bus("local:", "p.", tmp_path), open_bus("kafka://a:1,b:2", "p.", None)
    assert isinstance(local, LocalBus)
    assert isinstance(kafka, KafkaBus)
    assert kafka._bootstrap == "a:1,b:2"


@pytest.mark.parametrize("url", ["", "local", "kafka:", "kafka://", "redis://h:1"])
def test_another_url_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown bus URL"):
        open_bus(url, "", tmp_path)


def test_the_local_bus_needs_a_folder() -> None:
    with pytest.raises(ValueError, match="data folder"):
        open_bus("local:", "", None)
