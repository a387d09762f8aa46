"""What can be asked of a webhook, and what can have happened to it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from treering.domain.sealed import Sealed
from treering.kernel.aggregate import Command, Event
from treering.kernel.bounds import ITEMS_MAX, Name, Size, Small, Text, Title, rule
from treering.kernel.resource_name import ResourceName

URL_CHARACTERS_MAX = 2048
TEXT_CHARACTERS_MAX = 4096
TITLE_CHARACTERS_MAX = 255
TYPES_MAX = 64
TYPE_CHARACTERS_MAX = 255
ATTEMPTS_MAX = 20
TIMEOUT_SECONDS_MAX = 30
Body = Literal["cloudevents", "eventgrid", "mlflow"]
Url = Annotated[Title, rule(minLength=1, maxLength=URL_CHARACTERS_MAX)]
Description = Annotated[Text, rule(maxLength=TEXT_CHARACTERS_MAX)]
Label = Annotated[Name, rule(maxLength=TITLE_CHARACTERS_MAX)]
Types = Annotated[
    list[Annotated[Name, rule(minLength=1, maxLength=TYPE_CHARACTERS_MAX)]],
    Meta(max_length=ITEMS_MAX),
    rule(maxItems=TYPES_MAX),
]
Attempts = Annotated[Small, rule(minimum=1, maximum=ATTEMPTS_MAX)]
Timeout = Annotated[Small, rule(minimum=1, maximum=TIMEOUT_SECONDS_MAX)]


class Made(Struct, frozen=True):
    """What a webhook is made with, in the command and in the event."""

    url: Url
    since: Size = 0
    kind: Name = ""
    resource: Name = ""
    types: Types = []
    body: Body = "cloudevents"
    attempts_max: Attempts = 8
    timeout_seconds: Timeout = 10
    description: Description = ""
    secret: Name = ""  # the id of the sealed file it is in, never the secret; "" is unsigned, for mlflow only
    title: Label = ""  # what MLflow calls its name; two may have the same
    sealed: Sealed | None = None  # the whole address; ``url`` is its scheme and host then


class Changed(Struct, frozen=True):
    """What an update gives it, in the command and in the event; None: as it was."""

    url: Url | None = None
    types: Types | None = None
    attempts_max: Attempts | None = None
    timeout_seconds: Timeout | None = None
    description: Description | None = None
    secret: Name | None = None
    title: Label | None = None
    sealed: Sealed | None = None  # with ``url``: the whole address


# Commands: what someone asks for.


class CreateWebhook(Made, Command, frozen=True, tag="create"):
    """``since``: the position behind which its first event is. ``types`` may end in ``*``; what is empty selects
    all: ``kind`` every kind, ``resource`` (its name) every one of them. With the body ``mlflow`` types are MLflow's
    own, such as ``model_version.created``. ``paused``: it is made, and told nothing until it is resumed."""

    paused: bool = False


class UpdateWebhook(Changed, Command, frozen=True, tag="update"):
    pass


class RotateSecret(Command, frozen=True, tag="rotate_secret"):
    """``secret``: the id of the file the new one is in. The one there was is good until ``previous_until``; None: no
    more."""

    secret: Name
    previous_until: datetime | None = None


class PauseWebhook(Command, frozen=True, tag="pause"):
    pass


class ResumeWebhook(Command, frozen=True, tag="resume"):
    pass


class ReplayWebhook(Command, frozen=True, tag="replay"):
    """Tell it again of everything behind ``since``. ``request`` is the asker's own id, so that twice is once."""

    since: Size
    request: ResourceName


class DeleteWebhook(Command, frozen=True, tag="delete"):
    pass


WebhookCommand = (
    CreateWebhook | UpdateWebhook | RotateSecret | PauseWebhook | ResumeWebhook | ReplayWebhook | DeleteWebhook
)


# Events: what happened.


class WebhookCreated(Made, Event, frozen=True, tag="webhook.created"):
    pass


class WebhookUpdated(Changed, Event, frozen=True, tag="webhook.updated"):
    pass


class WebhookSecretRotated(Event, frozen=True, tag="webhook.secret_rotated"):
    secret: Name
    previous_until: datetime | None = None


class WebhookPaused(Event, frozen=True, tag="webhook.paused"):
    pass


class WebhookResumed(Event, frozen=True, tag="webhook.resumed"):
    pass


class WebhookReplayRequested(Event, frozen=True, tag="webhook.replay_requested"):
    since: Size
    request: ResourceName


class WebhookDeleted(Event, frozen=True, tag="webhook.deleted"):
    pass


WebhookEvent = (
    WebhookCreated | WebhookUpdated | WebhookSecretRotated | WebhookPaused | WebhookResumed | WebhookReplayRequested
    | WebhookDeleted
)  # fmt: skip
