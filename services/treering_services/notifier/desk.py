"""What couriers share, and what each is given: the pauses between attempts, and the keys it signs with."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from treering.adapters.delivery_store import DeliveryStore
from treering.adapters.egress import Egress
from treering.adapters.jetstream_log import JetStreamLog
from treering.kernel.epochs import Lineage
from treering_services.notifier.messages import Messages


@dataclass(frozen=True)
class Pauses:
    """After attempt n: ``first_seconds`` times ``factor`` to the n-1, at most ``seconds_max``, half of it chance."""

    first_seconds: float = 1.0
    factor: float = 4.0
    seconds_max: float = 600.0

    def after(self, attempts: int) -> float:
        pause: float = min(self.first_seconds * self.factor ** (attempts - 1), self.seconds_max)
        return pause * random.uniform(0.5, 1.0)


@dataclass
class Desk:
    """What all couriers share. ``lineage`` says of which log it is."""

    log: JetStreamLog
    store: DeliveryStore
    egress: Egress
    messages: Messages
    pauses: Pauses = field(default_factory=Pauses)
    lineage: Lineage = field(default_factory=Lineage)


@dataclass(frozen=True)
class SigningKey:
    """``until``: seconds since the epoch, when it is signed with no more."""

    key: bytes
    until: float = math.inf
