"""Which files of a folder are wanted."""

from __future__ import annotations

from collections.abc import Sequence

import pathspec

from localrag.errors import DocumentError


class Patterns:
    """Patterns as in a .gitignore file, on paths below the folder: "*.pdf", "drafts/", "notes/**/*.md".

    Without `include` every file is in; `exclude` wins.
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        """DocumentError: a pattern cannot be understood."""
        try:
            self._wanted = pathspec.GitIgnoreSpec.from_lines(include or ["*"])
            self._unwanted = pathspec.GitIgnoreSpec.from_lines(exclude)
        except ValueError as exc:
            raise DocumentError(
                f"A pattern cannot be understood: {exc}. Write it as in a .gitignore file, such as *.pdf."
            ) from exc

    def let_in(self, name: str) -> bool:
        """Whether a file is in; its name is the path below the folder, with "/" between folders."""
        return self._wanted.match_file(name) and not self._unwanted.match_file(name)

    def keep_out(self, folder: str) -> bool:
        """Whether nothing of a folder is in, because the folder itself is excluded."""
        return self._unwanted.match_file(f"{folder}/")
