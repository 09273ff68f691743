"""How an optional part gets into an installation.

Goal: what pumprig tells its user to type installs it, where there is no package of that name to be had, too.
Method: an installation's own record of where it came from, in a folder of its own that Python finds first.
"""

import shlex

import pytest

from pumplink.extras import install_command


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs pumprig from somewhere: the text of the record, or None for an index."""

    def install(origin: str | None) -> None:
        record = tmp_path / "site/pumprig-0.1.0.dist-info"
        record.mkdir(parents=True)
        (record / "METADATA").write_text("Metadata-Version: 2.1\nName: pumprig\nVersion: 0.1.0\n", encoding="utf-8")
        if origin is not None:
            (record / "direct_url.json").write_text(origin, encoding="utf-8")
        monkeypatch.syspath_prepend(str(record.parent))

    return install


def test_a_checkout_is_installed_again_from_its_folder(installed, tmp_path, monkeypatch):
    installed(f'{{"dir_info": {{"editable": true}}, "url": "file://{tmp_path}/check%20out"}}')
    command = shlex.split(install_command("ble"))
    assert command[1:] == ["-m", "pip", "install", "--editable", f"{tmp_path}/check out[ble]"]
    assert shlex.split(install_command())[-1] == f"{tmp_path}/check out"
    (tmp_path / "check out").mkdir()
    monkeypatch.chdir(tmp_path / "check out")
    assert shlex.split(install_command("ble"))[-2:] == ["--editable", ".[ble]"]


@pytest.mark.parametrize(
    "origin", [None, '{"archive_info": {}, "url": "https://a.example/pumprig-0.1.0-py3-none-any.whl"}']
)
def test_what_came_as_a_package_is_installed_again_by_its_name(installed, origin):
    installed(origin)
    assert shlex.split(install_command("ble"))[1:] == ["-m", "pip", "install", "pumprig[ble]"]
