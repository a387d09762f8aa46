from treering.kernel.file_names import file_name
from treering.kernel.subjects import NAME_CHARACTERS_MAX, checked_name

FILE_BYTES_MAX = 255


def test_a_name_that_is_a_file_name_as_it_is_stays_so() -> None:
    assert file_name("main~train-1") == "main~train-1"


def test_long_names_that_differ_in_their_ends_have_other_files_and_leave_room_around_them() -> None:
    one, other = ("n" * (NAME_CHARACTERS_MAX - 1) + last for last in "ab")
    names = {file_name(f"{workspace}~{checked_name(name)}") for name in (one, other) for workspace in (one, other)}
    assert len(names) == 4
    assert all(len(f".{name}.{'0' * 32}.sealed.{'0' * 16}") <= FILE_BYTES_MAX for name in names)
