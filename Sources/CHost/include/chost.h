// What Swift cannot call directly: fork, the descriptors of Linux for signals and processes, and
// the Swift runtime's demangler.

#ifndef CHOST_H
#define CHOST_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// Starts the program `path` as a child that the system kills when the calling thread ends.
///
/// Descriptor `n` of the child is `descriptors[n]` of the caller for n in 0..<count; it has no
/// others. No signal is blocked in it, and a closed pipe ends it.
///
/// @param process_descriptor receives a descriptor that becomes readable when the child ends.
/// @return the child's process id, or a negative errno, that of execve included.
pid_t chost_spawn(const char *path, char *const arguments[], char *const environment[],
                     const int descriptors[], int count, int *process_descriptor);

/// Opens a pipe, reading end first, that programs started elsewhere do not inherit.
///
/// @return 0, or -1 with errno.
int chost_pipe(int ends[2]);

/// Blocks INT, TERM and HUP for the calling thread and opens a descriptor that receives them.
///
/// A signal that is ignored, as under nohup, stays ignored.
///
/// @param previous receives what was blocked before.
/// @return the descriptor, or a negative errno.
int chost_receive_signals(sigset_t *previous);

/// Takes one signal that has arrived.
///
/// @return its number, or 0 when none has arrived.
int chost_next_signal(int descriptor);

/// Closes the descriptor and blocks again only what was blocked before.
void chost_stop_receiving_signals(int descriptor, const sigset_t *previous);

/// Demangles a Swift symbol; the Swift runtime defines it and keeps it stable.
///
/// @param buffer, size a buffer for the result, or null pointers.
/// @param flags reserved, 0.
/// @return the name, to be freed if no buffer was given, or a null pointer for another symbol.
char *swift_demangle(const char *mangled, size_t length, char *buffer, size_t *size,
                     uint32_t flags);

#endif
