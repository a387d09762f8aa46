"""Conda files and requirements files, read without conda and without pip."""

from __future__ import annotations

from pathlib import Path

import pytest

from treering.kernel.refusal import Refused
from treering.specs.conda import read_conda
from treering.specs.requirement_lines import read_requirements

HEAD = "name: x\nchannels: [conda-forge]\ndependencies:\n"


def conda(folder: Path, *items: str) -> Path:
    path = folder / "conda.yaml"
    path.write_text(HEAD + "".join(f"  - {item}\n" for item in items))
    return path


def test_python_packages_and_the_pip_section_are_read(tmp_path: Path) -> None:
    path = conda(tmp_path, "python=3.8", "pip", "numpy=1.21.2", "pip:\n    - PyJokes\n    - mltable>=1.2.0")
    spec = read_conda(path)
    assert spec.python == "3.8"
    assert spec.requirements == ("mltable>=1.2.0", "numpy==1.21.2.*", "pyjokes")
    assert spec.source == str(path)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("pytorch", "torch"),
        ("scikit-learn=1.2", "scikit-learn==1.2.*"),
        ("scikit-learn==1.2", "scikit-learn==1.2"),
        ("scikit-learn=1.2.*", "scikit-learn==1.2.*"),
        ("numpy=1.2=py38_0", "numpy==1.2.*"),
        ("numpy 1.2.*", "numpy==1.2.*"),
        ("numpy >=1.20, <2", "numpy<2,>=1.20"),
        ("conda-forge::pandas=2", "pandas==2.*"),
        ("Pillow", "pillow"),
    ],
)
def test_a_conda_package_becomes_a_requirement(tmp_path: Path, written: str, wanted: str) -> None:
    assert read_conda(conda(tmp_path, f"'{written}'")).requirements == (wanted,)


@pytest.mark.parametrize(
    ("written", "python"), [("python=3.11.6", "3.11.6"), ("python>=3.9,<3.12", ">=3.9,<3.12"), ("python", "")]
)
def test_the_version_of_python_is_kept(tmp_path: Path, written: str, python: str) -> None:
    assert read_conda(conda(tmp_path, f"'{written}'")).python == python


def test_what_every_environment_has_is_not_required(tmp_path: Path) -> None:
    assert read_conda(conda(tmp_path, "pip=20.2", "wheel", "cpuonly")).requirements == ()


def test_what_conda_env_export_writes_is_read(tmp_path: Path) -> None:
    exported = ("_libgcc_mutex=0.1=main", "bzip2=1.0.8=h7b6447c_0", "libffi=3.4.4=h6a678d5_1", "numpy=1.26.4=py311h0")
    assert read_conda(conda(tmp_path, *exported, "jupyter-server-proxy")).requirements == (
        "jupyter-server-proxy",
        "numpy==1.26.4.*",
    )


def test_a_package_without_counterpart_is_refused_by_name_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"environment\.conda: .*conda\.yaml:4: the conda package 'r-base'"):
        read_conda(conda(tmp_path, "r-base=4.1"))


def test_variables_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "conda.yaml"
    path.write_text("dependencies: [python]\nvariables: {A: 1, B: two}\n")
    assert read_conda(path).variables == {"A": "1", "B": "two"}


@pytest.mark.parametrize("text", ["dependencies: numpy", "dependencies: [[numpy]]", "dependencies: [{npm: [x]}]"])
def test_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "conda.yaml").write_text(text)
    with pytest.raises(Refused, match=r"environment\.conda"):
        read_conda(tmp_path / "conda.yaml")


BAD = ["git+https://x/y", "-e git+https://x/y", "a @ https://x/y", "./wheel.whl", "a==", "a b", "--find-links=x"]


@pytest.mark.parametrize("written", BAD)
def test_a_requirement_from_elsewhere_is_refused_in_conda_files(tmp_path: Path, written: str) -> None:
    with pytest.raises(Refused, match=r"environment\.requirement: .*conda\.yaml"):
        read_conda(conda(tmp_path, f"pip:\n    - '{written}'"))


@pytest.mark.parametrize("written", BAD)
def test_a_requirement_from_elsewhere_is_refused_in_requirements_files(tmp_path: Path, written: str) -> None:
    (tmp_path / "requirements.txt").write_text(f"numpy\n{written}\n")
    with pytest.raises(Refused, match=r"environment\.requirement: .*requirements\.txt:2"):
        read_requirements(tmp_path / "requirements.txt")


def test_a_requirements_file_may_have_comments_hashes_markers_and_long_lines(tmp_path: Path) -> None:
    text = "# all\nnumpy==1.26 \\\n  --hash=sha256:0\n\npandas # tables\nw; sys_platform == 'win32'\n"
    (tmp_path / "r.txt").write_text(text)
    assert read_requirements(tmp_path / "r.txt").requirements == ("numpy==1.26", "pandas", 'w; sys_platform == "win32"')


def test_a_file_of_the_same_folder_may_be_included(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("-r b.txt\npandas\n")
    (tmp_path / "b.txt").write_text("-r a.txt\nnumpy\n")
    assert read_requirements(tmp_path / "a.txt").requirements == ("numpy", "pandas")
    assert read_conda(conda(tmp_path, "pip:\n    - -r b.txt")).requirements == ("numpy", "pandas")


@pytest.mark.parametrize("path", ["../out.txt", "/etc/passwd", "link.txt"])
def test_a_file_outside_of_the_folder_is_not_included(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "out.txt").write_text("numpy\n")
    (folder / "link.txt").symlink_to("../out.txt")
    (folder / "a.txt").write_text(f"-r {path}\n")
    for read in (lambda: read_requirements(folder / "a.txt"), lambda: read_conda(conda(folder, f"pip: ['-r {path}']"))):
        with pytest.raises(Refused, match="outside"):
            read()


INDEX = "https://download.pytorch.org/whl/cpu"


@pytest.mark.parametrize(
    "written", [f"--extra-index-url={INDEX}", f"--extra-index-url {INDEX}/", f"-i {INDEX}", f"--index-url '{INDEX}'"]
)
def test_a_package_index_is_named_in_requirements_and_conda_files(tmp_path: Path, written: str) -> None:
    (tmp_path / "r.txt").write_text(f"{written}\ntorch\n--index-url https://pypi.org/simple\n")
    assert read_requirements(tmp_path / "r.txt")[:2] == (("torch",), (INDEX,))
    spec = read_conda(conda(tmp_path, f'pip:\n    - "{written}"\n    - torch'))
    assert (spec.requirements, spec.indexes) == (("torch",), (INDEX,))


@pytest.mark.parametrize(
    "url", ["https://me:pw@feed.example/s", "https://${TOKEN}@feed.example/s", "https://f.example/s?t=pw"]
)
def test_an_index_with_a_credential_is_refused_without_naming_it(tmp_path: Path, url: str) -> None:
    (tmp_path / "r.txt").write_text(f"--extra-index-url {url}\n")
    with pytest.raises(Refused, match=r"environment\.index: .*r\.txt:1") as refused:
        read_requirements(tmp_path / "r.txt")
    assert "pw" not in refused.value.detail and "TOKEN" not in refused.value.detail


@pytest.mark.parametrize("url", ["x", "file:///srv/wheels", "ftp://a.example", "http://", "http://[x", ""])
def test_what_is_no_address_of_an_index_is_refused(tmp_path: Path, url: str) -> None:
    (tmp_path / "r.txt").write_text(f"--extra-index-url {url}\n")
    with pytest.raises(Refused, match=r"environment\.(index|requirement): .*r\.txt:1"):
        read_requirements(tmp_path / "r.txt")


def test_options_that_change_nothing_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("--prefer-binary\n--trusted-host a.example\n--only-binary=:all:\nnumpy\n")
    assert read_requirements(tmp_path / "r.txt").requirements == ("numpy",)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("blas=*=openblas", ()),
        ("conda-forge::libblas=*=*mkl", ()),
        ("cudatoolkit=11.3", ()),
        ("_openmp_mutex=4.5=1_gnu", ()),
        ("__glibc>=2.17", ()),
        ("numpy=*", ("numpy",)),
        ("pytorch=2.0.1=py3.10_cuda11.8_cudnn8.7.0_0", ("torch==2.0.1.*",)),
        ("pytorch=2.0=*cuda*", ("torch==2.0.*",)),
        ("https://conda.anaconda.org/conda-forge::numpy", ("numpy",)),
        ("conda-forge/linux-64::numpy=1.24", ("numpy==1.24.*",)),
        ("numpy[version='>=1.2,<2', build=py311_0]", ("numpy<2,>=1.2",)),
        ("numpy>=1.21.*", ("numpy>=1.21",)),
        ("numpy=1.24.3.post1", ("numpy==1.24.3.post1",)),
        ("setuptools=65", ("setuptools==65.*",)),
    ],
)
def test_builds_channels_and_brackets_are_read(tmp_path: Path, written: str, wanted: tuple[str, ...]) -> None:
    assert read_conda(conda(tmp_path, f'"{written}"')).requirements == wanted


@pytest.mark.parametrize("written", ["python=3.10.*", "python=3.10.*=*_cpython", "python 3.10.* *_cpython"])
def test_a_build_of_python_is_of_no_interest(tmp_path: Path, written: str) -> None:
    assert read_conda(conda(tmp_path, written)).python == "3.10"


def test_everything_that_is_wrong_is_refused_at_once(tmp_path: Path) -> None:
    path = conda(
        tmp_path, "r-base=4.1", "numpy", "ffmpeg", "numpy=1|2", "'a b c'", "pip:\n    - x y\n    - git+https://x/y"
    )
    with pytest.raises(Refused) as refused:
        read_conda(path)
    lines = refused.value.detail.splitlines()
    assert refused.value.code == "environment.conda"
    assert [line.partition(": ")[0] for line in lines] == [f"{path}:{number}" for number in (4, 6, 7, 8, 10, 11)]
    assert "'r-base'" in lines[0] and "it is for R" in lines[0] and "'ffmpeg'" in lines[1] and "a program" in lines[1]


def test_of_very_many_faults_some_are_shown_and_the_others_counted(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        read_conda(conda(tmp_path, *(f"absent{number}" for number in range(100))))
    lines = refused.value.detail.splitlines()
    assert (len(lines), lines[-1]) == (31, "and 70 more")


def test_constraints_are_read_from_a_file_of_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("numpy<2\n")
    (tmp_path / "r.txt").write_text("-c c.txt\npandas\n")
    assert read_requirements(tmp_path / "r.txt") == (("pandas",), (), (), ("numpy<2",))
    for items in ("-c c.txt\n    - pandas", "-r r.txt"):
        spec = read_conda(conda(tmp_path, f"pip:\n    - {items}"))
        assert (spec.requirements, spec.constraints) == (("pandas",), ("numpy<2",))


@pytest.mark.parametrize("written", ["../c.txt", "https://x.example/constraints.txt", "absent.txt"])
def test_constraints_from_elsewhere_are_refused(tmp_path: Path, written: str) -> None:
    (tmp_path / "r.txt").write_text(f"numpy\n-c {written}\n")
    with pytest.raises(Refused, match=r"conda\.yaml:5|absent\.txt"):
        read_conda(conda(tmp_path, f"pip:\n    - -c {written}"))
    with pytest.raises(Refused, match=r"r\.txt:2|absent\.txt"):
        read_requirements(tmp_path / "r.txt")
