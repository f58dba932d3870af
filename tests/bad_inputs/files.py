"""Files that are no plain, readable, fitting files, and destinations that cannot be."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from tests.bad_inputs.scene import FIRST, TILE, BadInput, Scene, content, options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def instead(make: Callable[[Path], object], name: str = TILE) -> Callable[[Scene], object]:
    """Something else in a file's place."""

    def spoil(scene: Scene) -> None:
        file = scene.folder / name
        file.unlink(missing_ok=True)
        make(file)

    return spoil


def remove(file: Path) -> None:
    assert not file.exists()


def linked_to(target: str) -> Callable[[Path], object]:
    return lambda file: file.symlink_to(target)


def a_socket(file: Path) -> None:
    """Bound by a short relative name: the whole path may be too long for one."""
    before = os.getcwd()
    os.chdir(file.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(file.name)
    finally:
        os.chdir(before)


def locked(name: str) -> Callable[[Scene], object]:
    """A file or folder that nobody may read."""
    return lambda scene: (scene.folder / name).chmod(0)


def moved_outside(scene: Scene) -> Path:
    (scene.root / "elsewhere").mkdir()
    return scene.tile.rename(scene.root / "elsewhere" / TILE)


def linked_outside(scene: Scene) -> None:
    scene.tile.symlink_to(moved_outside(scene))


def folder_linked_outside(scene: Scene) -> None:
    (scene.folder / "within").symlink_to(moved_outside(scene).parent)
    scene.plate.rows[1]["file_path"] = f"within/{TILE}"
    scene.plate.write_table()


def named_outside(scene: Scene) -> None:
    scene.plate.rows[1]["file_path"] = str(moved_outside(scene))
    scene.plate.write_table()


def first_linked_outside(scene: Scene) -> None:
    """The first file would be opened for what the table leaves out."""
    (scene.root / "elsewhere").mkdir()
    (scene.folder / FIRST).rename(scene.root / "elsewhere" / FIRST)
    (scene.folder / FIRST).symlink_to(scene.root / "elsewhere" / FIRST)
    for row in scene.plate.rows:
        del row["length_x"], row["length_y"]
    scene.plate.write_table()


def swapped(scene: Scene) -> None:
    """The files of two fields of different size, exchanged."""
    for channel in range(2):
        name = f"A01_f1_t0_c{channel}_z0.tif"
        tifffile.imwrite(scene.folder / name, np.ones((14, 18), "uint16"))
        scene.plate.rows[2 + channel] |= {"length_x": 18, "length_y": 14}
    scene.plate.write_table()
    other = scene.folder / "A01_f1_t0_c1_z0.tif"
    other.rename(scene.folder / "kept")
    scene.tile.rename(other)
    (scene.folder / "kept").rename(scene.tile)


def called(name: str) -> Callable[[Scene], object]:
    """The plate's folder under another name, and a tile missing so that the name is told."""

    def spoil(scene: Scene) -> None:
        scene.tile.unlink()
        scene.source = scene.folder.rename(scene.root / name)

    return spoil


def two_lines_and_bad_table(scene: Scene) -> None:
    scene.table.write_bytes(b"")
    called("pla\nte")(scene)


def below_a_file(scene: Scene) -> None:
    scene.plate.rows[1]["file_path"] = f"{FIRST}/{TILE}"
    scene.plate.write_table()


def in_a_locked_folder(scene: Scene) -> None:
    (scene.folder / "within").mkdir()
    scene.tile.rename(scene.folder / "within" / TILE)
    scene.plate.rows[1]["file_path"] = f"within/{TILE}"
    scene.plate.write_table()
    (scene.folder / "within").chmod(0)


def no_source(scene: Scene) -> None:
    scene.source = scene.root / "gone"


def source_is(make: Callable[[Path], object]) -> Callable[[Scene], object]:
    def spoil(scene: Scene) -> None:
        scene.source = scene.root / "strange"
        make(scene.source)

    return spoil


def dest_is(make: Callable[[Path], object]) -> Callable[[Scene], object]:
    def spoil(scene: Scene) -> None:
        make(scene.dest)

    return spoil


def dest_at(*parts: str) -> Callable[[Scene], object]:
    def spoil(scene: Scene) -> None:
        scene.dest = scene.root.joinpath(*parts)

    return spoil


def locked_parent(scene: Scene) -> None:
    scene.dest = scene.root / "locked" / "out"
    scene.dest.parent.mkdir()
    scene.dest.parent.chmod(0o555)


def locked_dest(scene: Scene) -> None:
    scene.dest.mkdir()
    scene.dest.chmod(0o555)


def foreign_plate(scene: Scene) -> None:
    (scene.dest / "plate.zarr").mkdir(parents=True)
    (scene.dest / "plate.zarr" / "notes.txt").write_text("mine")


def a_file(file: Path) -> None:
    file.write_text("x")


_ESCAPED = r"^{table}, row 2 \(.*\): expected a file in {folder}, found one outside"
_UNREADABLE = "{tile}: expected an image file, found "

CASES = [
    BadInput("file: missing", instead(remove), "{tile}: no such file: copy the missing file"),
    BadInput("file: empty", content(b""), _UNREADABLE + "an empty one: copy it again"),
    BadInput("file: one byte", content(b"I"), "{tile}: expected a TIFF, PNG, JPEG, BMP or NPY file"),
    BadInput("file: a folder", instead(os.mkdir), _UNREADABLE + "a folder"),
    BadInput("file: below a file", below_a_file, f"{{folder}}/{FIRST}/{TILE}: no such file"),
    BadInput("file: a named pipe", instead(os.mkfifo), _UNREADABLE + "a device or pipe", needs="posix"),
    BadInput("file: a socket", instead(a_socket), _UNREADABLE + "a device or pipe", needs="posix"),
    BadInput(
        "file: a link to nothing", instead(linked_to("gone.tif")), "{tile}: no such file", needs="posix"
    ),
    BadInput("file: a link to itself", instead(linked_to(TILE)), "{tile}: cannot be opened", needs="posix"),
    BadInput("file: a link to endless zeros", instead(linked_to("/dev/zero")), _ESCAPED, needs="posix"),
    BadInput(
        "file: a link out of the folder",
        linked_outside,
        _ESCAPED + ", through a symbolic link",
        needs="posix",
    ),
    BadInput(
        "file: its folder is a link out of the folder",
        folder_linked_outside,
        _ESCAPED + ", through a symbolic link",
        needs="posix",
    ),
    BadInput("file: a sound one outside", named_outside, _ESCAPED),
    BadInput(
        "file: the first one is a link out of the folder",
        first_linked_outside,
        "^{table}.*missing columns length_x, length_y|found one outside",
        needs="posix",
    ),
    BadInput(
        "file: a web page",
        content("<!DOCTYPE html>\n<html>404</html>"),
        "{tile}: expected a TIFF, .*found one that starts with b'<!DOCTYP'",
    ),
    BadInput(
        "file: a pointer of Git LFS",
        content("version https://git-lfs.github.com/spec/v1\n"),
        "{tile}: expected a TIFF.*b'version '",
    ),
    BadInput("file: a ZIP archive", content(b"PK\3\4" + bytes(60)), r"{tile}: expected a TIFF.*b'PK"),
    BadInput("file: zeros", content(bytes(2000)), r"{tile}: expected a TIFF, .*x00"),
    BadInput(
        "files: two of other shape, swapped",
        swapped,
        "{tile}: expected 12 x 16 px .height x width., found 14 x 18",
        errors=2,
    ),
    BadInput(
        "rights: a tile",
        locked(TILE),
        "{tile}: permission denied: ask for the right to read it",
        needs="nobody",
    ),
    BadInput(
        "rights: the first tile", locked(FIRST), f"{{folder}}/{FIRST}: permission denied", needs="nobody"
    ),
    BadInput(
        "rights: the folder of a tile",
        in_a_locked_folder,
        f"{{folder}}/within/{TILE}: (permission denied|no such file)|{{folder}}/within",
        needs="nobody",
    ),
    BadInput(
        "rights: the table",
        locked("tiles.csv"),
        "^{table}: cannot be read: Permission denied",
        needs="nobody",
    ),
    BadInput(
        "rights: the details",
        locked("acquisition_details.toml"),
        "^{toml}: cannot be read: Permission denied",
        needs="nobody",
    ),
    BadInput("rights: the destination", locked_dest, "^{dest}: .*Permission denied", needs="nobody"),
    BadInput(
        "rights: the destination's parent", locked_parent, "^{dest}: .*Permission denied", needs="nobody"
    ),
    BadInput("source: not there", no_source, "^{source}: expected a folder or file, found nothing there"),
    BadInput("source: an empty folder", source_is(os.mkdir), "^{source}: expected a known format"),
    BadInput(
        "source: a named pipe", source_is(os.mkfifo), "^{source}: expected a known format", needs="posix"
    ),
    BadInput(
        "source: a link to itself",
        source_is(linked_to("strange")),
        "^{source}: expected a folder or file",
        needs="posix",
    ),
    BadInput("source: a file of no format", source_is(a_file), "^{source}: expected a known format"),
    BadInput(
        "source: an unknown format",
        options("--format", "nonsense"),
        "unknown format 'nonsense': expected auto or one of table",
    ),
    BadInput(
        "dest: a file", dest_is(a_file), "^{dest}: expected a folder as destination, found that it is a file"
    ),
    BadInput(
        "dest: below a file",
        dest_at("plate", FIRST, "out"),
        "^{folder}/" + FIRST + ": expected a folder as destination, found that it is a file",
    ),
    BadInput(
        "dest: a link to nothing",
        dest_is(linked_to("gone/gone")),
        "^{dest}: cannot be written: ",
        needs="posix",
    ),
    BadInput(
        "dest: a link to itself", dest_is(linked_to("out")), "^{dest}: cannot be written: ", needs="posix"
    ),
    BadInput(
        "dest: a named pipe",
        dest_is(os.mkfifo),
        "^{dest}: expected a folder as destination, found that it is a device or pipe",
        needs="posix",
    ),
    BadInput(
        "dest: /dev/null",
        dest_at("/dev/null"),
        "^/dev/null: expected a folder as destination, found that it is a device or pipe",
        needs="posix",
    ),
    BadInput(
        "source: a name of two lines", called("pla\nte"), rf"pla\\nte/{TILE}: no such file", needs="posix"
    ),
    BadInput(
        "source: a name of two lines, and a bad table",
        two_lines_and_bad_table,
        r"^\S*pla\\nte/tiles.csv: expected a header",
        needs="posix",
    ),
    BadInput(
        "source: no Unicode", called(os.fsdecode(b"pla\xffte")), r"pla\\udcffte.*no such file", needs="posix"
    ),
    BadInput(
        "dest: something else by the plate's name",
        foreign_plate,
        "^{dest}/plate.zarr: expected a plate or nothing, found something else",
    ),
    *(
        BadInput(
            f"dest: plate name {name!r}",
            options("--plate-name", name),
            "name of the plate: .*no valid Zarr name",
        )
        for name in ("a/b", "..", ".hidden", "nul\a", "con", "", "a\nb", "\u202eabc", "x" * 300)
    ),
]
