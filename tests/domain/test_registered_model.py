"""The rules of registered models: names, numbers and aliases."""

from __future__ import annotations

from treering.domain.registered_model import REGISTERED_MODEL, registered_model_key
from treering.domain.registered_model_messages import (
    AddVersion,
    AliasAssigned,
    AliasRemoved,
    AssignAlias,
    CreateRegisteredModel,
    DeleteRegisteredModel,
    Holding,
    NameReleased,
    NameReserved,
    RegisteredModelArchived,
    RegisteredModelCreated,
    RegisteredModelDeleted,
    RegisteredModelEvent,
    RegisteredModelRenamed,
    RegisteredModelRestored,
    RegisteredModelTransferred,
    ReleaseName,
    RemoveVersion,
    RenameRegisteredModel,
    ReserveName,
    RestoreRegisteredModel,
    ReturnVersion,
    TagRegisteredModel,
    TransferRegisteredModel,
    UndeleteRegisteredModel,
    VersionAdded,
    VersionRemoved,
    VersionReturned,
)
from treering.testing.scenario import given

CREATED = RegisteredModelCreated("m", request="r")
ONE = VersionAdded(1, "r1")


def test_a_name_is_taken_once() -> None:
    given(REGISTERED_MODEL, CREATED).when(CreateRegisteredModel("m", request="other")).is_refused(
        "registered_model.exists"
    )


def test_a_name_is_free_again_when_its_model_was_deleted() -> None:
    again = CreateRegisteredModel("m", tags={"a": "b"})
    given(REGISTERED_MODEL, CREATED, RegisteredModelDeleted()).when(again).then(
        RegisteredModelCreated("m", tags={"a": "b"}, generation=2)
    )
    renamed = (
        CREATED,
        RegisteredModelDeleted(),
        RegisteredModelCreated("m", generation=2),
        RegisteredModelRenamed("n"),
    )
    given(REGISTERED_MODEL, *renamed).when(CreateRegisteredModel("m")).then(RegisteredModelCreated("m", generation=3))


def test_another_model_of_the_name_has_numbers_of_its_own_and_nothing_of_the_earlier_one() -> None:
    earlier = (CREATED, ONE, VersionAdded(2), VersionRemoved(2), AliasAssigned("prod", 1), RegisteredModelDeleted())
    past = (*earlier, RegisteredModelCreated("m", generation=2))
    assert REGISTERED_MODEL.fold(past).holding == Holding("m", generation=2)
    given(REGISTERED_MODEL, *past).when(AddVersion(1, next=True, request="r2")).then(VersionAdded(1, "r2"))
    given(REGISTERED_MODEL, *past).when(ReturnVersion(1)).nothing_happens()


def test_logs_from_before_there_were_generations_are_what_they_were() -> None:
    """There a number was never given again, even to another model of the name."""
    past = (CREATED, ONE, RegisteredModelDeleted(), RegisteredModelCreated("m"))
    given(REGISTERED_MODEL, *past).when(AddVersion(1, next=True, request="r2")).is_refused(
        "registered_model.version_taken"
    )
    given(REGISTERED_MODEL, *past).when(AddVersion(2, next=True, request="r2")).then(VersionAdded(2, "r2"))


def test_of_two_requests_for_the_next_number_one_is_told() -> None:
    given(REGISTERED_MODEL, CREATED, ONE).when(AddVersion(1, next=True, request="r2")).is_refused(
        "registered_model.version_taken"
    )
    given(REGISTERED_MODEL, CREATED, ONE).when(AddVersion(1, next=True, request="r1")).nothing_happens()


def test_a_deleted_number_stays_deleted() -> None:
    given(REGISTERED_MODEL, CREATED, ONE, VersionRemoved(1)).when(AddVersion(1)).is_refused("model.exists")


def test_a_version_outside_of_the_numbers_is_refused() -> None:
    for number in (0, -1, 2**31):
        given(REGISTERED_MODEL, CREATED).when(AddVersion(number)).is_refused("model.version")


def test_an_alias_points_at_a_version_that_is_there() -> None:
    given(REGISTERED_MODEL, CREATED).when(AssignAlias("champion", 1)).is_refused("model.absent")
    given(REGISTERED_MODEL, CREATED, ONE, VersionRemoved(1)).when(AssignAlias("champion", 1)).is_refused("model.absent")


def test_an_alias_that_moves_says_from_where() -> None:
    past = (CREATED, ONE, VersionAdded(2), AliasAssigned("champion", 1))
    given(REGISTERED_MODEL, *past).when(AssignAlias("champion", 2)).then(AliasAssigned("champion", 2, before=1))


def test_the_aliases_of_a_version_go_with_it() -> None:
    past = (CREATED, ONE, VersionAdded(2), AliasAssigned("a", 1), AliasAssigned("b", 2))
    given(REGISTERED_MODEL, *past).when(RemoveVersion(1)).then(AliasRemoved("a", 1), VersionRemoved(1, ("a",)))


def test_a_version_that_comes_back_has_the_aliases_again_that_nobody_used_since() -> None:
    past = (CREATED, ONE, VersionAdded(2), AliasRemoved("a", 1), AliasRemoved("b", 1), VersionRemoved(1, ("a", "b")))
    back = (VersionReturned(1), AliasAssigned("a", 1), AliasAssigned("b", 1))
    given(REGISTERED_MODEL, *past).when(ReturnVersion(1)).then(*back)
    given(REGISTERED_MODEL, *past, AliasAssigned("a", 2)).when(ReturnVersion(1)).then(
        VersionReturned(1), AliasAssigned("b", 1)
    )
    given(REGISTERED_MODEL, *past, AliasAssigned("a", 2), AliasRemoved("a", 2)).when(ReturnVersion(1)).then(
        VersionReturned(1), AliasAssigned("b", 1)
    )


def test_the_labels_of_an_earlier_model_of_the_name_come_back_with_its_versions_where_they_are_free() -> None:
    gone = (
        CREATED,
        ONE,
        VersionAdded(2),
        AliasAssigned("prod", 1),
        AliasAssigned("stage", 2),
        RegisteredModelDeleted(),
    )
    past = (*gone, CREATED, VersionAdded(3))
    given(REGISTERED_MODEL, *past).when(ReturnVersion(1)).then(AliasAssigned("prod", 1))
    given(REGISTERED_MODEL, *past, AliasAssigned("prod", 3)).when(ReturnVersion(1)).nothing_happens()
    given(REGISTERED_MODEL, *past, AliasAssigned("prod", 1)).when(ReturnVersion(1)).nothing_happens()
    moved = (*gone[:-1], RegisteredModelRenamed("other"), CREATED)
    given(REGISTERED_MODEL, *moved).when(ReturnVersion(1)).nothing_happens()


def test_what_was_archived_when_it_was_deleted_is_archived_when_it_comes_back() -> None:
    gone = (CREATED, RegisteredModelArchived(), RegisteredModelDeleted())
    given(REGISTERED_MODEL, *gone).when(UndeleteRegisteredModel()).then(RegisteredModelRestored(archived=True))
    back = REGISTERED_MODEL.fold((*gone, RegisteredModelRestored(archived=True)))
    assert REGISTERED_MODEL.summary(back).status == "archived"
    given(REGISTERED_MODEL, *gone).when(RestoreRegisteredModel()).is_refused("registered_model.absent")
    given(REGISTERED_MODEL, CREATED, RegisteredModelArchived()).when(UndeleteRegisteredModel()).nothing_happens()


def test_a_reserved_name_cannot_be_taken_by_others() -> None:
    given(REGISTERED_MODEL, NameReserved("old")).when(CreateRegisteredModel("m")).is_refused("registered_model.exists")
    given(REGISTERED_MODEL, NameReserved("old")).when(ReserveName("another")).is_refused("registered_model.exists")
    given(REGISTERED_MODEL, CREATED).when(ReserveName("old")).is_refused("registered_model.exists")


def test_a_released_name_is_what_it_was() -> None:
    past = (CREATED, RegisteredModelDeleted(), NameReserved("old"), NameReleased("old"))
    given(REGISTERED_MODEL, *past).when(UndeleteRegisteredModel()).then(RegisteredModelRestored())


def test_only_the_holder_of_a_reservation_releases_it() -> None:
    given(REGISTERED_MODEL, NameReserved("old")).when(ReleaseName("another")).nothing_happens()


def test_a_transfer_needs_the_reservation_and_brings_its_own_numbers() -> None:
    holding = Holding("m", version_last=3)
    transfer = TransferRegisteredModel("old", holding)
    given(REGISTERED_MODEL).when(transfer).is_refused("registered_model.not_reserved")
    added = [VersionAdded(number) for number in range(1, 8)]
    past: list[RegisteredModelEvent] = [CREATED, *added, RegisteredModelDeleted(), NameReserved("old")]
    happened = RegisteredModelTransferred("old", holding, generation=2)
    given(REGISTERED_MODEL, *past).when(transfer).then(happened)
    given(REGISTERED_MODEL, *past, happened).when(transfer).nothing_happens()
    given(REGISTERED_MODEL, *past, happened).when(AddVersion(4, next=True)).then(VersionAdded(4))
    before_generations = [*past, RegisteredModelTransferred("old", holding)]
    given(REGISTERED_MODEL, *before_generations).when(AddVersion(7, next=True)).is_refused(
        "registered_model.version_taken"
    )
    late = Holding("m", generation=5)
    given(REGISTERED_MODEL, *past).when(TransferRegisteredModel("old", late)).then(
        RegisteredModelTransferred("old", late, generation=5)
    )


def test_a_renamed_model_can_no_longer_be_changed_under_its_old_name() -> None:
    past = (CREATED, RegisteredModelRenamed("new"))
    given(REGISTERED_MODEL, *past).when(TagRegisteredModel({"a": "b"})).is_refused("registered_model.absent")
    given(REGISTERED_MODEL, *past).when(RenameRegisteredModel("newer")).is_refused("registered_model.absent")
    given(REGISTERED_MODEL, *past).when(DeleteRegisteredModel()).is_refused("registered_model.absent")


def test_no_model_takes_the_key_that_is_made_for_another_name() -> None:
    squatted = registered_model_key("my model é")
    assert squatted != registered_model_key("my model e")
    given(REGISTERED_MODEL).when(CreateRegisteredModel(squatted)).is_refused("registered_model.name_reserved")
    given(REGISTERED_MODEL, CREATED).when(RenameRegisteredModel(squatted)).is_refused("registered_model.name_reserved")
    given(REGISTERED_MODEL).when(CreateRegisteredModel("my model é")).then(RegisteredModelCreated("my model é"))
