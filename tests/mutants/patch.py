"""A mutant: one fault, as a patch that puts it into the library.

Rules of residence: reading patches and applying them to a tree. A hunk fits where its old
lines stand, once, whatever their numbers: so patches live as long as the lines they change.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

__all__ = ["PATCHES", "DoesNotFit", "Hunk", "Patch", "all_patches", "read_patch"]

PATCHES = Path(__file__).with_name("patches")


class DoesNotFit(Exception):
    """The tree does not have the lines that a patch changes, or more than once."""


class Hunk(msgspec.Struct, frozen=True):
    """Lines of one file, as they are and as the fault has them; context included."""

    file: str
    before: str
    after: str
    changed: int
    """Lines that are taken away or put in, whichever are more."""

    def fault(self, text: str) -> str:
        """The file's text with the fault in it. Raises DoesNotFit."""
        found = text.count(self.before)
        if found != 1:
            raise DoesNotFit(f"{self.file} has these lines {found} times:\n{self.before}")
        return text.replace(self.before, self.after)


class Patch(msgspec.Struct, frozen=True):
    """One fault."""

    name: str
    fault: str
    """What goes wrong with it, in a sentence."""
    caught_by: tuple[str, ...]
    """The tests that must fail, as `tests/FILE::NAME`."""
    hunks: tuple[Hunk, ...]

    @property
    def is_compiled(self) -> bool:
        """Whether something must be built for it."""
        return any(not hunk.file.endswith(".py") for hunk in self.hunks)

    def faulty_files(self, root: Path) -> dict[Path, str]:
        """The files it changes, with the fault in them. Raises DoesNotFit."""
        texts: dict[Path, str] = {}
        for hunk in self.hunks:
            file = root / hunk.file
            if file not in texts:
                if not file.is_file():
                    raise DoesNotFit(f"there is no {hunk.file}")
                texts[file] = file.read_text(encoding="utf-8")
            texts[file] = hunk.fault(texts[file])
        return texts


def all_patches() -> list[Patch]:
    """Every mutant there is, in the order of its number."""
    return [read_patch(file) for file in sorted(PATCHES.glob("*.patch"))]


def read_patch(file: Path) -> Patch:
    """The mutant of a file: a sentence, `Caught-by:` lines, and a unified diff."""
    head, mark, diff = file.read_text(encoding="utf-8").partition("--- a/")
    sentence: list[str] = []
    caught_by: list[str] = []
    for line in head.splitlines():
        if line.startswith("Caught-by: "):
            caught_by.append(line.removeprefix("Caught-by: "))
        else:
            sentence.append(line)
    return Patch(
        file.stem, " ".join(sentence).strip(), tuple(caught_by), tuple(hunks_of(mark + diff))
    )


def hunks_of(diff: str) -> list[Hunk]:
    """The hunks of a unified diff, in order."""
    found: list[Hunk] = []
    name = ""
    lines: list[str] = []

    def close() -> None:
        if lines:
            found.append(hunk_of(name, lines))
            lines.clear()

    for line in diff.splitlines(keepends=True):
        if line.startswith("--- a/"):
            close()
            name = line.removeprefix("--- a/").strip()
        elif line.startswith("@@"):
            close()
        elif not line.startswith("+++ b/"):
            lines.append(line)
    close()
    return found


def hunk_of(name: str, lines: list[str]) -> Hunk:
    before = "".join(line[1:] for line in lines if line[0] in " -")
    after = "".join(line[1:] for line in lines if line[0] in " +")
    gone = sum(line[0] == "-" for line in lines)
    come = sum(line[0] == "+" for line in lines)
    return Hunk(name, before, after, max(gone, come))
