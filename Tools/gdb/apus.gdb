# Commands for debugging an image with gdb.
#
#   apus run --gdb IMAGE                       waits before the first instruction
#   gdb -ix Tools/gdb/apus.gdb IMAGE           in another terminal; then: apus-connect, continue
#
# Every CPU of the guest is a thread of gdb: thread 1 is CPU 0 of the machine.

# The debugger cannot find the C modules that Swift imported, and says so for each.
set complaints 0
set pagination off
set confirm off
set print asm-demangle on
set print frame-arguments scalars
set disassemble-next-line auto

define apus-connect
  if $argc == 0
    target remote 127.0.0.1:1234
  else
    target remote 127.0.0.1:$arg0
  end
  # A breakpoint written into the code would be overwritten when the image is loaded.
  hbreak apus_pvh_entry
end
document apus-connect
Connect to a guest that `apus run --gdb [PORT]` has started, and stop at its first instruction.
Usage: apus-connect [PORT]; the port is 1234 if none is given.
end

define apus-cpus
  info threads
end
document apus-cpus
Show where every CPU is, and which one the other commands are about.
`thread N` changes it; a halted CPU is said to be so by QEMU.
end

define apus-backtraces
  thread apply all -s backtrace 32
end
document apus-backtraces
Show the calls that every CPU is in.
end

define apus-main
  tbreak main
  continue
end
document apus-main
Run to the first line of the application's `main`, with all CPUs online.
end

define apus-page
  monitor gva2gpa $arg0
  monitor info tlb
end
document apus-page
Show what a virtual address is translated to, and all translations.
Usage: apus-page ADDRESS
end
