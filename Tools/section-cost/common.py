"""What the parts of Tools/measure-section-cost share: programs, layouts, tables."""

import os
import shutil
import subprocess
import sys

LINE = 64
PAGE = 4096


def fail(message):
    """Ends the measurement with one line."""
    sys.exit(f"Tools/measure-section-cost: {message}")


def run(*command, **options):
    """Runs a program to its end and returns its standard output."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            errors="replace", **options)
    if result.returncode != 0:
        fail(f"{command[0]} ended with {result.returncode}: {result.stderr.strip()[-400:]}")
    return result.stdout


def toolchain(name):
    """The path of a program that stands beside the Swift compiler."""
    compiler = shutil.which("swiftc") or fail("no swiftc on the PATH")
    return os.path.join(os.path.dirname(os.path.realpath(compiler)), name)


def functions(elf):
    """The functions of an ELF file as tuples of address, size and name, by address."""
    found = []
    text = run(toolchain("llvm-nm"), "--print-size", "--format=sysv", "--no-demangle", elf)
    for line in text.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) >= 7 and fields[3] == "FUNC" and fields[4]:
            found.append((int(fields[1], 16), int(fields[4], 16), fields[0]))
    return sorted(found)


def layout(ranges):
    """Bytes of address ranges, the cache lines and the pages that they touch."""
    covered = set()
    for start, size in ranges:
        covered.update(range(start, start + size))
    return (len(covered), len({byte // LINE for byte in covered}),
            len({byte // PAGE for byte in covered}))


def number(value):
    """A number with its thousands apart."""
    return f"{value:,}"


def change(before, after):
    """The relative difference, as a percentage."""
    return f"{(after - before) * 100 / before:+.2f} %" if before else "–"


def table(title, heads, rows):
    """Prints a Markdown table; the columns after the first are aligned to the right."""
    print(f"\n{title}\n")
    print("| " + " | ".join(heads) + " |")
    print("|---" + "|---:" * (len(heads) - 1) + "|")
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    sys.stdout.flush()
