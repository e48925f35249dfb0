"""Does a section attribute stop inlining? Two functions, compiled and disassembled."""

import os
import re
import tempfile

from common import run, table, toolchain

ISR = '__attribute__((section(".text.isr"))) '

CASES = [
    ("no section at all", "static ", ""),
    ("callee in `.text.isr`, caller not", "static " + ISR, ""),
    ("caller in `.text.isr`, callee not", "static ", ISR),
    ("both in `.text.isr`", "static " + ISR, ISR),
    ("control: callee in `.text.isr` and `noinline`",
     "static __attribute__((noinline)) " + ISR, ""),
]


def source(callee, caller):
    return f"""{callee}int callee(const int *values) {{ return values[0] * 3 + values[1]; }}
{caller}int caller(const int *values) {{ return callee(values) + callee(values + 2); }}
"""


def calls(compiler, directory, code):
    """Whether the compiled `caller` still calls."""
    path = os.path.join(directory, "two.c")
    with open(path, "w", encoding="utf-8") as file:
        file.write(code)
    run(compiler, "-O2", "-c", path, "-o", path + ".o")
    text = run(toolchain("llvm-objdump"), "-d", "-r", "--no-show-raw-insn", path + ".o")
    body = text.split("<caller>:\n", 1)[1].split("\n\n", 1)[0]
    return re.search(r"\bcall|jmp\s.*<callee>|R_X86_64_PLT32|R_X86_64_PC32.*\.text", body)


def main():
    compilers = [("gcc", "gcc"), ("clang", toolchain("clang"))]
    with tempfile.TemporaryDirectory() as directory:
        rows = []
        for name, callee, caller in CASES:
            found = [calls(path, directory, source(callee, caller)) for _, path in compilers]
            rows.append([name] + ["called" if call else "inlined" for call in found])
    versions = [run(path, "--version").splitlines()[0] for _, path in compilers]
    table("What becomes of a small callee at `-O2`", ["case"] + [name for name, _ in compilers],
          rows)
    print("\n" + "; ".join(versions))


main()
