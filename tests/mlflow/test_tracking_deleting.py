"""Files are deleted below the artifact root only, whatever an address or a link says."""

import pytest

from orchestrator.errors import MachineryError
from orchestrator.mlflow.experiments import delete_files


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "artifacts"
    (folder / "run" / "artifacts").mkdir(parents=True)
    (folder / "run" / "artifacts" / "model").write_text("ours")
    for other in ("artifacts-of-others", "foreign"):
        (tmp_path / other).mkdir()
        (tmp_path / other / "model").write_text("theirs")
    return folder


def test_a_runs_files_go(root):
    delete_files(str(root / "run" / "artifacts"), str(root))
    assert not (root / "run" / "artifacts").exists()
    delete_files(f"file://{root}/gone/artifacts", f"file://{root}")


@pytest.mark.parametrize(
    "place", ["", "..", "../foreign", "run/../../foreign", "../artifacts-of-others"]
)
def test_what_is_not_below_the_root_stays(root, place):
    with pytest.raises(MachineryError, match="leads outside the artifact root"):
        delete_files(str(root / place), str(root))
    assert len(list(root.parent.rglob("model"))) == 3


def test_a_link_out_of_the_root_is_not_followed(root):
    (root / "linked").symlink_to(root.parent / "foreign")
    with pytest.raises(MachineryError, match="remove the link"):
        delete_files(str(root / "linked" / "artifacts"), str(root))
    assert (root.parent / "foreign" / "model").exists()


def test_a_root_that_is_itself_reached_by_a_link_is_fine(root):
    (root.parent / "link").symlink_to(root)
    delete_files(str(root.parent / "link" / "run" / "artifacts"), str(root))
    assert not (root / "run" / "artifacts").exists()


@pytest.mark.parametrize(
    "address", ["s3://b/models-of-others/r", "s3://b/models/../x", "s3://b/models"]
)
def test_the_same_holds_elsewhere(address):
    with pytest.raises(MachineryError, match="leads outside the artifact root"):
        delete_files(address, "s3://b/models")
