"""Runs a normbench command in a terminal and draws what the terminal shows as SVG.

    python docs/make_terminal_svg.py docs/pictures/compare.svg compare results/published/seeds-h200 --all-pairs

The command runs in a pseudo-terminal of `--columns` columns, so that it prints what a person sees, colours included.
Lines that a progress bar has overwritten are left out. Runs on Linux and macOS.
"""

import argparse
import fcntl
import io
import os
import pty
import re
import shlex
import struct
import sys
import termios
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

ROWS = 200  # higher than any output, so that nothing scrolls away
CONTROL = re.compile(r"\r\n|\x1b\[(\d*)A|\x1b\[2K|\x1b\[\?25[hl]|\r|\n")
TEMPLATE = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""rich's own template without its web fonts: a picture in a README may load nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="the SVG file to write")
    parser.add_argument("--columns", type=int, default=120, help="the terminal's width")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="a normbench command with its options")
    arguments = parser.parse_args()
    printed = run_in_terminal([sys.executable, "-m", "normbench", *arguments.command], arguments.columns)
    shown = f"$ {shlex.join(['normbench', *arguments.command])}\n{visible(printed)}"
    arguments.output.write_text(as_svg(shown, arguments.columns), encoding="utf-8")


def run_in_terminal(command: list[str], columns: int) -> str:
    """What the command writes to a terminal, control sequences included. Exits where the command fails."""
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
        for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
            os.environ.pop(name, None)
        os.execvpe(command[0], command, os.environ | {"TERM": "xterm-256color"})
    written = b""
    try:
        while block := os.read(terminal, 65536):
            written += block
    except OSError:  # Linux says so when the other end is closed
        pass
    _, status = os.waitpid(pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        sys.exit(f"{shlex.join(command)} ended with exit code {code}:\n{written.decode()}")
    return written.decode()


def visible(printed: str) -> str:
    """The lines that are on the screen at the end; colours stay in them as escape sequences."""
    lines, row, at = [""], 0, 0
    for control in CONTROL.finditer(printed):
        lines[row] += printed[at : control.start()]
        at = control.end()
        if control[0] in ("\n", "\r\n"):
            row += 1
            lines += [""] * (row == len(lines))
        elif control[0].endswith("A"):
            row = max(row - int(control[1] or 1), 0)
        elif control[0].endswith("2K"):
            lines[row] = ""
    lines[row] += printed[at:]
    return "\n".join(line.rstrip() for line in lines).rstrip()


def as_svg(text: str, columns: int) -> str:
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(text), soft_wrap=True)
    return console.export_svg(title="", theme=DIMMED_MONOKAI, code_format=TEMPLATE, unique_id="terminal")


if __name__ == "__main__":
    main()
