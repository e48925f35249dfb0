"""A synthetic kernel: the same objects in several link orders, under cachegrind and a clock.

480 functions of ordinary code and 41 of interrupt code. Ordinary code runs through all of its
functions in a scrambled order and so fills the instruction cache; after every 48 of them an
interrupt comes and calls 8 of its 40 small functions. The ordinary functions are put in a random
order by a seed; for each seed the interrupt's functions are scattered among them (`scattered`) or
stand together in one place (`grouped`). Nothing but the linker's order differs.
"""

import os
import random
import statistics
import tempfile
import time

from common import change, fail, functions, layout, number, run, table, toolchain

ORDINARY, HELPERS, SEEDS, RUNS = 480, 40, 8, 11
CACHES = [("32 KiB, 8 ways", "32768,8,64"), ("8 KiB, 4 ways", "8192,4,64")]
LAST_LEVEL = "1048576,16,64"
CLOCKED_ROUNDS, SIMULATED_ROUNDS = 12_000, 150

SOURCE = """
typedef unsigned long word;
#define LONE __attribute__((noinline))
static word state[64];
volatile word result;
"""


def program():
    """The C source: bodies of different lengths, none of which can be folded with another."""
    chance = random.Random(1)
    text = [SOURCE]

    def function(name, statements):
        lines = [f"LONE word {name}(word x) {{"]
        for _ in range(statements):
            slot, factor, shift = chance.randrange(64), chance.getrandbits(31) | 1, \
                chance.randrange(3, 29)
            lines.append(f"  x = (x ^ state[{slot}]) * {factor}u + (x >> {shift});")
            if chance.random() < 0.2:
                lines.append(f"  if (x & {1 << chance.randrange(8)}) state[{slot}] += x;")
        return "\n".join(lines + ["  return x;", "}"])

    names = [f"ordinary_{index}" for index in range(ORDINARY)]
    helpers = [f"isr_{index}" for index in range(HELPERS)]
    text += [function(name, chance.randrange(4, 28)) for name in names]
    text += [function(name, chance.randrange(3, 12)) for name in helpers]
    text.append("LONE word isr_entry(word x, unsigned turn) {\n  switch (turn % 5) {")
    for turn in range(5):
        calls = "".join(f" x = {name}(x);" for name in helpers[turn * 8:turn * 8 + 8])
        text.append(f"  case {turn}:{calls} break;")
    text.append("  }\n  return x;\n}")
    chance.shuffle(names)
    text.append("int main(int count, char **words) {\n  (void)count;\n"
                "  unsigned rounds = 0, turn = 0; word x = 1;\n"
                "  for (char *c = words[1]; *c; c++) rounds = rounds * 10 + (unsigned)(*c - '0');\n"
                "  while (rounds--) {")
    for index, name in enumerate(names):
        text.append(f"    x = {name}(x);")
        if index % 48 == 47:
            text.append("    x = isr_entry(x, turn++);")
    text.append("  }\n  result = x;\n  return 0;\n}")
    return "\n".join(text)


def orders(seed):
    """The two link orders of a seed: scattered and grouped."""
    chance = random.Random(seed)
    names = ["main"] + [f"ordinary_{index}" for index in range(ORDINARY)]
    interrupt = ["isr_entry"] + [f"isr_{index}" for index in range(HELPERS)]
    chance.shuffle(names)
    chance.shuffle(interrupt)
    place = chance.randrange(len(names) + 1)
    grouped = names[:place] + interrupt + names[place:]
    scattered = list(names)
    step = len(names) / len(interrupt)
    for index, name in reversed(list(enumerate(interrupt))):
        scattered.insert(int((index + chance.random()) * step), name)
    return {"scattered": scattered, "grouped": grouped}


def link(directory, name, order):
    """Links the program in an order."""
    path = os.path.join(directory, name)
    with open(path + ".order", "w", encoding="utf-8") as file:
        file.write("\n".join(order) + "\n")
    run("gcc", "-B" + directory, "-fuse-ld=lld", os.path.join(directory, "kernel.o"), "-o", path,
        f"-Wl,--symbol-ordering-file={path}.order", "-Wl,--no-warn-symbol-ordering")
    placed = [name for _, _, name in functions(path) if name in set(order)]
    if placed != order:
        fail(f"{name} is not in the order that was asked for")
    return path


def simulate(path, cache):
    """Instructions, misses of the two caches, and misses of the first in interrupt functions."""
    output = path + ".cachegrind"
    run("valgrind", "--tool=cachegrind", "--cache-sim=yes", f"--I1={cache}", "--D1=32768,8,64",
        f"--LL={LAST_LEVEL}", f"--cachegrind-out-file={output}", path, str(SIMULATED_ROUNDS))
    totals, interrupt, inside = [0, 0, 0], 0, False
    with open(output, encoding="utf-8") as file:
        for line in file:
            if line.startswith("fn="):
                inside = line[3:].startswith("isr_")
                ours = line[3:].startswith(("isr_", "ordinary_", "main"))
            elif line[0].isdigit() and ours:
                counts = [int(word) for word in line.split()[1:4]]
                totals = [sum(pair) for pair in zip(totals, counts)]
                interrupt += counts[1] if inside else 0
    return totals + [interrupt]


def clock(path):
    start = time.perf_counter()
    run(path, str(CLOCKED_ROUNDS))
    return time.perf_counter() - start


def build(directory):
    """Compiles the kernel, and links it in all orders: paths by seed and layout."""
    source = os.path.join(directory, "kernel.c")
    with open(source, "w", encoding="utf-8") as file:
        file.write(program())
    run("gcc", "-O2", "-ffunction-sections", "-c", source,
        "-o", os.path.join(directory, "kernel.o"))
    os.symlink(toolchain("ld.lld"), os.path.join(directory, "ld.lld"))
    return {seed: {name: link(directory, f"{name}-{seed}", order)
                   for name, order in orders(seed).items()} for seed in range(SEEDS)}


def main():
    with tempfile.TemporaryDirectory() as directory:
        kernels = build(directory)
        rows, places, text = [], {"scattered": [], "grouped": []}, set()
        for images in kernels.values():
            for name, path in images.items():
                all_functions = [f for f in functions(path)
                                 if f[2].startswith(("isr_", "ordinary_")) or f[2] == "main"]
                text.add(sum(size for _, size, _ in all_functions))
                places[name].append(layout([(at, size) for at, size, function in all_functions
                                            if function.startswith("isr_")]))
        for name, found in places.items():
            columns = list(zip(*found))
            rows.append([name] + [f"{number(min(c))}–{number(max(c))}" if min(c) != max(c)
                                  else number(c[0]) for c in columns])
        table(f"Synthetic kernel: where the interrupt's 41 functions lie ({SEEDS} link orders; "
              f"all functions together: {', '.join(number(size) for size in sorted(text))} bytes)",
              ["layout", "bytes", "cache lines", "pages"], rows)

        for title, cache in CACHES:
            rows = []
            for seed, images in kernels.items():
                a, b = (simulate(images[name], cache) for name in ("scattered", "grouped"))
                if a[0] != b[0]:
                    fail(f"seed {seed}: {a[0]} and {b[0]} instructions")
                rows.append([seed, number(a[0]), number(a[1]), number(b[1]), change(a[1], b[1]),
                             number(a[3]), number(b[3]), change(a[3], b[3]),
                             number(a[2]), number(b[2])])
            table(f"Synthetic kernel under cachegrind, I1 of {title} (S scattered, G grouped)",
                  ["link order", "instructions", "I1 misses S", "I1 misses G", "change",
                   "in interrupts S", "in interrupts G", "change", "LL misses S", "LL misses G"],
                  rows)

        # One warm-up; then all images in every round, each time in another order, so that whatever
        # else the computer does meets all alike.
        chance = random.Random(2)
        times = {(seed, name): [] for seed in kernels for name in places}
        for round_number in range(RUNS + 1):
            for key in chance.sample(list(times), len(times)):
                seconds = clock(kernels[key[0]][key[1]])
                if round_number > 0:
                    times[key].append(seconds)
        medians = {key: statistics.median(values) for key, values in times.items()}
        rows, ratios = [], []
        for seed in kernels:
            a, b = times[seed, "scattered"], times[seed, "grouped"]
            ratio = statistics.median(y / x for x, y in zip(a, b))
            ratios.append(ratio)
            rows.append([seed, f"{medians[seed, 'scattered']:.3f} s",
                         f"{medians[seed, 'grouped']:.3f} s", f"{ratio:.3f}"])
        table(f"Synthetic kernel against the clock: medians of {RUNS} runs, and the median of the "
              "ratios within one round", ["link order", "scattered", "grouped", "ratio"], rows)
        spread = [medians[seed, "scattered"] for seed in kernels]
        print(f"\nRatio grouped to scattered: median {statistics.median(ratios):.3f}, "
              f"{min(ratios):.3f} to {max(ratios):.3f}. Scattered link orders among themselves: "
              f"slowest to fastest {max(spread) / min(spread):.3f}.")


main()
