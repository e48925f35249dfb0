"""Images of Apus, relinked from the same objects with the interrupts' functions together.

What may run in an interrupt is approximated: what a traced run has executed there, and all that
this calls or jumps to directly, the panic report included.
"""

import filecmp
import json
import os
import re
import shutil
import tempfile

from common import fail, layout, number, run, table, toolchain

SDK = "SDKs/apus.artifactbundle/x86_64"
APUS = ".build/release/apus"
PLACEHOLDER = "*(.text.traps)"
CPUS = "4"


class Image:
    """A linked image with the places of its input sections and its instructions."""

    def __init__(self, path):
        self.path = path
        # Name, file, address and size of every input section with code.
        self.sections = {}
        with open(path + ".map", encoding="utf-8") as file:
            for line in file:
                found = re.match(
                    r" *([0-9a-f]+) +[0-9a-f]+ +([0-9a-f]+) +\d+ +(\S+):\((\.text.*)\)$", line)
                if found and int(found[2], 16) > 0:
                    key = (os.path.basename(found[3]), found[4])
                    self.sections[key] = (int(found[1], 16), int(found[2], 16))
        self.starts = sorted((at, size, key) for key, (at, size) in self.sections.items())
        headers = run(toolchain("llvm-objdump"), "-h", path)
        self.text = int(re.search(r" \.text +([0-9a-f]+)", headers)[1], 16)

    def section_at(self, address):
        """The input section that holds an address."""
        low, high = 0, len(self.starts)
        while low < high:
            middle = (low + high) // 2
            if self.starts[middle][0] <= address:
                low = middle + 1
            else:
                high = middle
        at, size, key = self.starts[low - 1] if low else (0, 0, None)
        return key if address < at + size else None

    def disassemble(self):
        """Lengths of instructions by address, and the sections that each section branches to."""
        text = run(toolchain("llvm-objdump"), "-d", self.path)
        self.lengths, self.branches = {}, {}
        for line in text.splitlines():
            found = re.match(r" *([0-9a-f]+): ((?:[0-9a-f]{2} )+)\s*(\S+)(.*)", line)
            if not found:
                continue
            address = int(found[1], 16)
            self.lengths[address] = len(found[2].split())
            target = re.search(r"\b0x([0-9a-f]+) <", found[4])
            if target and (found[3].startswith("j") or found[3].startswith("call")):
                here, there = self.section_at(address), self.section_at(int(target[1], 16))
                if here != there and there:
                    self.branches.setdefault(here, set()).add(there)

    def reachable(self, addresses):
        """The input sections of the addresses, and all that these branch to directly."""
        reached = {self.section_at(address) for address in addresses} - {None}
        todo = list(reached)
        while todo:
            for there in self.branches.get(todo.pop(), ()):
                if there not in reached:
                    reached.add(there)
                    todo.append(there)
        return reached


def link(product, built, script, directory):
    """Links a product's objects by a linker script, the way the Swift SDK does."""
    os.makedirs(os.path.join(directory, "x86_64/link"))
    sdk = os.path.join(directory, "x86_64")
    shutil.copy(f"{SDK}/kernel-modules", sdk)
    shutil.copy(f"{SDK}/link/ld.apus", sdk + "/link")
    with open(sdk + "/apus.ld", "w", encoding="utf-8") as file:
        file.write(script)
    path = os.path.join(directory, product)
    run(toolchain("swiftc"), "-o", path, "-module-name", product, "-emit-executable",
        "-Xlinker", "--gc-sections", "-Xlinker", "--defsym", "-Xlinker", f"main={product}_main",
        f"@{built}.product/Objects.LinkFileList", "-target", "x86_64-unknown-none-elf",
        "-enable-experimental-feature", "Embedded",
        "-Xclang-linker", "--target=x86_64-unknown-linux-gnu", "-Xclang-linker", "-nostdlib",
        "-Xclang-linker", "-static", "-sdk", f"{os.getcwd()}/{SDK}/sysroot",
        f"-ld-path={sdk}/link/ld.apus", "-g", "-Xlinker", f"-Map={path}.map")
    return Image(path)


def boot(image, options):
    """Boots an image with `--icount`: the report, and the trace's addresses and sums."""
    trace = image.path + ".trace"
    report = json.loads(run(
        APUS, "run", image.path, "--icount", "--json", "--memory", "64M", "--cpus", CPUS,
        "--timeout", "120", "--interrupt-trace", trace, *options))
    addresses, sums = [], {}
    with open(trace, encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if words[:2] == ["#", "inside"]:
                sums[words[2]] = (int(words[3]), int(words[4]))
            elif words[0] != "#":
                addresses.append(int(words[0], 16))
    return report, addresses, sums


def counts(report):
    """The instructions of all CPUs up to `main`, and up to the end."""
    marks = {}
    for event in report["instructions"]["events"]:
        marks.setdefault(event["mark"], sum(event["instructions"]))
    return marks[1] - marks[0], sum(report["instructions"]["total"])


def variants(script, executed, reachable):
    """Linker scripts that group the interrupts' functions, by name."""
    own = {".text.traps", ".text.boot"}
    hot = sorted({name for _, name in executed} - own)
    cold = sorted({name for _, name in reachable} - own - set(hot))
    if ".text" in hot + cold:
        fail("a function of the interrupt's set has no section of its own")

    def placing(*lists):
        groups = [f"*({' '.join(names)})" for names in lists if names]
        return script.replace(PLACEHOLDER, " ".join([PLACEHOLDER] + groups))

    return {"grouped": placing(sorted(hot + cold)), "hot-first": placing(hot, cold)}


def measure(package, options, directory):
    """Links an image in all ways and compares them: rows for the tables."""
    built = re.search(r"^image +(.*)$", run(APUS, "build", package), re.M)[1]
    product = os.path.basename(built)
    with open(f"{SDK}/apus.ld", encoding="utf-8") as file:
        script = file.read()
    if PLACEHOLDER not in script:
        fail(f"the linker script has no {PLACEHOLDER} any more")

    first = link(product, built, script, os.path.join(directory, product, "as-linked"))
    if not filecmp.cmp(built, first.path, shallow=False):
        fail(f"{product} relinked is not the image that `apus build` makes")
    runs = [boot(first, options)]
    again = boot(first, options)
    if counts(runs[0][0]) != counts(again[0]) or runs[0][1:] != again[1:]:
        fail(f"two runs of {product} count {counts(runs[0][0])} and {counts(again[0])}")
    first.disassemble()
    executed = {first.section_at(address) for address in runs[0][1]} - {None}
    reachable = first.reachable(runs[0][1])

    images = [first]
    for name, variant in variants(script, executed, reachable).items():
        images.append(link(product, built, variant, os.path.join(directory, product, name)))
        images[-1].disassemble()
        runs.append(boot(images[-1], options))

    rows = [["`.text`, bytes"] + [image.text for image in images],
            ["loaded of the file, bytes"] + [run[0]["image"]["strippedBytes"] for run in runs]]
    for index, what in enumerate(("instructions from entry to `main`", "instructions in all")):
        rows.append([what] + [counts(run[0])[index] for run in runs])
    for vector in sorted({vector for run in runs for vector in run[2]}):
        sums = [run[2].get(vector, (0, 0)) for run in runs]
        rows.append([f"interrupts of vector {vector}"] + [sum[0] for sum in sums])
        rows.append(["instructions in them, stub to `iretq`"] + [sum[1] for sum in sums])
    rows = [[product, row[0]] + [number(value) for value in row[1:]]
            + ["equal" if len(set(row[1:])) == 1 else "differ"] for row in rows]

    places = []
    for what, sets in [
        ("instructions that ran", [[(at, image.lengths[at]) for at in run[1]]
                                   for image, run in zip(images, runs)]),
        ("functions that ran", [[image.sections[key] for key in executed] for image in images]),
        ("functions that may run", [[image.sections[key] for key in reachable]
                                    for image in images]),
    ]:
        found = [layout(ranges) for ranges in sets]
        if len({bytes for bytes, _, _ in found}) != 1:
            fail(f"{product}: the {what} have {[bytes for bytes, _, _ in found]} bytes")
        places.append([product, what, number(found[0][0])]
                      + [" → ".join(str(columns[index]) for columns in found)
                         for index in (1, 2)])
    return rows, places


def texts(directory):
    """Files for WordCount, the same in every run."""
    os.makedirs(directory)
    value = 1
    for index in range(4):
        words = []
        for _ in range(5000):
            value = (value * 6364136223846793005 + 1442695040888963407) % 2**64
            words.append(f"word{(value >> 40) % 700}")
        with open(f"{directory}/{index}.txt", "w", encoding="utf-8") as file:
            file.write(" ".join(words) + "\n")
    return directory


def main():
    if not os.path.exists(APUS):
        fail(f"no {APUS}: run `make build` first")
    with tempfile.TemporaryDirectory() as directory:
        measured = [
            measure("Examples/HelloWorld", [], directory),
            measure("Examples/WordCount", ["--rootfs", texts(f"{directory}/texts")], directory),
            measure("GuestTests", ["--env", "APUS_TEST_FILTER=Interrupts/"], directory),
        ]
    table(f"Apus on {CPUS} CPUs, `--icount`: the same objects in three link orders",
          ["image", "", "as linked", "grouped", "what ran first", ""],
          [row for rows, _ in measured for row in rows])
    table("Apus: where the interrupts' code lies, as linked → grouped → what ran first",
          ["image", "what", "bytes", "cache lines of 64 bytes", "pages of 4 KiB"],
          [row for _, places in measured for row in places])
    if any("instructions" in row[1] and row[-1] != "equal" for rows, _ in measured for row in rows):
        fail("link orders differ in what they execute")


main()
